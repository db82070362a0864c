//! Why a process could not be started in a jail.

use std::io;
use std::path::PathBuf;

use kleene_plan::Id;

use crate::command::ToolError;

/// The result of starting something in a jail.
pub(crate) type Result<T> = std::result::Result<T, Error>;

/// Why a process could not be started in a jail. The text is for users.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The jail that was to be made is there.
    #[error("jail '{0}' runs already; stop it first")]
    AlreadyRuns(Id),
    /// jail(8) could not make it.
    #[error("jail(8) refused: {0}")]
    Refused(String),
    /// A tool failed.
    #[error("could not {step}: {source}")]
    Tool {
        /// What was to be done.
        step: String,
        /// What the tool said.
        source: ToolError,
    },
    /// The system refused something.
    #[error("could not {step}: {source}")]
    System {
        /// What was to be done.
        step: String,
        /// What it said.
        source: io::Error,
    },
    /// A place in the container cannot be used.
    #[error("could not {step}: {source}")]
    Place {
        /// What was to be done.
        step: String,
        /// What is in the way.
        source: kleene_rootfs::Error,
    },
    /// A single file on a release that cannot mount one.
    #[error(
        "'{}' is a file, and {release} cannot mount single files without danger: mount the directory that holds it, or upgrade to FreeBSD 14",
        source_path.display()
    )]
    FileMount {
        /// The file.
        source_path: PathBuf,
        /// The release of the host.
        release: String,
    },
    /// No such user in the jail.
    #[error(
        "user '{0}' does not exist in the container: neither /etc/passwd nor the database of pwd_mkdb(8) has it"
    )]
    UnknownUser(String),
}

/// Gives a failure the name of the step that failed.
pub(crate) trait Step<T> {
    /// An infinitive such as `mount '/srv' in the container`.
    fn step(self, step: impl FnOnce() -> String) -> Result<T>;
}

impl<T> Step<T> for crate::command::Result<T> {
    fn step(self, step: impl FnOnce() -> String) -> Result<T> {
        self.map_err(|source| Error::Tool { step: step(), source })
    }
}

impl<T> Step<T> for io::Result<T> {
    fn step(self, step: impl FnOnce() -> String) -> Result<T> {
        self.map_err(|source| Error::System { step: step(), source })
    }
}

impl<T> Step<T> for rustix::io::Result<T> {
    fn step(self, step: impl FnOnce() -> String) -> Result<T> {
        self.map_err(io::Error::from).step(step)
    }
}

impl<T> Step<T> for kleene_rootfs::Result<T> {
    fn step(self, step: impl FnOnce() -> String) -> Result<T> {
        self.map_err(|source| Error::Place { step: step(), source })
    }
}
