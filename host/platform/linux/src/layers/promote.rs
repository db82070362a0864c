//! A clone changes places with what it is a clone of.

use kleene_plan::{DatasetName, SnapshotName};
use kleene_platform::{PlatformError, Result};

use super::index::Index;
use super::record::{Dataset, Origin, no_dataset};
use super::{LayerStore, conflict};

impl LayerStore {
    /// Whether [`promote`](Self::promote) would change anything.
    ///
    /// # Errors
    /// [`PlatformError::NotFound`] without the dataset, [`PlatformError::Conflict`] if neither is a clone of
    /// the other.
    pub fn would_promote(&self, name: &DatasetName, over: &DatasetName) -> Result<bool> {
        would_promote(&self.index(), name, over)
    }

    /// Gives a clone the snapshots of what it is a clone of, up to the one it was made from: the other is a clone of
    /// that from then on. No file is touched.
    ///
    /// # Errors
    /// As [`would_promote`](Self::would_promote); [`PlatformError::Conflict`] if both have a snapshot of one name.
    pub fn promote(&self, name: &DatasetName, over: &DatasetName) -> Result<()> {
        let mut index = self.index();
        if !would_promote(&index, name, over)? {
            return Ok(());
        }
        let (mut promoted, parent) = both(&index, name, over)?;
        let origin = promoted.origin.take().map(|origin| origin.snapshot);
        let until = parent
            .snapshots
            .iter()
            .position(|snapshot| Some(&snapshot.name) == origin.as_ref())
            .ok_or_else(|| no_dataset(over))?;
        let moved = &parent.snapshots[..=until];
        if let Some(twice) = moved
            .iter()
            .find(|snapshot| promoted.snapshot(&snapshot.name).is_some())
        {
            let object = format!("snapshot {name}@{}", twice.name);
            return Err(PlatformError::Conflict { object });
        }
        promoted.snapshots.splice(0..0, moved.iter().cloned());
        promoted.origin.clone_from(&parent.origin);
        // Until the records of the others are written, too, the store knows where it stands.
        promoted.promoting = Some(parent.uid.clone());
        promoted.write(&self.layout, name)?;
        index.replace(name, promoted);
        self.finish_promotion(&mut index, name)
    }

    /// What is left to be done once a promoted dataset has its new record.
    fn finish_promotion(&self, index: &mut Index, name: &DatasetName) -> Result<()> {
        let Some(mut promoted) = index.get(name).cloned() else {
            return Ok(());
        };
        let Some(over) = promoted.promoting.take() else {
            return Ok(());
        };
        let has = |snapshot: &str| promoted.snapshot(snapshot).is_some();
        for clone in index.clones_of_uid(&over) {
            let Some(mut dataset) = index.get(&clone).cloned() else {
                continue;
            };
            if let Some(origin) = &mut dataset.origin
                && has(&origin.snapshot)
            {
                origin.uid.clone_from(&promoted.uid);
                dataset.write(&self.layout, &clone)?;
                index.replace(&clone, dataset);
            }
        }
        if let Some((parent_name, mut parent)) = index.by_uid(&over)
            && let Some(last) = parent.snapshots.iter().rposition(|snapshot| has(&snapshot.name))
        {
            parent.origin = Some(Origin {
                uid: promoted.uid.clone(),
                snapshot: parent.snapshots[last].name.clone(),
            });
            parent.snapshots.drain(..=last);
            parent.write(&self.layout, &parent_name)?;
            index.replace(&parent_name, parent);
        }
        promoted.write(&self.layout, name)?;
        index.replace(name, promoted);
        Ok(())
    }

    /// Finishes promotions that a crash interrupted.
    pub(super) fn finish_promotions(&self) -> Result<()> {
        let mut index = self.index();
        let interrupted: Vec<DatasetName> = index
            .iter()
            .filter(|(_, dataset)| dataset.promoting.is_some())
            .map(|(name, _)| name.clone())
            .collect();
        interrupted
            .iter()
            .try_for_each(|name| self.finish_promotion(&mut index, name))
    }

    /// The snapshot that a dataset is a clone of.
    ///
    /// # Errors
    /// [`PlatformError::NotFound`] without the dataset.
    pub fn origin(&self, name: &DatasetName) -> Result<Option<SnapshotName>> {
        let index = self.index();
        let dataset = index.get(name).ok_or_else(|| no_dataset(name))?;
        Ok(index.origin(dataset))
    }
}

fn would_promote(index: &Index, name: &DatasetName, over: &DatasetName) -> Result<bool> {
    if index.get(over).is_none() {
        return Ok(false);
    }
    let (promoted, parent) = both(index, name, over)?;
    let is_clone_of =
        |one: &Dataset, other: &Dataset| one.origin.as_ref().is_some_and(|origin| origin.uid == other.uid);
    if is_clone_of(&parent, &promoted) {
        Ok(false)
    } else if is_clone_of(&promoted, &parent) {
        Ok(true)
    } else {
        Err(conflict(name))
    }
}

fn both(index: &Index, name: &DatasetName, over: &DatasetName) -> Result<(Dataset, Dataset)> {
    let get = |name| index.get(name).cloned().ok_or_else(|| no_dataset(name));
    Ok((get(name)?, get(over)?))
}
