//! The promise: whatever goes wrong at whatever step of whatever use case, nothing leaks and nothing is lost.
//!
//! Each use case is run once to count its changes of the host, and then once for every change and every kind of fault:
//! the change fails, before or after it took effect; the host does not answer any more, not even to an undo; the
//! daemon dies, also while it takes back what it did, and its successor while it recovers.

use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use kleene_api::{
    ContainerConfig, ImageBuildConfig, ImageCommitConfig, ImageCreateConfig, ImageCreateMethod,
    NetworkConfig, NetworkDriver,
};
use kleene_engine::{BuildEvent, Cancel, Engine, EngineError};
use kleene_platform::Platform;
use kleene_sim::{DaemonDied, Fault, When};

use crate::record::Record;
use crate::world::{
    World, bridge, endpoint, eventually, is_running, loopback, nullfs_at, published, sleeper, start, volume,
    volume_at, with_driver,
};

/// What goes wrong: a fault at the chosen change, and perhaps another one while the first is dealt with.
#[derive(Debug, Clone, Copy)]
struct Trouble {
    fault: Fault,
    /// At the first change after an error: while the daemon takes back what it did.
    in_undo: Option<Fault>,
    /// At this change of the next daemon, while it recovers: it dies too.
    in_recovery: Option<u32>,
}

const fn only(fault: Fault) -> Trouble {
    Trouble {
        fault,
        in_undo: None,
        in_recovery: None,
    }
}

const TROUBLES: [Trouble; 11] = [
    only(Fault::Fail(When::Before)),
    only(Fault::Fail(When::After)),
    only(Fault::LoseHost(When::Before)),
    only(Fault::LoseHost(When::After)),
    only(Fault::Die(When::Before)),
    only(Fault::Die(When::After)),
    dies_in_undo(When::Before),
    dies_in_undo(When::After),
    dies_again(1),
    dies_again(2),
    dies_again(3),
];

const fn dies_in_undo(when: When) -> Trouble {
    Trouble {
        in_undo: Some(Fault::Die(when)),
        ..only(Fault::Fail(When::After))
    }
}

const fn dies_again(change: u32) -> Trouble {
    Trouble {
        in_recovery: Some(change),
        ..only(Fault::Die(When::After))
    }
}

/// What holds after a use case that did not succeed.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Promise {
    /// It did not happen: everything is as it was before.
    AllOrNothing,
    /// It can be asked for again, until it has happened.
    Resumable,
}

pub type Act = fn(&World, &Engine) -> Result<(), EngineError>;

/// A use case, and what there is before it.
pub struct UseCase {
    pub promise: Promise,
    pub prepare: Act,
    pub act: Act,
}

impl UseCase {
    fn prepared(&self) -> (World, Engine) {
        let world = World::new();
        let engine = world.open();
        world.base(&engine);
        // Somebody else, who must not notice anything.
        engine.create_container(&sleeper("bystander")).unwrap();
        start(&engine, "bystander").unwrap();
        (self.prepare)(&world, &engine).unwrap();
        (world, engine)
    }

    /// Runs it with every fault at every change.
    #[track_caller]
    pub fn endures_every_fault(&self) {
        let (world, engine) = self.prepared();
        let before = world.platform.changes();
        (self.act)(&world, &engine).unwrap();
        let changes = world.platform.changes() - before;
        let done = Record::of(&world).shape();
        assert!(changes > 0, "a use case that changes nothing cannot fail here");
        for change in 1..=changes {
            for trouble in TROUBLES {
                let moment = format!("{trouble:?} at change {change} of {changes}");
                self.endures(trouble, change, &done, &moment);
            }
        }
    }

