//! A process under a supervisor, as the daemon sees it: what it prints goes to whoever is attached, and its end is
//! noticed by a thread of its own.

use std::fmt;
use std::ops::ControlFlow;
use std::path::PathBuf;
use std::sync::{Condvar, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use kleene_plan::{ExitStatus, Id};
use kleene_supervisor::{Connection, Event, Events, Inputs};

use crate::error::{EngineError, Result};
use crate::locks::unpoisoned;

/// What an attached client is told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ProcessEvent {
    /// The process printed this.
    Output(Vec<u8>),
    /// The process ended. Nothing follows.
    Exited {
        /// How.
        status: ExitStatus,
        /// Whether its container ended with it.
        container_ended: bool,
    },
}

/// Where an attached client's events go. It is called on a thread of the engine and may block, which in turn slows
/// the process down; `Break` says that the client is gone.
pub type Subscriber = Box<dyn FnMut(ProcessEvent) -> ControlFlow<()> + Send>;

/// A process that runs or has run.
pub(crate) struct Process {
    pub(crate) exec: Id,
    pub(crate) container: Id,
    /// Whether the container began with this process.
    pub(crate) is_first: bool,
    pub(crate) run_dir: PathBuf,
    pub(crate) inputs: Inputs,
    subscriber: Mutex<Option<Subscriber>>,
    ended: Mutex<bool>,
    changed: Condvar,
}

impl fmt::Debug for Process {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Process")
            .field("exec", &self.exec)
            .field("container", &self.container)
            .finish_non_exhaustive()
    }
}

impl Process {
    pub(crate) fn new(
        exec: Id,
        container: Id,
        is_first: bool,
        run_dir: PathBuf,
        inputs: Inputs,
        subscriber: Option<Subscriber>,
    ) -> Self {
        Self {
            exec,
            container,
            is_first,
            run_dir,
            inputs,
            subscriber: Mutex::new(subscriber),
            ended: Mutex::new(false),
            changed: Condvar::new(),
        }
    }

    /// Passes on what the process prints until it ends, and says how it ended. `None`: its supervisor was killed before
    /// it could tell.
    pub(crate) fn follow(&self, events: &mut Events) -> Option<ExitStatus> {
        loop {
            match events.next() {
                Ok(Some(Event::Output(bytes))) => self.tell(ProcessEvent::Output(bytes)),
                Ok(Some(Event::Exited(status))) => return Some(status),
                Ok(Some(Event::Started { .. } | Event::Failed(_))) => {}
                Ok(None) | Err(_) => return self.status_on_record(),
            }
        }
    }

    /// The line to the supervisor broke: what it wrote down counts.
    fn status_on_record(&self) -> Option<ExitStatus> {
        match kleene_supervisor::exit_record(&self.run_dir) {
            Ok(record) => record.map(|record| record.status),
            Err(error) => {
                tracing::warn!(exec = %self.exec, %error, "the exit status is unknown");
                None
            }
        }
    }

    /// Whether the supervisor is dead, and not only our line to it: the kernel closes that first.
    pub(crate) fn has_lost_its_supervisor(&self) -> bool {
        const DEATH: Duration = Duration::from_secs(1);
        const GLANCE: Duration = Duration::from_millis(10);
        let deadline = Instant::now() + DEATH;
        loop {
            match kleene_supervisor::is_alive(&self.run_dir) {
                Ok(false) => return true,
                Ok(true) if Instant::now() <= deadline => thread::sleep(GLANCE),
                // Who cannot be asked for is not taken for dead.
                _ => return false,
            }
        }
    }

    fn tell(&self, event: ProcessEvent) {
        let mut subscriber = unpoisoned(&self.subscriber);
        if let Some(tell) = subscriber.as_mut()
            && tell(event).is_break()
        {
            *subscriber = None;
        }
    }

    /// Marks the end, for those who wait, and tells the attached client.
    pub(crate) fn end(&self, status: ExitStatus, container_ended: bool) {
        *unpoisoned(&self.ended) = true;
        self.changed.notify_all();
        self.tell(ProcessEvent::Exited {
            status,
            container_ended,
        });
    }

    /// Waits until the process has ended and everything that belonged to it is cleaned up. `false`: the limit
    /// passed first.
    pub(crate) fn wait(&self, limit: Duration) -> bool {
        let ended = unpoisoned(&self.ended);
        let waited = self.changed.wait_timeout_while(ended, limit, |ended| !*ended);
        *waited.unwrap_or_else(std::sync::PoisonError::into_inner).0
    }
}

/// Waits for the supervisor's first word.
pub(crate) fn await_start(connection: Connection) -> Result<(Events, Inputs)> {
    let (mut events, inputs) = connection.split();
    match events.next() {
        Ok(Some(Event::Started { .. })) => Ok((events, inputs)),
        Ok(Some(Event::Failed(reason))) => Err(EngineError::Launch(reason)),
        Ok(other) => Err(EngineError::Launch(format!(
            "the supervisor broke off before the process ran ({other:?})"
        ))),
        Err(error) => Err(EngineError::Launch(format!(
            "the supervisor broke off before the process ran: {error}"
        ))),
    }
}
