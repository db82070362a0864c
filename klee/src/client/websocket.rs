//! Conversations with the daemon over a WebSocket: one configuration, many frames, one closing message.

use std::time::Duration;

use futures_util::{SinkExt, StreamExt};
use hyper::body::Bytes;
use kleene_api::{ExecControl, WebSocketMessage};
use tokio::time::{Instant, Interval, interval_at};
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::error::ProtocolError;
use tokio_tungstenite::tungstenite::protocol::CloseFrame;
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;
use tokio_tungstenite::tungstenite::{self, Message};

use super::link::Link;
use super::refusal;
use super::route::Route;
use super::stream::Stream;
use crate::failure::Failure;

/// The daemon hangs up on clients that it has not heard of for a minute.
const PING_EVERY: Duration = Duration::from_secs(20);

/// A running conversation.
pub struct Conversation {
    socket: WebSocketStream<Box<dyn Stream>>,
    ping: Interval,
    pong_is_due: bool,
    control_is_allowed: bool,
}

/// What the daemon says next.
#[derive(Debug)]
pub enum Event {
    /// A text or binary frame.
    Data(Bytes),
    /// The end.
    Closed(Closing),
}

/// How a conversation ended.
#[derive(Debug)]
pub struct Closing {
    /// The status code of RFC 6455, section 7.4: 1000 and 1001 are good, 1002 and 1011 are not.
    pub code: u16,
    /// Why.
    pub reason: Reason,
}

/// The reason in a close frame.
#[derive(Debug)]
pub enum Reason {
    /// A message of the interface.
    Message(WebSocketMessage),
    /// Anything else.
    Other(String),
}

impl Conversation {
    /// Connects and sends `config`.
    pub(super) async fn open(link: &Link, route: &Route, config: String) -> Result<Self, Failure> {
        let stream = link.connect().await?;
        let url = format!("ws://{}{route}", link.authority());
        let (socket, _) = tokio_tungstenite::client_async(url, stream)
            .await
            .map_err(|error| refused_handshake(link, error))?;
        let ping = interval_at(Instant::now() + PING_EVERY, PING_EVERY);
        let mut conversation = Self {
            socket,
            ping,
            pong_is_due: false,
            control_is_allowed: false,
        };
        conversation.send(Message::text(config)).await;
        Ok(conversation)
    }

    /// Waits for what the daemon says next, and keeps the connection alive meanwhile. May be dropped and called
    /// again without losing anything.
    pub async fn next(&mut self) -> Result<Event, Failure> {
        loop {
            tokio::select! {
                frame = self.socket.next() => {
                    self.pong_is_due = false;
                    match frame {
                        Some(Ok(Message::Text(text))) => return Ok(Event::Data(text.into())),
                        Some(Ok(Message::Binary(bytes))) => return Ok(Event::Data(bytes)),
                        Some(Ok(Message::Close(frame))) => {
                            // Sends the answer to the close frame, for which a polite daemon waits; one that has
                            // hung up already does not need it.
                            let _ = self.socket.flush().await;
                            return Ok(Event::Closed(closing(frame)));
                        }
                        Some(Ok(Message::Ping(_) | Message::Pong(_) | Message::Frame(_))) => {}
                        Some(Err(_)) | None => return Err(Failure::ConnectionLost),
                    }
                }
                _ = self.ping.tick() => {
                    if self.pong_is_due {
                        return Err(Failure::ConnectionLost);
                    }
                    self.pong_is_due = true;
                    self.send(Message::Ping(Bytes::new())).await;
                }
            }
        }
    }

    /// Sends bytes to the standard input of the process.
    pub async fn send_input(&mut self, bytes: Vec<u8>) {
        self.send(Message::binary(bytes)).await;
    }

    /// Whether the configuration asked for control messages. Where it did not, every frame is input.
    pub fn allow_control(&mut self, allowed: bool) {
        self.control_is_allowed = allowed;
    }

    /// Sends a control message, if they are allowed.
    pub async fn send_control(&mut self, control: ExecControl) -> Result<(), Failure> {
        if !self.control_is_allowed {
            return Ok(());
        }
        let text = serde_json::to_string(&control)
            .map_err(|error| Failure::BadValue(format!("cannot write a control message as JSON: {error}")))?;
        self.send(Message::text(text)).await;
        Ok(())
    }

    /// Says good-bye before the daemon does.
    pub async fn leave(&mut self, reason: &'static str) {
        let frame = CloseFrame {
            code: CloseCode::Normal,
            reason: reason.into(),
        };
        self.send(Message::Close(Some(frame))).await;
    }

    /// A daemon that no longer listens may still have left its last words: `next` tells those, or that the
    /// connection is lost, so an error while sending says nothing more.
    async fn send(&mut self, message: Message) {
        let _ = self.socket.send(message).await;
    }
}

fn refused_handshake(link: &Link, error: tungstenite::Error) -> Failure {
    match error {
        tungstenite::Error::Io(error) => link.broken(&error),
        tungstenite::Error::ConnectionClosed
        | tungstenite::Error::Protocol(ProtocolError::HandshakeIncomplete) => link.broken(&error),
        tungstenite::Error::Http(response) => {
            let (parts, body) = response.into_parts();
            refusal(parts.status, &body.unwrap_or_default())
        }
        _ => link.not_http(),
    }
}

fn closing(frame: Option<CloseFrame>) -> Closing {
    match frame {
        Some(CloseFrame { code, reason }) => {
            let reason = serde_json::from_str(reason.as_str())
                .map_or_else(|_| Reason::Other(reason.to_string()), Reason::Message);
            Closing {
                code: code.into(),
                reason,
            }
        }
        None => Closing {
            code: CloseCode::Status.into(),
            reason: Reason::Other(String::new()),
        },
    }
}
