//! What a jail is and what runs in it, as the supervisor is told: complete, so that nothing is looked up later.

use std::fmt;
use std::net::IpAddr;
use std::path::PathBuf;

use ipnet::IpNet;
use serde::{Deserialize, Serialize};

use crate::names::{Id, InterfaceName, MacAddress};

/// Where programs are searched when neither image nor container say so.
pub const DEFAULT_PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// An interface that moves into a jail.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct JailInterface {
    /// Its name on the host and in the jail.
    pub name: InterfaceName,
    /// Its hardware address.
    pub mac: MacAddress,
    /// Its addresses with their prefix lengths.
    pub addresses: Vec<IpNet>,
}

/// How a jail is connected.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum JailNetwork {
    /// The host's network stack, all of it.
    Inherit,
    /// None at all.
    Disabled,
    /// These addresses of the host's stack and no others.
    Addresses(Vec<IpAddr>),
    /// A network stack of its own.
    Vnet {
        /// What moves in.
        interfaces: Vec<JailInterface>,
        /// Default routes, one per family.
        default_routes: Vec<IpAddr>,
    },
}

/// A directory or file of the host's, visible in a jail (nullfs, bind mount).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct JailMount {
    /// Path on the host.
    pub source: PathBuf,
    /// Path in the jail, absolute; resolved beneath the jail's root, whatever links the image holds.
    pub target: PathBuf,
    /// Whether the jail may only read.
    pub read_only: bool,
}

/// A jail.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct JailSpec {
    /// Its name: the container's id.
    pub id: Id,
    /// The directory that becomes its root, mounted.
    pub root: PathBuf,
    /// How it is connected.
    pub network: JailNetwork,
    /// What is mounted in it, in order.
    pub mounts: Vec<JailMount>,
    /// Parameters in jail(8)'s form (`key`, `key=value`), the user's, in order. A platform refuses by name those it
    /// cannot honour.
    pub parameters: Vec<String>,
}

/// The size of a terminal in characters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct WindowSize {
    /// Lines.
    pub rows: u16,
    /// Columns.
    pub cols: u16,
}

impl Default for WindowSize {
    /// 80 columns by 24 lines, what a terminal has unless it says otherwise.
    fn default() -> Self {
        Self { rows: 24, cols: 80 }
    }
}

/// A process in a jail.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProcessSpec {
    /// Program and arguments; the program is searched in the `PATH` of the environment unless it holds a `/`.
    pub argv: Vec<String>,
    /// `NAME=value`, on top of the login environment of the user.
    pub env: Vec<String>,
    /// A name from the jail's own `/etc/passwd`, or a number. Empty: root.
    pub user: String,
    /// Where it starts; `None`: the user's home.
    pub directory: Option<PathBuf>,
    /// Its terminal; `None`: pipes, with standard error merged into standard output.
    pub terminal: Option<WindowSize>,
}

/// Whether the jail comes into being with the process.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LaunchMode {
    /// The jail does not run: it is made, and lives as long as this process (on FreeBSD: as any process in it).
    Start,
    /// The jail runs: the process joins it.
    Join,
}

/// An order to the supervisor.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Launch {
    /// The jail.
    pub jail: JailSpec,
    /// What runs in it.
    pub process: ProcessSpec,
    /// Whether it makes the jail.
    pub mode: LaunchMode,
    /// The file to which what the process prints is appended; `None`: it is not kept.
    pub log: Option<PathBuf>,
}

/// How a process ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ExitStatus {
    /// By itself, with this status.
    Code(u8),
    /// By this signal.
    Signal(u8),
}

impl ExitStatus {
    /// As a shell tells it: the status itself, or 128 and the signal.
    #[must_use]
    pub fn code(self) -> u8 {
        match self {
            Self::Code(code) => code,
            Self::Signal(signal) => 128u8.saturating_add(signal),
        }
    }
}

impl fmt::Display for ExitStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Code(code) => write!(f, "exit status {code}"),
            Self::Signal(signal) => write!(f, "signal {signal}"),
        }
    }
}
