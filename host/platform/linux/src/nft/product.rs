//! What rules compile to, for every combination of options. A filter rule is a head (what happens), an interface and
//! a match (which packets), which do not depend on each other: the golden file lists the three, and a test holds the
//! whole product against them.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;

use kleene_plan::{
    Action, Address, Admission, Direction, FilterRule, Guard, GuardLine, Guarded, InterfaceMatch, NatRule,
    Owner, PortRange, Protocol, RdrRule, Rule,
};

use super::compile::{Addresses, compile};
use super::field::Field;
use super::set::{Element, Set};

const ACTIONS: [Action; 3] = [Action::Pass, Action::Block, Action::Reject];
const DIRECTIONS: [Direction; 3] = [Direction::In, Direction::Out, Direction::Both];
const PROTOCOLS: [Option<Protocol>; 4] = [
    None,
    Some(Protocol::Tcp),
    Some(Protocol::Udp),
    Some(Protocol::Icmp),
];

type Head = (Action, Direction, bool, bool);

fn em0() -> InterfaceMatch {
    InterfaceMatch::Named("em0".parse().unwrap())
}

/// Any, and of each family a subnet and an address.
fn addresses(last: u8) -> Vec<Address> {
    let net = |text: String| Address::Net(text.parse().unwrap());
    vec![
        Address::Any,
        net(format!("10.0.{last}.0/24")),
        net(format!("10.0.{last}.{last}/32")),
        net(format!("fd00:{last}::/64")),
        net(format!("fd00:{last}::{last}/128")),
    ]
}

fn heads() -> Vec<Head> {
    let mut all = Vec::new();
    for action in ACTIONS {
        for direction in DIRECTIONS {
            for quick in [false, true] {
                for log in [false, true] {
                    all.push((action, direction, quick, log));
                }
            }
        }
    }
    all
}

fn matches() -> Vec<FilterRule> {
    let ports = [
        None,
        Some(PortRange::single(80)),
        Some(PortRange::new(8000, 8010).unwrap()),
    ];
    let mut all = Vec::new();
    for protocol in PROTOCOLS {
        for to_ports in ports {
            for from in addresses(1) {
                for to in addresses(2) {
                    all.push(FilterRule {
                        action: Action::Pass,
                        direction: Direction::In,
                        quick: true,
                        log: false,
                        interface: InterfaceMatch::Any,
                        protocol,
                        from: from.clone(),
                        to,
                        to_ports,
                    });
                }
            }
        }
    }
    all
}

/// What an element says: where it is asked and what happens then, and what a packet must have.
fn said(element: &Element) -> (String, String) {
    let name = element.set.name();
    let what = match &element.set {
        Set::Filter(shape) => {
            let fields: String = shape
                .fields
                .iter()
                .map(|field| format!("_{}", field.name()))
                .collect();
            let networks = if shape.on_networks { "_networks" } else { "" };
            name.strip_suffix(&format!("{networks}{fields}"))
                .unwrap()
                .to_owned()
        }
        _ => name,
    };
    (what, key(element))
}

fn key(element: &Element) -> String {
    let fields: &[Field] = match &element.set {
        Set::Filter(shape) => &shape.fields,
        Set::Masquerade(fields) => fields,
        _ => &[],
    };
    let names: Vec<_> = fields.iter().map(|field| field.name()).collect();
    let value = element
        .value
        .as_ref()
        .map(|value| format!(" -> {value}"))
        .unwrap_or_default();
    let networks = matches!(&element.set, Set::Filter(shape) if shape.on_networks);
    let on = if networks { "@networks " } else { "" };
    let names = if names.is_empty() {
        String::new()
    } else {
        format!("{} = ", names.join(" . "))
    };
    format!("{on}{names}{}{value}", element.key)
}

fn compiled(rule: Rule) -> Result<BTreeSet<Element>, String> {
    let owner: Owner = "endpoint-bbbbbbbbbbbb".parse().unwrap();
    let at = vec!["192.0.2.1".parse().unwrap(), "fd01::1".parse().unwrap()];
    let addresses: Addresses = BTreeMap::from([("em0".parse().unwrap(), at)]);
    let mut elements = compile(&owner, &[rule], &addresses).map_err(|error| error.to_string())?;
    // What an address that a rule closes is for besides: `rules_of_a_guest` in `golden.rs`.
    elements.retain(|element| !matches!(element.set, Set::Closed(_)));
    Ok(elements)
}

