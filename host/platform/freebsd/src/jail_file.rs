//! What has to be known to end a jail, kept while it runs: `<run root>/<container id>/jail.json`, beside the run
//! directories of all processes of the jail.

use std::fs;
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::aliases::absent_is_fine;
use crate::jail::StopCommands;

/// A jail that runs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct JailFile {
    /// The directory that is its root.
    pub(crate) root: PathBuf,
    /// What is run at its end.
    pub(crate) stop: StopCommands,
    /// The jail(8) that made it, whose child its first process is.
    #[serde(default)]
    pub(crate) maker: Option<u32>,
}

fn path(jail_dir: &Path) -> PathBuf {
    jail_dir.join("jail.json")
}

impl JailFile {
    pub(crate) fn write(&self, jail_dir: &Path) -> io::Result<()> {
        let unfinished = jail_dir.join("jail.json.new");
        fs::write(&unfinished, serde_json::to_vec(self)?)?;
        fs::rename(unfinished, path(jail_dir))
    }

    /// `None`: no jail was made from here, or it was cleaned up after.
    pub(crate) fn read(jail_dir: &Path) -> io::Result<Option<Self>> {
        match fs::read(path(jail_dir)) {
            Ok(json) => Ok(Some(serde_json::from_slice(&json)?)),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    pub(crate) fn forget(jail_dir: &Path) -> io::Result<()> {
        absent_is_fine(fs::remove_file(path(jail_dir)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_read_as_it_was_written_and_forgotten_once() {
        let directory = tempfile::tempdir().unwrap();
        assert_eq!(JailFile::read(directory.path()).unwrap(), None);
        let file = JailFile {
            root: "/tank/j".into(),
            stop: StopCommands::of(&[]),
            maker: Some(77),
        };
        file.write(directory.path()).unwrap();
        assert_eq!(JailFile::read(directory.path()).unwrap(), Some(file));
        JailFile::forget(directory.path()).unwrap();
        JailFile::forget(directory.path()).unwrap();
        assert_eq!(JailFile::read(directory.path()).unwrap(), None);
    }

    #[test]
    fn a_damaged_one_is_an_error() {
        let directory = tempfile::tempdir().unwrap();
        fs::write(path(directory.path()), "{").unwrap();
        assert!(JailFile::read(directory.path()).is_err());
    }
}
