//! The text for typical rules, to be read; the tests with packets load it.

use std::collections::BTreeMap;

use ipnet::IpNet;
use kleene_plan::{
    Action, Address, Direction, FilterRule, InterfaceMatch, InterfaceName, NatRule, Owner, PortRange,
    Protocol, RdrRule, Rule,
};

use super::compile::{Addresses, compile};
use super::ruleset::{Holder, Ruleset, Token, interface_elements};

fn name(name: &str) -> InterfaceName {
    name.parse().unwrap()
}

fn net(text: &str) -> Address {
    Address::Net(text.parse().unwrap())
}

fn owner(text: &str) -> Owner {
    text.parse().unwrap()
}

fn block_in(subnet: &str) -> FilterRule {
    FilterRule {
        action: Action::Block,
        direction: Direction::In,
        quick: false,
        log: true,
        interface: InterfaceMatch::Any,
        protocol: None,
        from: Address::Any,
        to: net(subnet),
        to_ports: None,
    }
}

fn network() -> Vec<Rule> {
    let within = net("10.0.1.0/24");
    let pass = |interface| FilterRule {
        action: Action::Pass,
        direction: Direction::Both,
        quick: true,
        log: false,
        interface,
        from: within.clone(),
        ..block_in("10.0.1.0/24")
    };
    let block_out = |interface| FilterRule {
        direction: Direction::Out,
        quick: true,
        interface,
        from: within.clone(),
        to: Address::Any,
        ..block_in("10.0.1.0/24")
    };
    vec![
        Rule::Nat(NatRule {
            interface: name("em0"),
            from: "10.0.1.0/24".parse::<IpNet>().unwrap(),
        }),
        Rule::Filter(block_in("10.0.1.0/24")),
        Rule::Filter(block_in("fd00:1::/64")),
        Rule::Filter(pass(InterfaceMatch::Named(name("kleene0")))),
        Rule::Filter(pass(InterfaceMatch::Named(name("lo")))),
        Rule::Filter(block_out(InterfaceMatch::KleeneNetworks)),
        Rule::Filter(block_out(InterfaceMatch::Named(name("em0")))),
    ]
}

fn endpoint(on: InterfaceMatch) -> Vec<Rule> {
    let ports = PortRange::new(80, 82).unwrap();
    vec![
        Rule::Rdr(RdrRule {
            interface: on.clone(),
            protocol: Protocol::Tcp,
            ports: PortRange::new(8080, 8082).unwrap(),
            to: "10.0.1.2".parse().unwrap(),
            to_ports: ports,
        }),
        Rule::Filter(FilterRule {
            action: Action::Pass,
            direction: Direction::Both,
            quick: true,
            log: false,
            interface: on,
            protocol: Some(Protocol::Tcp),
            to: net("10.0.1.2/32"),
            to_ports: Some(ports),
            ..block_in("10.0.1.2/32")
        }),
    ]
}

fn text(owner: &str, rules: &[Rule]) -> String {
    let addresses = Addresses::from([(
        name("em0"),
        vec!["192.0.2.1".parse().unwrap(), "fd01::1".parse().unwrap()],
    )]);
    super::render(&self::owner(owner), rules, &addresses)
}

#[test]
fn rules_of_a_network() {
    insta::assert_snapshot!(text("network-aaaaaaaaaaaa", &network()));
}

/// What is sent to its addresses is for it: that stands before all redirections of others.
#[test]
fn rules_of_a_guest() {
    let rules = ["192.0.2.50/32", "fd01::50/128"].map(|address| Rule::Filter(block_in(address)));
    insta::assert_snapshot!(text("endpoint-bbbbbbbbbbbb", &rules));
}

#[test]
fn rules_of_a_port_published_everywhere() {
    insta::assert_snapshot!(text("endpoint-bbbbbbbbbbbb", &endpoint(InterfaceMatch::Any)));
}

