//! Execution instances: commands in containers, and who is told what of them.

use kleene_api::{ContainerConfig, ExecConfig};
use kleene_plan::ExitStatus;
use kleene_supervisor::Input;

use crate::world::{
    World, command, eventually, is_running, refusal, run, sleeper, start, subscriber, texts, to_the_end,
};

#[test]
fn the_first_process_of_a_container_takes_it_along() {
    let world = World::new();
    let engine = world.open();
    world.base(&engine);
    engine.create_container(&sleeper("web")).unwrap();
    let (output, status, container_ended) = run(&engine, &command("web", &["echo", "hello"])).unwrap();
    assert_eq!(output, "hello\n");
    assert_eq!(status, ExitStatus::Code(0));
    assert!(container_ended);
    assert!(!is_running(&engine, "web"));
}

#[test]
fn a_further_process_ends_alone() {
    let world = World::new();
    let engine = world.open();
    world.base(&engine);
    engine.create_container(&sleeper("web")).unwrap();
    start(&engine, "web").unwrap();
    let (_, status, container_ended) = run(&engine, &command("web", &["exit", "7"])).unwrap();
    assert_eq!(status, ExitStatus::Code(7));
    assert!(!container_ended);
    assert!(is_running(&engine, "web"));
}

#[test]
fn an_end_by_a_signal_is_told_as_such() {
    let world = World::new();
    let engine = world.open();
    world.base(&engine);
    engine.create_container(&sleeper("web")).unwrap();
    let (_, status, _) = run(&engine, &command("web", &["crash", "11"])).unwrap();
    assert_eq!(status, ExitStatus::Signal(11));
    assert_eq!(status.code(), 139);
}

#[test]
fn the_environment_of_a_command_lies_over_that_of_its_container() {
    let world = World::new();
    let engine = world.open();
    world.base(&engine);
    engine
        .create_container(&ContainerConfig {
            env: texts(&["A=1", "B=2"]),
            ..sleeper("web")
        })
        .unwrap();
    let config = ExecConfig {
        env: texts(&["B=3"]),
        ..command("web", &["env"])
    };
    let (output, _, _) = run(&engine, &config).unwrap();
    assert_eq!(output, "A=1\nB=3\n");
}

#[test]
fn a_command_without_words_is_the_container_s_own() {
    let world = World::new();
    let engine = world.open();
    world.base(&engine);
    engine
        .create_container(&ContainerConfig {
            cmd: texts(&["echo", "own"]),
            ..sleeper("web")
        })
        .unwrap();
    assert_eq!(run(&engine, &command("web", &[])).unwrap().0, "own\n");
}

#[test]
fn a_stopped_container_is_only_started_if_that_is_wanted() {
    let world = World::new();
    let engine = world.open();
    world.base(&engine);
    engine.create_container(&sleeper("web")).unwrap();
    let exec = engine.create_exec(&command("web", &[])).unwrap();
    assert_eq!(
        refusal(engine.start_exec(exec.as_str(), false, None)),
        "cannot start container when 'start_container' is false."
    );
}

#[test]
fn an_instance_runs_once() {
    let world = World::new();
    let engine = world.open();
    world.base(&engine);
    engine.create_container(&sleeper("web")).unwrap();
    let exec = start(&engine, "web").unwrap();
    assert_eq!(
        refusal(engine.start_exec(exec.as_str(), true, None)),
        "executable already started"
    );
}

#[test]
fn unknown_containers_and_instances_are_refused() {
    let world = World::new();
    let engine = world.open();
    assert_eq!(
        refusal(engine.create_exec(&command("nope", &[]))),
        "container not found"
    );
    for given in ["nope", "0a1b2c3d4e5f"] {
        let expected = format!("could not find execution instance matching '{given}'");
        assert_eq!(refusal(engine.start_exec(given, true, None)), expected);
        assert_eq!(refusal(engine.stop_exec(given, false, true)), expected);
    }
}

