//! What a selection holds, as a number: the same whenever and wherever the same files are copied.

use std::{
    ffi::OsStr,
    io::Read,
    os::{
        fd::{AsFd, OwnedFd},
        unix::ffi::OsStrExt,
    },
    path::Path,
};

use rustix::fs::{AtFlags, FileType, Stat, readlinkat, statat};
use sha2::{Digest as _, Sha256};

use super::{Selection, Visible};
use crate::{
    error::{Error, IoContext, Result},
    node,
};

/// SHA-256 of what is copied.
pub type Digest = [u8; 32];

impl Selection<'_> {
    /// Of all that is copied: path, kind, mode, content, target of links, in an image the owner; not times or where it lies.
    ///
    /// # Errors
    /// If something cannot be read.
    pub fn digest(&self) -> Result<Digest> {
        self.walk(Depth::Content)
    }

    /// A quick sum that changes when anything of it is changed: to tell whether it was while it was copied.
    ///
    /// # Errors
    /// If something cannot be read.
    pub fn stamp(&self) -> Result<Digest> {
        self.walk(Depth::Stamps)
    }

    fn walk(&self, depth: Depth) -> Result<Digest> {
        let mut summer = Summer {
            selection: self,
            depth,
            sum: Sha256::new(),
            buffer: vec![0; 128 << 10],
        };
        for source in &self.found {
            let place = self.origin.find(source)?;
            let name = if source.content {
                OsStr::new("")
            } else {
                source.name()
            };
            summer.entry(&place.dir, place.name(), source.shown(), name)?;
        }
        for file in &self.inline {
            summer.field(b"inline");
            summer.field(file.name.as_bytes());
            summer.field(file.content.as_bytes());
        }
        Ok(summer.sum.finalize().into())
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Depth {
    Content,
    Stamps,
}

struct Summer<'a> {
    selection: &'a Selection<'a>,
    depth: Depth,
    sum: Sha256,
    buffer: Vec<u8>,
}

impl Summer<'_> {
    /// Adds `name` in `from` with all below it. `inside` is its path in what it is copied to.
    fn entry(&mut self, from: impl AsFd, name: &OsStr, shown: &Path, inside: &OsStr) -> Result<()> {
        let stat = statat(&from, name, AtFlags::SYMLINK_NOFOLLOW).on("read", shown)?;
        match node::kind(&stat) {
            FileType::Directory => {
                let directory = node::open_dir(&from, name).on("open the directory", shown)?;
                if self.visible(shown, true) == Visible::Yes {
                    self.head("directory", inside, &stat);
                }
                self.content(&directory, shown, Path::new(inside))?;
            }
            FileType::RegularFile => {
                self.head("file", inside, &stat);
                if self.depth == Depth::Content {
                    self.file(from, name, shown)?;
                }
            }
            FileType::Symlink => {
                self.head("link", inside, &stat);
                let target = readlinkat(from, name, Vec::new()).on("read the link", shown)?;
                self.field(target.as_bytes());
            }
            // Whether it can be copied is for the copy to say.
            other => self.head(node::describe(other), inside, &stat),
        }
        Ok(())
    }

    fn content(&mut self, directory: &OwnedFd, shown: &Path, inside: &Path) -> Result<()> {
        for name in node::names(directory).on("list", shown)? {
            let below = shown.join(&name);
            if self.is_wanted(directory, &name, &below)? {
                self.entry(directory, &name, &below, inside.join(&name).as_os_str())?;
            }
        }
        self.field(b"end");
        Ok(())
    }

    fn is_wanted(&self, directory: &OwnedFd, name: &OsStr, shown: &Path) -> Result<bool> {
        let stat = statat(directory, name, AtFlags::SYMLINK_NOFOLLOW).on("read", shown)?;
        let is_dir = node::kind(&stat) == FileType::Directory;
        Ok(self.visible(shown, is_dir) != Visible::No)
    }

    fn visible(&self, shown: &Path, is_dir: bool) -> Visible {
        self.selection
            .origin
            .visible(shown.strip_prefix(".").unwrap_or(shown), is_dir)
    }

    fn head(&mut self, kind: &str, inside: &OsStr, stat: &Stat) {
        self.field(kind.as_bytes());
        self.field(inside.as_bytes());
        let mode = if node::kind(stat) == FileType::Symlink {
            0
        } else {
            node::mode(stat).as_raw_mode()
        };
        self.number(i128::from(mode));
        if self.selection.origin.has_owners() {
            self.number(i128::from(stat.st_uid));
            self.number(i128::from(stat.st_gid));
        }
        if self.depth == Depth::Stamps {
            for number in [
                stat.st_dev as i128,
                stat.st_ino as i128,
                stat.st_size as i128,
                stat.st_mtime as i128,
                stat.st_mtime_nsec as i128,
                stat.st_ctime as i128,
                stat.st_ctime_nsec as i128,
            ] {
                self.number(number);
            }
        }
    }

    fn file(&mut self, from: impl AsFd, name: &OsStr, shown: &Path) -> Result<()> {
        let (mut file, _) =
            node::open_file(from, name)
                .on("read", shown)?
                .map_err(|found| Error::Uncopyable {
                    path: shown.to_owned(),
                    found: node::describe(found),
                })?;
        let mut content = Sha256::new();
        loop {
            match file.read(&mut self.buffer).on("read", shown)? {
                0 => break,
                read => content.update(&self.buffer[..read]),
            }
        }
        self.field(&content.finalize());
        Ok(())
    }

    /// With its length before it, so that two fields are never taken for two others.
    fn field(&mut self, bytes: &[u8]) {
        self.sum.update((bytes.len() as u64).to_be_bytes());
        self.sum.update(bytes);
    }

    fn number(&mut self, number: i128) {
        self.sum.update(number.to_be_bytes());
    }
}
