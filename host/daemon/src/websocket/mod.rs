//! Conversations over WebSockets: contract §8 to §10. One file per conversation; here is what they share: the
//! handshake, the opening frame, listening with the idle limit, speaking, and closing.
//!
//! No extension is ever negotiated (permessage-deflate in particular), although clients offer it.

mod chunks;
mod close_reason;
pub mod exec_start;
pub mod image_build;
pub mod image_create;
pub mod image_push;
mod progress;
mod upload;

use std::future::Future;
use std::time::Duration;

use axum::Json;
use axum::body::Bytes;
use axum::extract::FromRequestParts;
use axum::extract::ws::{CloseFrame, Message, Utf8Bytes, WebSocket, WebSocketUpgrade};
use axum::http::request::Parts;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use futures_util::stream::{SplitSink, SplitStream};
use futures_util::{SinkExt, StreamExt};
use kleene_api::{ErrorResponse, WebSocketMessage};
use tokio::time::{Instant, timeout, timeout_at};
use tracing::{Instrument, Span};

use crate::validation::{Described, read};

/// A conversation in which nothing is received for so long is over.
const IDLE_LIMIT: Duration = Duration::from_secs(60);
/// How long the other side has to confirm the end of a conversation.
const CLOSE_LIMIT: Duration = Duration::from_secs(2);
/// The largest message that is accepted, in bytes.
const LARGEST_MESSAGE: usize = 1 << 20;
/// Buffers of one connection, in bytes; the library's own choice would be 128 KiB each.
const BUFFER: usize = 16 << 10;

/// Codes of close frames, RFC 6455 §7.4.1.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u16)]
enum CloseCode {
    Normal = 1000,
    GoingAway = 1001,
    Protocol = 1002,
    Internal = 1011,
}

/// A request for a WebSocket.
pub struct Upgrade(WebSocketUpgrade);

impl<S: Send + Sync> FromRequestParts<S> for Upgrade {
    type Rejection = Response;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Response> {
        match WebSocketUpgrade::from_request_parts(parts, state).await {
            Ok(upgrade) => Ok(Self(upgrade)),
            Err(rejection) => {
                let message = format!("this endpoint speaks WebSocket: {}", rejection.body_text());
                let headers = [
                    (header::UPGRADE, "websocket"),
                    (header::SEC_WEBSOCKET_VERSION, "13"),
                ];
                Err((
                    StatusCode::UPGRADE_REQUIRED,
                    headers,
                    Json(ErrorResponse { message }),
                )
                    .into_response())
            }
        }
    }
}

impl Upgrade {
    /// Accepts, and has `talk` lead the conversation within the span of the request.
    pub fn converse<F, T>(self, talk: F) -> Response
    where
        F: FnOnce(Conversation) -> T + Send + 'static,
        T: Future<Output = ()> + Send + 'static,
    {
        let span = Span::current();
        self.0
            .max_message_size(LARGEST_MESSAGE)
            .max_frame_size(LARGEST_MESSAGE)
            .read_buffer_size(BUFFER)
            .write_buffer_size(BUFFER)
            .on_upgrade(move |socket| talk(Conversation::new(socket)).instrument(span))
    }
}

/// A conversation with a client. Both directions can be used at the same time.
pub struct Conversation {
    speaker: Speaker,
    listener: Listener,
}

/// Why nobody listens any more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Departure {
    /// The client closed the conversation or its connection broke.
    Left,
    /// Nothing was received for [`IDLE_LIMIT`].
    Idle,
}

/// Why a conversation has no configuration to work with.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Opening {
    NotJson(String),
    /// The first mistake.
    Invalid(String),
    Departed(Departure),
}

impl Conversation {
    fn new(socket: WebSocket) -> Self {
        let (sink, stream) = socket.split();
        Self {
            speaker: Speaker(sink),
            listener: Listener {
                stream,
                deadline: Instant::now() + IDLE_LIMIT,
            },
        }
    }

    /// Reads the frame with which a client says what it wants.
    async fn opening<T: Described>(&mut self) -> Result<T, Opening> {
        match self.listener.next().await.map_err(Opening::Departed)? {
            Heard::Text(text) => parse_opening(&text),
            Heard::Binary(_) => Err(Opening::NotJson("the first frame is not text".to_owned())),
        }
    }

    /// Ends a conversation about images that has no configuration: the reason goes in a text frame.
    async fn refuse_opening(mut self, opening: Opening) {
        let (reason, message) = match opening {
            Opening::Departed(departure) => return self.end_after(departure).await,
            Opening::NotJson(reason) => (reason, "invalid json"),
            Opening::Invalid(detail) => (detail, "invalid parameters"),
        };
        match self.speaker.text(reason).await {
            Ok(()) => {
                self.close(CloseCode::Protocol, &WebSocketMessage::error("", message))
                    .await
            }
            Err(departure) => self.end_after(departure).await,
        }
    }

