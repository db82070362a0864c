//! What could not be taken back is written down by name, hinders nobody, and goes when it can.

use kleene_engine::EngineError;
use kleene_sim::{Fault, When};

use crate::record::Record;
use crate::world::{World, bridge, endpoint, eventually, refusal, sleeper, start, volume, with_driver};
use kleene_api::NetworkDriver;

#[test]
fn a_failed_undo_is_named_and_a_later_daemon_takes_it_back() {
    let world = World::new();
    let engine = world.open();
    // Creating the dataset takes effect; from then on the host does not answer, not even to the undo.
    world.sim.fail_nth(1, Fault::LoseHost(When::After));
    let error = engine.create_volume(&volume("data")).unwrap_err();
    let EngineError::HalfUndone { leftovers, .. } = &error else {
        panic!("{error}");
    };
    assert!(
        leftovers[0].starts_with("destroy dataset volumes/data: "),
        "{leftovers:?}"
    );
    assert_eq!(
        Record::of(&world).unfinished(),
        ["leftover of volume data: destroy dataset volumes/data"]
    );

    let engine = world.restart();
    assert!(Record::of(&world).unfinished().is_empty());
    assert!(engine.volumes().unwrap().is_empty());
    assert_eq!(world.sim.files_of(&"volumes/data".parse().unwrap()), None);
}

#[test]
fn a_leftover_that_still_cannot_be_taken_back_does_not_keep_the_daemon_from_starting() {
    let world = World::new();
    let engine = world.open();
    world.sim.fail_nth(1, Fault::LoseHost(When::After));
    engine.create_volume(&volume("data")).unwrap_err();
    let dataset = "volumes/data".parse().unwrap();
    world.sim.occupy(&dataset);

    let engine = world.restart();
    engine.create_volume(&volume("other")).unwrap();
    assert_eq!(Record::of(&world).unfinished().len(), 1);

    world.sim.vacate(&dataset);
    world.restart();
    assert!(Record::of(&world).unfinished().is_empty());
}

#[test]
fn a_volume_made_anew_where_one_was_left_behind_survives_the_next_recovery() {
    let world = World::new();
    let engine = world.open();
    world.sim.fail_nth(1, Fault::LoseHost(When::After));
    engine.create_volume(&volume("data")).unwrap_err();
    world.sim.reboot_daemon();

    // The same daemon goes on; its host answers again.
    engine.create_volume(&volume("data")).unwrap();
    assert!(Record::of(&world).unfinished().is_empty());
    let engine = world.restart();
    assert_eq!(engine.volumes().unwrap().len(), 1);
    assert!(world.sim.files_of(&"volumes/data".parse().unwrap()).is_some());
}

#[test]
fn a_container_whose_files_were_in_use_when_it_stopped_starts_again_once_they_are_free() {
    let world = World::new();
    let engine = world.open();
    world.base(&engine);
    let id = engine.create_container(&sleeper("web")).unwrap();
    start(&engine, "web").unwrap();
    let dataset = format!("container/{id}").parse().unwrap();
    world.sim.occupy(&dataset);
    engine.stop_container("web").unwrap();
    let leftover = format!("leftover of container {id}: unmount dataset container/{id}");
    assert_eq!(Record::of(&world).unfinished(), [leftover]);

    let refused = refusal(start(&engine, "web"));
    assert_eq!(
        refused,
        format!(
            "container {id} needs repair: 'unmount dataset container/{id}' is left to do and failed again: \
             dataset container/{id} is busy: a process works in it"
        )
    );

    world.sim.vacate(&dataset);
    start(&engine, "web").unwrap();
    // A recovery does not take away what the container uses by now.
    world.restart();
    assert!(Record::of(&world).unfinished().is_empty());
    assert!(
        world
            .sim
            .inventory()
            .to_string()
            .contains(&format!("dataset container/{id}: clone"))
    );
    assert!(world.sim.inventory().to_string().contains("mounted"));
}

#[test]
fn an_interface_left_behind_is_not_taken_from_the_container_that_uses_it_again() {
    let world = World::new();
    let engine = world.open();
    world.base(&engine);
    engine.create_network(&bridge("net", "10.1.0.0/24")).unwrap();
    engine
        .create_container(&with_driver("web", NetworkDriver::Vnet))
        .unwrap();
    engine.connect(&endpoint("web", "net")).unwrap();
    start(&engine, "web").unwrap();
    let running = world.sim.inventory();
    // Stopping: the first change ends the jail; one of those after it removes the interface.
    world.sim.fail_nth(2, Fault::LoseHost(When::Before));
    let _ = engine.stop_container("web");
    world.sim.reboot_daemon();
    eventually("web is stopped", || {
        let _ = engine.stop_container("web");
        !crate::world::is_running(&engine, "web")
    });

    start(&engine, "web").unwrap();
    world.restart();
    assert_eq!(world.sim.inventory().since(&running), "");
    assert!(Record::of(&world).unfinished().is_empty());
}
