//! Datasets below Kleene's root, as zfs(8) has them.
//!
//! Everything below the root is ours: what has a wanted name there and another origin is a conflict all the same.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use kleene_plan::{DatasetName, SnapshotName};
use kleene_platform::{DatasetInfo, PlatformError, Result, Usage};

use crate::command::{ToolError, Tools};
use crate::failure::OrFailed;
use crate::mount;
use crate::zfs::{self, Dataset, Refusal, refusal};

/// Datasets that only hold others.
const PARENTS: [&str; 3] = ["image", "container", "volumes"];

/// Kleene's datasets.
#[derive(Debug)]
pub(crate) struct Datasets {
    pub(crate) tools: Tools,
    root: String,
    mountpoint: PathBuf,
    /// Datasets to which an administrator gave a mount point of their own.
    elsewhere: Mutex<HashMap<DatasetName, PathBuf>>,
}

impl Datasets {
    /// Looks the root up and makes the datasets that hold others.
    ///
    /// # Errors
    /// If the root does not exist or has no mount point.
    pub(crate) fn open(tools: Tools, root: &str) -> Result<Self> {
        let mountpoint = mountpoint(&tools, root)?;
        for parent in PARENTS {
            let parent = format!("{root}/{parent}");
            tools
                .run(&zfs::create_parents(&parent))
                .or_failed(|| format!("create dataset {parent}"))?;
        }
        Ok(Self {
            tools,
            root: root.to_owned(),
            mountpoint,
            elsewhere: Mutex::default(),
        })
    }

    /// The full name, as an administrator types it.
    pub(crate) fn full(&self, name: impl std::fmt::Display) -> String {
        format!("{}/{name}", self.root)
    }

    /// Where a dataset is mounted, or will be. Asks nobody: what is below the root inherits its mount point, and
    /// exceptions are learnt whenever a dataset is looked at.
    pub(crate) fn mountpoint(&self, name: &DatasetName) -> PathBuf {
        let elsewhere = self.elsewhere.lock().unwrap_or_else(PoisonError::into_inner);
        elsewhere
            .get(name)
            .cloned()
            .unwrap_or_else(|| self.mountpoint.join(name.as_str()))
    }

    pub(crate) fn look(&self, name: &DatasetName) -> Result<Option<Dataset>> {
        let found = look(&self.tools, &self.full(name)).or_failed(|| format!("read dataset {name}"))?;
        let mountpoint = found
            .as_ref()
            .and_then(|found| found.mountpoint.as_deref())
            .map(Path::new);
        let mut elsewhere = self.elsewhere.lock().unwrap_or_else(PoisonError::into_inner);
        match mountpoint.filter(|path| path.is_absolute() && **path != self.mountpoint.join(name.as_str())) {
            Some(path) => drop(elsewhere.insert(name.clone(), path.to_owned())),
            None => drop(elsewhere.remove(name)),
        }
        Ok(found)
    }

    fn existing(&self, name: &DatasetName) -> Result<Dataset> {
        self.look(name)?
            .ok_or_else(|| PlatformError::NotFound { object: object(name) })
    }

    /// Whether it would be made, as a clone of `origin` if there is one.
    pub(crate) fn would_create(&self, name: &DatasetName, origin: Option<&SnapshotName>) -> Result<bool> {
        let wanted = origin.map(|origin| self.full(origin));
        match self.look(name)? {
            None => Ok(true),
            Some(found) if found.origin == wanted => Ok(false),
            Some(_) => Err(PlatformError::Conflict { object: object(name) }),
        }
    }

    pub(crate) fn create(&self, name: &DatasetName) -> Result<()> {
        self.make(
            name,
            None,
            || zfs::create(&self.full(name)),
            format!("create dataset {name}"),
        )
    }

    pub(crate) fn clone_snapshot(&self, snapshot: &SnapshotName, name: &DatasetName) -> Result<()> {
        let command = || zfs::clone(&self.full(snapshot), &self.full(name));
        let action = format!("clone {snapshot} to dataset {name}");
        self.make(name, Some(snapshot), command, action)
    }

