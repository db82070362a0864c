//! A container stops: its processes are asked, then killed, and everything made for it is taken back before the
//! answer.

use std::time::Duration;

use kleene_plan::{Id, StopSignal};
use kleene_store::{Container, Object};

use crate::Engine;
use crate::error::{EngineError, Result};

/// How long processes have to end by themselves, unless it is said. With the cleaning up it must stay below the 5 s for
/// which the original client waits.
pub const STOP_GRACE: Duration = Duration::from_millis(3500);
/// How long the thread that follows the first process has to clean up once the jail is gone.
const CLEAN_UP_LIMIT: Duration = Duration::from_secs(1);

impl Engine {
    /// Stops a running container whose processes have [`STOP_GRACE`] to end by themselves.
    ///
    /// # Errors
    /// As [`stop_container_within`](Self::stop_container_within).
    pub fn stop_container(&self, given: &str) -> Result<Id> {
        self.stop_container_within(given, STOP_GRACE)
    }

    /// Stops a running container; processes that are left after `grace` are killed.
    ///
    /// # Errors
    /// [`EngineError::ContainerNotFound`]; [`EngineError::ContainerNotRunning`], after leftovers of an earlier run
    /// were cleaned up; what the host says.
    pub fn stop_container_within(&self, given: &str, grace: Duration) -> Result<Id> {
        let id = self.find_container(given)?;
        let exec = self.locks.hold(&id, || -> Result<Id> {
            let container = self.container_by_id(&id)?;
            let Some(running) = &container.started else {
                self.settle(&Object::Container(id.clone()))?;
                return Err(EngineError::ContainerNotRunning);
            };
            self.platform.stop_jail(&id, wanted_signal(&container), grace)?;
            Ok(running.exec.clone())
        })?;
        let followers = self.execs.of_container(&id);
        let first = followers.iter().find(|process| process.exec == exec);
        if let Some(first) = first {
            first.wait(CLEAN_UP_LIMIT);
        }
        // Nobody may follow it any more, or whoever does is kept waiting by a client that does not read, or failed.
        self.locks.hold(&id, || {
            self.clean_up_ended(&id, &exec, self.recorded_status(&id, &exec))
        })?;
        Ok(id)
    }
}

/// The signal that the container asks for, if it is another than all get. An image of others may ask for one that nobody
/// knows, which is as good as none.
fn wanted_signal(container: &Container) -> Option<StopSignal> {
    let wanted = container.stop_signal.as_deref()?;
    match wanted.parse() {
        Ok(StopSignal::TERM) => None,
        Ok(signal) => Some(signal),
        Err(error) => {
            tracing::warn!(container = %container.id, %error, "TERM is sent instead");
            None
        }
    }
}
