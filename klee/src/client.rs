//! Requests to the daemon and what its answers mean.
//!
//! Every request takes a connection of its own, as 0.1.1 does: over a UNIX socket that costs microseconds and
//! there is no state to keep.

mod last_words;
mod link;
mod route;
mod stream;
mod tls;
mod transfer;
mod websocket;

use std::sync::OnceLock;
use std::time::Duration;

use http_body_util::{BodyExt, Full};
use hyper::body::Bytes;
use hyper::client::conn::http1;
use hyper::header::HeaderMap;
use hyper::{Method, Request, StatusCode, header};
use hyper_util::rt::TokioIo;
use kleene_api::{ErrorResponse, Extension, IdResponse};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::config::DaemonAddress;
use crate::failure::Failure;

use link::Link;

pub use route::Route;
pub use websocket::{Closing, Conversation, Event, Reason};

/// How long the daemon may take to answer. 0.1.1 gave up after five seconds, in the middle of slow removals.
const PATIENCE: Duration = Duration::from_secs(60);

/// The daemon, as seen from here.
#[derive(Debug)]
pub struct Client {
    link: Link,
    /// What the daemon understands beyond 0.1.1, as its first answer said.
    extensions: OnceLock<String>,
}

impl Client {
    /// A client of the daemon at `address`; connects when it is asked something.
    ///
    /// # Errors
    /// If a certificate or key cannot be used.
    pub fn new(address: DaemonAddress) -> Result<Self, Failure> {
        Ok(Self {
            link: Link::new(address)?,
            extensions: OnceLock::new(),
        })
    }

    /// Whether the daemon has said, with an answer, that it understands `extension`. One that was not asked anything
    /// yet has not.
    pub fn daemon_knows(&self, extension: Extension) -> bool {
        self.extensions
            .get()
            .is_some_and(|words| extension.is_named_in(words))
    }

    /// Whether the daemon listens at a UNIX socket, and so, unless that is a tunnel's, on this host.
    pub fn daemon_is_here(&self) -> bool {
        self.link.is_local()
    }

    /// GET, answered by an object.
    pub async fn get<T: DeserializeOwned>(&self, route: Route) -> Result<T, Failure> {
        parse(&self.request(Method::GET, route, None).await?)
    }

    /// POST without a body, answered by an object.
    pub async fn post<T: DeserializeOwned>(&self, route: Route) -> Result<T, Failure> {
        parse(&self.request(Method::POST, route, None).await?)
    }

