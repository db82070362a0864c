//! The daemon and its host as a whole. 0.1.1 knows nothing of this.

use serde::{Deserialize, Serialize};

/// The answer of `POST /system/repair`: how the host differed from what it should be. Both lists empty: not at all.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Repair {
    /// What is not as it should be, still.
    pub failed: Vec<Unrepaired>,
    /// What is as it should be again.
    pub restored: Vec<Repaired>,
}

/// Something that was lost or left behind, and is put right.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Repaired {
    /// Kind and id or name of the object it belongs to.
    pub object: String,
    /// The operation that put it right, in words; rules are a line each.
    pub what: String,
}

/// Something that was lost or left behind, and could not be put right.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Unrepaired {
    /// Kind and id or name of the object it belongs to.
    pub object: String,
    /// Why, and what to do.
    pub reason: String,
    /// The operation that would put it right, in words; rules are a line each.
    pub what: String,
}

/// The answer of `GET /system/doctor`: whether the host has what containers need.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Diagnosis {
    /// Everything that was looked at.
    pub checks: Vec<HostCheck>,
}

/// Something that containers need of the host.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct HostCheck {
    /// What is wrong, and how to mend it. Absent: nothing.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub problem: Option<String>,
    /// What was looked at.
    pub what: String,
}