    #[track_caller]
    fn endures(&self, trouble: Trouble, change: u32, done: &Record, moment: &str) {
        let (world, engine) = self.prepared();
        let before = Record::of(&world);
        world.sim.fail_nth(change, trouble.fault);
        world.platform.after_an_error(trouble.in_undo);
        let outcome = outcome(|| (self.act)(&world, &engine));
        world.platform.after_an_error(None);

        let engine = if matches!(trouble.fault, Fault::Fail(_)) && trouble.in_undo.is_none() {
            // The daemon lives. An undo of its own was not made to fail, so that none is left.
            if outcome.is_err() && self.promise == Promise::AllOrNothing {
                assert_eq!(
                    Record::of(&world),
                    before,
                    "{moment}: not as before, after {outcome:?}"
                );
            }
            engine
        } else {
            if let Some(change) = trouble.in_recovery {
                world.sim.reboot_daemon();
                world.sim.fail_nth(change, Fault::Die(When::After));
                // It may have had less to do than that.
                let _ = outcome_of(|| drop(world.open()));
            }
            let engine = world.restart();
            let now = Record::of(&world);
            assert!(
                now.unfinished().is_empty(),
                "{moment}: not recovered: {:?}",
                now.unfinished()
            );
            if outcome.is_err() && self.promise == Promise::AllOrNothing {
                assert_eq!(now, before, "{moment}: not as before, after {outcome:?}");
            }
            engine
        };

        if outcome.is_err() {
            self.act_again(&world, &engine, moment);
        }
        drop(engine);
        // What a failed undo of a use case that succeeded has left is taken back now.
        let engine = world.restart();
        let now = Record::of(&world);
        assert!(
            now.unfinished().is_empty(),
            "{moment}: left behind: {:?}",
            now.unfinished()
        );
        assert_eq!(now.shape(), *done, "{moment}: not what the use case makes");
        assert!(
            is_running(&engine, "bystander"),
            "{moment}: the bystander noticed"
        );
    }

    /// Once more; that there is nothing left to do is fine where a removal was half done.
    #[track_caller]
    fn act_again(&self, world: &World, engine: &Engine, moment: &str) {
        match (self.act)(world, engine) {
            Ok(()) => {}
            Err(error) if self.promise == Promise::Resumable && is_already_so(&error) => {}
            Err(error) => panic!("{moment}: the same use case fails afterwards: {error}"),
        }
    }
}

fn is_already_so(error: &EngineError) -> bool {
    matches!(
        error,
        EngineError::ContainerNotFound { .. }
            | EngineError::ContainerNotRunning
            | EngineError::ImageNotFound { .. }
            | EngineError::NetworkNotFound { .. }
            | EngineError::VolumeNotFound { .. }
            | EngineError::NotConnected
    )
}

/// How a use case came out, the death of its daemon included.
#[derive(Debug)]
enum Failure {
    #[expect(dead_code, reason = "shown when a test fails")]
    Refused(EngineError),
    DaemonDied,
}

fn outcome(act: impl FnOnce() -> Result<(), EngineError>) -> Result<(), Failure> {
    outcome_of(act)?.map_err(Failure::Refused)
}

fn outcome_of<T>(act: impl FnOnce() -> T) -> Result<T, Failure> {
    catch_unwind(AssertUnwindSafe(act)).map_err(|payload| {
        if !payload.is::<DaemonDied>() {
            resume_unwind(payload);
        }
        Failure::DaemonDied
    })
}

fn nothing(_: &World, _: &Engine) -> Result<(), EngineError> {
    Ok(())
}

#[test]
fn creating_an_image() {
    let case = UseCase {
        promise: Promise::AllOrNothing,
        prepare: nothing,
        act: |world, engine| {
            let mut config = world.base_config();
            config.tag = "another".to_owned();
            engine.create_image(&config, &Cancel::new(), &mut |_| {})?;
            Ok(())
        },
    };
    case.endures_every_fault();
}

/// An image of a dataset of the host, by this method.
fn of_host_dataset(method: ImageCreateMethod) -> ImageCreateConfig {
    ImageCreateConfig {
        zfs_dataset: "tank/base".to_owned(),
        tag: "of-host".to_owned(),
        dns: false,
        localtime: false,
        ..ImageCreateConfig::new(method)
    }
}

