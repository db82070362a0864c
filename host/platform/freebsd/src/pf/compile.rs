//! Translation and filter rules, and what pf needs besides so that they mean what they say.

use std::fmt::Write;

use ipnet::IpNet;
use kleene_plan::{
    Action, Address, Direction, Family, FilterRule, HairpinRule, InterfaceMatch, NatRule, Owner, Protocol,
    RdrRule, Rule,
};
use kleene_platform::{PlatformError, Result};

use super::interface::{literal, on};
use super::{GROUP, LOOPBACK};

/// Neighbour and router discovery: without it no IPv6 packet finds its way.
pub(super) const DISCOVERY: &str = "icmp6-type { neighbrsol, neighbradv, routersol, routeradv }";

/// The text of the anchor that holds all but guards. pf wants translations before filter rules.
///
/// # Errors
/// For a rule that cannot be.
pub(super) fn text(owner: &Owner, rules: &[Rule], with_nat: bool) -> Result<String> {
    let mut text = String::new();
    for rule in rules {
        if let (Rule::Nat(rule), true) = (rule, with_nat) {
            text.push_str(&nat(rule, None)?);
        }
    }
    for rule in rules {
        if let Rule::Hairpin(rule) = rule {
            text.push_str(&hairpin(rule)?);
        }
    }
    for rule in rules {
        if let Rule::Rdr(rule) = rule {
            text.push_str(&rdr(rule)?);
        }
    }
    if matches!(owner, Owner::Network(_)) {
        replies(rules, &mut text);
    }
    for rule in rules {
        if let Rule::Filter(rule) = rule {
            for line in filter(rule)? {
                line_of(&mut text, format_args!("{line}"));
            }
        }
    }
    Ok(text)
}

pub(super) fn line_of(text: &mut String, line: std::fmt::Arguments<'_>) {
    // Writing to a string cannot fail.
    let _ = writeln!(text, "{line}");
}

/// pf lets a packet through that no rule matches, but keeps no state for it, so that a block on the way in would meet
/// the replies. What leaves a closed subnet, and what was let through to it, therefore passes by a rule that keeps
/// state; every rule that follows may say otherwise.
fn replies(rules: &[Rule], text: &mut String) {
    let mut closed: Vec<IpNet> = Vec::new();
    for rule in rules {
        if let Rule::Filter(FilterRule {
            action: Action::Block | Action::Reject,
            direction: Direction::In | Direction::Both,
            to: Address::Net(net),
            ..
        }) = rule
            && !closed.contains(net)
        {
            closed.push(*net);
        }
    }
    for net in closed {
        let (af, net) = (af(Family::of(net.addr())), net.trunc());
        line_of(text, format_args!("pass out {af} from {net} to any"));
        line_of(text, format_args!("pass out {af} from any to {net}"));
        if net.addr().is_ipv6() {
            line_of(
                text,
                format_args!("pass quick inet6 proto ipv6-icmp from any to {net} {DISCOVERY}"),
            );
        }
    }
}

pub(super) fn af(family: Family) -> &'static str {
    match family {
        Family::Inet => "inet",
        Family::Inet6 => "inet6",
    }
}

/// A source translation. The interface's first address, not one of its aliases, which are containers'.
pub(super) fn nat(rule: &NatRule, tag: Option<&str>) -> Result<String> {
    let name = literal(&rule.interface)?;
    let af = af(Family::of(rule.from.addr()));
    let tag = tag.map(|tag| format!(" tag {tag}")).unwrap_or_default();
    let from = rule.from.trunc();
    Ok(format!(
        "nat on {name} {af} from {from} to any{tag} -> ({name}:0)\n"
    ))
}

/// The translation that pf needs beside a redirection into the network that the packet came from: it leaves the host
/// through the interface that it came in by.
fn hairpin(rule: &HairpinRule) -> Result<String> {
    let impossible = |reason| Err(impossible(&Rule::Hairpin(rule.clone()), reason));
    if rule.protocol == Protocol::Icmp {
        return impossible("ICMP has no ports");
    }
    if Family::of(rule.from.addr()) != Family::of(rule.to) {
        return impossible("it mixes IPv4 and IPv6");
    }
    let name = literal(&rule.interface)?;
    Ok(format!(
        "nat on {name} {} proto {} from {} to {} port {} -> ({name}:0)\n",
        af(Family::of(rule.to)),
        rule.protocol,
        rule.from.trunc(),
        rule.to,
        rule.to_ports
    ))
}

