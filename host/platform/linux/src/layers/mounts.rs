//! What is mounted, as the kernel tells. Nothing of this is ever stored: after a reboot nothing is mounted.

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};
use std::{fs, io};

use rustix::fs::{AtFlags, CWD, StatxAttributes, StatxFlags, statx};

/// Whether a directory is the root of a mount (statx(2), `STATX_ATTR_MOUNT_ROOT`, Linux 5.8). A path that does not
/// exist is not.
pub(crate) fn is_mountpoint(path: &Path) -> io::Result<bool> {
    match statx(CWD, path, AtFlags::SYMLINK_NOFOLLOW, StatxFlags::empty()) {
        Ok(stat) if stat.stx_attributes_mask.contains(StatxAttributes::MOUNT_ROOT) => {
            Ok(stat.stx_attributes.contains(StatxAttributes::MOUNT_ROOT))
        }
        Ok(_) => Ok(at_or_beneath(path)?.iter().any(|mountpoint| mountpoint == path)),
        Err(rustix::io::Errno::NOENT) => Ok(false),
        Err(error) => Err(error.into()),
    }
}

/// Mount points at a path or beneath it, in this mount namespace.
pub(crate) fn at_or_beneath(path: &Path) -> io::Result<Vec<PathBuf>> {
    let text = fs::read("/proc/thread-self/mountinfo")?;
    Ok(parse(&text)
        .map(|mount| mount.mountpoint)
        .filter(|mountpoint| mountpoint.starts_with(path))
        .collect())
}

/// Whether a directory, or one in it, is bound somewhere in this mount namespace.
pub(crate) fn is_bound(directory: &Path) -> io::Result<bool> {
    let (device, root) = within_file_system(directory)?;
    let text = fs::read("/proc/thread-self/mountinfo")?;
    Ok(parse(&text).any(|mount| mount.device == device && mount.root.starts_with(&root)))
}

/// Whether another mount namespace sees a directory: through an overlay of which it is the upper layer, or bound
/// somewhere, it or what is in it. Reads the mounts of every namespace that has a process.
pub(crate) fn is_seen_elsewhere(directory: &Path) -> io::Result<bool> {
    let option = [b"upperdir=".as_slice(), escape(directory).as_bytes()].concat();
    let (device, root) = within_file_system(directory)?;
    let mut seen = BTreeSet::from([namespace_of("thread-self")?]);
    for process in fs::read_dir("/proc")? {
        let name = process?.file_name();
        if !name.as_bytes().first().is_some_and(u8::is_ascii_digit) {
            continue;
        }
        // A process that ends while it is looked at holds nothing any more.
        let Ok(namespace) = namespace_of(&name.to_string_lossy()) else {
            continue;
        };
        if !seen.insert(namespace) {
            continue;
        }
        let Ok(text) = fs::read(Path::new("/proc").join(&name).join("mountinfo")) else {
            continue;
        };
        let holds = parse(&text).any(|mount| {
            mount
                .options
                .split(|byte| *byte == b',')
                .any(|word| word == option)
                || (mount.device == device && mount.root.starts_with(&root))
        });
        if holds {
            return Ok(true);
        }
    }
    Ok(false)
}

fn namespace_of(process: &str) -> io::Result<PathBuf> {
    fs::read_link(Path::new("/proc").join(process).join("ns/mnt"))
}

/// A directory's device and its path from the root of its file system, as mountinfo has them.
fn within_file_system(directory: &Path) -> io::Result<(Vec<u8>, PathBuf)> {
    let text = fs::read("/proc/thread-self/mountinfo")?;
    // The last of the longest mount points is the one on top.
    let holder = parse(&text)
        .filter(|mount| directory.starts_with(&mount.mountpoint))
        .max_by_key(|mount| mount.mountpoint.as_os_str().len())
        .ok_or_else(|| io::Error::other(format!("{} lies on no mount", directory.display())))?;
    let inside = directory
        .strip_prefix(&holder.mountpoint)
        .map_err(io::Error::other)?;
    Ok((holder.device.to_vec(), holder.root.join(inside)))
}

/// A line of proc_pid_mountinfo(5).
struct Mount<'a> {
    device: &'a [u8],
    root: PathBuf,
    mountpoint: PathBuf,
    options: &'a [u8],
}

fn parse(text: &[u8]) -> impl Iterator<Item = Mount<'_>> {
    text.split(|byte| *byte == b'\n').filter_map(|line| {
        let mut words = line.split(|byte| *byte == b' ');
        Some(Mount {
            device: words.nth(2)?,
            root: unescape(words.next()?),
            mountpoint: unescape(words.next()?),
            options: words.next_back()?,
        })
    })
}

/// Octal escapes (`\040` for a blank) to bytes.
fn unescape(word: &[u8]) -> PathBuf {
    let mut bytes = Vec::with_capacity(word.len());
    let mut rest = word;
    while let Some((first, tail)) = rest.split_first() {
        let code = tail.get(..3).and_then(|digits| std::str::from_utf8(digits).ok());
        match code.and_then(|digits| u8::from_str_radix(digits, 8).ok()) {
            Some(byte) if *first == b'\\' => {
                bytes.push(byte);
                rest = &tail[3..];
            }
            _ => {
                bytes.push(*first);
                rest = tail;
            }
        }
    }
    PathBuf::from(OsString::from_vec(bytes))
}

/// As the kernel prints a path among the options of an overlay.
fn escape(path: &Path) -> OsString {
    let mut bytes = Vec::new();
    for byte in path.as_os_str().as_bytes() {
        match byte {
            b' ' | b'\t' | b'\n' | b'\\' | b',' => bytes.extend(format!("\\{byte:03o}").into_bytes()),
            _ => bytes.push(*byte),
        }
    }
    OsString::from_vec(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    const LINES: &[u8] = b"36 35 98:0 / / rw,noatime master:1 - ext4 /dev/root rw\n\
        37 36 0:50 / /var/lib/a\\040b rw - overlay x rw,lowerdir=/l,upperdir=/up\\054per,workdir=/w\n\
        38 36 98:0 /var/lib/v /srv/v rw - ext4 /dev/root rw\n";

    #[test]
    fn a_line_of_mountinfo_is_read() {
        let mounts: Vec<_> = parse(LINES).collect();
        assert_eq!(mounts.len(), 3);
        assert_eq!(mounts[1].mountpoint, Path::new("/var/lib/a b"));
        assert!(mounts[1].options.ends_with(b"upperdir=/up\\054per,workdir=/w"));
        assert_eq!(mounts[2].device, b"98:0");
        assert_eq!(mounts[2].root, Path::new("/var/lib/v"));
    }

    #[test]
    fn a_path_is_escaped_as_the_kernel_does() {
        assert_eq!(escape(Path::new("/up,per")), "/up\\054per");
        assert_eq!(unescape(b"/up\\054per"), Path::new("/up,per"));
        assert_eq!(unescape(b"/tail\\"), Path::new("/tail\\"));
    }
}
