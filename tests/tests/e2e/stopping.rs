//! Stopping containers.

use std::time::{Duration, Instant};

use kleene_tests::{Host, eventually, write};

/// For how long a client of 0.1.1 waits for an answer.
const LIMIT: Duration = Duration::from_secs(5);

#[track_caller]
fn stops_within(host: &Host, name: &str, limit: Duration) {
    let start = Instant::now();
    host.klee(&format!("stop {name}")).ok();
    assert!(start.elapsed() < limit, "{:?}", start.elapsed());
    assert_eq!(host.inspect("container", name)["container"]["running"], false);
}

#[test]
fn a_process_that_does_not_care_about_signals_stops_at_once() {
    let host = Host::with_minimal_image();
    host.klee("run -d --name box minimal /bin/busybox sleep 1000")
        .ok();
    stops_within(&host, "box", Duration::from_secs(2));
}

#[test]
fn a_process_that_handles_term_has_time_to_do_so() {
    let host = Host::with_minimal_image();
    let handler = "trap \"echo orderly > /data/end; exit 0\" TERM; while :; do /bin/busybox sleep 0.1; done";
    host.klee(&format!(
        "run -d --name box -m data:/data minimal /bin/sh -c '{handler}'"
    ))
    .ok();
    stops_within(&host, "box", LIMIT);
    let shown = host
        .klee("run -m data:/data minimal /bin/busybox cat /data/end")
        .ok();
    assert!(shown.contains("orderly"), "{shown}");
}

#[test]
fn a_process_that_ignores_term_is_killed_within_the_clients_patience() {
    let host = Host::with_minimal_image();
    let stubborn = "trap : TERM; while :; do /bin/busybox sleep 1000; done";
    host.klee(&format!("run -d --name box minimal /bin/sh -c '{stubborn}'"))
        .ok();
    stops_within(&host, "box", LIMIT);
}

#[test]
fn a_process_that_is_given_time_is_not_killed() {
    let host = Host::with_minimal_image();
    let slow = "trap \"/bin/busybox sleep 4; echo orderly > /data/end; exit 0\" TERM; while :; do /bin/busybox sleep 0.1; done";
    host.klee(&format!(
        "run -d --name box -m data:/data minimal /bin/sh -c '{slow}'"
    ))
    .ok();
    host.klee("restart -t 60 box").ok();
    let shown = host.klee("exec box /bin/busybox cat /data/end").ok();
    assert!(shown.contains("orderly"), "{shown}");
    host.klee("stop -t 0 box").ok();
}

#[test]
fn the_image_says_by_which_signal_its_program_ends() {
    let host = Host::with_minimal_image();
    let dockerfile = "FROM minimal\nSTOPSIGNAL SIGQUIT\n\
        CMD trap 'echo quit in order; exit 4' QUIT; trap 'echo term; exit 5' TERM; echo begun; \
        while :; do /bin/busybox sleep 0.1; done\n";
    write(host.directory("context").join("Dockerfile"), dockerfile);
    host.klee("build -t polite context").ok();
    let log = |name: &str| {
        let id = host.inspect("container", name)["container"]["id"].clone();
        let file = format!("log/{}.log", id.as_str().unwrap());
        std::fs::read_to_string(host.state_dir().join(file)).unwrap_or_default()
    };
    let begun = |name: &str, times: usize| {
        eventually(&format!("{name} has begun"), || {
            log(name).matches("\"begun").count() == times
        });
    };
    host.klee("run -d --name box polite").ok();
    begun("box", 1);
    stops_within(&host, "box", LIMIT);
    let told = log("box");
    assert!(
        told.contains("\"quit in order") && !told.contains("\"term"),
        "{told}"
    );

    // Whoever runs it may know better, and a restart asks in the same way.
    host.klee("run -d --name other --stop-signal TERM polite").ok();
    begun("other", 1);
    stops_within(&host, "other", LIMIT);
    let told = log("other");
    assert!(told.contains("\"term") && !told.contains("\"quit"), "{told}");
    host.klee("start -d box").ok();
    begun("box", 2);
    host.klee("restart box").ok();
    begun("box", 3);
    assert_eq!(log("box").matches("\"quit in order").count(), 2);
    assert_eq!(
        host.inspect("container", "box")["container"]["stop_signal"],
        "SIGQUIT"
    );

    let refusal = host.klee("create --stop-signal SIGFOO minimal true").refused();
    assert!(refusal.contains("'SIGFOO' is not a valid signal"), "{refusal}");
}

#[test]
fn all_processes_of_a_container_end_with_it() {
    let host = Host::with_minimal_image();
    host.klee("run -d --name box minimal /bin/busybox sleep 1000")
        .ok();
    host.klee("exec -d box /bin/busybox sleep 2000").ok();
    host.klee("stop box").ok();
    let processes = host.run("ps -e -o args").ok();
    assert!(!processes.contains("sleep"), "{processes}");
}

#[test]
fn a_running_container_is_removed_only_by_force() {
    let host = Host::with_minimal_image();
    host.klee("run -d --name box minimal /bin/busybox sleep 1000")
        .ok();
    let refusal = host.klee("rmc box").refused();
    assert!(
        refusal.contains("you cannot remove a running container"),
        "{refusal}"
    );
    host.klee("rmc -f box").ok();
    assert!(host.list("container").is_empty());
}

#[test]
fn a_container_starts_again_with_the_files_it_had() {
    let host = Host::with_minimal_image();
    host.klee("run --name box minimal /bin/sh -c 'echo again >> /log; /bin/busybox cat /log'")
        .ok();
    let shown = host.klee("start box").ok();
    assert!(shown.contains("again\nagain\n"), "{shown}");
}
