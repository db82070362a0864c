//! Whiteouts: entries of a layer that take away files of the layers below (OCI image specification, "Layer Filesystem
//! Changeset").
//!
//! `.wh.NAME` takes away `NAME`; `.wh..wh..opq` everything in its directory. Neither means what the same layer brings,
//! in whichever order.

use std::{
    collections::HashSet,
    ffi::{OsStr, OsString},
    hash::{BuildHasher, RandomState},
    os::{fd::OwnedFd, unix::ffi::OsStrExt},
    path::{Path, PathBuf},
};

use rustix::fs::{AtFlags, FileType, unlinkat};

use crate::{
    Root,
    error::{Error, IoContext, Result},
    node,
    walk::{Last, Links, Missing, Place, Walk, walk},
};

const PREFIX: &[u8] = b".wh.";
const OPAQUE: &[u8] = b".wh..wh..opq";
/// Marks of the file system that whiteouts are from; they take nothing away.
const RESERVED: &[u8] = b".wh..wh.";

/// As many directories as may be inside each other, so that taking them away needs neither a deep stack nor more open
/// files than a process may have.
pub(super) const MAX_DEPTH: usize = 256;

/// What an entry takes away.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Whiteout {
    /// This file or directory.
    File(PathBuf),
    /// All that is in this directory.
    Content(PathBuf),
    /// Nothing.
    Nothing,
}

impl Whiteout {
    /// The whiteout that an entry of this name is, if it is one.
    ///
    /// # Errors
    /// [`Error::EntryRefused`] for names that stand for whiteouts without being any.
    pub(super) fn named(path: &Path) -> Result<Option<Self>> {
        let directory = path.parent().unwrap_or(Path::new(""));
        if directory.iter().any(is_whiteout) {
            return Err(Error::refused(
                path,
                "it is below a name that stands for a removed file",
            ));
        }
        let name = path.file_name().unwrap_or_default();
        Ok(Some(match name.as_bytes() {
            OPAQUE => Self::Content(directory.to_owned()),
            reserved if reserved.starts_with(RESERVED) => Self::Nothing,
            name => match name.strip_prefix(PREFIX) {
                None => return Ok(None),
                Some(b"" | b"." | b"..") => {
                    return Err(Error::refused(path, "it takes away a file without a name"));
                }
                Some(target) => Self::File(directory.join(OsStr::from_bytes(target))),
            },
        }))
    }
}

/// Whether a file of this name cannot be in an image, because layers have no way to say so.
pub(super) fn is_whiteout(name: &OsStr) -> bool {
    name.as_bytes().starts_with(PREFIX)
}

/// Applies the whiteouts of one layer.
pub(super) struct Whiteouts<'a> {
    root: &'a Root,
    /// The paths that this layer made and those above them, as hashes: names of a hostile layer may fill any memory.
    made: HashSet<u64>,
    hasher: RandomState,
}

impl<'a> Whiteouts<'a> {
    pub(super) fn new(root: &'a Root) -> Self {
        Self {
            root,
            made: HashSet::new(),
            hasher: RandomState::new(),
        }
    }

    /// This layer brings what is at `path`, a path without links.
    ///
    /// # Errors
    /// [`Error::EntryRefused`] if it is too deep.
    pub(super) fn remember(&mut self, path: &Path) -> Result<()> {
        if path.iter().count() > MAX_DEPTH {
            return Err(Error::refused(
                path,
                format!("it is in more than {MAX_DEPTH} directories inside each other"),
            ));
        }
        for above in path.ancestors() {
            if !self.made.insert(self.hasher.hash_one(above)) {
                break;
            }
        }
        Ok(())
    }

    fn is_made(&self, path: &Path) -> bool {
        self.made.contains(&self.hasher.hash_one(path))
    }

