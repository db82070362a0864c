//! Images: made from programs of the host, built, tagged, removed.

use crate::cases::{Case, case, needing};
use crate::host::{Need, Tool};
use crate::world::World;

pub fn cases() -> Vec<Case> {
    vec![
        case("images: a base image of programs of the host", base_image),
        case("images: a build runs, copies and sets", build),
        case("images: a container of a snapshot of a build", snapshot),
        case("images: a build that fails names its step", failing_build),
        case("images: an image gets another name and its own again", tags),
        case(
            "images: one that containers are made of is not removed",
            used_image,
        ),
        case("images: prune removes those without a tag", prune),
        needing(
            &[Need::FreeBsd],
            "images: a dataset of the host is copied, and cloned until the image goes",
            host_dataset,
        ),
    ]
}

fn base_image(world: &mut World) {
    let programs = world.programs();
    world
        .klee(&format!("image create -t base:1 host {programs}"))
        .ok();
    let shown = world.klee("run base:1 /bin/ls /bin/sh").ok();
    assert!(shown.contains("/bin/sh"), "{shown}");
    let refusal = world
        .klee("image create -t other host --bin /no/such/program")
        .refused();
    assert!(refusal.contains("/no/such/program"), "{refusal}");
}

fn build(world: &mut World) {
    let context = world.context(&[
        ("page", "from the context\n"),
        (
            "Dockerfile",
            "FROM minimal\nARG WHO=nobody\nENV GREETING=\"hello from the build\"\nCOPY page /srv/page\n\
             RUN echo \"$GREETING\" >> /srv/page\nCMD [\"/bin/cat\", \"/srv/page\"]\n",
        ),
    ]);
    let log = world.klee(&format!("build -t site {context}")).ok();
    assert!(log.contains("image created"), "{log}");
    let shown = world.klee("run site").ok();
    assert!(
        shown.contains("from the context\nhello from the build\n"),
        "{shown}"
    );
}

fn snapshot(world: &mut World) {
    let context = world.context(&[(
        "Dockerfile",
        "FROM minimal\nRUN echo first > /first\nRUN echo second > /second\n",
    )]);
    world.klee(&format!("build -t steps {context}")).ok();
    let image = world.inspect("image", "steps");
    // A list of instructions, each with its snapshot.
    let snapshot = image["instructions"][1][1].as_str().unwrap_or_default();
    assert!(
        snapshot.starts_with('@'),
        "no snapshot of the first step in {image}"
    );
    let shown = world.klee(&format!("run steps{snapshot} /bin/ls /")).ok();
    assert!(shown.contains("first") && !shown.contains("second"), "{shown}");
}

fn failing_build(world: &mut World) {
    let context = world.context(&[("Dockerfile", "FROM minimal\nRUN exit 3\nRUN echo never\n")]);
    let log = world.klee(&format!("build -t broken {context}")).refused();
    assert!(log.contains("Step 2/3") && !log.contains("Step 3/3"), "{log}");
}

fn tags(world: &mut World) {
    let id = world.inspect("image", "minimal")["id"].clone();
    world.klee("image tag minimal other:2").ok();
    assert_eq!(world.inspect("image", "other:2")["id"], id);
    world.klee("image tag other:2 minimal").ok();
    assert_eq!(world.inspect("image", "minimal")["id"], id);
}

fn used_image(world: &mut World) {
    let context = world.context(&[("Dockerfile", "FROM minimal\nRUN echo made > /made\n")]);
    world.klee(&format!("build -t parent {context}")).ok();
    world.klee("create --name child parent /bin/cat /made").ok();
    world.klee("image rm parent").refused();
    let shown = world.klee("start child").ok();
    assert!(shown.contains("made"), "{shown}");
    world.klee("container rm child").ok();
    world.klee("image rm parent").ok();
}

fn prune(world: &mut World) {
    let build = |world: &World, file: &str| {
        let dockerfile = format!("FROM minimal\nRUN echo once > /{file}\n");
        let context = world.context(&[("Dockerfile", dockerfile.as_str())]);
        world.klee(&format!("build -t again {context}")).ok();
        world.inspect("image", "again")["id"].clone()
    };
    let first = build(world, "first");
    let second = build(world, "second");
    world.klee("image prune -f").ok();
    let left = world.list("image");
    assert!(left.iter().all(|image| image["id"] != first), "{left:?}");
    assert!(left.iter().any(|image| image["id"] == second), "{left:?}");
}

/// The dataset is that of an image, since it has programs in it.
fn host_dataset(world: &mut World) {
    let id = world.inspect("image", "minimal")["id"].clone();
    let dataset = format!("{}/image/{}", world.root(), id.as_str().unwrap_or_default());
    let snapshots = |world: &World| {
        let list = ["list", "-Hp", "-o", "name", "-r", "-t", "snapshot", &dataset];
        match world.host.run(Tool::Zfs, &list) {
            Ok(names) => names.lines().count(),
            Err(error) => panic!("{error:#}"),
        }
    };
    let before = snapshots(world);
    for (method, kept) in [("zfs-copy", 0), ("zfs-clone", 1)] {
        world
            .klee(&format!("image create -t of-host {method} {dataset}"))
            .ok();
        assert_eq!(snapshots(world), before + kept, "{method}");
        let shown = world.klee("run --name user of-host /bin/ls /bin/sh").ok();
        assert!(shown.contains("/bin/sh"), "{shown}");
        world.klee("container rm user").ok();
        world.klee("image rm of-host").ok();
        assert_eq!(snapshots(world), before, "{method}");
    }
    let refusal = world
        .klee("image create -t of-host zfs-copy no/such/dataset")
        .refused();
    assert!(refusal.contains("invalid dataset"), "{refusal}");
}
