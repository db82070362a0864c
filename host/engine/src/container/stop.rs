//! A container stops: its processes are asked, then killed, and everything made for it is taken back before the
//! answer.

use std::time::Duration;

use kleene_plan::{ExitStatus, Id};

use crate::Engine;
use crate::error::{EngineError, Result};

/// How long processes have to end by themselves. With the cleaning up it must stay below the 5 s for which the
/// original client waits.
const GRACE: Duration = Duration::from_millis(3500);
/// How long the thread that follows the first process has to clean up once the jail is gone.
const CLEAN_UP_LIMIT: Duration = Duration::from_secs(1);
const SIGTERM: u8 = 15;

impl Engine {
    /// Stops a running container.
    ///
    /// # Errors
    /// [`EngineError::ContainerNotFound`]; [`EngineError::ContainerNotRunning`], after leftovers of an earlier run
    /// were cleaned up; what the host says.
    pub fn stop_container(&self, given: &str) -> Result<Id> {
        let id = self.find_container(given)?;
        let running = self.locks.hold(&id, || -> Result<bool> {
            let container = self.container_by_id(&id)?;
            if container.started.is_some() {
                self.platform.stop_jail(&id, GRACE)?;
            }
            Ok(container.started.is_some())
        })?;
        if !running {
            return Err(EngineError::ContainerNotRunning);
        }
        let followers = self.execs.of_container(&id);
        let first_cleans_up = followers
            .iter()
            .find(|process| process.is_first)
            .is_some_and(|first| first.wait(CLEAN_UP_LIMIT));
        if !first_cleans_up {
            // Nobody follows it: it was started by an earlier daemon, or its first process had ended before.
            self.locks.hold(&id, || {
                self.clean_up_ended(&id, None, ExitStatus::Signal(SIGTERM))
            });
        }
        Ok(id)
    }
}
