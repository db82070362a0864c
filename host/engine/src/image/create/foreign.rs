//! The method `oci`: an image of others, from a registry, a layout, or an archive.

use std::fs::File;
use std::path::Path;

use kleene_api::ImageCreateConfig;
use kleene_oci::{Credentials, OciError, Place, Platform, Progress, Reference, Registry, open_file};
use kleene_rootfs::Root;
use kleene_rootfs::archive::Limits;

use super::made::Made;
use crate::cancel::Cancel;
use crate::error::{EngineError, Result};
use crate::image::oci::Recipe;
use crate::image::size::Size;
use crate::parse;

/// What an archive is called that has no path.
const SENT: &str = "the archive";

/// Where an image of others lies.
pub(super) struct Foreign {
    source: Source,
    platform: Platform,
}

enum Source {
    /// On this host.
    Place(Place),
    /// In an archive that a client sent.
    Archive(File),
    /// In a registry.
    Registry(Reference, Option<Credentials>),
}

impl Foreign {
    /// # Errors
    /// If reference or platform cannot be understood.
    pub(super) fn new(config: &ImageCreateConfig) -> Result<Self> {
        let url = config.url.as_str();
        let path = ["file://", "oci:", "oci-archive:", "docker-archive:"]
            .iter()
            .find_map(|scheme| url.strip_prefix(scheme))
            .unwrap_or(url);
        let source = if path.starts_with('/') {
            Source::Place(Place::parse(path))
        } else if path != url {
            return Err(EngineError::invalid(format!(
                "'{url}' names no image: the path must be absolute, on the daemon's host"
            )));
        } else {
            let credentials = config.credentials.as_ref().map(|credentials| Credentials {
                username: credentials.username.clone(),
                password: credentials.password.clone(),
            });
            Source::Registry(url.parse().map_err(in_words)?, credentials)
        };
        Ok(Self {
            source,
            platform: platform(config)?,
        })
    }

    /// # Errors
    /// If the platform cannot be understood.
    pub(super) fn of_archive(archive: File, config: &ImageCreateConfig) -> Result<Self> {
        Ok(Self {
            source: Source::Archive(archive),
            platform: platform(config)?,
        })
    }

    /// Finds the image and unpacks its layers into `root`. `scratch` has room for whole images.
    pub(super) fn fill(
        &self,
        root: &Root,
        scratch: &Path,
        insecure: &[String],
        cancel: &Cancel,
        progress: &mut dyn FnMut(&str),
    ) -> Result<Made> {
        let limits = Limits::default();
        let given_up = || cancel.is_cancelled();
        let mut image = match &self.source {
            Source::Place(place) => place.open(&self.platform, scratch, &limits).map_err(in_words)?,
            Source::Archive(file) => {
                let file = file.try_clone().map_err(|source| {
                    EngineError::Oci(OciError::Io {
                        action: "read",
                        path: SENT.to_owned(),
                        source,
                    })
                })?;
                open_file(file, SENT, &self.platform, scratch, &limits).map_err(in_words)?
            }
            Source::Registry(reference, credentials) => {
                progress(&format!("Pulling {reference} for {}...\n", self.platform));
                let registry =
                    Registry::new(reference.clone(), credentials.clone(), insecure).map_err(in_words)?;
                registry
                    .pull(&self.platform, scratch, &limits, &given_up)
                    .map_err(in_words)?
            }
        };
        let unpacked = image
            .unpack(root, limits, &given_up, &mut |step| progress(&line(&step)))
            .map_err(in_words)?;
        if unpacked.attributes_lost > 0 {
            progress(&format!(
                "{} extended attributes were left out, which this file system cannot hold\n",
                unpacked.attributes_lost
            ));
        }
        progress(&format!("Unpacked {} files...\n", unpacked.entries));
        let nametag = image
            .name()
            .and_then(|name| name.parse::<Reference>().ok()?.nametag())
            .filter(|nametag| parse::nametag(nametag).is_ok())
            .unwrap_or_default();
        Ok(Made {
            recipe: Recipe::from(image.config()),
            nametag,
        })
    }
}

fn platform(config: &ImageCreateConfig) -> Result<Platform> {
    match config.platform.as_str() {
        "" => Ok(Platform::of_this_host()),
        text => text.parse().map_err(in_words),
    }
}

pub(in crate::image) fn in_words(error: OciError) -> EngineError {
    match error {
        OciError::GivenUp => EngineError::Cancelled,
        error => EngineError::Oci(error),
    }
}

/// How far a layer is, in a line of its own.
pub(in crate::image) fn line(progress: &Progress) -> String {
    match progress {
        Progress::Fetching {
            layer,
            received,
            size,
        } => format!(
            "Layer {}: fetched {} of {}...\n",
            layer.short(),
            Size(*received),
            Size(*size)
        ),
        Progress::Fetched { layer, size } => format!("Layer {}: fetched {}\n", layer.short(), Size(*size)),
        Progress::Unpacked { layer, .. } => format!("Layer {}: unpacked\n", layer.short()),
        Progress::Sending { layer, sent, size } => {
            format!(
                "Layer {}: sent {} of {}...\n",
                layer.short(),
                Size(*sent),
                Size(*size)
            )
        }
        Progress::Sent {
            layer, known: true, ..
        } => format!("Layer {}: is there already\n", layer.short()),
        Progress::Sent { layer, size, .. } => format!("Layer {}: sent {}\n", layer.short(), Size(*size)),
    }
}
