//! The entrance for every request: its id in the log, its path in plain form, and an answer even if a handler panics.

use std::panic::AssertUnwindSafe;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use axum::Router;
use axum::extract::{Request, State};
use axum::http::uri::PathAndQuery;
use axum::http::{HeaderValue, StatusCode, Uri};
use axum::response::{IntoResponse, Response};
use futures_util::FutureExt;
use kleene_api::Extension;
use percent_encoding::percent_decode_str;
use tower::ServiceExt;
use tracing::Instrument;

use crate::answer::{Failure, NotFound};
use crate::app::App;
use crate::routes::Routes;

/// The whole interface.
pub fn router(app: &App) -> Router {
    Router::new().fallback(enter).with_state(Routes::new(app))
}

async fn enter(State(routes): State<Routes>, request: Request) -> Response {
    static REQUESTS: AtomicU64 = AtomicU64::new(1);
    let id = REQUESTS.fetch_add(1, Ordering::Relaxed);
    let span = tracing::info_span!("request", id, method = %request.method(), path = request.uri().path());
    let mut response = respond(routes, request).instrument(span).await;
    // Clients use nothing that 0.1.1 lacks before they have seen this.
    response.headers_mut().insert(
        Extension::HEADER,
        HeaderValue::from_static(Extension::HEADER_VALUE),
    );
    response
}

async fn respond(routes: Routes, mut request: Request) -> Response {
    let began = Instant::now();
    let Some(router) = routes.of(request.method()).cloned() else {
        return NotFound.into_response();
    };
    if percent_decode_str(request.uri().path()).decode_utf8().is_err() {
        return Failure::new(StatusCode::NOT_FOUND, "not found: the path is not UTF-8").into_response();
    }
    if let Some(plain) = without_empty_segments(request.uri()) {
        *request.uri_mut() = plain;
    }
    let response = match AssertUnwindSafe(router.oneshot(request)).catch_unwind().await {
        Ok(Ok(response)) => response,
        Ok(Err(never)) => match never {},
        // What the panic said has been printed by then, with its place.
        Err(_) => Failure::internal().into_response(),
    };
    tracing::debug!(status = response.status().as_u16(), elapsed = ?began.elapsed(), "answered");
    response
}

/// The same address with empty path segments dropped; `None` if there are none.
fn without_empty_segments(uri: &Uri) -> Option<Uri> {
    let path = uri.path();
    let has_empty = path.contains("//") || (path.ends_with('/') && path != "/");
    if !has_empty {
        return None;
    }
    let mut plain: String = path
        .split('/')
        .filter(|segment| !segment.is_empty())
        .flat_map(|s| ["/", s])
        .collect();
    if let Some(query) = uri.query() {
        plain.push('?');
        plain.push_str(query);
    }
    PathAndQuery::try_from(plain).ok().map(Uri::from)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plain(path: &'static str) -> Option<String> {
        without_empty_segments(&Uri::from_static(path)).map(|uri| uri.to_string())
    }

    #[test]
    fn empty_segments_are_dropped_and_the_query_is_kept() {
        assert_eq!(
            plain("//containers///list/?all=true").as_deref(),
            Some("/containers/list?all=true")
        );
        assert_eq!(plain("/volumes/list/").as_deref(), Some("/volumes/list"));
    }

    #[test]
    fn a_plain_path_is_left_alone() {
        assert_eq!(plain("/containers/list?all=true"), None);
        assert_eq!(plain("/"), None);
    }
}
