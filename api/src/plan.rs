//! What would be done, without doing it. 0.1.1 knows nothing of this.

use serde::{Deserialize, Serialize};

use crate::{ContainerConfig, EndPointConfig};

/// The body of `POST /plans/container`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct ContainerPlanConfig {
    /// The container, as it would be created.
    pub container: ContainerConfig,
    /// How it would be connected; the name of its container is not looked at.
    #[serde(default)]
    pub endpoint: Option<EndPointConfig>,
    /// Whether it would be started, too.
    #[serde(default)]
    pub start: bool,
}

/// The answer of `POST /plans/…`. Ids, names and addresses in it were reserved for the answer only.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Plan {
    /// What the jail would be told when it starts.
    pub jail: Vec<String>,
    /// What would be done on the host, in this order.
    pub steps: Vec<PlanStep>,
}

/// One operation.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct PlanStep {
    /// The commands or the ruleset by which an administrator of this host would do the same.
    pub commands: String,
    /// The operation in words; rules are a line each.
    pub operation: String,
    /// When it would be done: `now`, or `start` when the container starts.
    pub when: String,
}
