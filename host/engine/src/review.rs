//! Asking the site's policies once more about what exists: their configuration may be another one than when a network was
//! made or a container started. Rules that would be others now are replaced, each owner's at once. Who runs is not ended by
//! what a policy would refuse today, but published to no longer, guarded as all the others want it, and it is told.

use kleene_api::{Repair, Repaired, Unrepaired};
use kleene_plan::{ObjectName, Op, Owner};
use kleene_plugins::PluginError;
use kleene_store::{Container, Endpoint, Network, Object};

use crate::Engine;
use crate::error::Result;
use crate::locks::unpoisoned;
use crate::network::{Replacement, held_rules};
use crate::planning::ReviewedRules;

impl Engine {
    /// Reviews all networks and all connections of containers that run.
    ///
    /// # Errors
    /// If the state cannot be read. What was refused or failed is part of the answer.
    pub(crate) fn review_again(&self) -> Result<Repair> {
        let mut report = Repair::default();
        let _one_at_a_time = unpoisoned(&self.networks);
        for network in self.store.read(|read| read.networks())? {
            let subject = Reviewed {
                object: Object::Network(network.id.clone()),
                owner: Owner::Network(network.id.clone()),
                name: format!("network '{}'", network.name),
            };
            let rules = self.rules_of_network(&network).map(Today::from);
            self.replace_if_others(&subject, rules, &mut report);
        }
        for container in self.store.read(|read| read.containers())? {
            if container.started.is_some() {
                self.locks
                    .hold(&container.id, || self.review_container(&container, &mut report))?;
            }
        }
        Ok(report)
    }

    fn rules_of_network(&self, network: &Network) -> Result<ReviewedRules> {
        self.review_network_rules(&self.network_facts(network)?)
    }

    fn review_container(&self, container: &Container, report: &mut Repair) -> Result<()> {
        let container = self.container_by_id(&container.id)?;
        if container.started.is_none() {
            return Ok(());
        }
        let endpoints = self
            .store
            .read(|read| read.endpoints_of_container(&container.id))?;
        let container_name = container
            .name
            .as_ref()
            .map_or(container.id.as_str(), ObjectName::as_str);
        for endpoint in &endpoints {
            let network = self.network_by_id(&endpoint.network)?;
            let subject = Reviewed {
                object: Object::Container(container.id.clone()),
                owner: Owner::Endpoint(endpoint.id.clone()),
                name: format!("container '{container_name}' in network '{}'", network.name),
            };
            let rules = self.rules_of_running(&container, &endpoints, endpoint);
            self.replace_if_others(&subject, rules, report);
        }
        Ok(())
    }

    /// A policy that cannot be asked may have allowed what is published; one that refuses has not.
    fn rules_of_running(
        &self,
        container: &Container,
        endpoints: &[Endpoint],
        endpoint: &Endpoint,
    ) -> Result<Today> {
        let ports = self.published(container, endpoints, endpoint)?;
        let rules = self.rules_of_endpoint(container, endpoint, ports)?;
        if !rules.refusals.iter().any(PluginError::is_verdict) {
            return Ok(Today::from(rules));
        }
        Ok(Today {
            rules: self.rules_of_endpoint(container, endpoint, Vec::new())?,
            unpublished_by: rules.refusals,
        })
    }

    fn replace_if_others(&self, subject: &Reviewed, today: Result<Today>, report: &mut Repair) {
        let Reviewed { object, owner, name } = subject;
        let mut fail = |reason: String| {
            report.failed.push(Unrepaired {
                object: object.to_string(),
                what: format!("what drivers and policies want today for {name}"),
                reason,
            });
        };
        let today = match today {
            Ok(today) => today,
            Err(error) => return fail(format!("{error}; what runs keeps the rules that it has")),
        };
        for refusal in today.refusals() {
            fail(format!("{refusal}; {}", consequence(owner, refusal)));
        }
        match self.replace(object, owner.clone(), today.rules) {
            Ok(None) => {}
            Ok(Some(op)) => report.restored.push(Repaired {
                object: object.to_string(),
                what: op.to_string(),
            }),
            Err(error) => fail(format!("{error}; what runs keeps the rules that it has")),
        }
    }

    fn replace(&self, object: &Object, owner: Owner, mut rules: ReviewedRules) -> Result<Option<Op>> {
        let applied = self.store.read(|read| read.applied(object))?;
        if !rules.refusals.is_empty() {
            rules.keep_guards_of(held_rules(&applied, &owner));
        }
        let is_of_policies =
            |replacement: &Replacement| rules.differ_by_policies_from(replacement.held_rules());
        let Some(replacement) =
            Replacement::new(&applied, owner, rules.reviewed.clone()).filter(is_of_policies)
        else {
            return Ok(None);
        };
        self.transact(
            "review",
            object,
            |transaction| replacement.apply(transaction),
            |write, ()| replacement.record(write, object),
        )?;
        Ok(Some(replacement.op()))
    }
}

/// What is reviewed: a network, or a connection of a container.
struct Reviewed {
    object: Object,
    owner: Owner,
    /// As users know it.
    name: String,
}

/// What drivers and policies want today.
struct Today {
    rules: ReviewedRules,
    /// Why nothing is published, if that is why.
    unpublished_by: Vec<PluginError>,
}

impl From<ReviewedRules> for Today {
    fn from(rules: ReviewedRules) -> Self {
        Self {
            rules,
            unpublished_by: Vec::new(),
        }
    }
}

impl Today {
    /// What there is to tell.
    fn refusals(&self) -> &[PluginError] {
        if self.unpublished_by.is_empty() {
            &self.rules.refusals
        } else {
            &self.unpublished_by
        }
    }
}

/// What a refusal leads to, and what to do.
fn consequence(owner: &Owner, refusal: &PluginError) -> &'static str {
    match owner {
        Owner::Endpoint(_) if refusal.is_verdict() => {
            "it runs on with the guards of all policies, and no port leads to it; change the policy and restart the \
             daemon, or stop the container"
        }
        _ => "it keeps the rules that it has, with the guards of the other policies",
    }
}
