//! Datasets of the host that are not Kleene's: what images are made from.

use std::collections::BTreeMap;

use kleene_plan::{DatasetName, HostDataset, HostSnapshot};

use crate::content::Content;

/// They and their snapshots.
#[derive(Debug, Default)]
pub(crate) struct HostDatasets {
    pub(crate) datasets: BTreeMap<HostDataset, Content>,
    pub(crate) snapshots: BTreeMap<HostSnapshot, Content>,
    /// Clones, with what they are clones of.
    pub(crate) clones: BTreeMap<DatasetName, HostSnapshot>,
    /// Snapshots that go with their last clone.
    pub(crate) released: Vec<HostSnapshot>,
}

impl HostDatasets {
    pub(crate) fn has(&self, dataset: &HostDataset) -> bool {
        self.datasets.contains_key(dataset)
    }

    pub(crate) fn describe(&self, lines: &mut BTreeMap<String, String>) {
        for snapshot in self.snapshots.keys() {
            lines.insert(format!("snapshot {snapshot} of the host"), String::new());
        }
    }
}
