//! Bodies that are too large for memory: archives of images, on their way in and out.

use std::fs::File;
use std::io::{self, Seek, SeekFrom, Write};

use axum::body::{Body, Bytes};
use axum::http::StatusCode;
use futures_util::{StreamExt, stream};
use kleene_engine::EngineError;
use tokio::sync::mpsc;

use crate::answer::Failure;
use crate::app::App;

/// Pieces that wait to be sent or written; when they are this many, the other side waits as well.
const PIECES_AHEAD: usize = 16;
const PIECE: usize = 64 << 10;

/// A body that `write` writes, on a thread that may block. If it fails, the connection breaks, so that nobody takes what
/// came for whole.
pub fn written(
    app: &App,
    write: impl FnOnce(&mut dyn Write) -> Result<(), EngineError> + Send + 'static,
) -> Body {
    let (sender, pieces) = mpsc::channel::<io::Result<Bytes>>(PIECES_AHEAD);
    app.block(move |_| {
        let mut writer = io::BufWriter::with_capacity(PIECE, Pieces(sender.clone()));
        let written = write(&mut writer).map_err(io::Error::other);
        if let Err(error) = written.and_then(|()| writer.flush()) {
            tracing::info!(%error, "an answer could not be written to its end");
            // Without a receiver, the client has gone.
            let _ = sender.blocking_send(Err(error));
        }
    });
    let pieces = stream::unfold(pieces, |mut pieces| async move {
        let piece = pieces.recv().await?;
        Some((piece, pieces))
    });
    Body::from_stream(pieces)
}

struct Pieces(mpsc::Sender<io::Result<Bytes>>);

impl Write for Pieces {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let piece = Bytes::copy_from_slice(bytes);
        match self.0.blocking_send(Ok(piece)) {
            Ok(()) => Ok(bytes.len()),
            Err(_) => Err(io::Error::new(io::ErrorKind::BrokenPipe, "the client has gone")),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Writes a body to a file without a name, and returns it, to be read from its beginning.
///
/// # Errors
/// If the client goes before the end, or there is no room.
pub async fn spooled(app: &App, body: Body) -> Result<File, Failure> {
    let file = app.engine.scratch_file().map_err(|error| no_room(&error))?;
    let (sender, mut pieces) = mpsc::channel::<Bytes>(PIECES_AHEAD);
    let writing = tokio::task::spawn_blocking(move || -> io::Result<File> {
        let mut file = file;
        while let Some(piece) = pieces.blocking_recv() {
            file.write_all(&piece)?;
        }
        file.seek(SeekFrom::Start(0))?;
        Ok(file)
    });
    let mut body = body.into_data_stream();
    while let Some(piece) = body.next().await {
        let piece = piece.map_err(|error| {
            Failure::new(
                StatusCode::BAD_REQUEST,
                format!("the archive did not come to its end: {error}"),
            )
        })?;
        // Nobody receives when it could not be written; why is said below.
        if sender.send(piece).await.is_err() {
            break;
        }
    }
    drop(sender);
    match writing.await {
        Ok(written) => written.map_err(|error| no_room(&error)),
        Err(_) => Err(Failure::internal()),
    }
}

fn no_room(error: &io::Error) -> Failure {
    let message = format!("the archive cannot be kept on the daemon's host: {error}");
    Failure::new(StatusCode::INTERNAL_SERVER_ERROR, message)
}
