//! Starting a supervisor, in the daemon.
//!
//! The supervisor gets all it needs before its first instruction: the order in `launch.json`, its end of the first
//! connection as standard input, the lock that shows that it lives as standard output. So nothing it prints is lost and
//! nobody can find it neither alive nor dead. Only the standard descriptors are handed over because that is what
//! `posix_spawn` can do: it does not copy the daemon's address space as fork would.

use std::ffi::OsString;
use std::fs::{self, DirBuilder, File};
use std::os::fd::OwnedFd;
use std::os::unix::fs::DirBuilderExt;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::{Mutex, PoisonError};

use kleene_plan::Launch;
use rustix::fs::FlockOperation;

use crate::connection::Connection;
use crate::error::{AboutFile, Error, Result};
use crate::run_dir::RunDir;

/// Supervisors that this process started and that have not been waited for.
static STARTED: Mutex<Vec<Child>> = Mutex::new(Vec::new());

/// Starts a supervisor, which outlives this process, and gives the first connection to it.
///
/// `program` is what [`run`](crate::run::run) is called in, with its arguments, such as `/proc/self/exe supervise`;
/// `run_dir` is appended to them. The directory is made and must not exist.
///
/// # Errors
/// If the run directory cannot be made or the program not be started.
pub fn spawn(program: &[OsString], run_dir: &Path, launch: &Launch) -> Result<Connection> {
    reap();
    let lock = prepare(run_dir, launch)?;
    let (ours, theirs) = UnixStream::pair().about("make a connection for", run_dir)?;
    let complaints = File::create(RunDir(run_dir).log()).about("create", RunDir(run_dir).log())?;
    let (name, arguments) = program.split_first().ok_or_else(|| Error::Spawn {
        program: String::new(),
        source: std::io::ErrorKind::InvalidInput.into(),
    })?;
    let child = Command::new(name)
        .args(arguments)
        .arg(run_dir)
        .env_clear()
        .stdin(OwnedFd::from(theirs))
        .stdout(Stdio::from(lock))
        .stderr(complaints)
        .spawn()
        .map_err(|source| Error::Spawn {
            program: name.display().to_string(),
            source,
        })?;
    STARTED.lock().unwrap_or_else(PoisonError::into_inner).push(child);
    Ok(Connection::from_stream(ours))
}

/// Waits for those supervisors of ours that have ended, so that the system may forget them.
pub fn reap() {
    let mut started = STARTED.lock().unwrap_or_else(PoisonError::into_inner);
    started.retain_mut(|child| matches!(child.try_wait(), Ok(None)));
}

/// Makes the run directory with the order in it, and the lock.
fn prepare(run_dir: &Path, launch: &Launch) -> Result<File> {
    if let Some(parent) = run_dir.parent() {
        fs::create_dir_all(parent).about("create", parent)?;
    }
    DirBuilder::new()
        .mode(0o700)
        .create(run_dir)
        .about("create", run_dir)?;
    let path = RunDir(run_dir).launch();
    let order = serde_json::to_vec(launch).map_err(|source| Error::Damaged {
        path: path.clone(),
        source,
    })?;
    fs::write(&path, order).about("write", path)?;
    let path = RunDir(run_dir).lock();
    let lock = File::create(&path).about("create", &path)?;
    rustix::fs::flock(&lock, FlockOperation::NonBlockingLockExclusive)
        .map_err(std::io::Error::from)
        .about("lock", path)?;
    Ok(lock)
}
