//! What can go wrong with a build context, each with the file's name and what to try.

use std::io;
use std::path::PathBuf;

/// The result of everything in this crate.
pub type Result<T> = std::result::Result<T, Error>;

/// Why a build context cannot be read.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The system refused an operation.
    #[error("cannot {action} {}: {source}", path.display())]
    Io {
        /// What was tried, as it completes "cannot …".
        action: &'static str,
        /// The file or directory.
        path: PathBuf,
        /// The system's answer.
        source: io::Error,
    },
    /// A file or directory of the context may not be read.
    #[error(
        "cannot read {} of the build context: {source}; make it readable, or name it in .dockerignore",
        path.display()
    )]
    Unreadable {
        /// Relative to the context.
        path: PathBuf,
        /// The system's answer.
        source: io::Error,
    },
    /// A line of an ignore file is no pattern.
    #[error("{}, line {line}: '{pattern}' is not a valid pattern: {reason}", file.display())]
    BadPattern {
        /// The ignore file.
        file: PathBuf,
        /// Counted from one.
        line: usize,
        /// As written.
        pattern: String,
        /// What is wrong with it.
        reason: &'static str,
    },
    /// An ignore file is none.
    #[error("{} {reason}: check that it is the right file", file.display())]
    BadIgnoreFile {
        /// The ignore file.
        file: PathBuf,
        /// What it is or has.
        reason: &'static str,
    },
    /// A file became shorter while it was read.
    #[error("{} of the build context changed while it was read: build again when nothing writes to it", path.display())]
    Changed {
        /// Relative to the context.
        path: PathBuf,
    },
    /// Whoever takes the archive takes no more of it.
    #[error("the build context could not be sent: {0}")]
    Write(io::Error),
}
