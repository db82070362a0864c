//! §1.1: what takes long is answered before the original client gives up.

use std::thread;
use std::time::{Duration, Instant};

use serde_json::json;

use crate::daemon::{Daemon, failure};

/// The read timeout of every REST call of the original client.
pub const PATIENCE: Duration = Duration::from_secs(5);

/// A program that ignores TERM.
const DEAF: [&str; 3] = [
    "/bin/sh",
    "-c",
    "trap '' TERM; echo deaf; while :; do /bin/busybox sleep 1; done",
];

#[test]
fn a_prune_of_many() {
    let daemon = Daemon::with_image();
    for number in 0..60 {
        daemon.container(&format!("n{number}"), json!({}));
    }
    let answer = daemon.post("/containers/prune");
    assert_eq!(answer.success(200).as_array().unwrap().len(), 60);
    assert!(answer.elapsed < PATIENCE, "{:?}", answer.elapsed);
}

#[test]
fn a_stop_of_a_deaf_container_beside_which_others_are_served() {
    let daemon = Daemon::with_image();
    daemon.container("deaf", json!({"cmd": DEAF}));
    let mut conversation = daemon.attach(&daemon.exec("deaf", &[]));
    conversation.hear_until("deaf");
    thread::scope(|scope| {
        let stopping = scope.spawn(|| daemon.post("/containers/deaf/stop"));
        let began = Instant::now();
        assert!(daemon.is_running("deaf"));
        assert!(began.elapsed() < Duration::from_secs(2));
        let answer = stopping.join().unwrap();
        assert_eq!(answer.status, 200, "{}", answer.text());
        assert!(answer.elapsed < PATIENCE, "{:?}", answer.elapsed);
    });
    assert!(!daemon.is_running("deaf"));
}

#[test]
fn a_stop_with_a_timeout_kills_when_it_has_passed_and_no_earlier() {
    let daemon = Daemon::with_image();
    let orderly = "trap '/bin/busybox sleep 4; echo > /orderly; exit' TERM; echo ready; while :; do /bin/busybox sleep 0.1; done";
    for (name, script, timeout, least) in [("deaf", DEAF[2], 1, 1), ("orderly", orderly, 60, 4)] {
        daemon.container(name, json!({"cmd": ["/bin/sh", "-c", script]}));
        let mut conversation = daemon.attach(&daemon.exec(name, &[]));
        conversation.hear_until("\n");
        let answer = daemon.post(&format!("/containers/{name}/stop?timeout={timeout}"));
        assert_eq!(answer.status, 200, "{}", answer.text());
        let range = Duration::from_secs(least)..Duration::from_secs(least) + PATIENCE;
        assert!(range.contains(&answer.elapsed), "{name}: {:?}", answer.elapsed);
        assert!(!daemon.is_running(name));
    }
    let orderly = json!({"cmd": ["/bin/busybox", "ls", "/orderly"]});
    daemon.send("/containers/orderly/update", &orderly).id(201);
    let (listed, _) = daemon.attach(&daemon.exec("orderly", &[])).hear_out();
    assert_eq!(listed[0].payload, b"/orderly\n");
}

#[test]
fn a_stop_of_a_deaf_instance() {
    let daemon = Daemon::with_running();
    let exec = daemon.exec("box", &DEAF);
    let mut conversation = daemon.attach(&exec);
    conversation.hear_until("deaf");
    let stop = |force: bool| {
        let path = format!("/exec/{exec}/stop?force_stop={force}&stop_container=false");
        daemon.post(&path)
    };
    let answer = stop(false);
    assert_eq!(
        answer.failure(),
        failure(404, "timed out while waiting for jail to stop")
    );
    assert!(answer.elapsed < PATIENCE, "{:?}", answer.elapsed);
    assert_eq!(stop(true).id(200), exec);
}
