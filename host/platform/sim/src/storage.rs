//! Datasets. The content of each is a directory, so that what is written into a mounted dataset is there: unmounted, it
//! lies in a place of its own; mounting moves it to the mount point. A clone is a copy.
//!
//! Unlike those of ZFS, datasets do not nest, and a limit (quota) is remembered, not enforced.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use kleene_plan::{DatasetName, Op, SnapshotName};
use kleene_platform::{DatasetInfo, PlatformError, Result, Usage};

use crate::content::Content;
use crate::files;
use crate::host_datasets::HostDatasets;

/// All datasets below Kleene's root.
#[derive(Debug)]
pub(crate) struct Storage {
    /// Holds `content` and `mnt`.
    place: PathBuf,
    datasets: BTreeMap<DatasetName, Dataset>,
    /// Names the next content.
    next: u64,
    pub(crate) of_host: HostDatasets,
}

#[derive(Debug)]
struct Dataset {
    content: Content,
    origin: Option<SnapshotName>,
    /// Oldest first.
    snapshots: Vec<(String, Content)>,
    mounted: bool,
    quota: Option<u64>,
}

impl Storage {
    /// No datasets yet; their contents will be in this directory, which is empty.
    pub(crate) fn new(place: PathBuf) -> io::Result<Self> {
        fs::create_dir(place.join("content"))?;
        fs::create_dir(place.join("mnt"))?;
        Ok(Self {
            place,
            datasets: BTreeMap::new(),
            next: 0,
            of_host: HostDatasets::default(),
        })
    }

    pub(crate) fn mountpoint(&self, name: &DatasetName) -> PathBuf {
        self.place.join("mnt").join(name.as_str())
    }

    /// Where the files of a dataset are, mounted or not.
    pub(crate) fn path(&self, name: &DatasetName) -> Option<PathBuf> {
        self.datasets.get(name).map(|dataset| self.path_of(name, dataset))
    }

    pub(crate) fn infos(&self) -> Vec<DatasetInfo> {
        let info = |(name, dataset): (&DatasetName, &Dataset)| DatasetInfo {
            name: name.clone(),
            origin: dataset.origin.clone(),
            snapshots: dataset.snapshots.iter().map(|(name, _)| name.clone()).collect(),
            mounted: dataset.mounted,
        };
        self.datasets.iter().map(info).collect()
    }

    pub(crate) fn usage(&self, name: &DatasetName) -> Result<Usage> {
        let dataset = self.get(name)?;
        let path = self.path_of(name, dataset);
        let origin = dataset.origin.as_ref().and_then(|origin| self.snapshot(origin));
        let used = match origin {
            Some(origin) => files::size_beside(&path, &self.content(origin)),
            None => files::size(&path),
        };
        let failed = |error: io::Error| PlatformError::failed(format!("measure dataset {name}"), error);
        Ok(Usage {
            used: used.map_err(failed)?,
            referenced: files::size(&path).map_err(failed)?,
        })
    }

    /// Clones of a dataset's snapshots, clones of theirs, and so on, by name.
    pub(crate) fn dependents(&self, name: &DatasetName) -> Result<Vec<DatasetName>> {
        self.get(name)?;
        let mut found = BTreeSet::new();
        let mut waiting = vec![name.clone()];
        while let Some(of) = waiting.pop() {
            for clone in self.clones_of(|origin| *origin.dataset() == of) {
                if found.insert(clone.clone()) {
                    waiting.push(clone);
                }
            }
        }
        Ok(found.into_iter().collect())
    }

    /// A line about each dataset and snapshot.
    pub(crate) fn describe(&self, lines: &mut BTreeMap<String, String>) {
        self.of_host.describe(lines);
        for (name, dataset) in &self.datasets {
            let mut words = Vec::new();
            words.extend(dataset.origin.as_ref().map(|origin| format!("clone of {origin}")));
            words.extend(dataset.mounted.then(|| "mounted".to_owned()));
            words.extend(dataset.quota.map(|bytes| format!("at most {bytes} bytes")));
            lines.insert(format!("dataset {name}"), words.join(", "));
            for (snapshot, _) in &dataset.snapshots {
                lines.insert(format!("snapshot {name}@{snapshot}"), String::new());
            }
        }
    }

    /// What a reboot of the host does.
    pub(crate) fn unmount_all(&mut self) -> Result<()> {
        let mounted: Vec<_> = self
            .datasets
            .iter()
            .filter(|(_, set)| set.mounted)
            .map(|(name, _)| name.clone())
            .collect();
        mounted.iter().try_for_each(|name| self.unmount(name))
    }

