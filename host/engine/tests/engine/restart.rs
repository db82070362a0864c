//! A daemon starts again: what runs goes on, what ended is noticed, what was lost is restored.

use kleene_api::{ContainerConfig, NetworkDriver, RestartPolicy};
use kleene_plan::{ExitStatus, Op};

use crate::record::Record;
use crate::world::{
    World, bridge, command, endpoint, eventually, is_running, published, sleeper, start, texts, volume_at,
    with_driver,
};

fn on_startup(name: &str) -> ContainerConfig {
    ContainerConfig {
        restart_policy: RestartPolicy::OnStartup,
        ..sleeper(name)
    }
}

#[test]
fn a_running_container_runs_on_undisturbed_and_is_followed_again() {
    let world = World::new();
    let engine = world.open();
    world.base(&engine);
    engine.create_container(&sleeper("web")).unwrap();
    start(&engine, "web").unwrap();
    let before = world.sim.inventory();
    drop(engine);
    let engine = world.restart();
    assert_eq!(world.sim.inventory().since(&before), "");
    assert!(is_running(&engine, "web"));
    // Followed: its end is noticed without being asked for.
    let exec = engine.create_exec(&command("web", &["true"])).unwrap();
    engine.start_exec(exec.as_str(), false, None).unwrap();
    engine.stop_container("web").unwrap();
    assert!(!is_running(&engine, "web"));
    assert!(!world.sim.inventory().to_string().contains("mounted"));
}

#[test]
fn an_end_while_no_daemon_ran_is_recorded_with_its_status() {
    let world = World::new();
    let engine = world.open();
    world.base(&engine);
    let id = engine.create_container(&sleeper("web")).unwrap();
    let brief = engine.create_exec(&command("web", &["sleep", "1"])).unwrap();
    engine.start_exec(brief.as_str(), true, None).unwrap();
    world
        .sim
        .fail_nth(1, kleene_sim::Fault::Die(kleene_sim::When::Before));
    let killer = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
        engine.create_volume(&crate::world::volume("x"))
    }));
    assert!(killer.is_err(), "the daemon is dead");
    let record = world
        .run_dir()
        .join(id.as_str())
        .join(brief.as_str())
        .join("exit.json");
    eventually("the process has ended", || record.exists());
    eventually("its jail is gone", || {
        !world.sim.inventory().to_string().contains("jail ")
    });

    let engine = world.restart();
    assert!(!is_running(&engine, "web"));
    let stored = world.store().read(|read| read.container(&id)).unwrap().unwrap();
    assert_eq!(stored.last_exit.unwrap().status, ExitStatus::Code(0));
    assert!(Record::of(&world).unfinished().is_empty());
    assert!(!world.sim.inventory().to_string().contains("mounted"));
}

#[test]
fn rules_that_were_flushed_are_restored_without_a_plugin() {
    let world = World::new();
    let engine = world.open();
    world.base(&engine);
    engine.create_network(&bridge("net", "10.1.0.0/24")).unwrap();
    let config = ContainerConfig {
        public_ports: vec![published("8080", "80")],
        ..with_driver("web", NetworkDriver::Vnet)
    };
    engine.create_container(&config).unwrap();
    engine.connect(&endpoint("web", "net")).unwrap();
    start(&engine, "web").unwrap();
    let before = world.sim.inventory();
    world.sim.flush_rules();
    assert_ne!(world.sim.inventory().since(&before), "");
    world.sim.reboot_daemon();
    let engine = open_without_plugins(&world);
    assert_eq!(world.sim.inventory().since(&before), "");
    assert!(is_running(&engine, "web"));
}

/// A daemon that has no plugins at all.
fn open_without_plugins(world: &World) -> kleene_engine::Engine {
    let empty = world.scratch("no-plugins");
    let config = kleene_plugins::PluginsConfig::new(&empty, world.scratch("no-cache"));
    let plugins = std::sync::Arc::new(kleene_plugins::Plugins::open(config).unwrap());
    let directories = kleene_engine::EngineConfig {
        state_dir: world.state_dir(),
        run_dir: world.run_dir(),
        insecure_registries: Vec::new(),
        add_urls: false,
    };
    kleene_engine::Engine::open(directories, world.platform.clone(), plugins).unwrap()
}

