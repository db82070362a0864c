//! Asking a site's policies what they think of a plan.

use std::sync::Arc;

use kleene_plan::{EndpointFacts, NetworkFacts, Op, Plan, Rule, Scope, VolumeFacts};

use crate::bindings::policy::PolicyPluginIndices;
use crate::bindings::policy::exports::kleene::plugin::policy as wit;
use crate::convert::{endpoint_to_wit, network_to_wit, plan_to_wit, rule_from_wit, volume_to_wit};
use crate::error::PluginError;
use crate::guest::Guest;
use crate::scope;

/// What a plan is for.
#[derive(Debug, Clone, Copy)]
pub enum Subject<'a> {
    /// A network.
    Network(&'a NetworkFacts),
    /// A container's connection to a network.
    Endpoint(&'a NetworkFacts, &'a EndpointFacts),
    /// A volume.
    Volume(&'a VolumeFacts),
}

impl Subject<'_> {
    fn scope(self) -> Scope {
        match self {
            Self::Network(network) => scope::of_network(network),
            Self::Endpoint(network, endpoint) => scope::of_endpoint(network, endpoint),
            Self::Volume(volume) => scope::of_volume(volume),
        }
    }

    fn to_wit(self) -> wit::Subject {
        match self {
            Self::Network(network) => wit::Subject::Network(network_to_wit(network)),
            Self::Endpoint(network, endpoint) => wit::Subject::Connection(wit::Connection {
                network: network_to_wit(network),
                endpoint: endpoint_to_wit(endpoint),
            }),
            Self::Volume(volume) => wit::Subject::Volume(volume_to_wit(volume)),
        }
    }
}

/// A policy of the site.
#[derive(Clone)]
pub(crate) struct Policy(pub(crate) Arc<Guest<PolicyPluginIndices>>);

impl Policy {
    /// Whether the site's configuration can be used.
    ///
    /// # Errors
    /// [`PluginError::Settings`], or how the policy failed.
    pub(crate) fn check_settings(&self) -> Result<(), PluginError> {
        let answer = self.0.call("check-settings", |world, store, instance| {
            let plugin = world.load(&mut *store, instance)?;
            plugin.kleene_plugin_policy().call_check_settings(store)
        })?;
        answer.map_err(|mistake| PluginError::Settings {
            plugin: self.0.name().to_owned(),
            key: mistake.key,
            reason: mistake.message,
        })
    }

    /// The plan as the policy wants it. A policy that fails refuses: nothing happens unreviewed.
    ///
    /// # Errors
    /// [`PluginError::Vetoed`], or how the policy failed or overstepped.
    pub(crate) fn review(&self, subject: Subject<'_>, plan: Plan) -> Result<Plan, PluginError> {
        const CALL: &str = "review";
        let about = subject.to_wit();
        let proposed = plan_to_wit(&plan).map_err(|reason| self.0.invalid(CALL, reason))?;
        let answer = self.0.call(CALL, |world, store, instance| {
            let plugin = world.load(&mut *store, instance)?;
            plugin
                .kleene_plugin_policy()
                .call_review(store, &about, &proposed)
        })?;
        match answer.map_err(|error| self.0.refused(error))? {
            wit::Verdict::Allow => Ok(plan),
            wit::Verdict::Deny(reason) => Err(PluginError::Vetoed {
                plugin: self.0.name().to_owned(),
                reason,
            }),
            wit::Verdict::Add(rules) => {
                self.0.check_length(CALL, rules.len())?;
                let rules = rules
                    .into_iter()
                    .map(rule_from_wit)
                    .collect::<Result<Vec<_>, _>>()
                    .map_err(|reason| self.0.invalid(CALL, reason))?;
                self.add(CALL, plan, rules, &subject.scope())
            }
        }
    }

    fn add(
        &self,
        call: &'static str,
        plan: Plan,
        rules: Vec<Rule>,
        scope: &Scope,
    ) -> Result<Plan, PluginError> {
        let Some(owner) = scope.owner.clone() else {
            return Err(self.0.invalid(call, "a volume has no rules"));
        };
        let addition = Plan {
            ops: vec![Op::SetRules { owner, rules }],
            jail: Vec::new(),
        };
        self.0.check_grant(call, &addition, scope)?;
        Ok(with_rules_first(plan, addition))
    }
}

/// The plan with the addition's rules before its own: the first `quick` rule that matches decides, and the first
/// translation.
fn with_rules_first(mut plan: Plan, addition: Plan) -> Plan {
    for added in addition.ops {
        let Op::SetRules {
            rules: mut first,
            owner,
        } = added
        else {
            continue;
        };
        let own = plan.ops.iter_mut().find_map(|op| match op {
            Op::SetRules { rules, .. } => Some(rules),
            _ => None,
        });
        match own {
            Some(own) => {
                first.append(own);
                *own = first;
            }
            None => plan.ops.push(Op::SetRules { owner, rules: first }),
        }
    }
    plan
}
