//! Every change of the host is a transaction: the intent goes to the journal, operations are applied one by one, and
//! the new state, what was applied, and the end of the journal are committed together.
//!
//! A change that *makes* something is undone when it fails or when the daemon dies in it. A change that *removes*
//! something is finished instead: it consists of operations whose goal is absence, so doing the rest again is
//! always right.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use kleene_plan::{Id, Op};
use kleene_platform::Platform;
use kleene_store::{Direction, Leftover, Object, StoreError, TransactionId, Write};

use crate::Engine;
use crate::error::{EngineError, Result};

/// A change under way that makes something.
pub(crate) struct Transaction<'e> {
    engine: &'e Engine,
    id: TransactionId,
    /// How what was applied is taken back, with the number of its step.
    undo: Vec<(u32, Op)>,
    steps: u32,
    /// What earlier undos could not take back.
    leftovers: Vec<Leftover>,
    /// The jail that is started in it.
    launched: Option<Id>,
}

/// What an undo could not take back.
#[derive(Debug)]
pub(crate) struct Remnant {
    /// The operation that would take it back.
    pub(crate) op: Op,
    /// What the host says.
    pub(crate) reason: String,
}

impl fmt::Display for Remnant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.op, self.reason)
    }
}

/// What becomes of the record of what was applied.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Keep {
    /// The object's own record says it all.
    No,
    /// It is kept for as long as the object is, to be applied again after a reload and taken back at its end.
    AsApplied,
}

