//! Starting execution instances, and being the standard input and output of one.

use std::io;

use kleene_api::{ExecControl, ExecStartConfig, Extension, MessageType, WebSocketMessage, Yes};
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::mpsc;

use crate::client::{Closing, Conversation, Event, Reason, Route};
use crate::detach::{DetachKeys, Typed, Watch};
use crate::failure::{Exit, Failure, Outcome};
use crate::screen;
use crate::session::Session;
use crate::terminal::{self, RawMode};

/// What is connected to a process besides its output.
#[derive(Debug, Clone)]
pub struct Stdio {
    /// Whether our standard input is its standard input.
    pub interactive: bool,
    /// Whether it has a terminal.
    pub tty: bool,
    /// The keys that end the connection and not the process; they count where there are two terminals only.
    pub detach_keys: DetachKeys,
    /// Whether nothing is printed but its output.
    pub quiet: bool,
}

impl Stdio {
    /// Raw mode, if there are two terminals to connect: with a pipe on either side, lines stay lines and Ctrl-C
    /// stays a signal to us.
    fn raw_mode(&self) -> Result<Option<RawMode>, Failure> {
        let both = self.interactive && self.tty && terminal::stdin_is_terminal();
        both.then(|| RawMode::enter(io::stdin()))
            .transpose()
            .map_err(Failure::from)
    }

    /// Every change of the terminal's size from now on.
    fn window_changes(&self) -> Result<Option<Signal>, Failure> {
        let listening = self.tty.then(|| signal(SignalKind::window_change()));
        listening.transpose().map_err(Failure::from)
    }
}

/// A process that was started.
pub enum Started {
    /// It is left alone.
    Detached,
    /// What it says and reads goes through this.
    Attached(Box<Attached>),
}

impl Started {
    /// Stays connected until the process ends, if it was not left alone. The exit code is the process' own.
    pub async fn attend(self, session: &Session) -> Outcome {
        match self {
            Self::Detached => Ok(Exit::SUCCESS),
            Self::Attached(attached) => attached.attend(session).await,
        }
    }
}

/// Starts an instance, and its container with it, and leaves it alone.
pub async fn start_detached(session: &Session, exec_id: String) -> Result<(), Failure> {
    let config = ExecStartConfig {
        attach: false,
        control: false,
        exec_id,
        start_container: true,
    };
    let mut conversation = session
        .client
        .converse(Route::new(["exec", "start"]), &config)
        .await?;
    let mut complaint = String::from("error starting container");
    loop {
        match conversation.next().await? {
            Event::Data(bytes) => {
                complaint.push_str(": ");
                complaint.push_str(without_prefix(&String::from_utf8_lossy(&bytes)));
            }
            Event::Closed(Closing { code: 1001, .. }) => return Ok(()),
            Event::Closed(_) => return Err(Failure::Refused(complaint)),
        }
    }
}

fn without_prefix(text: &str) -> &str {
    text.strip_prefix("error: ").unwrap_or(text)
}

/// A connection to a process.
pub struct Attached {
    conversation: Conversation,
    control: bool,
    stdio: Stdio,
}

/// Starts an instance, and its container with it, and connects to it.
pub async fn start_attached(session: &Session, exec_id: String, stdio: Stdio) -> Result<Attached, Failure> {
    // A daemon of 0.1.1 knows no control messages: it breaks at the key and takes text for input.
    let control = session.client.daemon_knows(Extension::ExecControl);
    let config = ExecStartConfig {
        attach: true,
        control,
        exec_id,
        start_container: true,
    };
    let mut conversation = session
        .client
        .converse(Route::new(["exec", "start"]), &config)
        .await?;
    conversation.allow_control(control);
    await_start(&mut conversation).await?;
    Ok(Attached {
        conversation,
        control,
        stdio,
    })
}

impl Attached {
    async fn attend(mut self, session: &Session) -> Outcome {
        let stdio = &self.stdio;
        // In this order: whoever sees the raw mode may count on it that a change is noticed.
        let resized = stdio.window_changes()?;
        let raw_mode = stdio.raw_mode()?;
        let watch = raw_mode
            .as_ref()
            .filter(|_| self.control)
            .map(|_| Watch::new(stdio.detach_keys.clone()));
        let end = relay(session, &mut self.conversation, stdio, watch, resized).await;
        drop(raw_mode);
        match end? {
            End::Closed(closing) => finish(session, closing, stdio.quiet),
            End::Interrupted => Err(Failure::Aborted),
        }
    }
}

/// Waits for the starting message. An instance that cannot start sends its reason in that place.
async fn await_start(conversation: &mut Conversation) -> Result<(), Failure> {
    match conversation.next().await? {
        Event::Data(bytes) => match serde_json::from_slice::<WebSocketMessage>(&bytes) {
            Ok(WebSocketMessage {
                msg_type: MessageType::Starting,
                ..
            }) => Ok(()),
            _ => Err(Failure::Refused(String::from_utf8_lossy(&bytes).into_owned())),
        },
        Event::Closed(closing) => Err(Failure::Refused(unexpected_end(&closing))),
    }
}

