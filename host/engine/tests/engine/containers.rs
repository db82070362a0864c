//! Containers: created, listed, inspected, updated, removed, pruned.

use kleene_api::{ContainerConfig, ContainerUpdate, NetworkDriver, RestartPolicy};
use kleene_plan::ExitStatus;

use crate::world::{
    World, bridge, command, endpoint, is_running, nullfs_at, published, refusal, sleeper, start, subscriber,
    texts, to_the_end, volume_at, with_driver,
};

#[test]
fn a_container_is_a_clone_of_its_image_and_does_not_run() {
    let world = World::new();
    let engine = world.open();
    let image = world.base(&engine);
    let id = engine.create_container(&sleeper("web")).unwrap();
    let shown = engine.inspect_container("web").unwrap().container;
    assert_eq!(shown.id, id.to_string());
    assert_eq!(shown.image_id, image.to_string());
    assert_eq!(shown.dataset, format!("sim/kleene/container/{id}"));
    assert!(!shown.running);
    assert_eq!(
        world.listing(&format!("container/{id}"), "data"),
        [".hidden", "hello"]
    );
}

#[test]
fn what_the_request_leaves_open_the_image_says() {
    let world = World::new();
    let engine = world.open();
    world.base(&engine);
    let config = ContainerConfig {
        image: Some("base".to_owned()),
        env: texts(&["B=2", "A=1"]),
        network_driver: NetworkDriver::Host,
        ..ContainerConfig::default()
    };
    let id = engine.create_container(&config).unwrap();
    let shown = engine.inspect_container(id.as_str()).unwrap().container;
    assert_eq!(shown.name, None);
    assert_eq!(shown.cmd, ["/bin/sh", "/etc/rc"]);
    assert_eq!(shown.user, "root");
    assert_eq!(shown.env, ["A=1", "B=2"]);
}

#[test]
fn a_container_that_cannot_be_made_is_refused_in_the_words_of_the_contract() {
    let world = World::new();
    let engine = world.open();
    world.base(&engine);
    engine.create_container(&sleeper("taken")).unwrap();
    let refused = |config: ContainerConfig| refusal(engine.create_container(&config));
    assert_eq!(
        refused(sleeper("a/b")),
        "a/b does not match /?[a-zA-Z0-9][a-zA-Z0-9_.-]+$"
    );
    let of = |image: &str| ContainerConfig {
        image: Some(image.to_owned()),
        ..sleeper("web")
    };
    assert_eq!(refused(of("nope@snap")), "no such image 'nope@snap'");
    assert_eq!(
        refused(ContainerConfig {
            public_ports: vec![published("80", "80")],
            ..sleeper("web")
        }),
        "cannot publish ports of a container using the 'host' network driver"
    );
    let with_ports = |host: &str, container: &str| ContainerConfig {
        public_ports: vec![published(host, container)],
        ..with_driver("web", NetworkDriver::Ipnet)
    };
    assert_eq!(
        refused(with_ports("70000", "80")),
        "invalid port value (should be in the range 0 - 65535)"
    );
    assert_eq!(
        refused(with_ports("1:2:3", "80")),
        "could not decode port publishing specification"
    );
    assert!(refused(sleeper("taken")).starts_with("the name 'taken' is already taken by container "));
    assert_eq!(engine.containers(true).unwrap().len(), 1);
}

#[test]
fn a_mount_that_cannot_be_made_leaves_nothing_of_the_container() {
    let world = World::new();
    let engine = world.open();
    world.base(&engine);
    let before = world.sim.inventory();
    let config = ContainerConfig {
        mounts: vec![
            volume_at("new", "/data"),
            nullfs_at(&world.run_dir().join("nowhere"), "/mnt"),
        ],
        ..sleeper("web")
    };
    assert_eq!(
        refusal(engine.create_container(&config)),
        "error ocurred while determining source type: :enoent"
    );
    assert_eq!(world.sim.inventory().since(&before), "");
    assert!(engine.volumes().unwrap().is_empty());
}

#[test]
fn mounts_are_shown_in_the_order_of_the_request() {
    let world = World::new();
    let engine = world.open();
    world.base(&engine);
    let shared = world.scratch("shared");
    let file = shared.join("file");
    std::fs::write(&file, "").unwrap();
    let config = ContainerConfig {
        mounts: vec![
            nullfs_at(&shared, "mnt"),
            volume_at("data", "/data"),
            nullfs_at(&file, "/file"),
        ],
        ..sleeper("web")
    };
    let id = engine.create_container(&config).unwrap();
    let mounts = engine.inspect_container("web").unwrap().container_mountpoints;
    let destinations: Vec<_> = mounts.iter().map(|mount| mount.destination.as_str()).collect();
    assert_eq!(destinations, ["/mnt", "/data", "/file"]);
    let root = world.files_of(&format!("container/{id}"));
    assert!(root.join("mnt").is_dir());
    assert!(root.join("file").is_file());
}

