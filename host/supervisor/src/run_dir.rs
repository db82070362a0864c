//! The directory of one supervised process: what the daemon orders, whether the supervisor lives, where it listens and
//! how the process ended. The engine makes a new one for each process and removes it when it has read the end.
//!
//! | file | written by | content |
//! |---|---|---|
//! | `launch.json` | daemon | the [`Launch`](kleene_plan::Launch) |
//! | `supervisor.lock` | daemon | locked by flock(2) as long as the supervisor lives; holds its process id |
//! | `supervisor.log` | supervisor | what it had to complain about; normally empty |
//! | `attach.sock` | supervisor | the socket for the next daemon |
//! | `exit.json` | supervisor | the [`ExitRecord`], once the process has ended |
//!
//! Life is a lock and not a process id because ids are given again, and because a lock needs nothing of the platform.

use std::fs::{self, File};
use std::io;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant, SystemTime};

use kleene_plan::ExitStatus;
use rustix::fs::FlockOperation;
use serde::{Deserialize, Serialize};

use crate::connection::Connection;
use crate::error::{AboutFile, Error, Result};

/// How long a supervisor may take from its start to its socket.
const PATIENCE: Duration = Duration::from_secs(5);

/// How many bytes the path above all run directories may have, if that matters: elsewhere than on Linux a supervisor is
/// found by the whole path of its socket, which holds 103 (unix(4)), and `/<container id>/<exec id>/attach.sock` is behind.
pub const LONGEST_RUN_ROOT: Option<usize> = if cfg!(target_os = "linux") {
    None
} else {
    Some(103 - 38)
};

/// How and when a process ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ExitRecord {
    /// How.
    pub status: ExitStatus,
    /// When.
    pub finished: SystemTime,
}

/// The paths in a run directory.
#[derive(Debug, Clone, Copy)]
pub(crate) struct RunDir<'a>(pub(crate) &'a Path);

impl RunDir<'_> {
    pub(crate) const SOCKET: &'static str = "attach.sock";

    pub(crate) fn launch(self) -> PathBuf {
        self.0.join("launch.json")
    }

    pub(crate) fn lock(self) -> PathBuf {
        self.0.join("supervisor.lock")
    }

    pub(crate) fn log(self) -> PathBuf {
        self.0.join("supervisor.log")
    }

    pub(crate) fn exit(self) -> PathBuf {
        self.0.join("exit.json")
    }

    /// Makes the record visible whole or not at all. No fsync: it is not to survive the host, whose jails are gone
    /// then anyway.
    pub(crate) fn record(self, record: &ExitRecord) -> Result<()> {
        let unfinished = self.0.join("exit.json.new");
        let json = serde_json::to_vec(record).map_err(|source| Error::Damaged {
            path: unfinished.clone(),
            source,
        })?;
        fs::write(&unfinished, json).about("write", &unfinished)?;
        fs::rename(&unfinished, self.exit()).about("create", self.exit())
    }
}

/// How the process of a run directory ended; `None` while it runs, or if its supervisor was killed before it could
/// tell (see [`is_alive`]), or if the process could not be started.
///
/// # Errors
/// If the record cannot be read.
pub fn exit_record(run_dir: &Path) -> Result<Option<ExitRecord>> {
    let path = RunDir(run_dir).exit();
    match fs::read(&path) {
        Ok(json) => serde_json::from_slice(&json)
            .map(Some)
            .map_err(|source| Error::Damaged { path, source }),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error).about("read", path),
    }
}

/// Whether the supervisor of a run directory lives. It does for a moment after the exit record is written.
///
/// # Errors
/// If that cannot be found out.
pub fn is_alive(run_dir: &Path) -> Result<bool> {
    let path = RunDir(run_dir).lock();
    let file = match File::open(&path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(false),
        Err(error) => return Err(error).about("open", path),
    };
    // Shared, so that two who ask at once do not take each other for the supervisor.
    match rustix::fs::flock(&file, FlockOperation::NonBlockingLockShared) {
        Ok(()) => Ok(false),
        Err(rustix::io::Errno::WOULDBLOCK) => Ok(true),
        Err(error) => Err(io::Error::from(error)).about("lock", path),
    }
}

/// Attaches to the supervisor of a run directory in place of whoever was attached before. Output since then is only in
/// the log and is not repeated. `None`: no supervisor lives; see [`exit_record`].
///
/// # Errors
/// If a supervisor lives and does not answer.
pub fn attach(run_dir: &Path) -> Result<Option<Connection>> {
    let deadline = Instant::now() + PATIENCE;
    while is_alive(run_dir)? {
        match connect(run_dir) {
            Ok(stream) => return Ok(Some(Connection::from_stream(stream))),
            // Just started or just ending.
            Err(error) if is_absence(&error) && Instant::now() < deadline => {
                std::thread::sleep(Duration::from_millis(2));
            }
            Err(source) => {
                return Err(Error::Silent {
                    run_dir: run_dir.to_owned(),
                    source,
                });
            }
        }
    }
    Ok(None)
}

fn is_absence(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::NotFound | io::ErrorKind::ConnectionRefused
    )
}

/// Connects through a descriptor of the directory: an address of a socket holds a hundred bytes, a path may be longer.
#[cfg(target_os = "linux")]
fn connect(run_dir: &Path) -> io::Result<UnixStream> {
    use std::os::fd::AsRawFd;
    let directory = File::open(run_dir)?;
    UnixStream::connect(format!(
        "/proc/self/fd/{}/{}",
        directory.as_raw_fd(),
        RunDir::SOCKET
    ))
}

#[cfg(not(target_os = "linux"))]
fn connect(run_dir: &Path) -> io::Result<UnixStream> {
    UnixStream::connect(run_dir.join(RunDir::SOCKET))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn without_a_record_there_is_no_end() {
        let dir = tempfile::tempdir().unwrap();
        assert_eq!(exit_record(dir.path()).unwrap(), None);
    }

    #[test]
    fn a_record_is_read_as_it_was_written() {
        let dir = tempfile::tempdir().unwrap();
        let record = ExitRecord {
            status: ExitStatus::Signal(9),
            finished: SystemTime::now(),
        };
        RunDir(dir.path()).record(&record).unwrap();
        assert_eq!(exit_record(dir.path()).unwrap(), Some(record));
    }

    #[test]
    fn a_damaged_record_is_named() {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join("exit.json"), "{").unwrap();
        let error = exit_record(dir.path()).unwrap_err().to_string();
        assert!(error.contains("exit.json' is damaged"), "{error}");
    }

    #[test]
    fn a_supervisor_lives_as_long_as_the_lock_is_held() {
        let dir = tempfile::tempdir().unwrap();
        assert!(!is_alive(dir.path()).unwrap());
        let lock = File::create(RunDir(dir.path()).lock()).unwrap();
        assert!(!is_alive(dir.path()).unwrap());
        rustix::fs::flock(&lock, FlockOperation::LockExclusive).unwrap();
        assert!(is_alive(dir.path()).unwrap());
        drop(lock);
        assert!(!is_alive(dir.path()).unwrap());
    }

    #[test]
    fn nobody_attaches_where_no_supervisor_lives() {
        let dir = tempfile::tempdir().unwrap();
        assert!(attach(dir.path()).unwrap().is_none());
    }
}