fn plant_dataset(world: &World, _: &Engine) -> Result<(), EngineError> {
    let planted = world
        .sim
        .plant_dataset(&"tank/base".parse().unwrap(), "file", "of the host");
    planted.unwrap();
    Ok(())
}

#[test]
fn copying_a_dataset_of_the_host_to_an_image() {
    let case = UseCase {
        promise: Promise::AllOrNothing,
        prepare: plant_dataset,
        act: |_, engine| {
            let config = of_host_dataset(ImageCreateMethod::ZfsCopy);
            engine.create_image(&config, &Cancel::new(), &mut |_| {})?;
            Ok(())
        },
    };
    case.endures_every_fault();
}

#[test]
fn cloning_a_dataset_of_the_host_to_an_image() {
    let case = UseCase {
        promise: Promise::AllOrNothing,
        prepare: plant_dataset,
        act: |_, engine| {
            let config = of_host_dataset(ImageCreateMethod::ZfsClone);
            engine.create_image(&config, &Cancel::new(), &mut |_| {})?;
            Ok(())
        },
    };
    case.endures_every_fault();
}

#[test]
fn removing_an_image_that_is_a_clone_of_the_hosts() {
    let case = UseCase {
        promise: Promise::Resumable,
        prepare: |world, engine| {
            plant_dataset(world, engine)?;
            let config = of_host_dataset(ImageCreateMethod::ZfsClone);
            engine.create_image(&config, &Cancel::new(), &mut |_| {})?;
            Ok(())
        },
        act: |_, engine| engine.remove_image("of-host"),
    };
    case.endures_every_fault();
}

#[test]
fn removing_an_image() {
    let case = UseCase {
        promise: Promise::Resumable,
        prepare: |world, engine| {
            let mut config = world.base_config();
            config.tag = "another".to_owned();
            engine.create_image(&config, &Cancel::new(), &mut |_| {})?;
            Ok(())
        },
        act: |_, engine| engine.remove_image("another"),
    };
    case.endures_every_fault();
}

/// When the thread that follows a command dies with the daemon, the one that builds would wait for ever: it, too, has
/// to notice its death.
fn cancel_when_dead(world: &World, cancel: &Cancel, is_over: &AtomicBool) {
    while !is_over.load(Ordering::SeqCst) {
        if catch_unwind(AssertUnwindSafe(|| world.sim.interfaces())).is_err() {
            return cancel.cancel();
        }
        std::thread::sleep(Duration::from_millis(5));
    }
}

#[test]
fn building_an_image() {
    let case = UseCase {
        promise: Promise::AllOrNothing,
        prepare: |_, engine| {
            engine.create_network(&bridge("build", "10.5.0.0/24"))?;
            Ok(())
        },
        act: |world, engine| {
            let dockerfile =
                "FROM base\nWORKDIR /work\nCOPY file .\nRUN [\"touch\", \"/made\"]\nCMD [\"sleep\"]\n";
            let config = ImageBuildConfig {
                networks: vec![endpoint("", "build")],
                ..build_config(world, dockerfile)
            };
            build(world, engine, &config)
        },
    };
    case.endures_every_fault();
}

#[test]
fn building_an_image_in_stages_on_steps_from_the_cache() {
    let case = UseCase {
        promise: Promise::AllOrNothing,
        prepare: |world, engine| {
            let dockerfile = "FROM base\nRUN [\"touch\", \"/one\"]\n";
            let config = ImageBuildConfig {
                cache: true,
                ..build_config(world, dockerfile)
            };
            build(world, engine, &config)
        },
        act: |world, engine| {
            let dockerfile =
                "FROM base AS first\nRUN [\"touch\", \"/one\"]\nCOPY file /file\nFROM first\nWORKDIR /work\n";
            let config = ImageBuildConfig {
                cache: true,
                ..build_config(world, dockerfile)
            };
            build(world, engine, &config)
        },
    };
    case.endures_every_fault();
}

