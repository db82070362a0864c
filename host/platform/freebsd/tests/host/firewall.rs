//! Anchors.

use kleene_plan::{Op, Rule};
use kleene_platform::{Platform, Watch};

use crate::world::{World, endpoint, network};

fn rules() -> Vec<Rule> {
    let rule = r#"{"filter": {"action": "block", "direction": "in", "quick": false, "log": true, "interface": "any",
        "protocol": null, "from": "any", "to": {"net": "10.13.37.0/24"}, "to_ports": null}}"#;
    let nat = r#"{"nat": {"interface": "vtnet0", "from": "10.13.37.0/24"}}"#;
    [rule, nat]
        .map(|text| serde_json::from_str(text).unwrap())
        .to_vec()
}

fn set() -> Op {
    Op::SetRules {
        owner: network(),
        rules: rules(),
    }
}

#[test]
fn rules_are_loaded_into_the_owners_anchor_and_remembered() {
    let mut world = World::new();
    assert!(world.platform.would_change(&set()).unwrap());
    world.apply(set()).unwrap();
    assert!(!world.platform.would_change(&set()).unwrap());
    world.reopen();
    assert!(!world.platform.would_change(&set()).unwrap());
    let anchors = world.tool("pfctl -s Anchors -a kleene");
    assert!(anchors.contains("network-aaaaaaaaaaaa"), "{anchors}");
    world.apply(Op::ClearRules(network())).unwrap();
    assert!(!world.platform.would_change(&Op::ClearRules(network())).unwrap());
    assert_eq!(world.tool("pfctl -s Anchors -a kleene"), "");
}

#[test]
fn rules_are_loaded_again_even_if_they_are_remembered() {
    let world = World::new();
    world.apply(set()).unwrap();
    let anchor = world.tool("pfctl -s Anchors -a kleene").trim().to_owned();
    world.tool(&format!("pfctl -a {anchor} -f /dev/null"));
    world.apply(set()).unwrap();
    assert_eq!(world.tool("pfctl -s Anchors -a kleene").trim(), anchor);
}

#[test]
fn what_was_loaded_in_the_moment_of_the_daemons_end_is_removed_by_the_next() {
    let mut world = World::new();
    world.end_with_pfctl("aaaaaaaaaaaa -f -", |world| world.apply(set()).unwrap_err());
    assert_ne!(world.tool("pfctl -s Anchors -a kleene"), "");
    world.reopen();
    assert!(world.platform.would_change(&set()).unwrap());
    world.apply(Op::ClearRules(network())).unwrap();
    assert_eq!(world.tool("pfctl -s Anchors -a kleene"), "");
}

#[test]
fn what_was_removed_in_the_moment_of_the_daemons_end_is_not_taken_for_loaded() {
    let mut world = World::new();
    world.apply(set()).unwrap();
    world.end_with_pfctl("-f /dev/null", |world| {
        world.apply(Op::ClearRules(network())).unwrap_err()
    });
    world.reopen();
    assert!(world.platform.would_change(&set()).unwrap());
}

#[test]
fn an_owner_without_rules_needs_no_firewall() {
    let world = World::new();
    world.forget_transcript();
    assert!(!world.platform.would_change(&Op::ClearRules(endpoint())).unwrap());
    world.apply(Op::ClearRules(endpoint())).unwrap();
    assert_eq!(world.transcript(), "");
}

#[test]
fn whoever_watches_notices_that_rules_are_gone() {
    let world = World::new();
    world.apply(set()).unwrap();
    let mut watch: Box<dyn Watch> = world.platform.watch().unwrap().unwrap();
    let waiting = std::thread::spawn(move || watch.wait().map(|()| watch));
    let anchor = world.tool("pfctl -s Anchors -a kleene").trim().to_owned();
    world.tool(&format!("pfctl -a {anchor} -f /dev/null"));
    waiting.join().unwrap().unwrap();
    assert!(world.platform.would_change(&set()).unwrap());
}
