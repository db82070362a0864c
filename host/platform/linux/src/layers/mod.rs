//! The layer store: datasets, snapshots and clones on any Linux file system that overlayfs takes as its upper layer.
//!
//! A dataset that was created empty is a plain directory at its mount point: a volume, or a base image that is being
//! filled. A clone is a new layer over the layers of a snapshot and is visible while an overlay is mounted. A snapshot
//! is a list of layers that are never written to again: taking one freezes the dataset's uppermost layer and puts an
//! empty one over it, which costs the same whatever its size. Where somebody can write to that layer at the moment,
//! because it is mounted, it is copied instead.
//!
//! A plain dataset of which a snapshot was taken while nobody used it has layers from then on: it must be mounted to be
//! read.
//!
//! Crashes: a layer is made before the record that names it and goes after it. So a crash leaves at most layers that no
//! record names; they are collected when the store is opened.

mod copy;
mod dataset;
mod index;
mod layout;
mod mounts;
mod overlay;
mod promote;
mod record;
mod snapshot;
mod space;
mod trash;
mod visibility;

use std::fs::{self, File, Permissions};
use std::io;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, PermissionsExt, chown};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

use index::Index;
use kleene_plan::{DatasetName, Id, SnapshotName};
use kleene_platform::{DatasetInfo, PlatformError, Result, Usage};
use layout::Layout;
use overlay::Overlay;
use record::{Content, Destination, no_dataset};
use rustix::fs::FlockOperation;
use trash::Trash;

use crate::draft;
use crate::failure::{OrFailed, absent_is_fine};

/// `statfs.f_type` of an overlay file system (statfs(2)).
const OVERLAYFS_MAGIC: u64 = 0x794c_7630;

/// A layer store. One process uses it at a time.
#[derive(Debug)]
pub struct LayerStore {
    layout: Layout,
    trash: Trash,
    index: Mutex<Index>,
    /// Locked as long as it is open.
    _lock: File,
}

/// The kernel takes no upper layer from an overlay file system: containers of containers find out here, and not at
/// their first start.
fn refuse_overlay(root: &Path) -> io::Result<()> {
    if u64::try_from(rustix::fs::statfs(root)?.f_type) == Ok(OVERLAYFS_MAGIC) {
        return Err(io::Error::other(
            "it is on an overlay file system itself, which cannot hold layers; choose a directory on another file system",
        ));
    }
    Ok(())
}

impl LayerStore {
    /// Opens the store below a directory, which is made if need be, and finishes what a crash interrupted.
    ///
    /// # Errors
    /// If the directory cannot be used, or another daemon uses it.
    pub fn open(root: &Path) -> Result<Self> {
        let store =
            Self::prepare(root).or_failed(|| format!("open the layer store at {}", root.display()))?;
        store.finish_moves()?;
        store.finish_promotions()?;
        store
            .collect_garbage()
            .or_failed(|| format!("look for unused layers in {}", store.layout.layers().display()))?;
        Ok(store)
    }

    fn prepare(root: &Path) -> io::Result<Self> {
        fs::create_dir_all(root)?;
        refuse_overlay(root)?;
        let layout = Layout::new(root.canonicalize()?);
        fs::create_dir_all(layout.records())?;
        // What containers hold is nobody's business, and a set-user-id program in a layer is not to be run from here.
        fs::set_permissions(layout.root().join(".store"), Permissions::from_mode(0o700))?;
        fs::create_dir_all(layout.layers())?;
        let lock = File::create(layout.lock())?;
        rustix::fs::flock(&lock, FlockOperation::NonBlockingLockExclusive).map_err(|error| match error {
            rustix::io::Errno::WOULDBLOCK => io::Error::other("another daemon uses it"),
            error => error.into(),
        })?;
        let trash = Trash::open(layout.trash())?;
        draft::remove_all(&layout.records())?;
        let index = Mutex::new(Index::read(&layout)?);
        Ok(Self {
            layout,
            trash,
            index,
            _lock: lock,
        })
    }

    fn index(&self) -> MutexGuard<'_, Index> {
        // The index is changed by single steps that cannot panic in between.
        self.index.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Where a dataset is visible, or will be.
    #[must_use]
    pub fn mountpoint(&self, dataset: &DatasetName) -> PathBuf {
        self.layout.mountpoint(dataset)
    }

    /// The directory that holds the store.
    #[must_use]
    pub fn root(&self) -> &Path {
        self.layout.root()
    }

    // Facts

    /// Whether there is such a dataset.
    #[must_use]
    pub fn has_dataset(&self, name: &DatasetName) -> bool {
        self.index().get(name).is_some()
    }

    /// Whether there is such a snapshot.
    #[must_use]
    pub fn has_snapshot(&self, name: &SnapshotName) -> bool {
        self.index()
            .get(name.dataset())
            .is_some_and(|dataset| dataset.snapshot(name.name()).is_some())
    }

    /// Whether a dataset's files are visible. A plain dataset's always are.
    ///
    /// # Errors
    /// [`PlatformError::NotFound`], or the kernel does not tell.
    pub fn is_mounted(&self, name: &DatasetName) -> Result<bool> {
        let content = self
            .index()
            .get(name)
            .ok_or_else(|| no_dataset(name))?
            .content
            .clone();
        self.is_visible(name, &content)
    }