#[test]
fn building_an_image_with_files_of_another_stage() {
    let case = UseCase {
        promise: Promise::AllOrNothing,
        prepare: nothing,
        act: |world, engine| {
            let dockerfile =
                "FROM base AS tools\nRUN [\"touch\", \"/tool\"]\nFROM base\nCOPY --from=tools /tool /bin/\n";
            let config = ImageBuildConfig {
                cache: true,
                ..build_config(world, dockerfile)
            };
            build(world, engine, &config)
        },
    };
    case.endures_every_fault();
}

#[test]
fn building_an_image_of_which_everything_is_in_the_cache() {
    fn config(world: &World) -> ImageBuildConfig {
        ImageBuildConfig {
            cache: true,
            ..build_config(world, "FROM base\nRUN [\"touch\", \"/one\"]\nWORKDIR /work\n")
        }
    }
    let case = UseCase {
        promise: Promise::AllOrNothing,
        prepare: |world, engine| build(world, engine, &config(world)),
        act: |world, engine| build(world, engine, &config(world)),
    };
    case.endures_every_fault();
}

fn build_config(world: &World, dockerfile: &str) -> ImageBuildConfig {
    let context = world.scratch("context");
    std::fs::write(context.join("file"), "content").unwrap();
    std::fs::write(context.join("Dockerfile"), dockerfile).unwrap();
    ImageBuildConfig {
        buildargs: Default::default(),
        cache: false,
        cleanup: true,
        container_config: ContainerConfig {
            network_driver: NetworkDriver::Vnet,
            ..ContainerConfig::default()
        },
        context: context.display().to_string(),
        diagnostics: false,
        dockerfile: "Dockerfile".to_owned(),
        networks: Vec::new(),
        quiet: false,
        tag: "built".to_owned(),
        target: String::new(),
        upload: None,
    }
}

fn build(world: &World, engine: &Engine, config: &ImageBuildConfig) -> Result<(), EngineError> {
    let cancel = Cancel::new();
    let is_over = AtomicBool::new(false);
    let mut why = String::new();
    let built = std::thread::scope(|scope| {
        scope.spawn(|| cancel_when_dead(world, &cancel, &is_over));
        let built = catch_unwind(AssertUnwindSafe(|| {
            engine.build_image(config, &cancel, &mut |event| {
                if let BuildEvent::Error(problem) = event {
                    why = problem.to_string();
                }
            })
        }));
        is_over.store(true, Ordering::SeqCst);
        built.unwrap_or_else(|payload| resume_unwind(payload))
    });
    built
        .map(|_| ())
        .map_err(|error| EngineError::Launch(format!("{error}: {why}")))
}

#[test]
fn creating_a_container_with_mounts_and_a_new_volume() {
    let case = UseCase {
        promise: Promise::AllOrNothing,
        prepare: nothing,
        act: |world, engine| {
            let config = ContainerConfig {
                mounts: vec![
                    volume_at("new", "/data"),
                    nullfs_at(&world.scratch("shared"), "/mnt/shared"),
                ],
                ..sleeper("web")
            };
            engine.create_container(&config)?;
            Ok(())
        },
    };
    case.endures_every_fault();
}

#[test]
fn starting_a_vnet_container_with_two_networks_ports_and_a_volume() {
    let case = UseCase {
        promise: Promise::AllOrNothing,
        prepare: prepare_vnet,
        act: |_, engine| start(engine, "web").map(|_| ()),
    };
    case.endures_every_fault();
}

#[test]
fn starting_an_ipnet_container_with_two_networks_and_ports() {
    let case = UseCase {
        promise: Promise::AllOrNothing,
        prepare: |_, engine| {
            engine.create_network(&loopback("one", "10.1.0.0/24"))?;
            engine.create_network(&bridge("two", "10.2.0.0/24"))?;
            let config = ContainerConfig {
                public_ports: vec![published("8080", "80")],
                ..with_driver("web", NetworkDriver::Ipnet)
            };
            engine.create_container(&config)?;
            engine.connect(&endpoint("web", "one"))?;
            engine.connect(&endpoint("web", "two"))
        },
        act: |_, engine| start(engine, "web").map(|_| ()),
    };
    case.endures_every_fault();
}

