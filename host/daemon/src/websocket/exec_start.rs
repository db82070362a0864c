//! `/exec/start`: starts an execution instance and, if asked to, stays attached to it. Contract §8.
//!
//! With our extension `control`, text frames of an attached client are [`ExecControl`] and only binary frames are
//! input; without it every frame is input, as 0.1.1 has it.

use std::future::pending;
use std::ops::ControlFlow;
use std::time::Duration;

use axum::body::Bytes;
use kleene_api::{ExecControl, ExecStartConfig, WebSocketMessage};
use kleene_engine::{EngineError, ProcessEvent, Subscriber};
use kleene_plan::{ExitStatus, WindowSize};
use kleene_supervisor::Input;
use tokio::sync::mpsc;
use tokio::time::timeout;

use super::chunks::{Chunks, faithful};
use super::{
    CloseCode, Conversation, Departure, Heard, IDLE_LIMIT, Listener, Opening, Speaker, close_reason,
};
use crate::app::App;

/// Events of a process that wait to be sent; when they are this many, the process waits as well.
const EVENTS_AHEAD: usize = 16;
/// Frames from a client that wait until the process reads them.
const INPUTS_AHEAD: usize = 64;
/// How long the first bytes of a character wait for the rest: a process that prints another encoding may end a line
/// with what looks like one.
const HOLD_LIMIT: Duration = Duration::from_millis(100);

/// Leads the conversation.
pub async fn converse(app: App, mut client: Conversation) {
    let config: ExecStartConfig = match client.opening().await {
        Ok(config) => config,
        Err(Opening::Departed(departure)) => return client.end_after(departure).await,
        Err(Opening::NotJson(reason)) => return refuse(client, format!("invalid json: {reason}")).await,
        Err(Opening::Invalid(detail)) => {
            return refuse(client, format!("invalid parameters: {detail}")).await;
        }
    };
    if config.attach {
        attached(app, client, config).await;
    } else {
        detached(app, client, config).await;
    }
}

/// What a close frame cannot hold is told in a frame before it.
async fn refuse(mut client: Conversation, message: String) {
    let reason = WebSocketMessage::error("", message);
    if !close_reason::fits(&reason)
        && let Err(departure) = client.speaker.text(reason.message.clone()).await
    {
        return client.end_after(departure).await;
    }
    client.close(CloseCode::Protocol, &reason).await;
}

async fn detached(app: App, client: Conversation, config: ExecStartConfig) {
    if let Some(client) = start(&app, client, &config, None).await {
        let message = "succesfully started execution instance in detached mode";
        client
            .close(CloseCode::GoingAway, &WebSocketMessage::closing("", message))
            .await;
    }
}

async fn attached(app: App, client: Conversation, config: ExecStartConfig) {
    let (sender, events) = mpsc::channel(EVENTS_AHEAD);
    let subscriber: Subscriber = Box::new(move |event| match sender.blocking_send(event) {
        Ok(()) => ControlFlow::Continue(()),
        Err(_) => ControlFlow::Break(()),
    });
    let Some(mut client) = start(&app, client, &config, Some(subscriber)).await else {
        return;
    };

    let end = talk(&app, &mut client, &config, events).await;
    tracing::debug!(exec = config.exec_id, ?end, "no longer attached");
    if !matches!(end, End::Exited { .. } | End::Detached | End::Lost) {
        let exec = config.exec_id.clone();
        if let Err(panic) = app.block(move |engine| engine.exec_client_gone(&exec)).await {
            tracing::error!(%panic, "defect in the engine");
        }
    }
    match end {
        End::Exited {
            status,
            container_ended,
        } => {
            let message = farewell(&config.exec_id, status, container_ended);
            client
                .close(CloseCode::Normal, &WebSocketMessage::closing("", message))
                .await;
        }
        End::Detached => {
            let message = format!("detached from {}, which keeps running", config.exec_id);
            client
                .close(CloseCode::GoingAway, &WebSocketMessage::closing("", message))
                .await;
        }
        End::Departed(departure) => client.end_after(departure).await,
        End::Misunderstood(message) => refuse(client, message).await,
        End::Lost => client.close_without_reason(CloseCode::Internal).await,
    }
}

fn farewell(exec: &str, status: ExitStatus, container_ended: bool) -> String {
    let code = status.code();
    if container_ended {
        format!("executable {exec} and its container exited with exit-code {code}")
    } else {
        format!("{exec} has exited with exit-code {code}")
    }
}

