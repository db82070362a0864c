//! What can go wrong with a jail made of namespaces.

use std::io;
use std::path::PathBuf;

use kleene_plan::Id;

/// The result of what this crate does.
pub type Result<T> = std::result::Result<T, Error>;

/// Why a process could not be started in a jail, or a jail not be stopped.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A jail parameter that only FreeBSD knows.
    #[error("jail parameter '{0}' has no meaning on Linux")]
    Parameter(String),
    /// A jail parameter whose value cannot be.
    #[error("jail parameter '{name}' cannot be '{value}': it takes {wanted}")]
    ParameterValue {
        /// Its name.
        name: String,
        /// What was given.
        value: String,
        /// What it takes.
        wanted: &'static str,
    },
    /// No such user in the jail.
    #[error("user '{0}' does not exist in the container's /etc/passwd")]
    UnknownUser(String),
    /// A user with a group, which passwd(5) has no names for.
    #[error("'{0}' is a user and a group: a process has the groups that the container's /etc/group gives its user; write '{user}'", user = .0.split(':').next().unwrap_or_default())]
    UserWithGroup(String),
    /// The command of base images, in one that is no system which boots by it.
    #[error(
        "there is no /etc/rc, which runs where neither the container nor its image has a command: give it one, such as /bin/sh"
    )]
    NothingToBoot,
    /// No such program in the jail's search path.
    #[error("could not find program '{0}' in PATH")]
    ProgramNotFound(String),
    /// A program that is there and does not start.
    #[error("could not run program '{program}'")]
    Exec {
        /// Its name.
        program: String,
        /// What the system said.
        source: io::Error,
    },
    /// A process needs a program.
    #[error("there is no program to run: give the container or the image a command")]
    NothingToRun,
    /// An argument or environment variable that cannot be given to a program.
    #[error("'{0}' contains a NUL character, which no program can receive")]
    Nul(String),
    /// The directory in which the process was to start.
    #[error("could not enter directory '{}' of the container", path.display())]
    Directory {
        /// The directory.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// One step of making the jail.
    #[error("could not {step}")]
    Step {
        /// What was to be done, to what.
        step: String,
        /// What the system said.
        source: io::Error,
    },
    /// The kernel lacks something that cannot be done without.
    #[error("this kernel does not support {feature}, which {purpose} needs")]
    NotSupported {
        /// What it lacks.
        feature: &'static str,
        /// Who needs it.
        purpose: &'static str,
        /// What the system said.
        source: io::Error,
    },
    /// The child process said what it could not do.
    #[error("{0}")]
    Child(String),
    /// The jail that was to be made is there.
    #[error("jail '{0}' runs already; stop it first")]
    AlreadyRuns(Id),
    /// The jail that was to be joined is not there.
    #[error("jail '{0}' does not run")]
    NotRunning(Id),
    /// A jail whose network is not a choice of the host's addresses.
    #[error("jail '{0}' is not confined to addresses of the host; they cannot be changed while it runs")]
    NotConfined(Id),
    /// Processes that cannot be killed, because they wait in the kernel.
    #[error("jail '{0}' does not end: a process waits uninterruptibly in the kernel, probably for a disk")]
    WillNotEnd(Id),
    /// A jail's file in the run directory.
    #[error("'{}' is damaged", path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// Where reading stopped.
        source: serde_json::Error,
    },
}

/// Gives a failure the name of the step that failed.
pub(crate) trait Step<T> {
    fn step(self, step: impl FnOnce() -> String) -> Result<T>;
}

impl<T, E: Into<io::Error>> Step<T> for std::result::Result<T, E> {
    fn step(self, step: impl FnOnce() -> String) -> Result<T> {
        self.map_err(|error| Error::Step {
            step: step(),
            source: error.into(),
        })
    }
}

/// An error and what caused it, in one line.
pub(crate) fn with_causes(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text.push_str(": ");
        text.push_str(&error.to_string());
        cause = error.source();
    }
    text
}
