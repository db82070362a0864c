//! Volumes.

use jiff::Timestamp;
use kleene_plan::ObjectName;

/// A volume: a dataset that containers mount and that outlives them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Volume {
    /// Its name, which is its identity; the dataset is [`DatasetName::volume`](kleene_plan::DatasetName::volume) of it.
    pub name: ObjectName,
    /// When it was made; kept in microseconds.
    pub created: Timestamp,
    /// The driver that made it, as a plugin's manifest names it.
    pub driver: ObjectName,
}