    pub(crate) fn make(
        &self,
        name: &DatasetName,
        origin: Option<&SnapshotName>,
        command: impl Fn() -> crate::command::Command,
        action: String,
    ) -> Result<()> {
        let mut made = self.tools.run(&command());
        if let Err(error) = &made
            && refusal(error) == Refusal::ParentAbsent
            && let Some((parent, _)) = self.full(name).rsplit_once('/')
        {
            self.tools
                .run(&zfs::create_parents(parent))
                .or_failed(|| format!("create dataset {parent}"))?;
            made = self.tools.run(&command());
        }
        match made {
            Ok(_) => Ok(()),
            // The same again is fine, anything else of that name is a conflict.
            Err(error) if refusal(&error) == Refusal::Exists => self.would_create(name, origin).map(drop),
            Err(error) => Err(self.refused(
                error,
                origin.map_or_else(|| object(name), snapshot_object),
                action,
            )),
        }
    }

    pub(crate) fn has_snapshot(&self, snapshot: &SnapshotName) -> Result<bool> {
        let found = look(&self.tools, &self.full(snapshot));
        Ok(found.or_failed(|| format!("read snapshot {snapshot}"))?.is_some())
    }

    pub(crate) fn snapshot(&self, snapshot: &SnapshotName) -> Result<()> {
        match self.tools.run(&zfs::snapshot(&self.full(snapshot))) {
            Err(error) if refusal(&error) != Refusal::Exists => Err(self.refused(
                error,
                object(snapshot.dataset()),
                format!("take snapshot {snapshot}"),
            )),
            _ => Ok(()),
        }
    }

    pub(crate) fn would_rename(&self, from: &DatasetName, to: &DatasetName) -> Result<bool> {
        match (self.look(from)?.is_some(), self.look(to)?.is_some()) {
            (true, true) if from != to => Err(PlatformError::Conflict { object: object(to) }),
            (from_is_there, to_is_there) => Ok((from_is_there || !to_is_there) && from != to),
        }
    }

    pub(crate) fn rename(&self, from: &DatasetName, to: &DatasetName) -> Result<()> {
        if !self.would_rename(from, to)? {
            return Ok(());
        }
        let renamed = self.tools.run(&zfs::rename(&self.full(from), &self.full(to)));
        renamed
            .map(drop)
            .map_err(|error| self.refused(error, object(from), format!("rename dataset {from} to {to}")))
    }

    pub(crate) fn would_promote(&self, name: &DatasetName, over: &DatasetName) -> Result<bool> {
        let is_of = |one: &Dataset, other: &DatasetName| {
            self.origin(one).is_some_and(|origin| origin.dataset() == other)
        };
        let Some(parent) = self.look(over)? else {
            return Ok(false);
        };
        if is_of(&parent, name) {
            Ok(false)
        } else if is_of(&self.existing(name)?, over) {
            Ok(true)
        } else {
            Err(PlatformError::Conflict { object: object(name) })
        }
    }

    pub(crate) fn promote(&self, name: &DatasetName, over: &DatasetName) -> Result<()> {
        if !self.would_promote(name, over)? {
            return Ok(());
        }
        let promoted = self.tools.run(&zfs::promote(&self.full(name)));
        promoted
            .map(drop)
            .map_err(|error| self.refused(error, object(name), format!("promote dataset {name} over {over}")))
    }

    pub(crate) fn origin_of(&self, name: &DatasetName) -> Result<Option<SnapshotName>> {
        Ok(self.origin(&self.existing(name)?))
    }

    /// Bytes that a snapshot has and the one before it has not.
    pub(crate) fn written(&self, snapshot: &SnapshotName) -> Result<u64> {
        let command = zfs::written(&self.full(snapshot));
        self.tools
            .read(&command, zfs::parse_written)
            .or_failed(|| format!("measure snapshot {snapshot}"))
    }

    pub(crate) fn has_dataset(&self, name: &DatasetName) -> Result<bool> {
        Ok(self.look(name)?.is_some())
    }

