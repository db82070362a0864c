//! Builds in stages: which are built, beside each other or one after the other, what goes from one to the other, and
//! what is left of them.

use std::fs;
use std::time::Duration;

use kleene_api::ImageBuildConfig;
use kleene_engine::{BuildError, BuildEvent, Cancel, Engine};
use kleene_plan::Id;

use crate::builds::{build, config, path_in, prepared};
use crate::record::Record;
use crate::world::{World, eventually};

fn cached(world: &World, dockerfile: &str) -> ImageBuildConfig {
    ImageBuildConfig {
        cache: true,
        ..config(world, dockerfile)
    }
}

#[track_caller]
fn built(engine: &Engine, config: &ImageBuildConfig) -> (Id, String) {
    let (result, told) = build(engine, config);
    (result.unwrap_or_else(|error| panic!("{error}: {told}")), told)
}

const TWO: &str = "FROM base AS tools\nRUN [\"touch\", \"/tool\"]\nFROM base\nCOPY --from=tools /tool /bin/tool\nCOPY --from=0 /tool /bin/again\n";

#[test]
fn files_come_from_another_stage_and_nothing_else_does() {
    let (world, engine) = prepared();
    let before = engine.images().unwrap().len();
    let (id, told) = built(&engine, &config(&world, TWO));
    insta::assert_snapshot!(told, @r#"
    started
    Step 1/5 : FROM base AS tools
    Step 2/5 : RUN ["touch", "/tool"]
    --> Snapshot created: @<id>
    Step 3/5 : FROM base
    Step 4/5 : COPY --from=tools /tool /bin/tool
    --> Snapshot created: @<id>
    Step 5/5 : COPY --from=0 /tool /bin/again
    --> Snapshot created: @<id>
    "#);
    assert!(path_in(&world, &id, "bin/tool").is_file() && path_in(&world, &id, "bin/again").is_file());
    assert!(!path_in(&world, &id, "tool").exists());
    // Without the cache, stages that only gave files are gone.
    assert_eq!(engine.images().unwrap().len(), before + 1);
    assert!(engine.containers(true).unwrap().is_empty());
    assert!(Record::of(&world).unfinished().is_empty());
    let lines: Vec<_> = engine.inspect_image("built").unwrap().instructions;
    assert_eq!(lines.len(), 3);
}

#[test]
fn with_the_cache_stages_stay_as_images_without_a_name() {
    let (world, engine) = prepared();
    built(&engine, &cached(&world, TWO));
    let untagged = |engine: &Engine| {
        let images = engine.images().unwrap().into_iter();
        images.filter(|image| image.name.is_empty()).count()
    };
    assert_eq!(untagged(&engine), 1);
    let (id, told) = built(&engine, &cached(&world, TWO));
    assert_eq!(told.matches("--> Using cache").count(), 3, "{told}");
    assert!(path_in(&world, &id, "bin/tool").is_file());
    // Fully cached, no stage is made again; the older of the two images has lost its name.
    assert_eq!(untagged(&engine), 2);
    assert_eq!(
        engine.prune_images(false).unwrap().len(),
        1,
        "the stage; the older image is used"
    );
}

#[test]
fn a_stage_that_comes_to_the_same_result_in_another_way_changes_nothing_after_it() {
    let (world, engine) = prepared();
    built(&engine, &cached(&world, TWO));
    let other = TWO.replace("RUN [\"touch\", \"/tool\"]", "RUN touch /tool");
    let (_, told) = built(&engine, &cached(&world, &other));
    assert_eq!(told.matches("--> Using cache").count(), 2, "{told}");
}

#[test]
fn a_stage_continues_another_with_all_its_settings() {
    let (world, engine) = prepared();
    let dockerfile = "FROM base AS one\nENV A=1\nLABEL l=1\nWORKDIR /work\nUSER www\nENTRYPOINT [\"echo\"]\nCMD [\"x\"]\nEXPOSE 80\n\
        RUN [\"touch\", \"/one\"]\nFROM one AS two\nRUN [\"env\"]\nFROM two\nENV B=2\nLABEL m=2\n";
    for config in [
        config(&world, dockerfile),
        cached(&world, dockerfile),
        cached(&world, dockerfile),
    ] {
        let (id, _) = built(&engine, &config);
        assert!(path_in(&world, &id, "one").is_file());
        assert!(path_in(&world, &id, "work").is_dir());
        let image = engine.inspect_image("built").unwrap();
        assert_eq!(image.env, ["A=1", "B=2"]);
        assert_eq!(
            (image.user.as_str(), image.cmd.as_slice()),
            ("www", &["x".to_owned()][..])
        );
        let settings = image.settings;
        assert_eq!(settings.entrypoint, ["echo"]);
        assert_eq!(settings.working_dir.as_deref(), Some("/work"));
        assert_eq!(settings.labels.len(), 2);
        assert!(settings.exposed_ports.contains("80/tcp"));
    }
    // What the image is made from stays, cache or not, and goes after it.
    engine.remove_image("built").unwrap();
    engine.prune_images(false).unwrap();
    assert_eq!(engine.images().unwrap().len(), 1, "only the base");
}

#[test]
fn an_entrypoint_forgets_the_command_of_the_parent_and_not_its_own() {
    let (world, engine) = prepared();
    built(&engine, &config(&world, "FROM base\nENTRYPOINT [\"echo\"]\n"));
    assert!(engine.inspect_image("built").unwrap().cmd.is_empty());
    built(
        &engine,
        &config(&world, "FROM base\nCMD [\"x\"]\nENTRYPOINT [\"echo\"]\n"),
    );
    assert_eq!(engine.inspect_image("built").unwrap().cmd, ["x"]);
}

#[test]
fn all_settings_reach_the_image() {
    let (world, engine) = prepared();
    let dockerfile = "FROM base\nVOLUME /data\nSTOPSIGNAL SIGINT\nSHELL [\"/bin/sh\", \"-c\"]\n\
        HEALTHCHECK --interval=5s --retries=3 CMD true\n";
    built(&engine, &config(&world, dockerfile));
    let settings = engine.inspect_image("built").unwrap().settings;
    assert!(settings.volumes.contains("/data"));
    assert_eq!(settings.stop_signal.as_deref(), Some("SIGINT"));
    assert_eq!(settings.shell, ["/bin/sh", "-c"]);
    let check = settings.healthcheck.unwrap();
    assert_eq!(
        (check.test.as_slice(), check.interval, check.retries),
        (
            &["CMD-SHELL".to_owned(), "true".to_owned()][..],
            Some(5_000_000_000),
            Some(3)
        )
    );
}

#[test]
fn a_script_that_fails_is_told_by_the_instruction_as_it_is_written() {
    let (world, engine) = prepared();
    let (result, told) = build(&engine, &config(&world, "FROM base\nRUN <<EOF\nexit 3\nEOF\n"));
    result.unwrap_err();
    assert!(
        told.ends_with("The command 'RUN <<EOF' returned a non-zero code: 3\n"),
        "{told}"
    );
}

#[test]
fn only_what_the_target_needs_is_built() {
    let (world, engine) = prepared();
    let dockerfile = "FROM base AS one\nRUN [\"touch\", \"/one\"]\nFROM nowhere AS two\nRUN exit 1\nFROM base AS three\nCOPY --from=one /one /x\nFROM two\n";
    let wanted = |target: &str| ImageBuildConfig {
        target: target.to_owned(),
        ..config(&world, dockerfile)
    };
    let (id, told) = built(&engine, &wanted("three"));
    assert!(path_in(&world, &id, "x").is_file());
    assert!(
        told.contains("\nSkipping stage 'two': stage 'three' does not need it\n"),
        "{told}"
    );
    assert!(!told.contains("nowhere"), "{told}");
    let (id, _) = built(&engine, &wanted("0"));
    assert!(path_in(&world, &id, "one").is_file());
    assert_eq!(
        build(&engine, &wanted("four")).0.unwrap_err().to_string(),
        "the Dockerfile has no stage 'four': its stages are one, two, three"
    );
}

#[test]
fn independent_stages_run_beside_each_other_and_are_told_one_after_the_other() {
    if std::thread::available_parallelism().map_or(1, usize::from) < 2 {
        return;
    }
    let (world, engine) = prepared();
    let dockerfile = "FROM base AS one\nRUN [\"echo\", \"first\"]\nRUN [\"sleep\"]\nFROM base AS two\nRUN [\"echo\", \"second\"]\nRUN [\"sleep\"]\n\
        FROM base\nCOPY --from=one /data /1\nCOPY --from=two /data /2\n";
    let before = Record::of(&world);
    let config = config(&world, dockerfile);
    let cancel = Cancel::new();
    let (result, told) = std::thread::scope(|scope| {
        let building = scope.spawn(|| {
            let mut told = Vec::new();
            let result = engine.build_image(&config, &cancel, &mut |event| told.push(format!("{event:?}")));
            (result, told)
        });
        eventually("both stages run at once", || {
            engine.containers(false).is_ok_and(|running| running.len() == 2)
        });
        std::thread::sleep(Duration::from_millis(20));
        cancel.cancel();
        building.join().unwrap()
    });
    assert_eq!(result.unwrap_err(), BuildError::Failed { kept: None });
    let told = told.concat();
    let steps: Vec<_> = (1..=6)
        .filter_map(|step| told.find(&format!("index: {step},")))
        .collect();
    assert!(steps.len() >= 5 && steps.is_sorted(), "{steps:?} {told}");
    // Whoever gives up leaves nothing of any stage.
    assert_eq!(Record::of(&world), before);
}

#[test]
fn a_stage_that_fails_stops_the_others() {
    let (world, engine) = prepared();
    let before = Record::of(&world);
    let dockerfile = "FROM base AS one\nRUN [\"sleep\"]\nFROM base AS two\nRUN [\"touch\", \"/made\"]\nRUN exit 7\nFROM base\nCOPY --from=one /x /\nCOPY --from=two /x /\n";
    let (result, told) = build(&engine, &config(&world, dockerfile));
    assert_eq!(result.unwrap_err(), BuildError::Failed { kept: None });
    assert!(
        told.ends_with("The command '/bin/sh -c exit 7' returned a non-zero code: 7\n"),
        "{told}"
    );
    assert!(
        told.contains("\nStopped, because another stage failed\n"),
        "{told}"
    );
    assert_eq!(Record::of(&world), before);
    // The one that failed is what there is to look into.
    let kept = ImageBuildConfig {
        cleanup: false,
        ..config(&world, dockerfile)
    };
    let Err(BuildError::Failed { kept: Some(Some(_)) }) = build(&engine, &kept).0 else {
        panic!("not kept");
    };
    let image = engine.inspect_image("built:failed").unwrap();
    assert_eq!(image.instructions.last().unwrap().0, "RUN exit 7");
    assert!(path_in(&world, &image.id.parse().unwrap(), "made").is_file());
    assert!(engine.containers(true).unwrap().is_empty());
}

#[test]
fn a_stage_that_failed_is_kept_as_the_image_that_was_announced_and_its_steps_are_found_again() {
    let (world, engine) = prepared();
    let dockerfile = |code: &str| {
        format!(
            "FROM base AS tools\nRUN [\"touch\", \"/one\"]\nRUN [\"touch\", \"/two\"]\nRUN exit {code}\n\
             FROM base\nRUN [\"touch\", \"/three\"]\nCOPY --from=tools /two /\n"
        )
    };
    let config = ImageBuildConfig {
        cleanup: false,
        ..cached(&world, &dockerfile("7"))
    };
    let mut announced = None;
    let result = engine.build_image(&config, &Cancel::new(), &mut |event| {
        if let BuildEvent::Started { image } = event {
            announced = Some(image);
        }
    });
    let Err(BuildError::Failed {
        kept: Some(Some(last)),
    }) = result
    else {
        panic!("not kept: {result:?}");
    };
    let failed = engine.inspect_image("built:failed").unwrap();
    assert_eq!(Some(failed.id.parse().unwrap()), announced);
    assert!(path_in(&world, &announced.unwrap(), "two").is_file());
    // It can be gone on from: its snapshots are where its name says.
    let reference = format!("built:failed@{last}");
    built(
        &engine,
        &cached(&world, &format!("FROM {reference}\nRUN [\"touch\", \"/four\"]\n")),
    );

    let (_, told) = built(&engine, &cached(&world, &dockerfile("0")));
    assert_eq!(told.matches("--> Using cache").count(), 2, "{told}");
}

#[test]
fn the_platform_is_known_in_from_and_in_a_stage_after_arg() {
    let (world, engine) = prepared();
    let dockerfile = "ARG OF=${TARGETARCH:+base}\nFROM ${OF} AS one\nRUN [\"env\"]\n\
        FROM one\nARG TARGETPLATFORM\nARG TARGETOS BUILDARCH\nRUN [\"env\"]\n";
    let mut config = config(&world, dockerfile);
    config.buildargs.insert("BUILDARCH".to_owned(), "vax".to_owned());
    let (_, told) = built(&engine, &config);
    let os = std::env::consts::OS;
    assert_eq!(told.matches("TARGETOS=").count(), 1, "{told}");
    for line in [
        format!("\nTARGETOS={os}\n"),
        format!("\nTARGETPLATFORM={os}/"),
        "\nBUILDARCH=vax\n".to_owned(),
    ] {
        assert!(told.contains(&line), "{told}");
    }
    // What 0.1.1 understood means what it meant there.
    let classic = cached(&world, "FROM base\nARG TARGETARCH\nRUN [\"env\"]\n");
    let (_, told) = built(&engine, &classic);
    assert!(told.contains("TARGETARCH=\n"), "{told}");
}

#[test]
fn files_come_from_images_and_their_snapshots() {
    let (world, engine) = prepared();
    built(
        &engine,
        &config(
            &world,
            "FROM base\nRUN [\"touch\", \"/one\"]\nRUN [\"touch\", \"/two\"]\n",
        ),
    );
    let first = engine.inspect_image("built").unwrap().instructions[1].1.clone();
    let both = |reference: &str| format!("FROM base\nCOPY --from={reference} /data/hello /one /x/\n");
    let (id, _) = built(&engine, &config(&world, &both(&format!("built{first}"))));
    assert_eq!(world.listing(&format!("image/{id}"), "x"), ["hello", "one"]);
    let (result, told) = build(&engine, &config(&world, &both("nope")));
    assert!(
        result.is_err() && told.ends_with("error: could not find image nope\n"),
        "{told}"
    );
    let (result, told) = build(&engine, &config(&world, "FROM base\nCOPY --from=base /nope /\n"));
    assert!(
        result.is_err() && told.contains("COPY source /nope matches no file"),
        "{told}"
    );
    assert!(engine.containers(true).unwrap().is_empty());
}

#[test]
fn scratch_is_an_image_without_a_file() {
    let (world, engine) = prepared();
    let dockerfile = "FROM base AS tools\nFROM scratch\nCOPY --from=tools /data /data\n";
    let (id, _) = built(&engine, &config(&world, dockerfile));
    assert_eq!(world.listing(&format!("image/{id}"), ""), ["data"]);
    let (_, told) = built(&engine, &cached(&world, dockerfile));
    let (_, again) = built(&engine, &cached(&world, dockerfile));
    assert_eq!(
        (
            told.matches("Using cache").count(),
            again.matches("Using cache").count()
        ),
        (1, 1),
        "{told}{again}"
    );
    // An image of that name is that image.
    built(&engine, &{
        let mut config = config(&world, "FROM base\nRUN [\"touch\", \"/own\"]\n");
        config.tag = "scratch".to_owned();
        config
    });
    let (id, _) = built(&engine, &config(&world, "FROM scratch\nRUN [\"true\"]\n"));
    assert!(path_in(&world, &id, "own").is_file());
    engine.prune_images(true).unwrap();
    assert!(engine.images().unwrap().is_empty());
}

#[test]
fn dockerignore_hides_files_of_the_context() {
    let (world, engine) = prepared();
    let config = cached(&world, "FROM base\nCOPY . /all\n");
    let context = world.scratch("context");
    fs::create_dir_all(context.join("logs")).unwrap();
    for file in ["kept", "secret.env", "logs/1", "logs/keep"] {
        fs::write(context.join(file), file).unwrap();
    }
    fs::write(
        context.join(".dockerignore"),
        "*.env\nlogs\n!logs/keep\nDockerfile\n.dockerignore\n",
    )
    .unwrap();
    let (id, _) = built(&engine, &config);
    let all = format!("image/{id}");
    assert_eq!(world.listing(&all, "all"), ["kept", "logs"]);
    assert_eq!(world.listing(&all, "all/logs"), ["keep"]);
    // What is hidden changes nothing.
    fs::write(context.join("logs/1"), "changed").unwrap();
    let (_, told) = built(&engine, &config);
    assert!(told.contains("Using cache"), "{told}");
    fs::write(context.join(".dockerignore"), "[a\n").unwrap();
    let (result, told) = build(&engine, &config);
    assert!(matches!(result, Err(BuildError::Dockerfile(_))), "{result:?}");
    assert_eq!(told, "");
}

#[test]
fn a_daemon_that_dies_leaves_no_stage() {
    let (world, engine) = prepared();
    let before = Record::of(&world);
    let dockerfile = "FROM base AS one\nRUN [\"touch\", \"/one\"]\nFROM one AS two\nRUN [\"touch\", \"/two\"]\nFROM two\nRUN [\"sleep\"]\n";
    let config = cached(&world, dockerfile);
    let building = engine.clone();
    // A daemon that dies does not cancel: this thread waits for its command until the process of the test ends.
    std::thread::spawn(move || building.build_image(&config, &Cancel::new(), &mut |_| {}));
    eventually("the last stage runs", || {
        engine.containers(true).is_ok_and(|all| all.len() == 3)
            && engine.containers(false).is_ok_and(|running| running.len() == 1)
    });
    world.restart();
    assert_eq!(Record::of(&world), before);
}
