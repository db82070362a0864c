//! Making a dataset's files visible at its mount point, and not.

use std::fs;
use std::path::Path;
use std::time::Duration;

use kleene_plan::{DatasetName, Id};
use kleene_platform::{PlatformError, Result};
use rustix::mount::{UnmountFlags, unmount};

use super::overlay::Overlay;
use super::record::{Content, no_dataset};
use super::{LayerStore, busy};
use crate::failure::OrFailed;

impl LayerStore {
    /// Makes a dataset's files visible at its mount point.
    ///
    /// # Errors
    /// [`PlatformError::NotFound`]; [`PlatformError::Conflict`] with files at the mount point that are not Kleene's.
    pub fn mount(&self, name: &DatasetName) -> Result<()> {
        let index = self.index();
        let dataset = index.get(name).ok_or_else(|| no_dataset(name))?;
        let Content::Layered { upper, lowers } = &dataset.content else {
            return Ok(());
        };
        if self.is_mountpoint(name)? {
            return Ok(());
        }
        self.check_mountpoint_is_free(name)?;
        let path = self.mountpoint(name);
        fs::create_dir_all(&path)
            .and_then(|()| self.overlay(name, upper, lowers).mount_at(&path))
            .or_failed(|| format!("mount dataset {name} at {}", path.display()))
    }

    /// Makes the mount point empty again. A plain dataset is never mounted and stays visible; an absent one is a
    /// success.
    ///
    /// # Errors
    /// [`PlatformError::Busy`] while processes or other mounts use it.
    pub fn unmount(&self, name: &DatasetName) -> Result<()> {
        let index = self.index();
        let Some(dataset) = index.get(name) else {
            return Ok(());
        };
        if dataset.content == Content::Plain || !self.is_mountpoint(name)? {
            return Ok(());
        }
        let path = self.mountpoint(name);
        unmount_idle(&path).map_err(|error| match error {
            rustix::io::Errno::BUSY => busy(
                name,
                &format!(
                    "a process or a mount uses files below {}; `fuser -vm` names it",
                    path.display()
                ),
            ),
            error => PlatformError::failed(format!("unmount dataset {name} from {}", path.display()), error),
        })
    }

    /// The command by which an administrator would mount a dataset; `None` if it is plain or absent.
    #[must_use]
    pub fn mount_command(&self, name: &DatasetName) -> Option<String> {
        let index = self.index();
        let Content::Layered { upper, lowers } = &index.get(name)?.content else {
            return None;
        };
        let options = self.overlay(name, upper, lowers).option_string();
        let path = self.mountpoint(name);
        Some(format!(
            "mount -t overlay -o {} {name} {}",
            options.display(),
            path.display()
        ))
    }

    fn overlay(&self, name: &DatasetName, upper: &Id, lowers: &[Id]) -> Overlay {
        Overlay {
            source: name.to_string(),
            lowers: lowers.iter().map(|layer| self.layout.files(layer)).collect(),
            upper: Some((self.layout.files(upper), self.layout.work(upper))),
        }
    }
}

/// A process that another thread is just starting has all our open directories until it runs its program: what is busy
/// for that long is not in use.
fn unmount_idle(path: &Path) -> rustix::io::Result<()> {
    const PAUSE: Duration = Duration::from_millis(5);
    const ATTEMPTS: u32 = 60;
    for _ in 1..ATTEMPTS {
        match unmount(path, UnmountFlags::NOFOLLOW) {
            Err(rustix::io::Errno::BUSY) => std::thread::sleep(PAUSE),
            done => return done,
        }
    }
    unmount(path, UnmountFlags::NOFOLLOW)
}
