//! Containers: run, asked, stopped, removed.

use kleene_tests::Outcome;

use crate::cases::{Case, case, needing};
use crate::host::Need;
use crate::world::{World, eventually, read};

pub fn cases() -> Vec<Case> {
    vec![
        case("containers: output and success are passed on", success),
        case("containers: a failure is passed on", failure),
        case("containers: variables are set", variables),
        case("containers: exec passes output and status on", exec),
        case("containers: a terminal is one", terminal),
        needing(
            &[Need::Real],
            "containers: processes are the user's who was named",
            user,
        ),
        case(
            "containers: a jail parameter that there is not is refused",
            wrong_parameter,
        ),
        needing(
            &[Need::FreeBsd],
            "containers: a jail parameter has its effect",
            parameter,
        ),
        case("containers: stop asks processes and waits for them", stop),
        case(
            "containers: one that does not listen is stopped all the same",
            stubborn,
        ),
        case("containers: what was written is there after a restart", restart),
        case("containers: one that runs is removed by force only", remove),
        case("containers: prune removes those that do not run", prune),
        case("containers: ten at once", many),
    ]
}

fn success(world: &mut World) {
    let shown = world
        .klee("run minimal /bin/sh -c 'echo hello; echo words >&2'")
        .ok();
    assert!(shown.contains("\nhello\nwords\n"), "{shown}");
}

fn failure(world: &mut World) {
    let outcome = world.klee("run minimal /bin/sh -c 'echo before; exit 7'");
    assert!(outcome.stdout.contains("before\n"), "{outcome}");
    // jail(8) tells that it failed, but not how.
    let expected = if world.host.is_freebsd() { 1 } else { 7 };
    assert_eq!(outcome.code, Some(expected), "{outcome}");
}

fn variables(world: &mut World) {
    let shown = world
        .klee("run -e 'A=1 2' -e B=3 minimal /bin/sh -c 'echo \"<$A><$B>\"'")
        .ok();
    assert!(shown.contains("<1 2><3>"), "{shown}");
}

fn exec(world: &mut World) {
    world.klee("run -d --name sleeper minimal /bin/sleep 1000").ok();
    let shown = world.klee("exec sleeper /bin/sh -c 'echo inside'").ok();
    assert!(shown.contains("\ninside\n"), "{shown}");
    let outcome = world.klee("exec sleeper /bin/sh -c 'exit 7'");
    assert_eq!(outcome.code, Some(7), "{outcome}");
    assert!(world.runs("sleeper"));
}

fn terminal(world: &mut World) {
    let shown = world
        .klee("run -t minimal /bin/sh -c 'test -t 0 && test -t 1 && echo both'")
        .ok();
    assert!(shown.contains("both"), "{shown}");
    let shown = world.klee("run minimal /bin/sh -c 'test -t 1 || echo none'").ok();
    assert!(shown.contains("none"), "{shown}");
}

fn user(world: &mut World) {
    let shown = world.klee("run -u nobody minimal /usr/bin/id -u").ok();
    assert!(shown.contains("\n65534\n"), "{shown}");
    let refusal: Outcome = world.klee("run -u nosuchuser minimal /usr/bin/id -u");
    assert!(
        !refusal.succeeded() && refusal.to_string().contains("nosuchuser"),
        "{refusal}"
    );
}

fn wrong_parameter(world: &mut World) {
    let refusal = world.klee("run -J no.such.parameter=1 minimal /bin/ls").refused();
    assert!(refusal.contains("no.such.parameter"), "{refusal}");
}

fn parameter(world: &mut World) {
    let shown = world
        .klee("run -J exec.start='echo prepared' minimal /bin/sh -c 'echo begun'")
        .ok();
    assert!(shown.contains("prepared\nbegun\n"), "{shown}");
}

/// A container that writes a file to a directory of the host when it is asked to end.
fn run_listener(world: &World, name: &str, on_term: &str) -> std::path::PathBuf {
    let directory = world.directory(name);
    let script = format!("trap \"{on_term}\" TERM; echo > /data/ready; while :; do sleep 0.1; done");
    world
        .klee(&format!(
            "run -d --name {name} -m {}:/data minimal /bin/sh -c '{script}'",
            directory.display()
        ))
        .ok();
    eventually("the container is ready", || directory.join("ready").exists());
    directory
}

fn stop(world: &mut World) {
    let directory = run_listener(world, "listener", "echo asked > /data/asked; exit 0");
    world.klee("stop listener").ok();
    assert!(!world.runs("listener"));
    assert_eq!(read(&directory.join("asked")), "asked\n");
}

fn stubborn(world: &mut World) {
    run_listener(world, "stubborn", "");
    world.klee("stop stubborn").ok();
    assert!(!world.runs("stubborn"));
}

fn restart(world: &mut World) {
    world
        .klee("run --name writer minimal /bin/sh -c 'echo x >> /count; cat /count'")
        .ok();
    let shown = world.klee("start writer").ok();
    assert!(shown.contains("x\nx\n"), "{shown}");
    world.klee("run -d --name sleeper minimal /bin/sleep 1000").ok();
    world.klee("restart sleeper").ok();
    assert!(world.runs("sleeper"));
}

fn remove(world: &mut World) {
    world.klee("run -d --name sleeper minimal /bin/sleep 1000").ok();
    world.klee("container rm sleeper").refused();
    assert!(world.runs("sleeper"));
    world.klee("container rm -f sleeper").ok();
    assert!(world.list("container").is_empty());
}

fn prune(world: &mut World) {
    world.klee("run -d --name sleeper minimal /bin/sleep 1000").ok();
    world.klee("create --name idle minimal /bin/sleep 1").ok();
    world.klee("create -P --name kept minimal /bin/sleep 1").ok();
    world.klee("container prune -f").ok();
    let mut names: Vec<_> = world
        .list("container")
        .iter()
        .filter_map(|container| Some(container["name"].as_str()?.to_owned()))
        .collect();
    names.sort();
    assert_eq!(names, ["kept", "sleeper"]);
}

fn many(world: &mut World) {
    let world = &*world;
    std::thread::scope(|scope| {
        let runs: Vec<_> = (0..10)
            .map(|n| {
                scope.spawn(move || {
                    world.klee(&format!("run --name c{n} minimal /bin/sh -c 'echo number {n}'"))
                })
            })
            .collect();
        for (n, run) in runs.into_iter().enumerate() {
            match run.join() {
                Ok(outcome) => {
                    let shown = outcome.ok();
                    assert!(shown.contains(&format!("\nnumber {n}\n")), "{shown}");
                }
                Err(_) => panic!("klee could not be run"),
            }
        }
    });
    assert_eq!(world.list("container").len(), 10);
}
