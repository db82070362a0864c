//! What can go wrong with a plugin, told to the user.

use std::path::PathBuf;
use std::time::Duration;

use kleene_plan::Denied;

/// Why there is no plan.
#[derive(Debug, thiserror::Error)]
pub enum PluginError {
    /// A directory of ours cannot be used.
    #[error("cannot use the plugin directory {path}: {source}")]
    Directory {
        /// The directory.
        path: PathBuf,
        /// What the operating system says.
        source: std::io::Error,
    },
    /// The plugin engine cannot be set up on this machine.
    #[error("cannot set up the plugin engine: {0}; the setting engine = \"pulley\" works on every machine")]
    Engine(String),
    /// The site configured something for a plugin that makes no sense.
    #[error("[plugins.config.{plugin}]{}: {reason}", key_of(key))]
    Settings {
        /// Its name.
        plugin: String,
        /// The key, as a path; empty: all of it.
        key: String,
        /// What is wrong with it.
        reason: String,
    },
    /// The site says something about a plugin that is not there.
    #[error(
        "[plugins.{section}] '{name}': there is no plugin of this name in {}; there are: {}",
        directory.display(),
        list(known)
    )]
    Unknown {
        /// Where it says so: `allow` or `config`.
        section: &'static str,
        /// The name.
        name: String,
        /// Where plugins are.
        directory: PathBuf,
        /// Those that are there.
        known: Vec<String>,
    },
    /// No plugin serves this kind of network.
    #[error("no plugin serves networks of type '{kind}'; there are: {}", list(known))]
    UnknownNetwork {
        /// What was asked for.
        kind: String,
        /// What is served.
        known: Vec<String>,
    },
    /// No plugin serves this volume driver.
    #[error("no plugin serves the volume driver '{name}'; there are: {}", list(known))]
    UnknownVolumeDriver {
        /// What was asked for.
        name: String,
        /// What is served.
        known: Vec<String>,
    },
    /// No plugin reads Dockerfiles.
    #[error("no plugin builds images; put the plugin 'builder' into the plugin directory")]
    NoBuilder,
    /// No plugin serves this instruction.
    #[error("no plugin serves the instruction '{keyword}'; there are: {}", list(known))]
    UnknownStep {
        /// Its keyword.
        keyword: String,
        /// What is served.
        known: Vec<String>,
    },
    /// The plugin that would serve cannot be used.
    #[error("plugin '{plugin}' cannot be used: {reason}")]
    Broken {
        /// Its name.
        plugin: String,
        /// What is wrong with it.
        reason: String,
    },
    /// The plugin failed too often.
    #[error("plugin '{plugin}' failed {failures} times in a row and rests for another {} s; last: {last}", seconds(*.rest))]
    Quarantined {
        /// Its name.
        plugin: String,
        /// How often.
        failures: u32,
        /// How long it still rests.
        rest: Duration,
        /// The last failure.
        last: String,
    },
    /// The plugin crashed.
    #[error("plugin '{plugin}' trapped in {call}: {reason}")]
    Trapped {
        /// Its name.
        plugin: String,
        /// What it was asked.
        call: &'static str,
        /// How it ended.
        reason: String,
    },
    /// The plugin took too long.
    #[error("plugin '{plugin}' exceeded its deadline of {} ms in {call}", deadline.as_millis())]
    Deadline {
        /// Its name.
        plugin: String,
        /// What it was asked.
        call: &'static str,
        /// How long it may take.
        deadline: Duration,
    },
    /// The plugin wanted too much memory.
    #[error("plugin '{plugin}' exceeded its memory limit of {} MiB in {call}", limit >> 20)]
    Memory {
        /// Its name.
        plugin: String,
        /// What it was asked.
        call: &'static str,
        /// Bytes it may have.
        limit: usize,
    },
    /// The plan is too long.
    #[error("plugin '{plugin}' planned {count} operations in {call}, more than the {limit} it may")]
    TooMany {
        /// Its name.
        plugin: String,
        /// What it was asked.
        call: &'static str,
        /// How many.
        count: usize,
        /// How many it may.
        limit: usize,
    },
    /// The answer makes no sense.
    #[error("plugin '{plugin}' gave an invalid answer in {call}: {reason}")]
    Invalid {
        /// Its name.
        plugin: String,
        /// What it was asked.
        call: &'static str,
        /// What is wrong with the answer.
        reason: String,
    },
    /// The plan holds what the plugin may not do.
    #[error("plugin '{plugin}' planned in {call} what it may not: {denied}")]
    Denied {
        /// Its name.
        plugin: String,
        /// What it was asked.
        call: &'static str,
        /// What, and why not.
        denied: Denied,
    },
    /// A policy said no.
    #[error("policy '{plugin}' refuses: {reason}")]
    Vetoed {
        /// The policy's name.
        plugin: String,
        /// Its reason.
        reason: String,
    },
    /// The plugin works and says no; the text is its own.
    #[error("{0}")]
    Refused(Refusal),
}

impl PluginError {
    /// What the user may try, where the plugin says so.
    #[must_use]
    pub fn hint(&self) -> Option<&str> {
        match self {
            Self::Refused(refusal) => refusal.hint.as_deref(),
            _ => None,
        }
    }

    /// Whether a policy that works said no.
    #[must_use]
    pub fn is_verdict(&self) -> bool {
        matches!(self, Self::Vetoed { .. } | Self::Refused(_))
    }

    /// Whether the plugin misbehaved, which counts towards its quarantine.
    pub(crate) fn is_failure(&self) -> bool {
        matches!(
            self,
            Self::Trapped { .. } | Self::Deadline { .. } | Self::Memory { .. }
        )
    }
}

/// A plugin's own error, passed on as it is.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct Refusal {
    /// Which plugin.
    pub plugin: String,
    /// Its kind.
    pub code: RefusalCode,
    /// What happened, in the plugin's words.
    pub message: String,
    /// What to try, in the plugin's words.
    pub hint: Option<String>,
}

/// What kind of refusal it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RefusalCode {
    /// What was asked for makes no sense for this plugin.
    Invalid,
    /// It contradicts something that exists.
    Conflict,
    /// The plugin does not do this.
    NotSupported,
    /// The plugin itself is at fault.
    Internal,
}

fn key_of(key: &str) -> String {
    if key.is_empty() {
        String::new()
    } else {
        format!(", key '{key}'")
    }
}

fn list(known: &[String]) -> String {
    if known.is_empty() {
        "none".to_owned()
    } else {
        known.join(", ")
    }
}

/// Whole seconds, rounded up, so that nobody is told to wait for 0 s.
fn seconds(duration: Duration) -> u64 {
    duration.as_secs() + u64::from(duration.subsec_nanos() > 0)
}
