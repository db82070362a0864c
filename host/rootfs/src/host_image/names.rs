//! Copies files of the host under the names they have there, with every link on the way.

use std::{
    collections::{BTreeSet, VecDeque},
    ffi::OsString,
    fs::{self, File, Metadata},
    io,
    os::unix::fs::{MetadataExt, PermissionsExt},
    path::{Component, Path, PathBuf},
};

use rustix::fs::{FileType, Mode, RawMode, fchmod, renameat, symlinkat};

use super::Report;
use crate::{
    Root, beneath,
    error::{Error, IoContext, Result},
    node,
    walk::{Last, Links, Missing, Place, Walk, walk},
    xattr,
};

/// As many links as a kernel follows.
const MAX_LINKS: u32 = 40;

/// The names copied so far.
pub(super) struct Copied<'a> {
    root: &'a Root,
    done: BTreeSet<PathBuf>,
    pub report: Report,
}

impl<'a> Copied<'a> {
    pub fn new(root: &'a Root) -> Self {
        Self {
            root,
            done: BTreeSet::new(),
            report: Report::default(),
        }
    }

    /// Makes an absolute path of the host lead to the same file in the root. Returns where the file really is.
    ///
    /// Directories on the way are made with their modes, links with their text, so that `/bin/sh` is what it is on the host, down to
    /// `/bin -> usr/bin`.
    pub fn add(&mut self, path: &Path) -> Result<PathBuf> {
        let mut todo: VecDeque<OsString> = names(path).collect();
        let mut here = PathBuf::from("/");
        let mut links = 0;
        while let Some(name) = todo.pop_front() {
            if name == ".." {
                here.pop();
                continue;
            }
            let next = here.join(&name);
            let metadata = fs::symlink_metadata(&next).on("read", &next)?;
            if metadata.is_symlink() {
                links += 1;
                if links > MAX_LINKS {
                    return Err(Error::LinkLoop {
                        path: path.to_owned(),
                    });
                }
                let target = fs::read_link(&next).on("read the link", &next)?;
                self.link(&next, &target)?;
                if target.is_absolute() {
                    here = PathBuf::from("/");
                }
                for name in names(&target).collect::<Vec<_>>().into_iter().rev() {
                    todo.push_front(name);
                }
                continue;
            }
            if metadata.is_dir() {
                self.directory(&next, &metadata)?;
            } else {
                self.file(&next)?;
            }
            here = next;
        }
        Ok(here)
    }

    fn link(&mut self, path: &Path, target: &Path) -> Result<()> {
        if !self.done.insert(path.to_owned()) {
            return Ok(());
        }
        let place = self.place(path)?;
        if place
            .stat()?
            .is_some_and(|stat| node::kind(&stat) == FileType::Directory)
        {
            return Err(Error::NotAFile {
                path: path.to_owned(),
                found: node::describe(FileType::Directory),
            });
        }
        node::remove(&place.dir, place.name()).on("replace", path)?;
        symlinkat(target, &place.dir, place.name()).on("create the link", path)?;
        self.report.links += 1;
        Ok(())
    }

    fn directory(&mut self, path: &Path, metadata: &Metadata) -> Result<()> {
        if !self.done.insert(path.to_owned()) {
            return Ok(());
        }
        let place = self.place(path)?;
        let made = beneath::ensure_dir(&place, path)?;
        fchmod(
            &made,
            Mode::from_raw_mode((metadata.permissions().mode() & 0o1777) as RawMode),
        )
        .on("set the mode of", path)
    }

    fn file(&mut self, path: &Path) -> Result<()> {
        if !self.done.insert(path.to_owned()) {
            return Ok(());
        }
        let mut source = File::open(path).on("read", path)?;
        let metadata = source.metadata().on("read", path)?;
        let place = self.place(path)?;
        beneath::has_regular_file(&place, path)?;
        let (mut file, unfinished) = beneath::create_beside(&place).on("create", path)?;
        self.report.bytes += io::copy(&mut source, &mut file).on("copy", path)?;
        fchmod(&file, mode(&metadata)).on("set the mode of", path)?;
        self.report.attributes_lost += xattr::copy(&source, &file).on("copy the attributes of", path)?;
        renameat(&place.dir, &unfinished, &place.dir, place.name()).on("create", path)?;
        self.report.files += 1;
        Ok(())
    }

    fn place(&self, path: &Path) -> Result<Place> {
        walk(
            self.root,
            path,
            Walk {
                last: Last::Keep,
                missing: Missing::Create,
                links: Links::Chroot,
            },
        )
    }
}

/// The mode of the copy, which is root's: a set-id bit stays only if it meant root before.
fn mode(metadata: &Metadata) -> Mode {
    let mut mode = metadata.permissions().mode() & 0o7777;
    if metadata.uid() != 0 {
        mode &= !0o4000;
    }
    if metadata.gid() != 0 {
        mode &= !0o2000;
    }
    Mode::from_raw_mode(mode as RawMode)
}

fn names(path: &Path) -> impl Iterator<Item = OsString> {
    path.components().filter_map(|component| match component {
        Component::Normal(name) => Some(name.to_owned()),
        Component::ParentDir => Some(OsString::from("..")),
        Component::CurDir | Component::RootDir | Component::Prefix(_) => None,
    })
}
