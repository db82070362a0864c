//! What the operator says about plugins.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::time::Duration;

use kleene_plan::Capability;

/// Where plugins are, and what they may do.
#[derive(Debug, Clone)]
pub struct PluginsConfig {
    /// The directory whose `*.wasm` files are plugins.
    pub directory: PathBuf,
    /// Where compiled code is kept; made, and closed to others, when it is missing. Whoever can write here can run
    /// code as the daemon.
    pub cache: PathBuf,
    /// What one call may use.
    pub limits: Limits,
    /// How plugins are run.
    pub engine: EngineKind,
    /// By plugin name, what it may plan of what it asks for. A plugin without an entry gets what it asks for.
    pub allow: BTreeMap<String, BTreeSet<Capability>>,
    /// By plugin name, what the site configured for it: JSON objects. One for a plugin that is not there, or that has
    /// no use for it, is a mistake.
    pub settings: BTreeMap<String, serde_json::Value>,
}

impl PluginsConfig {
    /// Plugins from `directory`, compiled code in `cache`, the rest as it is by default.
    #[must_use]
    pub fn new(directory: impl Into<PathBuf>, cache: impl Into<PathBuf>) -> Self {
        Self {
            directory: directory.into(),
            cache: cache.into(),
            limits: Limits::default(),
            engine: EngineKind::default(),
            allow: BTreeMap::new(),
            settings: BTreeMap::new(),
        }
    }
}

/// What one call may use at most.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of linear memory. Bounds what an answer may hold as well.
    pub memory: usize,
    /// Time. Wall-clock time, since a plugin cannot wait for anything; kept to a few milliseconds.
    pub deadline: Duration,
    /// Operations, rules and jail settings of a plan, together.
    pub operations: usize,
    /// Lines for the log; the rest is dropped and counted.
    pub log_lines: usize,
    /// Bytes of a component's file.
    pub file: u64,
}

impl Default for Limits {
    /// 16 MiB, 250 ms, 4096 operations, 64 lines, files of 32 MiB (components written in Python or JavaScript hold
    /// an interpreter).
    fn default() -> Self {
        Self {
            memory: 16 << 20,
            deadline: Duration::from_millis(250),
            operations: 4096,
            log_lines: 64,
            file: 32 << 20,
        }
    }
}

/// How plugins are run.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum EngineKind {
    /// Compiled to the machine's own code.
    #[default]
    Cranelift,
    /// Interpreted: some ten times slower, and works on every machine.
    Pulley,
}
