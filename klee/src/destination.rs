//! Where a command writes a file that the user named.
//!
//! A regular file gets its name only when it is whole. What exists and is none (a device, a pipe) is written to and stays
//! what it is; a symbolic link stays, too, and what it leads to is written.

use std::fs::{self, OpenOptions};
use std::io;
use std::path::{Path, PathBuf};

use tempfile::{NamedTempFile, TempPath};
use tokio::fs::File;
use tokio::io::AsyncWriteExt;

use crate::failure::Failure;

/// A file that is being written.
#[derive(Debug)]
pub struct Destination {
    file: File,
    given: PathBuf,
    /// The file as long as it is not whole, and what it is to be called.
    unnamed: Option<(TempPath, PathBuf)>,
}

impl Destination {
    /// Opens `path`; a pipe that nobody reads yet is waited for.
    ///
    /// # Errors
    /// If it cannot be written.
    pub async fn open(path: PathBuf) -> Result<Self, Failure> {
        // On a thread of its own, so that Ctrl-C still works.
        let opened = tokio::task::spawn_blocking(move || match open(&path) {
            Ok((file, unnamed)) => Ok(Self {
                file: File::from_std(file),
                given: path,
                unnamed,
            }),
            Err(error) => Err(unwritable(&path, &error)),
        });
        opened
            .await
            .unwrap_or_else(|error| Err(io::Error::other(error).into()))
    }

    /// Writes what comes next.
    ///
    /// # Errors
    /// If there is no space, or nobody reads.
    pub async fn write(&mut self, piece: &[u8]) -> Result<(), Failure> {
        let written = self.file.write_all(piece).await;
        written.map_err(|error| unwritable(&self.given, &error))
    }

    /// All is written: the file gets its name.
    ///
    /// # Errors
    /// If that or the last piece fails.
    pub async fn finish(mut self) -> Result<(), Failure> {
        let flushed = self.file.flush().await;
        let named = flushed.and_then(|()| match self.unnamed {
            Some((file, name)) => file.persist(name).map_err(|error| error.error),
            None => Ok(()),
        });
        named.map_err(|error| unwritable(&self.given, &error))
    }
}

fn open(path: &Path) -> io::Result<(fs::File, Option<(TempPath, PathBuf)>)> {
    let existing = match fs::metadata(path) {
        Ok(existing) => Some(existing),
        Err(error) if error.kind() == io::ErrorKind::NotFound => None,
        Err(error) => return Err(error),
    };
    if existing.as_ref().is_some_and(|existing| !existing.is_file()) {
        return Ok((OpenOptions::new().write(true).open(path)?, None));
    }
    let (file, name) = beside(path)?;
    let (file, unnamed) = file.into_parts();
    if let Some(existing) = existing {
        file.set_permissions(existing.permissions())?;
    }
    Ok((file, Some((unnamed, name))))
}

/// A file, its owner's alone (0600), which vanishes unless it is given the name behind it: that of the file that `path`
/// leads to.
///
/// # Errors
/// If it cannot be made.
pub fn beside(path: &Path) -> io::Result<(NamedTempFile, PathBuf)> {
    let name = end_of_links(path)?;
    let directory = match name.parent() {
        Some(directory) if !directory.as_os_str().is_empty() => directory,
        _ => Path::new("."),
    };
    Ok((NamedTempFile::new_in(directory)?, name))
}

/// What `path` leads to, whether or not that exists.
fn end_of_links(path: &Path) -> io::Result<PathBuf> {
    match (fs::canonicalize(path), fs::read_link(path)) {
        (Err(error), Ok(link)) if error.kind() == io::ErrorKind::NotFound => {
            end_of_links(&path.with_file_name(link))
        }
        (Err(error), Err(_)) if error.kind() == io::ErrorKind::NotFound => Ok(path.to_owned()),
        (end, _) => end,
    }
}

fn unwritable(path: &Path, error: &io::Error) -> Failure {
    Failure::BadValue(format!("cannot write '{}': {error}", path.display()))
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::{FileTypeExt, PermissionsExt, symlink};

    use rustix::fs::{CWD, FileType, Mode, mknodat};

    use super::*;

    /// Writes to `path`; `is_whole` or else breaks off.
    async fn write(path: &Path, is_whole: bool) -> Result<(), Failure> {
        let mut file = Destination::open(path.to_owned()).await?;
        file.write(b"whole").await?;
        if is_whole { file.finish().await } else { Ok(()) }
    }

    fn pipe(path: &Path) {
        mknodat(CWD, path, FileType::Fifo, Mode::from_raw_mode(0o600), 0).unwrap();
    }

    #[tokio::test]
    async fn a_file_gets_its_name_when_it_is_whole_and_keeps_its_permissions() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("file");
        write(&path, false).await.unwrap();
        assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 0);
        fs::write(&path, "older").unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o640)).unwrap();
        write(&path, false).await.unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"older");
        write(&path, true).await.unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"whole");
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o640);
    }

    #[tokio::test]
    async fn links_stay_and_what_they_lead_to_is_written() {
        let directory = tempfile::tempdir().unwrap();
        let [file, link, absent, dangling] =
            ["file", "link", "absent", "dangling"].map(|name| directory.path().join(name));
        fs::write(&file, "older").unwrap();
        symlink("file", &link).unwrap();
        symlink(&absent, &dangling).unwrap();
        for (link, target) in [(&link, &file), (&dangling, &absent)] {
            write(link, true).await.unwrap();
            assert!(fs::symlink_metadata(link).unwrap().is_symlink());
            assert_eq!(fs::read(target).unwrap(), b"whole");
        }
    }

    #[tokio::test]
    async fn a_pipe_is_written_to_and_stays_one() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("pipe");
        pipe(&path);
        let reader = tokio::task::spawn_blocking({
            let path = path.clone();
            move || fs::read(path)
        });
        write(&path, true).await.unwrap();
        assert_eq!(reader.await.unwrap().unwrap(), b"whole");
        assert!(fs::metadata(&path).unwrap().file_type().is_fifo());
    }

    #[tokio::test]
    async fn what_cannot_be_written_is_named_and_stays() {
        let directory = tempfile::tempdir().unwrap();
        let link = directory.path().join("full");
        symlink("/dev/full", &link).unwrap();
        let expected = format!(
            "cannot write '{}': No space left on device (os error 28)",
            link.display()
        );
        assert_eq!(write(&link, true).await.unwrap_err().to_string(), expected);
        assert!(fs::metadata(&link).unwrap().file_type().is_char_device());
        let refused = write(directory.path(), true).await.unwrap_err();
        assert!(refused.to_string().contains("Is a directory"), "{refused}");
    }
}
