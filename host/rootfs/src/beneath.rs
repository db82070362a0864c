//! Directories and files beneath a root, for mount points, `resolv.conf`, `passwd` and the like.
//!
//! Symbolic links are followed as a process inside would, the last component's too.

use std::{
    ffi::{OsStr, OsString},
    fs::{self, File},
    io::{Read, Write},
    os::{
        fd::OwnedFd,
        unix::{ffi::OsStrExt, fs::PermissionsExt},
    },
    path::{Path, PathBuf},
};

use rustix::fs::{FileType, Mode, RawMode, fchmod, renameat};

use crate::{
    Root,
    error::{Error, IoContext, Result},
    node,
    walk::{Last, Links, Missing, Place, Walk, walk},
};

const HOSTS: &[u8] = b"127.0.0.1\tlocalhost\n::1\tlocalhost\n";

impl Root {
    /// Makes a directory and those above it that do not exist (mode 0755, owner: the caller). Existing ones stay as they are.
    ///
    /// Returns the path without any link, relative to the root: the one path that may be joined to
    /// [`Root::host_path`] for mounting, as long as no process inside can change the tree.
    ///
    /// # Errors
    /// [`Error::NotADirectory`] when something else is in the way, [`Error::Escapes`].
    pub fn make_dir_all(&self, path: impl AsRef<Path>) -> Result<PathBuf> {
        let place = self.place(path.as_ref(), Missing::Create)?;
        if place.name.is_some() {
            ensure_dir(&place, path.as_ref())?;
        }
        Ok(place.path)
    }

    /// Makes sure that a regular file exists, with the directories above it; a new one is empty and has mode 0644. Returns the
    /// path without any link, as [`Root::make_dir_all`] does.
    ///
    /// # Errors
    /// [`Error::NotAFile`] when something else has the name, [`Error::Escapes`].
    pub fn touch(&self, path: impl AsRef<Path>) -> Result<PathBuf> {
        let place = self.place(path.as_ref(), Missing::Create)?;
        if !has_regular_file(&place, path.as_ref())? {
            let file = node::create_file(&place.dir, place.name()).on("create", path.as_ref())?;
            fchmod(&file, Mode::from_raw_mode(0o644)).on("set the mode of", path.as_ref())?;
        }
        Ok(place.path)
    }

    /// Writes a file with the directories above it, replacing a regular file of that name at once, so that no reader
    /// sees half of it. `mode` holds permission bits, such as `0o644`.
    ///
    /// # Errors
    /// [`Error::NotAFile`] when something else has the name, [`Error::Escapes`].
    pub fn write_file(&self, path: impl AsRef<Path>, content: &[u8], mode: u32) -> Result<()> {
        let path = path.as_ref();
        let place = self.place(path, Missing::Create)?;
        has_regular_file(&place, path)?;
        let (mut file, unfinished) = create_beside(&place).on("create", path)?;
        file.write_all(content).on("write", path)?;
        fchmod(&file, Mode::from_raw_mode((mode & 0o7777) as RawMode)).on("set the mode of", path)?;
        renameat(&place.dir, &unfinished, &place.dir, place.name()).on("replace", path)
    }

    /// Writes `/etc/hosts` (hosts(5)) where there is none, not even a link that leads nowhere: without it no resolver knows
    /// what `localhost` is.
    ///
    /// # Errors
    /// As [`Root::write_file`].
    pub fn provide_hosts(&self) -> Result<()> {
        let path = Path::new("/etc/hosts");
        let itself = Walk {
            last: Last::Keep,
            missing: Missing::Create,
            links: Links::Chroot,
        };
        match walk(self, path, itself)?.stat()? {
            Some(_) => Ok(()),
            None => self.write_file(path, HOSTS, 0o644),
        }
    }

