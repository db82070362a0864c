//! Datasets, with dependants and busy states.

use kleene_plan::{DatasetName, Op};
use kleene_platform::{Platform, PlatformError};

use crate::world::{CONTAINER, World, id};

fn name(text: &str) -> DatasetName {
    text.parse().unwrap()
}

#[test]
fn what_is_there_already_changes_nothing() {
    let world = World::new();
    let snapshot = name("volumes/data").snapshot("first").unwrap();
    let clone = |dataset| Op::CloneDataset {
        snapshot: snapshot.clone(),
        dataset,
    };
    for op in [
        Op::CreateDataset(name("volumes/data")),
        Op::MountDataset(name("volumes/data")),
        Op::SetQuota {
            dataset: name("volumes/data"),
            bytes: Some(1 << 20),
        },
        Op::CreateSnapshot(snapshot.clone()),
        clone(name("volumes/copy")),
        clone(name("plugin/of/depth")),
        Op::RenameDataset {
            from: name("volumes/copy"),
            to: name("volumes/renamed"),
        },
        Op::PromoteDataset {
            dataset: name("volumes/renamed"),
            over: name("volumes/data"),
        },
        Op::PromoteDataset {
            dataset: name("volumes/data"),
            over: name("volumes/renamed"),
        },
        Op::UnmountDataset(name("volumes/data")),
        Op::DestroyDataset(name("volumes/renamed")),
        Op::DestroyDataset(name("plugin/of/depth")),
        Op::DestroySnapshot(snapshot.clone()),
        Op::DestroyDataset(name("volumes/data")),
    ] {
        assert!(world.platform.would_change(&op).unwrap(), "{op}");
        world.platform.apply(&op).unwrap();
        assert!(!world.platform.would_change(&op).unwrap(), "{op}");
        world.platform.apply(&op).unwrap();
    }
    assert_eq!(
        world.tool("zfs list -Hp -r tank/kleene/volumes"),
        "tank/kleene/volumes\n"
    );
}

#[test]
fn another_dataset_of_the_name_is_a_conflict() {
    let world = World::new();
    world.container();
    let create = Op::CreateDataset(DatasetName::container(&id(CONTAINER)));
    let conflict = |result| matches!(result, Err(PlatformError::Conflict { .. }));
    assert!(conflict(world.platform.would_change(&create).map(drop)));
    assert!(conflict(world.platform.apply(&create)));
    let rename = Op::RenameDataset {
        from: DatasetName::container(&id(CONTAINER)),
        to: name("image/1mage0000000"),
    };
    assert!(conflict(world.platform.apply(&rename)));
}

#[test]
fn an_image_with_containers_is_not_destroyed() {
    let world = World::new();
    world.container();
    let image = name("image/1mage0000000");
    let clone = DatasetName::container(&id(CONTAINER));
    assert_eq!(
        world.platform.dependents(&image).unwrap(),
        std::slice::from_ref(&clone)
    );
    for op in [
        Op::DestroyDataset(image.clone()),
        Op::DestroySnapshot(image.snapshot("image").unwrap()),
    ] {
        match world.platform.apply(&op) {
            Err(PlatformError::HasDependents { dependents, .. }) => {
                assert_eq!(dependents, [clone.to_string()]);
            }
            other => panic!("{op}: {other:?}"),
        }
    }
}

#[test]
fn a_dataset_that_is_used_is_busy() {
    let world = World::new();
    let root = world.container();
    let mut user = std::process::Command::new("sleep")
        .arg("100")
        .current_dir(&root)
        .spawn()
        .unwrap();
    let dataset = DatasetName::container(&id(CONTAINER));
    for op in [Op::UnmountDataset(dataset.clone()), Op::DestroyDataset(dataset)] {
        assert!(
            matches!(world.platform.apply(&op), Err(PlatformError::Busy { .. })),
            "{op}"
        );
    }
    user.kill().unwrap();
    user.wait().unwrap();
}

#[test]
fn what_is_mounted_in_a_dataset_saves_it_from_being_destroyed() {
    let world = World::new();
    let root = world.container();
    let (data, mnt) = (world.path("data"), root.join("mnt"));
    std::fs::create_dir_all(&data).unwrap();
    std::fs::create_dir_all(&mnt).unwrap();
    world.tool(&format!("mount_nullfs {} {}", data.display(), mnt.display()));
    let dataset = DatasetName::container(&id(CONTAINER));
    let error = world
        .platform
        .apply(&Op::DestroyDataset(dataset.clone()))
        .unwrap_err();
    assert!(
        error
            .to_string()
            .contains(&format!("is mounted at {}", mnt.display())),
        "{error}"
    );
    world
        .platform
        .apply(&Op::UnmountDataset(dataset.clone()))
        .unwrap();
    world.platform.apply(&Op::DestroyDataset(dataset)).unwrap();
    assert!(data.exists());
}

#[test]
fn datasets_are_listed_with_their_snapshots_in_order() {
    let world = World::new();
    world.container();
    let image = name("image/1mage0000000");
    for snapshot in ["zzz", "aaa"] {
        world
            .apply(Op::CreateSnapshot(image.snapshot(snapshot).unwrap()))
            .unwrap();
    }
    let datasets = world.platform.datasets().unwrap();
    let names: Vec<_> = datasets.iter().map(|info| info.name.as_str()).collect();
    assert_eq!(names, ["container/c0ffee001122", "image/1mage0000000"]);
    assert_eq!(datasets[0].origin, Some(image.snapshot("image").unwrap()));
    assert!(datasets[0].mounted && !datasets[1].mounted);
    assert_eq!(datasets[1].snapshots, ["image", "zzz", "aaa"]);
}
