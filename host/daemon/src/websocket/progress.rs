//! Long work in a conversation: its progress goes to the client as it happens, and it is given up when the client
//! goes.

use axum::extract::ws::Message;
use kleene_engine::{Cancel, Engine};
use tokio::sync::mpsc;
use tokio::task::JoinError;

use super::upload::Feed;
use super::{Conversation, Departure, Speaker};
use crate::app::App;

/// Events that wait to be sent; when they are this many, the work waits as well.
const EVENTS_AHEAD: usize = 64;

/// How long work ended.
pub(super) enum End<T> {
    /// It came to its own end; everything it had to tell has been sent.
    Done(T),
    /// The client went; the work was given up and has cleaned up behind itself.
    Departed(Departure),
    /// It panicked.
    Crashed(JoinError),
}

/// Does `work` and sends every event that it emits as the frames that `frames` makes of it. What the client says meanwhile
/// goes to `feed`, or is ignored.
pub(super) async fn run<E, T>(
    app: &App,
    client: &mut Conversation,
    feed: Option<Feed>,
    work: impl FnOnce(&Engine, &Cancel, &mut dyn FnMut(E)) -> T + Send + 'static,
    frames: impl FnMut(E) -> Vec<Message>,
) -> End<T>
where
    E: Send + 'static,
    T: Send + 'static,
{
    let cancel = Cancel::new();
    let (sender, events) = mpsc::channel(EVENTS_AHEAD);
    let job = app.block({
        let cancel = cancel.clone();
        move |engine| {
            work(engine, &cancel, &mut |event| {
                if sender.blocking_send(event).is_err() {
                    cancel.cancel();
                }
            })
        }
    });
    let Conversation { speaker, listener } = client;
    let departure = async {
        match feed {
            Some(feed) => feed.listen(listener).await,
            None => listener.departure().await,
        }
    };
    // The events end with the job, which owns their sender.
    let told = tokio::select! {
        told = relay(events, speaker, frames) => told,
        departure = departure => Err(departure),
    };
    if told.is_err() {
        cancel.cancel();
    }
    match (job.await, told) {
        (Ok(result), Ok(())) => End::Done(result),
        (Ok(_), Err(departure)) => End::Departed(departure),
        (Err(panic), _) => End::Crashed(panic),
    }
}

async fn relay<E>(
    mut events: mpsc::Receiver<E>,
    speaker: &mut Speaker,
    mut frames: impl FnMut(E) -> Vec<Message>,
) -> Result<(), Departure> {
    while let Some(event) = events.recv().await {
        for frame in frames(event) {
            speaker.say(frame).await?;
        }
    }
    Ok(())
}
