//! Finds the place that a path names inside a root, by one `openat` with `O_NOFOLLOW` per component.
//!
//! The kernel never follows a link for us and never sees `..`: links are read and their text is walked like the rest,
//! `..` is walked from the root again. So the worst that somebody who changes the tree at the same time can reach
//! is another place inside it.
//!
//! `openat2(RESOLVE_IN_ROOT)` would do the same in one call, but only on Linux, and could neither create missing directories
//! nor tell which path it ended at, which a caller that mounts there has to know.

use std::{
    collections::VecDeque,
    ffi::{OsStr, OsString},
    os::{
        fd::OwnedFd,
        unix::ffi::{OsStrExt, OsStringExt},
    },
    path::{Path, PathBuf},
};

use rustix::{
    fs::{AtFlags, Stat, readlinkat, statat},
    io::{Errno, fcntl_dupfd_cloexec},
};

use crate::{
    Root,
    error::{Error, IoContext, Result},
    node,
};

/// As many links as Linux follows in one path (path_resolution(7)); FreeBSD stops at 32.
const MAX_LINKS: u32 = 40;

/// What to do with a symbolic link as the last component.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Last {
    /// The place is where it points to.
    Follow,
    /// The place is the link itself.
    Keep,
}

/// What to do when a directory on the way does not exist.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Missing {
    /// Report it.
    Refuse,
    /// Make it, owned by us, mode 0755.
    Create,
}

/// Which symbolic links may be walked.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Links {
    /// All of them, as a process inside sees them: `/` is the root, and `..` of the root is the root.
    Chroot,
    /// Only those that stay inside when read from outside, for trees that are archives or directories of the host:
    /// relative, never climbing above the root.
    Inside,
    /// As [`Chroot`](Self::Chroot), but none that climbs above the root: no honest layer of an image has such a link on
    /// its way.
    Rooted,
}

/// How to walk.
#[derive(Clone, Copy)]
pub(crate) struct Walk {
    pub last: Last,
    pub missing: Missing,
    pub links: Links,
}

/// A directory, open, and a name in it. The name may or may not exist.
pub(crate) struct Place {
    /// The directory the name is in.
    pub dir: OwnedFd,
    /// The name; none when the path names the root, or ends in `..`, `.` or a slash, and so names `dir` itself.
    pub name: Option<OsString>,
    /// The way from the root without any link, relative. For messages, and for who must mount there.
    pub path: PathBuf,
}

impl Place {
    /// The name to give to `*at` functions.
    pub fn name(&self) -> &OsStr {
        self.name.as_deref().unwrap_or(OsStr::new("."))
    }

    /// What is there, not following a link; nothing if it does not exist.
    pub fn stat(&self) -> Result<Option<Stat>> {
        match statat(&self.dir, self.name(), AtFlags::SYMLINK_NOFOLLOW) {
            Ok(stat) => Ok(Some(stat)),
            Err(Errno::NOENT) => Ok(None),
            Err(error) => Err(error).on("look at", self.inside()),
        }
    }

    /// The path as a process inside would write it.
    pub fn inside(&self) -> PathBuf {
        Path::new("/").join(&self.path)
    }
}

/// One step of the way still to go.
enum Step {
    Stay,
    Up { by_link: bool },
    Down(OsString),
}

