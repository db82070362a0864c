//! Snapshots: freezing the uppermost layer of a dataset, going back to one, and letting one go.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use kleene_plan::{DatasetName, Id, SnapshotName};
use kleene_platform::{PlatformError, Result};

use super::record::{Content, Dataset, Destination, Snapshot, no_dataset};
use super::{LayerStore, busy, copy, mounts, no_snapshot, refuse_with, space};
use crate::failure::OrFailed;

impl LayerStore {
    /// Keeps the content of a dataset as it is now; a snapshot that exists already stays as it is.
    ///
    /// Of a dataset that is mounted, or that a jail sees, the layer written to is copied while processes go on: each
    /// file is as it was at some moment during the copy. Otherwise nothing is copied.
    ///
    /// # Errors
    /// [`PlatformError::NotFound`] without the dataset.
    pub fn snapshot(&self, name: &SnapshotName) -> Result<()> {
        let dataset = self
            .index()
            .get(name.dataset())
            .ok_or_else(|| no_dataset(name.dataset()))?
            .clone();
        if dataset.snapshot(name.name()).is_some() {
            return Ok(());
        }
        let action = || {
            format!(
                "take snapshot {name} of {}",
                self.mountpoint(name.dataset()).display()
            )
        };
        let directory = self.written_directory(name.dataset(), &dataset.content);
        if let Content::Layered { lowers, .. } = &dataset.content
            && is_unchanged(&directory, &self.layout.files(&lowers[0])).or_failed(action)?
        {
            let layers = lowers.clone();
            return self.keep(name, dataset, layers);
        }
        if self.is_written_to(name.dataset(), &dataset.content, &directory)? {
            return self.freeze_copy(name, dataset, &directory);
        }
        match &dataset.content {
            Content::Plain => self.freeze_plain(name, dataset, &directory),
            Content::Layered { upper, lowers } => {
                let layers = stack(upper.clone(), lowers);
                let upper = self.new_layer(name.dataset(), &directory)?;
                let content = Content::Layered {
                    upper,
                    lowers: layers.clone(),
                };
                self.keep(name, Dataset { content, ..dataset }, layers)
            }
        }
    }

    /// Somebody can write to the layer: a copy of it is frozen. Without the lock, for a copy may take long; the engine
    /// lets nobody else at this dataset meanwhile.
    fn freeze_copy(&self, name: &SnapshotName, dataset: Dataset, directory: &Path) -> Result<()> {
        let frozen = self.new_layer(name.dataset(), directory)?;
        let files = self.layout.files(&frozen);
        copy::copy_layer(directory, &files).or_failed(|| {
            format!(
                "copy {} to {} for snapshot {name}",
                directory.display(),
                files.display()
            )
        })?;
        let layers = stack(frozen, dataset.content.lowers());
        self.keep(name, dataset, layers)
    }

    /// A plain dataset's directory becomes its first layer.
    fn freeze_plain(&self, name: &SnapshotName, mut dataset: Dataset, directory: &Path) -> Result<()> {
        let frozen = self.new_layer(name.dataset(), directory)?;
        let upper = self.new_layer(name.dataset(), directory)?;
        let files = self.layout.files(&frozen);
        dataset.moving_to = Some(Destination::Layer(frozen.clone()));
        dataset.write(&self.layout, name.dataset())?;
        fs::rename(directory, &files).or_failed(|| {
            format!(
                "move {} to {} for snapshot {name}",
                directory.display(),
                files.display()
            )
        })?;
        let layers = vec![frozen];
        dataset.moving_to = None;
        dataset.content = Content::Layered {
            upper,
            lowers: layers.clone(),
        };
        self.keep(name, dataset, layers)
    }

    fn keep(&self, name: &SnapshotName, mut dataset: Dataset, layers: Vec<Id>) -> Result<()> {
        dataset.snapshots.push(Snapshot {
            name: name.name().to_owned(),
            layers,
        });
        let mut index = self.index();
        dataset.write(&self.layout, name.dataset())?;
        index.replace(name.dataset(), dataset);
        Ok(())
    }

