//! What is mounted in containers.

use crate::cases::{Case, case, needing};
use crate::host::Need;
use crate::world::{World, read, write};

pub fn cases() -> Vec<Case> {
    vec![
        case("volumes: they keep what containers write", volume),
        case("volumes: a directory of the host is written to", directory),
        case("volumes: what is mounted read-only is not written to", read_only),
        needing(
            &[Need::FileMounts],
            "volumes: a single file of the host is mounted",
            file,
        ),
        case("volumes: one in use is not removed", in_use),
    ]
}

fn volume(world: &mut World) {
    world.klee("volume create data").ok();
    world
        .klee("run -m data:/data minimal /bin/sh -c 'echo kept > /data/file'")
        .ok();
    let shown = world.klee("run -m data:/data minimal /bin/cat /data/file").ok();
    assert!(shown.contains("\nkept\n"), "{shown}");
}

fn directory(world: &mut World) {
    let directory = world.directory("shared");
    write(&directory.join("given"), "by the host\n");
    let shown = world
        .klee(&format!(
            "run -m {}:/mnt/deep minimal /bin/sh -c 'cat /mnt/deep/given; echo back > /mnt/deep/returned'",
            directory.display()
        ))
        .ok();
    assert!(shown.contains("\nby the host\n"), "{shown}");
    assert_eq!(read(&directory.join("returned")), "back\n");
}

fn read_only(world: &mut World) {
    let directory = world.directory("shared");
    write(&directory.join("given"), "by the host\n");
    let outcome = world.klee(&format!(
        "run -m {}:/mnt:ro minimal /bin/sh -c 'cat /mnt/given; echo no > /mnt/returned'",
        directory.display()
    ));
    assert!(!outcome.succeeded(), "{outcome}");
    assert!(outcome.stdout.contains("by the host"), "{outcome}");
    assert!(!directory.join("returned").exists());
}

fn file(world: &mut World) {
    let directory = world.directory("shared");
    write(&directory.join("given"), "by the host\n");
    let shown = world
        .klee(&format!(
            "run -m {}/given:/etc/given minimal /bin/cat /etc/given",
            directory.display()
        ))
        .ok();
    assert!(shown.contains("\nby the host\n"), "{shown}");
}

fn in_use(world: &mut World) {
    world.klee("volume create data").ok();
    world
        .klee("run -d --name sleeper -m data:/data minimal /bin/sleep 1000")
        .ok();
    world.klee("volume rm data").refused();
    assert!(world.klee("exec sleeper /bin/ls /data").succeeded());
}
