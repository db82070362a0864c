//! How many bytes a tree takes on disk.

use std::collections::HashSet;
use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

/// Bytes of the blocks of all files beneath a directory, each inode once, without what is mounted in it.
pub(crate) fn of_tree(directory: &Path) -> io::Result<u64> {
    // With a trailing slash a link, such as a descriptor's in /proc, is followed; nothing else is.
    let device = fs::metadata(directory.join(""))?.dev();
    let mut counted = HashSet::new();
    let mut pending = vec![directory.to_owned()];
    let mut bytes = 0;
    while let Some(directory) = pending.pop() {
        for entry in fs::read_dir(directory)? {
            let entry = entry?;
            let metadata = match entry.metadata() {
                Ok(metadata) => metadata,
                Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
                Err(error) => return Err(error),
            };
            if metadata.is_dir() {
                if metadata.dev() != device {
                    continue;
                }
                pending.push(entry.path());
            } else if metadata.nlink() > 1 && !counted.insert((metadata.dev(), metadata.ino())) {
                continue;
            }
            // st_blocks counts units of 512 bytes whatever the block size (stat(3type)).
            bytes += metadata.blocks() * 512;
        }
    }
    Ok(bytes)
}
