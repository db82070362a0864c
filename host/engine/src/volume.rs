//! Volumes: datasets that outlive containers.

use kleene_api::{VolumeConfig, VolumeInspect};
use kleene_plan::{DatasetName, ObjectName, Op, VolumeFacts};
use kleene_store::{MountKind, Object, Volume};

use crate::Engine;
use crate::error::{EngineError, Result};
use crate::locks::unpoisoned_write;
use crate::transaction::Transaction;
use crate::wire;

/// The driver of volumes for which none was named.
pub(crate) const DEFAULT_DRIVER: &str = "zfs";

impl Engine {
    /// Makes a volume; one that exists is left as it is. Returns its name.
    ///
    /// # Errors
    /// A name that cannot be one; what the driver or the host says.
    pub fn create_volume(&self, config: &VolumeConfig) -> Result<String> {
        let name: ObjectName = config
            .name
            .parse()
            .map_err(|error| EngineError::invalid(format!("cannot create volume: {error}")))?;
        let _alone = unpoisoned_write(&self.volumes);
        if self.store.read(|read| read.volume(&name))?.is_none() {
            self.transact(
                "create volume",
                &Object::Volume(name.clone()),
                |transaction| self.make_volume(transaction, &name),
                |write, volume| Ok(write.insert_volume(volume)?),
            )?;
        }
        Ok(name.to_string())
    }

    /// Applies the driver's plan for a new volume, which is mounted from then on. The caller holds the lock.
    pub(crate) fn make_volume(&self, transaction: &mut Transaction<'_>, name: &ObjectName) -> Result<Volume> {
        let driver: ObjectName = DEFAULT_DRIVER
            .parse()
            .map_err(|error| EngineError::invalid(format!("{error}")))?;
        let facts = VolumeFacts {
            name: name.clone(),
            dataset: DatasetName::volume(name),
        };
        let plan = self.plan_volume(driver.as_str(), &facts)?;
        plan.ops.into_iter().try_for_each(|op| transaction.apply(op))?;
        transaction.apply(Op::MountDataset(facts.dataset))?;
        Ok(Volume {
            name: name.clone(),
            created: kleene_store::now(),
            driver,
        })
    }

    /// Volumes, the newest first.
    ///
    /// # Errors
    /// If the state cannot be read.
    pub fn volumes(&self) -> Result<Vec<kleene_api::Volume>> {
        let volumes = self.store.read(|read| read.volumes())?;
        volumes
            .iter()
            .map(|volume| wire::volume(volume, self.platform.as_ref()))
            .collect()
    }

    /// One volume and where it is mounted.
    ///
    /// # Errors
    /// [`EngineError::VolumeNotFound`].
    pub fn inspect_volume(&self, given: &str) -> Result<VolumeInspect> {
        let volume = self.find_volume(given)?;
        let mounts = self.store.read(|read| read.mounts_of_volume(&volume.name))?;
        Ok(VolumeInspect {
            mountpoints: mounts
                .iter()
                .map(|(container, mount)| wire::mount(mount, container))
                .collect(),
            volume: wire::volume(&volume, self.platform.as_ref())?,
        })
    }

    /// Removes a volume that no running container mounts; containers that do not run lose the mount.
    ///
    /// # Errors
    /// [`EngineError::VolumeNotFound`], [`EngineError::Conflict`] naming the containers, or what the host says: then
    /// it is still there.
    pub fn remove_volume(&self, given: &str) -> Result<()> {
        let _alone = unpoisoned_write(&self.volumes);
        let volume = self.find_volume(given)?;
        let mut running = Vec::new();
        for (container, _) in self.store.read(|read| read.mounts_of_volume(&volume.name))? {
            if self.container_by_id(&container)?.started.is_some() {
                running.push(container.to_string());
            }
        }
        // A container may mount it more than once; its mounts come one after the other.
        running.dedup();
        if !running.is_empty() {
            return Err(EngineError::Conflict(format!(
                "volume '{}' is used by running containers; stop them first: {}",
                volume.name,
                running.join(", ")
            )));
        }
        self.destroy_volume(&volume.name)
    }

    /// Removes all volumes that no container mounts. Returns their names, ordered; one that cannot be removed is
    /// logged and stays.
    ///
    /// # Errors
    /// If the state cannot be read.
    pub fn prune_volumes(&self) -> Result<Vec<String>> {
        let _alone = unpoisoned_write(&self.volumes);
        let mut names: Vec<ObjectName> = self
            .store
            .read(|read| read.volumes())?
            .into_iter()
            .map(|volume| volume.name)
            .collect();
        names.sort();
        let mut removed = Vec::new();
        for name in names {
            if !self.store.read(|read| read.mounts_of_volume(&name))?.is_empty() {
                continue;
            }
            match self.destroy_volume(&name) {
                Ok(()) => removed.push(name.to_string()),
                Err(error) => tracing::warn!(volume = %name, %error, "could not prune"),
            }
        }
        Ok(removed)
    }

    /// The caller holds the lock.
    pub(crate) fn destroy_volume(&self, name: &ObjectName) -> Result<()> {
        let dataset = DatasetName::volume(name);
        let ops = [Op::UnmountDataset(dataset.clone()), Op::DestroyDataset(dataset)];
        self.remove("remove volume", &Object::Volume(name.clone()), &ops, |write| {
            let mut users: Vec<_> = write
                .mounts_of_volume(name)?
                .into_iter()
                .map(|(id, _)| id)
                .collect();
            users.dedup();
            for user in users {
                if let Some(mut container) = write.container(&user)? {
                    container
                        .mounts
                        .retain(|mount| mount.kind != MountKind::Volume || mount.source != name.as_str());
                    write.update_container(&container)?;
                }
            }
            write.remove_volume(name)?;
            Ok(())
        })
    }

    fn find_volume(&self, given: &str) -> Result<Volume> {
        let not_found = || EngineError::VolumeNotFound {
            given: given.to_owned(),
        };
        let name: ObjectName = given.parse().map_err(|_| not_found())?;
        self.store.read(|read| read.volume(&name))?.ok_or_else(not_found)
    }
}
