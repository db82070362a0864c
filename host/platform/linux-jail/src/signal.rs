//! Signals to the first process of a jail.
//!
//! It is process 1 of its namespace, to which the kernel delivers only signals that it handles (pid_namespaces(7)). On
//! FreeBSD the first process is one like any other and would simply end. So here a signal that would end it but that it
//! does not handle becomes a KILL, and the supervisor is told by a file which signal was meant.

use std::fs;
use std::io::{self, ErrorKind};
use std::os::fd::AsFd;
use std::path::{Path, PathBuf};

use rustix::process::{Pid, Signal};

use crate::error::{Result, Step};

/// Signals that end a process which does not handle them (signal(7)), less KILL, which no process handles.
const ENDING: [Signal; 11] = [
    Signal::HUP,
    Signal::INT,
    Signal::QUIT,
    Signal::ABORT,
    Signal::USR1,
    Signal::USR2,
    Signal::PIPE,
    Signal::ALARM,
    Signal::TERM,
    Signal::VTALARM,
    Signal::PROF,
];

/// A signal by its number.
pub(crate) fn by_number(number: u8) -> io::Result<Signal> {
    Signal::from_named_raw(i32::from(number))
        .ok_or_else(|| io::Error::new(ErrorKind::InvalidInput, format!("there is no signal {number}")))
}

/// Whether the first process of a jail would not notice a signal that ends any other process. One that ignores it on
/// purpose is not meant: its wish is respected.
pub(crate) fn goes_unnoticed(first: Pid, signal: Signal) -> io::Result<bool> {
    let status = fs::read_to_string(format!("/proc/{}/status", first.as_raw_nonzero()))?;
    Ok(ENDING.contains(&signal)
        && !is_in_set(&status, "SigCgt:", signal)
        && !is_in_set(&status, "SigIgn:", signal))
}

/// Ends the first process of a jail by a signal it would not notice.
pub(crate) fn end_in_place_of(signal: Signal, pidfd: impl AsFd, jail_dir: &Path) -> io::Result<()> {
    fs::write(path(jail_dir), signal.as_raw().to_string())?;
    Ok(rustix::process::pidfd_send_signal(pidfd, Signal::KILL)?)
}

/// By which signal the first process was to end, if it was by another than it did.
pub(crate) fn ended_by(jail_dir: &Path) -> Option<u8> {
    fs::read_to_string(path(jail_dir)).ok()?.trim().parse().ok()
}

/// Forgets what [`ended_by`] tells.
pub(crate) fn forget_ended_by(jail_dir: &Path) -> Result<()> {
    match fs::remove_file(path(jail_dir)) {
        Err(error) if error.kind() != ErrorKind::NotFound => {
            Err(error).step(|| format!("remove '{}'", path(jail_dir).display()))
        }
        _ => Ok(()),
    }
}

fn path(jail_dir: &Path) -> PathBuf {
    jail_dir.join("ended-by")
}

/// Looks a signal up in one of the sets of proc_pid_status(5).
fn is_in_set(status: &str, set: &str, signal: Signal) -> bool {
    let mask = status.lines().find_map(|line| line.strip_prefix(set));
    let mask = mask
        .and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok())
        .unwrap_or_default();
    mask >> (signal.as_raw() - 1) & 1 == 1
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_signal_is_found_in_its_set() {
        let status = "SigIgn:\t0000000000001000\nSigCgt:\t0000000000004002\n";
        assert!(is_in_set(status, "SigCgt:", Signal::TERM));
        assert!(is_in_set(status, "SigCgt:", Signal::INT));
        assert!(!is_in_set(status, "SigCgt:", Signal::HUP));
        assert!(is_in_set(status, "SigIgn:", Signal::PIPE));
    }

    #[test]
    fn signals_that_do_not_end_a_process_are_left_alone() {
        let me = rustix::process::getpid();
        assert!(!goes_unnoticed(me, Signal::WINCH).unwrap());
        assert!(goes_unnoticed(me, Signal::TERM).unwrap());
    }

    #[test]
    fn there_is_no_signal_zero() {
        assert!(by_number(0).is_err());
        assert_eq!(by_number(15).unwrap(), Signal::TERM);
    }
}
