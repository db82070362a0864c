//! What an image says about containers made from it, beyond command, environment and user.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

/// The words are those of OCI image configurations.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct ImageSettings {
    /// What stands before the command; kept apart, so that a container can replace the one and keep the other.
    pub entrypoint: Vec<String>,
    /// Where processes begin; `None`: in the home of their user.
    pub working_dir: Option<String>,
    /// What its author notes about it.
    pub labels: BTreeMap<String, String>,
    /// Ports on which it listens, `80/tcp`.
    pub exposed_ports: BTreeSet<String>,
    /// Directories whose content shall outlive it.
    pub volumes: BTreeSet<String>,
    /// How to find out whether it works.
    pub healthcheck: Option<Healthcheck>,
    /// The shell of its build's commands; empty: `/bin/sh -c`.
    pub shell: Vec<String>,
    /// The signal that asks its first process to end, `SIGTERM` or a number; `None`: TERM.
    pub stop_signal: Option<String>,
    /// What it was made for, `linux/amd64` or `linux/arm/v7`; `None`: this host.
    pub platform: Option<String>,
}

/// A command that tells whether a container works.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Healthcheck {
    /// `["NONE"]`, `["CMD", program, …]` or `["CMD-SHELL", text]`.
    pub test: Vec<String>,
    /// Nanoseconds between two checks.
    pub interval: Option<u64>,
    /// Nanoseconds that a check may take.
    pub timeout: Option<u64>,
    /// Nanoseconds in which failures do not count.
    pub start_period: Option<u64>,
    /// Failures in a row until the container does not work.
    pub retries: Option<u32>,
}
