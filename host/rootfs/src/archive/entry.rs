//! Places the entries of an archive beneath a root, one by one.

use std::{
    ffi::OsStr,
    io::{self, Read, Write},
    os::{fd::AsFd, unix::ffi::OsStrExt},
    path::{Path, PathBuf},
};

use rustix::fs::{
    AtFlags, FileType, Mode, RawMode, Timespec, Timestamps, fchmod, linkat, makedev, mknodat, symlinkat,
    utimensat,
};
use tar::{Entry, EntryType};

use super::whiteout::{Whiteout, Whiteouts};
use super::{Limits, Unpacked};
use crate::{
    Root,
    error::{Error, IoContext, Result},
    node::{self, Owner},
    walk::{Last, Links, Missing, Place, Walk, walk},
    xattr,
};

/// Extended headers in which tar keeps extended attributes.
pub(super) const ATTRIBUTE_PREFIX: &str = "SCHILY.xattr.";

/// What a header says of its entry.
struct Header {
    path: PathBuf,
    kind: EntryType,
    owner: Owner,
    mode: Mode,
    modified: i64,
    attributes: Vec<(Vec<u8>, Vec<u8>)>,
}

/// Places entries; directories get their modes and times at the end, because what is put into them changes both needs and times.
pub(super) struct Unpacker<'a> {
    root: &'a Root,
    limits: &'a Limits,
    /// Whose everything becomes, whatever the archive says.
    owner: Option<Owner>,
    directories: Vec<Header>,
    buffer: Vec<u8>,
    /// For a layer: what takes away files of the layers below.
    whiteouts: Option<Whiteouts<'a>>,
}

impl<'a> Unpacker<'a> {
    /// For an archive, which is in charge of the whole root.
    pub fn new(root: &'a Root, limits: &'a Limits, owner: Option<Owner>) -> Self {
        Self {
            root,
            limits,
            owner,
            directories: Vec::new(),
            buffer: vec![0; 128 << 10],
            whiteouts: None,
        }
    }

    /// For a layer, over what is in the root.
    pub fn of_layer(root: &'a Root, limits: &'a Limits) -> Self {
        Self {
            whiteouts: Some(Whiteouts::new(root)),
            ..Self::new(root, limits, None)
        }
    }

    /// Creates what one entry stands for, replacing what has its name.
    pub fn place(&mut self, entry: &mut Entry<'_, impl Read>, report: &mut Unpacked) -> Result<()> {
        let mut header = read_header(entry)?;
        header.owner = self.owner.unwrap_or(header.owner);
        if let Some(whiteouts) = &self.whiteouts
            && let Some(whiteout) = Whiteout::named(&header.path)?
        {
            whiteouts.apply(&whiteout)?;
            self.pump(entry, &mut io::sink(), &header.path, report.entries)?;
            return Ok(());
        }
        match header.kind {
            EntryType::Regular | EntryType::Continuous | EntryType::GNUSparse => {
                self.file(entry, &header, report)?
            }
            EntryType::Directory => return self.directory(header),
            EntryType::Symlink => {
                let target = link_name(entry, &header.path)?;
                let place = self.vacant(&header.path)?;
                symlinkat(target.as_os_str(), &place.dir, place.name())
                    .on("create the link", &header.path)?;
                header.apply_owner(&place)?;
                header.apply_times(&place)?;
            }
            EntryType::Link => self.hard_link(&link_name(entry, &header.path)?, &header.path)?,
            EntryType::Fifo => self.special(&header, FileType::Fifo, 0)?,
            EntryType::Char => self.device(entry, &header, FileType::CharacterDevice)?,
            EntryType::Block => self.device(entry, &header, FileType::BlockDevice)?,
            other => {
                let reason = format!("its type {:?} is unknown", char::from(other.as_byte()));
                return Err(Error::refused(&header.path, reason));
            }
        }
        // A hard link may carry the content once more; it is read here, where it is not taken for a header.
        self.pump(entry, &mut io::sink(), &header.path, report.entries)?;
        Ok(())
    }

    /// Gives directories their modes and times, the deepest last made first.
    pub fn finish(self) -> Result<()> {
        for header in self.directories.iter().rev() {
            let place = walk(self.root, &header.path, self.way())?;
            // A later entry may have taken the name for something else.
            if place
                .stat()?
                .is_some_and(|stat| node::kind(&stat) == FileType::Directory)
            {
                let directory =
                    node::open_dir(&place.dir, place.name()).on("open the directory", &header.path)?;
                header.apply_owner(&place)?;
                fchmod(&directory, header.mode).on("set the mode of", &header.path)?;
                header.apply_times(&place)?;
            }
        }
        Ok(())
    }

