//! Where the files of a base image come from.

use std::path::PathBuf;

use kleene_api::{ImageCreateConfig, ImageCreateMethod};
use kleene_rootfs::{Root, host_image};

use super::archive::Archive;
use super::foreign::Foreign;
use super::made::Made;
use super::release::Release;
use crate::Engine;
use crate::cancel::Cancel;
use crate::error::{EngineError, Result};
use crate::image::host_dataset::HostSource;

/// A source that is understood; it may still turn out not to be there.
pub(super) enum Source {
    /// Programs of the host.
    Programs(Vec<PathBuf>),
    /// An archive.
    Archive(Archive),
    /// The system that the host runs, as an archive.
    Release(Release, Archive),
    /// An image of others.
    Foreign(Foreign),
    /// A dataset of the host.
    HostDataset(HostSource),
}

impl Source {
    pub(super) fn of(engine: &Engine, config: &ImageCreateConfig) -> Result<Self> {
        if !config.checksum.is_empty()
            && !matches!(
                config.method,
                ImageCreateMethod::Fetch | ImageCreateMethod::FetchAuto
            )
        {
            return Err(EngineError::invalid(format!(
                "a checksum can only be compared with what is fetched, not with the method '{}'",
                config.method
            )));
        }
        if !config.mirror.is_empty() && config.method != ImageCreateMethod::FetchAuto {
            return Err(EngineError::invalid(format!(
                "a mirror is for the method 'fetch-auto', not for '{}'",
                config.method
            )));
        }
        if let Some(source) = HostSource::of(engine, config)? {
            return Ok(Self::HostDataset(source));
        }
        match config.method {
            ImageCreateMethod::Host if config.programs.is_empty() => Err(EngineError::invalid(
                "no programs given: name at least one, such as /bin/sh",
            )),
            ImageCreateMethod::Host => Ok(Self::Programs(
                config.programs.iter().map(PathBuf::from).collect(),
            )),
            ImageCreateMethod::Fetch => Ok(Self::Archive(Archive::new(&config.url, &config.checksum)?)),
            ImageCreateMethod::FetchAuto => {
                let release = Release::of(engine.platform.system()?)?;
                let archive = Archive::new(&release.url(&config.mirror)?, &config.checksum)?;
                Ok(Self::Release(release, archive))
            }
            ImageCreateMethod::Oci => Ok(Self::Foreign(Foreign::new(config)?)),
            method @ (ImageCreateMethod::ZfsCopy | ImageCreateMethod::ZfsClone) => Err(EngineError::invalid(
                format!("the method '{method}' needs a FreeBSD host; use 'host' or 'fetch'"),
            )),
        }
    }

    /// `name[:tag]` of the image: what the user chose, or else what the source is called.
    pub(super) fn nametag<'a>(&self, config: &'a ImageCreateConfig, made: &'a Made) -> &'a str {
        match self {
            Self::Release(..) if config.autotag => &made.nametag,
            Self::Foreign(_) if config.tag.is_empty() => &made.nametag,
            _ => &config.tag,
        }
    }

    /// Fills the root of the new image.
    pub(super) fn fill(
        &self,
        engine: &Engine,
        root: &Root,
        cancel: &Cancel,
        progress: &mut dyn FnMut(&str),
    ) -> Result<Made> {
        match self {
            Self::Programs(programs) => {
                let systems = engine.platform.programs_of_images().iter().map(PathBuf::from);
                let systems = systems.filter(|program| program.exists());
                let programs: Vec<PathBuf> = programs.iter().cloned().chain(systems).collect();
                let report = host_image::populate(root, &programs)?;
                progress(&format!(
                    "Copied {} files of {} programs...\n",
                    report.files,
                    programs.len()
                ));
                Ok(Made::default())
            }
            Self::Archive(archive) => {
                archive.unpack(root, cancel, progress)?;
                Ok(Made::default())
            }
            Self::Release(release, archive) => {
                archive.unpack(root, cancel, progress)?;
                progress(&format!(
                    "Created image from the automatically detected version: {release} {}.\n",
                    release.machine()
                ));
                Ok(Made {
                    nametag: release.to_string(),
                    ..Made::default()
                })
            }
            // Its files are there with the dataset.
            Self::HostDataset(_) => Ok(Made::default()),
            Self::Foreign(foreign) => foreign.fill(
                root,
                &engine.state_dir,
                &engine.insecure_registries,
                cancel,
                progress,
            ),
        }
    }
}