/// A stopped vnet container with two networks, a port and a volume.
fn prepare_vnet(_: &World, engine: &Engine) -> Result<(), EngineError> {
    engine.create_network(&bridge("one", "10.1.0.0/24"))?;
    engine.create_network(&bridge("two", "10.2.0.0/24"))?;
    let config = ContainerConfig {
        mounts: vec![volume_at("data", "/data")],
        public_ports: vec![published("8080", "80")],
        ..with_driver("web", NetworkDriver::Vnet)
    };
    engine.create_container(&config)?;
    engine.connect(&endpoint("web", "one"))?;
    engine.connect(&endpoint("web", "two"))
}

fn prepare_running(world: &World, engine: &Engine) -> Result<(), EngineError> {
    prepare_vnet(world, engine)?;
    start(engine, "web").map(|_| ())
}

#[test]
fn stopping_a_container() {
    let case = UseCase {
        promise: Promise::Resumable,
        prepare: prepare_running,
        act: |_, engine| {
            let stopped = engine.stop_container("web").map(|_| ());
            if stopped.is_err() {
                // The one who follows the process may see its end although the answer to the stop was an error.
                eventually("a jail and its record agree", || agree(engine));
            }
            stopped
        },
    };
    case.endures_every_fault();
}

/// Whether the engine's list says of `web` that it runs, and shows the jail's number, or neither.
fn agree(engine: &Engine) -> bool {
    let Ok(containers) = engine.containers(true) else {
        return true;
    };
    containers
        .iter()
        .all(|container| container.container.running == container.jid.is_some())
}

#[test]
fn removing_a_container() {
    let case = UseCase {
        promise: Promise::Resumable,
        prepare: |world, engine| {
            prepare_running(world, engine)?;
            engine.stop_container("web").map(|_| ())
        },
        act: |_, engine| engine.remove_container("web").map(|_| ()),
    };
    case.endures_every_fault();
}

#[test]
fn committing_a_container() {
    let case = UseCase {
        promise: Promise::AllOrNothing,
        prepare: nothing,
        act: |_, engine| {
            let config = ImageCommitConfig {
                container: "bystander".to_owned(),
                tag: "kept".to_owned(),
                ..ImageCommitConfig::default()
            };
            engine.commit_container(&config).map(|_| ())
        },
    };
    case.endures_every_fault();
}

#[test]
fn creating_a_bridge_network() {
    let case = UseCase {
        promise: Promise::AllOrNothing,
        prepare: nothing,
        act: |_, engine| engine.create_network(&bridge("net", "10.1.0.0/24")).map(|_| ()),
    };
    case.endures_every_fault();
}

#[test]
fn creating_a_loopback_network() {
    let case = UseCase {
        promise: Promise::AllOrNothing,
        prepare: nothing,
        act: |_, engine| engine.create_network(&loopback("net", "10.1.0.0/24")).map(|_| ()),
    };
    case.endures_every_fault();
}

#[test]
fn removing_a_network_with_running_and_stopped_containers() {
    let case = UseCase {
        promise: Promise::Resumable,
        prepare: |world, engine| {
            prepare_running(world, engine)?;
            engine.create_container(&with_driver("idle", NetworkDriver::Vnet))?;
            engine.connect(&endpoint("idle", "one"))
        },
        act: |_, engine| engine.remove_network("one").map(|_| ()),
    };
    case.endures_every_fault();
}

#[test]
fn disconnecting_a_running_container() {
    let case = UseCase {
        promise: Promise::Resumable,
        prepare: prepare_running,
        act: |_, engine| engine.disconnect("one", "web"),
    };
    case.endures_every_fault();
}

