//! One daemon per state directory and per run directory: locks that end with the process, however it ends.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

/// The claim of this process to its directories.
#[derive(Debug)]
pub struct Instance {
    pid_file: PathBuf,
    _locks: [File; 2],
}

/// Why this process is not the daemon of its directories.
#[derive(Debug, thiserror::Error)]
pub enum InstanceError {
    /// Another daemon is.
    #[error(
        "another kleened{} uses {}; stop it, or give this one a --state-dir and a --run-dir of its own",
        pid.map(|pid| format!(" (process {pid})")).unwrap_or_default(), directory.display()
    )]
    Taken {
        /// What both want.
        directory: PathBuf,
        /// The other one, if it could be found out.
        pid: Option<u32>,
    },
    /// A directory or file could not be made.
    #[error("cannot use {}: {source}", path.display())]
    File {
        /// The directory or file.
        path: PathBuf,
        /// What the operating system said.
        source: io::Error,
    },
}

impl Instance {
    /// Makes the directories if they are missing, claims them, and writes `kleened.pid` into `run_dir`.
    ///
    /// # Errors
    /// [`InstanceError::Taken`] while another daemon runs on one of them.
    pub fn claim(state_dir: &Path, run_dir: &Path) -> Result<Self, InstanceError> {
        let pid_file = run_dir.join("kleened.pid");
        let locks = [
            lock(state_dir, &state_dir.join("kleened.lock"))?,
            lock(run_dir, &pid_file)?,
        ];
        Ok(Self {
            pid_file,
            _locks: locks,
        })
    }
}

impl Drop for Instance {
    fn drop(&mut self) {
        if let Err(error) = fs::remove_file(&self.pid_file) {
            tracing::warn!(path = %self.pid_file.display(), %error, "could not remove the pid file");
        }
    }
}

/// Locks a file in `directory` and writes this process' id into it.
fn lock(directory: &Path, path: &Path) -> Result<File, InstanceError> {
    let failed = |path: &Path, source| InstanceError::File {
        path: path.to_owned(),
        source,
    };
    fs::create_dir_all(directory).map_err(|source| failed(directory, source))?;
    let mut file = OpenOptions::new()
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .open(path)
        .map_err(|source| failed(path, source))?;
    match file.try_lock() {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => {
            return Err(InstanceError::Taken {
                directory: directory.to_owned(),
                pid: read_pid(&mut file),
            });
        }
        Err(TryLockError::Error(source)) => return Err(failed(path, source)),
    }
    let written = file
        .set_len(0)
        .and_then(|()| writeln!(file, "{}", std::process::id()));
    written.map_err(|source| failed(path, source))?;
    Ok(file)
}

fn read_pid(file: &mut File) -> Option<u32> {
    let mut text = String::new();
    file.read_to_string(&mut text).ok()?;
    text.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_pid_file_holds_the_process_and_goes_with_it() {
        let directory = tempfile::tempdir().unwrap();
        let (state, run) = (directory.path().join("state"), directory.path().join("run"));
        let instance = Instance::claim(&state, &run).unwrap();
        let written = fs::read_to_string(run.join("kleened.pid")).unwrap();
        assert_eq!(written, format!("{}\n", std::process::id()));
        drop(instance);
        assert!(!run.join("kleened.pid").exists());
        Instance::claim(&state, &run).unwrap();
    }

    #[test]
    fn a_second_daemon_on_the_same_state_is_refused_by_name() {
        let directory = tempfile::tempdir().unwrap();
        let path = |name: &str| directory.path().join(name);
        let _first = Instance::claim(&path("state"), &path("run")).unwrap();
        let message = Instance::claim(&path("state"), &path("other"))
            .unwrap_err()
            .to_string();
        let expected = format!(
            "another kleened (process {}) uses {}; stop it, or give this one a --state-dir and a --run-dir of its own",
            std::process::id(),
            path("state").display()
        );
        assert_eq!(message, expected);
        let refused = Instance::claim(&path("other"), &path("run")).unwrap_err();
        assert!(matches!(refused, InstanceError::Taken { directory, .. } if directory == path("run")));
    }

    #[test]
    fn a_stale_pid_file_is_no_hindrance() {
        let directory = tempfile::tempdir().unwrap();
        fs::write(directory.path().join("kleened.pid"), "1\n").unwrap();
        assert!(Instance::claim(directory.path(), directory.path()).is_ok());
    }
}
