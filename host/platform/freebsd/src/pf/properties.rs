//! Nothing gets through: what compiles reads back as the rule it was, whatever names, addresses and ports it holds.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipnet::IpNet;
use kleene_plan::{
    Action, Address, Direction, Family, FilterRule, HairpinRule, InterfaceMatch, InterfaceName, NatRule,
    Owner, PortRange, Protocol, RdrRule, Rule,
};
use proptest::prelude::*;

use super::{compile, parse};

/// Names as hostile as the type lets them be, words of pf's grammar among them.
fn interface_name() -> impl Strategy<Value = InterfaceName> {
    let words = prop::sample::select(vec![
        "any", "all", "pass", "self", "kleene", "0", "80", "inet6", "quick", "lo0",
    ]);
    prop_oneof![
        4 => "[a-z]{2,6}[0-9]{1,3}",
        2 => "[A-Za-z0-9][A-Za-z0-9_.-]{0,14}",
        1 => words.prop_map(str::to_owned),
    ]
    .prop_map(|text| text.parse().unwrap())
}

fn interface() -> impl Strategy<Value = InterfaceMatch> {
    prop_oneof![
        Just(InterfaceMatch::Any),
        Just(InterfaceMatch::KleeneNetworks),
        interface_name().prop_map(InterfaceMatch::Named),
    ]
}

fn ip() -> impl Strategy<Value = IpAddr> {
    prop_oneof![
        any::<u32>().prop_map(|bits| Ipv4Addr::from_bits(bits).into()),
        any::<u128>().prop_map(|bits| Ipv6Addr::from_bits(bits).into()),
    ]
}

fn net() -> impl Strategy<Value = IpNet> {
    (ip(), 0..=128u8).prop_map(|(address, bits)| {
        let most = if address.is_ipv4() { 32 } else { 128 };
        IpNet::new(address, bits.min(most)).unwrap()
    })
}

fn address() -> impl Strategy<Value = Address> {
    prop_oneof![Just(Address::Any), net().prop_map(Address::Net)]
}

fn ports() -> impl Strategy<Value = PortRange> {
    any::<(u16, u16)>().prop_map(|(a, b)| PortRange::new(a.min(b), a.max(b)).unwrap())
}

fn protocol() -> impl Strategy<Value = Protocol> {
    prop::sample::select(vec![Protocol::Tcp, Protocol::Udp, Protocol::Icmp])
}

prop_compose! {
    fn filter()(
        action in prop::sample::select(vec![Action::Pass, Action::Block, Action::Reject]),
        direction in prop::sample::select(vec![Direction::In, Direction::Out, Direction::Both]),
        (quick, log) in any::<(bool, bool)>(),
        interface in interface(),
        protocol in prop::option::of(protocol()),
        from in address(),
        to in address(),
        to_ports in prop::option::of(ports()),
    ) -> FilterRule {
        FilterRule { action, direction, quick, log, interface, protocol, from, to, to_ports }
    }
}

fn rule() -> impl Strategy<Value = Rule> {
    prop_oneof![
        filter().prop_map(Rule::Filter),
        (interface_name(), net()).prop_map(|(interface, from)| Rule::Nat(NatRule { interface, from })),
        (interface_name(), net(), protocol(), ip(), ports()).prop_map(
            |(interface, from, protocol, to, to_ports)| {
                Rule::Hairpin(HairpinRule {
                    interface,
                    from,
                    protocol,
                    to,
                    to_ports,
                })
            }
        ),
        (interface(), protocol(), ports(), ip(), ports()).prop_map(
            |(interface, protocol, ports, to, to_ports)| {
                Rule::Rdr(RdrRule {
                    interface,
                    protocol,
                    ports,
                    to,
                    to_ports,
                })
            }
        ),
    ]
}

fn trunc(address: &Address) -> Address {
    match address {
        Address::Any => Address::Any,
        Address::Net(net) => Address::Net(net.trunc()),
    }
}

/// The rule without what makes no difference: bits of an address beyond its prefix.
fn normal(rule: &Rule) -> Rule {
    match rule {
        Rule::Filter(rule) => Rule::Filter(FilterRule {
            from: trunc(&rule.from),
            to: trunc(&rule.to),
            ..rule.clone()
        }),
        Rule::Nat(rule) => Rule::Nat(NatRule {
            from: rule.from.trunc(),
            ..rule.clone()
        }),
        Rule::Hairpin(rule) => Rule::Hairpin(HairpinRule {
            from: rule.from.trunc(),
            ..rule.clone()
        }),
        rule => rule.clone(),
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2000, ..ProptestConfig::default() })]

    #[test]
    fn what_compiles_reads_back_as_the_same_rule(rule in rule()) {
        let owner: Owner = "endpoint-bbbbbbbbbbbb".parse().unwrap();
        let Ok([guards, anchor]) = compile(&owner, std::slice::from_ref(&rule)) else { return Ok(()) };
        let closed = match &rule {
            Rule::Filter(rule) => rule.closed_address(),
            _ => None,
        };
        prop_assert_eq!(guards.text.starts_with("no rdr "), closed.is_some());
        prop_assert!(guards.text.lines().count() <= 1, "{}", guards.text);
        let mut families = Vec::new();
        for line in anchor.text.lines() {
            let (family, read) = parse::line(line).map_err(TestCaseError::fail)?;
            prop_assert_eq!(&read, &normal(&rule), "{}", line);
            families.push(family);
        }
        // A rule without addresses is a line per family.
        let either = matches!(&rule, Rule::Filter(FilterRule { from: Address::Any, to: Address::Any, .. }));
        let both: &[Family] = &[Family::Inet, Family::Inet6];
        prop_assert!(if either { families == both } else { families.len() == 1 }, "{:?}", families);
    }

    #[test]
    fn no_text_becomes_a_name_with_which_a_line_could_end(text in "\\PC*|[a-z0-9 \\n\"{}(),;#$<>!=/\\\\-]{1,15}") {
        if let Ok(name) = text.parse::<InterfaceName>() {
            prop_assert!(name.as_str().chars().all(|c| c.is_ascii_alphanumeric() || "._-".contains(c)));
        }
        for name in [text.parse::<Owner>().map(|owner| owner.to_string())].into_iter().flatten() {
            prop_assert!(name.chars().all(|c| c.is_ascii_alphanumeric() || c == '-'), "{}", name);
        }
    }
}

#[test]
fn an_interface_that_is_named_like_a_word_of_pf_is_refused_by_name() {
    let owner: Owner = "endpoint-bbbbbbbbbbbb".parse().unwrap();
    for word in ["any", "self", "kleene", "inet6", "1", "80"] {
        let rule = Rule::Nat(NatRule {
            interface: word.parse().unwrap(),
            from: "10.0.0.0/24".parse().unwrap(),
        });
        let error = compile(&owner, &[rule]).unwrap_err().to_string();
        assert!(error.contains(&format!("interface '{word}'")), "{error}");
    }
}
