//! What others take away comes back: rules by themselves, everything else when a repair is asked for.

use kleene_api::{ContainerConfig, NetworkDriver, Repair};
use kleene_engine::Engine;
use kleene_plan::Owner;
use kleene_sim::{Fault, When};

use crate::record::Record;
use crate::world::{
    World, bridge, endpoint, eventually, loopback, published, start, volume, volume_at, with_driver,
};

/// Two networks; on one of them a vnet container with a published port and a volume, on the other an ipnet container.
fn with_running_containers() -> (World, Engine) {
    let world = World::new();
    let engine = world.open();
    world.base(&engine);
    engine.create_network(&bridge("lan", "10.1.0.0/24")).unwrap();
    engine.create_network(&loopback("local", "10.2.0.0/24")).unwrap();
    let web = ContainerConfig {
        mounts: vec![volume_at("data", "/data")],
        public_ports: vec![published("8080", "80")],
        ..with_driver("web", NetworkDriver::Vnet)
    };
    engine.create_container(&web).unwrap();
    engine
        .create_container(&with_driver("box", NetworkDriver::Ipnet))
        .unwrap();
    engine.connect(&endpoint("web", "lan")).unwrap();
    engine.connect(&endpoint("box", "local")).unwrap();
    start(&engine, "web").unwrap();
    start(&engine, "box").unwrap();
    (world, engine)
}

#[track_caller]
fn what(repair: &Repair) -> Vec<&str> {
    assert_eq!(repair.failed, [], "could not be repaired");
    repair
        .restored
        .iter()
        .map(|entry| entry.what.lines().next().unwrap())
        .collect()
}

#[test]
fn rules_that_others_flush_come_back_by_themselves_every_time() {
    let (world, engine) = with_running_containers();
    engine.watch_firewall().unwrap();
    let before = world.sim.inventory();
    for _ in 0..3 {
        assert!(world.sim.flush_rules() > 0, "there were no rules to lose");
        eventually("the rules are back", || {
            world.sim.inventory().since(&before).is_empty()
        });
    }
}

#[test]
fn rules_of_what_is_gone_do_not_come_back() {
    let (world, engine) = with_running_containers();
    engine.watch_firewall().unwrap();
    let lan = Owner::Network(engine.inspect_network("lan").unwrap().network.id.parse().unwrap());
    let local = Owner::Network(
        engine
            .inspect_network("local")
            .unwrap()
            .network
            .id
            .parse()
            .unwrap(),
    );
    engine.remove_network("lan").unwrap();
    world.sim.flush_rules();
    eventually("the rules of the other network are back", || {
        !world.sim.rules(&local).is_empty()
    });
    assert!(world.sim.rules(&lan).is_empty());
}

#[test]
fn where_nothing_is_lost_a_repair_changes_nothing() {
    let (world, engine) = with_running_containers();
    let before = world.platform.changes();
    assert_eq!(engine.repair().unwrap(), Repair::default());
    assert_eq!(world.platform.changes(), before);
}

#[test]
fn a_repair_restores_rules_and_says_whose() {
    let (world, engine) = with_running_containers();
    let before = world.sim.inventory();
    world.sim.flush_rules();
    let repair = engine.repair().unwrap();
    assert_eq!(world.sim.inventory().since(&before), "");
    assert_eq!(repair.restored.len(), 3, "{repair:?}");
    assert!(what(&repair).iter().all(|what| what.starts_with("rules of ")));
    assert_eq!(engine.repair().unwrap(), Repair::default());
}

#[test]
fn a_repair_brings_interfaces_back_that_somebody_deleted() {
    let (world, engine) = with_running_containers();
    let before = world.sim.inventory();
    world.sim.remove_interface(&"kleene0".parse().unwrap());
    world.sim.remove_interface(&"kleene1".parse().unwrap());
    let repair = engine.repair().unwrap();
    assert_eq!(world.sim.inventory().since(&before), "");
    assert!(
        what(&repair).iter().any(|what| what.starts_with("pair ")),
        "a pair is on its bridge again: {repair:?}"
    );
    assert_eq!(engine.repair().unwrap(), Repair::default());
}

#[test]
fn the_pair_of_a_running_container_cannot_be_repaired_and_the_answer_says_what_to_do() {
    let (world, engine) = with_running_containers();
    let endpoint = &engine.inspect_container("web").unwrap().container_endpoints[0];
    let host_side = format!("k{}a", endpoint.id);
    world.sim.remove_interface(&host_side.parse().unwrap());
    let repair = engine.repair().unwrap();
    assert_eq!(repair.restored, []);
    assert!(
        repair.failed[0]
            .reason
            .contains("stop the container and start it again"),
        "{repair:?}"
    );
    assert!(!world.sim.inventory().to_string().contains(&host_side));
}

#[test]
fn a_repair_takes_back_what_an_earlier_undo_could_not() {
    let world = World::new();
    let engine = world.open();
    world.sim.fail_nth(1, Fault::LoseHost(When::After));
    engine.create_volume(&volume("data")).unwrap_err();
    assert_eq!(Record::of(&world).unfinished().len(), 1);
    world.sim.occupy(&"volumes/data".parse().unwrap());
    world.sim.reboot_daemon();
    let repair = engine.repair().unwrap();
    assert_eq!(repair.failed[0].what, "destroy dataset volumes/data");
    assert!(repair.failed[0].reason.contains("busy"), "{repair:?}");

    world.sim.vacate(&"volumes/data".parse().unwrap());
    assert_eq!(what(&engine.repair().unwrap()), ["destroy dataset volumes/data"]);
    assert!(Record::of(&world).unfinished().is_empty());
}