    fn is_visible(&self, name: &DatasetName, content: &Content) -> Result<bool> {
        match content {
            Content::Plain => Ok(true),
            Content::Layered { .. } => self.is_mountpoint(name),
        }
    }

    fn is_mountpoint(&self, name: &DatasetName) -> Result<bool> {
        let path = self.mountpoint(name);
        mounts::is_mountpoint(&path)
            .or_failed(|| format!("see whether dataset {name} is mounted at {}", path.display()))
    }

    /// Whether [`create`](Self::create) would change anything.
    ///
    /// # Errors
    /// [`PlatformError::Conflict`] as `create`.
    pub fn would_create(&self, name: &DatasetName) -> Result<bool> {
        match self.index().get(name) {
            Some(dataset) if dataset.origin.is_some() => Err(conflict(name)),
            Some(_) => Ok(false),
            None => self.check_mountpoint_is_free(name).map(|()| true),
        }
    }

    /// Whether [`clone_snapshot`](Self::clone_snapshot) would change anything.
    ///
    /// # Errors
    /// [`PlatformError::Conflict`] as `clone_snapshot`.
    pub fn would_clone(&self, snapshot: &SnapshotName, name: &DatasetName) -> Result<bool> {
        let index = self.index();
        match index.get(name) {
            Some(dataset) if index.origin(dataset).as_ref() == Some(snapshot) => Ok(false),
            Some(_) => Err(conflict(name)),
            None => self.check_mountpoint_is_free(name).map(|()| true),
        }
    }

    /// Whether [`rename`](Self::rename) would change anything.
    ///
    /// # Errors
    /// [`PlatformError::Conflict`] or [`PlatformError::NotFound`] as `rename`.
    pub fn would_rename(&self, from: &DatasetName, to: &DatasetName) -> Result<bool> {
        let index = self.index();
        match (index.get(from), index.get(to)) {
            (Some(_), Some(_)) => Err(conflict(to)),
            (Some(_), None) => self.check_mountpoint_is_free(to).map(|()| true),
            (None, Some(_)) => Ok(false),
            (None, None) => Err(no_dataset(from)),
        }
    }

    /// Whether [`unmount`](Self::unmount) would change anything.
    ///
    /// # Errors
    /// If the kernel does not tell.
    pub fn would_unmount(&self, name: &DatasetName) -> Result<bool> {
        let is_layered = self
            .index()
            .get(name)
            .is_some_and(|dataset| dataset.content != Content::Plain);
        Ok(is_layered && self.is_mountpoint(name)?)
    }

    /// Every dataset.
    ///
    /// # Errors
    /// If the kernel does not tell what is mounted.
    pub fn list(&self) -> Result<Vec<DatasetInfo>> {
        let index = self.index();
        index
            .iter()
            .map(|(name, dataset)| Ok(index.info(name, dataset, self.is_visible(name, &dataset.content)?)))
            .collect()
    }

    /// Clones of a dataset's snapshots, and of theirs.
    ///
    /// # Errors
    /// [`PlatformError::NotFound`].
    pub fn dependents(&self, name: &DatasetName) -> Result<Vec<DatasetName>> {
        let index = self.index();
        let dataset = index.get(name).ok_or_else(|| no_dataset(name))?;
        Ok(index.dependents(dataset))
    }

    /// How much a dataset holds, measured file by file.
    ///
    /// # Errors
    /// [`PlatformError::NotFound`], or a file cannot be looked at.
    pub fn usage(&self, name: &DatasetName) -> Result<Usage> {
        let (dataset, own) = {
            let index = self.index();
            let dataset = index.get(name).ok_or_else(|| no_dataset(name))?.clone();
            let own = index.own_layers(&dataset);
            (dataset, own)
        };
        let action = || format!("measure dataset {name} at {}", self.mountpoint(name).display());
        let mut used = 0;
        for layer in &own {
            used += space::of_tree(&self.layout.files(layer)).or_failed(action)?;
        }
        let referenced = match &dataset.content {
            Content::Layered { upper, lowers } if !self.is_mountpoint(name)? => {
                use std::os::fd::AsRawFd;
                let mut lowers: Vec<_> = lowers.iter().map(|layer| self.layout.files(layer)).collect();
                lowers.insert(0, self.layout.files(upper));
                let view = Overlay {
                    source: name.to_string(),
                    lowers,
                    upper: None,
                }
                .detached()
                .or_failed(action)?;
                let path = PathBuf::from(format!("/proc/self/fd/{}", view.as_raw_fd()));
                space::of_tree(&path).or_failed(action)?
            }
            _ => space::of_tree(&self.mountpoint(name)).or_failed(action)?,
        };
        if dataset.content == Content::Plain {
            used += referenced;
        }
        Ok(Usage { used, referenced })
    }

