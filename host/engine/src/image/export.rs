//! Images for others: as an archive, and sent to a registry.

use std::io::Write;

use kleene_api::ImagePushConfig;
use kleene_oci::{Credentials, PackedImage, Packing, Reference, Registry};
use kleene_plan::DatasetName;
use kleene_store::{Image, Object};

use super::create::{in_words, line};
use super::oci::config_of;
use crate::Engine;
use crate::cancel::Cancel;
use crate::error::{EngineError, Result};

/// An image that is packed and can be written.
#[derive(Debug)]
pub struct ImageArchive {
    packed: PackedImage,
    name: Option<String>,
}

impl ImageArchive {
    /// Writes it: an OCI layout in a tar archive, which `docker load` takes as well.
    ///
    /// # Errors
    /// If it cannot be written; then part of it was.
    pub fn write(&mut self, writer: impl Write) -> Result<()> {
        self.packed
            .write_archive(self.name.as_deref(), writer)
            .map_err(in_words)
    }
}

impl Engine {
    /// Packs an image as an archive. That takes as long as its files are large; writing it is quick then.
    ///
    /// # Errors
    /// [`EngineError::ImageNotFound`]; what cannot be packed, by name.
    pub fn export_image(&self, given: &str, cancel: &Cancel) -> Result<ImageArchive> {
        let image = self.find_image(given)?;
        Ok(ImageArchive {
            packed: self.pack_image(&image, Packing::Plain, cancel)?,
            name: nametag(&image),
        })
    }

    /// Sends an image to a registry; returns the digest by which it can be pulled. `progress` is given lines.
    ///
    /// # Errors
    /// [`EngineError::ImageNotFound`]; [`EngineError::Oci`] with what the registry says.
    pub fn push_image(
        &self,
        config: &ImagePushConfig,
        cancel: &Cancel,
        progress: &mut dyn FnMut(&str),
    ) -> Result<String> {
        let reference: Reference = config.reference.parse().map_err(in_words)?;
        if reference.has_digest() {
            return Err(EngineError::invalid(format!(
                "'{reference}' has a digest, which an image only gets when it is sent: write name[:tag]"
            )));
        }
        let image = self.find_image(&config.image)?;
        let credentials = config.credentials.as_ref().map(|credentials| Credentials {
            username: credentials.username.clone(),
            password: credentials.password.clone(),
        });
        let registry =
            Registry::new(reference.clone(), credentials, &self.insecure_registries).map_err(in_words)?;
        progress(&format!("Packing image {}...\n", image.id));
        let packed = self.pack_image(&image, Packing::Gzip, cancel)?;
        progress(&format!("Pushing to {reference}...\n"));
        let given_up = || cancel.is_cancelled();
        let digest = registry
            .push(&packed, &given_up, &mut |step| progress(&line(&step)))
            .map_err(in_words)?;
        Ok(digest.to_string())
    }

    fn pack_image(&self, image: &Image, packing: Packing, cancel: &Cancel) -> Result<PackedImage> {
        let config = config_of(image)?;
        // Two at a time would unmount the files under each other.
        self.locks.hold(&image.id, || {
            self.in_root(
                &Object::Image(image.id.clone()),
                &DatasetName::image(&image.id),
                |root| {
                    PackedImage::of(root, config, packing, &self.state_dir, &|| cancel.is_cancelled())
                        .map_err(in_words)
                },
            )
        })
    }
}

/// What an image is called in an archive.
fn nametag(image: &Image) -> Option<String> {
    (!image.name.is_empty()).then(|| format!("{}:{}", image.name, image.tag))
}