/// Where and what of a head, one per way.
fn places(head: Head) -> Vec<String> {
    let rule = with_head(&matches().swap_remove(1), head);
    compiled(Rule::Filter(rule))
        .unwrap()
        .iter()
        .map(|element| said(element).0)
        .collect()
}

fn with_head(rule: &FilterRule, (action, direction, quick, log): Head) -> FilterRule {
    FilterRule {
        action,
        direction,
        quick,
        log,
        ..rule.clone()
    }
}

/// The keys of a match, on all interfaces.
fn keys(rule: &FilterRule) -> Result<Vec<String>, String> {
    Ok(compiled(Rule::Filter(rule.clone()))?.iter().map(key).collect())
}

/// Joins a golden key to an interface's, as the compiler must have.
fn on(interface: &InterfaceMatch, key: &str, looks_at_nothing: bool) -> String {
    match interface {
        InterfaceMatch::Any => key.to_owned(),
        InterfaceMatch::KleeneNetworks => format!("@networks {key}"),
        // The interface alone is enough to look up: the family is not asked.
        InterfaceMatch::Named(name) if looks_at_nothing => format!("if = \"{name}\""),
        InterfaceMatch::Named(name) => {
            let (fields, values) = key.split_once(" = ").unwrap();
            format!("if . {fields} = \"{name}\" . {values}")
        }
    }
}

fn section(text: &mut String, title: &str, lines: impl IntoIterator<Item = String>) {
    writeln!(text, "# {title}").unwrap();
    for line in lines {
        writeln!(text, "{line}").unwrap();
    }
    text.push('\n');
}

fn told(said: &str, keys: Result<Vec<String>, String>) -> String {
    match keys {
        Ok(keys) => format!("{said}\n    {}", keys.join("\n    ")),
        Err(_) => format!("{said}\n    refused"),
    }
}

/// Matches under their protocol and ports; what is refused is counted by its reason.
fn told_matches(text: &mut String) {
    let all = matches();
    for group in all.chunks(25) {
        let first = group[0].to_string();
        writeln!(text, "## {}", first.trim_start_matches("pass in quick ")).unwrap();
        let mut refused: BTreeMap<String, usize> = BTreeMap::new();
        for rule in group {
            match keys(rule) {
                Ok(keys) => {
                    writeln!(text, "{} -> {}\n    {}", rule.from, rule.to, keys.join("\n    ")).unwrap()
                }
                Err(error) => {
                    let reason = error.rsplit(": ").next().unwrap_or_default().to_owned();
                    *refused.entry(reason).or_default() += 1;
                }
            }
        }
        for (reason, count) in refused {
            writeln!(text, "refused: {count}, {reason}").unwrap();
        }
        text.push('\n');
    }
}

fn translations() -> Vec<Rule> {
    let mut all = Vec::new();
    for from in ["10.0.1.0/24", "fd00:1::/64"] {
        all.push(Rule::Nat(NatRule {
            interface: "em0".parse().unwrap(),
            from: from.parse().unwrap(),
        }));
    }
    let range = |first, last| PortRange::new(first, last).unwrap();
    for interface in [InterfaceMatch::Any, em0(), InterfaceMatch::KleeneNetworks] {
        for protocol in [Protocol::Tcp, Protocol::Udp, Protocol::Icmp] {
            for to in ["10.0.1.2", "fd00:1::2"] {
                for (ports, to_ports) in [
                    (range(8080, 8080), range(80, 80)),
                    (range(9000, 9001), range(8000, 8001)),
                    (range(9000, 9001), range(80, 80)),
                    (range(9000, 9002), range(80, 81)),
                ] {
                    all.push(Rule::Rdr(RdrRule {
                        interface: interface.clone(),
                        protocol,
                        ports,
                        to: to.parse().unwrap(),
                        to_ports,
                    }));
                }
            }
        }
    }
    all
}

