//! Manifests and indexes, of OCI and of Docker, which differ in their media types only.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::digest::Digest;
use crate::error::{OciError, Result};
use crate::platform::Platform;

pub(crate) const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
pub(crate) const INDEX: &str = "application/vnd.oci.image.index.v1+json";
pub(crate) const CONFIG: &str = "application/vnd.oci.image.config.v1+json";
pub(crate) const LAYER: &str = "application/vnd.oci.image.layer.v1.tar";
pub(crate) const LAYER_GZIP: &str = "application/vnd.oci.image.layer.v1.tar+gzip";
pub(crate) const DOCKER_MANIFEST: &str = "application/vnd.docker.distribution.manifest.v2+json";
pub(crate) const DOCKER_INDEX: &str = "application/vnd.docker.distribution.manifest.list.v2+json";

/// The annotation of an index's entry that holds its name.
pub(crate) const REF_NAME: &str = "org.opencontainers.image.ref.name";

/// Where some content is, and what.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Descriptor {
    #[serde(default)]
    pub(crate) media_type: String,
    pub(crate) digest: Digest,
    pub(crate) size: u64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) platform: Option<Platform>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) annotations: Option<BTreeMap<String, String>>,
}

impl Descriptor {
    pub(crate) fn new(media_type: &str, digest: Digest, size: u64) -> Self {
        Self {
            media_type: media_type.to_owned(),
            digest,
            size,
            platform: None,
            annotations: None,
        }
    }

    /// Its name in an index.
    pub(crate) fn name(&self) -> Option<&str> {
        Some(self.annotations.as_ref()?.get(REF_NAME)?.as_str())
    }

    /// Whether it is a manifest of an image, and not of something that accompanies one, such as a signature.
    fn is_image(&self) -> bool {
        let is_unknown = |platform: &Platform| platform.os == "unknown";
        let is_manifest =
            ["", MANIFEST, INDEX, DOCKER_MANIFEST, DOCKER_INDEX].contains(&self.media_type.as_str());
        is_manifest && !self.platform.as_ref().is_some_and(is_unknown)
    }
}

/// An image: its configuration and its layers, the lowest first.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Manifest {
    pub(crate) schema_version: u32,
    pub(crate) media_type: String,
    pub(crate) config: Descriptor,
    pub(crate) layers: Vec<Descriptor>,
}

/// Several images, for several platforms.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Index {
    pub(crate) schema_version: u32,
    pub(crate) media_type: String,
    pub(crate) manifests: Vec<Descriptor>,
}

/// What a document that may be either turned out to be.
#[derive(Debug)]
pub(crate) enum Document {
    Manifest(Manifest),
    Index(Index),
}

impl Document {
    /// Reads a manifest or index of `place`.
    ///
    /// # Errors
    /// [`OciError::Malformed`], also for versions of before 2016.
    pub(crate) fn parse(bytes: &[u8], place: &str) -> Result<Self> {
        #[derive(Deserialize)]
        #[serde(rename_all = "camelCase")]
        struct Either {
            schema_version: u32,
            #[serde(default)]
            media_type: String,
            config: Option<Descriptor>,
            layers: Option<Vec<Descriptor>>,
            manifests: Option<Vec<Descriptor>>,
        }
        let malformed = |reason: String| OciError::malformed("the manifest", place, reason);
        let either: Either = serde_json::from_slice(bytes).map_err(|error| malformed(error.to_string()))?;
        let Either {
            schema_version,
            media_type,
            ..
        } = either;
        if schema_version != 2 {
            return Err(malformed(format!(
                "it is of version {schema_version}; only version 2 can be read"
            )));
        }
        match (either.config, either.layers, either.manifests) {
            (Some(config), layers, None) => Ok(Self::Manifest(Manifest {
                schema_version,
                media_type,
                config,
                layers: layers.unwrap_or_default(),
            })),
            (None, None, Some(manifests)) => Ok(Self::Index(Index {
                schema_version,
                media_type,
                manifests,
            })),
            _ => Err(malformed("it is neither of an image nor an index".to_owned())),
        }
    }
}

impl Index {
    /// The entry for a platform. An index that does not speak of platforms and has one image has it for all.
    ///
    /// # Errors
    /// [`OciError::NoSuchPlatform`] with those that there are.
    pub(crate) fn choose(&self, wanted: &Platform, place: &str) -> Result<&Descriptor> {
        let images: Vec<&Descriptor> = self.manifests.iter().filter(|entry| entry.is_image()).collect();
        if let Some(chosen) = wanted.choose(&images, |entry| entry.platform.as_ref()) {
            return Ok(chosen);
        }
        match images.as_slice() {
            [only] if only.platform.is_none() => Ok(only),
            [] => Err(OciError::NotAnImage {
                place: place.to_owned(),
                reason: "its index holds no image".to_owned(),
            }),
            _ => Err(OciError::NoSuchPlatform {
                place: place.to_owned(),
                wanted: wanted.to_string(),
                offered: images
                    .iter()
                    .map(|entry| match &entry.platform {
                        Some(platform) => platform.to_string(),
                        None => entry.name().unwrap_or("an unknown one").to_owned(),
                    })
                    .collect(),
            }),
        }
    }
}
