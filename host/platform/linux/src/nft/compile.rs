//! From typed rules to elements of sets. Pure.
//!
//! pf's order, in which the last match wins unless a rule is quick, becomes an order of first match: quick rules as
//! they stand, then the others backwards. Of that order only the changes of the verdict matter: rules between two
//! changes can be asked in any order, so all of one form are asked at once, by one look into one set.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, Ipv6Addr};

use ipnet::IpNet;
use kleene_plan::{
    Address, Direction, Family, FilterRule, Guarded, InterfaceMatch, InterfaceName, NatRule, Owner,
    PortRange, Protocol, RdrRule, Rule,
};
use kleene_platform::{PlatformError, Result};

use super::field::{self, Condition, Field, Way, quoted};
use super::set::{Arrival, Element, Phase, Place, Set, Shape, Side, Verdict};

/// Addresses that interfaces of the host have at the moment.
pub(crate) type Addresses = BTreeMap<InterfaceName, Vec<IpAddr>>;

/// The interfaces whose addresses rules depend on.
pub(crate) fn interfaces_of_redirections(rules: &[Rule]) -> BTreeSet<InterfaceName> {
    rules
        .iter()
        .filter_map(|rule| match rule {
            Rule::Rdr(RdrRule {
                interface: InterfaceMatch::Named(name),
                ..
            }) => Some(name.clone()),
            _ => None,
        })
        .collect()
}

/// All elements that an owner's rules make.
///
/// # Errors
/// [`PlatformError::NotSupported`], with the rule, for one that no packet could ever match.
pub(crate) fn compile(owner: &Owner, rules: &[Rule], addresses: &Addresses) -> Result<BTreeSet<Element>> {
    let mut elements = BTreeSet::new();
    let filters = || {
        rules.iter().filter_map(|rule| {
            if let Rule::Filter(rule) = rule {
                Some(rule)
            } else {
                None
            }
        })
    };
    let (first, last) = match owner {
        Owner::Network(_) => (Phase::NetworkQuick, Phase::Network),
        Owner::Endpoint(_) => (Phase::EndpointQuick, Phase::Endpoint),
    };
    filter(first, filters().filter(|rule| rule.quick), &mut elements)?;
    filter(last, filters().rev().filter(|rule| !rule.quick), &mut elements)?;
    guards(owner, rules, &mut elements)?;
    if matches!(owner, Owner::Endpoint(_)) {
        elements.extend(filters().filter_map(FilterRule::closed_address).map(closed));
    }
    for rule in rules {
        match rule {
            // Of hairpins there is one rule in the table for all networks (`Set::Hairpins`).
            Rule::Filter(_) | Rule::Guard(_) | Rule::Hairpin(_) => {}
            Rule::Nat(rule) => nat(rule, &mut elements),
            Rule::Rdr(rule) => rdr(rule, addresses, &mut elements)?,
        }
    }
    Ok(elements)
}

fn closed(address: IpAddr) -> Element {
    Element {
        set: Set::Closed(Family::of(address)),
        key: address.to_string(),
        value: None,
    }
}

/// Each guard of the same packets has a place of its own, so that none speaks for the next. Guards of different packets
/// may share one: no packet meets both.
fn guards(owner: &Owner, rules: &[Rule], elements: &mut BTreeSet<Element>) -> Result<()> {
    let mut of_the_same: BTreeMap<&Guarded, usize> = BTreeMap::new();
    for rule in rules {
        let Rule::Guard(guard) = rule else { continue };
        let number = of_the_same.entry(&guard.guarded).or_default();
        let place = Place {
            of_networks: matches!(owner, Owner::Network(_)),
            side: match guard.guarded {
                Guarded::Arriving(_) => Side::Arriving,
                Guarded::From(_) => Side::From,
                Guarded::To(_) => Side::To,
            },
            number: *number,
        };
        *number += 1;
        let lines: Vec<_> = guard.as_filters().collect();
        filter(Phase::Guard(place), lines.iter(), elements)?;
    }
    Ok(())
}

