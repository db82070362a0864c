//! Rules of ours that others take away come back, and others' rules stay what they are.

use std::thread;
use std::time::{Duration, Instant};

use kleene_tests::{HOST, Host, eventually};

use crate::web::{PAGE, build_site, fetch, fetch_command, fetch_from_outside};

/// What the daemon promises.
const PROMISE: Duration = Duration::from_secs(1);

/// A container on a bridge whose port 80 is published as 8080, and another that serves on a loopback network.
fn with_web() -> Host {
    let host = Host::with_minimal_image();
    build_site(&host);
    host.klee("network create -t bridge --subnet 10.13.37.0/24 lan")
        .ok();
    host.klee("run -d --name web -l vnet -n lan -p 8080:80 site").ok();
    assert_eq!(fetch_from_outside(&host, &url()), PAGE);
    host
}

fn url() -> String {
    format!("http://{HOST}:8080/")
}

/// Our table, in an order of its own.
pub fn rules(host: &Host) -> String {
    // Handles are numbers that the kernel gives; the order of elements is its own business too.
    let text = host.run("nft list table inet kleene");
    let mut lines: Vec<_> = text.stdout.split([',', '\n']).map(str::trim).collect();
    lines.sort_unstable();
    lines.join("\n")
}

/// Does something to the rules and returns how long it took until they were as before.
#[track_caller]
fn comes_back_after(host: &Host, act: &str) -> Duration {
    let before = rules(host);
    host.run(act).ok();
    let since = Instant::now();
    eventually(&format!("the rules are back after {act}"), || {
        rules(host) == before
    });
    since.elapsed()
}

#[test]
fn rules_that_others_flush_delete_or_change_come_back_within_a_second() {
    let host = with_web();
    for act in [
        "nft flush ruleset",
        "nft delete table inet kleene",
        "nft flush chain inet kleene forward",
        "nft flush set inet kleene networks",
        "nft add rule inet kleene input drop",
        "nft flush ruleset",
    ] {
        let duration = comes_back_after(&host, act);
        assert!(duration < PROMISE, "{act}: {duration:?}");
        assert_eq!(fetch(&host, &url()), PAGE, "{act}");
        assert_eq!(fetch_from_outside(&host, &url()), PAGE, "{act}");
    }
}

#[test]
fn a_lost_element_comes_back_and_with_it_the_published_port() {
    let host = with_web();
    let table = host.run("nft list table inet kleene").ok();
    let map = table
        .lines()
        .find_map(|line| line.trim().strip_prefix("map ")?.split(' ').next())
        .unwrap();
    comes_back_after(&host, &format!("nft flush map inet kleene {map}"));
    assert_eq!(fetch_from_outside(&host, &url()), PAGE);
}

#[test]
fn rules_of_others_stay_and_changing_them_does_not_concern_us() {
    let host = with_web();
    let loads = || host.daemon_log().matches("changed Kleene's part").count();
    host.run("nft add table inet mine").ok();
    host.run("nft add chain inet mine input { type filter hook input priority 10 ; }")
        .ok();
    host.run("nft add rule inet mine input tcp dport 22 accept").ok();
    let mine = host.run("nft list table inet mine").ok();
    assert_eq!(loads(), 0, "{}", host.daemon_log());
    comes_back_after(&host, "nft delete table inet kleene");
    assert_eq!(host.run("nft list table inet mine").ok(), mine);
    host.run("nft delete table inet mine").ok();
    thread::sleep(Duration::from_millis(200));
    assert_eq!(loads(), 1, "{}", host.daemon_log());
}

#[test]
fn own_changes_are_not_taken_for_somebody_elses() {
    let host = with_web();
    for _ in 0..3 {
        host.klee("stop web").ok();
        host.klee("start -d web").ok();
    }
    thread::sleep(Duration::from_millis(200));
    assert!(
        !host.daemon_log().contains("changed Kleene's part"),
        "{}",
        host.daemon_log()
    );
}

#[test]
fn what_was_flushed_while_no_daemon_ran_is_back_when_it_starts() {
    let mut host = with_web();
    host.kill_daemon().unwrap();
    let before = rules(&host);
    host.run("nft flush ruleset").ok();
    host.start_daemon().unwrap();
    assert_eq!(rules(&host), before);
    comes_back_after(&host, "nft flush ruleset");
    assert_eq!(fetch_from_outside(&host, &url()), PAGE);
}

#[test]
fn a_removed_bridge_is_repaired_and_then_there_is_nothing_to_repair() {
    let host = with_web();
    assert_eq!(host.klee("system repair").ok(), "nothing to repair\n");
    host.run("ip link delete kleene0").ok();
    host.run(&fetch_command("http://10.13.37.2/")).refused();
    let shown = host.klee("system repair").ok();
    assert!(shown.contains("bridge kleene0"), "{shown}");
    assert_eq!(fetch_from_outside(&host, &url()), PAGE);
    assert_eq!(fetch(&host, "http://127.0.0.1:8080/"), PAGE);
    assert_eq!(host.klee("system repair").ok(), "nothing to repair\n");
    let json: serde_json::Value =
        serde_json::from_str(&host.klee("system repair --format json").ok()).unwrap();
    assert_eq!(json, serde_json::json!({"failed": [], "restored": []}));
}
