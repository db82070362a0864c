//! What can go wrong on the daemon's side of a supervisor.

use std::io;
use std::path::PathBuf;

/// The result of what this crate does.
pub type Result<T> = std::result::Result<T, Error>;

/// Why a supervisor could not be started, asked or read.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A file of a run directory.
    #[error("could not {action} '{}'", path.display())]
    File {
        /// What was tried: `create`, `read`, …
        action: &'static str,
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// A file of a run directory holds something else than a supervisor writes.
    #[error("'{}' is damaged; remove it if nothing runs there", path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// Where reading stopped.
        source: serde_json::Error,
    },
    /// The supervisor's program.
    #[error("could not start the supervisor '{program}'")]
    Spawn {
        /// The program.
        program: String,
        /// What the system said.
        source: io::Error,
    },
    /// A supervisor lives and does not answer.
    #[error("the supervisor of '{}' does not answer", run_dir.display())]
    Silent {
        /// Its run directory.
        run_dir: PathBuf,
        /// What the system said.
        source: io::Error,
    },
}

/// Gives an [`io::Result`] the name of the file it is about.
pub(crate) trait AboutFile<T> {
    fn about(self, action: &'static str, path: impl Into<PathBuf>) -> Result<T>;
}

impl<T> AboutFile<T> for io::Result<T> {
    fn about(self, action: &'static str, path: impl Into<PathBuf>) -> Result<T> {
        self.map_err(|source| Error::File {
            action,
            path: path.into(),
            source,
        })
    }
}
