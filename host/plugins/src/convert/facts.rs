//! Facts, on their way to a plugin.

use kleene_plan::{EndpointFacts, NetworkFacts, PublishedPort, Subnet, VolumeFacts};

use super::address::{address_to_wit, net_to_wit, ports_to_wit, protocol_to_wit};
use crate::bindings::facts;

pub(crate) fn network_to_wit(network: &NetworkFacts) -> facts::Network {
    facts::Network {
        id: network.id.to_string(),
        name: network.name.to_string(),
        kind: network.kind.to_string(),
        on_interface: network.interface.to_string(),
        subnets: network.subnets.iter().map(subnet).collect(),
        nat: network.nat.as_ref().map(ToString::to_string),
        icc: network.icc,
        internal: network.internal,
        host_gateway: network.host_gateway.as_ref().map(ToString::to_string),
    }
}

fn subnet(subnet: &Subnet) -> facts::Subnet {
    facts::Subnet {
        net: net_to_wit(subnet.net),
        gateway: subnet.gateway.map(address_to_wit),
        host_is_gateway: subnet.host_is_gateway,
    }
}

pub(crate) fn endpoint_to_wit(endpoint: &EndpointFacts) -> facts::Endpoint {
    facts::Endpoint {
        id: endpoint.id.to_string(),
        container: endpoint.container.to_string(),
        container_name: endpoint.container_name.as_ref().map(ToString::to_string),
        labels: endpoint
            .labels
            .iter()
            .map(|(key, value)| facts::Label {
                key: key.clone(),
                value: value.clone(),
            })
            .collect(),
        vnet: endpoint.vnet,
        addresses: endpoint.addresses.iter().copied().map(net_to_wit).collect(),
        default_routes: endpoint
            .default_routes
            .iter()
            .copied()
            .map(address_to_wit)
            .collect(),
        host_interface: endpoint.host_interface.to_string(),
        jail_interface: endpoint.jail_interface.to_string(),
        mac: endpoint.mac.to_string(),
        ports: endpoint.ports.iter().map(published_port).collect(),
    }
}

fn published_port(port: &PublishedPort) -> facts::PublishedPort {
    facts::PublishedPort {
        protocol: protocol_to_wit(port.protocol),
        interfaces: port.interfaces.iter().map(ToString::to_string).collect(),
        host_ports: ports_to_wit(port.host_ports),
        container_ports: ports_to_wit(port.container_ports),
        targets: port.targets.iter().copied().map(address_to_wit).collect(),
    }
}

pub(crate) fn volume_to_wit(volume: &VolumeFacts) -> facts::Volume {
    facts::Volume {
        name: volume.name.to_string(),
        dataset: volume.dataset.to_string(),
    }
}
