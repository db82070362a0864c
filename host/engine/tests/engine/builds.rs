//! Builds: what a Dockerfile does to an image, what is told while it does, and what a failure leaves.

use std::fs;
use std::time::Duration;

use kleene_api::{ContainerConfig, ImageBuildConfig, NetworkDriver};
use kleene_engine::{BuildError, BuildEvent, Cancel, Engine};
use kleene_plan::Id;

use crate::record::{Record, without_ids};
use crate::world::{World, bridge, command, endpoint, run, sleeper};

pub fn config(world: &World, dockerfile: &str) -> ImageBuildConfig {
    let context = world.scratch("context");
    fs::write(context.join("Dockerfile"), dockerfile).unwrap();
    ImageBuildConfig {
        buildargs: Default::default(),
        cache: false,
        cleanup: true,
        container_config: ContainerConfig {
            network_driver: NetworkDriver::Host,
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

/// Builds, and returns what was told, with all ids alike.
pub fn build(engine: &Engine, config: &ImageBuildConfig) -> (Result<Id, BuildError>, String) {
    let mut told = String::new();
    let result = engine.build_image(config, &Cancel::new(), &mut |event| {
        let line = match event {
            BuildEvent::Started { .. } => "started".to_owned(),
            BuildEvent::Step { index, total, line } => format!("Step {index}/{total} : {line}"),
            BuildEvent::Output(bytes) => String::from_utf8(bytes).unwrap().trim_end().to_owned(),
            BuildEvent::Cached(id) => format!("--> Using cache: @{id}"),
            BuildEvent::Note(line) => line,
            BuildEvent::Snapshot(id) => format!("--> Snapshot created: @{id}"),
            BuildEvent::ParentImage(image) => format!("Using user-supplied parent image: '{image}'"),
            BuildEvent::Error(problem) => problem.to_string(),
        };
        told.push_str(&line);
        told.push('\n');
    });
    (result, without_ids(&told))
}

pub fn prepared() -> (World, Engine) {
    let world = World::new();
    let engine = world.open();
    world.base(&engine);
    (world, engine)
}

/// The files a container of the image would have.
pub fn path_in(world: &World, image: &Id, path: &str) -> std::path::PathBuf {
    world.files_of(&format!("image/{image}")).join(path)
}

#[test]
fn a_build_tells_its_steps_and_makes_an_image() {
    let (world, engine) = prepared();
    let dockerfile = "FROM base\nENV A=1\nUSER www\nRUN [\"touch\", \"/made\"]\nCMD echo $A\n";
    let (result, told) = build(&engine, &config(&world, dockerfile));
    let id = result.unwrap();
    insta::assert_snapshot!(told, @r#"
    started
    Step 1/5 : FROM base
    Step 2/5 : ENV A=1
    Step 3/5 : USER www
    Step 4/5 : RUN ["touch", "/made"]
    --> Snapshot created: @<id>
    Step 5/5 : CMD echo $A
    "#);
    let image = engine.inspect_image("built").unwrap();
    assert_eq!(image.id, id.to_string());
    assert_eq!(image.cmd, ["/bin/sh", "-c", "echo $A"]);
    assert_eq!(
        (image.env.as_slice(), image.user.as_str()),
        (&["A=1".to_owned()][..], "www")
    );
    let lines: Vec<_> = image.instructions.iter().map(|line| line.0.as_str()).collect();
    assert_eq!(
        lines,
        [
            "FROM base",
            "ENV A=1",
            "USER www",
            "RUN [\"touch\", \"/made\"]",
            "CMD echo $A"
        ]
    );
    assert!(image.instructions[3].1.starts_with('@') && image.instructions[2].1.is_empty());
    assert!(path_in(&world, &id, "made").is_file());
    // Nothing of the build itself is left.
    assert!(engine.containers(true).unwrap().is_empty());
    assert!(Record::of(&world).unfinished().is_empty());
}

#[test]
fn arguments_are_for_the_build_and_variables_for_the_image() {
    let (world, engine) = prepared();
    let dockerfile = "ARG TAG=none\nFROM ${TAG}\nARG V=v1\nENV W=${V}\nRUN [\"env\"]\n";
    let mut config = config(&world, dockerfile);
    config.buildargs.insert("TAG".to_owned(), "base".to_owned());
    let (result, told) = build(&engine, &config);
    result.unwrap();
    assert!(told.contains("TAG=base\nV=v1\nW=v1\n"), "{told}");
    assert_eq!(engine.inspect_image("built").unwrap().env, ["W=v1"]);
}

#[test]
fn files_are_copied_below_the_working_directory() {
    let (world, engine) = prepared();
    let config = config(
        &world,
        "FROM base\nWORKDIR /work\nWORKDIR sub\nCOPY a.txt b.txt dir/\nCOPY a.txt /top\n",
    );
    let context = world.scratch("context");
    fs::write(context.join("a.txt"), "a").unwrap();
    fs::write(context.join("b.txt"), "b").unwrap();
    let (result, told) = build(&engine, &config);
    let id = result.unwrap_or_else(|error| panic!("{error}: {told}"));
    assert_eq!(
        world.listing(&format!("image/{id}"), "work/sub/dir"),
        ["a.txt", "b.txt"]
    );
    assert!(path_in(&world, &id, "top").is_file());
}

#[test]
fn a_snapshot_of_a_build_is_an_image_of_its_own() {
    let (world, engine) = prepared();
    let (result, _) = build(
        &engine,
        &config(
            &world,
            "FROM base\nRUN [\"touch\", \"/one\"]\nRUN [\"touch\", \"/two\"]\n",
        ),
    );
    result.unwrap();
    let first = engine.inspect_image("built").unwrap().instructions[1].1.clone();
    let of = |image: String, name: &str| ContainerConfig {
        image: Some(image),
        ..sleeper(name)
    };
    let id = engine
        .create_container(&of(format!("built{first}"), "early"))
        .unwrap();
    let names = world.listing(&format!("container/{id}"), "");
    assert!(
        names.contains(&"one".to_owned()) && !names.contains(&"two".to_owned()),
        "{names:?}"
    );

    let (result, told) = build(
        &engine,
        &config(&world, &format!("FROM built{first}\nCMD [\"true\"]\n")),
    );
    result.unwrap_or_else(|error| panic!("{error}: {told}"));
    let (result, told) = build(&engine, &config(&world, "FROM base@0123456789ab\n"));
    assert_eq!(result.unwrap_err(), BuildError::Failed { kept: None });
    assert!(told.ends_with("error: invalid snapshot @<id>\n"), "{told}");
}

#[test]
fn what_is_wrong_with_a_dockerfile_is_said_before_anything_begins() {
    let (world, engine) = prepared();
    let before = world.sim.inventory();
    let wrong = |dockerfile: &str| match build(&engine, &config(&world, dockerfile)) {
        (Err(BuildError::Dockerfile(message)), told) => {
            assert_eq!(told, "");
            message.to_string()
        }
        other => panic!("{other:?}"),
    };
    assert_eq!(
        wrong("FROM base\nCOYP a b\n"),
        "error in 'COYP a b': invalid instruction"
    );
    assert_eq!(
        wrong("RUN true\nFROM base\n"),
        "'RUN true' not permitted before a FROM instruction"
    );
    let refused = |config: &ImageBuildConfig| match build(&engine, config).0.unwrap_err() {
        BuildError::Dockerfile(problem) => (problem.to_string(), problem.diagnostic().message.clone()),
        other => panic!("{other:?}"),
    };
    let mut missing = config(&world, "");
    missing.dockerfile = "Nope".to_owned();
    assert_eq!(
        refused(&missing),
        (
            format!("Could not open Docker file {}/Nope: :enoent", missing.context),
            "the build context has no file 'Nope': --file names another".to_owned()
        )
    );
    missing.context = "/nowhere".to_owned();
    assert_eq!(
        refused(&missing),
        (
            "Could not open Docker file /nowhere/Nope: :enoent".to_owned(),
            "there is no directory '/nowhere' on the daemon's host to build from".to_owned()
        )
    );
    let mut badly_named = config(&world, "FROM base\n");
    badly_named.tag = "a b".to_owned();
    let (line, message) = refused(&badly_named);
    assert_eq!(message, format!("--tag: {line}"));
    assert_eq!(world.sim.inventory().since(&before), "");
}

#[test]
fn a_failing_command_fails_the_build_and_leaves_nothing() {
    let (world, engine) = prepared();
    let before = Record::of(&world);
    let (result, told) = build(
        &engine,
        &config(&world, "FROM base\nRUN [\"touch\", \"/made\"]\nRUN exit 3\n"),
    );
    assert_eq!(result.unwrap_err(), BuildError::Failed { kept: None });
    assert!(
        told.ends_with(
            "Step 3/3 : RUN exit 3\nThe command '/bin/sh -c exit 3' returned a non-zero code: 3\n"
        ),
        "{told}"
    );
    assert_eq!(Record::of(&world), before);
}

#[test]
fn a_missing_parent_fails_the_build() {
    let (world, engine) = prepared();
    let mut config = config(&world, "FROM nope\n");
    config.cleanup = false;
    let (result, told) = build(&engine, &config);
    // Nothing was begun, so that there is nothing to keep.
    assert_eq!(result.unwrap_err(), BuildError::Failed { kept: None });
    assert!(told.ends_with("error: could not find image nope\n"), "{told}");
}

#[test]
fn a_failed_build_can_be_kept_to_be_looked_into() {
    let (world, engine) = prepared();
    let mut config = config(&world, "FROM base\nRUN [\"touch\", \"/made\"]\nRUN exit 3\n");
    config.cleanup = false;
    let Err(BuildError::Failed {
        kept: Some(Some(last)),
    }) = build(&engine, &config).0
    else {
        panic!("not kept");
    };
    let kept = engine.inspect_image("built:failed").unwrap();
    assert_eq!(kept.instructions[1].1, format!("@{last}"));
    assert_eq!(
        (kept.instructions[2].0.as_str(), kept.instructions[2].1.as_str()),
        ("RUN exit 3", "")
    );
    assert!(path_in(&world, &kept.id.parse().unwrap(), "made").is_file());
    assert!(engine.containers(true).unwrap().is_empty());
    assert!(Record::of(&world).unfinished().is_empty());
}

#[test]
fn a_kept_build_without_a_name_is_untagged() {
    let (world, engine) = prepared();
    let mut config = config(&world, "FROM base\nRUN false\n");
    config.cleanup = false;
    config.tag = String::new();
    assert_eq!(
        build(&engine, &config).0.unwrap_err(),
        BuildError::Failed { kept: Some(None) }
    );
    assert_eq!(engine.prune_images(false).unwrap().len(), 1);
}

#[test]
fn a_cancelled_build_ends_its_command_and_leaves_nothing() {
    let (world, engine) = prepared();
    let before = Record::of(&world);
    let cancel = Cancel::new();
    let config = config(&world, "FROM base\nRUN [\"sleep\"]\n");
    let result = std::thread::scope(|scope| {
        let building = scope.spawn(|| engine.build_image(&config, &cancel, &mut |_| {}));
        crate::world::eventually("the command runs", || {
            engine.containers(false).is_ok_and(|running| running.len() == 1)
        });
        std::thread::sleep(Duration::from_millis(20));
        cancel.cancel();
        building.join().unwrap()
    });
    assert_eq!(result.unwrap_err(), BuildError::Failed { kept: None });
    assert_eq!(Record::of(&world), before);
}

#[test]
fn an_image_with_children_cannot_be_removed_before_them() {
    let (world, engine) = prepared();
    let base = engine.inspect_image("base").unwrap().id;
    let child = build(&engine, &config(&world, "FROM base\n")).0.unwrap();
    assert_eq!(
        crate::world::refusal(engine.remove_image("base")),
        format!("could not remove image {base} since it is used for images:\n{child}")
    );
    let parent_first: Vec<_> = [base, child.to_string()].map(|id| id.parse().unwrap()).to_vec();
    assert_eq!(engine.prune_images(true).unwrap(), parent_first);
}

#[test]
fn a_build_runs_in_the_networks_of_its_request() {
    let (world, engine) = prepared();
    engine.create_network(&bridge("net", "10.1.0.0/24")).unwrap();
    let before = world.sim.inventory();
    let mut config = config(&world, "FROM base\nRUN true\n");
    config.container_config.network_driver = NetworkDriver::Vnet;
    config.networks = vec![endpoint("", "net")];
    let (result, told) = build(&engine, &config);
    let id = result.unwrap_or_else(|error| panic!("{error}: {told}"));
    assert!(
        engine
            .inspect_network("net")
            .unwrap()
            .network_endpoints
            .is_empty()
    );
    let changes = world.sim.inventory().since(&before);
    assert!(
        changes.lines().all(|line| line.contains(id.as_str())),
        "{changes}"
    );
    config.networks = vec![endpoint("", "nope")];
    let (result, told) = build(&engine, &config);
    assert_eq!(result.unwrap_err(), BuildError::Failed { kept: None });
    assert!(told.ends_with("error: network not found\n"), "{told}");
}

#[test]
fn the_parent_can_be_given_with_the_request() {
    let (world, engine) = prepared();
    let mut config = config(&world, "FROM nope\n");
    config.container_config.image = Some("base".to_owned());
    let (result, told) = build(&engine, &config);
    result.unwrap();
    assert!(
        told.contains("Using user-supplied parent image: 'base'\n"),
        "{told}"
    );
}

#[test]
fn containers_of_a_built_image_run_its_command() {
    let (world, engine) = prepared();
    build(&engine, &config(&world, "FROM base\nENV A=1\nCMD [\"env\"]\n"))
        .0
        .unwrap();
    let config = ContainerConfig {
        image: Some("built".to_owned()),
        cmd: Vec::new(),
        ..sleeper("web")
    };
    engine.create_container(&config).unwrap();
    assert_eq!(run(&engine, &command("web", &[])).unwrap().0, "A=1\n");
}
