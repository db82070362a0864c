//! `POST /containers/create`: a clone of an image, and a record.

use std::collections::BTreeMap;

use kleene_api::{ContainerConfig, MountPointConfig, MountType};
use kleene_plan::{DatasetName, Id, ObjectName, Op, SnapshotName};
use kleene_store::{Container, Image, Object, Resolution};

use crate::Engine;
use crate::container::mounts::{MountRequest, mounts_volumes};
use crate::error::{EngineError, Result};
use crate::image::FINAL_SNAPSHOT;
use crate::locks::unpoisoned_write;
use crate::{parse, wire};

impl Engine {
    /// Makes a container, which does not run yet.
    ///
    /// # Errors
    /// In the order in which they are looked for: a mount, the name, the image, a published port; then what the
    /// host says. Nothing is left of the container then.
    pub fn create_container(&self, config: &ContainerConfig) -> Result<Id> {
        for mount in &config.mounts {
            MountRequest::parse(mount)?;
        }
        let name = config.name.as_deref().map(parse::container_name).transpose()?;
        if let Some(name) = &name {
            self.refuse_taken_name(name, None)?;
        }
        let (image, snapshot) = self.find_snapshot(config.image.as_deref().unwrap_or_default())?;
        let id = Id::generate();
        let container = self.container_record(id.clone(), name, config, &image)?;
        self.refuse_unknown_snapshot(&image, &snapshot)?;
        self.make_container(container, &wanted_mounts(config, &image), &snapshot)?;
        Ok(id)
    }

    /// The record of a new container: what the request leaves open, the image says.
    pub(crate) fn container_record(
        &self,
        id: Id,
        name: Option<ObjectName>,
        config: &ContainerConfig,
        image: &Image,
    ) -> Result<Container> {
        parse::env(&config.env)?;
        let working_dir = config.working_dir.as_deref().map(working_dir).transpose()?;
        let stop_signal = config
            .stop_signal
            .as_deref()
            .map(parse::stop_signal)
            .transpose()?;
        Ok(Container {
            id,
            name,
            image: image.id.clone(),
            created: kleene_store::now(),
            cmd: command_line(config, image),
            env: parse::merge_env(&image.env, &config.env),
            user: if config.user.is_empty() {
                image.user.clone()
            } else {
                config.user.clone()
            },
            working_dir: working_dir.or_else(|| image.settings.working_dir.clone()),
            stop_signal: stop_signal.or_else(|| image.settings.stop_signal.clone()),
            jail_param: config.jail_param.clone(),
            network_driver: wire::driver_from(config.network_driver),
            persist: config.persist,
            restart_policy: wire::policy_from(config.restart_policy),
            labels: merged(&image.settings.labels, &config.labels),
            mounts: Vec::new(),
            ports: self.parse_ports(config)?,
            generation: 0,
            started: None,
            last_exit: None,
        })
    }

    /// Clones the snapshot, prepares the mounts, and stores the record.
    pub(crate) fn make_container(
        &self,
        mut container: Container,
        mounts: &[MountPointConfig],
        snapshot: &SnapshotName,
    ) -> Result<()> {
        let mounts = mounts
            .iter()
            .map(MountRequest::parse)
            .collect::<Result<Vec<_>>>()?;
        container.mounts = mounts.iter().map(MountRequest::record).collect();
        let _volumes_stay = mounts_volumes(&container).then(|| unpoisoned_write(&self.volumes));
        let dataset = DatasetName::container(&container.id);
        self.transact(
            "create container",
            &Object::Container(container.id.clone()),
            |transaction| {
                let clone = Op::CloneDataset {
                    snapshot: snapshot.clone(),
                    dataset: dataset.clone(),
                };
                transaction.apply(clone)?;
                self.prepare_mounts(transaction, &dataset, &mounts)
            },
            |write, new_volumes| {
                for volume in new_volumes {
                    write.insert_volume(volume)?;
                }
                Ok(write.insert_container(&container)?)
            },
        )?;
        Ok(())
    }

