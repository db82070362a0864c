//! A tool that a daemon runs never outlives it: what a daemon that was killed had begun would otherwise go on to change
//! the host when the next one has looked at it already. Supervisors of jails are no tools: they are to go on.

use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::process::CommandExt;
use std::process::Command;
use std::sync::Arc;

use rustix::io::{Errno, FdFlags};
use rustix::process::Signal;

/// Has the process that `command` will start killed when whoever starts it ends, however that ends. On Linux that is
/// the *thread* that starts it (prctl(2), `PR_SET_PDEATHSIG`), which therefore must wait for it; on FreeBSD the process
/// (procctl(2), `PROC_PDEATHSIG_CTL`).
///
/// What the kernel is doing for the process is finished even so. Whoever must know when that is over gives the process
/// `held`, a descriptor with a lock of flock(2): the lock is free when all have ended who hold it.
pub fn end_with_starter(command: &mut Command, held: Option<Arc<OwnedFd>>) {
    let starter = rustix::process::getpid();
    let bind = move || {
        rustix::process::set_parent_process_death_signal(Some(Signal::KILL))?;
        // One who ended before that cannot be heard of any more.
        if rustix::process::getppid() != Some(starter) {
            return Err(Errno::SRCH.into());
        }
        if let Some(held) = &held {
            rustix::io::fcntl_setfd(held, FdFlags::empty())?;
        }
        Ok::<(), io::Error>(())
    };
    // SAFETY: between fork and exec only system calls are made; nothing is allocated and no lock is taken.
    #[allow(
        unsafe_code,
        reason = "the standard library has no other way to act between fork and exec"
    )]
    unsafe {
        command.pre_exec(bind)
    };
}

#[cfg(test)]
mod tests {
    use std::fs::{File, TryLockError};
    use std::process::Stdio;
    use std::thread;
    use std::time::{Duration, Instant};

    use super::*;

    /// A shell that does this, bound to the calling thread.
    fn shell(script: &str, held: Option<Arc<OwnedFd>>) -> std::process::Child {
        let mut command = Command::new("/bin/sh");
        command.args(["-c", script]).stdout(Stdio::null());
        end_with_starter(&mut command, held);
        command.spawn().unwrap()
    }

    #[test]
    fn a_tool_whose_starter_waits_runs_to_its_end() {
        let status = thread::spawn(|| shell("exit 3", None).wait().unwrap());
        assert_eq!(status.join().unwrap().code(), Some(3));
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn a_tool_ends_with_its_starter() {
        use std::os::unix::process::ExitStatusExt;
        let began = Instant::now();
        let mut child = thread::spawn(|| shell("exec sleep 100", None)).join().unwrap();
        assert_eq!(child.wait().unwrap().signal(), Some(9));
        assert!(began.elapsed() < Duration::from_secs(50));
    }

    #[test]
    fn a_lock_is_held_until_its_last_holder_has_ended() {
        let directory = std::env::temp_dir().join(format!("kleene-bound-{}", std::process::id()));
        let file = || File::create(&directory).unwrap();
        let held = file();
        held.lock().unwrap();
        let mut child = shell("exec sleep 0.3", Some(Arc::new(held.into())));
        assert!(matches!(file().try_lock(), Err(TryLockError::WouldBlock)));
        child.wait().unwrap();
        file().try_lock().unwrap();
        std::fs::remove_file(directory).unwrap();
    }
}