#[test]
fn after_a_restart_of_the_host_networks_are_back_volumes_are_mounted_and_containers_are_stopped() {
    let world = World::new();
    let engine = world.open();
    world.base(&engine);
    engine.create_network(&bridge("net", "10.1.0.0/24")).unwrap();
    let config = ContainerConfig {
        mounts: vec![volume_at("data", "/data")],
        ..with_driver("web", NetworkDriver::Vnet)
    };
    let id = engine.create_container(&config).unwrap();
    engine.connect(&endpoint("web", "net")).unwrap();
    let stopped = world.sim.inventory();
    start(&engine, "web").unwrap();
    drop(engine);
    world.sim.reboot_host().unwrap();
    let engine = world.restart();
    assert_eq!(world.sim.inventory().since(&stopped), "");
    let stored = world.store().read(|read| read.container(&id)).unwrap().unwrap();
    assert!(stored.started.is_none());
    assert_eq!(stored.last_exit.unwrap().status, ExitStatus::Signal(9));
    start(&engine, "web").unwrap();
}

#[test]
fn containers_that_start_with_the_daemon_do_so_unless_they_run_the_oldest_first() {
    let world = World::new();
    let engine = world.open();
    world.base(&engine);
    let first = engine.create_container(&on_startup("first")).unwrap();
    engine.create_container(&on_startup("running")).unwrap();
    engine.create_container(&sleeper("other")).unwrap();
    let last = engine.create_container(&on_startup("last")).unwrap();
    start(&engine, "running").unwrap();
    let engine = world.restart();
    let before = world.sim.operations().len();
    engine.start_containers_at_startup();
    let mounted: Vec<_> = world.sim.operations()[before..]
        .iter()
        .filter_map(|op| match op {
            Op::MountDataset(dataset) => Some(dataset.to_string()),
            _ => None,
        })
        .collect();
    assert_eq!(
        mounted,
        [format!("container/{first}"), format!("container/{last}")]
    );
    assert!(!is_running(&engine, "other"));
}

#[test]
fn one_that_cannot_start_with_the_daemon_does_not_keep_the_others_from_it() {
    let world = World::new();
    let engine = world.open();
    world.base(&engine);
    let broken = ContainerConfig {
        cmd: texts(&["nginx"]),
        ..on_startup("broken")
    };
    engine.create_container(&broken).unwrap();
    engine.create_container(&on_startup("good")).unwrap();
    engine.start_containers_at_startup();
    assert!(!is_running(&engine, "broken"));
    assert!(is_running(&engine, "good"));
}

#[test]
fn a_manual_stop_does_not_change_the_policy() {
    let world = World::new();
    let engine = world.open();
    world.base(&engine);
    engine.create_container(&on_startup("web")).unwrap();
    start(&engine, "web").unwrap();
    engine.stop_container("web").unwrap();
    let engine = world.restart();
    engine.start_containers_at_startup();
    assert!(is_running(&engine, "web"));
}

#[test]
fn an_interrupted_build_is_removed() {
    let world = World::new();
    let engine = world.open();
    world.base(&engine);
    let before = Record::of(&world);
    let context = world.scratch("context");
    std::fs::write(context.join("Dockerfile"), "FROM base\nRUN [\"sleep\"]\n").unwrap();
    let config = kleene_api::ImageBuildConfig {
        buildargs: Default::default(),
        cache: false,
        cleanup: false,
        container_config: ContainerConfig {
            network_driver: NetworkDriver::Host,
            ..ContainerConfig::default()
        },
        context: context.display().to_string(),
        diagnostics: false,
        dockerfile: "Dockerfile".to_owned(),
        networks: Vec::new(),
        quiet: false,
        tag: String::new(),
        target: String::new(),
        upload: None,
    };
    let building = engine.clone();
    // A daemon that dies does not cancel: this thread waits for its command until the process of the test ends.
    std::thread::spawn(move || building.build_image(&config, &kleene_engine::Cancel::new(), &mut |_| {}));
    eventually("the command runs", || {
        engine.containers(false).is_ok_and(|running| running.len() == 1)
    });
    world.restart();
    assert_eq!(Record::of(&world), before);
}
