//! Where plans come from: a driver makes one, the site's policies review it, and only then does anybody see it.

use kleene_plan::{EndpointFacts, NetworkFacts, Op, Plan, Rule, VolumeFacts};
use kleene_plugins::Subject;

use crate::Engine;
use crate::error::Result;

/// The firewall rules of a plan.
#[derive(Debug)]
pub(crate) struct ReviewedRules {
    /// As the driver planned them.
    own: Vec<Rule>,
    /// With what the site's policies added.
    pub(crate) reviewed: Vec<Rule>,
}

impl ReviewedRules {
    /// Whether it is the policies' doing that these rules are not those. A driver may have other reasons to plan something
    /// else than before, which count from the next start on: the host may have lost its default route for a moment.
    pub(crate) fn differ_by_policies_from(&self, others: &[Rule]) -> bool {
        // Policies add before what the driver planned.
        let added = self.reviewed.strip_suffix(self.own.as_slice());
        match (others.strip_suffix(self.own.as_slice()), added) {
            (Some(added_before), Some(added)) => added_before != added,
            (None, Some(added)) => !others.starts_with(added),
            (_, None) => self.reviewed != others,
        }
    }
}

impl Engine {
    /// The rules of a network.
    pub(crate) fn review_network_rules(&self, network: &NetworkFacts) -> Result<ReviewedRules> {
        let plan = self
            .plugins
            .network_driver(network.kind.0.as_str())?
            .plan_network(network)?;
        self.review_rules(Subject::Network(network), plan)
    }

    /// The rules of a container's connection to a network.
    pub(crate) fn review_endpoint_rules(
        &self,
        network: &NetworkFacts,
        endpoint: &EndpointFacts,
    ) -> Result<ReviewedRules> {
        let plan = self
            .plugins
            .network_driver(network.kind.0.as_str())?
            .plan_endpoint(network, endpoint)?;
        self.review_rules(Subject::Endpoint(network, endpoint), plan)
    }

    fn review_rules(&self, subject: Subject<'_>, plan: Plan) -> Result<ReviewedRules> {
        let rules = |plan: &Plan| -> Vec<Rule> {
            let of_op = |op: &Op| match op {
                Op::SetRules { rules, .. } => rules.clone(),
                _ => Vec::new(),
            };
            plan.ops.iter().flat_map(of_op).collect()
        };
        let own = rules(&plan);
        let reviewed = self.plugins.review(subject, plan)?;
        Ok(ReviewedRules {
            own,
            reviewed: rules(&reviewed),
        })
    }

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
