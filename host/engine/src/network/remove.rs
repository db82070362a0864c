//! `DELETE /networks/{id}` and `POST /networks/prune`.

use kleene_plan::{Id, Op};
use kleene_store::Object;

use crate::Engine;
use crate::error::Result;
use crate::locks::unpoisoned;

impl Engine {
    /// Removes a network; its containers, running or not, are disconnected first.
    ///
    /// # Errors
    /// [`NetworkNotFound`](crate::EngineError::NetworkNotFound), or what the host says: then it is still there and
    /// the removal can be tried again.
    pub fn remove_network(&self, given: &str) -> Result<Id> {
        let id = self.find_network(given)?;
        let _one_at_a_time = unpoisoned(&self.networks);
        for endpoint in self.store.read(|read| read.endpoints_of_network(&id))? {
            self.locks.hold(&endpoint.container, || {
                self.disconnect_found(&id, &endpoint.container)
            })?;
        }
        self.remove_unused(&id)?;
        Ok(id)
    }

    /// Removes every network without endpoints. Returns those it removed, ordered by id; one that cannot be removed
    /// is logged and stays.
    ///
    /// # Errors
    /// If the state cannot be read.
    pub fn prune_networks(&self) -> Result<Vec<Id>> {
        let _one_at_a_time = unpoisoned(&self.networks);
        let mut ids: Vec<Id> = self
            .store
            .read(|read| read.networks())?
            .into_iter()
            .map(|network| network.id)
            .collect();
        ids.sort();
        let mut removed = Vec::new();
        for id in ids {
            if !self.store.read(|read| read.endpoints_of_network(&id))?.is_empty() {
                continue;
            }
            match self.remove_unused(&id) {
                Ok(()) => removed.push(id),
                Err(error) => tracing::warn!(network = %id, %error, "could not prune"),
            }
        }
        Ok(removed)
    }

    pub(crate) fn remove_unused(&self, id: &Id) -> Result<()> {
        let object = Object::Network(id.clone());
        let applied = self.store.read(|read| read.applied(&object))?;
        let undo: Vec<Op> = applied
            .into_iter()
            .rev()
            .filter_map(|applied| applied.undo)
            .collect();
        self.remove("remove network", &object, &undo, |write| {
            write.clear_applied(&object)?;
            write.remove_network(id)?;
            Ok(())
        })
    }
}