    /// The image and the snapshot of it that a reference means: the one named, or the image's final state.
    pub(crate) fn find_snapshot(&self, reference: &str) -> Result<(Image, SnapshotName)> {
        let (given, snapshot) = parse::image_reference(reference);
        let no_such_image = || EngineError::invalid(format!("no such image '{reference}'"));
        let image = match self.find_image(given) {
            Err(EngineError::ImageNotFound { .. }) => return Err(no_such_image()),
            image => image?,
        };
        let name = snapshot.unwrap_or(FINAL_SNAPSHOT);
        let snapshot = match image.snapshot(name) {
            Some(known) => known.clone(),
            None => DatasetName::image(&image.id)
                .snapshot(name)
                .map_err(|_| no_such_image())?,
        };
        Ok((image, snapshot))
    }

    /// In the words of zfs(8), which are those of the contract.
    fn refuse_unknown_snapshot(&self, image: &Image, snapshot: &SnapshotName) -> Result<()> {
        let name = snapshot.name();
        if name == FINAL_SNAPSHOT || image.snapshot(name).is_some() {
            return Ok(());
        }
        let dataset = self.platform.full_name(&DatasetName::image(&image.id));
        Err(EngineError::invalid(format!(
            "cannot open '{dataset}@{name}': dataset does not exist\n"
        )))
    }

    /// Two containers cannot have one name; the constraint in the store decides, this only says it early and well.
    pub(crate) fn refuse_taken_name(&self, name: &ObjectName, except: Option<&Id>) -> Result<()> {
        let holder = self
            .store
            .read(|read| match read.resolve_container(name.as_str())? {
                Resolution::Found(id) => read.container(&id),
                Resolution::None | Resolution::Ambiguous => Ok(None),
            })?;
        match holder {
            // What was found may as well be found by its id.
            Some(holder) if holder.name.as_ref() == Some(name) && Some(&holder.id) != except => {
                Err(EngineError::conflict(format!(
                    "the name '{name}' is already taken by container {}; remove or rename that one, or choose another name",
                    holder.id
                )))
            }
            _ => Ok(()),
        }
    }
}

/// Entrypoint and command as one. Whoever brings an entrypoint of his own does not want the image's command with it.
fn command_line(config: &ContainerConfig, image: &Image) -> Vec<String> {
    let (entrypoint, default): (&[String], &[String]) = match &config.entrypoint {
        Some(own) => (own, &[]),
        None => (&image.settings.entrypoint, &image.cmd),
    };
    let command = if config.cmd.is_empty() {
        default
    } else {
        &config.cmd
    };
    [entrypoint, command].concat()
}

/// What the request mounts, and a new volume for each directory that the image declares to be one and that nothing is
/// mounted at. Such a volume is filled from the image, and stays until volumes are pruned.
pub(crate) fn wanted_mounts(config: &ContainerConfig, image: &Image) -> Vec<MountPointConfig> {
    let place = |path: &str| path.trim_matches('/').to_owned();
    let is_free = |path: &&String| {
        let mut mounted = config.mounts.iter();
        mounted.all(|mount| place(&mount.destination) != place(path))
    };
    let volume = |path: &String| MountPointConfig {
        destination: path.clone(),
        read_only: false,
        source: Id::generate().to_string(),
        kind: MountType::Volume,
    };
    let own = image.settings.volumes.iter().filter(is_free).map(volume);
    config.mounts.iter().cloned().chain(own).collect()
}

fn working_dir(path: &str) -> Result<String> {
    if path.starts_with('/') && !path.contains('\0') {
        return Ok(path.to_owned());
    }
    Err(EngineError::invalid(format!(
        "the working directory '{path}' is not an absolute path"
    )))
}

/// Labels, where those of `over` win.
fn merged(under: &BTreeMap<String, String>, over: &BTreeMap<String, String>) -> BTreeMap<String, String> {
    let mut labels = under.clone();
    labels.extend(over.clone());
    labels
}