/// Filter rules of one phase, in order of first match.
fn filter<'a>(
    phase: Phase,
    rules: impl Iterator<Item = &'a FilterRule>,
    elements: &mut BTreeSet<Element>,
) -> Result<()> {
    let mut level = 0;
    let mut before = None;
    for rule in rules {
        let verdict = Verdict::new(rule.action, rule.log);
        if before.replace(verdict).is_some_and(|before| before != verdict) {
            level += 1;
        }
        for conditions in conditions(rule)? {
            for way in ways(rule.direction) {
                let shape = Shape {
                    way: *way,
                    phase,
                    level,
                    verdict,
                    on_networks: rule.interface == InterfaceMatch::KleeneNetworks,
                    fields: conditions.iter().map(|(field, _)| *field).collect(),
                };
                elements.insert(Element {
                    set: Set::Filter(shape),
                    key: joined(&conditions),
                    value: None,
                });
            }
        }
    }
    Ok(())
}

fn ways(direction: Direction) -> &'static [Way] {
    match direction {
        Direction::In => &[Way::In],
        Direction::Out => &[Way::Out],
        Direction::Both => &[Way::In, Way::Out],
    }
}

fn joined(conditions: &[Condition]) -> String {
    conditions
        .iter()
        .map(|(_, value)| value.as_str())
        .collect::<Vec<_>>()
        .join(" . ")
}

/// The rule as alternatives, each a list of conditions that must all hold; never an empty list.
fn conditions(rule: &FilterRule) -> Result<Vec<Vec<Condition>>> {
    let interface = match &rule.interface {
        InterfaceMatch::Named(name) => vec![vec![field::interface(name)]],
        InterfaceMatch::Any | InterfaceMatch::KleeneNetworks => vec![vec![]],
    };
    let mut alternatives = interface;
    for addresses in [addresses(rule)?, protocols(rule)?, ports(rule)?] {
        alternatives = product(&alternatives, &addresses);
    }
    if alternatives == [vec![]] {
        // A rule for everything still needs something to look up.
        alternatives = [Family::Inet, Family::Inet6]
            .map(|family| vec![field::family(family)])
            .to_vec();
    }
    Ok(alternatives)
}

fn product(left: &[Vec<Condition>], right: &[Vec<Condition>]) -> Vec<Vec<Condition>> {
    left.iter()
        .flat_map(|first| right.iter().map(|second| [first.as_slice(), second].concat()))
        .collect()
}

fn addresses(rule: &FilterRule) -> Result<Vec<Vec<Condition>>> {
    let mut conditions = Vec::new();
    // A prefix of no bits says no more than the family.
    if let Some(net) = net(&rule.from).filter(|net| net.prefix_len() > 0) {
        conditions.push(field::source(net));
    }
    if let Some(net) = net(&rule.to).filter(|net| net.prefix_len() > 0) {
        conditions.push(field::destination(net));
    }
    if let (true, Some(family)) = (conditions.is_empty(), family(rule)?) {
        conditions.push(field::family(family));
    }
    Ok(vec![conditions])
}

fn net(address: &Address) -> Option<&IpNet> {
    match address {
        Address::Any => None,
        Address::Net(net) => Some(net),
    }
}

fn family(rule: &FilterRule) -> Result<Option<Family>> {
    let of = |address| net(address).map(|net| Family::of(net.addr()));
    match (of(&rule.from), of(&rule.to)) {
        (Some(from), Some(to)) if from != to => Err(impossible(rule, "it mixes IPv4 and IPv6")),
        (from, to) => Ok(from.or(to)),
    }
}

