//! The entrance for every request: its id in the log, its path in plain form, and an answer even if a handler panics.

use std::panic::AssertUnwindSafe;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use axum::Router;
use axum::extract::{Request, State};
use axum::http::uri::PathAndQuery;
use axum::http::{HeaderValue, StatusCode, Uri, header};
use axum::response::{IntoResponse, Response};
use futures_util::FutureExt;
use kleene_api::Extension;
use percent_encoding::{NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};
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

/// Browsers say from which page a request comes, and every page may try to reach what listens on the user's own machine.
/// No client of this interface is a page, so such requests are refused whatever they want.
async fn respond(routes: Routes, mut request: Request) -> Response {
    let began = Instant::now();
    let Some(router) = routes.of(request.method()).cloned() else {
        return NotFound.into_response();
    };
    if request.headers().contains_key(header::ORIGIN) {
        tracing::warn!("refused the request of a web page");
        let message = "web pages may not use this interface: a request must not have the header 'origin'";
        return Failure::new(StatusCode::FORBIDDEN, message).into_response();
    }
    if let Some(plain) = in_plain_form(request.uri()) {
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

/// The same address with empty path segments dropped and the path in UTF-8; `None` if it is so already.
///
/// What is not UTF-8 is replaced by U+FFFD, which stands in no identifier: the endpoint then says what it says of unknown
/// objects.
fn in_plain_form(uri: &Uri) -> Option<Uri> {
    let path = uri.path();
    let has_empty = path.contains("//") || (path.ends_with('/') && path != "/");
    let is_text = percent_decode_str(path).decode_utf8().is_ok();
    if !has_empty && is_text {
        return None;
    }
    let mut plain = String::with_capacity(path.len());
    for segment in path.split('/').filter(|segment| !segment.is_empty()) {
        plain.push('/');
        let decoded = percent_decode_str(segment);
        match decoded.clone().decode_utf8() {
            Ok(_) => plain.push_str(segment),
            Err(_) => plain.extend(utf8_percent_encode(
                &decoded.decode_utf8_lossy(),
                NON_ALPHANUMERIC,
            )),
        }
    }
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
        in_plain_form(&Uri::from_static(path)).map(|uri| uri.to_string())
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
    fn what_is_not_utf8_is_replaced_in_its_segment_alone() {
        assert_eq!(
            plain("/volumes/a%C3/inspect?x=%ff").as_deref(),
            Some("/volumes/a%EF%BF%BD/inspect?x=%ff")
        );
        assert_eq!(plain("/volumes/%C3%A9/inspect"), None);
    }

    #[test]
    fn a_plain_path_is_left_alone() {
        assert_eq!(plain("/containers/list?all=true"), None);
        assert_eq!(plain("/"), None);
    }
}
