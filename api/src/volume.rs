//! Volumes: storage that outlives containers.

use serde::{Deserialize, Serialize};

use crate::container::MountPoint;

/// A volume.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Volume {
    /// When it was created: UTC with microseconds, `2024-02-29T14:54:05.317207Z`.
    pub created: String,
    /// Its dataset, `<kleene_root>/volumes/<name>`.
    pub dataset: String,
    /// Where the host sees its content.
    pub mountpoint: String,
    /// Its name, which is also its id.
    pub name: String,
}

/// A volume with the places where it is mounted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct VolumeInspect {
    /// Where containers mount it.
    pub mountpoints: Vec<MountPoint>,
    /// The volume.
    pub volume: Volume,
}

/// The body of `POST /volumes/create`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct VolumeConfig {
    /// Its name.
    pub name: String,
}
