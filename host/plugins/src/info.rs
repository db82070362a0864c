//! What is known of a plugin.

use std::path::PathBuf;

use kleene_plan::Capability;

use crate::manifest::Manifest;

/// What is known of a plugin.
#[derive(Debug, Clone)]
pub struct PluginInfo {
    /// Its file.
    pub file: PathBuf,
    /// Its manifest; `None` where the file has none that can be read.
    pub manifest: Option<Manifest>,
    /// What it may plan.
    pub grant: Vec<Capability>,
    /// Whether it can be asked.
    pub state: PluginState,
}

/// Whether a plugin can be asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PluginState {
    /// Yes.
    Ready,
    /// Not for the moment: it failed too often. The text says how.
    Resting(String),
    /// No, and why.
    Broken(String),
}
