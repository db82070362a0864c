//! The files of a context that belong to a build, in an order that is always the same.

use std::fs::{self, FileType, Metadata};
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::{Path, PathBuf};

use crate::error::{Error, Result};
use crate::ignore::Ignore;

/// What belongs to a build. Directories stand before what is in them, and names in the order of their bytes.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Listing {
    /// All files and directories.
    pub entries: Vec<Entry>,
    /// How many regular files there are.
    pub files: u64,
    /// Bytes of content.
    pub bytes: u64,
    /// Sockets and devices, which no build can use. They are left out.
    pub skipped: Vec<PathBuf>,
}

/// One file or directory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// Relative to the context.
    pub path: PathBuf,
    /// What it is.
    pub kind: Kind,
    /// Permission bits, set-id bits included.
    pub mode: u32,
    /// When it was changed: seconds since 1970.
    pub modified: i64,
}

/// What belongs to builds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(missing_docs, reason = "the usual kinds of files")]
pub enum Kind {
    Directory,
    File,
    Link,
    Pipe,
}

impl Kind {
    fn of(kind: FileType) -> Option<Self> {
        if kind.is_dir() {
            Some(Self::Directory)
        } else if kind.is_file() {
            Some(Self::File)
        } else if kind.is_symlink() {
            Some(Self::Link)
        } else if kind.is_fifo() {
            Some(Self::Pipe)
        } else {
            None
        }
    }
}

impl Listing {
    /// What `ignore` leaves of a directory. A directory that is left out is listed if something in it is not.
    ///
    /// # Errors
    /// [`Error::Unreadable`] at what is not left out and cannot be looked at; [`Error::Io`] if the context is no directory.
    pub fn of(context: &Path, ignore: &Ignore) -> Result<Self> {
        let metadata = fs::metadata(context).map_err(|source| unopened(context, source))?;
        if !metadata.is_dir() {
            return Err(unopened(context, io::ErrorKind::NotADirectory.into()));
        }
        let mut listing = Self::default();
        listing.descend(context, ignore, Path::new(""))?;
        Ok(listing)
    }

    /// Adds what is in a directory.
    fn descend(&mut self, context: &Path, ignore: &Ignore, directory: &Path) -> Result<()> {
        let unreadable = |source| Error::Unreadable {
            path: if directory.as_os_str().is_empty() {
                context.to_owned()
            } else {
                directory.to_owned()
            },
            source,
        };
        let mut names = fs::read_dir(context.join(directory))
            .and_then(|entries| {
                entries
                    .map(|entry| Ok(entry?.file_name()))
                    .collect::<io::Result<Vec<_>>>()
            })
            .map_err(unreadable)?;
        names.sort_unstable_by(|a, b| a.as_bytes().cmp(b.as_bytes()));
        for name in names {
            self.take(context, ignore, directory.join(name))?;
        }
        Ok(())
    }

    /// Adds a file or directory, and what is in it, unless it is left out.
    fn take(&mut self, context: &Path, ignore: &Ignore, path: PathBuf) -> Result<()> {
        let is_excluded = ignore.excludes(&path);
        // A link to a directory is no directory, so nothing below it is ever looked for.
        if is_excluded && ignore.excludes_all_below(&path) {
            return Ok(());
        }
        let metadata = match fs::symlink_metadata(context.join(&path)) {
            Ok(metadata) => metadata,
            // Removed since the directory was read.
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            Err(source) => return Err(Error::Unreadable { path, source }),
        };
        match Kind::of(metadata.file_type()) {
            Some(Kind::Directory) => {
                let before = self.entries.len();
                self.add(path.clone(), Kind::Directory, &metadata);
                self.descend(context, ignore, &path)?;
                if is_excluded && self.entries.len() == before + 1 {
                    self.entries.truncate(before);
                }
            }
            _ if is_excluded => {}
            Some(kind) => self.add(path, kind, &metadata),
            None => self.skipped.push(path),
        }
        Ok(())
    }

    fn add(&mut self, path: PathBuf, kind: Kind, metadata: &Metadata) {
        if kind == Kind::File {
            self.files += 1;
            self.bytes += metadata.len();
        }
        self.entries.push(Entry {
            path,
            kind,
            mode: metadata.mode() & 0o7777,
            modified: metadata.mtime(),
        });
    }
}

fn unopened(context: &Path, source: io::Error) -> Error {
    Error::Io {
        action: "open the build context",
        path: context.to_owned(),
        source,
    }
}
