//! The cache of builds: what is taken from earlier builds, what is not, and what that means for their images.

use std::fs;

use kleene_api::{ContainerConfig, ImageBuildConfig, NetworkDriver};
use kleene_engine::{BuildError, BuildEvent, Cancel, Engine};
use kleene_plan::Id;

use crate::builds::{build, config, path_in, prepared};
use crate::record::Record;
use crate::world::{World, command, refusal, run, sleeper};

const DOCKERFILE: &str =
    "FROM base\nCOPY file /file\nRUN [\"touch\", \"/one\"]\nWORKDIR /work/deep\nRUN [\"touch\", \"/two\"]\n";

/// The same as the others ask for, with the cache, and the context's file.
fn cached(world: &World, dockerfile: &str) -> ImageBuildConfig {
    let config = ImageBuildConfig {
        cache: true,
        ..config(world, dockerfile)
    };
    let file = world.scratch("context").join("file");
    if !file.exists() {
        fs::write(file, "content").unwrap();
    }
    config
}

#[track_caller]
fn built(engine: &Engine, config: &ImageBuildConfig) -> (Id, String) {
    let (result, told) = build(engine, config);
    (result.unwrap_or_else(|error| panic!("{error}: {told}")), told)
}

/// How many steps were found.
fn hits(told: &str) -> usize {
    told.matches("--> Using cache: @<id>\n--> Snapshot created: @<id>\n")
        .count()
}

