//! The daemon's program where no jail can write to it.
//!
//! Whoever joins a jail is for a moment a process in it whose program is the daemon's, and an image can make it run that
//! program again, by a script whose interpreter is `/proc/self/exe`. Through that link root in the jail could write to
//! the host's file (CVE-2019-5736, in runc). So the supervisor is started from a read-only view of it: the link leads
//! there, and no process in a jail can make it writable.

use std::os::fd::{AsFd, AsRawFd};
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use crate::error::{Result, Step};
use crate::mount::Mount;

/// Held as long as this process lives.
static PROGRAM: OnceLock<Mount> = OnceLock::new();

/// The path by which this process starts its own program as a supervisor, for instance as the first word of
/// [`spawn`](kleene_supervisor::spawn())'s program. It has a meaning for this process and its children only.
///
/// # Errors
/// If the system does not make a read-only view, for which it wants root.
pub fn protected_program() -> Result<PathBuf> {
    let mount = match PROGRAM.get() {
        Some(mount) => mount,
        None => {
            let view = Mount::view(Path::new("/proc/self/exe")).and_then(Mount::read_only);
            let view = view.step(|| "protect the daemon's program from jails".to_owned())?;
            // Of two threads that come here at once, one's view is dropped.
            PROGRAM.get_or_init(|| view)
        }
    };
    Ok(PathBuf::from(format!(
        "/proc/self/fd/{}",
        mount.as_fd().as_raw_fd()
    )))
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use rustix::fs::{Mode, OFlags, StatVfsMountFlags};

    use super::*;

    #[test]
    fn the_program_can_be_started_and_its_own_link_leads_to_a_read_only_view() {
        let program = protected_program().unwrap();
        let output = Command::new(&program)
            .args(["--list", "--format=terse"])
            .output()
            .unwrap();
        assert!(String::from_utf8_lossy(&output.stdout).contains("leads_to_a_read_only_view"));
        let file = rustix::fs::open(&program, OFlags::PATH, Mode::empty()).unwrap();
        assert!(
            rustix::fs::fstatvfs(file)
                .unwrap()
                .f_flag
                .contains(StatVfsMountFlags::RDONLY)
        );
    }

    #[test]
    fn the_path_stays_the_same() {
        assert_eq!(protected_program().unwrap(), protected_program().unwrap());
    }
}
