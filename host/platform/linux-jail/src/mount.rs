//! Mounts as values: made or taken from somewhere detached, changed, and attached at a path which is resolved beneath
//! the root directory, whatever links an image holds (open_tree(2), fsopen(2), move_mount(2)).

use std::fs::File;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::{Component, Path};

use rustix::fs::{AtFlags, CWD, FileType, Mode, OFlags, ResolveFlags};
use rustix::io::Errno;
use rustix::mount::{
    FsMountFlags, FsOpenFlags, MountAttrFlags, MoveMountFlags, OpenTreeFlags, fsconfig_create,
    fsconfig_set_string, fsmount, fsopen, move_mount, open_tree,
};

use crate::sys;

/// No device nodes and no set-user-id programs.
pub(crate) const HARMLESS: MountAttrFlags =
    MountAttrFlags::MOUNT_ATTR_NODEV.union(MountAttrFlags::MOUNT_ATTR_NOSUID);

/// A mount that is not attached anywhere yet; dropping it unmounts it.
#[derive(Debug)]
pub(crate) struct Mount(OwnedFd);

impl Mount {
    /// A new file system of a kind that has no disk.
    pub(crate) fn new(kind: &str, options: &[(&str, &str)], attributes: MountAttrFlags) -> io::Result<Self> {
        let context = fsopen(kind, FsOpenFlags::FSOPEN_CLOEXEC)?;
        fsconfig_set_string(&context, "source", kind)?;
        for (key, value) in options {
            fsconfig_set_string(&context, *key, *value)?;
        }
        fsconfig_create(&context)?;
        Ok(Self(fsmount(
            &context,
            FsMountFlags::FSMOUNT_CLOEXEC,
            attributes,
        )?))
    }

    /// A second view of what is at a path, without what is mounted below (as nullfs on FreeBSD).
    pub(crate) fn view(path: &Path) -> io::Result<Self> {
        let flags = OpenTreeFlags::OPEN_TREE_CLONE | OpenTreeFlags::OPEN_TREE_CLOEXEC;
        Ok(Self(open_tree(CWD, path, flags)?))
    }

    /// A second view of what is at a path, with all that is mounted below.
    pub(crate) fn view_all(path: &Path) -> io::Result<Self> {
        let flags =
            OpenTreeFlags::OPEN_TREE_CLONE | OpenTreeFlags::OPEN_TREE_CLOEXEC | OpenTreeFlags::AT_RECURSIVE;
        Ok(Self(open_tree(CWD, path, flags)?))
    }

    /// Adds attributes.
    pub(crate) fn with(self, attributes: MountAttrFlags) -> io::Result<Self> {
        sys::set_mount_attributes(&self.0, u64::from(attributes.bits()), false)?;
        Ok(self)
    }

    /// Forbids writing, here and in all that is mounted below.
    pub(crate) fn read_only(self) -> io::Result<Self> {
        let attributes = MountAttrFlags::MOUNT_ATTR_RDONLY;
        sys::set_mount_attributes(&self.0, u64::from(attributes.bits()), true)?;
        Ok(self)
    }

    /// Whether it is of a directory.
    pub(crate) fn is_directory(&self) -> io::Result<bool> {
        let stat = rustix::fs::fstat(&self.0)?;
        Ok(FileType::from_raw_mode(stat.st_mode).is_dir())
    }

    /// A directory or file in it, opened.
    pub(crate) fn open(&self, path: &str, flags: OFlags) -> io::Result<OwnedFd> {
        Ok(rustix::fs::openat(
            &self.0,
            path,
            flags | OFlags::CLOEXEC,
            Mode::empty(),
        )?)
    }

    /// Attaches it where `target` is.
    pub(crate) fn attach(self, target: impl AsFd) -> io::Result<()> {
        let flags = MoveMountFlags::MOVE_MOUNT_F_EMPTY_PATH | MoveMountFlags::MOVE_MOUNT_T_EMPTY_PATH;
        Ok(move_mount(&self.0, "", target, "", flags)?)
    }
}

