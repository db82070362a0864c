//! What is in the journal when a daemon dies right before a use case would have been committed: every step with what
//! takes it back.

use std::fmt::Write as _;
use std::panic::{AssertUnwindSafe, catch_unwind};

use kleene_api::{ContainerConfig, NetworkDriver};
use kleene_engine::Engine;
use kleene_sim::{Fault, When};

use crate::record::without_ids;
use crate::world::{
    World, bridge, endpoint, loopback, nullfs_at, published, sleeper, start, volume_at, with_driver,
};

/// The journal after the death of a daemon at the last change of a use case.
fn journal(prepare: fn(&Engine), act: fn(&World, &Engine)) -> String {
    let fresh = || {
        let world = World::new();
        let engine = world.open();
        world.base(&engine);
        prepare(&engine);
        (world, engine)
    };
    let (world, engine) = fresh();
    let before = world.platform.changes();
    act(&world, &engine);
    let changes = world.platform.changes() - before;

    let (world, engine) = fresh();
    world.sim.fail_nth(changes, Fault::Die(When::After));
    catch_unwind(AssertUnwindSafe(|| act(&world, &engine))).unwrap_err();
    let mut text = String::new();
    for transaction in world.store().open_transactions().unwrap() {
        let _ = writeln!(
            text,
            "{} {} ({:?})",
            transaction.kind, transaction.object, transaction.direction
        );
        for step in transaction.steps {
            let _ = write!(text, "{} {:?}: {}", step.seq, step.state, step.op);
            if let Some(undo) = step.undo {
                let _ = write!(text, "\n    taken back by: {undo}");
            }
            text.push('\n');
        }
    }
    without_ids(&text)
}

#[test]
fn of_creating_a_container_with_a_new_volume() {
    let journal = journal(
        |_| {},
        |world, engine| {
            let config = ContainerConfig {
                mounts: vec![
                    volume_at("new", "/data"),
                    nullfs_at(&world.scratch("shared"), "/mnt/shared"),
                ],
                ..sleeper("web")
            };
            engine.create_container(&config).unwrap();
        },
    );
    insta::assert_snapshot!(journal);
}

#[test]
fn of_starting_a_vnet_container_with_a_network_and_a_port() {
    let journal = journal(
        |engine| {
            engine.create_network(&bridge("one", "10.1.0.0/24")).unwrap();
            let config = ContainerConfig {
                public_ports: vec![published("8080", "80")],
                ..with_driver("web", NetworkDriver::Vnet)
            };
            engine.create_container(&config).unwrap();
            engine.connect(&endpoint("web", "one")).unwrap();
        },
        |_, engine| {
            start(engine, "web").unwrap();
        },
    );
    insta::assert_snapshot!(journal);
}

#[test]
fn of_creating_a_network() {
    let journal = journal(
        |_| {},
        |_, engine| {
            engine.create_network(&loopback("net", "10.1.0.0/24")).unwrap();
        },
    );
    insta::assert_snapshot!(journal);
}

#[test]
fn of_removing_a_container() {
    let journal = journal(
        |engine| {
            engine.create_container(&sleeper("web")).unwrap();
        },
        |_, engine| {
            engine.remove_container("web").unwrap();
        },
    );
    insta::assert_snapshot!(journal);
}
