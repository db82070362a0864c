//! The firewall rules that every network of Kleene has, whatever its kind: containers are closed to others, open to
//! each other where `icc` says so, shut in where `internal` says so, and reachable at their published ports.
//!
//! The order matters. A subnet is closed by a rule that is not `quick`, so that later `quick` ones open it again;
//! an internal network's way out is blocked before ports are opened, so that its containers do not even reach the
//! published ports of others; replies always pass.

use crate::{Direction, IpNet};
use crate::{
    Endpoint, FilterRule, HairpinRule, InterfaceMatch, IpAddress, NatRule, Network, PublishedPort, RdrRule,
    Rule, Subnet,
};

/// The rules of a network whose subnet is all its own.
#[must_use]
pub fn of_network(network: &Network) -> Vec<Rule> {
    let mut rules = hiding(network);
    rules.extend(network.subnets.iter().map(|subnet| closed(subnet.net)));
    for subnet in &network.subnets {
        rules.extend(among(network, subnet.net));
        rules.extend(shut_in(network, subnet.net));
    }
    rules
}

/// The rules of a network whose subnet is others' as well: the host itself and its neighbours have addresses in it, and
/// are neither closed nor shut in. Its containers are, one by one: see [`of_guest`].
#[must_use]
pub fn of_shared_network(network: &Network) -> Vec<Rule> {
    let mut rules = hiding(network);
    rules.extend(
        network
            .subnets
            .iter()
            .flat_map(|subnet| among(network, subnet.net)),
    );
    rules
}

/// The rules of a container's connection to a network whose subnet is others' as well, without its ports.
#[must_use]
pub fn of_guest(network: &Network, endpoint: &Endpoint) -> Vec<Rule> {
    let addresses = || endpoint.addresses.iter().map(|net| net.address.alone());
    let shut_in = addresses().flat_map(|address| shut_in(network, address));
    addresses().map(closed).chain(shut_in).collect()
}

/// The network's addresses hide behind those of an interface.
fn hiding(network: &Network) -> Vec<Rule> {
    let Some(nat) = translation(network) else {
        return Vec::new();
    };
    let rule = |subnet: &Subnet| {
        Rule::Nat(NatRule {
            on_interface: nat.to_owned(),
            source: subnet.net,
        })
    };
    network.subnets.iter().map(rule).collect()
}

/// Nobody reaches these addresses, unless a later rule opens them.
fn closed(net: IpNet) -> Rule {
    FilterRule::block(Direction::In).log().to(net).into()
}

/// The interface that hides the network. Not its own: that would cut off the host.
#[must_use]
pub fn translation(network: &Network) -> Option<&str> {
    let nat = network.nat.as_deref()?;
    (!network.internal && nat != network.on_interface).then_some(nat)
}

/// Containers of a subnet reach each other. Not on every interface: what comes from outside with a forged source address
/// stays out.
fn among(network: &Network, subnet: IpNet) -> Option<Rule> {
    let among = FilterRule::pass(Direction::Both)
        .quick()
        .on(InterfaceMatch::KleeneNetworks);
    network.icc.then(|| among.from(subnet).to(subnet).into())
}

/// Nothing leaves these addresses, wherever it would go: a host may have more ways out than that of its default route.
fn shut_in(network: &Network, net: IpNet) -> Option<Rule> {
    let shut = FilterRule::block(Direction::Out).quick().log().from(net);
    network.internal.then(|| shut.into())
}

/// The rules of a container's connection: its published ports.
#[must_use]
pub fn of_endpoint(endpoint: &Endpoint) -> Vec<Rule> {
    let published = || {
        let ports = endpoint.ports.iter();
        ports.flat_map(|port| port.targets.iter().map(move |target| (port, *target)))
    };
    let redirections = published().flat_map(|(port, address)| redirect(port, address));
    let openings = published().flat_map(|(port, address)| open(port, address));
    redirections.chain(openings).collect()
}

/// The rules by which containers of a network reach the published ports of one of theirs by the host's addresses, if the
/// host is their way there. Only a container with a network stack of its own needs them: others are the host to pf.
#[must_use]
pub fn hairpins(network: &Network, endpoint: &Endpoint) -> Vec<Rule> {
    let routed = || {
        let subnets = network.subnets.iter();
        subnets.filter(|subnet| subnet.host_address().is_some())
    };
    let rules = endpoint.ports.iter().flat_map(|port| {
        port.targets.iter().flat_map(move |target| {
            let of_family = move |subnet: &&Subnet| subnet.net.address.family() == target.family();
            routed().filter(of_family).map(move |subnet| {
                Rule::Hairpin(HairpinRule {
                    on_interface: network.on_interface.clone(),
                    source: subnet.net,
                    protocol: port.protocol,
                    target: *target,
                    target_ports: port.container_ports,
                })
            })
        })
    });
    rules.collect()
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
