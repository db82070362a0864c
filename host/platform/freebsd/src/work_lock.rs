//! What a daemon that was killed had begun is over before the next one looks at the host: its tools die with it, but what
//! the kernel is doing for one of them (a `zfs destroy` waits for the disk) is finished first. So each tool holds a lock
//! while it lives, and a daemon begins by taking it.

use std::fs::File;
use std::io;
use std::os::fd::OwnedFd;
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use kleene_platform::{PlatformError, Result};
use rustix::fs::FlockOperation;
use rustix::io::Errno;

use crate::failure::OrFailed;

/// How long the tools of a daemon that was killed may take. Nothing that is killed takes longer, unless a disk fails.
const LIMIT: Duration = Duration::from_secs(120);

/// How often the lock is tried.
const GLANCE: Duration = Duration::from_millis(10);

/// From when on it is worth a word that it is waited for.
const PATIENCE: Duration = Duration::from_secs(1);

/// Takes the lock, as soon as all have ended who hold it.
pub(crate) fn take(run_dir: &Path) -> Result<OwnedFd> {
    take_within(run_dir, LIMIT)
}

fn take_within(run_dir: &Path, limit: Duration) -> Result<OwnedFd> {
    let path = run_dir.join("tools.lock");
    let file = std::fs::create_dir_all(run_dir)
        .and_then(|()| File::create(&path))
        .or_failed(|| format!("create '{}'", path.display()))?;
    let began = Instant::now();
    let mut told = false;
    loop {
        match rustix::fs::flock(&file, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => return Ok(file.into()),
            Err(Errno::WOULDBLOCK) if began.elapsed() > limit => return Err(still_held(&path, limit)),
            Err(Errno::WOULDBLOCK) => {}
            Err(error) => {
                return Err(io::Error::from(error)).or_failed(|| format!("lock '{}'", path.display()));
            }
        }
        if !told && began.elapsed() > PATIENCE {
            told = true;
            tracing::info!("waiting for what a daemon that was killed was doing to the host");
        }
        thread::sleep(GLANCE);
    }
}

fn still_held(path: &Path, limit: Duration) -> PlatformError {
    PlatformError::Busy {
        object: "the host".to_owned(),
        reason: format!(
            "tools that a daemon ran before it was killed have not ended within {limit:?}; 'fstat {}' names them",
            path.display()
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::command::{Command, Program, Tools};

    fn sleep(time: &str) -> Command {
        Command::new(Program("/bin/sleep")).arg(time)
    }

    #[test]
    fn the_next_daemon_waits_for_the_tools_of_the_last() {
        let directory = tempfile::tempdir().unwrap();
        let tools = Tools::of_the_host().holding(take(directory.path()).unwrap());
        let running = thread::spawn(move || tools.run(&sleep("0.5")).is_ok());
        let began = Instant::now();
        // The lock of a daemon goes with it, and is still the tool's.
        drop(take(directory.path()).unwrap());
        assert!(began.elapsed() > Duration::from_millis(300));
        assert!(running.join().unwrap());
    }

    #[test]
    fn what_does_not_end_is_named() {
        let directory = tempfile::tempdir().unwrap();
        let _held = take(directory.path()).unwrap();
        let error = take_within(directory.path(), Duration::ZERO)
            .unwrap_err()
            .to_string();
        assert!(error.contains("fstat") && error.contains("tools.lock"), "{error}");
    }

    #[test]
    fn a_command_with_a_limit_holds_nothing() {
        let directory = tempfile::tempdir().unwrap();
        let tools = Tools::of_the_host().holding(take(directory.path()).unwrap());
        let line = Command::new(Program("/bin/sh")).args(["-c", "sleep 5 & exit 0"]);
        tools.run_within(&line, Duration::from_secs(4)).unwrap();
        drop(tools);
        take_within(directory.path(), Duration::from_secs(2)).unwrap();
    }
}
