//! Policies that are configured otherwise than when what exists was made.

use std::sync::Arc;

use kleene_api::{ContainerConfig, NetworkDriver, Repair};
use kleene_engine::Engine;
use kleene_plan::{Owner, Rule};
use kleene_plugins::Plugins;
use kleene_sim::{Fault, When};
use serde_json::{Value, json};

use crate::record::Record;
use crate::world::{World, bridge, endpoint, loopback, plugins_with, published, refusal, start, with_driver};

/// Networks `lan` with the vnet container `web`, which publishes port 8080, and `local` with the ipnet container `box`.
fn running(plugins: &Arc<Plugins>) -> (World, Engine) {
    let world = World::new();
    let engine = world.open_with(plugins);
    world.base(&engine);
    engine.create_network(&bridge("lan", "10.1.0.0/24")).unwrap();
    engine.create_network(&loopback("local", "10.2.0.0/24")).unwrap();
    let web = ContainerConfig {
        public_ports: vec![published("8080", "80")],
        ..with_driver("web", NetworkDriver::Vnet)
    };
    engine.create_container(&web).unwrap();
    engine
        .create_container(&with_driver("box", NetworkDriver::Ipnet))
        .unwrap();
    for (container, network) in [("web", "lan"), ("box", "local")] {
        engine.connect(&endpoint(container, network)).unwrap();
        start(&engine, container).unwrap();
    }
    (world, engine)
}

fn egress(to: &str) -> Value {
    json!({ "policy-egress": { "networks": [{ "name": "l*", "allow": [{ "to": to }] }] } })
}

/// What guards admit, of a network and of a container's only endpoint.
fn admitted(world: &World, engine: &Engine) -> [String; 2] {
    let network = engine.inspect_network("lan").unwrap().network.id;
    let inspected = engine.inspect_container("box").unwrap();
    let owners = [
        Owner::Network(network.parse().unwrap()),
        Owner::Endpoint(inspected.container_endpoints[0].id.parse().unwrap()),
    ];
    owners.map(|owner| {
        let guards = world.sim.rules(&owner).into_iter().filter_map(|rule| match rule {
            Rule::Guard(guard) => Some(guard.to_string()),
            _ => None,
        });
        guards.collect()
    })
}

#[test]
fn a_changed_configuration_reaches_networks_and_running_containers_when_the_daemon_starts() {
    let (world, engine) = running(&plugins_with(json!({})));
    assert_eq!(admitted(&world, &engine), ["", ""]);
    drop(engine);
    for to in ["192.0.2.1", "192.0.2.2"] {
        let strict = plugins_with(egress(to));
        world.sim.reboot_daemon();
        let engine = world.open_with(&strict);
        for guard in admitted(&world, &engine) {
            assert!(guard.contains(to), "no {to} in '{guard}'");
        }
        assert_eq!(engine.repair().unwrap(), Repair::default());
        // They are what is applied for them from now on.
        world.sim.flush_rules();
        engine.repair().unwrap();
        assert!(admitted(&world, &engine)[0].contains(to));
    }
    world.sim.reboot_daemon();
    let engine = world.open_with(&plugins_with(json!({})));
    assert_eq!(admitted(&world, &engine), ["", ""]);
    for network in ["lan", "local"] {
        engine.remove_network(network).unwrap();
    }
    let left = world.sim.inventory().to_string();
    assert!(!left.contains("rule "), "{left}");
}

/// The rules of a container's only endpoint, as they read.
fn rules_of(world: &World, engine: &Engine, container: &str) -> Vec<String> {
    let inspected = engine.inspect_container(container).unwrap();
    let owner = Owner::Endpoint(inspected.container_endpoints[0].id.parse().unwrap());
    world.sim.rules(&owner).iter().map(ToString::to_string).collect()
}