/// How being connected ended.
enum End {
    Closed(Closing),
    Interrupted,
}

/// Carries output, input and changes of the terminal's size, until the daemon closes. A signal that ends an
/// interactive session is told to the daemon.
async fn relay(
    session: &Session,
    conversation: &mut Conversation,
    stdio: &Stdio,
    mut watch: Option<Watch>,
    mut resized: Option<Signal>,
) -> Result<End, Failure> {
    let mut interrupt = stdio
        .interactive
        .then(|| signal(SignalKind::interrupt()))
        .transpose()?;
    let mut terminate = stdio
        .interactive
        .then(|| signal(SignalKind::terminate()))
        .transpose()?;
    let mut input = stdio.interactive.then(terminal::input);
    if !stdio.interactive && !stdio.tty {
        // Nobody will ever type anything, so a program that reads shall not wait for it.
        conversation.send_control(ExecControl::CloseStdin(Yes)).await?;
    }
    loop {
        tokio::select! {
            event = conversation.next() => match event? {
                Event::Data(bytes) => session.screen.raw(&bytes)?,
                Event::Closed(closing) => return Ok(End::Closed(closing)),
            },
            bytes = next_input(&mut input) => match bytes {
                Some(bytes) => pass_on(conversation, bytes, &mut watch).await?,
                None => {
                    input = None;
                    conversation.send_control(ExecControl::CloseStdin(Yes)).await?;
                }
            },
            () = next_signal(&mut interrupt) => return Ok(interrupted(conversation).await),
            () = next_signal(&mut terminate) => return Ok(interrupted(conversation).await),
            () = next_signal(&mut resized) => {
                if let Some(size) = terminal::size() {
                    conversation.send_control(ExecControl::Resize(size)).await?;
                }
            }
        }
    }
}

async fn interrupted(conversation: &mut Conversation) -> End {
    conversation.leave("interrupted by user").await;
    End::Interrupted
}

/// Passes on what was typed. After the keys that detach nothing more is: the daemon lets go of the process and closes.
async fn pass_on(
    conversation: &mut Conversation,
    bytes: Vec<u8>,
    watch: &mut Option<Watch>,
) -> Result<(), Failure> {
    let (bytes, detached) = match watch.as_mut().map(|watch| watch.look(&bytes)) {
        None => (bytes, false),
        Some(Typed::Input(bytes)) => (bytes, false),
        Some(Typed::Detached(bytes)) => (bytes, true),
    };
    if !bytes.is_empty() {
        conversation.send_input(bytes).await;
    }
    if detached {
        conversation.send_control(ExecControl::Detach(Yes)).await?;
    }
    Ok(())
}

/// The next piece of input, nothing at its end; waits for ever if there is no input.
async fn next_input(input: &mut Option<mpsc::Receiver<Vec<u8>>>) -> Option<Vec<u8>> {
    match input {
        Some(input) => input.recv().await,
        None => std::future::pending().await,
    }
}

/// The next signal; waits for ever if nobody listens for one.
async fn next_signal(signal: &mut Option<Signal>) {
    if let Some(signal) = signal
        && signal.recv().await.is_some()
    {
        return;
    }
    std::future::pending().await
}

fn finish(session: &Session, closing: Closing, quiet: bool) -> Outcome {
    match closing {
        Closing {
            code: 1000 | 1001,
            reason: Reason::Message(WebSocketMessage { message, .. }),
        } => {
            if !quiet {
                session.screen.line("")?;
                session.screen.styled_line(&message, screen::MESSAGE)?;
            }
            Ok(exit_of(&message))
        }
        closing => Err(Failure::Refused(unexpected_end(&closing))),
    }
}

fn unexpected_end(closing: &Closing) -> String {
    let reason = match &closing.reason {
        Reason::Message(message) => &message.message,
        Reason::Other(text) => text,
    };
    format!(
        "Kleened returned an error with error code {} and reason #{reason}",
        closing.code
    )
}

/// The exit code in a closing message such as `<exec id> has exited with exit-code 3`.
fn exit_of(message: &str) -> Exit {
    const BEFORE_CODE: &str = "exited with exit-code ";
    let code = message
        .rfind(BEFORE_CODE)
        .and_then(|start| message[start + BEFORE_CODE.len()..].trim().parse().ok());
    code.map_or(Exit::SUCCESS, Exit)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_exit_code_is_the_one_in_the_closing_message() {
        assert_eq!(
            exit_of("executable abc and its container exited with exit-code 1"),
            Exit(1)
        );
        assert_eq!(exit_of("abc has exited with exit-code 137"), Exit(137));
        assert_eq!(exit_of("abc has exited with exit-code 0"), Exit(0));
    }

    #[test]
    fn a_closing_message_without_an_exit_code_is_no_failure() {
        assert_eq!(exit_of("bye"), Exit::SUCCESS);
    }
}
