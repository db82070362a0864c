//! The process that stands beside each jailed process: terminal, log, exit status, attach.
//!
//! The daemon starts one supervisor per process by [`spawn`] and talks to it over a [`Connection`]. The supervisor,
//! which is the daemon's own program run with other arguments, calls [`run`] with the platform's [`Launcher`]. It
//! needs no daemon to go on: output goes to the log, the exit status to the run directory, and the next daemon
//! [`attach`]es to it.
//!
//! Nothing here knows how jails are made, and nothing here uses threads or an asynchronous runtime: start-up time is
//! part of every `klee run`.

mod client;
mod connection;
mod error;
mod launcher;
mod log;
mod process_io;
mod protocol;
mod run;
mod run_dir;
mod spawn;

pub use connection::{Connection, Events, Inputs, ServerEnd};
pub use error::{Error, Result};
pub use launcher::{LaunchError, Launched, Launcher, ProcessIo, ProcessPipes, Running};
pub use log::LogEntry;
pub use protocol::{Event, Input, LONGEST_PAYLOAD};
pub use run::run;
pub use run_dir::{ExitRecord, LONGEST_RUN_ROOT, attach, exit_record, is_alive};
pub use spawn::{reap, spawn};
