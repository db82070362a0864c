//! Laws that hold whatever happened before.

use kleene_plan::{Family, Op, Rule};
use kleene_platform::Platform;
use kleene_sim::Sim;
use proptest::prelude::*;

use crate::fixtures::*;

fn any_dataset() -> impl Strategy<Value = String> {
    prop::sample::select(vec!["image/a", "image/b", "container/c"]).prop_map(str::to_owned)
}

fn any_snapshot() -> impl Strategy<Value = String> {
    (any_dataset(), prop::sample::select(vec!["x", "y"]))
        .prop_map(|(dataset, name)| format!("{dataset}@{name}"))
}

fn any_interface() -> impl Strategy<Value = &'static str> {
    prop::sample::select(vec!["kleene0", "kleene1", "kv0", "kj0", "em0"])
}

fn any_address() -> impl Strategy<Value = &'static str> {
    prop::sample::select(vec!["10.0.0.1/24", "10.0.0.1/32", "10.0.1.1/24", "fd00::1/64"])
}

fn any_owner() -> impl Strategy<Value = kleene_plan::Owner> {
    prop_oneof![Just(network()), Just(other_network())]
}

fn any_rules() -> impl Strategy<Value = Vec<Rule>> {
    let rule = any_interface().prop_map(|name| {
        Rule::Nat(kleene_plan::NatRule {
            interface: interface(name),
            from: "10.0.0.0/24".parse().unwrap(),
        })
    });
    prop::collection::vec(rule, 0..3)
}

fn any_op() -> impl Strategy<Value = Op> {
    prop_oneof![
        any_dataset().prop_map(|name| create(&name)),
        (any_snapshot(), any_dataset()).prop_map(|(from, to)| clone(&from, &to)),
        any_snapshot().prop_map(|name| take(&name)),
        (any_dataset(), any_dataset()).prop_map(|(from, to)| rename(&from, &to)),
        any_dataset().prop_map(|name| destroy(&name)),
        any_snapshot().prop_map(|name| Op::DestroySnapshot(snapshot(&name))),
        any_dataset().prop_map(|name| mount(&name)),
        any_dataset().prop_map(|name| unmount(&name)),
        (any_dataset(), prop::option::of(1u64..3)).prop_map(|(name, bytes)| Op::SetQuota {
            dataset: dataset(&name),
            bytes
        }),
        (
            any_interface(),
            any_owner(),
            prop::collection::vec(any_address(), 0..2)
        )
            .prop_map(|(name, owner, addresses)| bridge(name, owner, &addresses)),
        (any_interface(), any_owner()).prop_map(|(name, owner)| loopback(name, owner)),
        (any_interface(), any_interface(), any_interface())
            .prop_filter("a pair has two sides", |(host, jail, bridge)| host != jail
                && host != bridge
                && jail != bridge)
            .prop_map(|(host, jail, bridge)| pair(host, jail, bridge)),
        (any_interface(), any_owner()).prop_map(|(name, owner)| remove(name, owner)),
        (any_interface(), any_address()).prop_map(|(name, address)| alias(name, address)),
        (any_interface(), any_address()).prop_map(|(name, address)| Op::RemoveAlias {
            interface: interface(name),
            address: address.parse().unwrap()
        }),
        Just(Op::EnsureForwarding(Family::Inet)),
        (any_owner(), any_rules()).prop_map(|(owner, rules)| Op::SetRules { owner, rules }),
        any_owner().prop_map(Op::ClearRules),
    ]
}

/// A host on which some of these operations have succeeded.
fn host(history: &[Op]) -> Sim {
    let sim = Sim::new().unwrap();
    for op in history {
        let _ = sim.apply(op);
    }
    sim
}

/// Whether the inverse of an operation is its exact opposite here. Where it changes what is there already (a limit,
/// rules, a bridge's addresses, a pair's bridge), the engine restores what was from its own records.
fn makes_something_new(sim: &Sim, op: &Op) -> bool {
    let lines = sim.inventory();
    let exists = |key: String| lines.lines().contains_key(&key);
    match op {
        Op::SetQuota { dataset, .. } => lines
            .lines()
            .get(&format!("dataset {dataset}"))
            .is_some_and(|line| !line.contains("bytes")),
        Op::SetRules { owner, .. } => sim.rules(owner).is_empty(),
        Op::EnsureBridge(bridge) => !exists(format!("interface {}", bridge.name)),
        Op::EnsurePair(pair) => !exists(format!("interface {}", pair.host)),
        _ => true,
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    #[test]
    fn twice_is_the_same_as_once(history in prop::collection::vec(any_op(), 0..30), op in any_op()) {
        let sim = host(&history);
        if sim.apply(&op).is_ok() {
            let once = sim.inventory();
            prop_assert!(!sim.would_change(&op).unwrap(), "{op}");
            sim.apply(&op).unwrap();
            prop_assert_eq!(sim.inventory(), once, "{}", op);
        }
    }

    #[test]
    fn what_is_foretold_is_what_happens(history in prop::collection::vec(any_op(), 0..30), op in any_op()) {
        let sim = host(&history);
        let before = sim.inventory();
        let foretold = sim.would_change(&op);
        let applied = sim.apply(&op);
        let changed = sim.inventory() != before;
        match (foretold, applied) {
            (Ok(foretold), Ok(())) => prop_assert_eq!(foretold, changed, "{}", op),
            (Ok(foretold), Err(_)) => prop_assert!(foretold && !changed, "{}", op),
            (Err(_), applied) => prop_assert!(applied.is_err() && !changed, "{}", op),
        }
    }

    #[test]
    fn an_inverse_takes_back_what_its_operation_made(history in prop::collection::vec(any_op(), 0..30), op in any_op()) {
        let sim = host(&history);
        let Some(inverse) = op.inverse().filter(|_| makes_something_new(&sim, &op)) else {
            return Ok(());
        };
        let before = sim.inventory();
        if sim.would_change(&op).unwrap_or(false) && sim.apply(&op).is_ok() {
            sim.apply(&inverse).unwrap();
            prop_assert_eq!(sim.inventory().since(&before), "", "{} and back", op);
        }
    }
}