#[test]
fn a_program_that_does_not_exist_leaves_the_container_stopped_and_nothing_behind() {
    let world = World::new();
    let engine = world.open();
    world.base(&engine);
    engine.create_container(&sleeper("web")).unwrap();
    let before = world.sim.inventory();
    assert_eq!(
        refusal(run(&engine, &command("web", &["nginx"]))),
        "'nginx' was not found"
    );
    assert_eq!(world.sim.inventory().since(&before), "");
    assert!(!is_running(&engine, "web"));
    assert!(crate::world::names_in(&world.run_dir()).is_empty());
    start(&engine, "web").unwrap();
    assert_eq!(
        refusal(run(&engine, &command("web", &["nginx"]))),
        "'nginx' was not found"
    );
    assert!(is_running(&engine, "web"));
}

#[test]
fn input_reaches_the_process_and_its_end_ends_it() {
    let world = World::new();
    let engine = world.open();
    world.base(&engine);
    engine.create_container(&sleeper("web")).unwrap();
    let exec = engine.create_exec(&command("web", &["cat"])).unwrap();
    let (told, events) = subscriber();
    engine.start_exec(exec.as_str(), true, Some(told)).unwrap();
    engine
        .exec_input(exec.as_str(), &Input::Stdin(b"hello".to_vec()))
        .unwrap();
    engine.exec_input(exec.as_str(), &Input::CloseStdin).unwrap();
    assert_eq!(
        to_the_end(&events),
        ("hello".to_owned(), ExitStatus::Code(0), true)
    );
}

#[test]
fn an_instance_is_stopped_alone_or_with_its_container() {
    let world = World::new();
    let engine = world.open();
    world.base(&engine);
    engine.create_container(&sleeper("web")).unwrap();
    start(&engine, "web").unwrap();
    let begin = || {
        let exec = engine.create_exec(&command("web", &["sleep"])).unwrap();
        assert_eq!(
            refusal(engine.stop_exec(exec.as_str(), false, false)),
            "execution instance have not been started"
        );
        engine.start_exec(exec.as_str(), false, None).unwrap();
        exec
    };
    let exec = begin();
    assert_eq!(engine.stop_exec(exec.as_str(), false, false).unwrap(), exec);
    assert!(is_running(&engine, "web"));
    let exec = begin();
    assert_eq!(engine.stop_exec(exec.as_str(), false, true).unwrap(), exec);
    assert!(!is_running(&engine, "web"));
}

#[test]
fn force_ends_what_ignores_requests() {
    let world = World::new();
    let engine = world.open();
    world.base(&engine);
    engine.create_container(&sleeper("web")).unwrap();
    start(&engine, "web").unwrap();
    let exec = engine.create_exec(&command("web", &["stubborn"])).unwrap();
    engine.start_exec(exec.as_str(), false, None).unwrap();
    engine.stop_exec(exec.as_str(), true, false).unwrap();
}

#[test]
fn when_a_client_goes_the_first_process_runs_on_and_others_are_asked_to_end() {
    let world = World::new();
    let engine = world.open();
    world.base(&engine);
    engine.create_container(&sleeper("web")).unwrap();
    let first = start(&engine, "web").unwrap();
    let exec = engine.create_exec(&command("web", &["sleep"])).unwrap();
    let (told, events) = subscriber();
    engine.start_exec(exec.as_str(), false, Some(told)).unwrap();
    engine.exec_client_gone(exec.as_str());
    assert_eq!(to_the_end(&events).1, ExitStatus::Signal(15));
    engine.exec_client_gone(first.as_str());
    assert!(is_running(&engine, "web"));
}

#[test]
fn what_the_first_process_prints_is_in_the_log() {
    let world = World::new();
    let engine = world.open();
    world.base(&engine);
    let id = engine.create_container(&sleeper("web")).unwrap();
    run(&engine, &command("web", &["echo", "logged"])).unwrap();
    let log = std::fs::read_to_string(world.state_dir().join(format!("log/{id}.log"))).unwrap();
    assert!(log.contains("logged"), "{log}");
}

#[test]
fn the_files_of_supervisors_go_with_their_processes() {
    let world = World::new();
    let engine = world.open();
    world.base(&engine);
    let id = engine.create_container(&sleeper("web")).unwrap();
    let first = start(&engine, "web").unwrap();
    run(&engine, &command("web", &["true"])).unwrap();
    let of_container = world.run_dir().join(id.as_str());
    eventually("only the first process has files", || {
        crate::world::names_in(&of_container) == [first.to_string()]
    });
    engine.stop_container("web").unwrap();
    eventually("no process has files", || {
        crate::world::names_in(&world.run_dir()).is_empty()
    });
}
