//! Processes with a client attached: output, input, exit codes.

use std::io::Write;
use std::process::Stdio;

use kleene_tests::{Ground, Host};

#[test]
fn output_arrives_and_the_exit_code_is_the_processes() {
    let host = Host::with_minimal_image();
    let outcome = host.klee("run minimal /bin/sh -c 'echo to stdout; echo to stderr >&2; exit 3'");
    let status = host.ground().status_of_first(3);
    assert_eq!(outcome.code, Some(status.into()), "{outcome}");
    assert!(
        outcome.stdout.contains("to stdout") && outcome.stdout.contains("to stderr"),
        "{outcome}"
    );
}

#[test]
fn death_by_a_signal_is_128_and_the_signal() {
    let host = Host::with_minimal_image();
    host.klee("run -d --name box minimal /bin/busybox sleep 1000")
        .ok();
    let outcome = host.klee("exec box /bin/sh -c 'kill -KILL $$'");
    assert_eq!(outcome.code, Some(137), "{outcome}");
}

#[test]
fn a_command_in_a_running_container_sees_its_processes_and_its_environment() {
    let host = Host::with_minimal_image();
    host.klee("run -d --name box -e A=outer minimal /bin/busybox sleep 1000")
        .ok();
    let shown = host
        .klee("exec -e B=inner box /bin/sh -c 'echo $A $B; /bin/busybox ps'")
        .ok();
    assert!(shown.contains("outer inner"), "{shown}");
    assert!(shown.contains("sleep 1000"), "{shown}");
    assert!(!shown.contains("kleened"), "{shown}");
}

#[test]
fn exit_codes_of_commands_in_a_container_are_passed_on() {
    let host = Host::with_minimal_image();
    host.klee("run -d --name box minimal /bin/busybox sleep 1000")
        .ok();
    for code in [0, 1, 42, 255] {
        let outcome = host.klee(&format!("exec box /bin/sh -c 'exit {code}'"));
        assert_eq!(outcome.code, Some(code), "{outcome}");
    }
    assert_eq!(host.inspect("container", "box")["container"]["running"], true);
}

#[test]
fn a_program_that_does_not_exist_is_named() {
    let host = Host::with_minimal_image();
    let outcome = host.klee("run --name box minimal /bin/no-such-program");
    assert!(!outcome.succeeded(), "{outcome}");
    assert!(format!("{outcome}").contains("/bin/no-such-program"), "{outcome}");
    // On FreeBSD the container was started: env(1) in it looks for the program.
    let was_started = host.ground() == Ground::FreeBsd;
    assert_eq!(host.list("container").len(), usize::from(was_started));
}

#[test]
fn standard_input_is_passed_on_and_ends() {
    let host = Host::with_minimal_image();
    let mut klee = host
        .klee_command("run -i minimal /bin/busybox cat")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    klee.stdin.take().unwrap().write_all(b"one\ntwo\n").unwrap();
    let output = klee.wait_with_output().unwrap();
    let shown = String::from_utf8(output.stdout).unwrap();
    assert!(shown.contains("one\ntwo\n"), "{shown}");
    assert!(output.status.success());
}

#[test]
fn a_large_output_arrives_whole() {
    let host = Host::with_minimal_image();
    let shown = host.klee("run minimal /bin/busybox seq 1 100000").ok();
    let numbers: Vec<u32> = shown.lines().filter_map(|line| line.parse().ok()).collect();
    assert!(
        numbers.iter().copied().eq(1..=100_000),
        "{} numbers",
        numbers.len()
    );
}
