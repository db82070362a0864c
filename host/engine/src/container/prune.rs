//! `POST /containers/prune`.

use kleene_plan::Id;

use crate::Engine;
use crate::error::Result;

impl Engine {
    /// Removes all containers that do not run and are not meant to persist, oldest first. Returns those it removed;
    /// one that cannot be removed is logged and stays.
    ///
    /// # Errors
    /// If the state cannot be read.
    pub fn prune_containers(&self) -> Result<Vec<Id>> {
        let mut stopped = self.store.read(|read| read.containers())?;
        stopped.retain(|container| container.started.is_none() && !container.persist);
        stopped.sort_by(|a, b| (a.created, &a.id).cmp(&(b.created, &b.id)));
        let mut removed = Vec::new();
        for container in stopped {
            match self
                .locks
                .hold(&container.id, || self.remove_stopped(&container.id))
            {
                Ok(()) => removed.push(container.id),
                Err(error) => tracing::warn!(container = %container.id, %error, "could not prune"),
            }
        }
        Ok(removed)
    }
}
