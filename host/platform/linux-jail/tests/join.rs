//! Further processes in a jail that runs, and the end of a jail. Needs root.
#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, reason = "these are tests")]

mod support;

use std::time::{Duration, Instant};

use kleene_linux_jail::jails;
use kleene_plan::{LaunchMode, WindowSize};
use kleene_supervisor::Event;
use rustix::process::Signal;
use support::{Container, TERMINATED, eventually, until_end};

#[test]
fn a_jail_is_listed_while_it_runs() {
    let container = Container::new();
    let started = container.start("echo ready; read end");
    let listed = jails(&container.run_root()).unwrap();
    assert_eq!(
        listed.iter().map(|(id, _)| id).collect::<Vec<_>>(),
        [&container.id]
    );
    started
        .inputs
        .send(&kleene_supervisor::Input::CloseStdin)
        .unwrap();
    started.end();
    assert_eq!(jails(&container.run_root()).unwrap(), []);
}

#[test]
fn a_joined_process_is_in_all_namespaces_of_the_jail() {
    let container = Container::new();
    let _started = container.start("touch /dev/shm/mark; echo ready; sleep 1000");
    let script = "for ns in cgroup ipc mnt net pid uts; do \
        test $(readlink /proc/1/ns/$ns) = $(readlink /proc/self/ns/$ns) || echo differs: $ns; done; \
        ls /dev/shm; hostname";
    let outcome = container.exec(script);
    assert_eq!(outcome.output, format!("mark\n{}\n", container.id));
}

#[test]
fn a_joined_process_is_as_confined_as_the_first() {
    let container = Container::new();
    let _started = container.start(
        "grep -E '^(Cap|Seccomp|NoNewPrivs)' /proc/self/status >/tmp/status; cat /proc/self/cgroup >>/tmp/status; \
         echo ready; sleep 1000",
    );
    let script = "grep -E '^(Cap|Seccomp|NoNewPrivs)' /proc/self/status >/tmp/other; \
        cat /proc/self/cgroup >>/tmp/other; cat /tmp/status; cmp /tmp/status /tmp/other";
    std::os::unix::fs::symlink("busybox", container.root().join("bin/cmp")).unwrap();
    let outcome = container.exec(script);
    assert_eq!(outcome.code(), 0, "{}", outcome.output);
    assert!(outcome.output.contains("NoNewPrivs:\t1"), "{}", outcome.output);
}

#[test]
fn a_joined_process_reports_its_own_end_and_leaves_the_jail_running() {
    let container = Container::new();
    let _started = container.start("echo ready; sleep 1000");
    assert_eq!(container.exec("exit 9").code(), 9);
    assert_eq!(container.exec("kill -TERM $$").end, TERMINATED);
    assert_eq!(jails(&container.run_root()).unwrap().len(), 1);
}

#[test]
fn a_joined_process_may_have_a_terminal_of_the_jail() {
    let mut container = Container::new();
    let _started = container.start("echo ready; sleep 1000");
    container.terminal = Some(WindowSize::default());
    let outcome = container.exec("tty; stty size; ps -o tty | grep -c '136'");
    assert!(
        outcome.output.starts_with("/dev/pts/0\n24 80\n"),
        "{}",
        outcome.output
    );
}

#[test]
fn a_joined_process_ends_with_the_jail() {
    let container = Container::new();
    let _started = container.start("trap 'exit 0' TERM; echo ready; while :; do sleep 0.01; done");
    let (connection, _) = container.launch(
        LaunchMode::Join,
        &["sh", "-c", "trap '' TERM; echo in; sleep 1000"],
    );
    let (mut events, _inputs) = connection.split();
    while events.next().unwrap() != Some(Event::Output(b"in\n".to_vec())) {}
    container.stop(Duration::from_secs(5));
    assert_eq!(until_end(&mut events).code(), 137);
}

