//! WebSocket frames, RFC 6455 §5, from the client's side: everything that the daemon sends is checked against what the
//! original client can digest.

use std::io::{self, BufReader, Read, Write};
use std::os::unix::net::UnixStream;
use std::time::Duration;

use serde_json::Value;

use super::http::Answer;

/// The key of RFC 6455's example, and what a server makes of it.
const KEY: &str = "dGhlIHNhbXBsZSBub25jZQ==";
const ACCEPT: &str = "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=";
/// The original client takes no larger message.
const LARGEST: u64 = 1 << 20;
/// The most that a close frame can say, two bytes of which are the code.
const LARGEST_CONTROL: usize = 125;

/// What a frame is.
#[allow(missing_docs, reason = "the names are those of RFC 6455 §5.2")]
pub mod opcode {
    pub const CONTINUATION: u8 = 0;
    pub const TEXT: u8 = 1;
    pub const BINARY: u8 = 2;
    pub const CLOSE: u8 = 8;
    pub const PING: u8 = 9;
    pub const PONG: u8 = 10;
}

/// A frame from the daemon.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Frame {
    /// What it is.
    pub opcode: u8,
    /// What it holds.
    pub payload: Vec<u8>,
}

impl Frame {
    /// A text frame.
    #[must_use]
    pub fn text(text: &str) -> Self {
        Self {
            opcode: opcode::TEXT,
            payload: text.into(),
        }
    }

    /// A binary frame.
    #[must_use]
    pub fn binary(bytes: &[u8]) -> Self {
        Self {
            opcode: opcode::BINARY,
            payload: bytes.into(),
        }
    }

    /// What it says, if it is text.
    #[must_use]
    pub fn as_text(&self) -> Option<&str> {
        let text = (self.opcode == opcode::TEXT).then_some(&self.payload)?;
        std::str::from_utf8(text).ok()
    }
}

/// How the daemon ended a conversation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Close {
    /// The code.
    pub code: u16,
    /// The reason to the letter; at most 123 bytes.
    pub reason: String,
}

impl Close {
    /// With a reason of this kind and these texts, in the contract's order of keys.
    #[must_use]
    pub fn new(code: u16, kind: &str, data: &str, message: &str) -> Self {
        let (data, message) = (Value::from(data), Value::from(message));
        Self {
            code,
            reason: format!(r#"{{"data":{data},"message":{message},"msg_type":"{kind}"}}"#),
        }
    }
}

/// A conversation with the daemon.
#[derive(Debug)]
pub struct Conversation {
    stream: BufReader<UnixStream>,
}

impl Conversation {
    /// Shakes hands as the original client does.
    pub(super) fn open(mut stream: UnixStream, path: &str) -> io::Result<Self> {
        let request = format!(
            "GET {path} HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Key: {KEY}\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Extensions: permessage-deflate; client_max_window_bits\r\nUser-Agent: Python/3.9 websockets/12.0\r\n\r\n"
        );
        stream.write_all(request.as_bytes())?;
        let mut stream = BufReader::new(stream);
        let answer = Answer::read(&mut stream, true)?;
        let agreed = answer.status == 101
            && answer.header("sec-websocket-accept") == Some(ACCEPT)
            && answer.header("sec-websocket-extensions").is_none()
            && answer.header("sec-websocket-protocol").is_none();
        if agreed {
            Ok(Self { stream })
        } else {
            Err(io::Error::other(format!(
                "not the handshake that was asked for: {answer:?}"
            )))
        }
    }

    /// How long a frame is waited for from now on.
    ///
    /// # Panics
    /// If the connection cannot be told.
    pub fn set_patience(&self, patience: Duration) {
        if let Err(error) = self.stream.get_ref().set_read_timeout(Some(patience)) {
            panic!("cannot wait for {patience:?}: {error}");
        }
    }

    /// Sends one frame, masked as a client's has to be.
    ///
    /// # Errors
    /// If the daemon has hung up.
    pub fn try_send(&mut self, is_final: bool, opcode: u8, payload: &[u8]) -> io::Result<()> {
        let mask = [0x37, 0xfa, 0x21, 0x3d];
        let mut frame = vec![u8::from(is_final) << 7 | opcode];
        match payload.len() {
            length @ 0..126 => frame.push(0x80 | length as u8),
            length @ 126..0x1_0000 => {
                frame.push(0x80 | 126);
                frame.extend((length as u16).to_be_bytes());
            }
            length => {
                frame.push(0x80 | 127);
                frame.extend((length as u64).to_be_bytes());
            }
        }
        frame.extend(mask);
        frame.extend(
            payload
                .iter()
                .zip(mask.iter().cycle())
                .map(|(byte, mask)| byte ^ mask),
        );
        self.try_send_raw(&frame)
    }

    /// Sends bytes that need not be a frame.
    ///
    /// # Errors
    /// If the daemon has hung up.
    pub fn try_send_raw(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.stream.get_mut().write_all(bytes)
    }