    /// Whether an operation on datasets would change anything; `None`: it is about something else.
    pub(crate) fn would_change(&self, op: &Op) -> Option<Result<bool>> {
        Some(match op {
            Op::CreateDataset(name) => self.would_create(name, None),
            Op::CloneDataset { snapshot, dataset } => self.would_create(dataset, Some(snapshot)),
            Op::CreateSnapshot(snapshot) => Ok(self.snapshot(snapshot).is_none()),
            Op::RenameDataset { from, to } => self.would_rename(from, to),
            Op::PromoteDataset { dataset, over } => self.would_promote(dataset, over),
            Op::DestroyDataset(name) => Ok(self.datasets.contains_key(name)),
            Op::DestroySnapshot(snapshot) => Ok(self.snapshot(snapshot).is_some()),
            Op::FromHost(op) => self.would_take_from_host(op),
            Op::MountDataset(name) => Ok(self.datasets.get(name).is_none_or(|dataset| !dataset.mounted)),
            Op::UnmountDataset(name) => Ok(self.datasets.get(name).is_some_and(|dataset| dataset.mounted)),
            Op::SetQuota { dataset, bytes } => {
                Ok(self.datasets.get(dataset).is_none_or(|set| set.quota != *bytes))
            }
            _ => return None,
        })
    }

    /// Carries out an operation that would change something. `in_use`: what keeps the dataset busy that it takes away.
    pub(crate) fn perform(&mut self, op: &Op, in_use: Option<String>) -> Result<()> {
        let idle = |name: &DatasetName| match in_use {
            Some(reason) => Err(PlatformError::Busy {
                object: object(name),
                reason,
            }),
            None => Ok(()),
        };
        match op {
            Op::CreateDataset(name) => self.create(name),
            Op::CloneDataset { snapshot, dataset } => self.clone_to(snapshot, dataset),
            Op::CreateSnapshot(snapshot) => self.take_snapshot(snapshot),
            Op::RenameDataset { from, to } => {
                idle(from)?;
                self.rename(from, to)
            }
            Op::PromoteDataset { dataset, over } => self.promote(dataset, over),
            Op::DestroyDataset(name) => {
                self.refuse_with_clones(object(name), |origin| origin.dataset() == name)?;
                idle(name)?;
                self.destroy(name)
            }
            Op::DestroySnapshot(snapshot) => {
                self.refuse_with_clones(format!("snapshot {snapshot}"), |origin| origin == snapshot)?;
                self.destroy_snapshot(snapshot)
            }
            Op::FromHost(op) => self.take_from_host(op),
            Op::MountDataset(name) => self.mount(name),
            Op::UnmountDataset(name) => {
                idle(name)?;
                self.unmount(name)
            }
            Op::SetQuota { dataset, bytes } => {
                self.get_mut(dataset)?.quota = *bytes;
                Ok(())
            }
            _ => Ok(()),
        }
    }

    fn would_create(&self, name: &DatasetName, origin: Option<&SnapshotName>) -> Result<bool> {
        match self.datasets.get(name) {
            None => Ok(true),
            Some(dataset) if dataset.origin.as_ref() == origin => Ok(false),
            Some(_) => Err(PlatformError::Conflict { object: object(name) }),
        }
    }

    fn would_rename(&self, from: &DatasetName, to: &DatasetName) -> Result<bool> {
        match (self.datasets.contains_key(from), self.datasets.contains_key(to)) {
            (true, true) if from != to => Err(PlatformError::Conflict { object: object(to) }),
            (from_is_there, to_is_there) => {
                Ok(from_is_there || !to_is_there).map(|change| change && from != to)
            }
        }
    }

    fn create(&mut self, name: &DatasetName) -> Result<()> {
        self.refuse_nesting(name)?;
        let content = self.new_content();
        let created = fs::create_dir(self.content(content));
        created.map_err(|error| PlatformError::failed(format!("create dataset {name}"), error))?;
        self.add(name, content, None);
        Ok(())
    }

    fn clone_to(&mut self, snapshot: &SnapshotName, name: &DatasetName) -> Result<()> {
        self.refuse_nesting(name)?;
        let not_found = || PlatformError::NotFound {
            object: format!("snapshot {snapshot}"),
        };
        let source = self.snapshot(snapshot).ok_or_else(not_found)?;
        let content = self.new_content();
        let copied = files::copy(&self.content(source), &self.content(content));
        copied
            .map_err(|error| PlatformError::failed(format!("clone {snapshot} to dataset {name}"), error))?;
        self.add(name, content, Some(snapshot.clone()));
        Ok(())
    }

