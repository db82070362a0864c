//! Networks of type `bridge`: each is a bridge of the host. A container with a network stack of its own (vnet) is
//! joined to it by a pair of interfaces; one without (ipnet) borrows an address of the bridge.

use kleene_sdk::network::{Driver, Plugin};
use kleene_sdk::{
    Bridge, Endpoint, JailInterface, JailSetting, Network, Op, Pair, Plan, PluginError, PluginInfo, Subnet,
    ipnet, standard_rules,
};

/// The plugin.
pub struct NetworkBridge;

kleene_sdk::export_network_plugin!(NetworkBridge);

impl Plugin for NetworkBridge {
    fn describe() -> PluginInfo {
        PluginInfo {
            name: env!("CARGO_PKG_NAME").to_owned(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            serves: vec!["bridge".to_owned()],
        }
    }
}

impl Driver for NetworkBridge {
    fn validate_network(network: Network) -> Result<(), PluginError> {
        if network.nat.as_ref() == Some(&network.on_interface) {
            let Network {
                name, on_interface, ..
            } = network;
            return Err(PluginError::invalid(format!(
                "network '{name}' cannot hide behind its own interface {on_interface}"
            ))
            .hint("name the host's interface to the outside as nat, or none"));
        }
        Ok(())
    }

    fn plan_network(network: Network) -> Result<Plan, PluginError> {
        let rules = standard_rules::of_network(&network);
        let mut ops = vec![Op::EnsureBridge(Bridge {
            name: network.on_interface,
            addresses: network.subnets.iter().filter_map(Subnet::host_address).collect(),
        })];
        if !network.internal {
            let families = network.subnets.iter().map(|subnet| subnet.net.address.family());
            ops.extend(families.map(Op::EnsureForwarding));
        }
        ops.push(Op::SetRules(rules));
        Ok(Plan { ops, jail: vec![] })
    }

    fn plan_endpoint(network: Network, endpoint: Endpoint) -> Result<Plan, PluginError> {
        let mut rules = Vec::new();
        if endpoint.vnet {
            rules.extend(standard_rules::hairpins(&network, &endpoint));
        }
        rules.extend(standard_rules::of_endpoint(&endpoint));
        let mut plan = if endpoint.vnet {
            join(network, endpoint)
        } else {
            ipnet::borrow(&network, &endpoint)
        };
        if !rules.is_empty() {
            plan.ops.push(Op::SetRules(rules));
        }
        Ok(plan)
    }
}

/// A pair of interfaces between the bridge and the jail.
fn join(network: Network, endpoint: Endpoint) -> Plan {
    let pair = Pair {
        host: endpoint.host_interface,
        jail: endpoint.jail_interface.clone(),
        bridge: network.on_interface,
        mac: endpoint.mac.clone(),
        // Frames between members of a bridge do not pass the firewall everywhere: the bridge itself has to keep
        // containers apart.
        isolated: !network.icc,
    };
    let interface = JailInterface {
        name: endpoint.jail_interface,
        mac: endpoint.mac,
        addresses: endpoint.addresses,
    };
    let routes = endpoint.default_routes.into_iter().map(JailSetting::DefaultRoute);
    Plan {
        ops: vec![Op::EnsurePair(pair)],
        jail: [JailSetting::TakeInterface(interface)]
            .into_iter()
            .chain(routes)
            .collect(),
    }
}