    /// Destroys a dataset with its snapshots, but nothing that is below it or mounted in it: that is somebody's.
    pub(crate) fn destroy(&self, name: &DatasetName) -> Result<()> {
        let action = || format!("destroy dataset {name}");
        let full = self.full(name);
        let children = match self.tools.read(&zfs::list_children(&full), zfs::parse_children) {
            Err(error) if refusal(&error) == Refusal::Absent => return Ok(()),
            children => children.or_failed(action)?,
        };
        if !children.is_empty() {
            return Err(PlatformError::HasDependents {
                object: object(name),
                dependents: children,
            });
        }
        let table = self.tools.mounts().or_failed(action)?;
        if let Some(mounted) = mount::below(&table, &self.mountpoint(name)).first() {
            return Err(PlatformError::Busy {
                object: object(name),
                reason: format!("{} is mounted at {}", mounted.source, mounted.at.display()),
            });
        }
        self.absent_is_fine(self.tools.run(&zfs::destroy(&full)), object(name), action)
    }

    pub(crate) fn destroy_snapshot(&self, snapshot: &SnapshotName) -> Result<()> {
        let destroyed = self.tools.run(&zfs::destroy_snapshot(&self.full(snapshot)));
        self.absent_is_fine(destroyed, snapshot_object(snapshot), || {
            format!("destroy snapshot {snapshot}")
        })
    }

    pub(crate) fn is_mounted(&self, name: &DatasetName) -> Result<bool> {
        Ok(self.look(name)?.is_some_and(|found| found.mounted))
    }

    pub(crate) fn mount(&self, name: &DatasetName) -> Result<()> {
        match self.tools.run(&zfs::mount(&self.full(name))) {
            Err(error) if refusal(&error) != Refusal::AlreadyMounted => {
                Err(self.refused(error, object(name), format!("mount dataset {name}")))
            }
            _ => Ok(()),
        }
    }

    /// Unmounts a dataset and before it what a jail left mounted in it.
    pub(crate) fn unmount(&self, name: &DatasetName) -> Result<()> {
        let action = || format!("unmount dataset {name}");
        let full = self.full(name);
        let table = self.tools.mounts().or_failed(action)?;
        self.tools
            .unmount_views(&mount::below(&table, &self.mountpoint(name)))
            .or_failed(action)?;
        if !table.iter().any(|mounted| mounted.source == full) {
            return Ok(());
        }
        let mut unmounted = self.tools.run(&zfs::unmount(&full));
        if let Err(error) = &unmounted
            && matches!(refusal(error), Refusal::Busy(_))
            && self
                .tools
                .is_held_by_the_dead(&self.mountpoint(name))
                .or_failed(action)?
        {
            unmounted = self.tools.run(&zfs::unmount_by_force(&full));
        }
        match unmounted {
            Err(error) if refusal(&error) == Refusal::NotMounted => Ok(()),
            unmounted => self.absent_is_fine(unmounted, object(name), action),
        }
    }

    pub(crate) fn would_limit(&self, name: &DatasetName, bytes: Option<u64>) -> Result<bool> {
        Ok(self.look(name)?.is_none_or(|found| found.quota != bytes))
    }

    pub(crate) fn limit(&self, name: &DatasetName, bytes: Option<u64>) -> Result<()> {
        let limited = self.tools.run(&zfs::set_quota(&self.full(name), bytes));
        limited
            .map(drop)
            .map_err(|error| self.refused(error, object(name), format!("limit the size of dataset {name}")))
    }

    fn scan(&self) -> Result<Vec<Dataset>> {
        let all = self.tools.read(&zfs::list_all(&self.root), zfs::parse_list);
        all.or_failed(|| format!("list the datasets of {}", self.root))
    }

    /// Every dataset but those that only hold others. Names that no [`DatasetName`] can have are an administrator's.
    pub(crate) fn list(&self) -> Result<Vec<DatasetInfo>> {
        let mut snapshots: BTreeMap<String, Vec<(u64, String)>> = BTreeMap::new();
        let mut infos = Vec::new();
        for found in self.scan()? {
            let Some(name) = self.relative(&found.name) else {
                continue;
            };
            if let Some((dataset, snapshot)) = name.split_once('@') {
                let of_dataset = snapshots.entry(dataset.to_owned()).or_default();
                of_dataset.push((found.created, snapshot.to_owned()));
            } else if !PARENTS.contains(&name)
                && let Ok(name) = name.parse()
            {
                infos.push(DatasetInfo {
                    name,
                    origin: self.origin(&found),
                    snapshots: Vec::new(),
                    mounted: found.mounted,
                });
            }
        }
        for info in &mut infos {
            let mut of_dataset = snapshots.remove(info.name.as_str()).unwrap_or_default();
            of_dataset.sort();
            info.snapshots = of_dataset.into_iter().map(|(_, name)| name).collect();
        }
        Ok(infos)
    }

