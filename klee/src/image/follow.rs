//! A conversation about an image in which the daemon tells how far it is, and at the end what came of it.

use std::io::{self, IsTerminal};

use kleene_api::{MessageType, WebSocketMessage};
use serde::Serialize;

use crate::client::{Closing, Event, Reason, Route};
use crate::failure::{Exit, Failure, Outcome};
use crate::progress::Progress;
use crate::screen;
use crate::session::Session;

/// Opens the conversation with `config` and shows it to its end.
pub(super) async fn follow(session: &Session, verb: &str, config: &impl Serialize, step: &str) -> Outcome {
    let mut conversation = session
        .client
        .converse(Route::new(["images", verb]), config)
        .await?;
    let mut progress = session.progress(step);
    loop {
        match conversation.next().await? {
            Event::Data(bytes) if is_starting(&bytes) => {}
            Event::Data(bytes) => show(session, &mut progress, &bytes)?,
            Event::Closed(closing) => {
                progress.clear();
                return finish(session, closing);
            }
        }
    }
}

/// Shows a line of the daemon's. On a terminal the many lines that count files or bytes are one that changes.
fn show(session: &Session, progress: &mut Progress, bytes: &[u8]) -> Result<(), Failure> {
    let text = String::from_utf8_lossy(bytes);
    match extracted(&text) {
        Some(files) if progress.is_watched() && io::stdout().is_terminal() => {
            let rate = files as f64 / progress.elapsed().as_secs_f64().max(0.001);
            progress.step(&format!("Extracted {files} files ({rate:.0} per second)"));
            Ok(())
        }
        None if is_counting(&text) && progress.is_watched() && io::stdout().is_terminal() => {
            progress.step(text.trim_end());
            Ok(())
        }
        _ => {
            progress.step(text.lines().last().unwrap_or_default());
            progress.aside(bytes.ends_with(b"\n"), || session.screen.raw(bytes))
        }
    }
}

/// How many files have been extracted, by `Extracted 1200 files...`.
fn extracted(text: &str) -> Option<u64> {
    text.trim_end()
        .strip_prefix("Extracted ")?
        .strip_suffix(" files...")?
        .parse()
        .ok()
}

/// Whether a line tells how far a download or upload is: `Fetched 12.3 MB of 98.7 MB...`, and for a layer of an image
/// `Layer sha256:…: sent 1.0 MB of 2.3 MB...`.
fn is_counting(text: &str) -> bool {
    (text.starts_with("Fetched ") || text.starts_with("Layer ")) && text.trim_end().ends_with("...")
}

fn is_starting(bytes: &[u8]) -> bool {
    matches!(
        serde_json::from_slice(bytes),
        Ok(WebSocketMessage {
            msg_type: MessageType::Starting,
            ..
        })
    )
}

fn finish(session: &Session, closing: Closing) -> Outcome {
    session.screen.line("")?;
    match closing.reason {
        Reason::Message(WebSocketMessage {
            data,
            message,
            msg_type: MessageType::Closing,
        }) => {
            session.screen.styled_line(&message, screen::MESSAGE)?;
            session.screen.styled_line(&data, screen::IMAGE_ID)?;
            Ok(Exit::SUCCESS)
        }
        Reason::Message(WebSocketMessage { message, .. }) => Err(Failure::Refused(message)),
        Reason::Other(_) => Err(Failure::Refused("Kleened returned an unknown error".to_owned())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_that_count_files_are_told_from_others() {
        assert_eq!(extracted("Extracted 1200 files...\n"), Some(1200));
        assert_eq!(extracted("Unpacking contents and creating image...\n"), None);
        assert_eq!(extracted("Extracted all files...\n"), None);
        assert!(is_counting("Fetched 12.3 MB of 98.7 MB...\n"));
        assert!(!is_counting("Succesfully fetched base system.\n"));
    }
}
