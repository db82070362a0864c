//! Trees of files: what datasets hold.

use std::fs;
use std::io;
use std::os::unix::fs::{MetadataExt, PermissionsExt, lchown, symlink};
use std::path::Path;

/// Copies a tree: directories, files and symbolic links with their modes and owners.
pub(crate) fn copy(from: &Path, to: &Path) -> io::Result<()> {
    let metadata = fs::symlink_metadata(from)?;
    if metadata.is_dir() {
        fs::create_dir(to)?;
        for entry in fs::read_dir(from)? {
            let name = entry?.file_name();
            copy(&from.join(&name), &to.join(&name))?;
        }
        fs::set_permissions(to, metadata.permissions())?;
    } else if metadata.is_symlink() {
        symlink(fs::read_link(from)?, to)?;
    } else if metadata.is_file() {
        fs::copy(from, to)?;
    } else {
        let reason = format!("{} is neither file, directory nor symbolic link", from.display());
        return Err(io::Error::new(io::ErrorKind::Unsupported, reason));
    }
    keep_owner(&metadata, to)
}

fn keep_owner(original: &fs::Metadata, copy: &Path) -> io::Result<()> {
    let now = fs::symlink_metadata(copy)?;
    if (now.uid(), now.gid()) == (original.uid(), original.gid()) {
        return Ok(());
    }
    lchown(copy, Some(original.uid()), Some(original.gid()))?;
    if original.is_symlink() {
        return Ok(());
    }
    // chown(2) takes set-user-id bits away.
    fs::set_permissions(copy, fs::Permissions::from_mode(original.mode()))
}

/// Bytes of all files.
pub(crate) fn size(tree: &Path) -> io::Result<u64> {
    sum(tree, &mut |_, metadata| Ok(metadata.len()))
}

/// Bytes of the files which another tree does not hold alike at the same place.
pub(crate) fn size_beside(tree: &Path, other: &Path) -> io::Result<u64> {
    sum(tree, &mut |path, metadata| {
        let counterpart = path
            .strip_prefix(tree)
            .map(|place| other.join(place))
            .map_err(io::Error::other)?;
        let alike = fs::symlink_metadata(&counterpart)
            .is_ok_and(|there| there.is_file() && there.len() == metadata.len())
            && fs::read(path)? == fs::read(&counterpart)?;
        Ok(if alike { 0 } else { metadata.len() })
    })
}

fn sum(tree: &Path, weigh: &mut dyn FnMut(&Path, &fs::Metadata) -> io::Result<u64>) -> io::Result<u64> {
    let metadata = fs::symlink_metadata(tree)?;
    if metadata.is_file() {
        return weigh(tree, &metadata);
    }
    let mut total = 0;
    if metadata.is_dir() {
        for entry in fs::read_dir(tree)? {
            total += sum(&entry?.path(), weigh)?;
        }
    }
    Ok(total)
}
