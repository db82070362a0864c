//! The two bodies that every operation answers with when it has no object to show.

use serde::{Deserialize, Serialize};

/// The answer of an operation that made, changed or removed one object.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct IdResponse {
    /// The object's id; for volumes the name, for `image rm` the identifier as the client gave it.
    pub id: String,
}

/// The body of every answer outside 2xx, schema errors (422) excepted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct ErrorResponse {
    /// What went wrong, for a person to read.
    pub message: String,
}
