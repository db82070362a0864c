//! Base images: from programs of the host, from an archive, or from an image of others.

mod archive;
mod base_update;
mod foreign;
mod made;
mod release;
mod source;

use std::fs::File;
use std::io;
use std::path::Path;

use foreign::Foreign;
use kleene_api::ImageCreateConfig;
use kleene_plan::{DatasetName, Id, Op, SnapshotName};
use kleene_rootfs::Root;
use kleene_store::{Image, Object};
use source::Source;

pub(super) use foreign::{in_words, line};

use crate::Engine;
use crate::cancel::Cancel;
use crate::error::{EngineError, Result};
use crate::image::FINAL_SNAPSHOT;
use crate::parse;

impl Engine {
    /// Makes a base image. `progress` is given lines, each with its newline.
    ///
    /// # Errors
    /// What is wrong with the source; nothing is left of the image then.
    pub fn create_image(
        &self,
        config: &ImageCreateConfig,
        cancel: &Cancel,
        progress: &mut dyn FnMut(&str),
    ) -> Result<Id> {
        // What the user wrote is judged before where it comes from.
        parse::nametag(&config.tag)?;
        base_update::check(config)?;
        self.make_image(config, &Source::of(self, config)?, cancel, progress)
    }

    /// Makes an image of an archive, as the method `oci` does.
    ///
    /// # Errors
    /// As [`create_image`](Self::create_image).
    pub fn load_image(
        &self,
        archive: File,
        config: &ImageCreateConfig,
        cancel: &Cancel,
        progress: &mut dyn FnMut(&str),
    ) -> Result<Id> {
        parse::nametag(&config.tag)?;
        let source = Source::Foreign(Foreign::of_archive(archive, config)?);
        self.make_image(config, &source, cancel, progress)
    }

    /// A file without a name, on the file system where there is room for whole images.
    ///
    /// # Errors
    /// What the system says.
    pub fn scratch_file(&self) -> io::Result<File> {
        tempfile::tempfile_in(&self.state_dir)
    }

    fn make_image(
        &self,
        config: &ImageCreateConfig,
        source: &Source,
        cancel: &Cancel,
        progress: &mut dyn FnMut(&str),
    ) -> Result<Id> {
        let id = Id::generate();
        let dataset = DatasetName::image(&id);
        self.transact(
            "create image",
            &Object::Image(id.clone()),
            |transaction| {
                match source {
                    Source::HostDataset(host) => host.make(transaction, &id, progress)?,
                    _ => transaction.apply(Op::CreateDataset(dataset.clone()))?,
                }
                let made = transaction.in_root(&dataset, |_, root| {
                    let made = source.fill(self, root, cancel, progress)?;
                    if config.dns {
                        root.copy_host_file("/etc/resolv.conf", "etc/resolv.conf")?;
                        root.provide_hosts()?;
                    }
                    if config.localtime {
                        copy_localtime(root, progress)?;
                    }
                    if config.update {
                        self.update_base(&id, root, cancel, progress)?;
                    }
                    cancel.check()?;
                    Ok(made)
                })?;
                transaction.apply(Op::CreateSnapshot(self.final_snapshot(&id)?))?;
                Ok(made)
            },
            |write, made| {
                let recipe = made.recipe.clone();
                let (name, tag) = parse::nametag(source.nametag(config, made))?;
                write.insert_image(&Image {
                    id: id.clone(),
                    name: String::new(),
                    tag: String::new(),
                    created: kleene_store::now(),
                    cmd: recipe.cmd,
                    env: recipe.env,
                    user: recipe.user,
                    settings: recipe.settings,
                    instructions: Vec::new(),
                    snapshots: Vec::new(),
                    origin: None,
                    size: None,
                })?;
                Ok(write.tag_image(&id, &name, &tag)?)
            },
        )?;
        self.measure(&id);
        Ok(id)
    }

    pub(super) fn final_snapshot(&self, image: &Id) -> Result<SnapshotName> {
        self.final_snapshot_of(&DatasetName::image(image))
    }

    pub(super) fn final_snapshot_of(&self, dataset: &DatasetName) -> Result<SnapshotName> {
        dataset
            .snapshot(FINAL_SNAPSHOT)
            .map_err(|error| EngineError::invalid(error.to_string()))
    }
}

fn copy_localtime(root: &Root, progress: &mut dyn FnMut(&str)) -> Result<()> {
    if Path::new("/etc/localtime").exists() {
        root.copy_host_file("/etc/localtime", "etc/localtime")?;
    } else {
        progress("/etc/localtime not found on host, skipping...\n");
    }
    Ok(())
}
