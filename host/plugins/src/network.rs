//! Asking a network driver.

use std::sync::Arc;

use kleene_plan::{EndpointFacts, NetworkFacts, Plan};

use crate::bindings::network::NetworkPluginIndices;
use crate::convert::{endpoint_to_wit, network_to_wit};
use crate::error::PluginError;
use crate::guest::Guest;
use crate::scope;

/// The plugin that plans networks of some kind.
#[derive(Clone)]
pub struct NetworkDriver(pub(crate) Arc<Guest<NetworkPluginIndices>>);

impl NetworkDriver {
    /// The plugin's name.
    #[must_use]
    pub fn plugin(&self) -> &str {
        self.0.name()
    }

    /// Whether a network can be as described; asked before anything is stored.
    ///
    /// # Errors
    /// Why it cannot, in the plugin's words, or how the plugin failed.
    pub fn validate_network(&self, network: &NetworkFacts) -> Result<(), PluginError> {
        let facts = network_to_wit(network);
        let answer = self.0.call("validate-network", |world, store, instance| {
            let plugin = world.load(&mut *store, instance)?;
            plugin
                .kleene_plugin_network_driver()
                .call_validate_network(store, &facts)
        })?;
        answer.map_err(|error| self.0.refused(error))
    }

    /// What the host needs for the network itself.
    ///
    /// # Errors
    /// Why there is no plan, in the plugin's words, or how the plugin failed or overstepped.
    pub fn plan_network(&self, network: &NetworkFacts) -> Result<Plan, PluginError> {
        const CALL: &str = "plan-network";
        let facts = network_to_wit(network);
        let answer = self.0.call(CALL, |world, store, instance| {
            let plugin = world.load(&mut *store, instance)?;
            plugin
                .kleene_plugin_network_driver()
                .call_plan_network(store, &facts)
        })?;
        self.0.accept(CALL, answer, &scope::of_network(network))
    }

    /// What the host and the jail need for a container's connection to the network.
    ///
    /// # Errors
    /// Why there is no plan, in the plugin's words, or how the plugin failed or overstepped.
    pub fn plan_endpoint(
        &self,
        network: &NetworkFacts,
        endpoint: &EndpointFacts,
    ) -> Result<Plan, PluginError> {
        const CALL: &str = "plan-endpoint";
        let (network_facts, endpoint_facts) = (network_to_wit(network), endpoint_to_wit(endpoint));
        let answer = self.0.call(CALL, |world, store, instance| {
            let plugin = world.load(&mut *store, instance)?;
            plugin
                .kleene_plugin_network_driver()
                .call_plan_endpoint(store, &network_facts, &endpoint_facts)
        })?;
        self.0
            .accept(CALL, answer, &scope::of_endpoint(network, endpoint))
    }
}