#[test]
fn a_second_build_does_nothing_again_and_is_an_image_of_its_own() {
    let (world, engine) = prepared();
    let (first, told) = built(&engine, &cached(&world, DOCKERFILE));
    assert_eq!(hits(&told), 0, "{told}");
    let (second, told) = built(&engine, &cached(&world, DOCKERFILE));
    insta::assert_snapshot!(told, @r#"
    started
    Step 1/5 : FROM base
    Step 2/5 : COPY file /file
    --> Using cache: @<id>
    --> Snapshot created: @<id>
    Step 3/5 : RUN ["touch", "/one"]
    --> Using cache: @<id>
    --> Snapshot created: @<id>
    Step 4/5 : WORKDIR /work/deep
    Step 5/5 : RUN ["touch", "/two"]
    --> Using cache: @<id>
    --> Snapshot created: @<id>
    "#);
    assert_ne!(first, second);
    for file in ["file", "one", "two", "work/deep"] {
        assert!(path_in(&world, &second, file).exists(), "{file}");
    }
    let [older, newer] = [&first, &second].map(|id| engine.inspect_image(id.as_str()).unwrap());
    assert_eq!(older.instructions, newer.instructions);
    assert_eq!((older.name.as_str(), newer.name.as_str()), ("", "built"));
    assert!(Record::of(&world).unfinished().is_empty());
    assert!(engine.containers(true).unwrap().is_empty());
}

#[test]
fn a_changed_file_is_built_from_there_and_a_touched_one_is_not() {
    let (world, engine) = prepared();
    let dockerfile = "FROM base\nRUN [\"touch\", \"/one\"]\nCOPY file /file\nRUN [\"touch\", \"/two\"]\n";
    built(&engine, &cached(&world, dockerfile));
    let file = world.scratch("context").join("file");
    fs::remove_file(&file).unwrap();
    fs::write(&file, "content").unwrap();
    let (_, told) = built(&engine, &cached(&world, dockerfile));
    assert_eq!(hits(&told), 3, "{told}");
    fs::write(&file, "other").unwrap();
    let (id, told) = built(&engine, &cached(&world, dockerfile));
    assert_eq!(hits(&told), 1, "{told}");
    assert_eq!(fs::read_to_string(path_in(&world, &id, "file")).unwrap(), "other");
    fs::write(&file, "content").unwrap();
    let (id, told) = built(&engine, &cached(&world, dockerfile));
    assert_eq!(hits(&told), 3, "both are remembered: {told}");
    assert_eq!(
        fs::read_to_string(path_in(&world, &id, "file")).unwrap(),
        "content"
    );
}

#[test]
fn whatever_a_command_sees_makes_another_step_of_it() {
    let (world, engine) = prepared();
    let plain = cached(&world, "FROM base\nARG V=1\nRUN [\"touch\", \"/one\"]\n");
    built(&engine, &plain);
    assert_eq!(hits(&built(&engine, &plain).1), 1);
    let mut other = plain.clone();
    other.buildargs.insert("V".to_owned(), "2".to_owned());
    assert_eq!(hits(&built(&engine, &other).1), 0);
    let other = ImageBuildConfig {
        container_config: ContainerConfig {
            network_driver: NetworkDriver::Disabled,
            ..plain.container_config.clone()
        },
        ..plain.clone()
    };
    assert_eq!(hits(&built(&engine, &other).1), 0);
    let other = cached(
        &world,
        "FROM base\nARG V=1\nWORKDIR /x\nRUN [\"touch\", \"/one\"]\n",
    );
    assert_eq!(hits(&built(&engine, &other).1), 0);
    let other = cached(
        &world,
        "FROM base\nARG V=1\nUSER www\nRUN [\"touch\", \"/one\"]\n",
    );
    assert_eq!(hits(&built(&engine, &other).1), 0);
}

#[test]
fn who_does_not_ask_for_the_cache_gets_everything_done_and_remembered() {
    let (world, engine) = prepared();
    built(&engine, &cached(&world, DOCKERFILE));
    let fresh = ImageBuildConfig {
        cache: false,
        ..cached(&world, DOCKERFILE)
    };
    let (fresh, told) = built(&engine, &fresh);
    assert_eq!(hits(&told), 0, "{told}");
    built(&engine, &cached(&world, DOCKERFILE));
    // The latest is what later builds are made from.
    assert_eq!(
        engine.inspect_image("built").unwrap().instructions,
        engine.inspect_image(fresh.as_str()).unwrap().instructions
    );
}

#[test]
fn a_failed_build_that_was_kept_need_not_be_done_again() {
    let (world, engine) = prepared();
    let failing = ImageBuildConfig {
        cleanup: false,
        ..cached(&world, "FROM base\nRUN [\"touch\", \"/one\"]\nRUN exit 3\n")
    };
    let Err(BuildError::Failed { kept: Some(Some(_)) }) = build(&engine, &failing).0 else {
        panic!("not kept");
    };
    // What fails after steps from the cache has nothing of its own but is there to be looked into, too.
    let (result, told) = build(&engine, &failing);
    assert_eq!(hits(&told), 1, "{told}");
    let Err(BuildError::Failed {
        kept: Some(Some(last)),
    }) = result
    else {
        panic!("not kept");
    };
    let kept = engine.inspect_image("built:failed").unwrap();
    assert_eq!(kept.instructions[1].1, format!("@{last}"));
    let config = ContainerConfig {
        image: Some(format!("built:failed@{last}")),
        ..sleeper("look")
    };
    let id = engine.create_container(&config).unwrap();
    assert!(world.files_of(&format!("container/{id}")).join("one").is_file());
    engine.remove_container("look").unwrap();

    let (_, told) = built(
        &engine,
        &cached(
            &world,
            "FROM base\nRUN [\"touch\", \"/one\"]\nRUN [\"touch\", \"/two\"]\n",
        ),
    );
    assert_eq!(hits(&told), 1, "{told}");
}

#[test]
fn a_build_that_fails_at_a_cached_position_leaves_nothing_if_told_so() {
    let (world, engine) = prepared();
    built(&engine, &cached(&world, "FROM base\nRUN [\"touch\", \"/one\"]\n"));
    let before = Record::of(&world);
    for end in [
        "RUN exit 3\n",
        "COPY nothing /\n",
        "WORKDIR /etc/passwd\nRUN [\"true\"]\n",
    ] {
        let failing = cached(&world, &format!("FROM base\nRUN [\"touch\", \"/one\"]\n{end}"));
        let (result, told) = build(&engine, &failing);
        assert_eq!(result.unwrap_err(), BuildError::Failed { kept: None }, "{told}");
        assert_eq!(hits(&told), 1, "{told}");
        assert_eq!(Record::of(&world), before, "{end}");
    }
}

#[test]
fn an_image_whose_steps_a_newer_one_uses_stays_until_that_is_gone() {
    let (world, engine) = prepared();
    let (older, _) = built(&engine, &cached(&world, DOCKERFILE));
    let (newer, _) = built(&engine, &cached(&world, DOCKERFILE));
    assert_eq!(
        refusal(engine.remove_image(older.as_str())),
        format!("could not remove image {older} since it is used for images:\n{newer}")
    );
    assert!(engine.prune_images(false).unwrap().is_empty());
    engine.remove_image(newer.as_str()).unwrap();
    assert_eq!(engine.prune_images(false).unwrap(), [older]);
    // With the image goes what is remembered of it.
    let (_, told) = built(&engine, &cached(&world, DOCKERFILE));
    assert_eq!(hits(&told), 0, "{told}");
}

#[test]
fn an_image_cannot_be_taken_away_from_under_a_build() {
    let (world, engine) = prepared();
    let dockerfile = "FROM base\nRUN [\"touch\", \"/one\"]\nRUN [\"touch\", \"/two\"]\n";
    let (older, _) = built(&engine, &cached(&world, "FROM base\nRUN [\"touch\", \"/one\"]\n"));
    let mut refusals = Vec::new();
    engine
        .build_image(&cached(&world, dockerfile), &Cancel::new(), &mut |event| {
            if let BuildEvent::Cached(_) = event {
                refusals.push(refusal(engine.remove_image(older.as_str())));
                assert!(engine.prune_images(true).unwrap().is_empty());
            }
        })
        .unwrap();
    assert_eq!(refusals.len(), 1);
}

#[test]
fn a_container_of_an_image_from_the_cache_runs() {
    let (world, engine) = prepared();
    let dockerfile = "FROM base\nENV A=1\nRUN [\"touch\", \"/one\"]\nCMD [\"env\"]\n";
    built(&engine, &cached(&world, dockerfile));
    built(&engine, &cached(&world, dockerfile));
    let config = ContainerConfig {
        image: Some("built".to_owned()),
        cmd: Vec::new(),
        ..sleeper("web")
    };
    engine.create_container(&config).unwrap();
    assert_eq!(run(&engine, &command("web", &[])).unwrap().0, "A=1\n");
}

#[test]
fn what_is_wrong_with_a_request_is_said_even_if_everything_is_cached() {
    let (world, engine) = prepared();
    let config = cached(&world, DOCKERFILE);
    built(&engine, &config);
    let wrong = ImageBuildConfig {
        networks: vec![crate::world::endpoint("", "nope")],
        ..config
    };
    let (result, told) = build(&engine, &wrong);
    assert_eq!(result.unwrap_err(), BuildError::Failed { kept: None });
    assert!(told.ends_with("error: network not found\n"), "{told}");
}

#[test]
fn a_daemon_that_starts_anew_remembers() {
    let (world, engine) = prepared();
    built(&engine, &cached(&world, DOCKERFILE));
    drop(engine);
    let engine = world.restart();
    let (_, told) = built(&engine, &cached(&world, DOCKERFILE));
    assert_eq!(hits(&told), 3, "{told}");
}
