//! What is written down about a dataset: one small JSON file each, replaced by rename(2).
//!
//! There is no fsync(2). A crash of the daemon at any point loses nothing. A power loss may take back the changes of
//! the last seconds, as it may take back those of the files themselves; a record that it left half written is named in
//! the log, and until it is repaired nothing of the store is collected as garbage.

use std::fs;
use std::path::Path;

use kleene_plan::{DatasetName, Id};
use kleene_platform::{PlatformError, Result};
use serde::{Deserialize, Serialize};

use super::layout::Layout;
use crate::draft;
use crate::failure::OrFailed;

/// A dataset.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Dataset {
    /// What clones know it by: stays when it is renamed.
    pub(crate) uid: Id,
    pub(crate) content: Content,
    pub(crate) origin: Option<Origin>,
    /// Oldest first.
    pub(crate) snapshots: Vec<Snapshot>,
    /// The directory of a plain dataset is being moved: its files may already lie there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) moving_to: Option<Destination>,
    /// The dataset whose place it takes, while records that name the two are being written.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) promoting: Option<Id>,
}

/// Where the directory of a plain dataset is being moved.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Destination {
    /// To the mount point of another name.
    Mountpoint(DatasetName),
    /// Into a layer, to be frozen.
    Layer(Id),
}

/// Where a dataset's files are.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Content {
    /// In a directory at the mount point, always visible.
    Plain,
    /// In layers, visible while mounted.
    Layered {
        /// The layer that takes what is written.
        upper: Id,
        /// The layers below, uppermost first; at least one.
        lowers: Vec<Id>,
    },
}

/// The snapshot that a dataset is a clone of.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Origin {
    pub(crate) uid: Id,
    pub(crate) snapshot: String,
}

/// A snapshot.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Snapshot {
    pub(crate) name: String,
    /// Uppermost first; never written to again.
    pub(crate) layers: Vec<Id>,
}

impl Dataset {
    pub(crate) fn new(content: Content, origin: Option<Origin>) -> Self {
        Self {
            uid: Id::generate(),
            content,
            origin,
            snapshots: Vec::new(),
            moving_to: None,
            promoting: None,
        }
    }

    pub(crate) fn snapshot(&self, name: &str) -> Option<&Snapshot> {
        self.snapshots.iter().find(|snapshot| snapshot.name == name)
    }

    /// The layer that came with a snapshot; `None` inside if it is the same as the one before it. `None`: there is no
    /// such snapshot.
    pub(crate) fn snapshot_layer(&self, name: &str) -> Option<Option<Id>> {
        let place = self.snapshots.iter().position(|snapshot| snapshot.name == name)?;
        let layers = &self.snapshots[place].layers;
        let before = place.checked_sub(1).map(|before| &self.snapshots[before].layers);
        let is_new = before.is_none_or(|before| before != layers);
        Some(layers.first().filter(|_| is_new).cloned())
    }

    /// Every layer it needs, some of them more than once.
    pub(crate) fn layers(&self) -> impl Iterator<Item = &Id> {
        let own: Box<dyn Iterator<Item = &Id>> = match &self.content {
            Content::Plain => Box::new(std::iter::empty()),
            Content::Layered { upper, lowers } => Box::new(std::iter::once(upper).chain(lowers)),
        };
        let moving = self.moving_to.iter().filter_map(|destination| match destination {
            Destination::Layer(layer) => Some(layer),
            Destination::Mountpoint(_) => None,
        });
        own.chain(moving)
            .chain(self.snapshots.iter().flat_map(|snapshot| &snapshot.layers))
    }

    /// Writes the record; a reader sees the old one or the new one.
    pub(crate) fn write(&self, layout: &Layout, name: &DatasetName) -> Result<()> {
        let path = layout.record(name);
        let action = || format!("write the record of dataset {name} to {}", path.display());
        let text = serde_json::to_vec_pretty(self).or_failed(action)?;
        draft::write(&path, &text).or_failed(action)
    }

    pub(crate) fn read(path: &Path) -> std::io::Result<Self> {
        Ok(serde_json::from_slice(&fs::read(path)?)?)
    }
}

/// No dataset of this name.
pub(crate) fn no_dataset(name: &DatasetName) -> PlatformError {
    PlatformError::NotFound {
        object: format!("dataset {name}"),
    }
}
