//! The FreeBSD host: jails, ZFS, pf.
//!
//! It runs the base system's own tools and reads what they print for machines, so that everything Kleene does is what an
//! administrator would have typed, and can be looked at by the same tools. Nearly all of it is the same code on every
//! system, so it is compiled and tested on Linux too, with programs that behave like FreeBSD's put in front
//! ([`Tools::with_in_front`]).
//!
//! | module | its one idea |
//! |---|---|
//! | `command` | a program, its arguments, how it ended |
//! | `zfs`, `zpool`, `mount`, `ifconfig`, `netstat`, `jail`, `jls`, `pfctl`, `devfs`, `system` | one per tool: what we ask it, what it answers, how it says no |
//! | `datasets`, `from_host`, `network`, `firewall` | operations, made of those |
//! | `launcher`, `process`, `stop`, `jail_change` | a jail's beginning and end, and what is changed meanwhile |
//! | `update` | freebsd-update(8) for the base system of an image |
//! | `work_lock` | no tool of a daemon that was killed works on when the next one looks |
//! | `pf` | rules as pf.conf(5) writes them |
//! | `setup` | what the host needs, for `kleened init` and `klee system doctor` |
#![cfg_attr(test, allow(clippy::unwrap_used, reason = "a panic is how a test fails"))]

mod aliases;
mod command;
mod datasets;
mod devfs;
mod error;
mod failure;
mod firewall;
mod from_host;
mod ifconfig;
mod jail;
mod jail_addresses;
mod jail_change;
mod jail_file;
mod jls;
mod launcher;
mod long;
mod mount;
mod netstat;
mod network;
mod parameters;
pub mod pf;
mod pf_conf;
mod pfctl;
mod pipe;
mod platform;
mod process;
mod rctl;
#[cfg(test)]
mod recorded;
mod render;
mod setup;
mod stop;
mod system;
mod terminal;
mod update;
mod users;
mod work_lock;
mod zfs;
mod zpool;

pub use command::{ToolError, Tools};
pub use datasets::mountpoint;
pub use error::Error;
pub use launcher::FreeBsdLauncher;
pub use pf_conf::SetupError;
pub use pfctl::ANCHOR_LINES;
pub use platform::{FreeBsdConfig, FreeBsdPlatform};
pub use setup::{Check, Problem, add_anchor_lines, check_host};
pub use system::Release;