#[test]
fn the_list_shows_running_containers_or_all_the_newest_first() {
    let world = World::new();
    let engine = world.open();
    world.base(&engine);
    for name in ["one", "two", "three"] {
        engine.create_container(&sleeper(name)).unwrap();
    }
    start(&engine, "two").unwrap();
    let names = |all| -> Vec<String> {
        let listed = engine.containers(all).unwrap();
        listed
            .into_iter()
            .filter_map(|listed| listed.container.name)
            .collect()
    };
    assert_eq!(names(true), ["three", "two", "one"]);
    assert_eq!(names(false), ["two"]);
    let listed = engine.containers(true).unwrap();
    assert_eq!(
        (listed[1].image_name.as_str(), listed[1].image_tag.as_str()),
        ("base", "latest")
    );
    assert!(listed[1].jid.is_some());
    assert_eq!(listed[0].jid, None);
}

#[test]
fn a_container_is_found_by_id_by_name_or_by_the_beginning_of_its_id() {
    let world = World::new();
    let engine = world.open();
    world.base(&engine);
    let id = engine.create_container(&sleeper("web")).unwrap();
    for given in [id.as_str(), "web", &id.as_str()[..6]] {
        assert_eq!(
            engine.inspect_container(given).unwrap().container.id,
            id.to_string()
        );
    }
    for given in ["", "we", "nope"] {
        assert_eq!(refusal(engine.inspect_container(given)), "container not found");
    }
}

#[test]
fn an_update_changes_what_it_names_and_nothing_else() {
    let world = World::new();
    let engine = world.open();
    world.base(&engine);
    engine
        .create_container(&ContainerConfig {
            env: texts(&["A=1"]),
            ..sleeper("old")
        })
        .unwrap();
    let before = engine.inspect_container("old").unwrap().container;
    let rename = ContainerUpdate {
        name: Some("new".to_owned()),
        ..ContainerUpdate::default()
    };
    engine.update_container("old", &rename).unwrap();
    let mut expected = before.clone();
    expected.name = Some("new".to_owned());
    assert_eq!(engine.inspect_container("new").unwrap().container, expected);

    let update = ContainerUpdate {
        env: Some(vec![]),
        cmd: Some(texts(&["true"])),
        persist: Some(true),
        restart_policy: Some(RestartPolicy::OnStartup),
        user: Some("www".to_owned()),
        jail_param: Some(texts(&["allow.raw_sockets"])),
        name: None,
    };
    engine.update_container("new", &update).unwrap();
    let now = engine.inspect_container("new").unwrap().container;
    assert!(now.env.is_empty());
    assert_eq!(now.cmd, ["true"]);
    assert!(now.persist);
    assert_eq!(now.restart_policy, RestartPolicy::OnStartup);
    assert_eq!(now.user, "www");
    assert_eq!(now.jail_param, ["allow.raw_sockets"]);
}

#[test]
fn an_update_to_a_taken_or_wrong_name_is_refused() {
    let world = World::new();
    let engine = world.open();
    world.base(&engine);
    engine.create_container(&sleeper("one")).unwrap();
    engine.create_container(&sleeper("two")).unwrap();
    let rename = |name: &str| ContainerUpdate {
        name: Some(name.to_owned()),
        ..ContainerUpdate::default()
    };
    let refused = refusal(engine.update_container("one", &rename("two")));
    assert!(
        refused.starts_with("the name 'two' is already taken"),
        "{refused}"
    );
    let refused = refusal(engine.update_container("one", &rename("a b")));
    assert!(refused.starts_with("a b does not match"), "{refused}");
    // Its own name is no other's.
    engine.update_container("one", &rename("one")).unwrap();
}

#[test]
fn a_running_container_cannot_be_removed() {
    let world = World::new();
    let engine = world.open();
    world.base(&engine);
    engine.create_container(&sleeper("web")).unwrap();
    start(&engine, "web").unwrap();
    assert_eq!(
        refusal(engine.remove_container("web")),
        "you cannot remove a running container"
    );
    assert!(is_running(&engine, "web"));
}

