//! What can go wrong when writing into a root, each with the object's name and what to try.

use std::{
    io,
    path::{Path, PathBuf},
};

/// The result of everything in this crate.
pub type Result<T> = std::result::Result<T, Error>;

/// Why something could not be written into, or read from, a root file system.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The system refused an operation.
    #[error("could not {action} {path}: {source}", path = .path.display())]
    Io {
        /// What was tried, as it completes "could not …".
        action: &'static str,
        /// The object, as the user knows it.
        path: PathBuf,
        /// The system's answer.
        source: io::Error,
    },
    /// `..` or a symbolic link leads above the root.
    #[error("{path} leads out of {root}: name a path that stays inside", path = .path.display(), root = .root.display())]
    Escapes {
        /// The path as given.
        path: PathBuf,
        /// The directory it must stay in.
        root: PathBuf,
    },
    /// More symbolic links than a kernel would follow.
    #[error("{path} runs through too many symbolic links: check them for a loop", path = .path.display())]
    LinkLoop {
        /// The path as given.
        path: PathBuf,
    },
    /// Something else stands where a directory is needed.
    #[error("{at} is not a directory, but {path} needs it to be one: remove it or choose another path",
            at = .at.display(), path = .path.display())]
    NotADirectory {
        /// The path as given.
        path: PathBuf,
        /// The component in the way.
        at: PathBuf,
    },
    /// A directory, device, pipe or socket stands where a regular file is needed.
    #[error("{path} is {found}, not a regular file: choose another path", path = .path.display())]
    NotAFile {
        /// The path as given.
        path: PathBuf,
        /// What is there, with its article.
        found: &'static str,
    },
    /// A file is larger than the caller wants to hold in memory.
    #[error("{path} is larger than the {max} bytes allowed for it: check that it is the right file", path = .path.display())]
    TooLarge {
        /// The file.
        path: PathBuf,
        /// The limit in bytes.
        max: u64,
    },
    /// Initial content must not be mixed with what a volume holds already.
    #[error("{path} is not empty: initial content is only copied into an empty directory", path = .path.display())]
    NotEmpty {
        /// The directory.
        path: PathBuf,
    },
    /// A socket or device stands among files to copy.
    #[error("{path} is {found} and cannot be copied: remove it or leave it out", path = .path.display())]
    Uncopyable {
        /// The file.
        path: PathBuf,
        /// What it is, with its article.
        found: &'static str,
    },

    /// A program to copy from the host is not there.
    #[error("program {path} does not exist on this host: check the path", path = .path.display())]
    ProgramMissing {
        /// The program as asked for.
        path: PathBuf,
    },
    /// A program was named without its full path.
    #[error("program {path} is not an absolute path: give the full path, for example /bin/sh", path = .path.display())]
    ProgramNotAbsolute {
        /// The program as asked for.
        path: PathBuf,
    },
    /// What was named as a program cannot be one.
    #[error("{path} is not a program this host can run: {reason}", path = .path.display())]
    NotAProgram {
        /// The program as asked for.
        path: PathBuf,
        /// Why not.
        reason: String,
    },
    /// A shared library is nowhere in the search path.
    #[error("{needed_by} needs the shared library {library}, which is in none of the directories searched: \
             install it on this host or leave the program out", needed_by = .needed_by.display())]
    LibraryMissing {
        /// The name in `DT_NEEDED`.
        library: String,
        /// The object that needs it.
        needed_by: PathBuf,
    },
    /// A script's interpreter or a program's loader does not exist.
    #[error("{needed_by} is run by {interpreter}, which does not exist on this host: install it or leave the program out",
            needed_by = .needed_by.display(), interpreter = .interpreter.display())]
    InterpreterMissing {
        /// The interpreter or loader.
        interpreter: PathBuf,
        /// The program that names it.
        needed_by: PathBuf,
    },

    /// The first bytes are of no known archive format.
    #[error("this is not a tar archive ({found}): give a tar file, plain or compressed by gzip, xz or zstd")]
    NotAnArchive {
        /// What was found instead.
        found: &'static str,
    },
    /// The archive is damaged or cut off.
    #[error(
        "the archive cannot be read after {entries} entries: {source}; it may be incomplete, fetch it again"
    )]
    Damaged {
        /// How many entries were unpacked before.
        entries: u64,
        /// What the decoder says.
        source: io::Error,
    },
    /// An entry which no honest archive has, or which is not allowed here.
    #[error("archive entry {entry} is refused: {reason}")]
    EntryRefused {
        /// The entry's name, unprintable bytes replaced.
        entry: String,
        /// Why, and what to try.
        reason: String,
    },
    /// The archive is larger than allowed.
    #[error("the archive is refused because it {excess}: if you trust it, raise the limit")]
    LimitReached {
        /// Which limit it passes, as it completes "because it …".
        excess: String,
    },

    /// A source of `COPY` matches nothing.
    #[error(
        "COPY source {source_pattern} matches no file: check the name, that it is below what is copied from, and that .dockerignore does not leave it out"
    )]
    NoMatch {
        /// The source as written.
        source_pattern: String,
    },
    /// A source of `COPY` is no valid pattern.
    #[error("COPY source {source_pattern} is not a valid pattern: {reason}")]
    BadPattern {
        /// The source as written.
        source_pattern: String,
        /// What is wrong with it.
        reason: String,
    },
    /// `COPY` of several files onto one.
    #[error(
        "COPY of {sources} sources needs a directory as destination, and {destination} is none: end it with a slash"
    )]
    DestinationNotADirectory {
        /// The destination as written.
        destination: String,
        /// How many files and directories are to be copied.
        sources: usize,
    },
    /// An owner that the image does not know.
    #[error(
        "the image has no {kind} '{name}' in {file}: create it before the files that are to be its own, or give a number"
    )]
    UnknownOwner {
        /// User or group.
        kind: &'static str,
        /// As written.
        name: String,
        /// Where it was looked for.
        file: &'static str,
    },
    /// `COPY` without a source.
    #[error("COPY to {destination} names no source: write COPY <source> <destination>")]
    NoSource {
        /// The destination as written.
        destination: String,
    },
}

impl Error {
    /// The entry of an archive is refused.
    pub(crate) fn refused(entry: &Path, reason: impl Into<String>) -> Self {
        Self::EntryRefused {
            entry: entry.display().to_string(),
            reason: reason.into(),
        }
    }
}

/// Adds what was tried, and on what, to a system error.
pub(crate) trait IoContext<T> {
    /// `action` completes "could not …".
    fn on(self, action: &'static str, path: impl Into<PathBuf>) -> Result<T>;
}

impl<T, E: Into<io::Error>> IoContext<T> for std::result::Result<T, E> {
    fn on(self, action: &'static str, path: impl Into<PathBuf>) -> Result<T> {
        self.map_err(|source| Error::Io {
            action,
            path: path.into(),
            source: source.into(),
        })
    }
}