    fn take_snapshot(&mut self, snapshot: &SnapshotName) -> Result<()> {
        let name = snapshot.dataset();
        let source = self.path_of(name, self.get(name)?);
        let content = self.new_content();
        let copied = files::copy(&source, &self.content(content));
        copied.map_err(|error| PlatformError::failed(format!("take snapshot {snapshot}"), error))?;
        self.get_mut(name)?
            .snapshots
            .push((snapshot.name().to_owned(), content));
        Ok(())
    }

    fn rename(&mut self, from: &DatasetName, to: &DatasetName) -> Result<()> {
        self.get(from)?;
        self.refuse_nesting(to)?;
        let was_mounted = self.get(from)?.mounted;
        if was_mounted {
            self.unmount(from)?;
        }
        if let Some(dataset) = self.datasets.remove(from) {
            self.datasets.insert(to.clone(), dataset);
        }
        for dataset in self.datasets.values_mut() {
            if let Some(origin) = &mut dataset.origin
                && origin.dataset() == from
            {
                let renamed = to.snapshot(origin.name());
                *origin = renamed
                    .map_err(|error| PlatformError::failed(format!("rename dataset {from}"), error))?;
            }
        }
        if was_mounted { self.mount(to) } else { Ok(()) }
    }

    fn would_promote(&self, name: &DatasetName, over: &DatasetName) -> Result<bool> {
        let is_of = |one: &DatasetName, other: &DatasetName| -> Result<bool> {
            let origin = self.get(one)?.origin.as_ref();
            Ok(origin.is_some_and(|origin| origin.dataset() == other))
        };
        if !self.datasets.contains_key(over) {
            return Ok(false);
        }
        if is_of(over, name)? {
            Ok(false)
        } else if is_of(name, over)? {
            Ok(true)
        } else {
            Err(PlatformError::Conflict { object: object(name) })
        }
    }

    fn promote(&mut self, name: &DatasetName, over: &DatasetName) -> Result<()> {
        let failed = |error| PlatformError::failed(format!("promote dataset {name} over {over}"), error);
        let Some(origin) = self.get_mut(name)?.origin.take() else {
            return Ok(());
        };
        let of_parent = self.get_mut(over)?;
        let is_origin = |(snapshot, _): &(String, Content)| snapshot == origin.name();
        let until = of_parent
            .snapshots
            .iter()
            .position(is_origin)
            .map_or(0, |place| place + 1);
        let moved: Vec<_> = of_parent.snapshots.drain(..until).collect();
        let further = of_parent
            .origin
            .replace(name.snapshot(origin.name()).map_err(failed)?);
        let names: Vec<String> = moved.iter().map(|(snapshot, _)| snapshot.clone()).collect();
        let promoted = self.get_mut(name)?;
        promoted.snapshots.splice(0..0, moved);
        promoted.origin = further;
        for dataset in self.datasets.values_mut() {
            if let Some(origin) = &mut dataset.origin
                && origin.dataset() == over
                && names.iter().any(|moved| moved == origin.name())
            {
                *origin = name.snapshot(origin.name()).map_err(failed)?;
            }
        }
        Ok(())
    }

    pub(crate) fn origin(&self, name: &DatasetName) -> Result<Option<SnapshotName>> {
        Ok(self.get(name)?.origin.clone())
    }

    pub(crate) fn written(&self, snapshot: &SnapshotName) -> Result<u64> {
        let dataset = self.get(snapshot.dataset())?;
        let not_found = || PlatformError::NotFound {
            object: format!("snapshot {snapshot}"),
        };
        let mut before = dataset.origin.as_ref().and_then(|origin| self.snapshot(origin));
        for (name, content) in &dataset.snapshots {
            if name == snapshot.name() {
                let path = self.content(*content);
                let size = match before {
                    Some(before) => files::size_beside(&path, &self.content(before)),
                    None => files::size(&path),
                };
                return size
                    .map_err(|error| PlatformError::failed(format!("measure snapshot {snapshot}"), error));
            }
            before = Some(*content);
        }
        Err(not_found())
    }

    fn destroy(&mut self, name: &DatasetName) -> Result<()> {
        if self.get(name)?.mounted {
            self.unmount(name)?;
        }
        if let Some(dataset) = self.datasets.remove(name) {
            let snapshots = dataset.snapshots.into_iter().map(|(_, content)| content);
            for content in snapshots.chain([dataset.content]) {
                let removed = fs::remove_dir_all(self.content(content));
                removed.map_err(|error| PlatformError::failed(format!("destroy dataset {name}"), error))?;
            }
        }
        self.forget_clone(name)
            .map_err(|error| PlatformError::failed(format!("destroy dataset {name}"), error))
    }