impl AsFd for Mount {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

/// Opens a path for mounting on it, with symbolic links taken as within the root directory.
pub(crate) fn target(path: &Path) -> io::Result<OwnedFd> {
    beneath_root(
        path,
        OFlags::PATH,
        ResolveFlags::IN_ROOT | ResolveFlags::NO_MAGICLINKS,
    )
}

/// Opens a path for mounting on it which must be what it is called: no symbolic links.
pub(crate) fn exact_target(path: &Path) -> io::Result<OwnedFd> {
    beneath_root(
        path,
        OFlags::PATH | OFlags::NOFOLLOW,
        ResolveFlags::IN_ROOT | ResolveFlags::NO_SYMLINKS,
    )
}

/// Opens a file for reading, with symbolic links taken as within the root directory. What is no regular file is not
/// found.
pub(crate) fn read_beneath_root(path: &Path) -> io::Result<File> {
    let resolve = ResolveFlags::IN_ROOT | ResolveFlags::NO_MAGICLINKS;
    let file = File::from(beneath_root(path, OFlags::RDONLY | OFlags::NONBLOCK, resolve)?);
    if file.metadata()?.is_file() {
        Ok(file)
    } else {
        Err(io::ErrorKind::NotFound.into())
    }
}

/// As [`target`]; what is missing on the way is made, and at its end a directory or an empty file.
pub(crate) fn make_target(path: &Path, directory: bool) -> io::Result<OwnedFd> {
    match target(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        found => return found,
    }
    let parent_path = path.parent().unwrap_or(Path::new("/"));
    let parent = make_target(parent_path, true)?;
    let Some(Component::Normal(name)) = path.components().next_back() else {
        return Err(io::ErrorKind::InvalidInput.into());
    };
    let made = if directory {
        rustix::fs::mkdirat(&parent, name, Mode::from_raw_mode(0o755))
    } else {
        let flags = OFlags::CREATE | OFlags::EXCL | OFlags::WRONLY | OFlags::CLOEXEC;
        rustix::fs::openat(&parent, name, flags, Mode::from_raw_mode(0o644)).map(drop)
    };
    match made {
        Ok(()) => target(path),
        // A link into nowhere.
        Err(Errno::EXIST) => Err(io::ErrorKind::NotFound.into()),
        Err(error) => Err(error.into()),
    }
}

/// A directory directly below the root, made if it is missing; it must be one and no link.
pub(crate) fn mount_point(path: &Path, mode: Mode) -> io::Result<OwnedFd> {
    match rustix::fs::mkdirat(CWD, path, mode) {
        Ok(()) | Err(Errno::EXIST) => {}
        Err(error) => return Err(error.into()),
    }
    let flags = OFlags::PATH | OFlags::NOFOLLOW | OFlags::DIRECTORY;
    beneath_root(path, flags, ResolveFlags::IN_ROOT | ResolveFlags::NO_SYMLINKS)
}

/// How often a path is gone along anew. The kernel cannot tell where a `..` leads while anything is renamed anywhere on
/// the host, and says so (openat2(2), `EAGAIN`).
const TRIES: u32 = 10_000;

fn beneath_root(path: &Path, flags: OFlags, resolve: ResolveFlags) -> io::Result<OwnedFd> {
    let root = rustix::fs::open(
        "/",
        OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC,
        Mode::empty(),
    )?;
    let mut more = 0..TRIES;
    loop {
        match rustix::fs::openat2(&root, path, flags | OFlags::CLOEXEC, Mode::empty(), resolve) {
            Err(Errno::AGAIN) if more.next().is_some() => {}
            opened => return Ok(opened?),
        }
    }
}

/// Whether an open file lies in a file system of this magic number (statfs(2)).
pub(crate) fn is_in(file: impl AsFd, magic: i64) -> io::Result<bool> {
    Ok(rustix::fs::fstatfs(file)?.f_type == magic)
}

/// Makes a character device node below an open directory, for everybody.
pub(crate) fn device_node(directory: impl AsFd, name: &str, major: u32, minor: u32) -> io::Result<()> {
    let device = rustix::fs::makedev(major, minor);
    let everybody = Mode::from_raw_mode(0o666);
    rustix::fs::mknodat(&directory, name, FileType::CharacterDevice, everybody, device)?;
    // Whatever the umask was.
    Ok(rustix::fs::chmodat(
        &directory,
        name,
        everybody,
        AtFlags::empty(),
    )?)
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicBool, Ordering};
    use std::thread;

    use super::*;

    #[test]
    fn a_path_through_its_parent_is_found_while_others_rename() {
        let directory = tempfile::tempdir().unwrap();
        let at = |name: &str| directory.path().join(name);
        std::fs::create_dir(at("here")).unwrap();
        std::fs::write(at("one"), "").unwrap();
        let done = AtomicBool::new(false);
        let failed = thread::scope(|scope| {
            scope.spawn(|| {
                while !done.load(Ordering::Relaxed) {
                    std::fs::rename(at("one"), at("other")).unwrap();
                    std::fs::rename(at("other"), at("one")).unwrap();
                }
            });
            let failed = (0..20_000).find_map(|_| target(&at("here/../here/../here")).err());
            done.store(true, Ordering::Relaxed);
            failed
        });
        assert!(failed.is_none(), "{failed:?}");
    }
}
