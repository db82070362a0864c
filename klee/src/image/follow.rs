//! A conversation about an image in which the daemon tells how far it is, and at the end what came of it.

use std::io::{self, IsTerminal};
use std::time::Duration;

use hyper::body::Bytes;
use kleene_api::{MessageType, WebSocketMessage};
use serde::Serialize;

use crate::client::{Closing, Event, Reason, Route};
use crate::failure::{Exit, Failure, Outcome};
use crate::progress::Progress;
use crate::screen;
use crate::session::Session;

/// How long a text waits to be shown, because it may turn out to be what the end is about to tell.
const LINGER: Duration = Duration::from_millis(300);

/// Opens the conversation with `config` and shows it to its end.
pub(super) async fn follow(session: &Session, verb: &str, config: &impl Serialize, step: &str) -> Outcome {
    let mut conversation = session
        .client
        .converse(Route::new(["images", verb]), config)
        .await?;
    let mut progress = session.progress(step);
    let mut last = None;
    loop {
        let event = match last {
            Some(_) => tokio::time::timeout(LINGER, conversation.next()).await,
            None => Ok(conversation.next().await),
        };
        let Ok(event) = event else {
            show_last(session, &mut progress, &mut last)?;
            continue;
        };
        match event {
            Ok(Event::Data(bytes)) if is_starting(&bytes) => {}
            Ok(Event::Data(bytes)) => {
                show_last(session, &mut progress, &mut last)?;
                last = Some(bytes);
            }
            Ok(Event::Closed(closing)) => {
                let reason = last.take_if(|text| is_reason(text, &closing));
                show_last(session, &mut progress, &mut last)?;
                progress.clear();
                return finish(session, closing, reason.as_deref());
            }
            Err(failure) => {
                show_last(session, &mut progress, &mut last)?;
                return Err(failure);
            }
        }
    }
}

fn show_last(session: &Session, progress: &mut Progress, last: &mut Option<Bytes>) -> Result<(), Failure> {
    last.take()
        .map_or(Ok(()), |bytes| show(session, progress, &bytes))
}

/// Whether the text before the end is the whole of the reason that the end tells, cut to what a close frame can take.
fn is_reason(text: &[u8], closing: &Closing) -> bool {
    let Reason::Message(WebSocketMessage {
        message,
        msg_type: MessageType::Error,
        ..
    }) = &closing.reason
    else {
        return false;
    };
    let told = message.split_once(": ").map(|(_, reason)| reason.trim_end());
    told.is_some_and(|told| !told.is_empty() && text.starts_with(told.as_bytes()))
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

/// Tells what came of it; `reason` is why nothing did, where it is known in full.
fn finish(session: &Session, closing: Closing, reason: Option<&[u8]>) -> Outcome {
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
        Reason::Message(WebSocketMessage { message, .. }) => Err(Failure::Refused(match reason {
            Some(reason) => {
                let what = message.split(": ").next().unwrap_or_default();
                format!("{what}: {}", String::from_utf8_lossy(reason))
            }
            None => message,
        })),
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
