//! `/openapi.json`: the description of the interface. Ours.

use axum::http::header;
use axum::response::{IntoResponse, Response};

use super::Group;
use crate::openapi;

pub(super) fn group() -> Group {
    Group::new().get("/openapi.json", show)
}

async fn show() -> Response {
    ([(header::CONTENT_TYPE, "application/json")], openapi::document()).into_response()
}
