//! Starts a process in a jail made of Linux namespaces.
//!
//! [`LinuxLauncher`] is what the supervisor uses to make a jail or to join one; [`jails`] and [`stop`] are for the daemon.
//! A jail has mount, process id, IPC, host name and cgroup namespaces of its own, and a network namespace if it has a
//! network stack of its own (`vnet`) or none at all. Its root is entered by pivot_root(2). Its processes have runc's
//! default devices, masked paths and system call filter, few capabilities, and never gain new privileges.
//!
//! A jail ends with its first process, and that is killed if its supervisor is.
#![cfg(target_os = "linux")]

mod address_filter;
mod addresses;
mod assembler;
mod bridge_port;
mod capabilities;
mod cgroup;
mod child;
mod environment;
mod error;
mod jail_file;
mod launcher;
mod mount;
mod netlink;
mod network;
mod parameters;
mod passwd;
mod protected;
mod root;
mod seccomp;
mod signal;
mod stop;
mod sys;
mod syscalls;
mod terminal;

pub use addresses::{addresses, allow_address, deny_address};
pub use bridge_port::program_of_bridge_port;
pub use error::{Error, Result};
pub use jail_file::{jail, jails};
pub use launcher::LinuxLauncher;
pub use parameters::check_parameters;
pub use protected::protected_program;
pub use stop::stop;