    /// Destroys a snapshot; an absent one is a success.
    ///
    /// # Errors
    /// [`PlatformError::HasDependents`] with clones of it.
    pub fn destroy_snapshot(&self, name: &SnapshotName) -> Result<()> {
        let mut index = self.index();
        let Some(dataset) = index.get(name.dataset()) else {
            return Ok(());
        };
        if dataset.snapshot(name.name()).is_none() {
            return Ok(());
        }
        refuse_with("snapshot", name, index.clones(dataset, Some(name.name())))?;
        let mut dataset = dataset.clone();
        dataset.snapshots.retain(|snapshot| snapshot.name != name.name());
        dataset.write(&self.layout, name.dataset())?;
        let unused = index.replace(name.dataset(), dataset);
        self.discard(name.dataset(), unused)
    }

    /// Gives a dataset the content it had at its newest snapshot; what was written since is lost.
    ///
    /// # Errors
    /// [`PlatformError::NotFound`]; [`PlatformError::HasDependents`] with newer snapshots, which must go first;
    /// [`PlatformError::Busy`] while the dataset is in use.
    pub fn rollback(&self, name: &SnapshotName) -> Result<()> {
        let mut index = self.index();
        let mut dataset = index
            .get(name.dataset())
            .ok_or_else(|| no_dataset(name.dataset()))?
            .clone();
        let snapshot = dataset
            .snapshot(name.name())
            .ok_or_else(|| no_snapshot(name))?
            .clone();
        let newer: Vec<_> = dataset
            .snapshots
            .iter()
            .skip_while(|other| **other != snapshot)
            .skip(1)
            .map(|s| s.name.clone())
            .collect();
        if !newer.is_empty() {
            return Err(PlatformError::HasDependents {
                object: format!("snapshot {name}"),
                dependents: newer,
            });
        }
        self.check_nothing_is_mounted(name.dataset(), &dataset.content)?;
        let directory = self.written_directory(name.dataset(), &dataset.content);
        if self.is_written_to(name.dataset(), &dataset.content, &directory)? {
            return Err(busy(name.dataset(), "a jail uses it; stop it first"));
        }
        let fresh = self.new_layer(name.dataset(), &self.layout.files(&snapshot.layers[0]))?;
        let was_plain = dataset.content == Content::Plain;
        dataset.content = Content::Layered {
            upper: fresh,
            lowers: snapshot.layers,
        };
        dataset.write(&self.layout, name.dataset())?;
        let unused = index.replace(name.dataset(), dataset);
        if was_plain {
            self.trash
                .take(&directory)
                .or_failed(|| format!("clear dataset {} at {}", name.dataset(), directory.display()))?;
        }
        self.discard(name.dataset(), unused)
    }

    /// Bytes that a snapshot has and the one before it has not.
    ///
    /// # Errors
    /// [`PlatformError::NotFound`] without the snapshot.
    pub fn written(&self, name: &SnapshotName) -> Result<u64> {
        let layer = self
            .index()
            .get(name.dataset())
            .and_then(|dataset| dataset.snapshot_layer(name.name()))
            .ok_or_else(|| no_snapshot(name))?;
        match layer {
            Some(layer) => {
                space::of_tree(&self.layout.files(&layer)).or_failed(|| format!("measure snapshot {name}"))
            }
            None => Ok(0),
        }
    }

    fn written_directory(&self, name: &DatasetName, content: &Content) -> PathBuf {
        match content {
            Content::Plain => self.mountpoint(name),
            Content::Layered { upper, .. } => self.layout.files(upper),
        }
    }

    fn is_written_to(&self, name: &DatasetName, content: &Content, directory: &Path) -> Result<bool> {
        let action = || format!("see who uses dataset {name} at {}", directory.display());
        let here = match content {
            Content::Plain => mounts::is_bound(directory).or_failed(action)?,
            Content::Layered { .. } => self.is_mountpoint(name)?,
        };
        Ok(here || mounts::is_seen_elsewhere(directory).or_failed(action)?)
    }
}

impl Content {
    fn lowers(&self) -> &[Id] {
        match self {
            Self::Plain => &[],
            Self::Layered { lowers, .. } => lowers,
        }
    }
}

fn stack(top: Id, lowers: &[Id]) -> Vec<Id> {
    std::iter::once(top).chain(lowers.iter().cloned()).collect()
}

/// Whether nothing was written to a layer since it was made over another.
fn is_unchanged(upper: &Path, lower: &Path) -> std::io::Result<bool> {
    let look = |path: &Path| fs::metadata(path).map(|root| (root.mode(), root.uid(), root.gid()));
    Ok(fs::read_dir(upper)?.next().is_none() && look(upper)? == look(lower)?)
}
