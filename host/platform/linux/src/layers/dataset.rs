//! Datasets coming, going and changing their names.

use std::fs;
use std::io;

use kleene_plan::{DatasetName, SnapshotName};
use kleene_platform::Result;

use super::record::{Content, Dataset, Destination, Origin, no_dataset};
use super::{LayerStore, conflict, move_directory, no_snapshot, refuse_with, strangers_files};
use crate::failure::{OrFailed, absent_is_fine};

impl LayerStore {
    /// Makes an empty dataset; one that exists and is no clone stays as it is.
    ///
    /// # Errors
    /// [`PlatformError::Conflict`] with a clone of this name, or with files at the mount point that are not Kleene's.
    pub fn create(&self, name: &DatasetName) -> Result<()> {
        let mut index = self.index();
        if let Some(dataset) = index.get(name) {
            return if dataset.origin.is_none() {
                Ok(())
            } else {
                Err(conflict(name))
            };
        }
        self.check_mountpoint_is_free(name)?;
        let dataset = Dataset::new(Content::Plain, None);
        let path = self.mountpoint(name);
        // First the directory: empty and without a record it is in nobody's way.
        fs::create_dir_all(&path).or_failed(|| format!("create dataset {name} at {}", path.display()))?;
        dataset.write(&self.layout, name)?;
        index.insert(name.clone(), dataset);
        Ok(())
    }

    /// Makes a clone of a snapshot; one that exists already stays as it is.
    ///
    /// # Errors
    /// [`PlatformError::NotFound`] without the snapshot, [`PlatformError::Conflict`] with a dataset of the name that is
    /// not a clone of it, or with files at the mount point that are not Kleene's.
    pub fn clone_snapshot(&self, snapshot: &SnapshotName, name: &DatasetName) -> Result<()> {
        let mut index = self.index();
        if let Some(dataset) = index.get(name) {
            return if index.origin(dataset).as_ref() == Some(snapshot) {
                Ok(())
            } else {
                Err(conflict(name))
            };
        }
        let parent = index
            .get(snapshot.dataset())
            .ok_or_else(|| no_snapshot(snapshot))?;
        let lowers = parent
            .snapshot(snapshot.name())
            .ok_or_else(|| no_snapshot(snapshot))?
            .layers
            .clone();
        let origin = Origin {
            uid: parent.uid.clone(),
            snapshot: snapshot.name().to_owned(),
        };
        self.check_mountpoint_is_free(name)?;
        let upper = self.new_layer(name, &self.layout.files(&lowers[0]))?;
        let dataset = Dataset::new(Content::Layered { upper, lowers }, Some(origin));
        dataset.write(&self.layout, name)?;
        index.insert(name.clone(), dataset);
        Ok(())
    }

    /// Gives a dataset another name. Its clones follow. One that has the new name already is a success.
    ///
    /// # Errors
    /// [`PlatformError::Busy`] while it is mounted or something is mounted beneath it,
    /// [`PlatformError::HasDependents`] with datasets below it, [`PlatformError::Conflict`] if the new name is taken.
    pub fn rename(&self, from: &DatasetName, to: &DatasetName) -> Result<()> {
        let mut index = self.index();
        let Some(mut dataset) = index.get(from).cloned() else {
            return if index.get(to).is_some() {
                Ok(())
            } else {
                Err(no_dataset(from))
            };
        };
        if index.get(to).is_some() {
            return Err(conflict(to));
        }
        refuse_with("dataset", from, index.children(from))?;
        self.check_mountpoint_is_free(to)?;
        self.check_nothing_is_mounted(from, &dataset.content)?;
        let action = || format!("rename dataset {from} to {to} below {}", self.root().display());
        if dataset.content == Content::Plain {
            dataset.moving_to = Some(Destination::Mountpoint(to.clone()));
            dataset.write(&self.layout, from)?;
            move_directory(&self.mountpoint(from), &self.mountpoint(to)).or_failed(action)?;
        } else {
            self.remove_mountpoint(from)?;
        }
        fs::rename(self.layout.record(from), self.layout.record(to)).or_failed(action)?;
        if dataset.moving_to.take().is_some() {
            dataset.write(&self.layout, to)?;
        }
        // All layers of the old entry are those of the new one.
        index.remove(from);
        index.insert(to.clone(), dataset);
        Ok(())
    }

    /// Destroys a dataset with its snapshots; an absent one is a success.
    ///
    /// # Errors
    /// [`PlatformError::HasDependents`] with clones of its snapshots or datasets below it, [`PlatformError::Busy`]
    /// while it is mounted or something is mounted beneath it.
    pub fn destroy(&self, name: &DatasetName) -> Result<()> {
        let mut index = self.index();
        let Some(dataset) = index.get(name) else {
            return Ok(());
        };
        refuse_with("dataset", name, index.clones(dataset, None))?;
        refuse_with("dataset", name, index.children(name))?;
        self.check_nothing_is_mounted(name, &dataset.content)?;
        match dataset.content {
            // Files first: without a record they would look like a stranger's.
            Content::Plain => {
                let path = self.mountpoint(name);
                absent_is_fine(self.trash.take(&path))
                    .or_failed(|| format!("destroy dataset {name} at {}", path.display()))?;
                self.forget_record(name)?;
            }
            Content::Layered { .. } => {
                self.forget_record(name)?;
                self.remove_mountpoint(name)?;
            }
        }
        self.discard(name, index.remove(name))
    }

    fn forget_record(&self, name: &DatasetName) -> Result<()> {
        let path = self.layout.record(name);
        absent_is_fine(self.trash.take(&path))
            .or_failed(|| format!("remove the record of dataset {name} at {}", path.display()))
    }

    /// Removes the mount point of a dataset that is not mounted.
    fn remove_mountpoint(&self, name: &DatasetName) -> Result<()> {
        let path = self.mountpoint(name);
        let action = || format!("remove the mount point of dataset {name} at {}", path.display());
        let is_empty = match fs::read_dir(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            entries => entries.or_failed(action)?.next().is_none(),
        };
        if is_empty {
            self.trash.take(&path).or_failed(action)
        } else {
            Err(strangers_files(&path))
        }
    }
}
