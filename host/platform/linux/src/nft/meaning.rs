//! Whether compiled rules mean what pf says they mean: many sets of rules, asked about many packets, beside an
//! evaluation rule by rule as pf.conf(5) describes it.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, Ipv4Addr};

use ipnet::IpNet;
use kleene_plan::{
    Action, Address, Admission, Direction, Family, FilterRule, Guard, GuardLine, Guarded, InterfaceMatch,
    Owner, PortRange, Protocol, Rule,
};

use super::compile::compile;
use super::field::{Field, Way};
use super::set::{Element, Phase, Place, Set, Shape};

/// A packet on its way in or out.
#[derive(Debug, Clone, Copy)]
struct Packet {
    way: Way,
    interface: &'static str,
    from: Ipv4Addr,
    to: Ipv4Addr,
    protocol: Protocol,
    port: u16,
}

const NETWORKS: [&str; 2] = ["lo", "kleene0"];

/// A reproducible source of choices (the constants are those of Numerical Recipes).
struct Choices(u32);

impl Choices {
    fn pick<T: Clone>(&mut self, from: &[T]) -> T {
        self.0 = self.0.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        from[(self.0 >> 8) as usize % from.len()].clone()
    }

    fn rule(&mut self) -> FilterRule {
        let named = |name: &str| InterfaceMatch::Named(name.parse().unwrap());
        let address = |net: &str| Address::Net(net.parse().unwrap());
        let addresses = [
            Address::Any,
            address("0.0.0.0/0"),
            address("10.0.1.0/24"),
            address("10.0.1.2/32"),
            address("10.0.0.0/8"),
            address("10.0.1.0/30"),
        ];
        let protocol = self.pick(&[
            None,
            Some(Protocol::Tcp),
            Some(Protocol::Udp),
            Some(Protocol::Icmp),
        ]);
        let ports = [
            None,
            Some(PortRange::single(80)),
            PortRange::new(79, 90).ok(),
            PortRange::new(0, 65535).ok(),
        ];
        FilterRule {
            action: self.pick(&[Action::Pass, Action::Block]),
            direction: self.pick(&[Direction::In, Direction::Out, Direction::Both]),
            quick: self.pick(&[true, false]),
            log: self.pick(&[true, false, false]),
            interface: self.pick(&[
                InterfaceMatch::Any,
                InterfaceMatch::KleeneNetworks,
                named("em0"),
                named("kleene0"),
            ]),
            protocol,
            from: self.pick(&addresses),
            to: self.pick(&addresses),
            to_ports: if protocol == Some(Protocol::Icmp) {
                None
            } else {
                self.pick(&ports)
            },
        }
    }

    /// A guard of these packets, of lines that look at anything else.
    fn guard(&mut self, guarded: Guarded) -> Guard {
        let lines = (0..self.pick(&[0, 1, 2, 3])).map(|_| {
            let rule = self.rule();
            GuardLine {
                admission: self.pick(&[Admission::Admit, Admission::Block]),
                log: rule.log,
                protocol: rule.protocol,
                peer: rule.to,
                ports: rule.to_ports,
            }
        });
        Guard {
            lines: lines.collect(),
            guarded,
        }
    }

    fn packet(&mut self) -> Packet {
        let addresses = [[10, 0, 1, 2], [10, 0, 1, 9], [10, 0, 2, 2], [192, 0, 2, 1]].map(Ipv4Addr::from);
        Packet {
            way: self.pick(&[Way::In, Way::Out]),
            interface: self.pick(&["em0", "kleene0", "lo"]),
            from: self.pick(&addresses),
            to: self.pick(&addresses),
            protocol: self.pick(&[Protocol::Tcp, Protocol::Udp, Protocol::Icmp]),
            port: self.pick(&[78, 79, 80, 90, 91]),
        }
    }
}