/// Has the engine start the instance. If that fails, the client is told and the conversation is over.
async fn start(
    app: &App,
    mut client: Conversation,
    config: &ExecStartConfig,
    subscriber: Option<Subscriber>,
) -> Option<Conversation> {
    let (exec, start_container) = (config.exec_id.clone(), config.start_container);
    let started = app
        .block(move |engine| engine.start_exec(&exec, start_container, subscriber))
        .await;
    match started {
        Ok(Ok(())) => Some(client),
        Ok(Err(error)) => {
            tracing::info!(exec = config.exec_id, %error, "not started");
            report(&mut client.speaker, &error).await;
            let message = WebSocketMessage::error("", "error starting exec instance");
            client.close(CloseCode::Internal, &message).await;
            None
        }
        Err(panic) => {
            tracing::error!(exec = config.exec_id, %panic, "defect in the engine");
            client.close_without_reason(CloseCode::Internal).await;
            None
        }
    }
}

/// A client that is gone by now finds out nothing, which is as it should be.
async fn report(speaker: &mut Speaker, error: &EngineError) {
    if speaker.text(format!("error: {error}")).await.is_err() {
        tracing::debug!("the client left before it could be told");
    }
}

/// How being attached ended.
#[derive(Debug)]
enum End {
    Exited {
        status: ExitStatus,
        container_ended: bool,
    },
    Departed(Departure),
    /// The client wants to go without its process.
    Detached,
    /// A control message made no sense.
    Misunderstood(String),
    /// The engine let go of the instance without saying how it ended.
    Lost,
}

/// Passes output to the client and input to the process until one of them ends.
async fn talk(
    app: &App,
    client: &mut Conversation,
    config: &ExecStartConfig,
    events: mpsc::Receiver<ProcessEvent>,
) -> End {
    let Conversation { speaker, listener } = client;
    let (sender, inputs) = mpsc::channel(INPUTS_AHEAD);
    tokio::select! {
        end = pass_output(events, speaker) => end,
        end = take_input(listener, sender, config.control) => end,
        end = deliver_input(app, &config.exec_id, inputs) => end,
    }
}

async fn pass_output(mut events: mpsc::Receiver<ProcessEvent>, speaker: &mut Speaker) -> End {
    match try_pass_output(&mut events, speaker).await {
        Ok(end) => end,
        Err(departure) => End::Departed(departure),
    }
}

async fn try_pass_output(
    events: &mut mpsc::Receiver<ProcessEvent>,
    speaker: &mut Speaker,
) -> Result<End, Departure> {
    speaker.starting("").await?;
    let mut chunks = Chunks::default();
    loop {
        let next = next_event(events, chunks.is_holding()).await;
        let (pieces, end) = match next {
            Next::Event(ProcessEvent::Output(bytes)) => (chunks.push(bytes), None),
            Next::Event(ProcessEvent::Exited {
                status,
                container_ended,
            }) => (
                chunks.flush(),
                Some(End::Exited {
                    status,
                    container_ended,
                }),
            ),
            Next::WaitedTooLong => (chunks.flush(), None),
            Next::Nothing => (chunks.flush(), Some(End::Lost)),
        };
        for piece in pieces {
            speaker.say(faithful(piece)).await?;
        }
        if let Some(end) = end {
            return Ok(end);
        }
    }
}

/// What happens next while output is passed on.
enum Next {
    Event(ProcessEvent),
    /// The rest of a character did not come.
    WaitedTooLong,
    /// There will be no more events.
    Nothing,
}

async fn next_event(events: &mut mpsc::Receiver<ProcessEvent>, is_holding: bool) -> Next {
    let received = if is_holding {
        match timeout(HOLD_LIMIT, events.recv()).await {
            Ok(received) => received,
            Err(_) => return Next::WaitedTooLong,
        }
    } else {
        events.recv().await
    };
    received.map_or(Next::Nothing, Next::Event)
}

