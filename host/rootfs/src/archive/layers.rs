//! The layers of an image, one over the other.

use std::io::Read;

use super::entry::Unpacker;
use super::{Limits, Unpacked, place_all};
use crate::{Root, error::Result};

/// Unpacks layers into a root, the lowest first. The limits hold for all of them together, except for the ratio, which
/// each must keep.
#[derive(Debug)]
pub struct Layers<'r> {
    root: &'r Root,
    limits: Limits,
    done: Unpacked,
    /// Bytes of the layers when decompressed, or of their files if those are more.
    content: u64,
}

impl<'r> Layers<'r> {
    /// Layers for a root, which is empty.
    #[must_use]
    pub fn new(root: &'r Root, limits: Limits) -> Self {
        Self {
            root,
            limits,
            done: Unpacked::default(),
            content: 0,
        }
    }

    /// Applies the next layer: a tar archive, plain or compressed, in which whiteouts take away files of the layers below.
    /// `content` is given the archive as it is decompressed, `progress` the number of entries of all layers.
    ///
    /// # Errors
    /// As [`unpack`](super::unpack). An archive without entries is a layer that changes nothing, and one may lack its end:
    /// layers are told whole by their digests.
    pub fn apply(
        &mut self,
        reader: impl Read,
        content: &mut dyn FnMut(&[u8]),
        progress: &mut dyn FnMut(u64),
    ) -> Result<()> {
        let limits = Limits {
            bytes: self.limits.bytes.saturating_sub(self.content),
            ..self.limits.clone()
        };
        let unpacker = Unpacker::of_layer(self.root, &limits);
        let mut seen = 0;
        let mut counted = |bytes: &[u8]| {
            seen += bytes.len() as u64;
            content(bytes);
        };
        let mut report = Unpacked {
            bytes: 0,
            ..self.done
        };
        let placed = place_all(reader, unpacker, &limits, &mut counted, &mut report, progress);
        // A sparse file is larger than what the archive has of it.
        self.content += seen.max(report.bytes);
        self.done = Unpacked {
            bytes: self.done.bytes + report.bytes,
            ..report
        };
        placed.map(drop)
    }

    /// What all layers so far brought.
    #[must_use]
    pub fn unpacked(&self) -> Unpacked {
        self.done
    }
}