fn guards() -> Vec<Rule> {
    let net = |text: &str| text.parse().unwrap();
    let mut all = Vec::new();
    for (guarded, peer) in [
        (Guarded::Arriving("kleene1".parse().unwrap()), "10.0.2.0/24"),
        (Guarded::From(net("10.0.1.2/32")), "10.0.2.0/24"),
        (Guarded::To(net("10.0.1.2/32")), "10.0.2.0/24"),
        (Guarded::From(net("fd00:1::2/128")), "fd00:2::/64"),
        (Guarded::To(net("fd00:1::2/128")), "fd00:2::/64"),
    ] {
        for admission in [Admission::Admit, Admission::Block, Admission::Reject] {
            for log in [false, true] {
                for (protocol, ports) in [(None, None), (Some(Protocol::Tcp), Some(PortRange::single(443)))] {
                    for peer in [Address::Any, Address::Net(net(peer))] {
                        let line = GuardLine {
                            admission,
                            log,
                            protocol,
                            peer,
                            ports,
                        };
                        all.push(Rule::Guard(Guard {
                            guarded: guarded.clone(),
                            lines: vec![line],
                        }));
                    }
                }
            }
        }
    }
    all
}

fn all_said(rule: Rule) -> Result<Vec<String>, String> {
    let elements = compiled(rule)?;
    Ok(elements
        .iter()
        .map(|element| {
            let (what, key) = said(element);
            format!("{what}: {key}")
        })
        .collect())
}

#[test]
fn every_option_of_every_rule() {
    let mut text = String::new();
    section(
        &mut text,
        "what happens: action x direction x quick x log, to the place in the order and the verdict",
        heads().into_iter().map(|head| {
            let rule = with_head(&matches()[0], head).to_string();
            let words = rule.trim_end_matches(" from any to any");
            format!("{words}: {}", places(head).join(", "))
        }),
    );
    section(
        &mut text,
        "on which interface: before the key of every match",
        [InterfaceMatch::Any, em0(), InterfaceMatch::KleeneNetworks].map(|interface| {
            let rule = FilterRule {
                interface: interface.clone(),
                ..matches().swap_remove(1)
            };
            format!("{interface}: {}", keys(&rule).unwrap().join(", "))
        }),
    );
    writeln!(text, "# which packets: protocol x ports x source x destination\n").unwrap();
    told_matches(&mut text);
    section(
        &mut text,
        "translations: nat x family; rdr x interface x protocol x family x ports",
        translations()
            .into_iter()
            .map(|rule| told(&rule.to_string(), all_said(rule))),
    );
    section(
        &mut text,
        "guards: whose packets x admission x log x protocol and ports x peer",
        guards()
            .into_iter()
            .map(|rule| told(&rule.to_string(), all_said(rule))),
    );
    insta::assert_snapshot!("nft", text);
}

#[test]
fn every_combination_is_its_parts_in_a_row() {
    let heads: Vec<_> = heads().into_iter().map(|head| (head, places(head))).collect();
    let mut combinations = 0;
    for rule in matches() {
        let keys = keys(&rule);
        let looks_at_nothing = keys
            .as_ref()
            .is_ok_and(|keys| keys[0].starts_with("family = ") && keys.len() == 2);
        for interface in [InterfaceMatch::Any, em0(), InterfaceMatch::KleeneNetworks] {
            for (head, places) in &heads {
                let rule = FilterRule {
                    interface: interface.clone(),
                    ..with_head(&rule, *head)
                };
                let found = compiled(Rule::Filter(rule.clone()));
                combinations += 1;
                let Ok(keys) = &keys else {
                    assert!(found.is_err(), "{rule}");
                    continue;
                };
                let expected: BTreeSet<_> = places
                    .iter()
                    .flat_map(|place| {
                        keys.iter()
                            .map(|key| (place.clone(), on(&interface, key, looks_at_nothing)))
                    })
                    .collect();
                let found: BTreeSet<_> = found.unwrap().iter().map(said).collect();
                assert_eq!(found, expected, "{rule}");
            }
        }
    }
    assert_eq!(combinations, 36 * 3 * 4 * 3 * 25);
}