    /// An empty layer whose root has the mode and owner of another directory: the root of a layer is what processes
    /// see as the root of the dataset.
    fn new_layer(&self, name: &DatasetName, like: &Path) -> Result<Id> {
        let id = Id::generate();
        self.make_layer(&id, like).or_failed(|| {
            format!(
                "make a layer for dataset {name} at {}",
                self.layout.layer(&id).display()
            )
        })?;
        Ok(id)
    }

    fn make_layer(&self, id: &Id, like: &Path) -> io::Result<()> {
        let model = fs::metadata(like)?;
        let files = self.layout.files(id);
        fs::create_dir(self.layout.layer(id))?;
        fs::create_dir(&files)?;
        fs::DirBuilder::new().mode(0o700).create(self.layout.work(id))?;
        if (model.uid(), model.gid()) != (0, 0) {
            chown(&files, Some(model.uid()), Some(model.gid()))?;
        }
        fs::set_permissions(&files, Permissions::from_mode(model.mode() & 0o7777))
    }

    fn discard(&self, name: &DatasetName, layers: Vec<Id>) -> Result<()> {
        for layer in layers {
            let path = self.layout.layer(&layer);
            absent_is_fine(self.trash.take(&path))
                .or_failed(|| format!("remove a layer of dataset {name} at {}", path.display()))?;
        }
        Ok(())
    }

    fn check_mountpoint_is_free(&self, name: &DatasetName) -> Result<()> {
        let path = self.mountpoint(name);
        if Layout::is_reserved(name) {
            return Err(conflict(name));
        }
        match fs::read_dir(&path).map(|mut entries| entries.next().is_none()) {
            Ok(true) => Ok(()),
            Ok(false) => Err(strangers_files(&path)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            Err(error) => Err(PlatformError::failed(
                format!("look at the mount point of dataset {name} at {}", path.display()),
                error,
            )),
        }
    }

    /// Refuses where files of others could be reached through the dataset's directory.
    fn check_nothing_is_mounted(&self, name: &DatasetName, content: &Content) -> Result<()> {
        let path = self.mountpoint(name);
        if let Content::Layered { .. } = content {
            // An empty mount point has nothing beneath it, so one look suffices.
            return if self.is_mountpoint(name)? {
                Err(busy(name, &mounted_at(&path)))
            } else {
                Ok(())
            };
        }
        let mounts = mounts::at_or_beneath(&path)
            .or_failed(|| format!("see what is mounted in dataset {name} at {}", path.display()))?;
        match mounts.first() {
            None => Ok(()),
            Some(mount) => Err(busy(name, &mounted_at(mount))),
        }
    }

    fn collect_garbage(&self) -> io::Result<()> {
        let index = self.index();
        for entry in fs::read_dir(self.layout.layers())? {
            let entry = entry?;
            let layer = entry.file_name().to_string_lossy().parse::<Id>();
            if layer.is_ok_and(|layer| index.is_garbage(&layer)) {
                self.trash.take(&entry.path())?;
            }
        }
        Ok(())
    }

    /// Moves the files of plain datasets back to where they were when a crash interrupted their move.
    fn finish_moves(&self) -> Result<()> {
        let mut index = self.index();
        for name in index.half_moved() {
            let Some(mut dataset) = index.get(&name).cloned() else {
                continue;
            };
            let Some(destination) = dataset.moving_to.take() else {
                continue;
            };
            let home = self.mountpoint(&name);
            let target = match &destination {
                Destination::Mountpoint(to) => self.mountpoint(to),
                Destination::Layer(layer) => self.layout.files(layer),
            };
            // What cannot be moved now is tried again at the next start; the store is not kept from opening.
            if !home.exists()
                && target.exists()
                && let Err(error) = move_directory(&target, &home)
            {
                let (target, home) = (target.display(), home.display());
                tracing::error!("could not move dataset {name} back from {target} to {home}: {error}");
                continue;
            }
            dataset.write(&self.layout, &name)?;
            index.replace(&name, dataset);
        }
        Ok(())
    }
}

fn move_directory(from: &Path, to: &Path) -> io::Result<()> {
    if let Some(parent) = to.parent() {
        fs::create_dir_all(parent)?;
    }
    fs::rename(from, to)
}

fn mounted_at(path: &Path) -> String {
    format!("something is mounted at {}; unmount it first", path.display())
}

fn busy(name: &DatasetName, reason: &str) -> PlatformError {
    PlatformError::Busy {
        object: format!("dataset {name}"),
        reason: reason.to_owned(),
    }
}

fn strangers_files(path: &Path) -> PlatformError {
    PlatformError::Conflict {
        object: format!("directory {} with files in it", path.display()),
    }
}

fn conflict(name: &DatasetName) -> PlatformError {
    PlatformError::Conflict {
        object: format!("dataset {name}"),
    }
}

fn no_snapshot(name: &SnapshotName) -> PlatformError {
    PlatformError::NotFound {
        object: format!("snapshot {name}"),
    }
}

fn refuse_with(kind: &str, name: impl std::fmt::Display, dependents: Vec<DatasetName>) -> Result<()> {
    if dependents.is_empty() {
        return Ok(());
    }
    let dependents = dependents.iter().map(ToString::to_string).collect();
    Err(PlatformError::HasDependents {
        object: format!("{kind} {name}"),
        dependents,
    })
}