#[test]
fn rules_of_a_port_published_on_an_interface() {
    insta::assert_snapshot!(text(
        "endpoint-bbbbbbbbbbbb",
        &endpoint(InterfaceMatch::Named(name("em0")))
    ));
}

#[test]
fn rules_of_every_unusual_kind() {
    let rule = |change: fn(&mut FilterRule)| {
        let mut rule = FilterRule {
            log: false,
            ..block_in("10.0.1.0/24")
        };
        change(&mut rule);
        Rule::Filter(rule)
    };
    let rules = [
        rule(|rule| rule.to = Address::Any),
        rule(|rule| rule.to = net("0.0.0.0/0")),
        rule(|rule| rule.protocol = Some(Protocol::Icmp)),
        rule(|rule| (rule.protocol, rule.to) = (Some(Protocol::Icmp), net("fd00::/64"))),
        rule(|rule| (rule.protocol, rule.to) = (Some(Protocol::Icmp), Address::Any)),
        rule(|rule| rule.to_ports = Some(PortRange::single(53))),
        rule(|rule| rule.action = Action::Reject),
        rule(|rule| (rule.action, rule.log) = (Action::Pass, true)),
    ];
    insta::assert_snapshot!(text("endpoint-bbbbbbbbbbbb", &rules));
}

#[test]
fn a_whole_table() {
    let mut ruleset = Ruleset::default();
    let change = ruleset.plan(
        Holder::Interface(name("kleene0")),
        Some(interface_elements(&name("kleene0"))),
    );
    ruleset.commit(change.unwrap());
    insta::assert_snapshot!(ruleset.text(Token(0xc0ff_ee00)));
}

/// A change of one owner says nothing of the others.
#[test]
fn one_change_among_many_owners() {
    let mut ruleset = Ruleset::default();
    let mut change = |owner: &str, rules: Option<&[Rule]>| {
        let owner = self::owner(owner);
        let elements = rules.map(|rules| compile(&owner, rules, &BTreeMap::new()).unwrap());
        let change = ruleset.plan(Holder::Owner(owner), elements).unwrap();
        let text = ruleset.text_of(&change, Token(0xc0ff_ee00));
        ruleset.commit(change);
        text
    };
    let published = endpoint(InterfaceMatch::Any);
    change("network-aaaaaaaaaaaa", Some(&network()));
    let first = change("endpoint-bbbbbbbbbbbb", Some(&published));
    let mut other = published.clone();
    if let Rule::Rdr(rule) = &mut other[0] {
        rule.ports = PortRange::new(9080, 9082).unwrap();
    }
    let second = change("endpoint-cccccccccccc", Some(&other));
    let third = change("endpoint-bbbbbbbbbbbb", None);
    insta::assert_snapshot!(format!(
        "# the first endpoint\n{first}\n# another with the same container port\n{second}\n# without the first\n{third}"
    ));
}

#[test]
fn a_rule_that_matches_nothing_is_refused() {
    let refused = |rule: Rule| {
        compile(&owner("endpoint-bbbbbbbbbbbb"), &[rule], &BTreeMap::new())
            .unwrap_err()
            .to_string()
    };
    let mixed = FilterRule {
        from: net("fd00::/64"),
        ..block_in("10.0.1.0/24")
    };
    let icmp = FilterRule {
        protocol: Some(Protocol::Icmp),
        to_ports: Some(PortRange::single(1)),
        ..block_in("10.0.1.0/24")
    };
    let uneven = RdrRule {
        interface: InterfaceMatch::Any,
        protocol: Protocol::Tcp,
        ports: PortRange::new(1, 3).unwrap(),
        to: "10.0.1.2".parse().unwrap(),
        to_ports: PortRange::new(1, 2).unwrap(),
    };
    let messages = [Rule::Filter(mixed), Rule::Filter(icmp), Rule::Rdr(uneven)]
        .map(refused)
        .join("\n");
    insta::assert_snapshot!(messages);
}
