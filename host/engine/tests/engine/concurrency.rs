//! Many at once: requests for one container take turns, those for different ones do not disturb each other.

use std::collections::HashSet;
use std::thread;

use kleene_api::NetworkDriver;
use kleene_engine::EngineError;

use crate::record::Record;
use crate::world::{
    World, bridge, command, endpoint, is_running, sleeper, start, subscriber, to_the_end, volume, volume_at,
    with_driver,
};

#[test]
fn eight_threads_start_and_stop_one_container() {
    let world = World::new();
    let engine = world.open();
    world.base(&engine);
    engine.create_network(&bridge("net", "10.1.0.0/24")).unwrap();
    engine
        .create_container(&with_driver("web", NetworkDriver::Vnet))
        .unwrap();
    engine.connect(&endpoint("web", "net")).unwrap();
    let stopped = Record::of(&world);
    thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| {
                for _ in 0..10 {
                    start(&engine, "web").unwrap();
                    match engine.stop_container("web") {
                        Ok(_) | Err(EngineError::ContainerNotRunning) => {}
                        Err(error) => panic!("{error}"),
                    }
                }
            });
        }
    });
    let _ = engine.stop_container("web");
    assert!(!is_running(&engine, "web"));
    assert_eq!(Record::of(&world), stopped);
}

#[test]
fn one_of_two_starts_begins_the_container_and_the_other_joins_it() {
    let world = World::new();
    let engine = world.open();
    world.base(&engine);
    for _ in 0..10 {
        let id = engine.create_container(&sleeper("web")).unwrap();
        thread::scope(|scope| {
            for _ in 0..2 {
                scope.spawn(|| start(&engine, "web").unwrap());
            }
        });
        let inventory = world.sim.inventory().to_string();
        assert!(
            inventory.contains(&format!("process 1 of jail {id}")),
            "{inventory}"
        );
        assert!(
            !inventory.contains(&format!("process 2 of jail {id}")),
            "{inventory}"
        );
        engine.stop_container("web").unwrap();
        engine.remove_container("web").unwrap();
    }
}

#[test]
fn an_instance_is_started_by_one_of_those_who_try() {
    let world = World::new();
    let engine = world.open();
    world.base(&engine);
    engine.create_container(&sleeper("web")).unwrap();
    let exec = engine.create_exec(&command("web", &[])).unwrap();
    let started = thread::scope(|scope| {
        let tries: Vec<_> = (0..4)
            .map(|_| scope.spawn(|| engine.start_exec(exec.as_str(), true, None).is_ok()))
            .collect();
        tries
            .into_iter()
            .map(|one| one.join().unwrap())
            .filter(|ok| *ok)
            .count()
    });
    assert_eq!(started, 1);
}

#[test]
fn a_process_that_ends_and_a_start_right_after_do_not_disturb_each_other() {
    let world = World::new();
    let engine = world.open();
    world.base(&engine);
    engine.create_container(&sleeper("web")).unwrap();
    for _ in 0..50 {
        let exec = engine.create_exec(&command("web", &["true"])).unwrap();
        let (told, events) = subscriber();
        engine.start_exec(exec.as_str(), true, Some(told)).unwrap();
        assert!(to_the_end(&events).2);
    }
    // And without waiting for the end.
    for _ in 0..50 {
        let _ = engine
            .create_exec(&command("web", &["true"]))
            .and_then(|exec| engine.start_exec(exec.as_str(), true, None));
    }
    let _ = engine.stop_container("web");
    start(&engine, "web").unwrap();
    assert!(is_running(&engine, "web"));
}

#[test]
fn fifty_containers_connected_at_once_have_fifty_addresses() {
    let world = World::new();
    let engine = world.open();
    world.base(&engine);
    engine.create_network(&bridge("net", "10.1.0.0/24")).unwrap();
    let names: Vec<String> = (0..50).map(|number| format!("c{number}")).collect();
    thread::scope(|scope| {
        for names in names.chunks(7) {
            let engine = engine.clone();
            scope.spawn(move || {
                for name in names {
                    engine
                        .create_container(&with_driver(name, NetworkDriver::Vnet))
                        .unwrap();
                    engine.connect(&endpoint(name, "net")).unwrap();
                    start(&engine, name).unwrap();
                }
            });
        }
    });
    let endpoints = engine.inspect_network("net").unwrap().network_endpoints;
    let addresses: HashSet<_> = endpoints
        .iter()
        .map(|endpoint| endpoint.ip_address.clone())
        .collect();
    assert_eq!(addresses.len(), 50);
    assert!(
        addresses.contains("10.1.0.2") && addresses.contains("10.1.0.51"),
        "the lowest fifty"
    );
    assert_eq!(engine.containers(false).unwrap().len(), 50);
}

#[test]
fn one_name_goes_to_one_of_those_who_want_it() {
    let world = World::new();
    let engine = world.open();
    world.base(&engine);
    let before = Record::of(&world).shape();
    let made = thread::scope(|scope| {
        let tries: Vec<_> = (0..8)
            .map(|_| scope.spawn(|| engine.create_container(&sleeper("web")).is_ok()))
            .collect();
        let outcomes: Vec<bool> = tries.into_iter().map(|one| one.join().unwrap()).collect();
        outcomes.into_iter().filter(|ok| *ok).count()
    });
    assert_eq!(made, 1);
    engine.remove_container("web").unwrap();
    assert_eq!(Record::of(&world).shape(), before);
}

#[test]
fn one_volume_is_made_by_all_who_want_it() {
    let world = World::new();
    let engine = world.open();
    world.base(&engine);
    thread::scope(|scope| {
        for number in 0..4 {
            let engine = engine.clone();
            scope.spawn(move || {
                engine.create_volume(&volume("data")).unwrap();
                let config = kleene_api::ContainerConfig {
                    mounts: vec![volume_at("shared", "/data")],
                    ..sleeper(&format!("c{number}"))
                };
                engine.create_container(&config).unwrap();
            });
        }
    });
    assert_eq!(engine.volumes().unwrap().len(), 2);
    assert_eq!(engine.inspect_volume("shared").unwrap().mountpoints.len(), 4);
}
