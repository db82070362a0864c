//! Datasets: names, dependents, mounts, contents.

use std::fs;

use kleene_platform::{Platform, PlatformError, Usage};

use crate::fixtures::*;

#[test]
fn what_is_written_into_a_mounted_dataset_is_there_after_mounting_it_again() {
    let sim = after(&[create("volumes/v"), mount("volumes/v")]);
    let mountpoint = sim.mountpoint(&dataset("volumes/v")).unwrap();
    fs::write(mountpoint.join("file"), "text").unwrap();
    sim.apply(&unmount("volumes/v")).unwrap();
    assert!(!mountpoint.exists());
    assert_eq!(
        fs::read_to_string(sim.files_of(&dataset("volumes/v")).unwrap().join("file")).unwrap(),
        "text"
    );
    sim.apply(&mount("volumes/v")).unwrap();
    assert_eq!(fs::read_to_string(mountpoint.join("file")).unwrap(), "text");
}

#[test]
fn a_clone_has_the_content_of_its_snapshot_and_not_what_came_later() {
    let sim = after(&[create("image/a"), mount("image/a")]);
    let image = sim.mountpoint(&dataset("image/a")).unwrap();
    fs::create_dir(image.join("etc")).unwrap();
    fs::write(image.join("etc/early"), "").unwrap();
    std::os::unix::fs::symlink("/etc/passwd", image.join("etc/link")).unwrap();
    sim.apply(&take("image/a@image")).unwrap();
    fs::write(image.join("etc/late"), "").unwrap();
    sim.apply(&clone("image/a@image", "container/c")).unwrap();
    sim.apply(&mount("container/c")).unwrap();
    let container = sim.mountpoint(&dataset("container/c")).unwrap();
    assert!(container.join("etc/early").exists());
    assert_eq!(
        fs::read_link(container.join("etc/link")).unwrap().to_str(),
        Some("/etc/passwd")
    );
    assert!(!container.join("etc/late").exists());
}

#[test]
fn a_name_that_stands_for_something_else_is_a_conflict() {
    let sim = after(&[
        create("image/a"),
        take("image/a@x"),
        take("image/a@y"),
        clone("image/a@x", "container/c"),
    ]);
    let taken = "dataset container/c exists already and does not belong to Kleene; choose another name or remove it \
                 yourself";
    assert_eq!(refusal(&sim, &create("container/c")), taken);
    assert_eq!(refusal(&sim, &clone("image/a@y", "container/c")), taken);
    assert_eq!(refusal(&sim, &rename("image/a", "container/c")), taken);
    assert!(sim.would_change(&create("container/c")).is_err());
}

#[test]
fn what_has_clones_cannot_be_destroyed_and_names_them() {
    let sim = after(&[
        create("image/a"),
        take("image/a@x"),
        clone("image/a@x", "image/b"),
        take("image/b@x"),
    ]);
    sim.apply(&clone("image/b@x", "container/c")).unwrap();
    assert_eq!(
        refusal(&sim, &destroy("image/a")),
        "dataset image/a has dependents: image/b"
    );
    assert_eq!(
        refusal(&sim, &kleene_plan::Op::DestroySnapshot(snapshot("image/b@x"))),
        "snapshot image/b@x has dependents: container/c"
    );
    assert_eq!(
        sim.dependents(&dataset("image/a")).unwrap(),
        [dataset("container/c"), dataset("image/b")],
        "directly and through others"
    );
    for name in ["container/c", "image/b", "image/a"] {
        sim.apply(&destroy(name)).unwrap();
    }
    assert_eq!(sim.datasets().unwrap(), []);
}

#[test]
fn clones_follow_a_dataset_under_its_new_name() {
    let sim = after(&[
        create("container/c"),
        mount("container/c"),
        take("container/c@x"),
        clone("container/c@x", "container/d"),
        rename("container/c", "image/i"),
    ]);
    insta::assert_snapshot!(sim.inventory(), @r"
    address 127.0.0.1/8 on lo0
    address 192.0.2.2/24 on em0
    address ::1/128 on lo0
    dataset container/d: clone of image/i@x
    dataset image/i: mounted
    interface em0: interface, not ours
    interface lo0: interface, not ours
    snapshot image/i@x
    ");
    assert_eq!(
        refusal(&sim, &destroy("image/i")),
        "dataset image/i has dependents: container/d"
    );
}

#[test]
fn what_is_in_use_is_busy() {
    let sim = after(&[create("volumes/v"), mount("volumes/v")]);
    sim.occupy(&dataset("volumes/v"));
    for op in [
        unmount("volumes/v"),
        destroy("volumes/v"),
        rename("volumes/v", "volumes/w"),
    ] {
        assert_eq!(
            refusal(&sim, &op),
            "dataset volumes/v is busy: a process works in it"
        );
    }
    sim.vacate(&dataset("volumes/v"));
    sim.apply(&destroy("volumes/v")).unwrap();
}

#[test]
fn what_is_not_there_is_named() {
    let sim = after(&[create("image/a")]);
    assert_eq!(refusal(&sim, &mount("image/b")), "dataset image/b does not exist");
    assert_eq!(
        refusal(&sim, &take("image/b@x")),
        "dataset image/b does not exist"
    );
    assert_eq!(
        refusal(&sim, &clone("image/a@x", "container/c")),
        "snapshot image/a@x does not exist"
    );
    assert_eq!(
        refusal(&sim, &rename("image/b", "image/c")),
        "dataset image/b does not exist"
    );
    assert!(matches!(
        sim.usage(&dataset("image/b")),
        Err(PlatformError::NotFound { .. })
    ));
}

#[test]
fn absence_of_what_is_absent_is_a_success() {
    let sim = after(&[create("image/a")]);
    for op in [
        destroy("image/b"),
        unmount("image/b"),
        kleene_plan::Op::DestroySnapshot(snapshot("image/a@x")),
    ] {
        assert!(!sim.would_change(&op).unwrap());
        sim.apply(&op).unwrap();
    }
}

#[test]
fn a_clone_uses_only_what_its_snapshot_does_not_have() {
    let sim = after(&[create("image/a"), mount("image/a")]);
    fs::write(
        sim.mountpoint(&dataset("image/a")).unwrap().join("big"),
        [0; 1000],
    )
    .unwrap();
    for op in [
        take("image/a@x"),
        clone("image/a@x", "container/c"),
        mount("container/c"),
    ] {
        sim.apply(&op).unwrap();
    }
    fs::write(
        sim.mountpoint(&dataset("container/c")).unwrap().join("small"),
        [0; 10],
    )
    .unwrap();
    assert_eq!(
        sim.usage(&dataset("container/c")).unwrap(),
        Usage {
            used: 10,
            referenced: 1010
        }
    );
    assert_eq!(
        sim.usage(&dataset("image/a")).unwrap(),
        Usage {
            used: 1000,
            referenced: 1000
        }
    );
}