#[test]
fn a_jail_that_does_not_run_cannot_be_joined() {
    let container = Container::new();
    let outcome = container.exec("true");
    assert_eq!(outcome.failure(), format!("jail '{}' does not run", container.id));
}

#[test]
fn a_jail_that_runs_cannot_be_started_again() {
    let container = Container::new();
    let _started = container.start("echo ready; sleep 1000");
    let outcome = container.run(&["true"]);
    assert_eq!(
        outcome.failure(),
        format!("jail '{}' runs already; stop it first", container.id)
    );
    assert_eq!(jails(&container.run_root()).unwrap().len(), 1);
}

#[test]
fn stopping_lets_processes_end_by_themselves() {
    let container = Container::new();
    let started = container.start("trap 'echo bye; exit 4' TERM; echo ready; while :; do sleep 0.01; done");
    container.stop(Duration::from_secs(10));
    assert_eq!(jails(&container.run_root()).unwrap(), []);
    let outcome = started.end();
    assert_eq!(outcome.code(), 4);
    assert!(outcome.output.ends_with("bye\n"), "{}", outcome.output);
}

#[test]
fn stopping_kills_at_once_what_would_not_notice() {
    let container = Container::new();
    let started = container.start("echo ready; sleep 1000; true");
    let before = Instant::now();
    container.stop(Duration::from_secs(10));
    assert!(before.elapsed() < Duration::from_secs(5));
    assert_eq!(started.end().end, TERMINATED);
}

#[test]
fn stopping_gives_the_others_time_before_the_first_is_killed() {
    let container = Container::new();
    let script = "(trap 'sleep 0.2; echo saved; exit' TERM; echo ready; while :; do sleep 0.01; done) & \
        while :; do wait; done";
    let started = container.start(script);
    container.stop(Duration::from_secs(10));
    let outcome = started.end();
    assert_eq!(outcome.end, TERMINATED);
    assert!(outcome.output.contains("saved"), "{}", outcome.output);
}

#[test]
fn stopping_kills_after_the_grace_what_ignores_it() {
    let container = Container::new();
    let started = container.start("trap '' TERM; echo ready; while :; do sleep 0.1; done");
    let before = Instant::now();
    container.stop(Duration::from_millis(300));
    assert!(before.elapsed() >= Duration::from_millis(300));
    assert_eq!(started.end().code(), 137);
}

#[test]
fn stopping_by_another_signal_is_the_first_process_business_alone() {
    let container = Container::new();
    let script = "(trap 'echo asked' TERM QUIT; echo in; while :; do sleep 0.01; done) & \
        trap 'echo bye; exit 6' QUIT; trap 'exit 7' TERM; echo ready; while :; do sleep 0.01; done";
    let started = container.start(script);
    container.stop_by(Signal::QUIT, Duration::from_secs(10));
    let outcome = started.end();
    assert_eq!(outcome.code(), 6);
    assert!(
        outcome.output.contains("bye") && !outcome.output.contains("asked"),
        "{}",
        outcome.output
    );
}

#[test]
fn stopping_by_a_signal_that_would_not_be_noticed_ends_at_once_and_says_by_which() {
    let container = Container::new();
    let started = container.start("echo ready; sleep 1000; true");
    let before = Instant::now();
    container.stop_by(Signal::USR1, Duration::from_secs(10));
    assert!(before.elapsed() < Duration::from_secs(5));
    assert_eq!(i32::from(started.end().code()), 128 + Signal::USR1.as_raw());
}

#[test]
fn stopping_what_does_not_run_is_a_success() {
    let container = Container::new();
    container.stop(Duration::from_secs(1));
}

#[test]
fn after_stopping_nothing_is_left() {
    let container = Container::new();
    let started = container.start("sleep 1000 & echo ready; sleep 1000");
    container.stop(Duration::from_secs(1));
    assert!(!container.cgroup().exists());
    assert!(!container.jail_dir().join("jail.json").exists());
    started.end();
    eventually("the supervisor's end", || {
        !container.jail_dir().join("ended-by").exists()
    });
}
