//! What the daemon answers: bodies of success and failure, and never anything of its insides.

use axum::Json;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use kleene_api::{ErrorResponse, IdResponse};
use kleene_plan::Id;

/// An answer outside 2xx: `{"message": …}`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    /// Its status.
    pub status: StatusCode,
    /// What the user reads.
    pub message: String,
}

impl Failure {
    /// A failure with this status and message.
    pub fn new(status: StatusCode, message: impl Into<String>) -> Self {
        Self {
            status,
            message: message.into(),
        }
    }

    /// A defect of the daemon; what it was stands in the log.
    #[must_use]
    pub fn internal() -> Self {
        let message = "internal error of the daemon, its log tells more";
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, message)
    }
}

impl IntoResponse for Failure {
    fn into_response(self) -> Response {
        let Self { status, message } = self;
        (status, Json(ErrorResponse { message })).into_response()
    }
}

/// The answer of routes that nobody serves.
#[derive(Debug, Clone, Copy)]
pub struct NotFound;

impl IntoResponse for NotFound {
    fn into_response(self) -> Response {
        (StatusCode::NOT_FOUND, "not found").into_response()
    }
}

/// 201 with an id body.
pub fn created(id: impl Into<String>) -> Response {
    (StatusCode::CREATED, identity(id)).into_response()
}

/// An id body.
pub fn identity(id: impl Into<String>) -> Json<IdResponse> {
    Json(IdResponse { id: id.into() })
}

/// An id-list body.
pub fn identities(ids: Vec<Id>) -> Json<Vec<String>> {
    Json(ids.into_iter().map(String::from).collect())
}

#[cfg(test)]
mod tests {
    use axum::body::to_bytes;
    use axum::http::header;

    use super::*;

    #[tokio::test]
    async fn a_failure_is_a_json_message() {
        let response = Failure::new(StatusCode::NOT_FOUND, "container not found").into_response();
        assert_eq!(response.status(), 404);
        assert_eq!(response.headers()[header::CONTENT_TYPE], "application/json");
        let body = to_bytes(response.into_body(), 1000).await.unwrap();
        assert_eq!(&body[..], br#"{"message":"container not found"}"#);
    }

    #[tokio::test]
    async fn an_unknown_route_is_plain_text() {
        let response = NotFound.into_response();
        assert_eq!(response.status(), 404);
        let body = to_bytes(response.into_body(), 1000).await.unwrap();
        assert_eq!(&body[..], b"not found");
    }
}
