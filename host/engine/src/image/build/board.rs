//! Where the threads of a build meet: which stages are done, how many run, and whether all shall stop.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex};
use std::time::Duration;

use super::stage::Progress;
use crate::cancel::Cancel;
use crate::error::{EngineError, Result};
use crate::locks::unpoisoned;

/// How often a stage that waits looks whether somebody still waits for it.
const CANCEL_INTERVAL: Duration = Duration::from_millis(100);

/// Shared by the stages of one build.
pub(super) struct Board<'a> {
    cancel: &'a Cancel,
    /// At most so many stages run at a time.
    slots: usize,
    /// A stage failed: the others stop.
    failed: AtomicBool,
    state: Mutex<State>,
    changed: Condvar,
}

struct State {
    running: usize,
    done: Vec<Option<Arc<Progress>>>,
}

impl<'a> Board<'a> {
    pub fn new(cancel: &'a Cancel, stages: usize) -> Self {
        Self {
            cancel,
            slots: std::thread::available_parallelism().map_or(1, usize::from),
            failed: AtomicBool::new(false),
            state: Mutex::new(State {
                running: 0,
                done: vec![None; stages],
            }),
            changed: Condvar::new(),
        }
    }

    /// # Errors
    /// [`EngineError::Cancelled`] once the user has gone or another stage has failed.
    pub fn check(&self) -> Result<()> {
        if self.has_failed() {
            return Err(EngineError::Cancelled);
        }
        self.cancel.check()
    }

    /// All stages shall stop. Returns whether this was the first to say so.
    pub fn fail(&self) -> bool {
        let first = !self.failed.swap(true, Ordering::SeqCst);
        self.changed.notify_all();
        first
    }

    pub fn has_failed(&self) -> bool {
        self.failed.load(Ordering::SeqCst)
    }

    pub fn is_cancelled(&self) -> bool {
        self.cancel.is_cancelled()
    }

    /// Waits until these stages are done and another one may run.
    ///
    /// # Errors
    /// As [`check`](Self::check).
    pub fn enter(&self, needs: &BTreeSet<usize>) -> Result<Slot<'_>> {
        let mut state = unpoisoned(&self.state);
        loop {
            self.check()?;
            if state.running < self.slots && needs.iter().all(|stage| state.done[*stage].is_some()) {
                state.running += 1;
                return Ok(Slot {
                    state: &self.state,
                    changed: &self.changed,
                });
            }
            let waited = self.changed.wait_timeout(state, CANCEL_INTERVAL);
            state = waited.unwrap_or_else(std::sync::PoisonError::into_inner).0;
        }
    }

    pub fn done(&self, stage: usize, progress: Arc<Progress>) {
        unpoisoned(&self.state).done[stage] = Some(progress);
        self.changed.notify_all();
    }

    /// A stage that is done.
    pub fn get(&self, stage: usize) -> Option<Arc<Progress>> {
        unpoisoned(&self.state).done[stage].clone()
    }

    /// All stages that are done, in the order of the file.
    pub fn all_done(&self) -> Vec<Arc<Progress>> {
        unpoisoned(&self.state).done.iter().flatten().cloned().collect()
    }
}

/// The right to run, until it is dropped.
pub(super) struct Slot<'a> {
    state: &'a Mutex<State>,
    changed: &'a Condvar,
}

impl Drop for Slot<'_> {
    fn drop(&mut self) {
        unpoisoned(self.state).running -= 1;
        self.changed.notify_all();
    }
}
