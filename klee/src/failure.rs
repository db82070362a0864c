//! Everything that ends a command early, with the words and the exit code that the user gets.
//!
//! What the daemon refuses arrives here as [`Failure::Refused`] with the daemon's own words.

use std::io;
use std::process::ExitCode;

/// How a command that ran to its end leaves: 0, 1 when one of several objects failed, or the exit code of the
/// process that it was attached to.
pub type Outcome = Result<Exit, Failure>;

/// The exit code of a command that ran to its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Exit(pub u8);

impl Exit {
    /// All is well.
    pub const SUCCESS: Self = Self(0);
    /// Something that was already reported went wrong.
    pub const FAILURE: Self = Self(1);
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit.0)
    }
}

/// Why a command could not run to its end.
#[derive(Debug, thiserror::Error)]
pub enum Failure {
    /// There is no connection to the daemon.
    #[error("unable to connect to kleened: {reason}")]
    Unreachable {
        /// The operating system's words, or what is wrong with the address.
        reason: String,
    },
    /// The daemon took the request and did not answer in time.
    #[error("Error! Timed out while waiting for Kleene to respond.")]
    TimedOut,
    /// The answer is not what the interface promises.
    #[error("Error! Unexpected response received from Kleened.")]
    UnexpectedAnswer,
    /// A conversation ended without a closing message.
    #[error("ERROR! Connection closed unexpectedly.")]
    ConnectionLost,
    /// The daemon refused, in its own words.
    #[error("{0}")]
    Refused(String),
    /// The user gave a value that cannot be meant; no request was sent.
    #[error("{0}")]
    BadValue(String),
    /// The command line or the environment says something that cannot be meant.
    #[error("Usage: klee [OPTIONS] COMMAND [ARGS]...\nTry 'klee --help' for help.\n\nError: {0}")]
    Usage(String),
    /// A file of klee's own cannot be used.
    #[error("Error! {0}")]
    BadConfig(String),
    /// What answers does not speak HTTP.
    #[error(
        "Error! Unexpected response received from Kleened.\n\
         What listens at {place} does not speak HTTP{}.",
        if *.is_tls { "" } else { " without TLS: if it is kleened, its address begins with https://" }
    )]
    NotHttp {
        /// Where it listens.
        place: String,
        /// Whether it was asked through TLS.
        is_tls: bool,
    },
    /// A mount that cannot be read; no request was sent.
    #[error(transparent)]
    BadMount(#[from] MountError),
    /// The user declined or interrupted.
    #[error("Aborted!")]
    Aborted,
    /// Standard output or input does not work.
    #[error("cannot use the terminal or pipe: {0}")]
    Stream(#[from] io::Error),
}

/// A `--mount` that is not `SOURCE:DESTINATION[:rw|ro]`.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum MountError {
    /// More than three parts.
    #[error("invalid mount format '{0}'. Max 3 elements seperated by ':'.")]
    TooManyParts(String),
    /// Only one part.
    #[error("invalid mount format '{0}'. Must have at least 2 elements seperated by ':'.")]
    TooFewParts(String),
    /// The third part is neither `ro` nor `rw`.
    #[error("invalid mount format '{0}'. Last element should be either 'ro' or 'rw'.")]
    UnknownAccess(String),
}

impl Failure {
    /// Puts `context` before the daemon's words; other failures stay as they are.
    pub fn refused_as(self, context: &str) -> Self {
        match self {
            Self::Refused(message) => Self::Refused(format!("{context}: {message}")),
            other => other,
        }
    }

    /// Whether whoever read our output has gone (`klee lsc | head -1`): nobody wants to be told of that.
    pub fn is_reader_gone(&self) -> bool {
        matches!(self, Self::Stream(error) if error.kind() == io::ErrorKind::BrokenPipe)
    }

    /// The exit code that belongs to it.
    pub fn exit(&self) -> Exit {
        match self {
            Self::BadMount(_) => Exit(125),
            Self::BadConfig(_) => Exit(255),
            Self::Usage(_) => Exit(2),
            // 128 and SIGPIPE, which other tools die of: what was cut off is not passed off as whole.
            _ if self.is_reader_gone() => Exit(141),
            _ => Exit::FAILURE,
        }
    }
}