/// A running ipnet container with a published port; it is on network `one` if `connected`. There is a network `two`.
fn prepare_running_ipnet(engine: &Engine, connected: bool) -> Result<(), EngineError> {
    engine.create_network(&loopback("one", "10.1.0.0/24"))?;
    engine.create_network(&NetworkConfig {
        subnet6: "fd02::/64".to_owned(),
        ..bridge("two", "10.2.0.0/24")
    })?;
    let config = ContainerConfig {
        public_ports: vec![published("8080", "80")],
        ..with_driver("web", NetworkDriver::Ipnet)
    };
    engine.create_container(&config)?;
    if connected {
        engine.connect(&endpoint("web", "one"))?;
    }
    start(engine, "web").map(|_| ())
}

#[test]
fn connecting_a_running_ipnet_container() {
    let case = UseCase {
        promise: Promise::AllOrNothing,
        prepare: |_, engine| prepare_running_ipnet(engine, true),
        act: |_, engine| engine.connect(&endpoint("web", "two")),
    };
    case.endures_every_fault();
}

#[test]
fn connecting_a_running_ipnet_container_to_its_first_network() {
    let case = UseCase {
        promise: Promise::AllOrNothing,
        prepare: |_, engine| prepare_running_ipnet(engine, false),
        act: |_, engine| engine.connect(&endpoint("web", "two")),
    };
    case.endures_every_fault();
}

#[test]
fn disconnecting_a_running_ipnet_container() {
    let case = UseCase {
        promise: Promise::Resumable,
        prepare: |_, engine| prepare_running_ipnet(engine, true),
        act: |_, engine| engine.disconnect("one", "web"),
    };
    case.endures_every_fault();
}

#[test]
fn disconnecting_a_running_ipnet_container_whose_ports_move() {
    let case = UseCase {
        promise: Promise::AllOrNothing,
        prepare: |_, engine| {
            prepare_running_ipnet(engine, true)?;
            engine.connect(&endpoint("web", "two"))
        },
        act: |_, engine| engine.disconnect("one", "web"),
    };
    case.endures_every_fault();
}

#[test]
fn disconnecting_an_ipnet_container_that_was_connected_while_it_ran() {
    let case = UseCase {
        promise: Promise::Resumable,
        prepare: |_, engine| {
            prepare_running_ipnet(engine, true)?;
            engine.connect(&endpoint("web", "two"))
        },
        act: |_, engine| engine.disconnect("two", "web"),
    };
    case.endures_every_fault();
}

#[test]
fn stopping_an_ipnet_container_that_was_connected_while_it_ran() {
    let case = UseCase {
        promise: Promise::Resumable,
        prepare: |_, engine| {
            prepare_running_ipnet(engine, true)?;
            engine.connect(&endpoint("web", "two"))
        },
        act: |_, engine| {
            let stopped = engine.stop_container("web").map(|_| ());
            if stopped.is_err() {
                eventually("a jail and its record agree", || agree(engine));
            }
            stopped
        },
    };
    case.endures_every_fault();
}

#[test]
fn creating_a_volume() {
    let case = UseCase {
        promise: Promise::AllOrNothing,
        prepare: nothing,
        act: |_, engine| engine.create_volume(&volume("data")).map(|_| ()),
    };
    case.endures_every_fault();
}

#[test]
fn removing_a_volume() {
    let case = UseCase {
        promise: Promise::Resumable,
        prepare: |_, engine| engine.create_volume(&volume("data")).map(|_| ()),
        act: |_, engine| engine.remove_volume("data"),
    };
    case.endures_every_fault();
}

#[test]
fn connecting_a_stopped_container_changes_nothing_on_the_host_and_so_cannot_fail_half_way() {
    let world = World::new();
    let engine = world.open();
    world.base(&engine);
    engine.create_network(&bridge("one", "10.1.0.0/24")).unwrap();
    engine
        .create_container(&with_driver("web", NetworkDriver::Vnet))
        .unwrap();
    let changes = world.platform.changes();
    engine.connect(&endpoint("web", "one")).unwrap();
    assert_eq!(world.platform.changes(), changes);
}
