//! Containers and the daemon do not need each other to live.

use std::fs;
use std::thread;
use std::time::Duration;

use kleene_plan::ExitStatus;
use kleene_store::Store;
use kleene_tests::{HOST, Host, eventually};

use crate::web::{PAGE, build_site, fetch};

fn jid(host: &Host) -> serde_json::Value {
    host.list("container")[0]["jid"].clone()
}

/// None before the first line.
fn log_of(host: &Host, id: &str) -> String {
    fs::read_to_string(host.state_dir().join("log").join(format!("{id}.log"))).unwrap_or_default()
}

#[test]
fn a_container_whose_supervisor_is_killed_has_ended() {
    let host = Host::with_minimal_image();
    host.klee("run -d --name box minimal /bin/busybox sleep 1000")
        .ok();
    host.run("pkill -KILL -f ' supervise '").ok();
    eventually("the container has ended", || {
        host.inspect("container", "box")["container"]["running"] == false
    });
    // Nobody could attach to it, nor learn how it ended.
    eventually("its process has ended", || {
        !host.run("ps -e -o args").ok().contains("sleep 1000")
    });
    host.klee("start -d box").ok();
}

#[test]
fn a_container_and_its_published_port_survive_a_crash_of_the_daemon() {
    let mut host = Host::with_minimal_image();
    build_site(&host);
    host.klee("network create -t bridge --subnet 10.13.37.0/24 testnet")
        .ok();
    host.klee("run -d --name web -l vnet -n testnet -p 8080:80 site")
        .ok();
    let url = format!("http://{HOST}:8080/");
    assert_eq!(fetch(&host, &url), PAGE);
    let before = jid(&host);

    host.kill_daemon().unwrap();
    assert_eq!(fetch(&host, &url), PAGE);
    host.start_daemon().unwrap();

    assert_eq!(jid(&host), before);
    assert_eq!(fetch(&host, &url), PAGE);
    host.klee("exec web /bin/true").ok();
    host.klee("stop web").ok();
    assert_eq!(host.inspect("container", "web")["container"]["running"], false);
}

#[test]
fn an_orderly_stop_of_the_daemon_does_not_stop_containers() {
    let mut host = Host::with_minimal_image();
    host.klee("run -d --name box minimal /bin/busybox sleep 1000")
        .ok();
    let before = jid(&host);
    host.stop_daemon().unwrap();
    host.start_daemon().unwrap();
    assert_eq!(jid(&host), before);
}

#[test]
fn the_log_goes_on_while_the_daemon_is_down() {
    let mut host = Host::with_minimal_image();
    let ticker = "while :; do echo tick; /bin/busybox sleep 0.05; done";
    let id = host
        .klee(&format!("create --name box minimal /bin/sh -c '{ticker}'"))
        .last_line();
    host.klee("start -d box").ok();
    logs_more(&host, &id);
    host.kill_daemon().unwrap();
    logs_more(&host, &id);
    host.start_daemon().unwrap();
    logs_more(&host, &id);
}

#[track_caller]
fn logs_more(host: &Host, id: &str) {
    let ticks = || log_of(host, id).matches("tick").count();
    let before = ticks();
    eventually("more lines", || ticks() > before + 2);
}

#[test]
fn the_exit_status_of_a_container_that_ends_while_the_daemon_is_down_is_recorded() {
    let mut host = Host::with_minimal_image();
    let id = host
        .klee("create --name box minimal /bin/sh -c '/bin/busybox sleep 0.5; exit 7'")
        .last_line();
    host.klee("start -d box").ok();
    host.kill_daemon().unwrap();
    thread::sleep(Duration::from_secs(1));
    host.start_daemon().unwrap();

    assert_eq!(host.inspect("container", "box")["container"]["running"], false);
    let store = Store::open(host.state_dir().join("kleene.sqlite")).unwrap();
    let container = store
        .read(|read| read.container(&id.parse().unwrap()))
        .unwrap()
        .unwrap();
    assert_eq!(
        container.last_exit.map(|exit| exit.status),
        Some(ExitStatus::Code(host.ground().status_of_first(7)))
    );
    drop(store);
    host.klee("start -d box").ok();
}

#[test]
fn a_container_that_is_to_start_with_the_daemon_does() {
    let mut host = Host::with_minimal_image();
    host.klee("create --name auto --restart on-startup minimal /bin/busybox sleep 1000")
        .ok();
    host.klee("create --name manual minimal /bin/busybox sleep 1000")
        .ok();
    host.stop_daemon().unwrap();
    host.start_daemon().unwrap();
    eventually("auto runs", || {
        host.inspect("container", "auto")["container"]["running"] == true
    });
    assert_eq!(host.inspect("container", "manual")["container"]["running"], false);
}

#[test]
fn a_container_that_runs_already_is_not_started_with_the_daemon_once_more() {
    let mut host = Host::with_minimal_image();
    let ticker = "echo started >> /starts; exec /bin/busybox sleep 1000";
    host.klee(&format!(
        "run -d --name auto --restart on-startup minimal /bin/sh -c '{ticker}'"
    ))
    .ok();
    host.kill_daemon().unwrap();
    host.start_daemon().unwrap();
    thread::sleep(Duration::from_millis(300));
    let starts = host.klee("exec auto /bin/busybox cat /starts").ok();
    assert_eq!(starts.matches("started\n").count(), 1, "{starts}");
}
