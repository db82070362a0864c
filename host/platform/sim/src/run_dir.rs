//! The run directory of a played supervisor: the files that `kleene_supervisor` describes and reads.

use std::fs::{self, File};
use std::io::{self, Write};
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use jiff::Timestamp;
use kleene_plan::{ExitStatus, Launch};
use kleene_supervisor::{ExitRecord, LogEntry};

const SOCKET: &str = "attach.sock";

/// A run directory whose supervisor lives as long as this does.
#[derive(Debug)]
pub(crate) struct RunDir {
    path: PathBuf,
    /// Locked: a sign of life.
    _lock: File,
    log: Option<File>,
}

impl RunDir {
    /// Makes the directory and its socket.
    pub(crate) fn create(path: &Path, launch: &Launch) -> io::Result<(Self, UnixListener)> {
        fs::create_dir_all(path)?;
        fs::write(path.join("launch.json"), serde_json::to_vec(launch)?)?;
        let lock = File::create(path.join("supervisor.lock"))?;
        lock.lock()?;
        let listener = UnixListener::bind(path.join(SOCKET))?;
        let log = launch
            .log
            .as_ref()
            .map(|log| File::options().append(true).create(true).open(log));
        Ok((
            Self {
                path: path.to_owned(),
                _lock: lock,
                log: log.transpose()?,
            },
            listener,
        ))
    }

    /// Where daemons attach.
    pub(crate) fn socket(&self) -> PathBuf {
        self.path.join(SOCKET)
    }

    /// Appends to the log what the process printed.
    pub(crate) fn append(&mut self, output: &[u8]) -> io::Result<()> {
        let Some(log) = &mut self.log else {
            return Ok(());
        };
        for line in output.split_inclusive(|byte| *byte == b'\n') {
            let text = String::from_utf8_lossy(line).into_owned();
            let hex =
                (text.as_bytes() != line).then(|| line.iter().map(|byte| format!("{byte:02x}")).collect());
            let mut entry = serde_json::to_vec(&LogEntry {
                time: Timestamp::now(),
                data: text,
                hex,
            })?;
            entry.push(b'\n');
            log.write_all(&entry)?;
        }
        Ok(())
    }

    /// Writes down how the process ended.
    pub(crate) fn record(&self, status: ExitStatus) -> io::Result<()> {
        let record = ExitRecord {
            status,
            finished: SystemTime::now(),
        };
        let unfinished = self.path.join("exit.json.new");
        fs::write(&unfinished, serde_json::to_vec(&record)?)?;
        fs::rename(unfinished, self.path.join("exit.json"))
    }
}
