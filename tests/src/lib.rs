//! A throw-away host for end-to-end tests, the demo and benchmarks: real namespaces, a real daemon, the real command
//! line. The tests themselves are in `tests/`.
//!
//! A [`Host`] is a [`Sandbox`] in which a daemon of its own runs. Nothing of the machine is touched: network, mounts,
//! processes and control groups are the sandbox's own, and its files are in one directory that goes with it. It needs
//! root, and `ip`, `nft`, `nsenter`, `unshare` and `busybox`, which `cargo xtask setup` installs.
//!
//! Sandboxes are Linux's; what is not about them serves the tests that run on any host, `kleene-e2e`, too.

#[cfg(target_os = "linux")]
mod administrator;
mod eventually;
#[cfg(target_os = "linux")]
mod ground;
#[cfg(target_os = "linux")]
mod host;
mod outcome;
mod programs;
#[cfg(target_os = "linux")]
mod sandbox;
mod table;
#[cfg(target_os = "linux")]
mod traces;
pub mod wire;
mod words;

pub use eventually::eventually;
#[cfg(target_os = "linux")]
pub use ground::Ground;
#[cfg(target_os = "linux")]
pub use host::{Host, unmeasured, write};
pub use outcome::Outcome;
pub use programs::{BIN_VARIABLE, GROUND_VARIABLE, PLUGINS_VARIABLE, Programs};
#[cfg(target_os = "linux")]
pub use sandbox::{HOST, HOST6, OUTSIDE, OUTSIDE6, Sandbox};
pub use table::Table;
#[cfg(target_os = "linux")]
pub use traces::Traces;
pub use words::words;
