//! What a container mounts: volumes and paths of the host.

use std::path::{Path, PathBuf};

use kleene_api::{MountPointConfig, MountType};
use kleene_plan::{DatasetName, JailMount, ObjectName};
use kleene_rootfs::Root;
use kleene_store::{Container, Mount, MountKind, Volume};

use crate::Engine;
use crate::error::{EngineError, Result};
use crate::transaction::Transaction;

/// A mount that passed the checks of its form.
#[derive(Debug, Clone)]
pub(super) struct MountRequest {
    source: Source,
    /// Absolute, as the jail sees it.
    destination: PathBuf,
    read_only: bool,
}

#[derive(Debug, Clone)]
enum Source {
    Volume(ObjectName),
    Host(PathBuf),
}

impl MountRequest {
    pub(super) fn parse(config: &MountPointConfig) -> Result<Self> {
        let invalid = |error| EngineError::invalid(format!("cannot mount volume: {error}"));
        let source = match config.kind {
            MountType::Volume => Source::Volume(config.source.parse().map_err(invalid)?),
            MountType::Nullfs => Source::Host(PathBuf::from(&config.source)),
        };
        let below = config.destination.trim_start_matches('/');
        if below.is_empty() {
            let message = format!(
                "cannot mount '{}': it has no destination in the container",
                config.source
            );
            return Err(EngineError::invalid(message));
        }
        Ok(Self {
            source,
            destination: Path::new("/").join(below),
            read_only: config.read_only,
        })
    }

    pub(super) fn record(&self) -> Mount {
        let (kind, source) = match &self.source {
            Source::Volume(name) => (MountKind::Volume, name.to_string()),
            Source::Host(path) => (MountKind::Nullfs, path.display().to_string()),
        };
        Mount {
            kind,
            source,
            destination: self.destination.display().to_string(),
            read_only: self.read_only,
        }
    }
}

impl Engine {
    /// The mounts of a request, as they are kept.
    pub(crate) fn mount_records(mounts: &[MountPointConfig]) -> Result<Vec<Mount>> {
        let record = |mount| Ok(MountRequest::parse(mount)?.record());
        mounts.iter().map(record).collect()
    }

    /// Makes the mount targets in a new container, and the volumes that do not exist yet, which are returned.
    pub(super) fn prepare_mounts(
        &self,
        transaction: &mut Transaction<'_>,
        dataset: &DatasetName,
        mounts: &[MountRequest],
    ) -> Result<Vec<Volume>> {
        if mounts.is_empty() {
            return Ok(Vec::new());
        }
        transaction.in_root(dataset, |transaction, root| {
            let mut made = Vec::new();
            for mount in mounts {
                match &mount.source {
                    Source::Volume(name) => {
                        let known = made.iter().any(|volume: &Volume| volume.name == *name);
                        if !known && self.store.read(|read| read.volume(name))?.is_none() {
                            made.push(self.make_volume(transaction, name)?);
                        }
                        self.fill_empty_volume(root, &mount.destination, name)?;
                    }
                    Source::Host(source) => make_target(root, source, &mount.destination)?,
                }
            }
            Ok(made)
        })
    }

    /// What the image has at a volume's destination becomes the content of a volume that is empty.
    fn fill_empty_volume(&self, root: &Root, destination: &Path, volume: &ObjectName) -> Result<()> {
        root.make_dir_all(destination)?;
        let content = Root::open(self.platform.mountpoint(&DatasetName::volume(volume))?)?;
        if content.is_empty_dir("/")? {
            root.copy_tree(destination, &content)?;
        }
        Ok(())
    }

    /// The container's mounts as its jail is told.
    pub(super) fn jail_mounts(&self, mounts: &[Mount]) -> Result<Vec<JailMount>> {
        let mount = |mount: &Mount| {
            let source = match mount.kind {
                MountKind::Nullfs => PathBuf::from(&mount.source),
                MountKind::Volume => self.volume_path(&mount.source)?,
            };
            Ok(JailMount {
                source,
                target: PathBuf::from(&mount.destination),
                read_only: mount.read_only,
            })
        };
        mounts.iter().map(mount).collect()
    }

    fn volume_path(&self, name: &str) -> Result<PathBuf> {
        let name: ObjectName = name.parse().map_err(|_| EngineError::VolumeNotFound {
            given: name.to_owned(),
        })?;
        Ok(self.platform.mountpoint(&DatasetName::volume(&name))?)
    }
}

/// Whether a container cares for what becomes of volumes.
pub(super) fn mounts_volumes(container: &Container) -> bool {
    container
        .mounts
        .iter()
        .any(|mount| mount.kind == MountKind::Volume)
}

/// A directory is mounted on a directory, a file on a file.
fn make_target(root: &Root, source: &Path, destination: &Path) -> Result<()> {
    let kind = match std::fs::metadata(source) {
        Ok(metadata) => metadata.file_type(),
        Err(_) => {
            return Err(EngineError::invalid(
                "error ocurred while determining source type: :enoent",
            ));
        }
    };
    if kind.is_dir() {
        root.make_dir_all(destination)?;
    } else if kind.is_file() {
        root.touch(destination)?;
    } else {
        return Err(EngineError::invalid(
            "could not determine source type, must be either directory or regular file",
        ));
    }
    Ok(())
}