    fn directory(&mut self, header: Header) -> Result<()> {
        let place = walk(self.root, &header.path, self.way())?;
        self.remember(&place)?;
        if place
            .stat()?
            .is_some_and(|stat| node::kind(&stat) != FileType::Directory)
        {
            node::remove(&place.dir, place.name()).on("replace", &header.path)?;
        }
        node::ensure_dir(&place.dir, place.name()).on("make the directory", &header.path)?;
        self.directories.push(header);
        Ok(())
    }

    fn file(
        &mut self,
        entry: &mut Entry<'_, impl Read>,
        header: &Header,
        report: &mut Unpacked,
    ) -> Result<()> {
        // A sparse file can claim any size without a byte in the archive, so the size counts before it is written.
        report.bytes = report.bytes.saturating_add(entry.size());
        if report.bytes > self.limits.bytes {
            return Err(Error::LimitReached {
                excess: format!("holds files of more than {} bytes", self.limits.bytes),
            });
        }
        let place = self.vacant(&header.path)?;
        let mut file = node::create_file(&place.dir, place.name()).on("create", &header.path)?;
        let written = self.pump(entry, &mut file, &header.path, report.entries)?;
        if written != entry.size() {
            return Err(Error::Damaged {
                entries: report.entries,
                source: io::ErrorKind::UnexpectedEof.into(),
            });
        }
        header.apply_owner(&place)?;
        fchmod(&file, header.mode).on("set the mode of", &header.path)?;
        report.attributes_lost += header.apply_attributes(&file)?;
        header.apply_times(&place)
    }

    fn hard_link(&mut self, target: &Path, path: &Path) -> Result<()> {
        let target = checked(target.as_os_str().as_bytes(), path)?;
        let original = walk(
            self.root,
            &target,
            Walk {
                missing: Missing::Refuse,
                ..self.way()
            },
        )?;
        match original.stat()?.map(|stat| node::kind(&stat)) {
            Some(FileType::Directory) => return Err(Error::refused(path, "it links to a directory")),
            Some(_) => {}
            None => {
                return Err(Error::refused(
                    path,
                    format!("it links to {}, which is not in the archive", target.display()),
                ));
            }
        }
        let place = self.vacant(path)?;
        if place.path == original.path {
            return Err(Error::refused(path, "it links to itself"));
        }
        linkat(
            &original.dir,
            original.name(),
            &place.dir,
            place.name(),
            AtFlags::empty(),
        )
        .on("create the link", path)
    }

    fn device(&mut self, entry: &Entry<'_, impl Read>, header: &Header, kind: FileType) -> Result<()> {
        if !self.limits.devices {
            return Err(Error::refused(
                &header.path,
                "it is a device, and devices are not allowed: make the archive without them",
            ));
        }
        let number = |field: io::Result<Option<u32>>| field.ok().flatten();
        let (major, minor) = (
            number(entry.header().device_major()),
            number(entry.header().device_minor()),
        );
        match (major, minor) {
            (Some(major), Some(minor)) => self.special(header, kind, makedev(major, minor)),
            _ => Err(Error::refused(&header.path, "it is a device without numbers")),
        }
    }

    fn special(&mut self, header: &Header, kind: FileType, device: u64) -> Result<()> {
        let place = self.vacant(&header.path)?;
        mknodat(&place.dir, place.name(), kind, Mode::empty(), device).on("create", &header.path)?;
        header.apply_owner(&place)?;
        rustix::fs::chmodat(&place.dir, place.name(), header.mode, AtFlags::empty())
            .on("set the mode of", &header.path)?;
        header.apply_times(&place)
    }

    /// Copies content. A failing archive and a failing file system are different errors.
    fn pump(&mut self, from: &mut impl Read, to: &mut impl Write, path: &Path, entries: u64) -> Result<u64> {
        let mut total = 0;
        loop {
            let read = from
                .read(&mut self.buffer)
                .map_err(|source| Error::Damaged { entries, source })?;
            if read == 0 {
                return Ok(total);
            }
            to.write_all(&self.buffer[..read]).on("write", path)?;
            total += read as u64;
        }
    }

    /// The place for an entry, with nothing there.
    fn vacant(&mut self, path: &Path) -> Result<Place> {
        let place = walk(self.root, path, self.way())?;
        if place.name.is_none() {
            return Err(Error::refused(
                path,
                "it stands for the root, which must be a directory",
            ));
        }
        match &self.whiteouts {
            // A file of a layer takes the place of a directory below, with all that is in it.
            Some(whiteouts) => whiteouts.clear(&place)?,
            None => node::remove(&place.dir, place.name()).on("replace", path)?,
        }
        self.remember(&place)?;
        Ok(place)
    }