impl Engine {
    /// Runs `work` as a transaction about `object`, then stores its result with `commit`. If either fails, what was
    /// applied is taken back.
    pub(crate) fn transact<T>(
        &self,
        kind: &'static str,
        object: &Object,
        work: impl FnOnce(&mut Transaction<'_>) -> Result<T>,
        commit: impl FnOnce(&mut Write<'_>, &T) -> Result<()>,
    ) -> Result<T> {
        self.run(kind, object, Keep::No, work, commit)
    }

    /// As [`transact`](Self::transact), for objects whose operations hold as long as they live: networks, and
    /// containers that run.
    pub(crate) fn transact_and_keep<T>(
        &self,
        kind: &'static str,
        object: &Object,
        work: impl FnOnce(&mut Transaction<'_>) -> Result<T>,
        commit: impl FnOnce(&mut Write<'_>, &T) -> Result<()>,
    ) -> Result<T> {
        self.run(kind, object, Keep::AsApplied, work, commit)
    }

    fn run<T>(
        &self,
        kind: &'static str,
        object: &Object,
        keep: Keep,
        work: impl FnOnce(&mut Transaction<'_>) -> Result<T>,
        commit: impl FnOnce(&mut Write<'_>, &T) -> Result<()>,
    ) -> Result<T> {
        let (id, leftovers) = self.store.write(|write| -> std::result::Result<_, StoreError> {
            Ok((write.begin(kind, object, Direction::Undo)?, write.leftovers()?))
        })?;
        let mut transaction = Transaction {
            engine: self,
            id,
            undo: Vec::new(),
            steps: 0,
            leftovers,
            launched: None,
        };
        let done = work(&mut transaction).and_then(|value| {
            self.store.write(|write| {
                commit(write, &value)?;
                match keep {
                    Keep::No => {}
                    Keep::AsApplied => write.keep_as_applied(id, object)?,
                }
                write.finish(id)?;
                Ok(value)
            })
        });
        done.map_err(|error| transaction.roll_back(error, object))
    }

    /// Applies operations that remove things, then commits `forget`. On an error the objects in the store stay as
    /// they were, and the removal can be tried again. An object goes with all that was left of it earlier, or not at
    /// all.
    pub(crate) fn remove(
        &self,
        kind: &'static str,
        object: &Object,
        ops: &[Op],
        forget: impl FnOnce(&mut Write<'_>) -> Result<()>,
    ) -> Result<()> {
        self.settle(object)?;
        let id = self.store.write(|write| -> Result<TransactionId> {
            let id = write.begin(kind, object, Direction::Redo)?;
            for (seq, op) in (0..).zip(ops) {
                write.intend(id, seq, op, None)?;
            }
            Ok(id)
        })?;
        let applied = ops.iter().try_for_each(|op| self.platform.apply(op));
        if let Err(error) = applied {
            self.store.write(|write| write.finish(id))?;
            return Err(error.into());
        }
        self.store.write(|write| {
            forget(write)?;
            Ok(write.finish(id)?)
        })
    }

    /// Takes back what earlier undos left of an object.
    ///
    /// # Errors
    /// [`EngineError::NeedsRepair`], naming the first thing that still cannot be taken back.
    pub(crate) fn settle(&self, object: &Object) -> Result<()> {
        let leftovers = self.store.read(|read| read.leftovers_of(object))?;
        if let (Object::Container(id), false) = (object, leftovers.is_empty()) {
            // Perhaps they are in use by a jail whose start was undone and which would not end.
            self.platform.stop_jail(id, None, Duration::ZERO)?;
        }
        leftovers
            .iter()
            .try_for_each(|leftover| self.settle_one(leftover))
    }

    fn settle_one(&self, leftover: &Leftover) -> Result<()> {
        self.platform
            .apply(&leftover.op)
            .map_err(|error| EngineError::NeedsRepair {
                object: leftover.object.to_string(),
                leftover: leftover.op.to_string(),
                reason: error.to_string(),
            })?;
        Ok(self.store.write(|write| write.remove_leftover(leftover.id))?)
    }

    /// Applies each operation, whatever happens to the others, and returns what failed.
    pub(crate) fn take_back(&self, ops: impl IntoIterator<Item = Op>) -> Vec<Remnant> {
        let failed = |op: Op| match self.platform.apply(&op) {
            Ok(()) => None,
            Err(error) => {
                tracing::error!(%op, %error, "could not be taken back");
                Some(Remnant {
                    op,
                    reason: error.to_string(),
                })
            }
        };
        ops.into_iter().filter_map(failed).collect()
    }
}

impl Transaction<'_> {
    /// Applies one operation: its undo is in the journal before anything happens.
    pub(crate) fn apply(&mut self, op: Op) -> Result<()> {
        let undo = op.inverse();
        self.apply_with(op, undo)
    }

    /// As [`apply`](Self::apply), for an operation that ends what another one made: taken back, that one holds again.
    pub(crate) fn apply_in_place_of(&mut self, op: Op, before: Op) -> Result<()> {
        if let Some(inverse) = op.inverse() {
            self.settle_leftovers(&inverse)?;
        }
        self.apply_with(op, Some(before))
    }

    fn apply_with(&mut self, op: Op, undo: Option<Op>) -> Result<()> {
        if let Some(undo) = &undo {
            self.settle_leftovers(undo)?;
        }
        let platform = &self.engine.platform;
        let undo = if platform.would_change(&op)? { undo } else { None };
        let step = self.steps;
        self.engine.store.intend(self.id, step, &op, undo.as_ref())?;
        self.steps += 1;
        self.undo.extend(undo.map(|undo| (step, undo)));
        platform.apply(&op)?;
        Ok(self.engine.store.done(self.id, step)?)
    }

    /// Runs `work` while an operation holds that is taken back afterwards, unless it held before.
    pub(crate) fn during<T>(&mut self, op: Op, work: impl FnOnce(&mut Self) -> Result<T>) -> Result<T> {
        let step = self.steps;
        self.apply(op)?;
        let value = work(self)?;
        if let Some(index) = self.undo.iter().position(|(of, _)| *of == step) {
            self.engine.platform.apply(&self.undo[index].1)?;
            self.engine.store.write(|write| write.undone(self.id, step))?;
            self.undo.remove(index);
        }
        Ok(value)
    }

    /// What an earlier undo could not take back is in the way of making the same thing once more: it would be taken
    /// for what is wanted now, and a later recovery would take that away.
    fn settle_leftovers(&mut self, undo: &Op) -> Result<()> {
        while let Some(index) = self.leftovers.iter().position(|leftover| leftover.op == *undo) {
            self.engine.settle_one(&self.leftovers[index])?;
            self.leftovers.remove(index);
        }
        Ok(())
    }

    pub(crate) fn platform(&self) -> &Arc<dyn Platform> {
        &self.engine.platform
    }

    /// From here on an undo also has to end this jail, whether it came into being or not.
    pub(crate) fn launches(&mut self, jail: &Id) {
        self.launched = Some(jail.clone());
    }

    /// Takes back what was applied, and returns the error that the user shall see.
    fn roll_back(self, error: EngineError, object: &Object) -> EngineError {
        let mut remnants = Vec::new();
        if let Some(jail) = &self.launched
            && let Err(error) = self.engine.platform.stop_jail(jail, None, Duration::ZERO)
        {
            tracing::error!(%jail, %error, "could not end a jail whose start failed");
        }
        let undo = self.undo.into_iter().rev().map(|(_, op)| op);
        remnants.extend(self.engine.take_back(undo));
        let recorded = self.engine.store.write(|write| {
            for remnant in &remnants {
                write.add_leftover(object, &remnant.op, &remnant.reason)?;
            }
            write.finish(self.id)
        });
        if let Err(error) = recorded {
            // The transaction is still in the journal: the next start of the daemon undoes it once more.
            tracing::error!(%object, %error, "could not record the end of an undo");
        }
        if remnants.is_empty() {
            return error;
        }
        let leftovers = remnants.iter().map(ToString::to_string).collect();
        EngineError::HalfUndone {
            error: Box::new(error),
            leftovers,
        }
    }
}
