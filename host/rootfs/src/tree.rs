//! Copies files and whole trees into a root: everything kept for volumes, as new for `COPY`.

use std::{
    collections::HashMap,
    ffi::OsStr,
    fs::File,
    io::{self, Write},
    os::fd::{AsFd, OwnedFd},
    path::{Path, PathBuf},
};

use rustix::fs::{
    AtFlags, FileType, Mode, Stat, Timespec, Timestamps, fchmod, fstat, futimens, linkat, mknodat,
    readlinkat, renameat, statat, symlinkat, utimensat,
};

use crate::{
    Root, beneath,
    error::{Error, IoContext, Result},
    node::{self, Owner},
    visible::{Filter, Visible},
    walk::{Last, Links, Missing, Place, Walk, walk},
    xattr,
};

/// What was copied.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct TreeReport {
    /// Regular files.
    pub files: u64,
    /// Directories, those that existed before not counted.
    pub directories: u64,
    /// Symbolic links and named pipes.
    pub links_and_pipes: u64,
    /// Bytes of content.
    pub bytes: u64,
    /// Sockets left out: without the process that listens they are nothing.
    pub sockets_skipped: u64,
    /// Extended attributes that the destination's file system cannot hold.
    pub attributes_lost: u64,
}

/// The mode of a file without an original.
const NEW_FILE: Mode = Mode::from_raw_mode(0o644);

/// What a copy keeps of its original.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Keep {
    /// Owner, all mode bits, times, extended attributes, hard links: as `cp -a`.
    Everything,
    /// Owner and mode alone, as far as nothing else is said.
    AsNew {
        /// Of everything; `None`: of each what its original has.
        owner: Option<Owner>,
        mode: Modes,
    },
}

/// The mode bits of a copy.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Modes {
    /// Those of the original.
    Kept,
    /// The same without the set-id and sticky bits of files, as `cp -R`.
    KeptAsByCp,
    /// These.
    Given(Mode),
}

impl Root {
    /// Copies the content of a directory, dot files included, into the root of an empty one, keeping owners, modes, times,
    /// extended attributes and hard links. The root of the destination gets the owner and mode of the directory.
    ///
    /// This is how a new volume gets what the image has at its mount point.
    ///
    /// # Errors
    /// [`Error::NotEmpty`], [`Error::NotADirectory`], [`Error::Uncopyable`] at a device.
    pub fn copy_tree(&self, from: impl AsRef<Path>, to: &Root) -> Result<TreeReport> {
        let from = from.as_ref();
        let source = self.open_dir(from)?;
        if !to.is_empty_dir("/")? {
            return Err(Error::NotEmpty {
                path: to.host_path().to_owned(),
            });
        }
        let mut copier = Copier::new(to, Keep::Everything, None);
        copier.copy_content(&source, from, Path::new(""))?;
        copier.keep_directory(&source, &to.open_dir(Path::new(""))?, from)?;
        Ok(copier.report)
    }
}

/// One copy in progress.
pub(crate) struct Copier<'a> {
    to: &'a Root,
    keep: Keep,
    /// What is not to be seen of what is copied.
    filter: Option<&'a Filter<'a>>,
    /// Where the first of several names of a file went, by device and inode number.
    names: HashMap<(u64, u64), PathBuf>,
    pub report: TreeReport,
}

impl<'a> Copier<'a> {
    pub fn new(to: &'a Root, keep: Keep, filter: Option<&'a Filter<'a>>) -> Self {
        Self {
            to,
            keep,
            filter,
            names: HashMap::new(),
            report: TreeReport::default(),
        }
    }

    /// Copies `name` in `from` to the path `to`, with all below it. `shown` is what messages call it.
    ///
    /// A directory is merged into an existing one, links followed; anything else replaces what is not a directory.
    pub fn copy(&mut self, from: impl AsFd, name: &OsStr, shown: &Path, to: &Path) -> Result<()> {
        let stat = statat(&from, name, AtFlags::SYMLINK_NOFOLLOW).on("read", shown)?;
        match node::kind(&stat) {
            FileType::Directory => {
                let source = node::open_dir(&from, name).on("open the directory", shown)?;
                self.copy_directory(&source, shown, to)
            }
            FileType::RegularFile => self.copy_file(from, name, shown, to),
            FileType::Symlink => self.copy_link(from, name, &stat, shown, to),
            FileType::Fifo => self.copy_pipe(&stat, shown, to),
            FileType::Socket if self.keep == Keep::Everything => {
                self.report.sockets_skipped += 1;
                Ok(())
            }
            other => Err(Error::Uncopyable {
                path: shown.to_owned(),
                found: node::describe(other),
            }),
        }
    }

