//! Networks and the endpoints that connect containers to them: one file per verb.

mod address;
mod connect;
mod create;
mod facts;
mod remove;
mod rules;
mod running;
mod show;

pub(crate) use address::Pool;
pub(crate) use connect::new_endpoint;
use kleene_plan::Id;
use kleene_store::{Network, Resolution};
pub(crate) use rules::{Replacement, held_rules};

use crate::Engine;
use crate::error::{EngineError, Result};

impl Engine {
    /// The id of the network that a user means.
    pub(crate) fn find_network(&self, given: &str) -> Result<Id> {
        match self.store.read(|read| read.resolve_network(given))? {
            Resolution::Found(id) => Ok(id),
            Resolution::None => Err(EngineError::NetworkNotFound {
                given: given.to_owned(),
            }),
            Resolution::Ambiguous => Err(EngineError::Ambiguous {
                what: "network",
                given: given.to_owned(),
            }),
        }
    }

    pub(crate) fn network_by_id(&self, id: &Id) -> Result<Network> {
        let network = self.store.read(|read| read.network(id))?;
        network.ok_or_else(|| EngineError::NetworkNotFound {
            given: id.to_string(),
        })
    }
}