    /// Ends the conversation after a departure: one who left needs no close frame.
    async fn end_after(self, departure: Departure) {
        match departure {
            Departure::Idle => self.close_without_reason(CloseCode::Normal).await,
            Departure::Left => self.drain().await,
        }
    }

    /// Ends the conversation with a message, shortened to what a close frame can hold.
    async fn close(self, code: CloseCode, message: &WebSocketMessage) {
        self.close_with(code, close_reason::fit(message)).await;
    }

    async fn close_without_reason(self, code: CloseCode) {
        self.close_with(code, String::new()).await;
    }

    async fn close_with(mut self, code: CloseCode, reason: String) {
        tracing::debug!(code = code as u16, reason, "closing");
        let frame = CloseFrame {
            code: code as u16,
            reason: reason.into(),
        };
        if self.speaker.say(Message::Close(Some(frame))).await.is_ok() {
            self.drain().await;
        }
    }

    /// Reads until the client has confirmed the end. Dropping the connection with unread input in it would reset it
    /// and take the last frames away from the client.
    async fn drain(mut self) {
        let rest = async { while let Some(Ok(_)) = self.listener.stream.next().await {} };
        if timeout(CLOSE_LIMIT, rest).await.is_err() {
            tracing::debug!("the client did not confirm the end of the conversation");
        }
    }
}

fn parse_opening<T: Described>(text: &str) -> Result<T, Opening> {
    let value = serde_json::from_str(text).map_err(|error| Opening::NotJson(error.to_string()))?;
    read(value).map_err(|mistakes| Opening::Invalid(mistakes.first_detail().to_owned()))
}

/// A frame with content.
enum Heard {
    Text(Utf8Bytes),
    Binary(Bytes),
}

/// The client's side of a conversation.
struct Listener {
    stream: SplitStream<WebSocket>,
    deadline: Instant,
}

impl Listener {
    /// The next frame with content. Pings count as a sign of life and are answered by the library.
    async fn next(&mut self) -> Result<Heard, Departure> {
        loop {
            let received = timeout_at(self.deadline, self.stream.next())
                .await
                .map_err(|_| Departure::Idle)?;
            self.deadline = Instant::now() + IDLE_LIMIT;
            match received {
                Some(Ok(Message::Text(text))) => return Ok(Heard::Text(text)),
                Some(Ok(Message::Binary(bytes))) => return Ok(Heard::Binary(bytes)),
                Some(Ok(Message::Ping(_) | Message::Pong(_))) => {}
                Some(Ok(Message::Close(_)) | Err(_)) | None => return Err(Departure::Left),
            }
        }
    }

    /// Ignores what the client says until it is gone.
    async fn departure(&mut self) -> Departure {
        loop {
            if let Err(departure) = self.next().await {
                return departure;
            }
        }
    }
}

/// The daemon's side of a conversation.
struct Speaker(SplitSink<WebSocket, Message>);

impl Speaker {
    /// Waits until the client's connection has taken the frame.
    async fn say(&mut self, message: Message) -> Result<(), Departure> {
        self.0.send(message).await.map_err(|_| Departure::Left)
    }

    async fn text(&mut self, text: impl Into<Utf8Bytes>) -> Result<(), Departure> {
        self.say(Message::Text(text.into())).await
    }

    async fn starting(&mut self, data: impl Into<String>) -> Result<(), Departure> {
        self.text(close_reason::json(&WebSocketMessage::starting(data)))
            .await
    }
}

#[cfg(test)]
mod tests {
    use kleene_api::{ExecStartConfig, ImageBuildConfig};

    use super::*;

    #[test]
    fn an_opening_that_is_not_json_says_where() {
        let Err(Opening::NotJson(reason)) = parse_opening::<ExecStartConfig>("{\"exec_id\"") else {
            panic!("accepted");
        };
        assert!(reason.contains("line 1 column 10"), "{reason}");
    }

    #[test]
    fn an_opening_with_mistakes_reports_the_first() {
        fn invalid<T>(detail: &str) -> Result<T, Opening> {
            Err(Opening::Invalid(detail.to_owned()))
        }
        let text = r#"{"exec_id":"e","start_container":true}"#;
        assert_eq!(
            parse_opening::<ExecStartConfig>(text),
            invalid("Missing field: attach")
        );
        let text = r#"{"exec_id":"e","attach":"x","start_container":true}"#;
        assert_eq!(
            parse_opening::<ExecStartConfig>(text),
            invalid("Invalid boolean. Got: string")
        );
        let text = r#"{"container_config":{}}"#;
        assert_eq!(
            parse_opening::<ImageBuildConfig>(text),
            invalid("Missing field: context")
        );
    }

    #[test]
    fn unknown_keys_of_an_opening_are_ignored() {
        let text = r#"{"exec_id":"e","attach":true,"start_container":true,"colour":"red"}"#;
        assert!(parse_opening::<ExecStartConfig>(text).is_ok());
    }
}
