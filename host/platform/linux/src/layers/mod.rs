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
mod index;
mod layout;
mod mounts;
mod overlay;
mod record;
mod snapshot;
mod space;
mod trash;

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
use record::{Content, Dataset, Destination, Origin, no_dataset};
use rustix::fs::FlockOperation;
use rustix::mount::{UnmountFlags, unmount};
use trash::Trash;

use crate::failure::{OrFailed, absent_is_fine};

/// A layer store. One process uses it at a time.
#[derive(Debug)]
pub struct LayerStore {
    layout: Layout,
    trash: Trash,
    index: Mutex<Index>,
    /// Locked as long as it is open.
    _lock: File,
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
        store
            .collect_garbage()
            .or_failed(|| format!("look for unused layers in {}", store.layout.layers().display()))?;
        Ok(store)
    }

    fn prepare(root: &Path) -> io::Result<Self> {
        fs::create_dir_all(root)?;
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

    // Datasets

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
                Dataset::forget(&self.layout, name)?;
            }
            Content::Layered { .. } => {
                Dataset::forget(&self.layout, name)?;
                self.remove_mountpoint(name)?;
            }
        }
        self.discard(name, index.remove(name))
    }

    // Mounts

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
        unmount(&path, UnmountFlags::NOFOLLOW).map_err(|error| match error {
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

    // What the above is made of

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

    fn remove_mountpoint(&self, name: &DatasetName) -> Result<()> {
        let path = self.mountpoint(name);
        absent_is_fine(fs::remove_dir(&path))
            .or_failed(|| format!("remove the mount point of dataset {name} at {}", path.display()))
    }

    fn check_mountpoint_is_free(&self, name: &DatasetName) -> Result<()> {
        let path = self.mountpoint(name);
        if Layout::is_reserved(name) {
            return Err(conflict(name));
        }
        match fs::read_dir(&path).map(|mut entries| entries.next().is_none()) {
            Ok(true) => Ok(()),
            Ok(false) => Err(PlatformError::Conflict {
                object: format!("directory {} with files in it", path.display()),
            }),
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
            if !home.exists() && target.exists() {
                move_directory(&target, &home).or_failed(|| {
                    format!(
                        "move dataset {name} back from {} to {}",
                        target.display(),
                        home.display()
                    )
                })?;
            }
            dataset.write(&self.layout, &name)?;
            index.replace(&name, dataset);
        }
        Ok(())
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
