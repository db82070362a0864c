//! The daemon ends, by a signal of the administrator's or in the middle of things, and another takes over.

use std::process::Child;
use std::thread;
use std::time::Duration;

use crate::cases::{Case, case, needing};
use crate::host::Need;
use crate::probe;
use crate::world::{World, eventually};

pub fn cases() -> Vec<Case> {
    vec![
        case("daemon: a container runs on while it is restarted", restart),
        case("daemon: a container outlives its being killed", killed),
        needing(
            &[Need::Networks, Need::Real],
            "daemon: a container is reached while none runs",
            reached,
        ),
        case("daemon: a build that its end interrupted leaves nothing", build),
        case(
            "daemon: killed in the middle of starts it loses and leaks nothing",
            starts,
        ),
        case("daemon: killed in the middle of stops it finishes them", stops),
        needing(
            &[Need::Networks],
            "daemon: killed in the middle of making networks it leaves whole ones or none",
            networks,
        ),
    ]
}

fn end(mut child: Child) {
    // Its daemon is gone: how it ends is not asked for.
    let _ = child.wait();
}

#[track_caller]
fn kill(world: &mut World) {
    if let Err(error) = world.daemon.kill() {
        panic!("{error:#}");
    }
}

#[track_caller]
fn start(world: &mut World) {
    if let Err(error) = world.daemon.start() {
        panic!("{error:#}");
    }
}

#[track_caller]
fn assert_can_be_used_and_stopped(world: &World) {
    let shown = world.klee("exec sleeper /bin/sh -c 'echo inside'").ok();
    assert!(shown.contains("\ninside\n"), "{shown}");
    world.klee("stop sleeper").ok();
    assert!(!world.runs("sleeper"));
}

fn restart(world: &mut World) {
    world.klee("run -d --name sleeper minimal /bin/sleep 1000").ok();
    if let Err(error) = world.daemon.stop() {
        panic!("{error:#}");
    }
    start(world);
    assert!(world.runs("sleeper"));
    assert_can_be_used_and_stopped(world);
}

fn killed(world: &mut World) {
    world.klee("run -d --name sleeper minimal /bin/sleep 1000").ok();
    kill(world);
    start(world);
    assert!(world.runs("sleeper"));
    assert_can_be_used_and_stopped(world);
}

fn reached(world: &mut World) {
    world
        .klee("network create -t bridge --subnet 10.213.1.0/24 lan")
        .ok();
    world
        .klee(&format!(
            "run -d --name sleeper -l vnet -n lan minimal {}",
            world.serve(80, "here")
        ))
        .ok();
    let at = world.at("sleeper", 80);
    kill(world);
    let answer = probe::ask(at);
    start(world);
    assert_eq!(answer.ok().as_deref(), Some("here"));
    assert_eq!(probe::ask(at).ok().as_deref(), Some("here"));
}

fn build(world: &mut World) {
    let context = world.context(&[("Dockerfile", "FROM minimal\nRUN exec /bin/sleep 1000\n")]);
    let images = world.list("image").len();
    let klee = world.begin(&format!("build -t built {context}"));
    eventually("the step runs", || {
        world
            .traces()
            .is_ok_and(|traces| traces.mention_process("supervise"))
    });
    kill(world);
    end(klee);
    start(world);
    assert_eq!(world.list("image").len(), images);
}

fn starts(world: &mut World) {
    world.klee("create --name keep minimal /bin/ls /").ok();
    for delay in [0, 10, 25, 50, 100, 200, 400] {
        let klee = world.begin("run -m scratch:/data minimal /bin/sleep 0.2");
        thread::sleep(Duration::from_millis(delay));
        kill(world);
        end(klee);
        start(world);
    }
    world.klee("start keep").ok();
    world.klee("run -m scratch:/data minimal /bin/ls /data").ok();
}

fn stops(world: &mut World) {
    for delay in [0, 20, 60, 150] {
        world.klee("run -d --name sleeper minimal /bin/sleep 1000").ok();
        let klee = world.begin("container stop sleeper");
        thread::sleep(Duration::from_millis(delay));
        kill(world);
        end(klee);
        start(world);
        world.klee("stop sleeper");
        assert!(!world.runs("sleeper"));
        world.klee("container rm sleeper").ok();
    }
}

fn networks(world: &mut World) {
    for (n, delay) in [0, 10, 30, 80, 160].into_iter().enumerate() {
        let klee = world.begin(&format!(
            "network create -t bridge --subnet 10.213.{n}.0/24 net{n}"
        ));
        thread::sleep(Duration::from_millis(delay));
        kill(world);
        end(klee);
        start(world);
    }
    for network in world.list("network") {
        let name = network["name"].as_str().unwrap_or_default().to_owned();
        world
            .klee(&format!("run -l vnet -n {name} minimal /bin/ls /"))
            .ok();
    }
}
