//! Where plans come from: a driver makes one, the site's policies review it, and only then does anybody see it.

use kleene_plan::{EndpointFacts, NetworkFacts, Op, Plan, Rule, VolumeFacts};
use kleene_plugins::{PluginError, Subject};

use crate::Engine;
use crate::error::Result;

/// The firewall rules of a plan, whether or not the site's policies let it pass.
#[derive(Debug)]
pub(crate) struct ReviewedRules {
    /// As the driver planned them.
    own: Vec<Rule>,
    /// With what the site's policies added that do not refuse.
    pub(crate) reviewed: Vec<Rule>,
    /// What the others say.
    pub(crate) refusals: Vec<PluginError>,
}

impl ReviewedRules {
    /// The rules, if no policy refuses.
    ///
    /// # Errors
    /// What the first says that does.
    pub(crate) fn accepted(self) -> Result<Vec<Rule>> {
        match self.refusals.into_iter().next() {
            None => Ok(self.reviewed),
            Some(refusal) => Err(refusal.into()),
        }
    }

    /// Keeps guards that hold: who refuses today may be who added them.
    pub(crate) fn keep_guards_of(&mut self, others: &[Rule]) {
        let is_lost = |rule: &&Rule| matches!(rule, Rule::Guard(_)) && !self.reviewed.contains(rule);
        let lost: Vec<_> = others.iter().filter(is_lost).cloned().collect();
        self.reviewed.splice(0..0, lost);
    }

    /// Whether it is the policies' doing that these rules are not those. A driver may have other reasons to plan something
    /// else than before, which count from the next start on: the host may have lost its default route for a moment.
    pub(crate) fn differ_by_policies_from(&self, others: &[Rule]) -> bool {
        // Nothing but a policy withdraws what is published.
        if publishes(&self.reviewed) != publishes(others) {
            return true;
        }
        // Policies add before what the driver planned.
        let added = self.reviewed.strip_suffix(self.own.as_slice());
        match (others.strip_suffix(self.own.as_slice()), added) {
            (Some(added_before), Some(added)) => added_before != added,
            (None, Some(added)) => !others.starts_with(added),
            (_, None) => self.reviewed != others,
        }
    }
}

fn publishes(rules: &[Rule]) -> bool {
    rules.iter().any(|rule| matches!(rule, Rule::Rdr(_)))
}

impl Engine {
    /// The rules of a network.
    pub(crate) fn review_network_rules(&self, network: &NetworkFacts) -> Result<ReviewedRules> {
        let plan = self
            .plugins
            .network_driver(network.kind.0.as_str())?
            .plan_network(network)?;
        Ok(self.review_rules(Subject::Network(network), plan))
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
        Ok(self.review_rules(Subject::Endpoint(network, endpoint), plan))
    }

    fn review_rules(&self, subject: Subject<'_>, plan: Plan) -> ReviewedRules {
        let rules = |plan: &Plan| -> Vec<Rule> {
            let of_op = |op: &Op| match op {
                Op::SetRules { rules, .. } => rules.clone(),
                _ => Vec::new(),
            };
            plan.ops.iter().flat_map(of_op).collect()
        };
        let own = rules(&plan);
        let (reviewed, refusals) = self.plugins.review_by_all(subject, plan);
        ReviewedRules {
            own,
            reviewed: rules(&reviewed),
            refusals,
        }
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
