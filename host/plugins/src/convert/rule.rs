//! Firewall rules.

use kleene_plan::{
    Action, Address, Admission, Direction, FilterRule, Guard, GuardLine, Guarded, HairpinRule,
    InterfaceMatch, NatRule, PortRange, Protocol, RdrRule, Rule,
};

use super::address::{
    address_from_wit, address_to_wit, net_from_wit, net_to_wit, ports_from_wit, ports_to_wit,
    protocol_from_wit, protocol_to_wit,
};
use super::name::parse;
use crate::bindings::firewall;

pub(crate) fn rule_from_wit(rule: firewall::Rule) -> Result<Rule, String> {
    Ok(match rule {
        firewall::Rule::Filter(filter) => Rule::Filter(filter_from_wit(filter)?),
        firewall::Rule::Nat(nat) => Rule::Nat(NatRule {
            interface: parse(&nat.on_interface)?,
            from: net_from_wit(nat.source)?,
        }),
        firewall::Rule::Rdr(rdr) => Rule::Rdr(rdr_from_wit(rdr)?),
        firewall::Rule::Guard(guard) => Rule::Guard(guard_from_wit(guard)?),
        firewall::Rule::Hairpin(hairpin) => Rule::Hairpin(hairpin_from_wit(hairpin)?),
    })
}

fn filter_from_wit(filter: firewall::FilterRule) -> Result<FilterRule, String> {
    let protocol = filter.protocol.map(protocol_from_wit);
    let to_ports = filter.ports.map(ports_from_wit).transpose()?;
    if to_ports.is_some() {
        has_ports(protocol)?;
    }
    Ok(FilterRule {
        action: match filter.action {
            firewall::Action::Pass => Action::Pass,
            firewall::Action::Block => Action::Block,
            firewall::Action::Reject => Action::Reject,
        },
        direction: match filter.direction {
            firewall::Direction::In => Direction::In,
            firewall::Direction::Out => Direction::Out,
            firewall::Direction::Both => Direction::Both,
        },
        quick: filter.quick,
        log: filter.log,
        interface: interface_from_wit(filter.on_interface)?,
        protocol,
        from: address_match_from_wit(filter.source)?,
        to: address_match_from_wit(filter.destination)?,
        to_ports,
    })
}

fn hairpin_from_wit(hairpin: firewall::HairpinRule) -> Result<HairpinRule, String> {
    let protocol = protocol_from_wit(hairpin.protocol);
    has_ports(Some(protocol))?;
    let (from, to) = (net_from_wit(hairpin.source)?, address_from_wit(hairpin.target));
    if from.addr().is_ipv4() != to.is_ipv4() {
        return Err(format!("{from} and {to} are of different families"));
    }
    Ok(HairpinRule {
        interface: parse(&hairpin.on_interface)?,
        from,
        protocol,
        to,
        to_ports: ports_from_wit(hairpin.target_ports)?,
    })
}

fn rdr_from_wit(rdr: firewall::RdrRule) -> Result<RdrRule, String> {
    let protocol = protocol_from_wit(rdr.protocol);
    has_ports(Some(protocol))?;
    let ports = ports_from_wit(rdr.host_ports)?;
    let to_ports = ports_from_wit(rdr.target_ports)?;
    if to_ports.count() != 1 && to_ports.count() != ports.count() {
        return Err(format!(
            "ports {ports} of the host cannot become ports {to_ports}"
        ));
    }
    Ok(RdrRule {
        interface: interface_from_wit(rdr.on_interface)?,
        protocol,
        ports,
        to: address_from_wit(rdr.target),
        to_ports,
    })
}

fn guard_from_wit(guard: firewall::Guard) -> Result<Guard, String> {
    Ok(Guard {
        guarded: match guard.guarded {
            firewall::Guarded::Arriving(name) => Guarded::Arriving(parse(&name)?),
            firewall::Guarded::Source(net) => Guarded::From(net_from_wit(net)?),
            firewall::Guarded::Destination(net) => Guarded::To(net_from_wit(net)?),
        },
        lines: guard
            .lines
            .into_iter()
            .map(line_from_wit)
            .collect::<Result<_, _>>()?,
    })
}

fn line_from_wit(line: firewall::GuardLine) -> Result<GuardLine, String> {
    let protocol = line.protocol.map(protocol_from_wit);
    let ports = line.ports.map(ports_from_wit).transpose()?;
    if ports.is_some() {
        has_ports(protocol)?;
    }
    Ok(GuardLine {
        admission: match line.admission {
            firewall::Admission::Admit => Admission::Admit,
            firewall::Admission::Block => Admission::Block,
            firewall::Admission::Reject => Admission::Reject,
        },
        log: line.log,
        protocol,
        peer: address_match_from_wit(line.peer)?,
        ports,
    })
}