/// Walks to what `path` names. Only what `walk` allows to create is created, everything else is the caller's.
pub(crate) fn walk(root: &Root, path: &Path, walk: Walk) -> Result<Place> {
    let escapes = || Error::Escapes {
        path: path.to_owned(),
        root: root.host_path().to_owned(),
    };
    let mut todo: VecDeque<Step> = steps(path, false).collect();
    let mut here = fcntl_dupfd_cloexec(root.fd(), 0).on("open", root.host_path())?;
    let mut way = PathBuf::new();
    let mut links = 0;
    while let Some(step) = todo.pop_front() {
        let name = match step {
            Step::Down(name) => name,
            Step::Stay => continue,
            Step::Up { by_link } => {
                let may_stay = by_link && walk.links == Links::Chroot;
                if !way.pop() && !may_stay {
                    return Err(escapes());
                }
                here = reopen(root, &way)?;
                continue;
            }
        };
        let is_last = todo.is_empty();
        let target = if is_last && walk.last == Last::Keep {
            None
        } else if is_last {
            read_link(&here, &name).on("read the link", way.join(&name))?
        } else {
            match enter(&here, &name, walk.missing)
                .on("enter the directory", Path::new("/").join(&way).join(&name))?
            {
                Entered::Directory(dir) => {
                    here = dir;
                    way.push(&name);
                    continue;
                }
                Entered::Link(target) => Some(target),
                Entered::Other => {
                    let at = Path::new("/").join(&way).join(&name);
                    return Err(Error::NotADirectory {
                        path: path.to_owned(),
                        at,
                    });
                }
            }
        };
        let Some(target) = target else {
            way.push(&name);
            return Ok(Place {
                dir: here,
                name: Some(name),
                path: way,
            });
        };
        links += 1;
        if links > MAX_LINKS {
            return Err(Error::LinkLoop {
                path: path.to_owned(),
            });
        }
        if target.is_absolute() {
            if walk.links == Links::Inside {
                return Err(escapes());
            }
            here = fcntl_dupfd_cloexec(root.fd(), 0).on("open", root.host_path())?;
            way.clear();
        }
        for step in steps(&target, true).rev() {
            todo.push_front(step);
        }
    }
    Ok(Place {
        dir: here,
        name: None,
        path: way,
    })
}

/// The steps of a path, written out since a trailing slash or dot says that what is before it is a directory
/// (path_resolution(7)), which [`Path::components`] forgets.
fn steps(path: &Path, by_link: bool) -> impl DoubleEndedIterator<Item = Step> {
    path.as_os_str()
        .as_bytes()
        .split(|byte| *byte == b'/')
        .map(move |part| match part {
            b"" | b"." => Step::Stay,
            b".." => Step::Up { by_link },
            name => Step::Down(OsStr::from_bytes(name).to_owned()),
        })
}

enum Entered {
    Directory(OwnedFd),
    Link(PathBuf),
    Other,
}

fn enter(dir: &OwnedFd, name: &OsStr, missing: Missing) -> rustix::io::Result<Entered> {
    let opened = match node::open_dir(dir, name) {
        Err(Errno::NOENT) if missing == Missing::Create => node::ensure_dir(dir, name),
        other => other,
    };
    match opened {
        Ok(entered) => Ok(Entered::Directory(entered)),
        // What O_NOFOLLOW says to a link: ENOTDIR or ELOOP on Linux, EMLINK on FreeBSD, where EOPNOTSUPP is for sockets.
        Err(Errno::NOTDIR | Errno::LOOP | Errno::MLINK | Errno::OPNOTSUPP) => {
            Ok(read_link(dir, name)?.map_or(Entered::Other, Entered::Link))
        }
        Err(error) => Err(error),
    }
}

/// The text of a link; nothing if there is no link of that name.
fn read_link(dir: &OwnedFd, name: &OsStr) -> rustix::io::Result<Option<PathBuf>> {
    match readlinkat(dir, name, Vec::new()) {
        Ok(target) => Ok(Some(PathBuf::from(OsString::from_vec(target.into_bytes())))),
        Err(Errno::INVAL | Errno::NOENT) => Ok(None),
        Err(error) => Err(error),
    }
}

/// Opens a way of directories only, as `walk` noted it.
fn reopen(root: &Root, way: &Path) -> Result<OwnedFd> {
    let mut here = fcntl_dupfd_cloexec(root.fd(), 0).on("open", root.host_path())?;
    for name in way {
        here = node::open_dir(&here, name).on("enter the directory", Path::new("/").join(way))?;
    }
    Ok(here)
}
