//! Networks of types `loopback` and `custom`: containers borrow addresses of one interface of the host's, which is
//! a loopback interface made for the network, or one that the host has anyway.

use kleene_sdk::network::{Driver, Plugin};
use kleene_sdk::{Endpoint, Network, Op, Plan, PluginError, PluginInfo, ipnet, standard_rules};

/// The kind of network that has a loopback interface of its own; the other, `custom`, uses one of the host's.
const LOOPBACK: &str = "loopback";

/// The plugin.
pub struct NetworkLoopback;

kleene_sdk::export_network_plugin!(NetworkLoopback);

impl Plugin for NetworkLoopback {
    fn describe() -> PluginInfo {
        PluginInfo {
            name: env!("CARGO_PKG_NAME").to_owned(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            serves: vec![LOOPBACK.to_owned(), "custom".to_owned()],
        }
    }
}

impl Driver for NetworkLoopback {
    /// Any network will do: one that would hide behind its own interface is simply not hidden, because the default
    /// of a custom network on the host's way out says so.
    fn validate_network(_network: Network) -> Result<(), PluginError> {
        Ok(())
    }

    fn plan_network(network: Network) -> Result<Plan, PluginError> {
        let rules = match network.kind.as_str() {
            LOOPBACK => standard_rules::of_network(&network),
            _ => standard_rules::of_shared_network(&network),
        };
        let interface = match network.kind.as_str() {
            LOOPBACK => Op::EnsureLoopback(network.on_interface),
            _ => Op::UseInterface(network.on_interface),
        };
        let mut ops = vec![interface];
        if !network.internal {
            let families = network.subnets.iter().map(|subnet| subnet.net.address.family());
            ops.extend(families.map(Op::EnsureForwarding));
        }
        ops.push(Op::SetRules(rules));
        Ok(Plan { ops, jail: vec![] })
    }

    fn plan_endpoint(network: Network, endpoint: Endpoint) -> Result<Plan, PluginError> {
        if endpoint.vnet {
            return Err(PluginError::not_supported(format!(
                "containers using the 'vnet' network-driver can't connect to {} networks",
                network.kind
            )));
        }
        let mut plan = ipnet::borrow(&network, &endpoint);
        let mut rules = match network.kind.as_str() {
            LOOPBACK => Vec::new(),
            _ => standard_rules::of_guest(&network, &endpoint),
        };
        rules.extend(standard_rules::of_endpoint(&endpoint));
        if !rules.is_empty() {
            plan.ops.push(Op::SetRules(rules));
        }
        Ok(plan)
    }
}
