//! An image that can be unpacked, wherever its layers come from.

use std::io::{self, Read};

use kleene_rootfs::Root;
use kleene_rootfs::archive::{Layers, Limits, Unpacked};

use crate::config::ImageConfig;
use crate::digest::{Digest, Sum, Summed};
use crate::error::{OciError, Result};

/// How far it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Progress {
    /// A layer is being fetched.
    Fetching {
        /// Which.
        layer: Digest,
        /// Bytes that have come.
        received: u64,
        /// Bytes in all.
        size: u64,
    },
    /// A layer has come whole, or was here already.
    Fetched {
        /// Which.
        layer: Digest,
        /// Bytes in all.
        size: u64,
    },
    /// A layer has been unpacked.
    Unpacked {
        /// Which.
        layer: Digest,
        /// Entries of all layers so far.
        entries: u64,
    },
    /// A layer is being sent.
    Sending {
        /// Which.
        layer: Digest,
        /// Bytes that were sent.
        sent: u64,
        /// Bytes in all.
        size: u64,
    },
    /// A layer is in the registry.
    Sent {
        /// Which.
        layer: Digest,
        /// Bytes in all.
        size: u64,
        /// Whether it was there already.
        known: bool,
    },
}

/// Gives the layers of an image.
pub(crate) trait Blobs {
    /// The content of a layer as it is kept, from the lowest with the index 0 on, each once. Waits for it.
    fn layer(&mut self, index: usize, progress: &mut dyn FnMut(Progress)) -> Result<Box<dyn Read + '_>>;
}

/// What is known of a layer before it is read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Layer {
    /// The digest of it as it is kept; none in archives of old Dockers, which name layers otherwise.
    pub(crate) digest: Option<Digest>,
    /// Bytes of it as it is kept.
    pub(crate) size: u64,
}

/// An image of others: its configuration is known, its layers may still have to come.
pub struct Image<'a> {
    /// What it is called, for messages.
    pub(crate) place: String,
    pub(crate) name: Option<String>,
    pub(crate) config: ImageConfig,
    pub(crate) layers: Vec<Layer>,
    pub(crate) blobs: Box<dyn Blobs + 'a>,
}

impl std::fmt::Debug for Image<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Image")
            .field("place", &self.place)
            .field("name", &self.name)
            .field("config", &self.config)
            .field("layers", &self.layers)
            .finish_non_exhaustive()
    }
}

impl<'a> Image<'a> {
    /// # Errors
    /// [`OciError::Malformed`] if the configuration cannot be read, or does not fit the layers.
    pub(crate) fn new(
        place: &str,
        name: Option<String>,
        config: &[u8],
        layers: Vec<Layer>,
        blobs: Box<dyn Blobs + 'a>,
    ) -> Result<Self> {
        let malformed = |reason: String| OciError::malformed("the configuration", place, reason);
        let config: ImageConfig =
            serde_json::from_slice(config).map_err(|error| malformed(error.to_string()))?;
        if config.rootfs.diff_ids.len() != layers.len() {
            return Err(malformed(format!(
                "it speaks of {} layers, and there are {}",
                config.rootfs.diff_ids.len(),
                layers.len()
            )));
        }
        Ok(Self {
            place: place.to_owned(),
            name,
            config,
            layers,
            blobs,
        })
    }

    /// Its configuration.
    #[must_use]
    pub fn config(&self) -> &ImageConfig {
        &self.config
    }

    /// The name that it comes with: `name[:tag]`, perhaps with a registry.
    #[must_use]
    pub fn name(&self) -> Option<&str> {
        self.name.as_deref()
    }

    /// Bytes of all layers as they are kept.
    #[must_use]
    pub fn size(&self) -> u64 {
        self.layers.iter().map(|layer| layer.size).sum()
    }

    /// Unpacks all layers, the lowest first, into an empty root, and verifies each: as it is kept, and as it is when
    /// decompressed. `given_up` is looked at again and again.
    ///
    /// # Errors
    /// [`OciError::Rootfs`] for hostile layers and those over the limits, [`OciError::WrongDigest`], whatever keeps layers
    /// from coming, [`OciError::GivenUp`]. What was unpacked stays, for the caller to destroy.
    pub fn unpack(
        &mut self,
        root: &Root,
        limits: Limits,
        given_up: &dyn Fn() -> bool,
        progress: &mut dyn FnMut(Progress),
    ) -> Result<Unpacked> {
        let mut applied = Layers::new(root, limits);
        for (index, layer) in self.layers.iter().enumerate() {
            let expected = &self.config.rootfs.diff_ids[index];
            let reader = self.blobs.layer(index, progress)?;
            let mut reader = Summed::new(Unhurried { reader, given_up });
            let mut content = Sum::default();
            let done = applied.apply(&mut reader, &mut |bytes| content.add(bytes), &mut |_| {});
            if given_up() {
                return Err(OciError::GivenUp);
            }
            done?;
            let named = layer.digest.as_ref().unwrap_or(expected);
            let what = format!("layer {}", named.short());
            io::copy(&mut reader, &mut io::sink()).map_err(OciError::io("read", &what))?;
            let (_, found, _) = reader.finish();
            if let Some(digest) = &layer.digest {
                verify(&what, &self.place, digest, found)?;
            }
            verify(
                &format!("the content of {what}"),
                &self.place,
                expected,
                content.digest(),
            )?;
            progress(Progress::Unpacked {
                layer: named.clone(),
                entries: applied.unpacked().entries,
            });
        }
        Ok(applied.unpacked())
    }
}

/// # Errors
/// [`OciError::WrongDigest`] if they differ.
pub(crate) fn verify(what: &str, place: &str, expected: &Digest, found: Digest) -> Result<()> {
    if *expected == found {
        return Ok(());
    }
    Err(OciError::WrongDigest {
        what: what.to_owned(),
        place: place.to_owned(),
        expected: expected.to_string(),
        found: found.to_string(),
    })
}

/// Cannot be read any further once nobody waits for it.
struct Unhurried<'a, R> {
    reader: R,
    given_up: &'a dyn Fn() -> bool,
}

impl<R: Read> Read for Unhurried<'_, R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if (self.given_up)() {
            return Err(io::Error::other("given up"));
        }
        self.reader.read(buffer)
    }
}
