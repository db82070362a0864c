//! Packs a whole tree as a tar archive: the layer that an image of it consists of.
//!
//! The same tree always makes the same archive: entries are sorted by name, and nothing of the host or of the moment is in
//! it.

use std::{
    collections::HashMap,
    ffi::OsString,
    io::{self, Read, Write},
    os::{
        fd::{AsFd, BorrowedFd},
        unix::ffi::OsStringExt,
    },
    path::{Path, PathBuf},
};

use rustix::fs::{AtFlags, FileType, Stat, major, minor, readlinkat, statat};
use tar::{Builder, EntryType, Header};

use super::whiteout::{MAX_DEPTH, is_whiteout};
use crate::{
    Root,
    error::{Error, IoContext, Result},
    node, xattr,
};

/// What was packed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Packed {
    /// Entries of the archive.
    pub entries: u64,
    /// Bytes of regular files, those with several names counted once.
    pub bytes: u64,
    /// Sockets, which are left out: they mean nothing without the process that made them.
    pub sockets: u64,
}

/// Packs everything beneath `root` but the root itself and the path `except`, calling `progress` with the number of bytes of files after each.
///
/// # Errors
/// [`Error::Io`] naming the file; [`Error::Uncopyable`] for names that layers keep for themselves, and directories too deep.
pub fn pack(
    root: &Root,
    except: Option<&Path>,
    writer: impl Write,
    progress: &mut dyn FnMut(u64),
) -> Result<Packed> {
    let mut packer = Packer {
        builder: Builder::new(writer),
        except,
        links: HashMap::new(),
        packed: Packed::default(),
        progress,
    };
    packer.directory(root.fd(), Path::new(""), 0)?;
    packer
        .builder
        .into_inner()
        .on("finish the archive of", root.host_path())?;
    Ok(packer.packed)
}

struct Packer<'p, W: Write> {
    builder: Builder<W>,
    except: Option<&'p Path>,
    /// The first name of each file that has several.
    links: HashMap<(u64, u64), PathBuf>,
    packed: Packed,
    progress: &'p mut dyn FnMut(u64),
}

