//! Interfaces, addresses, rules: whose they are, and what is in their way.

use kleene_plan::{Address, FilterRule, InterfaceMatch, Op, Rule};
use kleene_platform::Platform;

use crate::fixtures::*;

fn rule() -> Rule {
    Rule::Filter(FilterRule {
        action: kleene_plan::Action::Block,
        direction: kleene_plan::Direction::In,
        quick: false,
        log: true,
        interface: InterfaceMatch::Any,
        protocol: None,
        from: Address::Any,
        to: Address::Any,
        to_ports: None,
    })
}

#[test]
fn what_belongs_to_others_is_neither_taken_over_nor_removed() {
    let sim = after(&[bridge("kleene0", network(), &[])]);
    let not_ours = |name: &str| {
        format!(
            "interface {name} exists already and does not belong to Kleene; choose another name or remove it yourself"
        )
    };
    assert_eq!(refusal(&sim, &bridge("em0", network(), &[])), not_ours("em0"));
    assert_eq!(refusal(&sim, &loopback("em0", network())), not_ours("em0"));
    assert_eq!(refusal(&sim, &pair("em0", "kj0", "kleene0")), not_ours("em0"));
    assert_eq!(refusal(&sim, &pair("kv0", "em0", "kleene0")), not_ours("em0"));
    assert_eq!(refusal(&sim, &remove("em0", network())), not_ours("em0"));
    assert_eq!(
        refusal(&sim, &remove("kleene0", other_network())),
        not_ours("kleene0")
    );
    assert_eq!(
        refusal(&sim, &bridge("kleene0", other_network(), &[])),
        not_ours("kleene0")
    );
}

#[test]
fn an_address_is_on_one_interface() {
    let sim = after(&[
        bridge("kleene0", network(), &["10.0.0.1/24"]),
        loopback("kleene1", other_network()),
    ]);
    let taken = |address: &str| {
        format!(
            "address {address} exists already and does not belong to Kleene; choose another name or remove it yourself"
        )
    };
    assert_eq!(
        refusal(&sim, &alias("kleene1", "10.0.0.1/32")),
        taken("10.0.0.1/24 on interface kleene0")
    );
    assert_eq!(
        refusal(&sim, &alias("em0", "192.0.2.2/32")),
        taken("192.0.2.2/24 on interface em0")
    );
    assert_eq!(
        refusal(&sim, &bridge("kleene2", network(), &["10.0.0.1/24"])),
        taken("10.0.0.1/24 on interface kleene0")
    );
    assert_eq!(
        refusal(&sim, &alias("kleene9", "10.9.0.1/32")),
        "interface kleene9 does not exist"
    );
}

#[test]
fn both_halves_of_a_pair_go_together() {
    let sim = after(&[bridge("kleene0", network(), &[])]);
    let before = sim.inventory();
    for half in ["kv0", "kj0"] {
        sim.apply(&pair("kv0", "kj0", "kleene0")).unwrap();
        assert_eq!(
            sim.inventory().since(&before),
            "+ interface kj0: pair with kv0 (02:00:00:00:00:01) in the host, network-aaaaaaaaaaaa\n\
             + interface kv0: pair with kj0 on kleene0, network-aaaaaaaaaaaa"
        );
        sim.apply(&remove(half, network())).unwrap();
        assert_eq!(sim.inventory(), before);
    }
}

#[test]
fn a_pair_that_lost_its_bridge_joins_it_again() {
    let joined = pair("kv0", "kj0", "kleene0");
    let sim = after(&[bridge("kleene0", network(), &[]), joined.clone()]);
    let before = sim.inventory();
    sim.apply(&remove("kleene0", network())).unwrap();
    assert_eq!(refusal(&sim, &joined), "interface kleene0 does not exist");
    for op in [bridge("kleene0", network(), &[]), joined.clone()] {
        assert!(sim.would_change(&op).unwrap());
        sim.apply(&op).unwrap();
    }
    assert_eq!(sim.inventory(), before);
}

#[test]
fn a_pair_joins_bridges_only() {
    let sim = after(&[]);
    assert_eq!(
        refusal(&sim, &pair("kv0", "kj0", "em0")),
        "could not add interface kv0 to bridge em0: it is not a bridge"
    );
}

#[test]
fn rules_of_one_owner_are_replaced_and_those_of_others_stay() {
    let set = |owner, rules| Op::SetRules { owner, rules };
    let sim = after(&[
        set(network(), vec![rule(), rule()]),
        set(other_network(), vec![rule()]),
    ]);
    sim.apply(&set(network(), vec![rule()])).unwrap();
    assert_eq!(
        (sim.rules(&network()).len(), sim.rules(&other_network()).len()),
        (1, 1)
    );
    sim.apply(&Op::ClearRules(network())).unwrap();
    assert_eq!(
        (sim.rules(&network()).len(), sim.rules(&other_network()).len()),
        (0, 1)
    );
    sim.flush_rules();
    assert_eq!(sim.rules(&other_network()), []);
}

#[test]
fn a_reboot_takes_what_is_kleenes_but_datasets() {
    let sim = after(&[create("volumes/v")]);
    let before = sim.inventory();
    for op in [
        mount("volumes/v"),
        bridge("kleene0", network(), &["10.0.0.1/24"]),
        Op::EnsureForwarding(kleene_plan::Family::Inet),
        Op::SetRules {
            owner: network(),
            rules: vec![rule()],
        },
    ] {
        sim.apply(&op).unwrap();
    }
    sim.reboot_host().unwrap();
    assert_eq!(sim.inventory(), before);
}
