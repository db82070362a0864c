//! What a network driver is told of a network and of an endpoint.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipnet::IpNet;
use kleene_api::NetworkType;
use kleene_plan::{EndpointFacts, NetworkFacts, Subnet};
use kleene_store::{Container, Endpoint, Gateway, Network, NetworkDriver};

use crate::Engine;
use crate::error::Result;

impl Engine {
    pub(crate) fn network_facts(&self, network: &Network) -> Result<NetworkFacts> {
        // Others keep what they were given, and nobody is routed by it.
        let is_routed = network.kind.0.as_str() == NetworkType::Bridge.as_str();
        let of_use = |gateway| if is_routed { gateway } else { Gateway::None };
        let subnets = [
            network
                .subnet
                .map(|net| (IpNet::V4(net), of_use(network.gateway))),
            network
                .subnet6
                .map(|net| (IpNet::V6(net), of_use(network.gateway6))),
        ];
        Ok(NetworkFacts {
            id: network.id.clone(),
            name: network.name.clone(),
            kind: network.kind.clone(),
            interface: network.interface.clone(),
            subnets: subnets
                .into_iter()
                .flatten()
                .map(|(net, gateway)| subnet(net, gateway))
                .collect(),
            nat: network.nat.clone(),
            host_gateway: self.platform.egress()?,
            icc: network.icc,
            internal: network.internal,
        })
    }

    /// An endpoint without what depends on its neighbours: published ports and default routes.
    pub(crate) fn endpoint_facts(
        &self,
        container: &Container,
        network: &Network,
        endpoint: &Endpoint,
    ) -> EndpointFacts {
        let with_prefix = |address: IpAddr, prefix: Option<u8>| {
            prefix
                .and_then(|prefix| IpNet::new(address, prefix).ok())
                .unwrap_or_else(|| IpNet::from(address))
        };
        let v4 = endpoint
            .ip4
            .map(|ip| with_prefix(ip.into(), network.subnet.map(|net| net.prefix_len())));
        let v6 = endpoint
            .ip6
            .map(|ip| with_prefix(ip.into(), network.subnet6.map(|net| net.prefix_len())));
        EndpointFacts {
            id: endpoint.id.clone(),
            container: container.id.clone(),
            container_name: container.name.clone(),
            labels: container.labels.clone(),
            vnet: container.network_driver == NetworkDriver::Vnet,
            addresses: v4.into_iter().chain(v6).collect(),
            default_routes: Vec::new(),
            host_interface: endpoint.host_interface.clone(),
            jail_interface: endpoint.jail_interface.clone(),
            mac: endpoint.mac,
            ports: Vec::new(),
        }
    }
}

fn subnet(net: IpNet, gateway: Gateway) -> Subnet {
    let (gateway, host_is_gateway) = match gateway {
        Gateway::None => (None, false),
        Gateway::Auto => (Some(first_host(net)), true),
        Gateway::Address(address) => (Some(address), false),
    };
    Subnet {
        net,
        gateway,
        host_is_gateway,
    }
}

/// The network address and one; of a /32 or /128, that address itself.
fn first_host(net: IpNet) -> IpAddr {
    // `hosts` leaves the network address out for IPv4 only, where it counts the one of a /31 in.
    let is_single = net.prefix_len() == net.max_prefix_len();
    match net.network() {
        IpAddr::V4(address) => Ipv4Addr::from_bits(address.to_bits() + u32::from(!is_single)).into(),
        IpAddr::V6(address) => Ipv6Addr::from_bits(address.to_bits() + u128::from(!is_single)).into(),
    }
}