/// Each guard on its own: its first line that matches.
fn all_admit(guards: &[Guard], packet: Packet) -> bool {
    guards.iter().all(|guard| {
        let first = guard.as_filters().find(|rule| matches(rule, packet));
        first.is_none_or(|rule| rule.action == Action::Pass)
    })
}

/// pf's way: quick rules in order; of the others the last; networks before endpoints. Nothing matches: pass.
fn as_pf_says(network: &[FilterRule], endpoint: &[FilterRule], packet: Packet) -> bool {
    let all = || {
        network
            .iter()
            .chain(endpoint)
            .filter(|rule| matches(rule, packet))
    };
    let decisive = all().find(|rule| rule.quick).or_else(|| all().next_back());
    decisive.is_none_or(|rule| rule.action == Action::Pass)
}

fn matches(rule: &FilterRule, packet: Packet) -> bool {
    let direction = match rule.direction {
        Direction::In => packet.way == Way::In,
        Direction::Out => packet.way == Way::Out,
        Direction::Both => true,
    };
    let interface = match &rule.interface {
        InterfaceMatch::Any => true,
        InterfaceMatch::Named(name) => name.as_str() == packet.interface,
        InterfaceMatch::KleeneNetworks => NETWORKS.contains(&packet.interface),
    };
    let address = |rule: &Address, address: Ipv4Addr| match rule {
        Address::Any => true,
        Address::Net(net) => net.contains(&IpAddr::from(address)),
    };
    let ports = rule.to_ports.is_none_or(|ports| {
        packet.protocol != Protocol::Icmp && (ports.first()..=ports.last()).contains(&packet.port)
    });
    direction
        && interface
        && address(&rule.from, packet.from)
        && address(&rule.to, packet.to)
        && rule.protocol.is_none_or(|protocol| protocol == packet.protocol)
        && ports
}

/// The kernel's way: each chain of a guard by itself, then the rules of the chain in order, each a look into its set.
fn as_compiled(elements: &BTreeSet<Element>, packet: Packet) -> bool {
    let mut sets: BTreeMap<&Shape, BTreeSet<&str>> = BTreeMap::new();
    for element in elements {
        let Set::Filter(shape) = &element.set else {
            unreachable!("only filter rules were compiled")
        };
        sets.entry(shape).or_default().insert(&element.key);
    }
    let place = |shape: &Shape| match shape.phase {
        Phase::Guard(place) => Some(place),
        _ => None,
    };
    let passes = |chain: Option<Place>| {
        let decisive = sets
            .iter()
            .filter(|(shape, _)| place(shape) == chain)
            .find(|(shape, keys)| {
                shape.way == packet.way
                    && (!shape.on_networks || NETWORKS.contains(&packet.interface))
                    && key(shape, packet).is_some_and(|key| keys.contains(key.as_str()))
            });
        decisive.is_none_or(|(shape, _)| shape.verdict.to_string().starts_with("pass"))
    };
    let guards: BTreeSet<Place> = sets.keys().filter_map(|shape| place(shape)).collect();
    guards.into_iter().map(Some).chain([None]).all(passes)
}

/// What the expressions of a set take from a packet; `None` if it has no such field.
fn key(shape: &Shape, packet: Packet) -> Option<String> {
    let masked = |address: Ipv4Addr, bits| {
        IpNet::new(address.into(), bits)
            .ok()
            .map(|net| net.network().to_string())
    };
    let parts = shape.fields.iter().map(|field| match field {
        Field::Interface => Some(format!("\"{}\"", packet.interface)),
        Field::Family => Some("ipv4".to_owned()),
        Field::Source(Family::Inet, bits) => masked(packet.from, *bits),
        Field::Destination(Family::Inet, bits) => masked(packet.to, *bits),
        Field::Source(Family::Inet6, _) | Field::Destination(Family::Inet6, _) => None,
        Field::Protocol => Some(packet.protocol.to_string()),
        Field::Port(_) if packet.protocol == Protocol::Icmp => None,
        Field::Port(bits) => {
            Some((packet.port & u16::MAX.checked_shl(16 - u32::from(*bits)).unwrap_or(0)).to_string())
        }
    });
    parts.collect::<Option<Vec<_>>>().map(|parts| parts.join(" . "))
}

