//! Firewall rules in the place of others, while what they are of lives on: published ports move to another endpoint of
//! their container, or the site's policies say something else than before.

use kleene_plan::{Id, Op, Owner, PublishedPort, Rule};
use kleene_store::{Applied, Container, Endpoint, Object, Write};

use crate::Engine;
use crate::error::Result;
use crate::planning::ReviewedRules;
use crate::transaction::Transaction;

/// An owner's rules that are to be others.
#[derive(Debug)]
pub(crate) struct Replacement {
    owner: Owner,
    /// What holds: the operation, and its number among those of the object.
    held: Option<(u32, Op)>,
    rules: Vec<Rule>,
}

impl Replacement {
    /// `None` if the owner has just these rules.
    pub(crate) fn new(applied: &[Applied], owner: Owner, rules: Vec<Rule>) -> Option<Self> {
        let held = held(applied, &owner).map(|applied| (applied.seq, applied.op.clone()));
        let replacement = Self { owner, held, rules };
        (replacement.held_rules() != replacement.rules).then_some(replacement)
    }

    /// The rules that hold.
    pub(crate) fn held_rules(&self) -> &[Rule] {
        match &self.held {
            Some((_, op)) => rules_of(op),
            None => &[],
        }
    }

    /// The operation that makes them others.
    pub(crate) fn op(&self) -> Op {
        if self.rules.is_empty() {
            Op::ClearRules(self.owner.clone())
        } else {
            Op::SetRules {
                owner: self.owner.clone(),
                rules: self.rules.clone(),
            }
        }
    }

    pub(crate) fn apply(&self, transaction: &mut Transaction<'_>) -> Result<()> {
        match &self.held {
            Some((_, before)) => transaction.apply_in_place_of(self.op(), before.clone()),
            None => transaction.apply(self.op()),
        }
    }

    /// What holds on behalf of the object afterwards.
    pub(crate) fn record(&self, write: &mut Write<'_>, object: &Object) -> Result<()> {
        if let Some((seq, _)) = self.held {
            write.remove_applied(object, seq)?;
        }
        if !self.rules.is_empty() {
            let undo = Op::ClearRules(self.owner.clone());
            write.add_applied(object, &self.op(), Some(&undo))?;
        }
        Ok(())
    }
}

fn held<'a>(applied: &'a [Applied], owner: &Owner) -> Option<&'a Applied> {
    let is_it =
        |applied: &&Applied| matches!(&applied.op, Op::SetRules { owner: whose, .. } if whose == owner);
    applied.iter().find(is_it)
}

fn rules_of(op: &Op) -> &[Rule] {
    match op {
        Op::SetRules { rules, .. } => rules,
        _ => &[],
    }
}

/// The rules of an owner that hold.
pub(crate) fn held_rules<'a>(applied: &'a [Applied], owner: &Owner) -> &'a [Rule] {
    held(applied, owner).map_or(&[], |applied| rules_of(&applied.op))
}

impl Engine {
    /// What becomes of the rules of a running container's other endpoints when it leaves one to which its published
    /// ports lead: each port leads to the next then.
    ///
    /// # Errors
    /// What a driver or a policy says.
    pub(crate) fn ports_moved_from(&self, container: &Id, leaving: &Endpoint) -> Result<Vec<Replacement>> {
        let container = self.container_by_id(container)?;
        if container.started.is_none() || container.ports.is_empty() {
            return Ok(Vec::new());
        }
        let object = Object::Container(container.id.clone());
        let (endpoints, applied) =
            self.store
                .read(|read| -> std::result::Result<_, kleene_store::StoreError> {
                    Ok((
                        read.endpoints_of_container(&container.id)?,
                        read.applied(&object)?,
                    ))
                })?;
        let mut staying = endpoints.clone();
        staying.retain(|endpoint| endpoint.id != leaving.id);
        let mut moved = Vec::new();
        for endpoint in &staying {
            let before = self.published(&container, &endpoints, endpoint)?;
            let ports = self.published(&container, &staying, endpoint)?;
            if ports != before {
                let rules = self.rules_of_endpoint(&container, endpoint, ports)?;
                moved.extend(Replacement::new(
                    &applied,
                    Owner::Endpoint(endpoint.id.clone()),
                    rules.accepted()?,
                ));
            }
        }
        Ok(moved)
    }

    /// The rules that one of a container's endpoints should have, with the ports that lead to it.
    ///
    /// # Errors
    /// What a driver says.
    pub(crate) fn rules_of_endpoint(
        &self,
        container: &Container,
        endpoint: &Endpoint,
        ports: Vec<PublishedPort>,
    ) -> Result<ReviewedRules> {
        let network = self.network_by_id(&endpoint.network)?;
        let facts = self.network_facts(&network)?;
        let mut about = self.endpoint_facts(container, &network, endpoint);
        about.ports = ports;
        self.review_endpoint_rules(&facts, &about)
    }
}
