//! Removes files and trees without making anybody wait: what is to go is renamed into the trash and removed by a thread.
//! (Freeing even one inode may wait for the disk for milliseconds; a rename does not.) What a crash leaves there is
//! removed at the next start.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{self, Sender};
use std::thread;

use kleene_plan::Id;

use super::mounts;

/// The trash of one store.
#[derive(Debug)]
pub(crate) struct Trash {
    directory: PathBuf,
    bin: Sender<PathBuf>,
}

impl Trash {
    /// Opens the trash and begins to empty it.
    pub(crate) fn open(directory: PathBuf) -> io::Result<Self> {
        fs::create_dir_all(&directory)?;
        let (bin, contents) = mpsc::channel::<PathBuf>();
        thread::Builder::new()
            .name("kleene-trash".into())
            .spawn(move || contents.iter().for_each(|path| empty(&path)))?;
        let trash = Self { directory, bin };
        for entry in fs::read_dir(&trash.directory)? {
            trash.hand_over(entry?.path());
        }
        Ok(trash)
    }

    /// Takes a file or directory of the same file system. At once it is gone from where it was. The caller has made sure that
    /// nothing is mounted in it.
    pub(crate) fn take(&self, path: &Path) -> io::Result<()> {
        let grave = self.directory.join(Id::generate().as_str());
        fs::rename(path, &grave)?;
        self.hand_over(grave);
        Ok(())
    }

    fn hand_over(&self, path: PathBuf) {
        // Without its thread, what lies in the trash waits for the next start.
        if self.bin.send(path).is_err() {
            tracing::warn!("the trash of {} is not being emptied", self.directory.display());
        }
    }
}

fn empty(path: &Path) {
    // Removal never crosses a mount: with one, the user's files on the other side would go (BastilleBSD #662).
    let result = match mounts::at_or_beneath(path) {
        Ok(mounts) if mounts.is_empty() => remove(path),
        Ok(mounts) => Err(io::Error::other(format!(
            "{} is mounted in it",
            mounts[0].display()
        ))),
        Err(error) => Err(error),
    };
    if let Err(error) = result {
        tracing::error!(
            "could not remove {}: {error}; it is tried again at the next start",
            path.display()
        );
    }
}

fn remove(path: &Path) -> io::Result<()> {
    if fs::symlink_metadata(path)?.is_dir() {
        fs::remove_dir_all(path)
    } else {
        fs::remove_file(path)
    }
}
