//! Extended attributes that belong to a file's meaning: its capabilities, access lists, and what users attached.
//!
//! Linux only. FreeBSD keeps such attributes behind extattr(2), for which there is no safe binding; file capabilities
//! do not exist there.

use std::os::fd::AsFd;

/// Copies attributes from one open file to another. Returns how many the destination's file system cannot hold.
#[cfg(target_os = "linux")]
pub(crate) fn copy(from: impl AsFd, to: impl AsFd) -> rustix::io::Result<u64> {
    let mut lost = 0;
    for (name, value) in read(from)? {
        lost += u64::from(!set(&to, &name, &value)?);
    }
    Ok(lost)
}

/// The attributes of an open file that travel, by name.
#[cfg(target_os = "linux")]
pub(crate) fn read(from: impl AsFd) -> rustix::io::Result<Vec<(Vec<u8>, Vec<u8>)>> {
    use rustix::{buffer::spare_capacity, fs, io::Errno};

    let mut names = Vec::new();
    match fs::flistxattr_query(&from) {
        Ok(0) | Err(Errno::NOTSUP) => return Ok(Vec::new()),
        Ok(size) => names.reserve(size),
        Err(error) => return Err(error),
    }
    fs::flistxattr(&from, spare_capacity(&mut names))?;
    let mut attributes = Vec::new();
    for name in names.split(|byte| *byte == 0).filter(|name| travels(name)) {
        let mut value = Vec::with_capacity(fs::fgetxattr_query(&from, name)?);
        fs::fgetxattr(&from, name, spare_capacity(&mut value))?;
        attributes.push((name.to_vec(), value));
    }
    attributes.sort();
    Ok(attributes)
}

/// Sets one attribute; false if the file system cannot hold it.
#[cfg(target_os = "linux")]
pub(crate) fn set(file: impl AsFd, name: &[u8], value: &[u8]) -> rustix::io::Result<bool> {
    use rustix::{
        fs::{XattrFlags, fsetxattr},
        io::Errno,
    };

    match fsetxattr(file, name, value, XattrFlags::empty()) {
        Ok(()) => Ok(true),
        Err(Errno::NOTSUP) => Ok(false),
        Err(error) => Err(error),
    }
}

/// Whether an attribute belongs to the file and not to this host: labels of security modules and marks of overlayfs stay behind.
#[cfg(target_os = "linux")]
pub(crate) fn travels(name: &[u8]) -> bool {
    name.starts_with(b"user.") || name.starts_with(b"system.posix_acl_") || name == b"security.capability"
}

/// Nothing to copy: see above.
#[cfg(not(target_os = "linux"))]
pub(crate) fn copy(_from: impl AsFd, _to: impl AsFd) -> rustix::io::Result<u64> {
    Ok(0)
}

/// Nothing can be read: see above.
#[cfg(not(target_os = "linux"))]
pub(crate) fn read(_from: impl AsFd) -> rustix::io::Result<Vec<(Vec<u8>, Vec<u8>)>> {
    Ok(Vec::new())
}

/// Nothing can be set: see above.
#[cfg(not(target_os = "linux"))]
pub(crate) fn set(_file: impl AsFd, _name: &[u8], _value: &[u8]) -> rustix::io::Result<bool> {
    Ok(false)
}

/// Nothing travels: see above.
#[cfg(not(target_os = "linux"))]
pub(crate) fn travels(_name: &[u8]) -> bool {
    false
}
