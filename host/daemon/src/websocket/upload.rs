//! A build context on its way from the frames of a client to the thread that unpacks it.

use std::io::{self, ErrorKind, Read};

use axum::body::Bytes;
use kleene_api::UploadControl;
use tokio::sync::mpsc;

use super::{Departure, Heard, Listener};

/// Frames that wait to be unpacked; when they are this many, the client waits as well.
const FRAMES_AHEAD: usize = 8;

/// The two ends of an upload.
pub(super) fn channel() -> (Feed, Archive) {
    let (sender, frames) = mpsc::channel(FRAMES_AHEAD);
    let archive = Archive {
        frames,
        current: Bytes::new(),
        is_complete: false,
    };
    (Feed(sender), archive)
}

/// What a frame of the client means.
enum Part {
    Bytes(Bytes),
    End,
    Misunderstood(String),
}

/// The end at which frames arrive.
pub(super) struct Feed(mpsc::Sender<Part>);

impl Feed {
    /// Passes frames on until the archive is complete, then ignores what the client says until it is gone.
    pub async fn listen(self, listener: &mut Listener) -> Departure {
        loop {
            let part = match listener.next().await {
                Err(departure) => return departure,
                Ok(Heard::Binary(bytes)) => Part::Bytes(bytes),
                Ok(Heard::Text(text)) => match serde_json::from_str(&text) {
                    Ok(UploadControl::End(_)) => Part::End,
                    Err(error) => Part::Misunderstood(error.to_string()),
                },
            };
            let is_last = !matches!(part, Part::Bytes(_));
            // Nobody takes it any more when the archive was refused: what the client still sends is for nothing.
            if self.0.send(part).await.is_err() || is_last {
                return listener.departure().await;
            }
        }
    }
}

/// The end at which the archive is read, by a thread that may block.
pub(super) struct Archive {
    frames: mpsc::Receiver<Part>,
    current: Bytes,
    is_complete: bool,
}

impl Read for Archive {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        while self.current.is_empty() {
            if self.is_complete {
                return Ok(0);
            }
            match self.frames.blocking_recv() {
                Some(Part::Bytes(bytes)) => self.current = bytes,
                Some(Part::End) => self.is_complete = true,
                Some(Part::Misunderstood(reason)) => {
                    let message = format!("a text frame is no message of an upload: {reason}");
                    return Err(io::Error::new(ErrorKind::InvalidData, message));
                }
                None => {
                    let message = "its sender left before the end";
                    return Err(io::Error::new(ErrorKind::UnexpectedEof, message));
                }
            }
        }
        let count = buffer.len().min(self.current.len());
        buffer[..count].copy_from_slice(&self.current.split_to(count));
        Ok(count)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What is read, in one go, of these parts, after which the sender leaves.
    fn read(parts: Vec<Part>) -> io::Result<String> {
        let (feed, mut archive) = channel();
        for part in parts {
            assert!(feed.0.try_send(part).is_ok());
        }
        drop(feed);
        let mut text = String::new();
        archive.read_to_string(&mut text).map(|_| text)
    }

    fn bytes(text: &'static str) -> Part {
        Part::Bytes(Bytes::from_static(text.as_bytes()))
    }

    #[test]
    fn an_archive_is_what_its_frames_hold_in_their_order() {
        let frames = vec![bytes("abc"), bytes(""), bytes("d"), Part::End];
        assert_eq!(read(frames).unwrap(), "abcd");
        assert_eq!(read(vec![Part::End]).unwrap(), "");
    }

    #[test]
    fn an_archive_without_its_end_is_an_error() {
        let error = read(vec![bytes("abc")]).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::UnexpectedEof);
    }

    #[test]
    fn a_text_that_means_nothing_is_an_error() {
        let error = read(vec![bytes("abc"), Part::Misunderstood("why".into())]).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidData);
        assert!(error.to_string().ends_with("why"), "{error}");
    }
}
