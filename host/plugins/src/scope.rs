//! What the host reserved for a request, read off its facts: the walls of the plan.

use ipnet::IpNet;
use kleene_plan::{EndpointFacts, NetworkFacts, Owner, Scope, VolumeFacts};

/// A network's plan: its own interface; rules may name the way out as well.
pub(crate) fn of_network(network: &NetworkFacts) -> Scope {
    let subnets = network.subnets.iter().map(|subnet| subnet.net);
    let gateways = network
        .subnets
        .iter()
        .filter_map(|subnet| subnet.gateway.filter(|_| subnet.host_is_gateway))
        .map(IpNet::from);
    Scope {
        interfaces: vec![network.interface.clone()],
        rule_interfaces: ways_out(network).cloned().collect(),
        addresses: subnets.chain(gateways).collect(),
        owner: Some(Owner::Network(network.id.clone())),
        ..Scope::default()
    }
}

/// An endpoint's plan: the network's interface, the pair, and the container's addresses; rules may name where its
/// ports are published as well.
pub(crate) fn of_endpoint(network: &NetworkFacts, endpoint: &EndpointFacts) -> Scope {
    let published = endpoint.ports.iter().flat_map(|port| &port.interfaces);
    Scope {
        interfaces: vec![
            network.interface.clone(),
            endpoint.host_interface.clone(),
            endpoint.jail_interface.clone(),
        ],
        rule_interfaces: ways_out(network).chain(published).cloned().collect(),
        addresses: endpoint.addresses.iter().map(|net| net.addr().into()).collect(),
        owner: Some(Owner::Endpoint(endpoint.id.clone())),
        ..Scope::default()
    }
}

/// A volume's plan: its dataset.
pub(crate) fn of_volume(volume: &VolumeFacts) -> Scope {
    Scope {
        datasets: vec![volume.dataset.clone()],
        ..Scope::default()
    }
}

fn ways_out(network: &NetworkFacts) -> impl Iterator<Item = &kleene_plan::InterfaceName> {
    network.nat.iter().chain(&network.host_gateway)
}
