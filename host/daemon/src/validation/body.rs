//! Reading a request's JSON body: media type, size, syntax and shape, each with its own answer.

use axum::body::Bytes;
use axum::extract::{FromRequest, Request};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde_json::Value;

use super::{Described, Mistake, Mistakes, UnprocessableBody, read};
use crate::answer::Failure;

/// The largest body that is read, in bytes.
pub const LARGEST_BODY: usize = 8_000_000;

/// A request's body, of a declared shape.
#[derive(Debug)]
pub struct Body<T>(pub T);

impl<T: Described, S: Send + Sync> FromRequest<S> for Body<T> {
    type Rejection = Refusal;

    async fn from_request(request: Request, state: &S) -> Result<Self, Refusal> {
        check_media_type(request.headers())?;
        let bytes = Bytes::from_request(request, state).await.map_err(|rejection| {
            let message = match rejection.status() {
                StatusCode::PAYLOAD_TOO_LARGE => format!("the body is larger than {LARGEST_BODY} bytes"),
                _ => "the body could not be read to its end".to_owned(),
            };
            Refusal::Message(Failure::new(rejection.status(), message))
        })?;
        parse(&bytes).map(Self)
    }
}

/// Why there is no body to work with.
#[derive(Debug)]
pub enum Refusal {
    /// It is not of the declared shape.
    Shape(UnprocessableBody),
    /// Anything else.
    Message(Failure),
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        match self {
            Self::Shape(mistakes) => mistakes.into_response(),
            Self::Message(failure) => failure.into_response(),
        }
    }
}

/// An empty body counts as an empty object.
fn parse<T: Described>(bytes: &[u8]) -> Result<T, Refusal> {
    let text = if bytes.is_empty() { b"{}" } else { bytes };
    let value: Value = serde_json::from_slice(text).map_err(|error| {
        let message = format!("the body is not JSON: {error}");
        Refusal::Message(Failure::new(StatusCode::BAD_REQUEST, message))
    })?;
    read(value).map_err(|Mistakes { shape, deferred }| match deferred.into_iter().next() {
        // Items of `mounts`: the contract answers them like any other object that cannot be had.
        Some(first) if shape.is_empty() => {
            Refusal::Message(Failure::new(StatusCode::NOT_FOUND, first.detail))
        }
        _ => Refusal::Shape(UnprocessableBody(shape)),
    })
}

/// `application/json` passes. Other kinds of JSON and what is no media type at all fail as in a schema error, the
/// rest is unsupported.
fn check_media_type(headers: &HeaderMap) -> Result<(), Refusal> {
    let wrong_header = |detail: &str| {
        let (pointer, detail) = ("/".to_owned(), detail.to_owned());
        Refusal::Shape(UnprocessableBody(vec![Mistake { pointer, detail }]))
    };
    let Some(value) = headers.get(header::CONTENT_TYPE) else {
        return Err(wrong_header("Missing header: content-type"));
    };
    let text = value.to_str().unwrap_or_default().to_ascii_lowercase();
    let essence = text.split(';').next().unwrap_or_default().trim();
    match essence.split_once('/') {
        Some(("application", "json")) => Ok(()),
        Some((_, subtype)) if !subtype.ends_with("+json") => {
            let message = format!("'{essence}' is not supported, send application/json");
            Err(Refusal::Message(Failure::new(
                StatusCode::UNSUPPORTED_MEDIA_TYPE,
                message,
            )))
        }
        _ => Err(wrong_header("Invalid value for header: content-type")),
    }
}

#[cfg(test)]
mod tests {
    use axum::body::to_bytes;
    use kleene_api::{ContainerConfig, VolumeConfig};

    use super::*;

    fn headers(content_type: &'static str) -> HeaderMap {
        HeaderMap::from_iter([(header::CONTENT_TYPE, content_type.parse().unwrap())])
    }

    async fn text(refusal: Refusal) -> (u16, String) {
        let response = refusal.into_response();
        let status = response.status().as_u16();
        let bytes = to_bytes(response.into_body(), LARGEST_BODY).await.unwrap();
        (status, String::from_utf8(bytes.to_vec()).unwrap())
    }

    #[test]
    fn parameters_and_case_of_the_media_type_do_not_matter() {
        for value in [
            "application/json",
            "application/json; charset=utf-8",
            "Application/JSON",
        ] {
            assert!(check_media_type(&headers(value)).is_ok(), "{value}");
        }
    }

    #[tokio::test]
    async fn without_a_media_type_the_header_is_reported_missing() {
        let (status, body) = text(check_media_type(&HeaderMap::new()).unwrap_err()).await;
        assert_eq!(status, 422);
        assert_eq!(
            body,
            r#"{"errors":[{"title":"Invalid value","source":{"pointer":"/"},"detail":"Missing header: content-type"}]}"#
        );
    }

    #[test]
    fn other_media_types_are_unsupported_and_other_json_is_invalid() {
        for (value, status) in [
            ("text/plain", 415),
            ("application/x-yaml", 415),
            ("application/hal+json", 422),
            ("json", 422),
        ] {
            assert_eq!(
                check_media_type(&headers(value))
                    .unwrap_err()
                    .into_response()
                    .status(),
                status,
                "{value}"
            );
        }
    }

    #[tokio::test]
    async fn what_is_not_json_is_a_bad_request_with_a_message() {
        let (status, body) = text(parse::<VolumeConfig>(b"{\"name\"").unwrap_err()).await;
        assert_eq!(status, 400);
        assert!(
            body.starts_with(r#"{"message":"the body is not JSON: "#),
            "{body}"
        );
    }

    #[tokio::test]
    async fn an_empty_body_is_an_empty_object() {
        assert!(parse::<ContainerConfig>(b"").is_ok());
        let (status, body) = text(parse::<VolumeConfig>(b"").unwrap_err()).await;
        assert_eq!(status, 422);
        assert!(
            body.contains(r#""source":{"pointer":"/name"},"detail":"Missing field: name""#),
            "{body}"
        );
    }

    #[tokio::test]
    async fn an_invalid_mount_is_a_404_with_the_bare_detail() {
        let body = br#"{"mounts":[{"type":"x","source":"a","destination":"b"}]}"#;
        let answer = text(parse::<ContainerConfig>(body).unwrap_err()).await;
        assert_eq!(
            answer,
            (404, r#"{"message":"Invalid value for enum"}"#.to_owned())
        );
    }
}
