//! Listing and inspecting networks.

use kleene_api::{Network, NetworkInspect};

use crate::Engine;
use crate::error::Result;
use crate::wire;

impl Engine {
    /// Networks, ordered by name.
    ///
    /// # Errors
    /// If the state cannot be read.
    pub fn networks(&self) -> Result<Vec<Network>> {
        let mut networks = self.store.read(|read| read.networks())?;
        networks.sort_by(|a, b| a.name.cmp(&b.name));
        networks.iter().map(wire::network).collect()
    }

    /// One network with its endpoints.
    ///
    /// # Errors
    /// [`NetworkNotFound`](crate::EngineError::NetworkNotFound).
    pub fn inspect_network(&self, given: &str) -> Result<NetworkInspect> {
        let network = self.network_by_id(&self.find_network(given)?)?;
        let endpoints = self.store.read(|read| read.endpoints_of_network(&network.id))?;
        let mut shown = Vec::with_capacity(endpoints.len());
        for endpoint in &endpoints {
            shown.push(wire::endpoint(
                endpoint,
                &self.container_by_id(&endpoint.container)?,
            ));
        }
        Ok(NetworkInspect {
            network: wire::network(&network)?,
            network_endpoints: shown,
        })
    }
}