/// What is sent to a container's own address among those of the host is for nobody else: the first translation that matches
/// is done, and these come before all others.
pub(super) fn kept(owner: &Owner, rules: &[Rule]) -> String {
    let mut text = String::new();
    for rule in rules {
        if let (Owner::Endpoint(_), Rule::Filter(rule)) = (owner, rule)
            && let Some(address) = rule.closed_address()
        {
            let af = af(Family::of(address));
            line_of(&mut text, format_args!("no rdr {af} from any to {address}"));
        }
    }
    text
}

fn rdr(rule: &RdrRule) -> Result<String> {
    let impossible = |reason| Err(impossible(&Rule::Rdr(rule.clone()), reason));
    if rule.protocol == Protocol::Icmp {
        return impossible("ICMP has no ports");
    }
    let (ports, to_ports) = (rule.ports, rule.to_ports);
    let target = match (to_ports.count(), ports.count()) {
        (1, _) => to_ports.first().to_string(),
        (all, of_host) if all == of_host => format!("{}:*", to_ports.first()),
        _ => return impossible("the two ranges of ports differ in length"),
    };
    // What the host and containers send to the published address comes in on these interfaces.
    let (on, host) = match &rule.interface {
        InterfaceMatch::Any => (String::new(), "self"),
        InterfaceMatch::KleeneNetworks => (on(&rule.interface)?, "self"),
        InterfaceMatch::Named(name) if name.as_str() == LOOPBACK => (on(&rule.interface)?, LOOPBACK),
        InterfaceMatch::Named(name) => {
            let name = literal(name)?;
            (format!(" on {{ {name}, {LOOPBACK}, {GROUP} }}"), name)
        }
    };
    Ok(format!(
        "rdr{on} {} proto {} from any to ({host}) port {ports} -> {} port {target}\n",
        af(Family::of(rule.to)),
        rule.protocol,
        rule.to
    ))
}

/// A filter rule as lines, one per family that it can match.
pub(super) fn filter(rule: &FilterRule) -> Result<Vec<String>> {
    let head = head(rule);
    let on = on(&rule.interface)?;
    let bodies = bodies(rule)?;
    Ok(bodies
        .into_iter()
        .map(|body| format!("{head}{on} {body}"))
        .collect())
}

/// `block drop in log quick`
fn head(rule: &FilterRule) -> String {
    let action = match rule.action {
        Action::Pass => "pass",
        Action::Block => "block drop",
        Action::Reject => "block return",
    };
    let log = if rule.log { " log" } else { "" };
    let quick = if rule.quick { " quick" } else { "" };
    format!("{action}{}{log}{quick}", rule.direction)
}

/// `inet proto tcp from any to 10.0.1.2/32 port 80`, for each family.
fn bodies(rule: &FilterRule) -> Result<Vec<String>> {
    if rule.protocol == Some(Protocol::Icmp) && rule.to_ports.is_some() {
        return Err(impossible(rule, "ICMP has no ports"));
    }
    let body = |family| {
        let af = af(family);
        let proto = match (rule.protocol, rule.to_ports, family) {
            (Some(Protocol::Tcp), ..) => " proto tcp",
            (Some(Protocol::Udp), ..) => " proto udp",
            (Some(Protocol::Icmp), _, Family::Inet) => " proto icmp",
            (Some(Protocol::Icmp), _, Family::Inet6) => " proto ipv6-icmp",
            (None, Some(_), _) => " proto { tcp, udp }",
            (None, None, _) => "",
        };
        let port = rule
            .to_ports
            .map(|ports| format!(" port {ports}"))
            .unwrap_or_default();
        format!(
            "{af}{proto} from {} to {}{port}",
            peer(&rule.from),
            peer(&rule.to)
        )
    };
    Ok(families(rule)?.iter().map(|family| body(*family)).collect())
}

fn families(rule: &FilterRule) -> Result<&'static [Family]> {
    let of = |address: &Address| match address {
        Address::Any => None,
        Address::Net(net) => Some(Family::of(net.addr())),
    };
    match (of(&rule.from), of(&rule.to)) {
        (Some(from), Some(to)) if from != to => Err(impossible(rule, "it mixes IPv4 and IPv6")),
        (Some(Family::Inet), _) | (_, Some(Family::Inet)) => Ok(&[Family::Inet]),
        (Some(Family::Inet6), _) | (_, Some(Family::Inet6)) => Ok(&[Family::Inet6]),
        (None, None) => Ok(&[Family::Inet, Family::Inet6]),
    }
}

fn peer(address: &Address) -> String {
    match address {
        Address::Any => "any".to_owned(),
        Address::Net(net) => net.trunc().to_string(),
    }
}

pub(super) fn impossible(rule: &impl std::fmt::Display, reason: &str) -> PlatformError {
    PlatformError::NotSupported {
        what: format!("the rule '{rule}'"),
        reason: reason.to_owned(),
    }
}
