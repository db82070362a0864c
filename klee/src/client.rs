//! Requests to the daemon and what its answers mean.
//!
//! Every request takes a connection of its own, as 0.1.1 does: over a UNIX socket that costs microseconds and
//! there is no state to keep.

mod route;
mod transport;
mod websocket;

use std::time::Duration;

use http_body_util::{BodyExt, Full};
use hyper::body::Bytes;
use hyper::client::conn::http1;
use hyper::{Method, Request, StatusCode, header};
use hyper_util::rt::TokioIo;
use kleene_api::{ErrorResponse, IdResponse};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::config::Host;
use crate::failure::Failure;

pub use route::Route;
pub use websocket::{Closing, Conversation, Event, Reason};

/// How long the daemon may take to answer. 0.1.1 gave up after five seconds, in the middle of slow removals.
const PATIENCE: Duration = Duration::from_secs(60);

/// The daemon, as seen from here.
#[derive(Debug, Clone)]
pub struct Client {
    host: Host,
}

impl Client {
    /// A client of the daemon at `host`; connects when it is asked something.
    pub fn new(host: Host) -> Self {
        Self { host }
    }

    /// GET, answered by an object.
    pub async fn get<T: DeserializeOwned>(&self, route: Route) -> Result<T, Failure> {
        parse(&self.request(Method::GET, route, None).await?)
    }

    /// POST without a body, answered by an object.
    pub async fn post<T: DeserializeOwned>(&self, route: Route) -> Result<T, Failure> {
        parse(&self.request(Method::POST, route, None).await?)
    }

    /// POST with a body, answered by an object.
    pub async fn send<T: DeserializeOwned>(&self, route: Route, body: &impl Serialize) -> Result<T, Failure> {
        parse(&self.request(Method::POST, route, Some(encode(body)?)).await?)
    }

    /// POST with a body, answered by nothing.
    pub async fn tell(&self, route: Route, body: &impl Serialize) -> Result<(), Failure> {
        self.request(Method::POST, route, Some(encode(body)?))
            .await
            .map(drop)
    }

    /// POST without a body, answered by nothing.
    pub async fn poke(&self, route: Route) -> Result<(), Failure> {
        self.request(Method::POST, route, None).await.map(drop)
    }

    /// DELETE, answered by the id of what was removed.
    pub async fn delete(&self, route: Route) -> Result<String, Failure> {
        let answer: IdResponse = parse(&self.request(Method::DELETE, route, None).await?)?;
        Ok(answer.id)
    }

    /// Opens a conversation, whose first frame is `config`.
    pub async fn converse(&self, route: Route, config: &impl Serialize) -> Result<Conversation, Failure> {
        let config = String::from_utf8(encode(config)?.into()).map_err(|_| Failure::UnexpectedAnswer)?;
        Conversation::open(&self.host, &route, config).await
    }

    async fn request(&self, method: Method, route: Route, body: Option<Bytes>) -> Result<Bytes, Failure> {
        let answer = tokio::time::timeout(PATIENCE, self.exchange(method, route, body));
        let (status, body) = answer.await.map_err(|_| Failure::TimedOut)??;
        if status.is_success() {
            Ok(body)
        } else {
            Err(refusal(status, &body))
        }
    }

    async fn exchange(
        &self,
        method: Method,
        route: Route,
        body: Option<Bytes>,
    ) -> Result<(StatusCode, Bytes), Failure> {
        let stream = transport::connect(&self.host).await?;
        let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await.map_err(broken)?;
        // Drives the connection; what goes wrong on it surfaces in the request below.
        tokio::spawn(connection);

        let mut request = Request::builder()
            .method(method)
            .uri(route.to_string())
            .header(header::HOST, self.host.authority())
            .header(header::ACCEPT, "*/*")
            .header(header::USER_AGENT, concat!("klee/", env!("CARGO_PKG_VERSION")));
        if body.is_some() {
            request = request.header(header::CONTENT_TYPE, "application/json");
        }
        let request = request
            .body(Full::new(body.unwrap_or_default()))
            .map_err(|error| Failure::BadValue(format!("cannot make a request for '{route}': {error}")))?;
        let answer = sender.send_request(request).await.map_err(broken)?;
        let status = answer.status();
        let body = answer.into_body().collect().await.map_err(broken)?.to_bytes();
        Ok((status, body))
    }
}

fn broken(error: hyper::Error) -> Failure {
    Failure::Unreachable {
        reason: format!("the connection broke: {error}"),
    }
}

fn encode(body: &impl Serialize) -> Result<Bytes, Failure> {
    let body = serde_json::to_vec(body)
        .map_err(|error| Failure::BadValue(format!("cannot write the request as JSON: {error}")))?;
    Ok(body.into())
}

fn parse<T: DeserializeOwned>(body: &[u8]) -> Result<T, Failure> {
    serde_json::from_slice(body).map_err(|_| Failure::UnexpectedAnswer)
}

/// The daemon's words, from an error body or from the list of a failed schema validation.
fn refusal(status: StatusCode, body: &[u8]) -> Failure {
    if status == StatusCode::UNPROCESSABLE_ENTITY
        && let Some(message) = schema_errors(body)
    {
        return Failure::Refused(message);
    }
    match serde_json::from_slice::<ErrorResponse>(body) {
        Ok(ErrorResponse { message }) => Failure::Refused(message),
        Err(_) => Failure::UnexpectedAnswer,
    }
}

/// One line `<pointer>: <detail>` per error.
fn schema_errors(body: &[u8]) -> Option<String> {
    let body: Value = serde_json::from_slice(body).ok()?;
    let lines: Vec<String> = body["errors"]
        .as_array()?
        .iter()
        .filter_map(|error| {
            Some(format!(
                "{}: {}",
                error["source"]["pointer"].as_str()?,
                error["detail"].as_str()?
            ))
        })
        .collect();
    (!lines.is_empty()).then(|| lines.join("\n"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_is_told_in_the_daemons_words() {
        let failure = refusal(StatusCode::NOT_FOUND, br#"{"message":"container not found"}"#);
        assert_eq!(failure.to_string(), "container not found");
    }

    #[test]
    fn a_schema_error_names_the_field() {
        let body = br#"{"errors":[{"title":"Invalid value","source":{"pointer":"/name"},"detail":"Missing field: name"}]}"#;
        let failure = refusal(StatusCode::UNPROCESSABLE_ENTITY, body);
        assert_eq!(failure.to_string(), "/name: Missing field: name");
    }

    #[test]
    fn an_answer_in_another_language_is_unexpected() {
        assert!(matches!(
            refusal(StatusCode::NOT_FOUND, b"not found"),
            Failure::UnexpectedAnswer
        ));
    }
}