#[test]
fn what_a_policy_would_refuse_today_runs_on_unpublished_and_is_told_until_it_is_allowed() {
    let (world, engine) = running(&plugins_with(json!({})));
    let before = rules_of(&world, &engine, "web");
    assert!(before.iter().any(|rule| rule.starts_with("rdr")), "{before:?}");
    drop(engine);
    let nothing = json!({ "policy-ports": { "rules": [] } });
    world.sim.reboot_daemon();
    let engine = world.open_with(&plugins_with(nothing));
    assert_eq!(rules_of(&world, &engine, "web"), [""; 0]);
    let repair = engine.repair().unwrap();
    assert_eq!(repair.restored, []);
    let [failed] = repair.failed.as_slice() else {
        panic!("{repair:?}");
    };
    assert_eq!(
        failed.what,
        "what drivers and policies want today for container 'web' in network 'lan'"
    );
    assert!(
        failed.reason.starts_with("policy 'policy-ports' refuses: ")
            && failed
                .reason
                .ends_with("change the policy and restart the daemon, or stop the container"),
        "{failed:?}"
    );
    drop(engine);
    world.sim.reboot_daemon();
    let engine = world.open_with(&plugins_with(json!({})));
    assert_eq!(rules_of(&world, &engine, "web"), before);
}

#[test]
fn what_one_policy_refuses_is_guarded_as_the_others_want_it() {
    let (world, engine) = running(&plugins_with(json!({})));
    let config = ContainerConfig {
        public_ports: vec![published("8081", "80")],
        ..with_driver("site", NetworkDriver::Ipnet)
    };
    engine.create_container(&config).unwrap();
    engine.connect(&endpoint("site", "local")).unwrap();
    start(&engine, "site").unwrap();
    drop(engine);
    // As others do, and whatever a policy added that refuses now.
    for to in ["192.0.2.1", "192.0.2.2"] {
        let mut both = egress(to);
        both["policy-ports"] = json!({ "rules": [] });
        world.sim.reboot_daemon();
        let engine = world.open_with(&plugins_with(both));
        let rules = rules_of(&world, &engine, "site");
        assert!(rules.iter().any(|rule| rule.contains(to)), "no {to} in {rules:?}");
        assert!(!rules.iter().any(|rule| rule.starts_with("rdr")), "{rules:?}");
        // As a second repair finds nothing to change.
        assert_eq!(engine.repair().unwrap().restored, []);
    }
}

#[test]
fn ports_do_not_move_where_a_policy_refuses_them_and_the_container_stays_connected() {
    let only_first = json!({ "policy-ports": { "rules": [{ "action": "allow", "networks": "lan" }] } });
    let (world, engine) = running(&plugins_with(only_first));
    engine.connect(&endpoint("box", "lan")).unwrap();
    let config = ContainerConfig {
        public_ports: vec![published("8081", "80")],
        ..with_driver("both", NetworkDriver::Ipnet)
    };
    engine.create_container(&config).unwrap();
    engine.connect(&endpoint("both", "lan")).unwrap();
    engine.connect(&endpoint("both", "local")).unwrap();
    start(&engine, "both").unwrap();
    let before = Record::of(&world);
    let said = refusal(engine.disconnect("lan", "both"));
    assert!(said.contains("policy 'policy-ports' refuses"), "{said}");
    assert_eq!(Record::of(&world), before);
}

#[test]
fn rules_are_replaced_whole_or_not_at_all_whatever_fails() {
    let strict = plugins_with(egress("192.0.2.1"));
    for fault in [
        Fault::Fail(When::Before),
        Fault::Fail(When::After),
        Fault::Die(When::Before),
        Fault::Die(When::After),
    ] {
        // What is applied again comes first; the two last changes are the new rules.
        for change in 1..=20 {
            let (world, engine) = running(&plugins_with(json!({})));
            drop(engine);
            world.sim.reboot_daemon();
            world.sim.fail_nth(change, fault);
            let opened = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| world.open_with(&strict)));
            drop(opened);
            world.sim.reboot_daemon();
            let engine = world.open_with(&strict);
            let record = Record::of(&world);
            assert!(
                record.unfinished().is_empty(),
                "{fault:?} {change}: {:?}",
                record.unfinished()
            );
            for guard in admitted(&world, &engine) {
                assert!(guard.contains("192.0.2.1"), "{fault:?} {change}: '{guard}'");
            }
            assert_eq!(engine.repair().unwrap(), Repair::default(), "{fault:?} {change}");
        }
    }
}
