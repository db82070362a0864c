//! A client of the daemon, as plain as possible.

use std::path::Path;
use std::time::Duration;

use futures_util::{SinkExt, StreamExt};
use http_body_util::{BodyExt, Full};
use hyper::header::CONTENT_TYPE;
use hyper::{HeaderMap, Request};
use hyper_util::rt::TokioIo;
use serde_json::Value;
use tokio::net::UnixStream;
use tokio::time::timeout;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::{WebSocketStream, client_async};

/// No answer takes so long.
const PATIENCE: Duration = Duration::from_secs(10);

/// The answer to a request.
#[derive(Debug)]
pub struct Answer {
    pub status: u16,
    pub headers: HeaderMap,
    pub text: String,
}

impl Answer {
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }

    pub fn content_type(&self) -> &str {
        self.headers[CONTENT_TYPE].to_str().unwrap()
    }

    /// The id of an id body.
    pub fn id(&self, status: u16) -> String {
        assert_eq!(self.status, status, "{}", self.text);
        self.json()["id"].as_str().unwrap().to_owned()
    }

    /// Status and message of a failure.
    pub fn failure(&self) -> (u16, String) {
        assert_eq!(self.content_type(), "application/json");
        (self.status, self.json()["message"].as_str().unwrap().to_owned())
    }

    /// Pointer and detail of the only error of a 422.
    pub fn mistake(&self) -> (String, String) {
        assert_eq!(self.status, 422, "{}", self.text);
        assert_eq!(self.content_type(), "application/json; charset=utf-8");
        let body = self.json();
        let errors = body["errors"].as_array().unwrap();
        assert_eq!(errors.len(), 1, "{}", self.text);
        let text = |value: &Value| value.as_str().unwrap().to_owned();
        (text(&errors[0]["source"]["pointer"]), text(&errors[0]["detail"]))
    }
}

/// Shorthand for what [`Answer::failure`] is compared with.
pub fn failure(status: u16, message: &str) -> (u16, String) {
    (status, message.to_owned())
}

/// One request on a connection of its own; the body with its media type.
pub async fn request(socket: &Path, method: &str, path: &str, body: Option<(&str, String)>) -> Answer {
    let stream = UnixStream::connect(socket).await.unwrap();
    let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream))
        .await
        .unwrap();
    tokio::spawn(connection);
    let mut request = Request::builder()
        .method(method)
        .uri(path)
        .header("host", "localhost");
    if let Some((media_type, _)) = &body {
        request = request.header(CONTENT_TYPE, *media_type);
    }
    let body = Full::<hyper::body::Bytes>::from(body.map(|(_, text)| text).unwrap_or_default());
    let response = timeout(PATIENCE, sender.send_request(request.body(body).unwrap()))
        .await
        .unwrap()
        .unwrap();
    let (head, body) = response.into_parts();
    let bytes = body.collect().await.unwrap().to_bytes();
    Answer {
        status: head.status.as_u16(),
        headers: head.headers,
        text: String::from_utf8(bytes.to_vec()).unwrap(),
    }
}

/// A WebSocket.
pub struct Conversation(WebSocketStream<UnixStream>);

/// How a conversation was closed.
#[derive(Debug, PartialEq)]
pub struct Close {
    pub code: u16,
    /// Null if there is none.
    pub reason: Value,
}

impl Conversation {
    pub async fn open(socket: &Path, path: &str) -> Self {
        let stream = UnixStream::connect(socket).await.unwrap();
        let (socket, response) = client_async(format!("ws://localhost{path}"), stream)
            .await
            .unwrap();
        assert!(!response.headers().contains_key("sec-websocket-extensions"));
        Self(socket)
    }

    pub async fn say(&mut self, text: &str) {
        self.0.send(Message::text(text)).await.unwrap();
    }

    pub async fn type_in(&mut self, bytes: &'static [u8]) {
        self.0.send(Message::binary(bytes)).await.unwrap();
    }

    pub async fn ping(&mut self) {
        self.0.send(Message::Ping("x".into())).await.unwrap();
    }

    /// The next frame, if it is not a close frame.
    pub async fn hear(&mut self) -> Message {
        timeout(PATIENCE, self.0.next())
            .await
            .expect("nothing was said")
            .unwrap()
            .unwrap()
    }

    /// The client closes, and waits for the confirmation.
    pub async fn leave(mut self) {
        self.0.close(None).await.unwrap();
        while timeout(PATIENCE, self.0.next())
            .await
            .unwrap()
            .is_some_and(|frame| frame.is_ok())
        {}
    }

    /// The texts of all frames, and how the daemon closed.
    pub async fn hear_out(mut self) -> (Vec<String>, Close) {
        let mut texts = Vec::new();
        loop {
            match self.hear().await {
                Message::Text(text) => texts.push(text.to_string()),
                Message::Binary(bytes) => texts.push(format!("binary {bytes:?}")),
                Message::Close(frame) => {
                    let frame = frame.expect("closed without a code");
                    let reason = match frame.reason.as_str() {
                        "" => Value::Null,
                        text => serde_json::from_str(text).unwrap(),
                    };
                    return (
                        texts,
                        Close {
                            code: frame.code.into(),
                            reason,
                        },
                    );
                }
                _ => {}
            }
        }
    }
}
