//! Where a stage stands: a snapshot, and what was asked for since and is in no snapshot yet.

use kleene_plan::{Id, SnapshotName};

/// A place that containers can be made from, and that keys of steps begin with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Position {
    /// A snapshot of an image, or of what will be one: the dataset of a stage is its container's until the build ends.
    pub snapshot: SnapshotName,
    /// Directories that WORKDIR has asked for since.
    pub directories: Vec<String>,
    /// The image with a record that all of this was made from.
    pub image: Id,
}

impl Position {
    /// The final state or a snapshot of an image.
    pub fn of_image(image: Id, snapshot: SnapshotName) -> Self {
        Self {
            snapshot,
            directories: Vec::new(),
            image,
        }
    }

    /// A snapshot was taken here.
    pub fn advance(&mut self, snapshot: SnapshotName) {
        self.snapshot = snapshot;
        self.directories.clear();
    }
}
