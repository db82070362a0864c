//! Copies a layer that is being written to, so that the copy can be kept as a snapshot.
//!
//! A layer is more than its files: overlayfs marks what is deleted by devices 0/0 and what replaces a directory by
//! extended attributes of the `trusted.` name space. Both are copied, with owners, modes, times and hard links. Blocks
//! are shared where the file system can (`FICLONE`). A file that vanishes during the copy was not there.

use std::collections::HashMap;
use std::ffi::{CStr, CString};
use std::fs::{self, File, Metadata};
use std::io;
use std::os::unix::fs::{FileTypeExt, MetadataExt, PermissionsExt, chown, lchown, symlink};
use std::path::{Path, PathBuf};

use rustix::fs::{
    AtFlags, CWD, FileType, Mode, Timespec, Timestamps, XattrFlags, ioctl_ficlone, lgetxattr,
    lgetxattr_query, llistxattr, llistxattr_query, lsetxattr, mknodat, utimensat,
};
use rustix::io::Errno;

/// Copies the content and the attributes of a directory into one that exists.
pub(crate) fn copy_layer(from: &Path, to: &Path) -> io::Result<()> {
    Copy {
        links: HashMap::new(),
    }
    .directory_into(from, to, &fs::symlink_metadata(from)?)
}

struct Copy {
    /// Where the first of several names of an inode was copied to.
    links: HashMap<(u64, u64), PathBuf>,
}

impl Copy {
    fn directory_into(&mut self, from: &Path, to: &Path, metadata: &Metadata) -> io::Result<()> {
        for entry in fs::read_dir(from)? {
            let name = entry?.file_name();
            match self.entry(&from.join(&name), &to.join(&name)) {
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                other => other?,
            }
        }
        attributes(from, to, metadata)
    }

    fn entry(&mut self, from: &Path, to: &Path) -> io::Result<()> {
        let metadata = fs::symlink_metadata(from)?;
        let kind = metadata.file_type();
        if kind.is_dir() {
            fs::create_dir(to)?;
            return self.directory_into(from, to, &metadata);
        }
        if metadata.nlink() > 1 {
            let inode = (metadata.dev(), metadata.ino());
            if let Some(first) = self.links.get(&inode) {
                return fs::hard_link(first, to);
            }
            self.links.insert(inode, to.to_owned());
        }
        if kind.is_file() {
            content(from, to)?;
        } else if kind.is_symlink() {
            symlink(fs::read_link(from)?, to)?;
        } else {
            let kind = if kind.is_char_device() {
                FileType::CharacterDevice
            } else if kind.is_block_device() {
                FileType::BlockDevice
            } else if kind.is_fifo() {
                FileType::Fifo
            } else {
                FileType::Socket
            };
            mknodat(
                CWD,
                to,
                kind,
                Mode::from_raw_mode(metadata.mode() & 0o7777),
                metadata.rdev(),
            )?;
        }
        attributes(from, to, &metadata)
    }
}

fn content(from: &Path, to: &Path) -> io::Result<()> {
    let mut source = File::open(from)?;
    let mut target = File::create_new(to)?;
    match ioctl_ficlone(&target, &source) {
        Ok(()) => Ok(()),
        // copy_file_range(2) where it can, else by reading and writing.
        Err(Errno::OPNOTSUPP | Errno::XDEV | Errno::INVAL | Errno::NOTTY) => {
            io::copy(&mut source, &mut target).map(drop)
        }
        Err(error) => Err(error.into()),
    }
}

/// Owner, extended attributes, mode and times, in the order in which none undoes another.
fn attributes(from: &Path, to: &Path, metadata: &Metadata) -> io::Result<()> {
    let is_link = metadata.file_type().is_symlink();
    let (uid, gid) = (Some(metadata.uid()), Some(metadata.gid()));
    if is_link {
        lchown(to, uid, gid)?
    } else {
        chown(to, uid, gid)?
    }
    for name in xattr_names(from)? {
        let mut value = vec![0u8; lgetxattr_query(from, name.as_c_str())?];
        let length = lgetxattr(from, name.as_c_str(), value.as_mut_slice())?;
        value.truncate(length);
        lsetxattr(to, name.as_c_str(), &value, XattrFlags::empty())?;
    }
    if !is_link {
        fs::set_permissions(to, fs::Permissions::from_mode(metadata.mode() & 0o7777))?;
    }
    let time = |seconds, nanoseconds: i64| Timespec {
        tv_sec: seconds,
        tv_nsec: nanoseconds,
    };
    let times = Timestamps {
        last_access: time(metadata.atime(), metadata.atime_nsec()),
        last_modification: time(metadata.mtime(), metadata.mtime_nsec()),
    };
    Ok(utimensat(CWD, to, &times, AtFlags::SYMLINK_NOFOLLOW)?)
}

fn xattr_names(path: &Path) -> io::Result<Vec<CString>> {
    let length = match llistxattr_query(path) {
        Ok(length) => length,
        Err(Errno::OPNOTSUPP) => 0,
        Err(error) => return Err(error.into()),
    };
    let mut list = vec![0u8; length];
    let length = llistxattr(path, list.as_mut_slice())?;
    list.truncate(length);
    Ok(list
        .split_inclusive(|byte| *byte == 0)
        .filter_map(|name| CStr::from_bytes_with_nul(name).ok())
        .map(CStr::to_owned)
        .collect())
}
