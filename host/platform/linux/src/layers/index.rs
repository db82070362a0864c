//! All records of a store in memory: who is a clone of whom, and which layers somebody still needs. No operation ever
//! searches the disk.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::io;

use kleene_plan::{DatasetName, Id, SnapshotName};
use kleene_platform::DatasetInfo;

use super::layout::Layout;
use super::record::{Content, Dataset};

/// The records.
#[derive(Debug, Default)]
pub(crate) struct Index {
    datasets: BTreeMap<DatasetName, Dataset>,
    names: HashMap<Id, DatasetName>,
    clones: HashMap<Id, BTreeSet<Id>>,
    uses: HashMap<Id, usize>,
    /// Whether a record could not be read: then nobody knows which layers are garbage.
    incomplete: bool,
}

impl Index {
    /// Reads every record. Those that cannot be read are named in the log.
    pub(crate) fn read(layout: &Layout) -> io::Result<Self> {
        let mut index = Self::default();
        for entry in std::fs::read_dir(layout.records())? {
            let path = entry?.path();
            let Some(name) = path
                .file_name()
                .and_then(|file| Layout::dataset_of_record(&file.to_string_lossy()))
            else {
                continue;
            };
            match Dataset::read(&path) {
                Ok(dataset) => index.insert(name, dataset),
                Err(error) => {
                    tracing::error!(
                        "the record of dataset {name} at {} is damaged: {error}",
                        path.display()
                    );
                    index.incomplete = true;
                }
            }
        }
        Ok(index)
    }

    pub(crate) fn get(&self, name: &DatasetName) -> Option<&Dataset> {
        self.datasets.get(name)
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = (&DatasetName, &Dataset)> {
        self.datasets.iter()
    }

    pub(crate) fn insert(&mut self, name: DatasetName, dataset: Dataset) {
        for layer in dataset.layers() {
            *self.uses.entry(layer.clone()).or_default() += 1;
        }
        if let Some(origin) = &dataset.origin {
            self.clones
                .entry(origin.uid.clone())
                .or_default()
                .insert(dataset.uid.clone());
        }
        self.names.insert(dataset.uid.clone(), name.clone());
        self.datasets.insert(name, dataset);
    }

    /// Takes a dataset out and tells which layers nobody needs any more.
    pub(crate) fn remove(&mut self, name: &DatasetName) -> Vec<Id> {
        let Some(dataset) = self.datasets.remove(name) else {
            return Vec::new();
        };
        self.names.remove(&dataset.uid);
        if let Some(siblings) = dataset
            .origin
            .as_ref()
            .and_then(|origin| self.clones.get_mut(&origin.uid))
        {
            siblings.remove(&dataset.uid);
        }
        let mut unused = Vec::new();
        for layer in dataset.layers() {
            if let Some(count) = self.uses.get_mut(layer) {
                *count -= 1;
                if *count == 0 {
                    self.uses.remove(layer);
                    unused.push(layer.clone());
                }
            }
        }
        if self.incomplete { Vec::new() } else { unused }
    }

    /// Puts a new version of a dataset in place of the old and tells which layers nobody needs any more.
    pub(crate) fn replace(&mut self, name: &DatasetName, dataset: Dataset) -> Vec<Id> {
        let candidates = self.remove(name);
        self.insert(name.clone(), dataset);
        candidates
            .into_iter()
            .filter(|layer| !self.uses.contains_key(layer))
            .collect()
    }

    /// Whether a layer is garbage for certain.
    pub(crate) fn is_garbage(&self, layer: &Id) -> bool {
        !self.incomplete && !self.uses.contains_key(layer)
    }

    /// Clones of a dataset's snapshots; of one of them if it is named.
    pub(crate) fn clones(&self, dataset: &Dataset, snapshot: Option<&str>) -> Vec<DatasetName> {
        let Some(clones) = self.clones.get(&dataset.uid) else {
            return Vec::new();
        };
        let mut names: Vec<_> = clones
            .iter()
            .filter_map(|uid| self.names.get(uid))
            .filter(|name| {
                let origin = self.get(name).and_then(|clone| clone.origin.as_ref());
                snapshot.is_none() || origin.map(|origin| origin.snapshot.as_str()) == snapshot
            })
            .cloned()
            .collect();
        names.sort_unstable();
        names
    }

    /// Clones of the snapshots of the dataset that is known by this id.
    pub(crate) fn clones_of_uid(&self, uid: &Id) -> Vec<DatasetName> {
        let clones = self.clones.get(uid).into_iter().flatten();
        clones
            .filter_map(|clone| self.names.get(clone))
            .cloned()
            .collect()
    }

    /// The dataset that clones know by this id.
    pub(crate) fn by_uid(&self, uid: &Id) -> Option<(DatasetName, Dataset)> {
        let name = self.names.get(uid)?;
        Some((name.clone(), self.get(name)?.clone()))
    }

    /// Clones of a dataset's snapshots and of theirs.
    pub(crate) fn dependents(&self, dataset: &Dataset) -> Vec<DatasetName> {
        let mut found = self.clones(dataset, None);
        let mut next = 0;
        while let Some(name) = found.get(next) {
            let further = self
                .get(name)
                .map(|clone| self.clones(clone, None))
                .unwrap_or_default();
            found.extend(further);
            next += 1;
        }
        found
    }

    /// Datasets whose names begin with this one's and a `/`.
    pub(crate) fn children(&self, name: &DatasetName) -> Vec<DatasetName> {
        let prefix = format!("{name}/");
        self.datasets
            .range(name.clone()..)
            .skip(1)
            .map(|(other, _)| other)
            // Names such as `a.b` sort between `a` and `a/b`.
            .take_while(|other| other.as_str().starts_with(name.as_str()))
            .filter(|other| other.as_str().starts_with(&prefix))
            .cloned()
            .collect()
    }

    pub(crate) fn origin(&self, dataset: &Dataset) -> Option<SnapshotName> {
        let origin = dataset.origin.as_ref()?;
        self.names.get(&origin.uid)?.snapshot(&origin.snapshot).ok()
    }

    pub(crate) fn info(&self, name: &DatasetName, dataset: &Dataset, mounted: bool) -> DatasetInfo {
        DatasetInfo {
            name: name.clone(),
            origin: self.origin(dataset),
            snapshots: dataset
                .snapshots
                .iter()
                .map(|snapshot| snapshot.name.clone())
                .collect(),
            mounted,
        }
    }

    /// Layers that belong to this dataset alone.
    pub(crate) fn own_layers(&self, dataset: &Dataset) -> BTreeSet<Id> {
        let mut counts: BTreeMap<&Id, usize> = BTreeMap::new();
        for layer in dataset.layers() {
            *counts.entry(layer).or_default() += 1;
        }
        counts
            .into_iter()
            .filter(|(layer, count)| self.uses.get(*layer) == Some(count))
            .map(|(layer, _)| layer.clone())
            .collect()
    }

    /// Plain datasets whose move was interrupted.
    pub(crate) fn half_moved(&self) -> Vec<DatasetName> {
        self.iter()
            .filter(|(_, dataset)| dataset.content == Content::Plain && dataset.moving_to.is_some())
            .map(|(name, _)| name.clone())
            .collect()
    }
}