fn has_ports(protocol: Option<Protocol>) -> Result<(), String> {
    match protocol {
        Some(Protocol::Tcp | Protocol::Udp) => Ok(()),
        Some(Protocol::Icmp) | None => Err("only TCP and UDP have ports".to_owned()),
    }
}

fn interface_from_wit(interface: firewall::InterfaceMatch) -> Result<InterfaceMatch, String> {
    Ok(match interface {
        firewall::InterfaceMatch::Any => InterfaceMatch::Any,
        firewall::InterfaceMatch::Named(name) => InterfaceMatch::Named(parse(&name)?),
        firewall::InterfaceMatch::KleeneNetworks => InterfaceMatch::KleeneNetworks,
    })
}

fn address_match_from_wit(address: firewall::AddressMatch) -> Result<Address, String> {
    Ok(match address {
        firewall::AddressMatch::Any => Address::Any,
        firewall::AddressMatch::Net(net) => Address::Net(net_from_wit(net)?),
    })
}

pub(crate) fn rule_to_wit(rule: &Rule) -> firewall::Rule {
    match rule {
        Rule::Filter(filter) => firewall::Rule::Filter(filter_to_wit(filter)),
        Rule::Nat(nat) => firewall::Rule::Nat(firewall::NatRule {
            on_interface: nat.interface.to_string(),
            source: net_to_wit(nat.from),
        }),
        Rule::Rdr(rdr) => firewall::Rule::Rdr(firewall::RdrRule {
            on_interface: interface_to_wit(&rdr.interface),
            protocol: protocol_to_wit(rdr.protocol),
            host_ports: ports_to_wit(rdr.ports),
            target: address_to_wit(rdr.to),
            target_ports: ports_to_wit(rdr.to_ports),
        }),
        Rule::Guard(guard) => firewall::Rule::Guard(guard_to_wit(guard)),
        Rule::Hairpin(hairpin) => firewall::Rule::Hairpin(firewall::HairpinRule {
            on_interface: hairpin.interface.to_string(),
            source: net_to_wit(hairpin.from),
            protocol: protocol_to_wit(hairpin.protocol),
            target: address_to_wit(hairpin.to),
            target_ports: ports_to_wit(hairpin.to_ports),
        }),
    }
}

fn guard_to_wit(guard: &Guard) -> firewall::Guard {
    let line = |line: &GuardLine| firewall::GuardLine {
        admission: match line.admission {
            Admission::Admit => firewall::Admission::Admit,
            Admission::Block => firewall::Admission::Block,
            Admission::Reject => firewall::Admission::Reject,
        },
        log: line.log,
        protocol: line.protocol.map(protocol_to_wit),
        peer: address_match_to_wit(&line.peer),
        ports: line.ports.map(ports_to_wit),
    };
    firewall::Guard {
        guarded: match &guard.guarded {
            Guarded::Arriving(name) => firewall::Guarded::Arriving(name.to_string()),
            Guarded::From(net) => firewall::Guarded::Source(net_to_wit(*net)),
            Guarded::To(net) => firewall::Guarded::Destination(net_to_wit(*net)),
        },
        lines: guard.lines.iter().map(line).collect(),
    }
}

fn filter_to_wit(filter: &FilterRule) -> firewall::FilterRule {
    firewall::FilterRule {
        action: match filter.action {
            Action::Pass => firewall::Action::Pass,
            Action::Block => firewall::Action::Block,
            Action::Reject => firewall::Action::Reject,
        },
        direction: match filter.direction {
            Direction::In => firewall::Direction::In,
            Direction::Out => firewall::Direction::Out,
            Direction::Both => firewall::Direction::Both,
        },
        quick: filter.quick,
        log: filter.log,
        on_interface: interface_to_wit(&filter.interface),
        protocol: filter.protocol.map(protocol_to_wit),
        source: address_match_to_wit(&filter.from),
        destination: address_match_to_wit(&filter.to),
        ports: filter.to_ports.map(|ports: PortRange| ports_to_wit(ports)),
    }
}

fn interface_to_wit(interface: &InterfaceMatch) -> firewall::InterfaceMatch {
    match interface {
        InterfaceMatch::Any => firewall::InterfaceMatch::Any,
        InterfaceMatch::Named(name) => firewall::InterfaceMatch::Named(name.to_string()),
        InterfaceMatch::KleeneNetworks => firewall::InterfaceMatch::KleeneNetworks,
    }
}

fn address_match_to_wit(address: &Address) -> firewall::AddressMatch {
    match address {
        Address::Any => firewall::AddressMatch::Any,
        Address::Net(net) => firewall::AddressMatch::Net(net_to_wit(*net)),
    }
}
