//! The words a daemon and a supervisor exchange, and their form on the wire: frames of a kind (one byte), the length
//! of what follows (four bytes, little-endian) and the payload.
//!
//! Pure: bytes in, words out. Sockets are the business of `connection`.

use std::io;

use kleene_plan::{ExitStatus, WindowSize};

/// The longest payload a frame may have, in bytes. Both sides cut what is longer into several frames.
pub const LONGEST_PAYLOAD: usize = 64 * 1024;

const HEADER: usize = 5;

/// What a supervisor tells.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// The process runs, under this process id of the host.
    Started {
        /// The process id as the host sees it.
        pid: u32,
    },
    /// The process printed this.
    Output(Vec<u8>),
    /// The process ended; the last word. Its record is on disk already.
    Exited(ExitStatus),
    /// The process could not be started, with the full reason for the user; the last word.
    Failed(String),
}

/// What a supervisor is told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Input {
    /// For the standard input of the process.
    Stdin(Vec<u8>),
    /// Nothing more will be for the standard input: the process reads its end.
    CloseStdin,
    /// The terminal has another size now. Without a terminal: nothing.
    Resize(WindowSize),
    /// Send the process this signal.
    Signal(u8),
}

/// A kind of message with a form on the wire.
pub(crate) trait Message: Sized {
    /// Appends the frame or frames of the message.
    fn encode(&self, wire: &mut Vec<u8>);

    /// Reads one frame's content.
    fn decode(kind: u8, payload: &[u8]) -> io::Result<Self>;
}

impl Message for Event {
    fn encode(&self, wire: &mut Vec<u8>) {
        match self {
            Self::Started { pid } => frame(wire, b'S', &pid.to_le_bytes()),
            Self::Output(bytes) => frames(wire, b'O', bytes),
            Self::Exited(ExitStatus::Code(code)) => frame(wire, b'C', &[*code]),
            Self::Exited(ExitStatus::Signal(signal)) => frame(wire, b'K', &[*signal]),
            Self::Failed(reason) => frame(wire, b'F', cut(reason).as_bytes()),
        }
    }

    fn decode(kind: u8, payload: &[u8]) -> io::Result<Self> {
        match (kind, payload) {
            (b'S', &[a, b, c, d]) => Ok(Self::Started {
                pid: u32::from_le_bytes([a, b, c, d]),
            }),
            (b'O', bytes) => Ok(Self::Output(bytes.to_vec())),
            (b'C', &[code]) => Ok(Self::Exited(ExitStatus::Code(code))),
            (b'K', &[signal]) => Ok(Self::Exited(ExitStatus::Signal(signal))),
            (b'F', reason) => Ok(Self::Failed(String::from_utf8_lossy(reason).into_owned())),
            _ => Err(malformed(kind, payload.len())),
        }
    }
}

impl Message for Input {
    fn encode(&self, wire: &mut Vec<u8>) {
        match self {
            Self::Stdin(bytes) => frames(wire, b'I', bytes),
            Self::CloseStdin => frame(wire, b'E', &[]),
            Self::Resize(WindowSize { rows, cols }) => {
                let ([a, b], [c, d]) = (rows.to_le_bytes(), cols.to_le_bytes());
                frame(wire, b'W', &[a, b, c, d]);
            }
            Self::Signal(signal) => frame(wire, b'G', &[*signal]),
        }
    }

    fn decode(kind: u8, payload: &[u8]) -> io::Result<Self> {
        match (kind, payload) {
            (b'I', bytes) => Ok(Self::Stdin(bytes.to_vec())),
            (b'E', &[]) => Ok(Self::CloseStdin),
            (b'W', &[a, b, c, d]) => Ok(Self::Resize(WindowSize {
                rows: u16::from_le_bytes([a, b]),
                cols: u16::from_le_bytes([c, d]),
            })),
            (b'G', &[signal]) => Ok(Self::Signal(signal)),
            _ => Err(malformed(kind, payload.len())),
        }
    }
}

fn frame(wire: &mut Vec<u8>, kind: u8, payload: &[u8]) {
    #[allow(clippy::cast_possible_truncation, reason = "callers keep to LONGEST_PAYLOAD")]
    let length = payload.len() as u32;
    wire.push(kind);
    wire.extend_from_slice(&length.to_le_bytes());
    wire.extend_from_slice(payload);
}

fn frames(wire: &mut Vec<u8>, kind: u8, bytes: &[u8]) {
    for part in bytes.chunks(LONGEST_PAYLOAD) {
        frame(wire, kind, part);
    }
}

