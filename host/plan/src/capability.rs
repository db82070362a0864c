//! The kinds of things a plugin may plan, by the names that its manifest and the operator use. Whether a plan stays
//! within them is decided in `grant`.

use std::fmt;

use serde::{Deserialize, Serialize};

/// A kind of thing a plugin may be granted to plan. The names are those of the manifest.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Capability {
    /// Bridges.
    Bridge,
    /// Loopback interfaces.
    Loopback,
    /// Pairs of interfaces, one of which goes into a jail.
    Pair,
    /// Addresses on interfaces of the host, for jails that share its network stack.
    Alias,
    /// Default routes of jails.
    Route,
    /// The host forwarding packets.
    Forwarding,
    /// Passing and blocking packets.
    Filter,
    /// Blocking packets by guards, which can open nothing.
    Guard,
    /// Source translation.
    Nat,
    /// Redirection of ports of the host.
    Redirect,
    /// Datasets.
    Dataset,
    /// Snapshots.
    Snapshot,
    /// Running processes in a build.
    Run,
    /// Copying files into an image that is built.
    Copy,
    /// Settings of an image that is built: variables, labels, its user, its command and the like.
    Settings,
}

impl fmt::Display for Capability {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Bridge => "bridge",
            Self::Loopback => "loopback",
            Self::Pair => "pair",
            Self::Alias => "alias",
            Self::Route => "route",
            Self::Forwarding => "forwarding",
            Self::Filter => "filter",
            Self::Guard => "guard",
            Self::Nat => "nat",
            Self::Redirect => "redirect",
            Self::Dataset => "dataset",
            Self::Snapshot => "snapshot",
            Self::Run => "run",
            Self::Copy => "copy",
            Self::Settings => "settings",
        })
    }
}
