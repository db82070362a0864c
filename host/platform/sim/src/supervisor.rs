//! Supervisors, played by threads: they speak the supervisor's protocol over a real socket and keep a real run
//! directory, so that an engine cannot tell them from processes.

use std::io;
use std::net::Shutdown;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, Sender};
use std::sync::{Arc, Weak};
use std::thread;
use std::time::Instant;

use kleene_plan::{ExitStatus, Id, Launch};
use kleene_supervisor::{Connection, Event, Input, ServerEnd};

use crate::message::Message;
use crate::program::{Program, touch};
use crate::run_dir::RunDir;
use crate::shared::{DaemonLife, Shared};

/// A process and its supervisor.
#[derive(Debug)]
pub(crate) struct Supervisor {
    jail: Id,
    pid: u32,
    program: Program,
    root: PathBuf,
    run_dir: RunDir,
    messages: Receiver<Message>,
    to_itself: Sender<Message>,
    client: Option<Client>,
    /// Tells the thread that waits for daemons that there is nothing to attach to any more.
    ended: Arc<AtomicBool>,
    shared: Weak<Shared>,
}

/// An attached daemon.
#[derive(Debug)]
struct Client {
    line: ServerEnd,
    stream: UnixStream,
    life: DaemonLife,
}

impl Drop for Client {
    /// Ends the line although another thread reads from it. A daemon that has gone ended it already.
    fn drop(&mut self) {
        let _ = self.stream.shutdown(Shutdown::Both);
    }
}

/// The daemon's line to a process, and the host's.
#[derive(Debug)]
pub(crate) struct Lines {
    pub(crate) connection: Connection,
    pub(crate) messages: Sender<Message>,
}

impl Supervisor {
    /// Prepares the run directory and the first connection.
    pub(crate) fn new(
        run_dir: &Path,
        launch: &Launch,
        pid: u32,
        program: Program,
        shared: &Arc<Shared>,
    ) -> io::Result<(Self, Lines)> {
        let (run_dir, listener) = RunDir::create(run_dir, launch)?;
        let (daemons, ours) = UnixStream::pair()?;
        let (to_itself, messages) = mpsc::channel();
        let ended = Arc::new(AtomicBool::new(false));
        accept(listener, to_itself.clone(), Arc::clone(&ended));
        let mut supervisor = Self {
            jail: launch.jail.id.clone(),
            pid,
            program,
            root: launch.jail.root.clone(),
            run_dir,
            messages,
            to_itself: to_itself.clone(),
            client: None,
            ended,
            shared: Arc::downgrade(shared),
        };
        supervisor.attach(ours)?;
        let lines = Lines {
            connection: Connection::from_stream(daemons),
            messages: to_itself,
        };
        Ok((supervisor, lines))
    }

    /// Plays the process until it ends, on a thread of its own.
    pub(crate) fn begin(self) {
        thread::spawn(|| self.play());
    }

    /// Says that the process cannot be started.
    pub(crate) fn refuse(mut self, reason: String) {
        self.tell(&Event::Failed(reason));
        self.close();
    }

    fn play(mut self) {
        self.tell(&Event::Started { pid: self.pid });
        if let Some(status) = self.perform() {
            // A real supervisor, too, records the end before it tells; that it could not is seen by the missing record.
            let _ = self.run_dir.record(status);
            if let Some(shared) = self.shared.upgrade() {
                shared.process_ended(&self.jail, self.pid);
            }
            self.close();
            self.tell(&Event::Exited(status));
        } else {
            self.close();
        }
    }

    /// How the process ends; `None`: with its host.
    fn perform(&mut self) -> Option<ExitStatus> {
        match self.program.clone() {
            Program::Brief { output, status } => {
                self.print(output);
                Some(status)
            }
            Program::Touch(paths) => {
                let made = paths.iter().try_for_each(|path| touch(&self.root, path));
                Some(ExitStatus::Code(u8::from(made.is_err())))
            }
            Program::Cat | Program::Stubborn => self.wait(None),
            Program::Sleep(limit) => self.wait(limit.map(|limit| Instant::now() + limit)),
        }
    }

    /// Does what messages say until one ends the process, or the time is over.
    fn wait(&mut self, until: Option<Instant>) -> Option<ExitStatus> {
        loop {
            let message = match until {
                None => self.messages.recv().map_err(|_| RecvTimeoutError::Disconnected),
                Some(until) => self
                    .messages
                    .recv_timeout(until.saturating_duration_since(Instant::now())),
            };
            match message {
                Ok(Message::Attached(stream)) => self.replace_client(stream),
                Ok(Message::Signal(signal) | Message::Input(Input::Signal(signal))) => {
                    if self.program.is_ended_by(signal) {
                        return Some(ExitStatus::Signal(signal));
                    }
                }
                Ok(Message::Input(Input::Stdin(bytes))) if self.program == Program::Cat => self.print(bytes),
                Ok(Message::Input(Input::CloseStdin)) if self.program == Program::Cat => {
                    return Some(ExitStatus::Code(0));
                }
                Ok(Message::Input(_)) => {}
                Err(RecvTimeoutError::Timeout) => return Some(ExitStatus::Code(0)),
                Ok(Message::HostGone) | Err(RecvTimeoutError::Disconnected) => return None,
            }
        }
    }

    fn print(&mut self, output: Vec<u8>) {
        // As with a real supervisor, a log that cannot be written does not stop the process.
        let _ = self.run_dir.append(&output);
        self.tell(&Event::Output(output));
    }

    fn tell(&mut self, event: &Event) {
        self.leave_the_dead();
        if self
            .client
            .as_ref()
            .is_some_and(|client| client.line.send(event).is_err())
        {
            self.client = None;
        }
    }

    fn replace_client(&mut self, stream: UnixStream) {
        self.leave_the_dead();
        // Who wanted to attach may have gone again.
        if self.attach(stream).is_ok() {
            self.tell(&Event::Started { pid: self.pid });
        }
    }

    fn attach(&mut self, stream: UnixStream) -> io::Result<()> {
        let mut inputs = ServerEnd::from_stream(stream.try_clone()?);
        let line = ServerEnd::from_stream(stream.try_clone()?);
        let life = self
            .shared
            .upgrade()
            .map(|shared| shared.daemon_life())
            .unwrap_or_default();
        self.client = Some(Client { line, stream, life });
        let to_itself = self.to_itself.clone();
        thread::spawn(move || {
            while let Ok(Some(input)) = inputs.next_input() {
                if to_itself.send(Message::Input(input)).is_err() {
                    break;
                }
            }
        });
        Ok(())
    }

    /// Threads of a daemon that died in this process are still there. They are told nothing, not even by the end of
    /// their line, or they would go on with the dead daemon's work.
    fn leave_the_dead(&mut self) {
        let present = self.shared.upgrade().map(|shared| shared.daemon_life());
        if present.is_some() && self.client.as_ref().map(|client| client.life) != present {
            std::mem::forget(self.client.take());
        }
    }

    /// Lets nobody attach any more.
    fn close(&self) {
        self.ended.store(true, Ordering::SeqCst);
        // Wakes the thread that waits for daemons.
        let _ = UnixStream::connect(self.run_dir.socket());
    }
}

/// Lets daemons attach, on a thread of its own.
fn accept(listener: UnixListener, messages: Sender<Message>, ended: Arc<AtomicBool>) {
    thread::spawn(move || {
        while let Ok((stream, _)) = listener.accept() {
            if ended.load(Ordering::SeqCst) || messages.send(Message::Attached(stream)).is_err() {
                break;
            }
        }
    });
}