    /// Takes away what a whiteout means. What is not there needs no taking away.
    pub(super) fn apply(&self, whiteout: &Whiteout) -> Result<()> {
        let (path, last) = match whiteout {
            Whiteout::File(path) => (path, Last::Keep),
            Whiteout::Content(path) => (path, Last::Follow),
            Whiteout::Nothing => return Ok(()),
        };
        let way = Walk {
            last,
            missing: Missing::Refuse,
            links: Links::Rooted,
        };
        let place = match walk(self.root, path, way) {
            Ok(place) => place,
            Err(error) if is_absence(&error) => return Ok(()),
            Err(error) => return Err(error),
        };
        match whiteout {
            Whiteout::Content(_) => match place.stat()? {
                Some(stat) if node::kind(&stat) == FileType::Directory => {
                    let directory =
                        node::open_dir(&place.dir, place.name()).on("open the directory", place.inside())?;
                    self.clear_directory(&directory, &place.path, true)?;
                    Ok(())
                }
                _ => Ok(()),
            },
            _ => self.clear_place(&place, true),
        }
    }

    /// Takes away what is at a place, with all that is in it.
    pub(super) fn clear(&self, place: &Place) -> Result<()> {
        self.clear_place(place, false)
    }

    fn clear_place(&self, place: &Place, spare: bool) -> Result<()> {
        match &place.name {
            // The root itself stays.
            None => Ok(()),
            Some(name) => self.clear_name(&place.dir, name, &place.path, spare).map(drop),
        }
    }

    /// Whether everything went that is in a directory. `spare`: not what this layer brought.
    fn clear_directory(&self, directory: &OwnedFd, path: &Path, spare: bool) -> Result<bool> {
        let mut is_empty = true;
        let names: Vec<OsString> = node::names(directory).on("list", path)?;
        for name in names {
            is_empty &= self.clear_name(directory, &name, &path.join(&name), spare)?;
        }
        Ok(is_empty)
    }

    /// Whether `name` is gone. `spare`: not if this layer brought it, or something in it.
    fn clear_name(&self, directory: &OwnedFd, name: &OsStr, path: &Path, spare: bool) -> Result<bool> {
        let is_directory = match node::kind_of(directory, name).on("look at", path)? {
            None => return Ok(true),
            Some(kind) => kind == FileType::Directory,
        };
        let is_spared = spare && self.is_made(path);
        if !is_directory {
            if is_spared {
                return Ok(false);
            }
            unlinkat(directory, name, AtFlags::empty()).on("remove", path)?;
            return Ok(true);
        }
        let inside = node::open_dir(directory, name).on("open the directory", path)?;
        let is_empty = self.clear_directory(&inside, path, spare)?;
        if !is_empty || is_spared {
            return Ok(false);
        }
        unlinkat(directory, name, AtFlags::REMOVEDIR).on("remove", path)?;
        Ok(true)
    }
}

/// Whether something on the way does not exist, or is not what one could walk through.
fn is_absence(error: &Error) -> bool {
    match error {
        Error::Io { source, .. } => source.kind() == std::io::ErrorKind::NotFound,
        Error::NotADirectory { .. } => true,
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_say_what_they_take_away() {
        let named = |name: &str| Whiteout::named(Path::new(name)).unwrap();
        assert_eq!(named("a/b"), None);
        assert_eq!(named("a/.whatever"), None);
        assert_eq!(named("a/.wh.b"), Some(Whiteout::File("a/b".into())));
        assert_eq!(named(".wh.b"), Some(Whiteout::File("b".into())));
        assert_eq!(named("a/.wh..wh..opq"), Some(Whiteout::Content("a".into())));
        assert_eq!(named(".wh..wh..opq"), Some(Whiteout::Content("".into())));
        assert_eq!(named("a/.wh..wh.plnk"), Some(Whiteout::Nothing));
        assert_eq!(named("a/.wh.….b"), Some(Whiteout::File("a/….b".into())));
    }

    #[test]
    fn names_that_take_away_nothing_that_has_a_name_are_refused() {
        for name in [".wh.", "a/.wh..", "a/.wh...", ".wh.a/b", "a/.wh..wh..opq/b"] {
            assert!(Whiteout::named(Path::new(name)).is_err(), "{name}");
        }
    }
}
