//! The text for every combination of options. A filter rule is a head (what happens), an interface and a match (which
//! packets), which do not depend on each other: the golden file lists the three, and a test holds the whole product
//! against them.

use std::collections::BTreeMap;
use std::fmt::Write;

use kleene_plan::{
    Action, Address, Admission, Direction, FilterRule, Guard, GuardLine, Guarded, HairpinRule,
    InterfaceMatch, NatRule, Owner, PortRange, Protocol, RdrRule, Rule,
};

use super::compile;

const ACTIONS: [Action; 3] = [Action::Pass, Action::Block, Action::Reject];
const DIRECTIONS: [Direction; 3] = [Direction::In, Direction::Out, Direction::Both];
const PROTOCOLS: [Option<Protocol>; 4] = [
    None,
    Some(Protocol::Tcp),
    Some(Protocol::Udp),
    Some(Protocol::Icmp),
];
type Head = (Action, Direction, bool, bool);

const ENDPOINT: &str = "endpoint-bbbbbbbbbbbb";

fn interfaces() -> [InterfaceMatch; 3] {
    [
        InterfaceMatch::Any,
        InterfaceMatch::Named("em0".parse().unwrap()),
        InterfaceMatch::KleeneNetworks,
    ]
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

fn ports() -> [Option<PortRange>; 3] {
    [
        None,
        Some(PortRange::single(80)),
        Some(PortRange::new(8000, 8010).unwrap()),
    ]
}

/// Everything of a rule that says which packets, but for the interface.
fn matches() -> Vec<FilterRule> {
    let mut all = Vec::new();
    for protocol in PROTOCOLS {
        for to_ports in ports() {
            for from in addresses(1) {
                for to in addresses(2) {
                    all.push(FilterRule {
                        action: Action::Pass,
                        direction: Direction::Both,
                        quick: false,
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

/// Everything of a rule that says what happens.
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

/// The lines of an endpoint with one rule, but for that of an address that it closes: [`an_address_among_those_of_others`].
fn lines(rule: Rule) -> Result<Vec<String>, String> {
    let owner: Owner = ENDPOINT.parse().unwrap();
    match compile(&owner, &[rule]) {
        Ok([guards, rest]) => Ok(guards
            .text
            .lines()
            .filter(|line| !line.starts_with("no rdr "))
            .chain(rest.text.lines())
            .map(str::to_owned)
            .collect()),
        Err(error) => Err(error.to_string()),
    }
}

/// What follows the interface, a line per family.
fn match_of(rule: &FilterRule) -> Result<Vec<String>, String> {
    let lines = lines(Rule::Filter(rule.clone()))?;
    Ok(lines
        .iter()
        .map(|line| line.strip_prefix("pass ").unwrap().to_owned())
        .collect())
}

const SAMPLE: &str = " inet from any to 10.0.2.0/24";

fn sample() -> FilterRule {
    matches().swap_remove(1)
}

fn head_of((action, direction, quick, log): Head) -> String {
    let rule = FilterRule {
        action,
        direction,
        quick,
        log,
        ..sample()
    };
    let line = lines(Rule::Filter(rule)).unwrap().swap_remove(0);
    line.strip_suffix(SAMPLE).unwrap().to_owned()
}

fn interface_of(interface: InterfaceMatch) -> String {
    let rule = FilterRule {
        interface,
        ..sample()
    };
    let line = lines(Rule::Filter(rule)).unwrap().swap_remove(0);
    line.strip_prefix("pass")
        .and_then(|line| line.strip_suffix(SAMPLE))
        .unwrap()
        .to_owned()
}

fn section(text: &mut String, title: &str, lines: impl IntoIterator<Item = String>) {
    writeln!(text, "# {title}").unwrap();
    for line in lines {
        writeln!(text, "{line}").unwrap();
    }
    text.push('\n');
}

fn told(said: &str, lines: Result<Vec<String>, String>) -> String {
    match lines {
        Ok(lines) => format!("{said}\n    {}", lines.join("\n    ")),
        Err(_) => format!("{said}\n    refused"),
    }
}

/// Matches under their protocol and ports; what is refused is counted by its reason.
fn told_matches(text: &mut String) {
    for group in matches().chunks(25) {
        let first = group[0].to_string();
        writeln!(text, "## {}", first.trim_start_matches("pass ")).unwrap();
        let mut refused: BTreeMap<String, usize> = BTreeMap::new();
        for rule in group {
            match match_of(rule) {
                Ok(lines) => writeln!(text, "{}", lines.join("\n")).unwrap(),
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
    for (from, to) in [
        ("10.0.1.0/24", "10.0.1.2"),
        ("fd00:1::/64", "fd00:1::2"),
        ("10.0.1.0/24", "fd00:1::2"),
    ] {
        for protocol in [Protocol::Tcp, Protocol::Udp, Protocol::Icmp] {
            for to_ports in [range(80, 80), range(8000, 8010)] {
                all.push(Rule::Hairpin(HairpinRule {
                    interface: "kleene0".parse().unwrap(),
                    from: from.parse().unwrap(),
                    protocol,
                    to: to.parse().unwrap(),
                    to_ports,
                }));
            }
        }
    }
    let lo0 = InterfaceMatch::Named("lo0".parse().unwrap());
    for interface in interfaces().into_iter().chain([lo0]) {
        for protocol in [Protocol::Tcp, Protocol::Udp, Protocol::Icmp] {
            for to in ["10.0.1.2", "fd00:1::2"] {
                for (ports, to_ports) in [
                    (range(8080, 8080), range(80, 80)),
                    (range(9000, 9010), range(8000, 8010)),
                    (range(9000, 9010), range(80, 80)),
                    (range(9000, 9010), range(80, 81)),
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
    let guarded = |text: &str| -> Guarded {
        match text.split_once(' ').unwrap() {
            ("from", net) => Guarded::From(net.parse().unwrap()),
            ("to", net) => Guarded::To(net.parse().unwrap()),
            (_, name) => Guarded::Arriving(name.parse().unwrap()),
        }
    };
    let mut all = Vec::new();
    for text in [
        "in kleene1",
        "from 10.0.1.2/32",
        "to 10.0.1.2/32",
        "from fd00:1::2/128",
        "to fd00:1::2/128",
    ] {
        for admission in [Admission::Admit, Admission::Block, Admission::Reject] {
            for log in [false, true] {
                for (protocol, ports) in [(None, None), (Some(Protocol::Tcp), Some(PortRange::single(443)))] {
                    let v6 = text.contains("fd00");
                    let peer: &str = if v6 { "fd00:2::/64" } else { "10.0.2.0/24" };
                    for peer in [Address::Any, Address::Net(peer.parse().unwrap())] {
                        let line = GuardLine {
                            admission,
                            log,
                            protocol,
                            peer,
                            ports,
                        };
                        all.push(Rule::Guard(Guard {
                            guarded: guarded(text),
                            lines: vec![line],
                        }));
                    }
                }
            }
        }
    }
    all
}

#[test]
fn every_option_of_every_rule() {
    let mut text = String::new();
    section(
        &mut text,
        "what happens: action x direction x quick x log",
        heads().into_iter().map(head_of),
    );
    section(
        &mut text,
        "on which interface: between what happens and which packets",
        interfaces().map(|interface| format!("{interface}:{}", interface_of(interface.clone()))),
    );
    writeln!(text, "# which packets: protocol x ports x source x destination\n").unwrap();
    told_matches(&mut text);
    section(
        &mut text,
        "translations: nat x family; rdr x interface x protocol x family x ports",
        translations()
            .into_iter()
            .map(|rule| told(&rule.to_string(), lines(rule))),
    );
    section(
        &mut text,
        "guards: whose packets x admission x log x protocol and ports x peer",
        guards()
            .into_iter()
            .map(|rule| told(&rule.to_string(), lines(rule))),
    );
    insta::assert_snapshot!("pf", text);
}

#[test]
fn every_combination_is_its_parts_in_a_row() {
    let heads: Vec<_> = heads().into_iter().map(|head| (head, head_of(head))).collect();
    let mut combinations = 0;
    for rule in matches() {
        let expected = match_of(&rule);
        for interface in interfaces() {
            let on = interface_of(interface.clone());
            for ((action, direction, quick, log), head) in &heads {
                let rule = FilterRule {
                    action: *action,
                    direction: *direction,
                    quick: *quick,
                    log: *log,
                    interface: interface.clone(),
                    ..rule.clone()
                };
                let found = lines(Rule::Filter(rule.clone()));
                match &expected {
                    Ok(matches) => {
                        let lines: Vec<_> = matches
                            .iter()
                            .map(|packets| format!("{head}{on} {packets}"))
                            .collect();
                        assert_eq!(found.unwrap(), lines, "{rule}");
                    }
                    Err(_) => assert!(found.is_err(), "{rule}"),
                }
                combinations += 1;
            }
        }
    }
    assert_eq!(combinations, 36 * 3 * 4 * 3 * 25);
}

fn closed() -> FilterRule {
    FilterRule {
        action: Action::Block,
        direction: Direction::In,
        quick: false,
        log: true,
        interface: InterfaceMatch::Any,
        protocol: None,
        from: Address::Any,
        to: Address::Any,
        to_ports: None,
    }
}

fn rules_of_a_closed_network() -> Vec<Rule> {
    let block = |subnet: &str| {
        Rule::Filter(FilterRule {
            to: Address::Net(subnet.parse().unwrap()),
            ..closed()
        })
    };
    let nat = Rule::Nat(NatRule {
        interface: "em0".parse().unwrap(),
        from: "10.0.1.0/24".parse().unwrap(),
    });
    vec![block("10.0.1.0/24"), block("fd00:1::/64"), nat]
}

fn anchors(owner: &str, rules: &[Rule]) -> String {
    let anchors = compile(&owner.parse().unwrap(), rules).unwrap();
    anchors
        .iter()
        .map(|anchor| format!("# {}\n{}", anchor.name, anchor.text))
        .collect()
}

/// Translations first, then what keeps replies alive, then the rules.
#[test]
fn a_closed_network() {
    insta::assert_snapshot!(anchors("network-aaaaaaaaaaaa", &rules_of_a_closed_network()));
}

/// What is sent there is for it: that stands before all redirections of others.
#[test]
fn an_address_among_those_of_others() {
    let block = |address: &str| {
        Rule::Filter(FilterRule {
            to: Address::Net(address.parse().unwrap()),
            ..closed()
        })
    };
    let rules = [block("192.0.2.50/32"), block("fd01::50/128")];
    insta::assert_snapshot!(anchors(ENDPOINT, &rules));
}

/// Two guards have tags of their own; the translation stands with them and tags what it hides.
#[test]
fn guards_of_what_is_hidden() {
    let address = "10.0.1.2/32".parse().unwrap();
    let line = |admission, peer: Address| GuardLine {
        admission,
        log: admission != Admission::Admit,
        protocol: None,
        peer,
        ports: None,
    };
    let guard = |peer: &str| {
        Rule::Guard(Guard {
            guarded: Guarded::From(address),
            lines: vec![
                line(Admission::Admit, Address::Net(peer.parse().unwrap())),
                line(Admission::Reject, Address::Any),
            ],
        })
    };
    let nat = NatRule {
        interface: "em0".parse().unwrap(),
        from: address,
    };
    let rules = [Rule::Nat(nat), guard("192.0.2.0/24"), guard("192.0.2.0/25")];
    insta::assert_snapshot!(anchors(ENDPOINT, &rules));
}

#[test]
fn what_pf_cannot_guard_is_refused() {
    let mut rules = rules_of_a_closed_network();
    rules.push(Rule::Guard(Guard {
        guarded: Guarded::From("10.0.1.2/32".parse().unwrap()),
        lines: Vec::new(),
    }));
    let error = compile(&"network-aaaaaaaaaaaa".parse().unwrap(), &rules).unwrap_err();
    assert!(
        error
            .to_string()
            .contains("pf can guard what it hides only by the same subnet or address"),
        "{error}"
    );
}

#[test]
fn owners_stand_in_the_order_in_which_pf_must_ask_them() {
    let mut names: Vec<String> = [
        "endpoint-000000000a00",
        "network-ffffffffffff",
        "network-000000000a00",
    ]
    .iter()
    .flat_map(|owner| super::anchors(&owner.parse().unwrap()))
    .collect();
    names.sort();
    let places: Vec<&str> = names
        .iter()
        .map(|name| &name[..name.rfind('-').unwrap()])
        .collect();
    assert_eq!(
        places,
        [
            "kleene/1-guard-endpoint",
            "kleene/1-guard-network",
            "kleene/1-guard-network",
            "kleene/2-network",
            "kleene/2-network",
            "kleene/3-endpoint"
        ]
    );
}