/// Queues what the client sends. The queue keeps the conversation alive (pings are answered) while a process does not
/// read; only when it has been full for as long as the idle limit, the client counts as gone.
async fn take_input(listener: &mut Listener, inputs: mpsc::Sender<Control>, control: bool) -> End {
    loop {
        let input = match listener.next().await {
            Err(departure) => return End::Departed(departure),
            Ok(Heard::Text(text)) if control => match asked(&text) {
                Ok(asked) => asked,
                Err(error) => return End::Misunderstood(format!("invalid control message: {error}")),
            },
            Ok(Heard::Text(text)) => Control::Input(Input::Stdin(Bytes::from(text).into())),
            Ok(Heard::Binary(bytes)) => Control::Input(Input::Stdin(bytes.into())),
        };
        if inputs.send_timeout(input, IDLE_LIMIT).await.is_err() {
            return End::Departed(Departure::Idle);
        }
    }
}

/// What a control message asks for.
#[derive(Debug, PartialEq, Eq)]
enum Control {
    Input(Input),
    Detach,
}

fn asked(text: &str) -> serde_json::Result<Control> {
    Ok(match serde_json::from_str(text)? {
        ExecControl::Resize(size) => Control::Input(Input::Resize(WindowSize {
            rows: size.rows,
            cols: size.cols,
        })),
        ExecControl::CloseStdin(_) => Control::Input(Input::CloseStdin),
        ExecControl::Detach(_) => Control::Detach,
    })
}

/// Hands queued input to the process, in order, until the client detaches. A process that ended takes none; its end is
/// reported elsewhere.
async fn deliver_input(app: &App, exec: &str, mut queue: mpsc::Receiver<Control>) -> End {
    let mut asked = Vec::new();
    while queue.recv_many(&mut asked, INPUTS_AHEAD).await > 0 {
        let (batch, detaches) = until_detached(std::mem::take(&mut asked));
        let exec = exec.to_owned();
        let delivered =
            app.block(move |engine| batch.iter().try_for_each(|input| engine.exec_input(&exec, input)));
        match delivered.await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => tracing::debug!(%error, "input was not taken"),
            Err(panic) => tracing::error!(%panic, "defect in the engine"),
        }
        if detaches {
            return End::Detached;
        }
    }
    pending().await
}

/// The input that came before the client detached, and whether it did.
fn until_detached(asked: Vec<Control>) -> (Vec<Input>, bool) {
    let mut batch = Vec::with_capacity(asked.len());
    for control in asked {
        match control {
            Control::Input(input) => batch.push(input),
            Control::Detach => return (batch, true),
        }
    }
    (batch, false)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_farewell_tells_whether_the_container_ended_too() {
        let exec = "0123456789ab";
        assert_eq!(
            farewell(exec, ExitStatus::Code(3), true),
            "executable 0123456789ab and its container exited with exit-code 3"
        );
        assert_eq!(
            farewell(exec, ExitStatus::Signal(9), false),
            "0123456789ab has exited with exit-code 137"
        );
    }

    #[test]
    fn control_messages_become_input() {
        let resized = asked(r#"{"resize":{"rows":50,"cols":132}}"#).unwrap();
        let size = WindowSize { rows: 50, cols: 132 };
        assert_eq!(resized, Control::Input(Input::Resize(size)));
        assert_eq!(
            asked(r#"{"close_stdin":true}"#).unwrap(),
            Control::Input(Input::CloseStdin)
        );
        assert_eq!(asked(r#"{"detach":true}"#).unwrap(), Control::Detach);
    }

    #[test]
    fn input_before_a_detachment_is_delivered_and_nothing_after_it() {
        let typed = |text: &str| Control::Input(Input::Stdin(text.into()));
        assert_eq!(
            until_detached(vec![typed("ls\r"), Control::Detach, typed("x")]),
            (vec![Input::Stdin("ls\r".into())], true)
        );
        assert_eq!(
            until_detached(vec![typed("ls\r")]),
            (vec![Input::Stdin("ls\r".into())], false)
        );
    }

    #[test]
    fn anything_else_is_no_control_message() {
        for text in ["ls\n", "{}", r#"{"kill":9}"#] {
            assert!(asked(text).is_err(), "{text}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn half_a_character_waits_for_the_rest_but_not_for_ever() {
        let (sender, mut events) = mpsc::channel(1);
        assert!(matches!(next_event(&mut events, true).await, Next::WaitedTooLong));
        sender.send(ProcessEvent::Output(b"x".to_vec())).await.unwrap();
        assert!(matches!(next_event(&mut events, true).await, Next::Event(_)));
        drop(sender);
        assert!(matches!(next_event(&mut events, false).await, Next::Nothing));
    }
}
