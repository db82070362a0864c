//! Volumes: made once, filled once, and kept from those who would take them away.

use std::fs;

use kleene_api::ContainerConfig;

use crate::world::{World, refusal, sleeper, start, volume, volume_at};

fn mounting(name: &str, volume: &str) -> ContainerConfig {
    ContainerConfig {
        mounts: vec![volume_at(volume, "/data")],
        ..sleeper(name)
    }
}

#[test]
fn creating_a_volume_that_exists_changes_nothing() {
    let world = World::new();
    let engine = world.open();
    assert_eq!(engine.create_volume(&volume("data")).unwrap(), "data");
    let created = engine.volumes().unwrap();
    let before = world.sim.inventory();
    assert_eq!(engine.create_volume(&volume("data")).unwrap(), "data");
    assert_eq!(engine.volumes().unwrap(), created);
    assert_eq!(world.sim.inventory().since(&before), "");
}

#[test]
fn a_name_that_could_be_something_else_is_refused() {
    let world = World::new();
    let engine = world.open();
    for name in ["", "../x", "a/b", "a b", "-o"] {
        let refused = refusal(engine.create_volume(&volume(name)));
        assert!(refused.starts_with("cannot create volume: "), "{refused}");
    }
}

#[test]
fn a_new_volume_is_filled_with_what_the_image_has_there_hidden_files_included() {
    let world = World::new();
    let engine = world.open();
    world.base(&engine);
    engine.create_container(&mounting("web", "data")).unwrap();
    assert_eq!(world.listing("volumes/data", ""), [".hidden", "hello"]);
}

#[test]
fn a_volume_with_content_is_left_as_it_is() {
    let world = World::new();
    let engine = world.open();
    world.base(&engine);
    engine.create_volume(&volume("data")).unwrap();
    fs::write(world.files_of("volumes/data").join("mine"), "").unwrap();
    engine.create_container(&mounting("web", "data")).unwrap();
    assert_eq!(world.listing("volumes/data", ""), ["mine"]);
}

#[test]
fn two_mounts_of_one_new_volume_make_it_once() {
    let world = World::new();
    let engine = world.open();
    world.base(&engine);
    let config = ContainerConfig {
        mounts: vec![volume_at("data", "/data"), volume_at("data", "/again")],
        ..sleeper("web")
    };
    engine.create_container(&config).unwrap();
    start(&engine, "web").unwrap();
    assert_eq!(engine.volumes().unwrap().len(), 1);
}

#[test]
fn a_volume_says_who_mounts_it() {
    let world = World::new();
    let engine = world.open();
    world.base(&engine);
    let id = engine.create_container(&mounting("web", "data")).unwrap();
    let shown = engine.inspect_volume("data").unwrap();
    assert_eq!(shown.volume.dataset, "sim/kleene/volumes/data");
    assert_eq!(shown.mountpoints[0].container_id, id.to_string());
    assert_eq!(refusal(engine.inspect_volume("nope")), "No such volume");
}

#[test]
fn a_volume_of_a_running_container_cannot_be_removed() {
    let world = World::new();
    let engine = world.open();
    world.base(&engine);
    let twice = ContainerConfig {
        mounts: vec![volume_at("data", "/data"), volume_at("data", "/again")],
        ..sleeper("web")
    };
    let id = engine.create_container(&twice).unwrap();
    start(&engine, "web").unwrap();
    assert_eq!(
        refusal(engine.remove_volume("data")),
        format!("volume 'data' is used by running containers; stop them first: {id}")
    );
    assert_eq!(world.listing("volumes/data", "").len(), 2);
}

#[test]
fn a_stopped_container_loses_the_mount_of_a_removed_volume_and_starts_without_it() {
    let world = World::new();
    let engine = world.open();
    world.base(&engine);
    engine.create_container(&mounting("web", "data")).unwrap();
    engine.remove_volume("data").unwrap();
    assert!(
        engine
            .inspect_container("web")
            .unwrap()
            .container_mountpoints
            .is_empty()
    );
    start(&engine, "web").unwrap();
    assert_eq!(refusal(engine.remove_volume("data")), "No such volume");
}

#[test]
fn pruning_removes_volumes_that_nobody_mounts_ordered_by_name() {
    let world = World::new();
    let engine = world.open();
    world.base(&engine);
    for name in ["c", "a", "b"] {
        engine.create_volume(&volume(name)).unwrap();
    }
    engine.create_container(&mounting("web", "b")).unwrap();
    assert_eq!(engine.prune_volumes().unwrap(), ["a", "c"]);
    assert_eq!(engine.volumes().unwrap().len(), 1);
}

#[test]
fn content_survives_the_container() {
    let world = World::new();
    let engine = world.open();
    world.base(&engine);
    engine.create_container(&mounting("web", "data")).unwrap();
    fs::write(world.files_of("volumes/data").join("kept"), "").unwrap();
    engine.remove_container("web").unwrap();
    assert!(world.listing("volumes/data", "").contains(&"kept".to_owned()));
}
