//! The open directory everything is beneath.

use std::{
    os::fd::{AsFd, BorrowedFd, OwnedFd},
    path::{Path, PathBuf},
};

use rustix::fs::{CWD, Mode, OFlags, openat};

use crate::error::{IoContext, Result};

/// A directory whose content is never trusted: the root of an image, a container, a volume, or a build context.
///
/// Paths given to its methods are paths inside it; a leading `/` may be left out.
#[derive(Debug)]
pub struct Root {
    dir: OwnedFd,
    path: PathBuf,
}

impl Root {
    /// Opens a directory of the host as a root. `path` itself is trusted, what is in the directory is not.
    ///
    /// # Errors
    /// [`Error::Io`](crate::Error::Io) when it is not there or is not a directory.
    pub fn open(path: impl Into<PathBuf>) -> Result<Self> {
        let path = path.into();
        let dir = openat(
            CWD,
            &path,
            OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC,
            Mode::empty(),
        )
        .on("open the directory", &path)?;
        Ok(Self { dir, path })
    }

    /// The path it was opened by, on the host. Only for messages: to use it with a path from inside is what this crate
    /// exists to avoid.
    #[must_use]
    pub fn host_path(&self) -> &Path {
        &self.path
    }

    /// A directory inside as a root of its own: nothing done beneath it reaches what is beside it. It is made if it does not
    /// exist.
    ///
    /// # Errors
    /// As [`Root::make_dir_all`].
    pub fn subtree(&self, path: impl AsRef<Path>) -> Result<Self> {
        let found = self.make_dir_all(path.as_ref())?;
        Ok(Self {
            dir: self.open_dir(path.as_ref())?,
            path: self.path.join(found),
        })
    }

    pub(crate) fn fd(&self) -> BorrowedFd<'_> {
        self.dir.as_fd()
    }
}