    fn destroy_snapshot(&mut self, snapshot: &SnapshotName) -> Result<()> {
        let dataset = self.get_mut(snapshot.dataset())?;
        if let Some(index) = dataset
            .snapshots
            .iter()
            .position(|(name, _)| name == snapshot.name())
        {
            let (_, content) = dataset.snapshots.remove(index);
            let removed = fs::remove_dir_all(self.content(content));
            removed.map_err(|error| PlatformError::failed(format!("destroy snapshot {snapshot}"), error))?;
        }
        Ok(())
    }

    fn mount(&mut self, name: &DatasetName) -> Result<()> {
        let content = self.content(self.get(name)?.content);
        let mountpoint = self.mountpoint(name);
        let parent = mountpoint.parent().unwrap_or(&mountpoint);
        let moved = fs::create_dir_all(parent).and_then(|()| fs::rename(content, &mountpoint));
        moved.map_err(|error| PlatformError::failed(format!("mount dataset {name}"), error))?;
        self.get_mut(name)?.mounted = true;
        Ok(())
    }

    fn unmount(&mut self, name: &DatasetName) -> Result<()> {
        let content = self.content(self.get(name)?.content);
        let moved = fs::rename(self.mountpoint(name), content);
        moved.map_err(|error| PlatformError::failed(format!("unmount dataset {name}"), error))?;
        self.get_mut(name)?.mounted = false;
        Ok(())
    }

    pub(crate) fn add(&mut self, name: &DatasetName, content: Content, origin: Option<SnapshotName>) {
        let dataset = Dataset {
            content,
            origin,
            snapshots: Vec::new(),
            mounted: false,
            quota: None,
        };
        self.datasets.insert(name.clone(), dataset);
    }

    fn refuse_with_clones(&self, object: String, is_of: impl Fn(&SnapshotName) -> bool) -> Result<()> {
        let dependents: Vec<_> = self.clones_of(is_of).iter().map(ToString::to_string).collect();
        if dependents.is_empty() {
            Ok(())
        } else {
            Err(PlatformError::HasDependents { object, dependents })
        }
    }

    fn refuse_nesting(&self, name: &DatasetName) -> Result<()> {
        let nests =
            |one: &DatasetName, other: &DatasetName| Path::new(one.as_str()).starts_with(other.as_str());
        match self
            .datasets
            .keys()
            .find(|other| nests(name, other) || nests(other, name))
        {
            Some(other) => Err(PlatformError::NotSupported {
                what: object(name),
                reason: format!("dataset {other} exists, and simulated datasets do not nest"),
            }),
            None => Ok(()),
        }
    }

    fn clones_of(&self, is_of: impl Fn(&SnapshotName) -> bool) -> Vec<DatasetName> {
        let clones = self
            .datasets
            .iter()
            .filter(|(_, dataset)| dataset.origin.as_ref().is_some_and(&is_of));
        clones.map(|(name, _)| name.clone()).collect()
    }

    fn snapshot(&self, snapshot: &SnapshotName) -> Option<Content> {
        let snapshots = &self.datasets.get(snapshot.dataset())?.snapshots;
        snapshots
            .iter()
            .find(|(name, _)| name == snapshot.name())
            .map(|(_, content)| *content)
    }

    fn get(&self, name: &DatasetName) -> Result<&Dataset> {
        self.datasets
            .get(name)
            .ok_or_else(|| PlatformError::NotFound { object: object(name) })
    }

    fn get_mut(&mut self, name: &DatasetName) -> Result<&mut Dataset> {
        self.datasets
            .get_mut(name)
            .ok_or_else(|| PlatformError::NotFound { object: object(name) })
    }

    pub(crate) fn new_content(&mut self) -> Content {
        self.next += 1;
        Content(self.next)
    }

    pub(crate) fn content(&self, content: Content) -> PathBuf {
        self.place.join("content").join(content.0.to_string())
    }

    fn path_of(&self, name: &DatasetName, dataset: &Dataset) -> PathBuf {
        if dataset.mounted {
            self.mountpoint(name)
        } else {
            self.content(dataset.content)
        }
    }
}

pub(crate) fn object(name: &DatasetName) -> String {
    format!("dataset {name}")
}
