//! Connecting a container that runs and shares the host's network stack: its new addresses are put on the network's
//! interface, its rules are set, and only then its jail may use them.

use kleene_plan::{JailSetting, NetworkFacts, Op, Plan};
use kleene_store::{Container, Endpoint, Network, Object};

use crate::Engine;
use crate::error::{EngineError, Result};

impl Engine {
    /// Connects a running ipnet container. The caller holds the locks.
    ///
    /// # Errors
    /// What a driver, a policy or the host says; then nothing has changed.
    pub(super) fn connect_running(
        &self,
        container: &Container,
        network: &Network,
        facts: &NetworkFacts,
        endpoint: &Endpoint,
    ) -> Result<()> {
        let plan = self.plan_connection(container, network, facts, endpoint)?;
        self.transact_and_keep(
            "connect container",
            &Object::Container(container.id.clone()),
            |transaction| {
                plan.ops.into_iter().try_for_each(|op| {
                    let alias = alias(&op);
                    transaction.apply(op).map_err(|error| about(alias, error))
                })
            },
            |write, ()| Ok(write.insert_endpoint(endpoint)?),
        )
    }

    /// All that is done for a connection while the container runs, the changes of its jail included; of one that does
    /// not run, all that is done when it starts.
    pub(crate) fn plan_connection(
        &self,
        container: &Container,
        network: &Network,
        facts: &NetworkFacts,
        endpoint: &Endpoint,
    ) -> Result<Plan> {
        let mut about = self.endpoint_facts(container, network, endpoint);
        let mut endpoints = self
            .store
            .read(|read| read.endpoints_of_container(&container.id))?;
        endpoints.push(endpoint.clone());
        about.ports = self.published(container, &endpoints, endpoint)?;
        let Plan { mut ops, jail } = self.plan_endpoint(facts, &about)?;
        if container.started.is_none() {
            return Ok(Plan { ops, jail });
        }
        let allow = |setting| match setting {
            JailSetting::Address(address) => Some(Op::AllowAddress {
                jail: container.id.clone(),
                address,
            }),
            // A jail has them from its start or never; the driver of this network had no reason to want them.
            JailSetting::Interface { .. } | JailSetting::DefaultRoute(_) => None,
        };
        ops.extend(jail.into_iter().filter_map(allow));
        Ok(Plan {
            ops,
            jail: Vec::new(),
        })
    }
}

/// `<address>/<length> alias to <interface>`, if the operation is one.
fn alias(op: &Op) -> Option<String> {
    match op {
        Op::EnsureAlias { interface, address } => Some(format!("{address} alias to {interface}")),
        _ => None,
    }
}

/// The contract's words for an address that cannot be added.
fn about(alias: Option<String>, error: EngineError) -> EngineError {
    match (alias, error) {
        (Some(alias), EngineError::Platform(error)) => {
            EngineError::conflict(format!("error adding {alias}: {error}"))
        }
        (_, error) => error,
    }
}
