//! Where plans come from: a driver makes one, the site's policies review it, and only then does anybody see it.

use kleene_plan::{EndpointFacts, NetworkFacts, Plan, VolumeFacts};
use kleene_plugins::Subject;

use crate::Engine;
use crate::error::Result;

impl Engine {
    /// What a network is made of.
    pub(crate) fn plan_network(&self, network: &NetworkFacts) -> Result<Plan> {
        let driver = self.plugins.network_driver(network.kind.0.as_str())?;
        driver.validate_network(network)?;
        let plan = driver.plan_network(network)?;
        Ok(self.plugins.review(Subject::Network(network), plan)?)
    }

    /// What a container's connection to a network is made of.
    pub(crate) fn plan_endpoint(&self, network: &NetworkFacts, endpoint: &EndpointFacts) -> Result<Plan> {
        let plan = self
            .plugins
            .network_driver(network.kind.0.as_str())?
            .plan_endpoint(network, endpoint)?;
        Ok(self.plugins.review(Subject::Endpoint(network, endpoint), plan)?)
    }

    /// What a volume is made of.
    pub(crate) fn plan_volume(&self, driver: &str, volume: &VolumeFacts) -> Result<Plan> {
        let plan = self.plugins.volume_driver(driver)?.plan_volume(volume)?;
        Ok(self.plugins.review(Subject::Volume(volume), plan)?)
    }
}
