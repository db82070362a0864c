//! Single nodes of a file system, by open directory and name: no paths, no links followed.

use std::{
    ffi::{OsStr, OsString},
    fs::File,
    io,
    os::{
        fd::{AsFd, OwnedFd},
        unix::ffi::OsStrExt,
    },
};

use rustix::{
    fs::{
        AtFlags, Dir, FileType, Gid, Mode, OFlags, Stat, Uid, chownat, fchmod, fchown, fstat, mkdirat,
        openat, statat, unlinkat,
    },
    io::{Errno, Result},
    process::getegid,
};

/// Owner and group, as numbers: names mean nothing across roots.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Owner {
    /// User.
    pub uid: u32,
    /// Group.
    pub gid: u32,
}

impl Owner {
    pub(crate) const ROOT: Self = Self { uid: 0, gid: 0 };

    pub(crate) fn of(stat: &Stat) -> Self {
        Self {
            uid: stat.st_uid,
            gid: stat.st_gid,
        }
    }

    /// Gives `name` to this owner. Clears set-id bits, so modes are set afterwards.
    pub(crate) fn take(self, dir: impl AsFd, name: &OsStr) -> Result<()> {
        let (uid, gid) = (Uid::from_raw(self.uid), Gid::from_raw(self.gid));
        chownat(dir, name, Some(uid), Some(gid), AtFlags::SYMLINK_NOFOLLOW)
    }
}

pub(crate) fn kind(stat: &Stat) -> FileType {
    FileType::from_raw_mode(stat.st_mode)
}

/// What has this name, not following a link; nothing if nothing has.
pub(crate) fn kind_of(dir: impl AsFd, name: &OsStr) -> Result<Option<FileType>> {
    match statat(dir, name, AtFlags::SYMLINK_NOFOLLOW) {
        Ok(stat) => Ok(Some(kind(&stat))),
        Err(Errno::NOENT) => Ok(None),
        Err(error) => Err(error),
    }
}

pub(crate) fn mode(stat: &Stat) -> Mode {
    Mode::from_raw_mode(stat.st_mode)
}

/// The kind with its article, for messages.
pub(crate) fn describe(kind: FileType) -> &'static str {
    match kind {
        FileType::RegularFile => "a regular file",
        FileType::Directory => "a directory",
        FileType::Symlink => "a symbolic link",
        FileType::Fifo => "a named pipe",
        FileType::Socket => "a socket",
        FileType::CharacterDevice | FileType::BlockDevice => "a device",
        FileType::Unknown => "of an unknown type",
    }
}

pub(crate) fn open_dir(dir: impl AsFd, name: &OsStr) -> Result<OwnedFd> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    openat(dir, name, flags, Mode::empty())
}

/// Opens a directory that is made if it does not exist. Mode 0755 whatever the umask, since a daemon's umask is nothing
/// that images should depend on.
pub(crate) fn ensure_dir(dir: impl AsFd, name: &OsStr) -> Result<OwnedFd> {
    match mkdirat(&dir, name, Mode::RWXU) {
        Ok(()) => {
            let made = open_dir(&dir, name)?;
            own(&made)?;
            fchmod(&made, Mode::from_raw_mode(0o755))?;
            Ok(made)
        }
        Err(Errno::EXIST) => open_dir(&dir, name),
        Err(error) => Err(error),
    }
}

/// Creates a file that must not exist, readable by us alone until the caller sets its mode.
pub(crate) fn create_file(dir: impl AsFd, name: &OsStr) -> Result<File> {
    let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let made = openat(dir, name, flags, Mode::RUSR | Mode::WUSR)?;
    own(&made)?;
    Ok(File::from(made))
}

/// Makes our group that of something new. BSD gives it its directory's.
fn own(made: &OwnedFd) -> Result<()> {
    fchown(made, None, Some(getegid()))
}

/// Opens a regular file for reading; `Err(kind)` inside if it is something else. A device is never opened, since that
/// alone can have an effect, and a pipe never waited for.
pub(crate) fn open_file(dir: impl AsFd, name: &OsStr) -> Result<std::result::Result<(File, Stat), FileType>> {
    let found = kind(&statat(&dir, name, AtFlags::SYMLINK_NOFOLLOW)?);
    if found != FileType::RegularFile {
        return Ok(Err(found));
    }
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
    let file = openat(&dir, name, flags, Mode::empty())?;
    let stat = fstat(&file)?;
    // It may have been exchanged between the two calls.
    match kind(&stat) {
        FileType::RegularFile => Ok(Ok((File::from(file), stat))),
        other => Ok(Err(other)),
    }
}

/// Removes what has this name unless it is a directory with content. Absent is fine.
pub(crate) fn remove(dir: impl AsFd, name: &OsStr) -> Result<()> {
    let flags = match statat(&dir, name, AtFlags::SYMLINK_NOFOLLOW) {
        Ok(stat) if kind(&stat) == FileType::Directory => AtFlags::REMOVEDIR,
        Ok(_) => AtFlags::empty(),
        Err(Errno::NOENT) => return Ok(()),
        Err(error) => return Err(error),
    };
    unlinkat(dir, name, flags)
}

/// The names in a directory without `.` and `..`, sorted, so that everything done with them is repeatable.
pub(crate) fn names(dir: impl AsFd) -> io::Result<Vec<OsString>> {
    let mut names = Vec::new();
    for entry in Dir::read_from(dir)? {
        let entry = entry?;
        let name = OsStr::from_bytes(entry.file_name().to_bytes());
        if name != "." && name != ".." {
            names.push(name.to_owned());
        }
    }
    names.sort();
    Ok(names)
}
