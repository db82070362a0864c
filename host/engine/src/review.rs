//! Asking the site's policies once more about what exists: their configuration may be another one than when a network was
//! made or a container started. Rules that would be others now are replaced, each owner's at once. What a policy would
//! refuse today is not ended by that: it keeps the rules that it has, and it is told.

use kleene_api::{Repair, Repaired, Unrepaired};
use kleene_plan::{Op, Owner};
use kleene_store::{Container, Network, Object};

use crate::Engine;
use crate::error::Result;
use crate::locks::unpoisoned;
use crate::network::Replacement;
use crate::planning::ReviewedRules;

/// What could not be had, in the words of a repair.
const WHAT: &str = "the rules that drivers and policies would plan today";

impl Engine {
    /// Reviews all networks and all connections of containers that run.
    ///
    /// # Errors
    /// If the state cannot be read. What was refused or failed is part of the answer.
    pub(crate) fn review_again(&self) -> Result<Repair> {
        let mut report = Repair::default();
        let _one_at_a_time = unpoisoned(&self.networks);
        for network in self.store.read(|read| read.networks())? {
            let object = Object::Network(network.id.clone());
            let owner = Owner::Network(network.id.clone());
            let rules = self.rules_of_network(&network);
            self.replace_if_others(&object, owner, rules, &mut report);
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
        let object = Object::Container(container.id.clone());
        let endpoints = self
            .store
            .read(|read| read.endpoints_of_container(&container.id))?;
        for endpoint in &endpoints {
            let owner = Owner::Endpoint(endpoint.id.clone());
            let rules = self.rules_of_endpoint(&container, &endpoints, endpoint);
            self.replace_if_others(&object, owner, rules, report);
        }
        Ok(())
    }

    fn replace_if_others(
        &self,
        object: &Object,
        owner: Owner,
        rules: Result<ReviewedRules>,
        report: &mut Repair,
    ) {
        let replaced = rules.and_then(|rules| self.replace(object, owner, rules));
        match replaced {
            Ok(None) => {}
            Ok(Some(op)) => report.restored.push(Repaired {
                object: object.to_string(),
                what: op.to_string(),
            }),
            Err(error) => report.failed.push(Unrepaired {
                object: object.to_string(),
                what: WHAT.to_owned(),
                reason: format!("{error}; what runs keeps the rules that it has"),
            }),
        }
    }

    fn replace(&self, object: &Object, owner: Owner, rules: ReviewedRules) -> Result<Option<Op>> {
        let applied = self.store.read(|read| read.applied(object))?;
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
