//! Images from datasets of the host.

use kleene_plan::{DatasetName, FromHost, HostSnapshot, Op};
use kleene_platform::{Platform, PlatformError};

use crate::world::{CONTAINER, World, id};

/// A host with the dataset `tank/base`, in which there is a file.
fn world() -> (World, HostSnapshot, DatasetName) {
    let world = World::new();
    assert_eq!(world.tool("zfs create tank/base"), "");
    std::fs::write(world.path("tank/base/file"), "from the host").unwrap();
    let snapshot = HostSnapshot {
        dataset: "tank/base".parse().unwrap(),
        image: id(CONTAINER),
    };
    (world, snapshot, DatasetName::image(&id(CONTAINER)))
}

fn content(world: &World, dataset: &DatasetName) -> String {
    world.platform.apply(&Op::MountDataset(dataset.clone())).unwrap();
    let file = world.platform.mountpoint(dataset).unwrap().join("file");
    let text = std::fs::read_to_string(file).unwrap();
    world
        .platform
        .apply(&Op::UnmountDataset(dataset.clone()))
        .unwrap();
    text
}

fn snapshots(world: &World) -> String {
    world.tool("zfs list -Hp -r -t snapshot tank/base")
}

#[test]
fn a_copy_needs_the_host_no_more() {
    let (world, snapshot, dataset) = world();
    assert!(world.platform.has_host_dataset(&snapshot.dataset).unwrap());
    assert!(
        !world
            .platform
            .has_host_dataset(&"tank/no".parse().unwrap())
            .unwrap()
    );
    world.forget_transcript();
    for op in [
        FromHost::Take(snapshot.clone()),
        FromHost::Copy {
            snapshot: snapshot.clone(),
            dataset: dataset.clone(),
        },
        FromHost::Release(snapshot),
    ] {
        let op = Op::FromHost(op);
        assert!(world.platform.would_change(&op).unwrap(), "{op}");
        world.platform.apply(&op).unwrap();
        assert!(!world.platform.would_change(&op).unwrap(), "{op}");
        world.platform.apply(&op).unwrap();
    }
    insta::assert_snapshot!(world.transcript());
    assert_eq!(snapshots(&world), "");
    assert_eq!(content(&world, &dataset), "from the host");
    assert_eq!(
        world.tool(&format!("zfs list -Hp -r -t snapshot tank/kleene/{dataset}")),
        ""
    );
}

#[test]
fn the_snapshot_of_a_clone_goes_with_it() {
    let (world, snapshot, dataset) = world();
    for op in [
        FromHost::Take(snapshot.clone()),
        FromHost::Base {
            snapshot: snapshot.clone(),
            dataset: dataset.clone(),
        },
        FromHost::Release(snapshot),
    ] {
        let op = Op::FromHost(op);
        assert!(world.platform.would_change(&op).unwrap(), "{op}");
        world.platform.apply(&op).unwrap();
        world.platform.apply(&op).unwrap();
    }
    assert_eq!(content(&world, &dataset), "from the host");
    assert_eq!(snapshots(&world), format!("tank/base@{CONTAINER}\n"));
    world.platform.apply(&Op::DestroyDataset(dataset)).unwrap();
    assert_eq!(snapshots(&world), "");
    assert!(world.path("tank/base/file").exists());
}

#[test]
fn every_step_is_taken_back() {
    let (world, snapshot, dataset) = world();
    let take = Op::FromHost(FromHost::Take(snapshot.clone()));
    for make in [
        FromHost::Copy {
            snapshot: snapshot.clone(),
            dataset: dataset.clone(),
        },
        FromHost::Base { snapshot, dataset },
    ] {
        let make = Op::FromHost(make);
        world.platform.apply(&take).unwrap();
        world.platform.apply(&make).unwrap();
        for op in [&make, &take] {
            world.platform.apply(&op.inverse().unwrap()).unwrap();
        }
        assert_eq!(snapshots(&world), "");
        assert!(world.platform.datasets().unwrap().is_empty());
    }
}

#[test]
fn what_is_not_there_is_not_found() {
    let (world, snapshot, dataset) = world();
    let not_found = |op| {
        matches!(
            world.platform.apply(&Op::FromHost(op)),
            Err(PlatformError::NotFound { .. })
        )
    };
    assert!(not_found(FromHost::Copy {
        snapshot: snapshot.clone(),
        dataset: dataset.clone(),
    }));
    assert!(not_found(FromHost::Base {
        snapshot: snapshot.clone(),
        dataset,
    }));
    assert!(not_found(FromHost::Take(HostSnapshot {
        dataset: "tank/no".parse().unwrap(),
        ..snapshot
    })));
}