    /// As [`post`](Self::post), for what may take so much longer than other requests.
    pub async fn post_patiently<T: DeserializeOwned>(
        &self,
        route: Route,
        longer: Duration,
    ) -> Result<T, Failure> {
        parse(
            &self
                .request_within(PATIENCE + longer, Method::POST, route, None)
                .await?,
        )
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

    /// Opens a conversation, whose first message is `config`.
    pub async fn converse(&self, route: Route, config: &impl Serialize) -> Result<Conversation, Failure> {
        let mut conversation = self.dial(route).await?;
        conversation.send_message(config).await?;
        Ok(conversation)
    }

    /// Opens a conversation in which nothing is said yet. What the daemon understands is known then.
    pub async fn dial(&self, route: Route) -> Result<Conversation, Failure> {
        let opening = Conversation::open(&self.link, &route);
        let (conversation, headers) = tokio::time::timeout(PATIENCE, opening)
            .await
            .map_err(|_| Failure::TimedOut)??;
        self.note_extensions(&headers);
        Ok(conversation)
    }

    async fn request(&self, method: Method, route: Route, body: Option<Bytes>) -> Result<Bytes, Failure> {
        self.request_within(PATIENCE, method, route, body).await
    }

    async fn request_within(
        &self,
        limit: Duration,
        method: Method,
        route: Route,
        body: Option<Bytes>,
    ) -> Result<Bytes, Failure> {
        let answer = tokio::time::timeout(limit, self.exchange(method, route, body));
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
        let broken = |error| self.link.broken(&error);
        let stream = self.link.connect().await?;
        let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await.map_err(broken)?;
        // Drives the connection; what goes wrong on it surfaces in the request below.
        tokio::spawn(connection);

        let mut request = Request::builder()
            .method(method)
            .uri(route.to_string())
            .header(header::HOST, self.link.authority())
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
        self.note_extensions(answer.headers());
        let body = answer.into_body().collect().await.map_err(broken)?.to_bytes();
        Ok((status, body))
    }

    fn note_extensions(&self, headers: &HeaderMap) {
        let words = headers
            .get(Extension::HEADER)
            .and_then(|value| value.to_str().ok());
        self.extensions
            .get_or_init(|| words.unwrap_or_default().to_owned());
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
    use tempfile::TempDir;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::UnixListener;
    use tokio::time::Instant;

    use super::*;
    use crate::config::Parameters;

    /// A client of whatever answers its connections with `answer`, or of silence.
    fn client_of(answer: Option<&'static [u8]>) -> (Client, TempDir) {
        let directory = TempDir::new().unwrap();
        let socket = directory.path().join("s");
        let listener = UnixListener::bind(&socket).unwrap();
        tokio::spawn(async move {
            let mut open = Vec::new();
            while let Ok((mut stream, _)) = listener.accept().await {
                if let Some(answer) = answer {
                    let _ = stream.read(&mut [0; 4096]).await;
                    let _ = stream.write_all(answer).await;
                } else {
                    open.push(stream);
                }
            }
        });
        let address = DaemonAddress::resolve(Parameters {
            host: Some(format!("http://{}", socket.display())),
            ..Parameters::default()
        });
        (Client::new(address.unwrap()).unwrap(), directory)
    }

    fn list() -> Route {
        Route::new(["images", "list"])
    }

    #[tokio::test(start_paused = true)]
    async fn a_daemon_has_a_minute_to_answer() {
        let (client, _directory) = client_of(None);
        let began = Instant::now();
        let failure = client.get::<Value>(list()).await.unwrap_err();
        assert!(matches!(failure, Failure::TimedOut), "{failure}");
        assert_eq!(began.elapsed().as_secs(), 60);
    }

    #[tokio::test(start_paused = true)]
    async fn a_daemon_has_a_minute_to_begin_a_conversation() {
        let (client, _directory) = client_of(None);
        let began = Instant::now();
        let failure = client.converse(list(), &Value::Null).await.err().unwrap();
        assert!(matches!(failure, Failure::TimedOut), "{failure}");
        assert_eq!(began.elapsed().as_secs(), 60);
    }

    #[tokio::test]
    async fn what_does_not_speak_http_is_told() {
        let (client, directory) = client_of(Some(b"220 mail.example.org ESMTP\r\n"));
        let expected = format!(
            "Error! Unexpected response received from Kleened.\n\
             What listens at {}/s does not speak HTTP without TLS: \
             if it is kleened, its address begins with https://.",
            directory.path().display()
        );
        let failure = client.get::<Value>(list()).await.unwrap_err();
        assert_eq!(failure.to_string(), expected);
        let failure = client.converse(list(), &Value::Null).await.err().unwrap();
        assert_eq!(failure.to_string(), expected);
    }

    #[tokio::test]
    async fn a_daemon_that_hangs_up_is_told() {
        let (client, directory) = client_of(Some(b""));
        let place = format!("the connection to {}/s broke", directory.path().display());
        let failure = client.get::<Value>(list()).await.unwrap_err();
        assert!(failure.to_string().contains(&place), "{failure}");
        let failure = client.converse(list(), &Value::Null).await.err().unwrap();
        assert!(failure.to_string().contains(&place), "{failure}");
    }

    #[tokio::test]
    async fn a_refused_conversation_is_told_in_the_daemons_words() {
        let (client, _directory) = client_of(Some(
            b"HTTP/1.1 404 Not Found\r\ncontent-length: 27\r\n\r\n{\"message\":\"no such route\"}",
        ));
        let failure = client.converse(list(), &Value::Null).await.err().unwrap();
        assert_eq!(failure.to_string(), "no such route");
    }

    #[tokio::test]
    async fn extensions_are_known_from_the_first_answer_on() {
        let (client, _directory) = client_of(Some(
            b"HTTP/1.1 200 OK\r\nkleene-extensions: exec-control\r\ncontent-length: 2\r\n\r\n[]",
        ));
        assert!(!client.daemon_knows(Extension::ExecControl));
        client.get::<Value>(list()).await.unwrap();
        assert!(client.daemon_knows(Extension::ExecControl));
        assert!(!client.daemon_knows(Extension::ContextUpload));
    }

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
