//! One lock per object: two requests for the same container wait for each other, requests for different ones do
//! not. Without it, two concurrent starts would both see a stopped container (runj's oldest bug).

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use kleene_plan::Id;

/// The locks of all objects that are being changed at this moment.
#[derive(Debug, Default)]
pub(crate) struct Locks(Mutex<HashMap<Id, Arc<Mutex<()>>>>);

impl Locks {
    /// Runs `work` while no other work on this object runs.
    pub(crate) fn hold<T>(&self, object: &Id, work: impl FnOnce() -> T) -> T {
        let lock = Arc::clone(unpoisoned(&self.0).entry(object.clone()).or_default());
        let result = {
            let _held = unpoisoned(&lock);
            work()
        };
        drop(lock);
        // Forgotten when nobody else waits: only the map holds it then.
        unpoisoned(&self.0).retain(|_, lock| Arc::strong_count(lock) > 1);
        result
    }
}

/// Locks here protect no data that a panic could leave half changed: state is in the store.
pub(crate) fn unpoisoned<T>(lock: &Mutex<T>) -> MutexGuard<'_, T> {
    lock.lock().unwrap_or_else(PoisonError::into_inner)
}

/// As [`unpoisoned`], with others that read.
pub(crate) fn unpoisoned_read(lock: &RwLock<()>) -> RwLockReadGuard<'_, ()> {
    lock.read().unwrap_or_else(PoisonError::into_inner)
}

/// As [`unpoisoned`], alone.
pub(crate) fn unpoisoned_write(lock: &RwLock<()>) -> RwLockWriteGuard<'_, ()> {
    lock.write().unwrap_or_else(PoisonError::into_inner)
}