#[test]
fn removing_a_container_takes_its_files_its_log_and_its_addresses() {
    let world = World::new();
    let engine = world.open();
    world.base(&engine);
    engine.create_network(&bridge("net", "10.1.0.0/30")).unwrap();
    let before = world.sim.inventory();
    let config = with_driver("web", NetworkDriver::Vnet);
    // The /30 has one address beside the gateway: it is free again each time.
    for _ in 0..2 {
        let id = engine.create_container(&config).unwrap();
        engine.connect(&endpoint("web", "net")).unwrap();
        start(&engine, "web").unwrap();
        engine.stop_container("web").unwrap();
        assert_eq!(engine.remove_container("web").unwrap(), id);
        assert_eq!(world.sim.inventory().since(&before), "");
        assert!(crate::world::names_in(&world.state_dir().join("log")).is_empty());
        assert!(crate::world::names_in(&world.run_dir()).is_empty());
    }
    assert_eq!(refusal(engine.remove_container("web")), "container not found");
}

#[test]
fn a_container_is_stopped_by_the_signal_that_it_or_its_image_asks_for() {
    let world = World::new();
    let engine = world.open();
    world.base(&engine);
    for (wanted, signal) in [
        (None, 15),
        (Some("quit"), 3),
        (Some("10"), 10),
        (Some("SIGTERM"), 15),
    ] {
        let config = ContainerConfig {
            stop_signal: wanted.map(str::to_owned),
            ..sleeper("web")
        };
        let id = engine.create_container(&config).unwrap();
        let exec = engine.create_exec(&command("web", &[])).unwrap();
        let (subscriber, events) = subscriber();
        engine.start_exec(exec.as_str(), true, Some(subscriber)).unwrap();
        engine.stop_container("web").unwrap();
        assert_eq!(to_the_end(&events).1, ExitStatus::Signal(signal), "{wanted:?}");
        engine.remove_container(id.as_str()).unwrap();
    }
    let unknown = ContainerConfig {
        stop_signal: Some("SIGFOO".to_owned()),
        ..sleeper("web")
    };
    assert_eq!(
        refusal(engine.create_container(&unknown)),
        "'SIGFOO' is not a valid signal: it has a name, such as SIGQUIT, or a number from 1"
    );
}

#[test]
fn pruning_removes_stopped_containers_that_are_not_to_persist_the_oldest_first() {
    let world = World::new();
    let engine = world.open();
    world.base(&engine);
    let first = engine.create_container(&sleeper("first")).unwrap();
    engine.create_container(&sleeper("running")).unwrap();
    engine
        .create_container(&ContainerConfig {
            persist: true,
            ..sleeper("kept")
        })
        .unwrap();
    let last = engine.create_container(&sleeper("last")).unwrap();
    start(&engine, "running").unwrap();
    assert_eq!(engine.prune_containers().unwrap(), [first, last]);
    assert_eq!(engine.containers(true).unwrap().len(), 2);
}

#[test]
fn stopping_answers_when_everything_is_cleaned_up() {
    let world = World::new();
    let engine = world.open();
    world.base(&engine);
    engine.create_network(&bridge("net", "10.1.0.0/24")).unwrap();
    let id = engine
        .create_container(&with_driver("web", NetworkDriver::Vnet))
        .unwrap();
    engine.connect(&endpoint("web", "net")).unwrap();
    let before = world.sim.inventory();
    start(&engine, "web").unwrap();
    assert!(is_running(&engine, "web"));
    assert_eq!(engine.stop_container("web").unwrap(), id);
    assert_eq!(world.sim.inventory().since(&before), "");
    assert!(!is_running(&engine, "web"));
    assert_eq!(refusal(engine.stop_container("web")), "container not running");
    assert_eq!(refusal(engine.stop_container("nope")), "container not found");
}

#[test]
fn a_container_that_ignores_the_request_to_end_is_killed() {
    let world = World::new();
    let engine = world.open();
    world.base(&engine);
    let stubborn = ContainerConfig {
        cmd: texts(&["stubborn"]),
        ..sleeper("web")
    };
    engine.create_container(&stubborn).unwrap();
    start(&engine, "web").unwrap();
    engine.stop_container("web").unwrap();
    assert!(!is_running(&engine, "web"));
}

#[test]
fn a_container_can_be_removed_as_soon_as_its_process_has_ended() {
    let world = World::new();
    let engine = world.open();
    world.base(&engine);
    let brief = ContainerConfig {
        cmd: texts(&["true"]),
        ..sleeper("web")
    };
    for _ in 0..20 {
        let id = engine.create_container(&brief).unwrap();
        start(&engine, "web").unwrap();
        crate::world::eventually("the jail is gone", || {
            !world.sim.inventory().to_string().contains(&format!("jail {id}"))
        });
        engine.remove_container("web").unwrap();
    }
}
