//! Conversations with the daemon over a WebSocket: one configuration, many frames, one closing message.

use std::time::Duration;

use futures_util::{FutureExt, SinkExt, StreamExt};
use hyper::body::Bytes;
use hyper::header::HeaderMap;
use kleene_api::{ExecControl, WebSocketMessage};
use serde::Serialize;
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
    /// What the daemon said while something was sent to it, for [`Conversation::next`].
    heard: Option<Heard>,
}

/// A frame, or why there is none.
type Heard = Option<tungstenite::Result<Message>>;

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
    /// Connects, and returns the headers of the daemon's answer, too.
    pub(super) async fn open(link: &Link, route: &Route) -> Result<(Self, HeaderMap), Failure> {
        let stream = link.connect().await?;
        let url = format!("ws://{}{route}", link.authority());
        let (socket, answer) = tokio_tungstenite::client_async(url, stream)
            .await
            .map_err(|error| refused_handshake(link, error))?;
        let ping = interval_at(Instant::now() + PING_EVERY, PING_EVERY);
        let conversation = Self {
            socket,
            ping,
            pong_is_due: false,
            control_is_allowed: false,
            heard: None,
        };
        Ok((conversation, answer.into_parts().0.headers))
    }

    /// Waits for what the daemon says next, and keeps the connection alive meanwhile. May be dropped and called
    /// again without losing anything.
    pub async fn next(&mut self) -> Result<Event, Failure> {
        loop {
            tokio::select! {
                frame = hear(&mut self.heard, &mut self.socket) => {
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

    /// Sends a message as a text frame.
    pub async fn send_message(&mut self, message: &impl Serialize) -> Result<(), Failure> {
        let text = serde_json::to_string(message)
            .map_err(|error| Failure::BadValue(format!("cannot write a message as JSON: {error}")))?;
        self.send(Message::text(text)).await;
        Ok(())
    }

    /// Sends a part of something large and waits until the connection has taken it. False if the daemon has said something
    /// meanwhile, or the connection broke, so that there is no use in sending more: `next` tells what.
    pub async fn send_part(&mut self, part: Vec<u8>) -> bool {
        while let Some(frame) = self.socket.next().now_or_never() {
            if !matches!(frame, Some(Ok(Message::Ping(_) | Message::Pong(_)))) {
                self.heard = Some(frame);
                return false;
            }
        }
        // Whoever sends needs no pings.
        self.ping.reset();
        self.socket.send(Message::binary(part)).await.is_ok()
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
        match self.control_is_allowed {
            true => self.send_message(&control).await,
            false => Ok(()),
        }
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

/// The next frame; one that was heard before comes first.
async fn hear(heard: &mut Option<Heard>, socket: &mut WebSocketStream<Box<dyn Stream>>) -> Heard {
    match heard.take() {
        Some(frame) => frame,
        None => socket.next().await,
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
