//! What a process prints, cut into frames: text where it is UTF-8, bytes where it is not.
//!
//! Reads end anywhere, also within a character. Its first bytes are held back until the rest arrives, since a text
//! frame with half a character makes clients drop the connection.

use axum::extract::ws::Message;

/// Frames stay well below the 1 MiB that the original client accepts.
const LARGEST: usize = 256 << 10;

/// The stream of what one process prints.
#[derive(Debug, Default)]
pub(super) struct Chunks {
    /// The beginning of a character, at most three bytes.
    held: Vec<u8>,
}

impl Chunks {
    /// Whether the beginning of a character is held back.
    pub(super) fn is_holding(&self) -> bool {
        !self.held.is_empty()
    }

    /// Pieces that can be sent now that `bytes` have been printed.
    pub(super) fn push(&mut self, bytes: Vec<u8>) -> Vec<Vec<u8>> {
        let mut bytes = if self.held.is_empty() {
            bytes
        } else {
            let mut joined = std::mem::take(&mut self.held);
            joined.extend(bytes);
            joined
        };
        self.held = bytes.split_off(bytes.len() - unfinished(&bytes));
        cut(bytes)
    }

    /// What is left when nothing more will come, or when it has not come for long.
    pub(super) fn flush(&mut self) -> Vec<Vec<u8>> {
        cut(std::mem::take(&mut self.held))
    }
}

/// A piece as a frame: text if it can be.
pub(super) fn faithful(piece: Vec<u8>) -> Message {
    match String::from_utf8(piece) {
        Ok(text) => Message::Text(text.into()),
        Err(error) => Message::Binary(error.into_bytes().into()),
    }
}

/// A piece as text, with replacement characters for what is not UTF-8.
pub(super) fn readable(piece: &[u8]) -> Message {
    Message::Text(String::from_utf8_lossy(piece).into_owned().into())
}

/// How many bytes at the end are the beginning of a character.
fn unfinished(bytes: &[u8]) -> usize {
    for length in 1..=bytes.len().min(3) {
        let tail = &bytes[bytes.len() - length..];
        let wanted = match tail[0] {
            0xc2..=0xdf => 2,
            0xe0..=0xef => 3,
            0xf0..=0xf4 => 4,
            0x80..=0xbf => continue,
            _ => 0,
        };
        // `error_len` is none exactly if more bytes could make the tail a character.
        let can_be_finished = std::str::from_utf8(tail).is_err_and(|error| error.error_len().is_none());
        return if wanted > length && can_be_finished {
            length
        } else {
            0
        };
    }
    0
}

/// Pieces of at most [`LARGEST`] bytes, which end at the end of a character where there is one.
fn cut(bytes: Vec<u8>) -> Vec<Vec<u8>> {
    if bytes.is_empty() {
        return Vec::new();
    }
    let mut pieces = Vec::new();
    let mut rest = bytes;
    while rest.len() > LARGEST {
        let end = LARGEST - unfinished(&rest[..LARGEST]);
        let tail = rest.split_off(end);
        pieces.push(std::mem::replace(&mut rest, tail));
    }
    pieces.push(rest);
    pieces
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The frames of what is printed in these reads, and at the end.
    fn frames(reads: &[&[u8]]) -> Vec<Message> {
        let mut chunks = Chunks::default();
        let mut pieces: Vec<Vec<u8>> = reads.iter().flat_map(|read| chunks.push(read.to_vec())).collect();
        pieces.extend(chunks.flush());
        pieces.into_iter().map(faithful).collect()
    }

    fn text(text: &str) -> Message {
        Message::Text(text.to_owned().into())
    }

    fn binary(bytes: &'static [u8]) -> Message {
        Message::Binary(bytes.into())
    }

    #[test]
    fn plain_text_passes_as_it_was_read() {
        assert_eq!(frames(&[b"hello\n", b"world"]), [text("hello\n"), text("world")]);
    }

    #[test]
    fn a_character_split_over_two_reads_arrives_whole() {
        for (character, length) in [("é", 2), ("日", 3), ("🦀", 4)] {
            for at in 1..length {
                let (first, second) = character.as_bytes().split_at(at);
                assert_eq!(frames(&[first, second]), [text(character)], "{character} at {at}");
                let before = [b"a", first].concat();
                let after = [second, b"b"].concat();
                assert_eq!(
                    frames(&[&before, &after]),
                    [text("a"), text(&format!("{character}b"))]
                );
            }
        }
    }

    #[test]
    fn a_character_that_arrives_byte_by_byte_arrives_whole() {
        assert_eq!(frames(&[&[0xf0], &[0x9f], &[0xa6], &[0x80]]), [text("🦀")]);
    }

    #[test]
    fn what_is_not_utf8_is_a_binary_frame_at_once() {
        assert_eq!(frames(&[b"\xff\xfe"]), [binary(b"\xff\xfe")]);
        assert_eq!(frames(&[b"\x80"]), [binary(b"\x80")]);
        assert_eq!(frames(&[b"ok \xc0"]), [binary(b"ok \xc0")]);
        assert_eq!(
            frames(&[b"ok", b"\xff", b"ok"]),
            [text("ok"), binary(b"\xff"), text("ok")]
        );
    }

    #[test]
    fn an_impossible_beginning_is_not_held_back() {
        // Surrogates and what lies beyond U+10FFFF.
        let mut chunks = Chunks::default();
        for beginning in [&b"\xed\xa0"[..], b"\xf4\x90", b"\xe0\x80"] {
            assert_eq!(chunks.push(beginning.to_vec()), [beginning.to_vec()]);
            assert!(!chunks.is_holding());
        }
    }

    #[test]
    fn what_was_held_back_is_sent_at_the_end() {
        assert_eq!(frames(&[b"caf\xc3"]), [text("caf"), binary(b"\xc3")]);
    }

    #[test]
    fn nothing_printed_is_no_frame() {
        assert_eq!(frames(&[b""]), []);
    }

    #[test]
    fn large_output_is_cut_below_the_limit_and_between_characters() {
        let printed = "€".repeat(300_000);
        let mut joined = String::new();
        for message in frames(&[printed.as_bytes()]) {
            let Message::Text(part) = message else {
                panic!("not text")
            };
            assert!(part.len() <= LARGEST);
            joined.push_str(&part);
        }
        assert_eq!(joined, printed);
    }

    #[test]
    fn readable_text_has_replacement_characters() {
        assert_eq!(readable(b"a\xffb"), text("a\u{fffd}b"));
    }
}