    /// Copies a file of the host, with its permission bits, to a path inside. `source` is trusted: links in it are followed.
    ///
    /// # Errors
    /// As [`Root::write_file`]; [`Error::Io`] of kind `NotFound` when the host has no such file.
    pub fn copy_host_file(&self, source: impl AsRef<Path>, destination: impl AsRef<Path>) -> Result<()> {
        let source = source.as_ref();
        let metadata = fs::metadata(source).on("read", source)?;
        if !metadata.is_file() {
            let found = if metadata.is_dir() {
                "a directory"
            } else {
                "a device, pipe or socket"
            };
            return Err(Error::NotAFile {
                path: source.to_owned(),
                found,
            });
        }
        let content = fs::read(source).on("read", source)?;
        self.write_file(destination, &content, metadata.permissions().mode() & 0o777)
    }

    /// Reads a regular file of at most `max` bytes.
    ///
    /// # Errors
    /// [`Error::Io`] of kind `NotFound`, [`Error::NotAFile`], [`Error::TooLarge`], [`Error::Escapes`].
    pub fn read_file(&self, path: impl AsRef<Path>, max: u64) -> Result<Vec<u8>> {
        let path = path.as_ref();
        let place = self.place(path, Missing::Refuse)?;
        let (file, _) = node::open_file(&place.dir, place.name())
            .on("read", path)?
            .map_err(|found| Error::NotAFile {
                path: path.to_owned(),
                found: node::describe(found),
            })?;
        let mut content = Vec::new();
        file.take(max.saturating_add(1))
            .read_to_end(&mut content)
            .on("read", path)?;
        if content.len() as u64 > max {
            return Err(Error::TooLarge {
                path: path.to_owned(),
                max,
            });
        }
        Ok(content)
    }

    /// Whether a directory has no entries at all.
    ///
    /// # Errors
    /// [`Error::Io`] of kind `NotFound`, [`Error::NotADirectory`], [`Error::Escapes`].
    pub fn is_empty_dir(&self, path: impl AsRef<Path>) -> Result<bool> {
        let dir = self.open_dir(path.as_ref())?;
        Ok(node::names(&dir).on("list", path.as_ref())?.is_empty())
    }

    /// Opens a directory that exists.
    pub(crate) fn open_dir(&self, path: &Path) -> Result<OwnedFd> {
        let place = self.place(path, Missing::Refuse)?;
        match place.stat()? {
            Some(stat) if node::kind(&stat) != FileType::Directory => Err(Error::NotADirectory {
                path: path.to_owned(),
                at: place.inside(),
            }),
            _ => node::open_dir(&place.dir, place.name()).on("open the directory", path),
        }
    }

    fn place(&self, path: &Path, missing: Missing) -> Result<Place> {
        walk(
            self,
            path,
            Walk {
                last: Last::Follow,
                missing,
                links: Links::Chroot,
            },
        )
    }
}

/// Opens the directory at a place, making it if nothing is there.
pub(crate) fn ensure_dir(place: &Place, path: &Path) -> Result<OwnedFd> {
    match place.stat()? {
        Some(stat) if node::kind(&stat) != FileType::Directory => Err(Error::NotADirectory {
            path: path.to_owned(),
            at: place.inside(),
        }),
        _ => node::ensure_dir(&place.dir, place.name()).on("make the directory", path),
    }
}

/// Whether a regular file is at a place; nothing there is fine, something else is not.
pub(crate) fn has_regular_file(place: &Place, path: &Path) -> Result<bool> {
    match place.stat()?.map(|stat| node::kind(&stat)) {
        None => Ok(false),
        Some(FileType::RegularFile) => Ok(true),
        Some(other) => Err(Error::NotAFile {
            path: path.to_owned(),
            found: node::describe(other),
        }),
    }
}

/// Creates an empty file next to a place, to be renamed to it. What an interrupted run left there is removed.
pub(crate) fn create_beside(place: &Place) -> rustix::io::Result<(File, OsString)> {
    let whole = place.name.as_deref().unwrap_or_default().as_bytes();
    let mut name = OsString::from(".kleene-unfinished-");
    // Names may have 255 bytes; two so long that differ only at the end are not written at the same time.
    name.push(OsStr::from_bytes(&whole[..whole.len().min(200)]));
    node::remove(&place.dir, &name)?;
    Ok((node::create_file(&place.dir, &name)?, name))
}