#[test]
fn compiled_guards_only_restrict_and_none_speaks_for_another() {
    // Guards of one owner look at the same packets or not; those of two endpoints look at different ones.
    let owners = [
        "network-aaaaaaaaaaaa",
        "endpoint-bbbbbbbbbbbb",
        "endpoint-cccccccccccc",
    ]
    .map(|owner| owner.parse::<Owner>().unwrap());
    let guarded = |text: &str| -> Guarded {
        match text.split_once(' ').unwrap() {
            ("from", net) => Guarded::From(net.parse().unwrap()),
            ("to", net) => Guarded::To(net.parse().unwrap()),
            (_, name) => Guarded::Arriving(name.parse().unwrap()),
        }
    };
    let of = [
        ["in kleene0", "in kleene0", "from 10.0.1.0/24"],
        ["from 10.0.1.2/32", "from 10.0.1.2/32", "to 10.0.1.2/32"],
        ["from 10.0.1.9/32", "to 10.0.1.9/32", "to 10.0.1.9/32"],
    ];
    let mut choices = Choices(7);
    let (mut refused_by_guards, mut passed) = (0, 0);
    for round in 0..2000 {
        let rules: Vec<FilterRule> = (0..3).map(|_| choices.rule()).collect();
        let guards = of.map(|of| of.map(|text| choices.guard(guarded(text))));
        let mut elements = BTreeSet::new();
        for (number, (owner, guards)) in owners.iter().zip(&guards).enumerate() {
            let mut all: Vec<_> = guards.iter().cloned().map(Rule::Guard).collect();
            if number == 0 {
                all.extend(rules.iter().cloned().map(Rule::Filter));
            }
            elements.extend(compile(owner, &all, &BTreeMap::new()).unwrap());
        }
        for _ in 0..30 {
            let packet = choices.packet();
            let admitted = guards.iter().all(|guards| all_admit(guards, packet));
            let expected = admitted && as_pf_says(&rules, &[], packet);
            refused_by_guards += usize::from(!admitted);
            passed += usize::from(expected);
            assert_eq!(
                as_compiled(&elements, packet),
                expected,
                "round {round}: {packet:?}\nrules {rules:#?}\nguards {guards:#?}"
            );
        }
    }
    assert!(
        passed > 10_000 && refused_by_guards > 10_000,
        "{passed} passed, {refused_by_guards} refused by guards: too one-sided to tell"
    );
}

#[test]
fn compiled_rules_mean_what_pf_says() {
    let owners =
        ["network-aaaaaaaaaaaa", "endpoint-bbbbbbbbbbbb"].map(|owner| owner.parse::<Owner>().unwrap());
    let mut choices = Choices(1);
    let (mut passed, mut blocked) = (0, 0);
    for round in 0..3000 {
        let [network, endpoint]: [Vec<FilterRule>; 2] =
            [4, 3].map(|count| (0..count).map(|_| choices.rule()).collect());
        let mut elements = BTreeSet::new();
        for (owner, rules) in owners.iter().zip([&network, &endpoint]) {
            let rules: Vec<_> = rules.iter().cloned().map(Rule::Filter).collect();
            elements.extend(compile(owner, &rules, &BTreeMap::new()).unwrap());
        }
        for _ in 0..30 {
            let packet = choices.packet();
            let expected = as_pf_says(&network, &endpoint, packet);
            if expected {
                passed += 1
            } else {
                blocked += 1
            }
            assert_eq!(
                as_compiled(&elements, packet),
                expected,
                "round {round}: {packet:?}\nnetwork {network:#?}\nendpoint {endpoint:#?}"
            );
        }
    }
    assert!(
        passed > 10_000 && blocked > 10_000,
        "{passed} passed, {blocked} blocked: too one-sided to tell"
    );
}