    /// Sends a frame.
    ///
    /// # Panics
    /// If the daemon has hung up.
    #[track_caller]
    pub fn send(&mut self, opcode: u8, payload: &[u8]) {
        if let Err(error) = self.try_send(true, opcode, payload) {
            panic!("the daemon does not listen any more: {error}");
        }
    }

    /// Sends a text frame.
    ///
    /// # Panics
    /// If the daemon has hung up.
    #[track_caller]
    pub fn say(&mut self, text: &str) {
        self.send(opcode::TEXT, text.as_bytes());
    }

    /// Sends what a conversation begins with.
    ///
    /// # Panics
    /// If the daemon has hung up.
    #[must_use]
    #[track_caller]
    pub fn begin(mut self, opening: &Value) -> Self {
        self.say(&opening.to_string());
        self
    }

    /// The next frame.
    ///
    /// # Errors
    /// If there is none in time, or one that the original client chokes on.
    pub fn try_hear(&mut self) -> io::Result<Frame> {
        let wrong = |what: String| Err(io::Error::new(io::ErrorKind::InvalidData, what));
        let [first, second] = self.read_array()?;
        let length = match second & 0x7f {
            126 => u16::from_be_bytes(self.read_array()?).into(),
            127 => u64::from_be_bytes(self.read_array()?),
            short => short.into(),
        };
        if first & 0x80 == 0 || first & 0x70 != 0 || second & 0x80 != 0 {
            return wrong(format!(
                "a fragment, an extension or a mask: {first:#x} {second:#x}"
            ));
        }
        if length > LARGEST {
            return wrong(format!("a frame of {length} bytes"));
        }
        let mut payload = Vec::new();
        self.stream.by_ref().take(length).read_to_end(&mut payload)?;
        let frame = Frame {
            opcode: first & 0x0f,
            payload,
        };
        if frame.payload.len() as u64 != length {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        if frame.opcode >= opcode::CLOSE && frame.payload.len() > LARGEST_CONTROL {
            return wrong(format!("a control frame of {length} bytes"));
        }
        if frame.opcode == opcode::TEXT && frame.as_text().is_none() {
            return wrong("a text frame that is not UTF-8".to_owned());
        }
        Ok(frame)
    }

    /// As [`Conversation::try_hear`].
    ///
    /// # Panics
    /// Where that fails.
    #[track_caller]
    pub fn hear(&mut self) -> Frame {
        match self.try_hear() {
            Ok(frame) => frame,
            Err(error) => panic!("no frame: {error}"),
        }
    }

    /// Everything until the daemon closes, and how it does. The close is confirmed.
    ///
    /// # Errors
    /// If it breaks off, or as [`Conversation::try_hear`].
    pub fn try_hear_out(&mut self) -> io::Result<(Vec<Frame>, Close)> {
        let mut frames = Vec::new();
        loop {
            let frame = self.try_hear()?;
            if frame.opcode != opcode::CLOSE {
                frames.push(frame);
                continue;
            }
            let close = match frame.payload.split_first_chunk() {
                Some((code, reason)) => Close {
                    code: u16::from_be_bytes(*code),
                    reason: String::from_utf8(reason.to_vec()).map_err(io::Error::other)?,
                },
                // RFC 6455 §7.1.5.
                None if frame.payload.is_empty() => Close {
                    code: 1005,
                    reason: String::new(),
                },
                None => return Err(io::Error::other("closed with half a code")),
            };
            // The daemon may have given up waiting for the confirmation.
            let _confirmed = self.try_send(true, opcode::CLOSE, &frame.payload);
            return Ok((frames, close));
        }
    }

    /// As [`Conversation::try_hear_out`].
    ///
    /// # Panics
    /// Where that fails.
    #[track_caller]
    pub fn hear_out(mut self) -> (Vec<Frame>, Close) {
        match self.try_hear_out() {
            Ok(heard) => heard,
            Err(error) => panic!("the conversation was not closed: {error}"),
        }
    }

    /// The texts of all frames until the daemon closes, and how it does.
    ///
    /// # Panics
    /// As [`Conversation::hear_out`], or if a frame is not text.
    #[must_use]
    #[track_caller]
    pub fn hear_texts(self) -> (Vec<String>, Close) {
        let (frames, close) = self.hear_out();
        let text = |frame: Frame| match frame.as_text() {
            Some(text) => text.to_owned(),
            None => panic!("not text: {frame:?}"),
        };
        (frames.into_iter().map(text).collect(), close)
    }

    /// Everything that is said from now on as one text, until it contains `end`.
    ///
    /// # Panics
    /// If it does not come.
    #[track_caller]
    pub fn hear_until(&mut self, end: &str) -> String {
        let mut heard = String::new();
        while !heard.contains(end) {
            match self.try_hear() {
                Ok(frame) if frame.opcode == opcode::CLOSE => panic!("closed after: {heard}"),
                Ok(frame) => heard += &String::from_utf8_lossy(&frame.payload),
                Err(error) => panic!("{error} after: {heard}"),
            }
        }
        heard
    }

    fn read_array<const N: usize>(&mut self) -> io::Result<[u8; N]> {
        let mut bytes = [0; N];
        self.stream.read_exact(&mut bytes)?;
        Ok(bytes)
    }
}