    /// In a layer, what it made itself is not what its whiteouts mean.
    fn remember(&mut self, place: &Place) -> Result<()> {
        match &mut self.whiteouts {
            Some(whiteouts) => whiteouts.remember(&place.path),
            None => Ok(()),
        }
    }

    fn way(&self) -> Walk {
        match self.whiteouts {
            // Layers are made of trees in which absolute links mean the tree's own root.
            Some(_) => Walk {
                links: Links::Rooted,
                ..INSIDE
            },
            None => INSIDE,
        }
    }
}

/// No honest archive has an entry below a link that leaves its root.
const INSIDE: Walk = Walk {
    last: Last::Keep,
    missing: Missing::Create,
    links: Links::Inside,
};

impl Header {
    fn apply_owner(&self, place: &Place) -> Result<()> {
        self.owner
            .take(&place.dir, place.name())
            .on("set the owner of", &self.path)
    }

    fn apply_times(&self, place: &Place) -> Result<()> {
        let time = Timespec {
            tv_sec: self.modified,
            tv_nsec: 0,
        };
        let times = Timestamps {
            last_access: time,
            last_modification: time,
        };
        utimensat(&place.dir, place.name(), &times, AtFlags::SYMLINK_NOFOLLOW)
            .on("set the times of", &self.path)
    }

    fn apply_attributes(&self, file: impl AsFd) -> Result<u64> {
        let mut lost = 0;
        for (name, value) in &self.attributes {
            lost += u64::from(!xattr::set(&file, name, value).on("set an attribute of", &self.path)?);
        }
        Ok(lost)
    }
}

fn read_header(entry: &mut Entry<'_, impl Read>) -> Result<Header> {
    let name = entry.path_bytes().into_owned();
    let path = checked(&name, Path::new(OsStr::from_bytes(&name)))?;
    let damaged = |source| Error::refused(&path, format!("its header is damaged ({source})"));
    let header = entry.header();
    let number =
        |id: u64| u32::try_from(id).map_err(|_| Error::refused(&path, "its owner is no valid number"));
    let owner = Owner {
        uid: number(header.uid().map_err(damaged)?)?,
        gid: number(header.gid().map_err(damaged)?)?,
    };
    let mode = Mode::from_raw_mode((header.mode().map_err(damaged)? & 0o7777) as RawMode);
    let modified = i64::try_from(header.mtime().map_err(damaged)?)
        .map_err(|_| Error::refused(&path, "its time is no valid number"))?;
    // Before POSIX, a directory was a file whose name ends in a slash.
    let kind = match header.entry_type() {
        EntryType::Regular if name.ends_with(b"/") => EntryType::Directory,
        other => other,
    };
    let attributes = read_attributes(entry, &path)?;
    Ok(Header {
        path,
        kind,
        owner,
        mode,
        modified,
        attributes,
    })
}

fn read_attributes(entry: &mut Entry<'_, impl Read>, path: &Path) -> Result<Vec<(Vec<u8>, Vec<u8>)>> {
    let damaged =
        |source: io::Error| Error::refused(path, format!("its extended header is damaged ({source})"));
    let mut attributes = Vec::new();
    for extension in entry.pax_extensions().map_err(damaged)?.into_iter().flatten() {
        let extension = extension.map_err(damaged)?;
        let key = extension.key_bytes();
        if key.starts_with(b"GNU.sparse.") {
            return Err(Error::refused(
                path,
                "it is a sparse file of a format not supported: make the archive without --sparse",
            ));
        }
        if let Some(name) = key.strip_prefix(ATTRIBUTE_PREFIX.as_bytes())
            && xattr::travels(name)
        {
            attributes.push((name.to_vec(), extension.value_bytes().to_vec()));
        }
    }
    Ok(attributes)
}

fn link_name(entry: &Entry<'_, impl Read>, path: &Path) -> Result<PathBuf> {
    match entry.link_name_bytes() {
        Some(name) if !name.is_empty() => Ok(PathBuf::from(OsStr::from_bytes(&name))),
        _ => Err(Error::refused(path, "it is a link to nothing")),
    }
}

/// A name that may be walked: relative, without `..`.
fn checked(name: &[u8], entry: &Path) -> Result<PathBuf> {
    let reason = if name.is_empty() {
        "it has no name"
    } else if name.starts_with(b"/") {
        "its name is absolute: make the archive with relative names"
    } else if name.split(|byte| *byte == b'/').any(|part| part == b"..") {
        "its name leads upwards by ..: make the archive without it"
    } else if name.contains(&0) {
        "its name contains a zero byte"
    } else {
        // Without a slash at the end, which would make a link of that name be followed.
        return Ok(Path::new(OsStr::from_bytes(name)).components().collect());
    };
    Err(Error::refused(entry, reason))
}