    /// Copies all entries of an open directory into the directory `to`.
    pub fn copy_content(&mut self, from: &OwnedFd, shown: &Path, to: &Path) -> Result<()> {
        self.refuse_own_root(from, shown)?;
        for name in node::names(from).on("list", shown)? {
            let below = shown.join(&name);
            match self.visible(from, &name, &below)? {
                Visible::Yes => self.copy(from, &name, &below, &to.join(&name))?,
                Visible::Below => {
                    let hidden = node::open_dir(from, &name).on("open the directory", &below)?;
                    self.copy_content(&hidden, &below, &to.join(&name))?;
                }
                Visible::No => {}
            }
        }
        Ok(())
    }

    fn visible(&self, from: &OwnedFd, name: &OsStr, shown: &Path) -> Result<Visible> {
        let Some(filter) = self.filter else {
            return Ok(Visible::Yes);
        };
        let stat = statat(from, name, AtFlags::SYMLINK_NOFOLLOW).on("read", shown)?;
        let is_dir = node::kind(&stat) == FileType::Directory;
        Ok(filter(shown.strip_prefix(".").unwrap_or(shown), is_dir))
    }

    /// Writes a new file, readable by all, to the path `to`.
    pub fn write(&mut self, content: &[u8], to: &Path) -> Result<()> {
        let place = self.place(to, Last::Follow)?;
        beneath::has_regular_file(&place, to)?;
        let (mut file, unfinished) = beneath::create_beside(&place).on("create", to)?;
        file.write_all(content).on("write", to)?;
        let (owner, mode) = match self.keep {
            Keep::AsNew {
                owner,
                mode: Modes::Given(mode),
            } => (owner, mode),
            Keep::AsNew { owner, .. } => (owner, NEW_FILE),
            Keep::Everything => (None, NEW_FILE),
        };
        let owner = owner.unwrap_or(Owner::ROOT);
        owner.take(&place.dir, &unfinished).on("set the owner of", to)?;
        fchmod(&file, mode).on("set the mode of", to)?;
        renameat(&place.dir, &unfinished, &place.dir, place.name()).on("create", to)?;
        self.report.files += 1;
        self.report.bytes += content.len() as u64;
        Ok(())
    }

    fn copy_directory(&mut self, source: &OwnedFd, shown: &Path, to: &Path) -> Result<()> {
        let place = self.place(to, Last::Follow)?;
        let is_new = place.stat()?.is_none();
        let made = beneath::ensure_dir(&place, to)?;
        self.copy_content(source, shown, to)?;
        if is_new {
            self.report.directories += 1;
            self.keep_directory(source, &made, shown)?;
        }
        Ok(())
    }

    /// Gives a directory what is kept of its original; after its content, which changes its times.
    fn keep_directory(&mut self, source: &OwnedFd, made: &OwnedFd, shown: &Path) -> Result<()> {
        let stat = fstat(source).on("read", shown)?;
        self.owner(&stat)
            .take(made, OsStr::new("."))
            .on("set the owner of the copy of", shown)?;
        fchmod(made, self.mode(&stat)).on("set the mode of the copy of", shown)?;
        if self.keep == Keep::Everything {
            self.report.attributes_lost += xattr::copy(source, made).on("copy the attributes of", shown)?;
            futimens(made, &times(&stat)).on("set the times of the copy of", shown)?;
        }
        Ok(())
    }

    fn copy_file(&mut self, from: impl AsFd, name: &OsStr, shown: &Path, to: &Path) -> Result<()> {
        let (mut source, stat) =
            node::open_file(from, name)
                .on("read", shown)?
                .map_err(|found| Error::Uncopyable {
                    path: shown.to_owned(),
                    found: node::describe(found),
                })?;
        let place = self.place(to, Last::Follow)?;
        beneath::has_regular_file(&place, to)?;
        if self.link_to_earlier_name(&stat, &place, shown)? {
            return Ok(());
        }
        let (mut file, unfinished) = beneath::create_beside(&place).on("create", to)?;
        self.report.bytes += io::copy(&mut source, &mut file).on("copy", shown)?;
        self.keep_file(&source, &stat, &file, &place.dir, &unfinished, shown)?;
        renameat(&place.dir, &unfinished, &place.dir, place.name()).on("create", to)?;
        self.report.files += 1;
        if self.keep == Keep::Everything && stat.st_nlink > 1 {
            self.names.insert((stat.st_dev, stat.st_ino), place.path);
        }
        Ok(())
    }

