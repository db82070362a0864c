//! What a process of the simulated host can hear.

use std::os::unix::net::UnixStream;

use kleene_supervisor::Input;

/// What reaches a process.
#[derive(Debug)]
pub(crate) enum Message {
    /// From the attached daemon.
    Input(Input),
    /// A daemon attaches, in place of the one before.
    Attached(UnixStream),
    /// From the host.
    Signal(u8),
    /// The host goes down at once.
    HostGone,
}
