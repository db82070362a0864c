//! The firewall rules that every network of Kleene has, whatever its kind: containers are closed to others, open to
//! each other where `icc` says so, shut in where `internal` says so, and reachable at their published ports.
//!
//! The order matters. A subnet is closed by a rule that is not `quick`, so that later `quick` ones open it again;
//! an internal network's way out is blocked before ports are opened, so that its containers do not even reach the
//! published ports of others; replies always pass.

use crate::{Direction, IpNet};
use crate::{
    Endpoint, FilterRule, InterfaceMatch, IpAddress, NatRule, Network, PublishedPort, RdrRule, Rule, Subnet,
};

/// The rules of a network.
#[must_use]
pub fn of_network(network: &Network) -> Vec<Rule> {
    let mut rules = Vec::new();
    if let Some(nat) = translation(network) {
        rules.extend(network.subnets.iter().map(|subnet| {
            Rule::Nat(NatRule {
                on_interface: nat.to_owned(),
                source: subnet.net,
            })
        }));
    }
    let closed = |subnet: &Subnet| FilterRule::block(Direction::In).log().to(subnet.net).into();
    rules.extend(network.subnets.iter().map(closed));
    for subnet in &network.subnets {
        rules.extend(inside(network, subnet.net));
    }
    rules
}

/// The interface that hides the network. Not its own: that would cut off the host.
#[must_use]
pub fn translation(network: &Network) -> Option<&str> {
    let nat = network.nat.as_deref()?;
    (!network.internal && nat != network.on_interface).then_some(nat)
}

/// What containers of a subnet may and may not do.
fn inside(network: &Network, subnet: IpNet) -> Vec<Rule> {
    let mut rules = Vec::new();
    if network.icc {
        // Not on every interface: what comes from outside with a forged source address stays out.
        let among = FilterRule::pass(Direction::Both)
            .quick()
            .on(InterfaceMatch::KleeneNetworks);
        rules.push(among.from(subnet).to(subnet).into());
    }
    if network.internal {
        let shut = |way_out| {
            FilterRule::block(Direction::Out)
                .quick()
                .log()
                .on(way_out)
                .from(subnet)
                .into()
        };
        rules.push(shut(InterfaceMatch::KleeneNetworks));
        rules.extend(
            ways_out(network)
                .into_iter()
                .map(|name| shut(InterfaceMatch::Named(name))),
        );
    }
    rules
}

/// Where packets leave the host, as far as it is known.
fn ways_out(network: &Network) -> Vec<String> {
    let mut names: Vec<_> = network.nat.iter().chain(&network.host_gateway).cloned().collect();
    names.dedup();
    names
}

/// The rules of a container's connection: its published ports.
#[must_use]
pub fn of_endpoint(endpoint: &Endpoint) -> Vec<Rule> {
    let published = || {
        let addresses = endpoint.addresses.iter().map(|net| net.address);
        endpoint
            .ports
            .iter()
            .flat_map(move |port| addresses.clone().map(move |address| (port, address)))
    };
    let redirections = published().flat_map(|(port, address)| redirect(port, address));
    let openings = published().flat_map(|(port, address)| open(port, address));
    redirections.chain(openings).collect()
}

/// A redirection never lets anything through by itself.
fn redirect(port: &PublishedPort, target: IpAddress) -> Vec<Rule> {
    let on = |on_interface| {
        Rule::Rdr(RdrRule {
            on_interface,
            protocol: port.protocol,
            host_ports: port.host_ports,
            target,
            target_ports: port.container_ports,
        })
    };
    if port.interfaces.is_empty() {
        return vec![on(InterfaceMatch::Any)];
    }
    port.interfaces
        .iter()
        .cloned()
        .map(InterfaceMatch::Named)
        .map(on)
        .collect()
}

/// A published port is reachable where it is published, and from all networks by the container's own address.
fn open(port: &PublishedPort, target: IpAddress) -> Vec<Rule> {
    let on = |interface| {
        FilterRule::pass(Direction::Both)
            .quick()
            .on(interface)
            .to(target.alone())
            .port(port.protocol, port.container_ports)
            .into()
    };
    if port.interfaces.is_empty() {
        return vec![on(InterfaceMatch::Any)];
    }
    let named = port.interfaces.iter().cloned().map(InterfaceMatch::Named);
    named.chain([InterfaceMatch::KleeneNetworks]).map(on).collect()
}