fn protocols(rule: &FilterRule) -> Result<Vec<Vec<Condition>>> {
    let family = family(rule)?;
    let protocols = match (rule.protocol, rule.to_ports) {
        (None, None) => return Ok(vec![vec![]]),
        (None, Some(_)) => vec![Protocol::Tcp, Protocol::Udp],
        (Some(Protocol::Icmp), Some(_)) => return Err(impossible(rule, "ICMP has no ports")),
        (Some(Protocol::Icmp), None) if family.is_none() => {
            let both =
                [Family::Inet, Family::Inet6].map(|family| vec![field::protocol(Protocol::Icmp, family)]);
            return Ok(both.to_vec());
        }
        (Some(protocol), _) => vec![protocol],
    };
    let family = family.unwrap_or(Family::Inet);
    Ok(protocols
        .into_iter()
        .map(|protocol| vec![field::protocol(protocol, family)])
        .collect())
}

fn ports(rule: &FilterRule) -> Result<Vec<Vec<Condition>>> {
    Ok(match rule.to_ports {
        Some(range) if range.count() <= u32::from(u16::MAX) => field::port_blocks(range)
            .into_iter()
            .map(|block| vec![block])
            .collect(),
        // All ports are no condition.
        _ => vec![vec![]],
    })
}

fn nat(rule: &NatRule, elements: &mut BTreeSet<Element>) {
    let source = match rule.from.prefix_len() {
        0 => field::family(Family::of(rule.from.addr())),
        _ => field::source(&rule.from),
    };
    let conditions = [field::interface(&rule.interface), source];
    let fields: Vec<Field> = conditions.iter().map(|(field, _)| *field).collect();
    elements.insert(Element {
        set: Set::Masquerade(fields),
        key: joined(&conditions),
        value: None,
    });
}

/// Port by port: nftables cannot shift a range.
fn rdr(rule: &RdrRule, addresses: &Addresses, elements: &mut BTreeSet<Element>) -> Result<()> {
    let family = Family::of(rule.to);
    if rule.protocol == Protocol::Icmp {
        return Err(impossible(&Rule::Rdr(rule.clone()), "ICMP has no ports"));
    }
    let (_, protocol) = field::protocol(rule.protocol, family);
    let places: Vec<(Arrival, String)> = match &rule.interface {
        InterfaceMatch::Any => vec![(Arrival::Anywhere, String::new())],
        InterfaceMatch::KleeneNetworks => vec![(Arrival::Networks, String::new())],
        InterfaceMatch::Named(name) => {
            let at = addresses
                .get(name)
                .into_iter()
                .flatten()
                .filter(|address| Family::of(**address) == family)
                // The kernel takes answers from elsewhere for ::1 on the loopback interface only, so none would arrive.
                // Refused, a client goes on with 127.0.0.1; redirected, it would wait.
                .filter(|address| **address != IpAddr::V6(Ipv6Addr::LOCALHOST));
            std::iter::once((Arrival::On, format!("{} . ", quoted(name))))
                .chain(at.map(|address| (Arrival::At, format!("{address} . "))))
                .collect()
        }
    };
    for (host, container) in port_pairs(rule)? {
        for (arrival, place) in &places {
            elements.insert(Element {
                set: Set::Redirect(*arrival, family),
                key: format!("{place}{protocol} . {host}"),
                value: Some(format!("{} . {container}", rule.to)),
            });
        }
    }
    Ok(())
}

fn port_pairs(rule: &RdrRule) -> Result<Vec<(u16, u16)>> {
    let all = |range: PortRange| range.first()..=range.last();
    if rule.to_ports.count() == 1 {
        Ok(all(rule.ports)
            .map(|host| (host, rule.to_ports.first()))
            .collect())
    } else if rule.to_ports.count() == rule.ports.count() {
        Ok(all(rule.ports).zip(all(rule.to_ports)).collect())
    } else {
        Err(impossible(
            &Rule::Rdr(rule.clone()),
            "the two ranges of ports differ in length",
        ))
    }
}

fn impossible(rule: &impl std::fmt::Display, reason: &str) -> PlatformError {
    PlatformError::NotSupported {
        what: format!("the rule '{rule}'"),
        reason: reason.to_owned(),
    }
}