impl<W: Write> Packer<'_, W> {
    fn directory(&mut self, directory: BorrowedFd<'_>, path: &Path, depth: usize) -> Result<()> {
        if depth > MAX_DEPTH {
            return Err(Error::Uncopyable {
                path: path.to_owned(),
                found: "in too many directories",
            });
        }
        for name in node::names(directory).on("list", path)? {
            let path = path.join(&name);
            if self.except == Some(&path) {
                continue;
            }
            if is_whiteout(&name) {
                return Err(Error::Uncopyable {
                    path,
                    found: "named as layers name what they remove (.wh.…)",
                });
            }
            let stat = statat(directory, &name, AtFlags::SYMLINK_NOFOLLOW).on("look at", &path)?;
            let kind = node::kind(&stat);
            if kind == FileType::Socket {
                self.packed.sockets += 1;
                continue;
            }
            if kind != FileType::Directory && self.link_to_earlier(&stat, &path)? {
                continue;
            }
            match kind {
                FileType::Directory => {
                    let inside = node::open_dir(directory, &name).on("open the directory", &path)?;
                    let mut slashed = path.clone().into_os_string();
                    slashed.push("/");
                    self.entry(&stat, EntryType::Directory, 0, Path::new(&slashed), io::empty())?;
                    self.directory(inside.as_fd(), &path, depth + 1)?;
                }
                FileType::RegularFile => self.file(directory, &name, &path)?,
                FileType::Symlink => {
                    let target = readlinkat(directory, &name, Vec::new()).on("read the link", &path)?;
                    let target = PathBuf::from(OsString::from_vec(target.into_bytes()));
                    self.link(&stat, EntryType::Symlink, &path, &target)?;
                }
                FileType::Fifo => self.entry(&stat, EntryType::Fifo, 0, &path, io::empty())?,
                FileType::CharacterDevice => self.entry(&stat, EntryType::Char, 0, &path, io::empty())?,
                FileType::BlockDevice => self.entry(&stat, EntryType::Block, 0, &path, io::empty())?,
                FileType::Socket | FileType::Unknown => {
                    return Err(Error::Uncopyable {
                        path,
                        found: node::describe(kind),
                    });
                }
            }
        }
        Ok(())
    }

    fn file(&mut self, directory: BorrowedFd<'_>, name: &std::ffi::OsStr, path: &Path) -> Result<()> {
        let opened = node::open_file(directory, name).on("read", path)?;
        let (mut file, stat) = opened.map_err(|found| Error::NotAFile {
            path: path.to_owned(),
            found: node::describe(found),
        })?;
        let attributes = xattr::read(&file).on("read the attributes of", path)?;
        let records: Vec<(String, &[u8])> = attributes
            .iter()
            .filter_map(|(name, value)| {
                let name = std::str::from_utf8(name).ok()?;
                Some((
                    format!("{}{name}", super::entry::ATTRIBUTE_PREFIX),
                    value.as_slice(),
                ))
            })
            .collect();
        if !records.is_empty() {
            let records = records.iter().map(|(name, value)| (name.as_str(), *value));
            self.builder
                .append_pax_extensions(records)
                .on("write the attributes of", path)?;
        }
        let size = stat.st_size as u64;
        let mut content = Read::by_ref(&mut file).take(size);
        self.entry(&stat, EntryType::Regular, size, path, &mut content)?;
        if content.limit() > 0 {
            let source = io::Error::new(io::ErrorKind::UnexpectedEof, "it became shorter meanwhile");
            return Err(source).on("read", path);
        }
        self.packed.bytes += size;
        (self.progress)(self.packed.bytes);
        Ok(())
    }

    /// Whether an earlier entry is the same file; then this one is a link to it.
    fn link_to_earlier(&mut self, stat: &Stat, path: &Path) -> Result<bool> {
        if stat.st_nlink < 2 {
            return Ok(false);
        }
        let key = (stat.st_dev, stat.st_ino);
        if let Some(earlier) = self.links.get(&key).cloned() {
            self.link(stat, EntryType::Link, path, &earlier)?;
            return Ok(true);
        }
        self.links.insert(key, path.to_owned());
        Ok(false)
    }

    fn link(&mut self, stat: &Stat, kind: EntryType, path: &Path, target: &Path) -> Result<()> {
        let mut header = header(stat, kind, 0);
        self.builder
            .append_link(&mut header, path, target)
            .on("write the link", path)?;
        self.packed.entries += 1;
        Ok(())
    }

    fn entry(
        &mut self,
        stat: &Stat,
        kind: EntryType,
        size: u64,
        path: &Path,
        content: impl Read,
    ) -> Result<()> {
        let mut header = header(stat, kind, size);
        self.builder
            .append_data(&mut header, path, content)
            .on("write", path)?;
        self.packed.entries += 1;
        Ok(())
    }
}

fn header(stat: &Stat, kind: EntryType, size: u64) -> Header {
    #[allow(clippy::useless_conversion, reason = "FreeBSD's modes have 16 bits")]
    let mode = u32::from(node::mode(stat).as_raw_mode()) & 0o7777;
    let mut header = Header::new_gnu();
    header.set_entry_type(kind);
    header.set_mode(mode);
    header.set_uid(stat.st_uid.into());
    header.set_gid(stat.st_gid.into());
    header.set_mtime(u64::try_from(stat.st_mtime).unwrap_or(0));
    header.set_size(size);
    if matches!(kind, EntryType::Char | EntryType::Block) {
        // Headers of this kind have the fields.
        let _ = header.set_device_major(major(stat.st_rdev));
        let _ = header.set_device_minor(minor(stat.st_rdev));
    }
    header
}
