//! Images.

use jiff::Timestamp;
use kleene_plan::{Id, SnapshotName};

use super::ImageSettings;

/// An image: a dataset that containers are cloned from, and how their processes start unless they say otherwise.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Image {
    /// Its id; the dataset is [`DatasetName::image`](kleene_plan::DatasetName::image) of it.
    pub id: Id,
    /// Its name; empty: it has none. No two images share a name and tag unless the name is empty.
    pub name: String,
    /// Its tag.
    pub tag: String,
    /// When it was made; kept in microseconds.
    pub created: Timestamp,
    /// Program and arguments.
    pub cmd: Vec<String>,
    /// `NAME=value`.
    pub env: Vec<String>,
    /// Who runs the program; empty: root.
    pub user: String,
    /// Lines of the Dockerfile it was built from, each with the snapshot it made (`@<id>`, or empty).
    pub instructions: Vec<(String, String)>,
    /// What else it says about its containers.
    pub settings: ImageSettings,
    /// The snapshots that containers can be made from, oldest first. Those of steps that a build took from its cache
    /// are of other images' datasets.
    pub snapshots: Vec<SnapshotName>,
    /// The snapshot that its dataset is a clone of. While the record exists, the image which that belongs to cannot
    /// be removed.
    pub origin: Option<SnapshotName>,
    /// How much it holds, once that was measured.
    pub size: Option<ImageSize>,
}

/// How much an image holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ImageSize {
    /// Bytes of all its files.
    pub total: u64,
    /// Of those, the bytes that the image it was made from does not have.
    pub own: u64,
}

impl Image {
    /// The snapshot of this name, without `@`.
    #[must_use]
    pub fn snapshot(&self, name: &str) -> Option<&SnapshotName> {
        self.snapshots.iter().find(|snapshot| snapshot.name() == name)
    }
}