/// As much of a text as fits into one frame.
fn cut(text: &str) -> &str {
    &text[..text.floor_char_boundary(LONGEST_PAYLOAD)]
}

fn malformed(kind: u8, length: usize) -> io::Error {
    let text = format!("no frame of the supervisor's protocol: kind {kind:#04x} with {length} bytes");
    io::Error::new(io::ErrorKind::InvalidData, text)
}

/// Bytes as they arrive, from which messages are taken when they are complete.
#[derive(Debug, Default)]
pub(crate) struct Incoming {
    bytes: Vec<u8>,
    taken: usize,
}

impl Incoming {
    /// More has arrived.
    pub(crate) fn extend(&mut self, bytes: &[u8]) {
        if self.taken > 0 {
            self.bytes.drain(..self.taken);
            self.taken = 0;
        }
        self.bytes.extend_from_slice(bytes);
    }

    /// Whether a message was begun and not finished.
    pub(crate) fn is_partial(&self) -> bool {
        self.taken < self.bytes.len()
    }

    /// The next complete message.
    pub(crate) fn take<M: Message>(&mut self) -> io::Result<Option<M>> {
        let rest = &self.bytes[self.taken..];
        let Some((&[kind, a, b, c, d], body)) = rest.split_first_chunk::<HEADER>() else {
            return Ok(None);
        };
        let length = u32::from_le_bytes([a, b, c, d]) as usize;
        if length > LONGEST_PAYLOAD {
            return Err(malformed(kind, length));
        }
        let Some(payload) = body.get(..length) else {
            return Ok(None);
        };
        let message = M::decode(kind, payload)?;
        self.taken += HEADER + length;
        Ok(Some(message))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wire<M: Message>(message: &M) -> Vec<u8> {
        let mut wire = Vec::new();
        message.encode(&mut wire);
        wire
    }

    #[test]
    fn every_event_survives_the_wire() {
        for event in [
            Event::Started { pid: 4_000_000_000 },
            Event::Output(b"\xff\0text".to_vec()),
            Event::Exited(ExitStatus::Code(7)),
            Event::Exited(ExitStatus::Signal(15)),
            Event::Failed("no such program".to_owned()),
        ] {
            let mut incoming = Incoming::default();
            incoming.extend(&wire(&event));
            assert_eq!(incoming.take::<Event>().unwrap(), Some(event));
            assert!(!incoming.is_partial());
        }
    }

    #[test]
    fn every_input_survives_the_wire() {
        for input in [
            Input::Stdin(b"ls\n".to_vec()),
            Input::CloseStdin,
            Input::Resize(WindowSize { rows: 50, cols: 132 }),
            Input::Signal(9),
        ] {
            let mut incoming = Incoming::default();
            incoming.extend(&wire(&input));
            assert_eq!(incoming.take::<Input>().unwrap(), Some(input));
        }
    }

    #[test]
    fn messages_arriving_byte_by_byte_are_put_together() {
        let mut bytes = wire(&Event::Output(b"one".to_vec()));
        bytes.extend(wire(&Event::Output(b"two".to_vec())));
        let mut incoming = Incoming::default();
        let mut seen = Vec::new();
        for byte in bytes {
            incoming.extend(&[byte]);
            seen.extend(incoming.take::<Event>().unwrap());
        }
        assert_eq!(
            seen,
            [Event::Output(b"one".to_vec()), Event::Output(b"two".to_vec())]
        );
    }

    #[test]
    fn long_output_is_cut_into_frames() {
        let mut incoming = Incoming::default();
        incoming.extend(&wire(&Event::Output(vec![b'x'; LONGEST_PAYLOAD + 1])));
        let mut lengths = Vec::new();
        while let Some(Event::Output(part)) = incoming.take().unwrap() {
            lengths.push(part.len());
        }
        assert_eq!(lengths, [LONGEST_PAYLOAD, 1]);
    }

    #[test]
    fn a_frame_of_unknown_kind_is_refused() {
        let mut incoming = Incoming::default();
        incoming.extend(&[b'?', 0, 0, 0, 0]);
        assert_eq!(
            incoming.take::<Event>().unwrap_err().kind(),
            io::ErrorKind::InvalidData
        );
    }

    #[test]
    fn a_frame_beyond_the_longest_payload_is_refused_before_it_arrives() {
        let mut incoming = Incoming::default();
        incoming.extend(&[b'O', 0xff, 0xff, 0xff, 0xff]);
        assert_eq!(
            incoming.take::<Event>().unwrap_err().kind(),
            io::ErrorKind::InvalidData
        );
    }
}
