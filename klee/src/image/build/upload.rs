//! Sends a build context: a thread packs it, its parts become frames of the conversation.

use std::io::{self, Read, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use flate2::Compression;
use flate2::write::GzEncoder;
use kleene_api::{UploadControl, Yes};
use tokio::sync::mpsc;

use super::source::{Content, Upload};
use crate::client::Conversation;
use crate::failure::Failure;
use crate::session::Session;
use crate::size;
use crate::transfer::Transfer;

/// Bytes of one frame. The daemon takes 1 MiB.
const PART: usize = 256 << 10;

/// Parts that wait to be sent; when they are this many, packing waits as well.
const PARTS_AHEAD: usize = 4;

/// What stands before sizes.
const TITLE: &str = "Sending build context";

/// Sends the context, after the opening that announced it. If the daemon has something to say before the end, such as that
/// it takes no more, sending ends there and that is read next.
///
/// # Errors
/// If the context cannot be read; the conversation is over then.
pub async fn send(
    session: &Session,
    conversation: &mut Conversation,
    upload: Upload,
    compress: bool,
    quiet: bool,
) -> Result<(), Failure> {
    let total = upload.size();
    if !quiet {
        announce(session, &upload);
    }
    let (sender, mut parts) = mpsc::channel(PARTS_AHEAD);
    let read = Arc::new(AtomicU64::new(0));
    let packing = tokio::task::spawn_blocking({
        let read = Arc::clone(&read);
        move || pack(upload, Parts::new(sender), compress, &read)
    });
    let transfer = (!quiet).then(|| Transfer::begin(TITLE, total));
    while let Some(part) = parts.recv().await {
        if let Some(transfer) = &transfer {
            transfer.at(read.load(Ordering::Relaxed));
        }
        if !conversation.send_part(part).await {
            return Ok(());
        }
    }
    drop(transfer);
    match packing
        .await
        .unwrap_or_else(|error| Err(io::Error::other(error).into()))
    {
        Ok(()) => {
            let end = UploadControl::End(Yes);
            conversation.send_message(&end).await
        }
        Err(failure) => {
            conversation.leave("the build context cannot be read").await;
            Err(failure)
        }
    }
}

/// Says what is sent, in a line that scripts can keep.
fn announce(session: &Session, upload: &Upload) {
    let line = match &upload.content {
        Content::Directory { listing, .. } => {
            for path in &listing.skipped {
                let path = path.display();
                session.screen.note(&format!(
                    "Left out of the build context: {path}, a socket or device"
                ));
            }
            let files = match listing.files {
                1 => "1 file".to_owned(),
                files => format!("{files} files"),
            };
            format!("{TITLE}: {}, {files}", size::human(listing.bytes))
        }
        Content::Archive { size: Some(size), .. } => format!("{TITLE}: {}, an archive", size::human(*size)),
        Content::Archive { size: None, .. } => format!("{TITLE}: an archive"),
    };
    session.screen.note(&line);
}

/// Writes the context as the daemon takes it, counting what is read of it.
fn pack(upload: Upload, parts: Parts, compress: bool, read: &AtomicU64) -> Result<(), Failure> {
    match upload.content {
        Content::Directory { context, listing } => {
            // An empty context is no bytes at all, which a compressor would not leave so.
            let compress = compress && !listing.entries.is_empty();
            let mut count = |bytes| read.store(bytes, Ordering::Relaxed);
            let bad = |error: kleene_context::Error| Failure::BadValue(error.to_string());
            if compress {
                let mut encoder = GzEncoder::new(parts, Compression::fast());
                kleene_context::pack(&context, &listing, &mut encoder, &mut count).map_err(bad)?;
                encoder.finish()?.flush()?;
            } else {
                kleene_context::pack(&context, &listing, parts, &mut count).map_err(bad)?;
            }
        }
        Content::Archive { mut reader, .. } => pass_on(&mut reader, parts, read).map_err(|error| {
            Failure::BadValue(format!("cannot read the archive of the build context: {error}"))
        })?,
    }
    Ok(())
}

/// An archive goes as it is.
fn pass_on(reader: &mut dyn Read, mut parts: Parts, read: &AtomicU64) -> io::Result<()> {
    let mut buffer = vec![0; PART];
    loop {
        let count = reader.read(&mut buffer)?;
        if count == 0 {
            return parts.flush();
        }
        parts.write_all(&buffer[..count])?;
        read.fetch_add(count as u64, Ordering::Relaxed);
    }
}

/// Cuts what is written into parts for frames.
struct Parts {
    sender: mpsc::Sender<Vec<u8>>,
    part: Vec<u8>,
}

impl Parts {
    fn new(sender: mpsc::Sender<Vec<u8>>) -> Self {
        Self {
            sender,
            part: Vec::with_capacity(PART),
        }
    }

    fn send(&mut self) -> io::Result<()> {
        if self.part.is_empty() {
            return Ok(());
        }
        let part = std::mem::replace(&mut self.part, Vec::with_capacity(PART));
        self.sender
            .blocking_send(part)
            .map_err(|_| io::ErrorKind::BrokenPipe.into())
    }
}

impl Write for Parts {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let count = bytes.len().min(PART - self.part.len());
        self.part.extend_from_slice(&bytes[..count]);
        if self.part.len() == PART {
            self.send()?;
        }
        Ok(count)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.send()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_are_of_the_size_of_a_frame_and_the_last_is_what_is_left() {
        let (sender, mut parts) = mpsc::channel(10);
        let mut writer = Parts::new(sender);
        writer.write_all(&vec![1; PART + 10]).unwrap();
        writer.write_all(&vec![2; PART]).unwrap();
        writer.flush().unwrap();
        writer.flush().unwrap();
        drop(writer);
        let mut sizes = Vec::new();
        while let Some(part) = parts.blocking_recv() {
            sizes.push(part.len());
        }
        assert_eq!(sizes, [PART, PART, 10]);
    }

    #[test]
    fn who_takes_no_more_parts_ends_the_packing() {
        let (sender, parts) = mpsc::channel(1);
        drop(parts);
        let error = Parts::new(sender).write_all(&vec![0; PART]).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::BrokenPipe);
    }
}