    fn keep_file(
        &mut self,
        source: &File,
        stat: &Stat,
        file: &File,
        dir: &OwnedFd,
        name: &OsStr,
        shown: &Path,
    ) -> Result<()> {
        self.owner(stat)
            .take(dir, name)
            .on("set the owner of the copy of", shown)?;
        fchmod(file, self.mode(stat)).on("set the mode of the copy of", shown)?;
        if self.keep == Keep::Everything {
            self.report.attributes_lost += xattr::copy(source, file).on("copy the attributes of", shown)?;
            futimens(file, &times(stat)).on("set the times of the copy of", shown)?;
        }
        Ok(())
    }

    fn link_to_earlier_name(&self, stat: &Stat, place: &Place, shown: &Path) -> Result<bool> {
        let Some(earlier) = self.names.get(&(stat.st_dev, stat.st_ino)) else {
            return Ok(false);
        };
        let earlier = self.place(earlier, Last::Keep)?;
        linkat(
            &earlier.dir,
            earlier.name(),
            &place.dir,
            place.name(),
            AtFlags::empty(),
        )
        .on("link the copy of", shown)?;
        Ok(true)
    }

    fn copy_link(
        &mut self,
        from: impl AsFd,
        name: &OsStr,
        stat: &Stat,
        shown: &Path,
        to: &Path,
    ) -> Result<()> {
        let target = readlinkat(from, name, Vec::new()).on("read the link", shown)?;
        let place = self.vacant_place(to)?;
        symlinkat(&target, &place.dir, place.name()).on("create the link", to)?;
        self.keep_special(stat, &place, shown)
    }

    fn copy_pipe(&mut self, stat: &Stat, shown: &Path, to: &Path) -> Result<()> {
        let place = self.vacant_place(to)?;
        mknodat(&place.dir, place.name(), FileType::Fifo, self.mode(stat), 0).on("create the pipe", to)?;
        self.keep_special(stat, &place, shown)
    }

    fn keep_special(&mut self, stat: &Stat, place: &Place, shown: &Path) -> Result<()> {
        self.owner(stat)
            .take(&place.dir, place.name())
            .on("set the owner of the copy of", shown)?;
        if self.keep == Keep::Everything {
            utimensat(&place.dir, place.name(), &times(stat), AtFlags::SYMLINK_NOFOLLOW)
                .on("set the times of the copy of", shown)?;
        }
        self.report.links_and_pipes += 1;
        Ok(())
    }

    /// A place for something that is no file and no directory: what was there is gone, unless it is a directory.
    fn vacant_place(&self, to: &Path) -> Result<Place> {
        let place = self.place(to, Last::Keep)?;
        if place
            .stat()?
            .is_some_and(|stat| node::kind(&stat) == FileType::Directory)
        {
            return Err(Error::NotAFile {
                path: to.to_owned(),
                found: node::describe(FileType::Directory),
            });
        }
        node::remove(&place.dir, place.name()).on("replace", to)?;
        Ok(place)
    }

    /// A tree that contains the root it is copied to would be copied into itself without end.
    fn refuse_own_root(&self, from: &OwnedFd, shown: &Path) -> Result<()> {
        let (from, to) = (
            fstat(from).on("read", shown)?,
            fstat(self.to.fd()).on("read", self.to.host_path())?,
        );
        if (from.st_dev, from.st_ino) == (to.st_dev, to.st_ino) {
            return Err(Error::Uncopyable {
                path: shown.to_owned(),
                found: "the destination itself",
            });
        }
        Ok(())
    }

    fn place(&self, to: &Path, last: Last) -> Result<Place> {
        walk(
            self.to,
            to,
            Walk {
                last,
                missing: Missing::Create,
                links: Links::Chroot,
            },
        )
    }

    fn owner(&self, stat: &Stat) -> Owner {
        match self.keep {
            Keep::AsNew {
                owner: Some(owner), ..
            } => owner,
            Keep::Everything | Keep::AsNew { owner: None, .. } => Owner::of(stat),
        }
    }

    fn mode(&self, stat: &Stat) -> Mode {
        let Keep::AsNew { mode, .. } = self.keep else {
            return node::mode(stat);
        };
        match mode {
            Modes::Given(mode) => mode,
            Modes::KeptAsByCp if node::kind(stat) != FileType::Directory => {
                node::mode(stat) & Mode::from_raw_mode(0o777)
            }
            Modes::Kept | Modes::KeptAsByCp => node::mode(stat),
        }
    }
}

fn times(stat: &Stat) -> Timestamps {
    Timestamps {
        last_access: Timespec {
            tv_sec: stat.st_atime as _,
            tv_nsec: stat.st_atime_nsec as _,
        },
        last_modification: Timespec {
            tv_sec: stat.st_mtime as _,
            tv_nsec: stat.st_mtime_nsec as _,
        },
    }
}