    /// Clones of a dataset's snapshots, clones of theirs, and so on, by name.
    pub(crate) fn dependents(&self, name: &DatasetName) -> Result<Vec<DatasetName>> {
        self.existing(name)?;
        let all = self.scan()?;
        let clones: Vec<(DatasetName, DatasetName)> = all
            .iter()
            .filter_map(|found| {
                let clone = self.relative(&found.name)?.parse().ok()?;
                Some((self.origin(found)?.dataset().clone(), clone))
            })
            .collect();
        let mut dependents = BTreeSet::new();
        let mut waiting = vec![name.clone()];
        while let Some(of) = waiting.pop() {
            for (_, clone) in clones.iter().filter(|(origin, _)| *origin == of) {
                if dependents.insert(clone.clone()) {
                    waiting.push(clone.clone());
                }
            }
        }
        Ok(dependents.into_iter().collect())
    }

    pub(crate) fn usage(&self, name: &DatasetName) -> Result<Usage> {
        let found = self.existing(name)?;
        Ok(Usage {
            used: found.used,
            referenced: found.referenced,
        })
    }

    fn relative<'a>(&self, full: &'a str) -> Option<&'a str> {
        full.strip_prefix(self.root.as_str())?.strip_prefix('/')
    }

    fn origin(&self, found: &Dataset) -> Option<SnapshotName> {
        self.relative(found.origin.as_deref()?)?.parse().ok()
    }

    pub(crate) fn absent_is_fine(
        &self,
        result: std::result::Result<String, ToolError>,
        object: String,
        action: impl FnOnce() -> String,
    ) -> Result<()> {
        match result {
            Err(error) if refusal(&error) != Refusal::Absent => Err(self.refused(error, object, action())),
            _ => Ok(()),
        }
    }

    /// A refusal as the kind of error that callers act on.
    pub(crate) fn refused(&self, error: ToolError, object: String, action: String) -> PlatformError {
        match refusal(&error) {
            Refusal::Busy(_) => PlatformError::Busy {
                object,
                reason: error.to_string(),
            },
            Refusal::Dependents(names) => PlatformError::HasDependents {
                object,
                dependents: names
                    .iter()
                    .map(|name| self.relative(name).unwrap_or(name).to_owned())
                    .collect(),
            },
            Refusal::Absent => PlatformError::NotFound { object },
            _ => PlatformError::failed(action, error),
        }
    }
}

/// Where the dataset that holds all others is mounted: the directory for what lasts besides datasets.
///
/// # Errors
/// If there is no such dataset, or it has no mount point.
pub fn mountpoint(tools: &Tools, root: &str) -> Result<PathBuf> {
    let found = look(tools, root).or_failed(|| format!("read dataset {root}"))?;
    let found = found.ok_or_else(|| {
        PlatformError::failed(
            format!("use dataset {root}"),
            "it does not exist; try: kleened init",
        )
    })?;
    let path = found
        .mountpoint
        .map(PathBuf::from)
        .filter(|path| path.is_absolute());
    path.ok_or_else(|| {
        let reason = format!("it has no mount point; try: zfs set mountpoint=/{root} {root}");
        PlatformError::failed(format!("use dataset {root}"), reason)
    })
}

/// A dataset or snapshot by its full name, if there is one.
pub(crate) fn look(tools: &Tools, full: &str) -> crate::command::Result<Option<Dataset>> {
    match tools.read(&zfs::list_one(full), zfs::parse_list) {
        Ok(found) => Ok(found.into_iter().next()),
        Err(error) if refusal(&error) == Refusal::Absent => Ok(None),
        Err(error) => Err(error),
    }
}

pub(crate) fn object(name: &DatasetName) -> String {
    format!("dataset {name}")
}

fn snapshot_object(snapshot: &SnapshotName) -> String {
    format!("snapshot {snapshot}")
}
