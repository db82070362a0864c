//! Processes in containers: run, exec, start, restart, attached and detached.

use std::process::Stdio;
use std::time::{Duration, Instant};

use insta::assert_snapshot;
use rustix::process::{Pid, Signal, kill_process};
use serde_json::json;

use crate::daemon::{Daemon, Rehearsal, Step, close, starting, text};

const CONTAINER: &str = "0123456789ab";
const EXEC: &str = "eeeeeeeeeeee";

/// A daemon in which a container can be created and an execution instance starts with these steps.
fn exec_daemon(steps: impl IntoIterator<Item = Step>) -> Rehearsal {
    Daemon::rehearse()
        .answer("POST /containers/create", 201, json!({"id": CONTAINER}))
        .answer("POST /exec/create", 201, json!({"id": EXEC}))
        .answer(&removal(), 200, json!({"id": CONTAINER}))
        .converse("/exec/start", steps)
}

/// The request that takes a container back.
fn removal() -> String {
    format!("DELETE /containers/{CONTAINER}")
}

fn exited_with(code: u8) -> Step {
    close(
        1000,
        "closing",
        "",
        &format!("executable {EXEC} and its container exited with exit-code {code}"),
    )
}

fn detached() -> Step {
    close(
        1001,
        "closing",
        "",
        "succesfully started execution instance in detached mode",
    )
}

#[test]
fn run_shows_ids_output_and_closing_message() {
    let daemon = exec_daemon([starting(""), text("hello\n"), exited_with(0)]).start();
    assert_snapshot!(daemon.run(&["run", "img", "echo", "hello"]), @r"
    exit: 0
    ----- stdout -----
    0123456789ab
    created execution instance eeeeeeeeeeee
    hello

    executable eeeeeeeeeeee and its container exited with exit-code 0
    ----- stderr -----
    ");
}

#[test]
fn quiet_is_the_output_of_the_process_alone() {
    let daemon = exec_daemon([starting(""), text("hello\n"), exited_with(3)])
        .answer("GET /containers/web/inspect", 200, inspected(false))
        .start();
    for arguments in [
        &["run", "-q", "img"] as &[&str],
        &["exec", "--quiet", "web", "cat"],
        &["start", "-q", "web"],
    ] {
        let ending = daemon.run(arguments);
        assert_eq!(
            (ending.code, ending.stdout.as_str(), ending.stderr.as_str()),
            (Some(3), "hello\n", "")
        );
    }
    let daemon = exec_daemon([detached()]).start();
    assert_eq!(
        daemon.run(&["run", "-dq", "img"]).stdout,
        format!("{CONTAINER}\n")
    );
    assert_eq!(daemon.run(&["exec", "-dq", "web", "ls"]).stdout, "");
}

#[test]
fn a_run_that_does_not_start_takes_its_container_back() {
    let refused = || {
        [
            text("error: no address left"),
            close(1011, "error", "", "error starting exec instance"),
        ]
    };
    let message = |message: &str| json!({"message": message});
    let started = exec_daemon([starting(""), exited_with(7)]);
    assert_eq!(run_and_removal(started), (Some(7), String::new(), false));
    for arguments in [&["run", "img"] as &[&str], &["run", "-d", "img"]] {
        let daemon = exec_daemon(refused()).start();
        assert_eq!(daemon.run(arguments).code, Some(1));
        assert!(daemon.requests().ends_with(&removal()), "{}", daemon.requests());
    }
    let no_instance = exec_daemon([]).answer("POST /exec/create", 409, message("a policy forbids it"));
    assert_eq!(
        run_and_removal(no_instance),
        (
            Some(1),
            format!("{CONTAINER}: error creating execution instance: a policy forbids it\n"),
            true
        )
    );
    let stuck = exec_daemon(refused()).answer(&removal(), 409, message("the pool is suspended"));
    assert_eq!(
        run_and_removal(stuck),
        (
            Some(1),
            format!(
                "error: no address left\n\
                 Container {CONTAINER} was created and could not be removed again: the pool is suspended\n\
                 Try 'klee rmc -f {CONTAINER}'.\n"
            ),
            true
        )
    );
}

/// How `run` ended and what it complained of, and whether it wanted the container removed.
fn run_and_removal(script: Rehearsal) -> (Option<i32>, String, bool) {
    let daemon = script.start();
    let ending = daemon.run(&["run", "img"]);
    (ending.code, ending.stderr, daemon.requests().contains(&removal()))
}

#[test]
fn run_asks_for_creation_then_an_instance_then_its_start() {
    let daemon = exec_daemon([starting(""), exited_with(0)]).start();
    daemon.run(&["run", "--name", "web", "img"]);
    let requests = daemon.requests();
    let lines: Vec<&str> = requests.lines().collect();
    assert!(lines[0].starts_with("POST /containers/create {"), "{requests}");
    assert_eq!(
        lines[1],
        r#"POST /exec/create {"cmd":[],"container_id":"0123456789ab","env":[],"tty":false,"user":""}"#
    );
    assert_eq!(
        lines[2],
        r#"/exec/start text {"attach":true,"control":true,"exec_id":"eeeeeeeeeeee","start_container":true}"#
    );
}

#[test]
fn a_daemon_of_0_1_1_is_sent_nothing_that_it_does_not_know() {
    let daemon = exec_daemon([starting(""), Step::Await, exited_with(5)])
        .of_0_1_1()
        .start();
    let ending = daemon.run_with_input(&["exec", "-i", "web", "cat"], "words\n");
    assert_eq!(ending.code, Some(5), "{ending}");
    let requests = daemon.requests();
    let (_, frames) = requests.split_once('\n').unwrap();
    assert_eq!(
        frames,
        "/exec/start text {\"attach\":true,\"exec_id\":\"eeeeeeeeeeee\",\"start_container\":true}\n\
         binary \"words\\\\n\""
    );
    // Without standard input there is nothing to say after the configuration, not even that.
    let daemon = exec_daemon([starting(""), exited_with(5)]).of_0_1_1().start();
    assert_eq!(daemon.run(&["exec", "web", "cat"]).code, Some(5));
    assert!(
        !daemon.requests().contains("close_stdin"),
        "{}",
        daemon.requests()
    );
}

#[test]
fn the_exit_code_of_the_process_is_the_exit_code_of_klee() {
    let daemon = exec_daemon([starting(""), exited_with(42)]).start();
    assert_eq!(daemon.run(&["run", "img", "false"]).code, Some(42));
    let still_runs = close(
        1000,
        "closing",
        "",
        &format!("{EXEC} has exited with exit-code 3"),
    );
    let daemon = exec_daemon([starting(""), still_runs]).start();
    assert_eq!(daemon.run(&["exec", "web", "false"]).code, Some(3));
}

#[test]
fn output_is_passed_on_byte_for_byte() {
    let daemon = exec_daemon([
        starting(""),
        Step::Binary(b"\xff[red]\r\x1b[1m".to_vec()),
        exited_with(0),
    ])
    .start();
    let output = daemon.klee(&["exec", "web", "cat"]).output().unwrap();
    let expected = b"created execution instance eeeeeeeeeeee\n\xff[red]\r\x1b[1m\nexecutable".to_vec();
    assert!(
        output.stdout.starts_with(&expected),
        "{:?}",
        output.stdout.escape_ascii().to_string()
    );
}

#[test]
fn an_instance_that_cannot_start_is_told_with_its_reason() {
    let daemon = exec_daemon([
        text("error: mount of volume 'data' failed"),
        close(1011, "error", "", "error starting exec instance"),
    ])
    .start();
    assert_snapshot!(daemon.run(&["run", "img"]), @r"
    exit: 1
    ----- stdout -----
    0123456789ab
    created execution instance eeeeeeeeeeee
    ----- stderr -----
    error: mount of volume 'data' failed
    ");
}

#[test]
fn an_instance_of_an_unknown_container_cannot_be_created() {
    let daemon = Daemon::rehearse()
        .answer(
            "POST /exec/create",
            404,
            json!({"message": "container not found"}),
        )
        .start();
    assert_snapshot!(daemon.run(&["exec", "web", "ls"]), @r"
    exit: 1
    ----- stdout -----
    ----- stderr -----
    web: error creating execution instance: container not found
    ");
}

#[test]
fn exec_sends_command_environment_and_user() {
    let daemon = exec_daemon([starting(""), exited_with(0)]).start();
    daemon.run(&["exec", "-e", "A=1", "-u", "bob", "x", "ls", "-e"]);
    assert_eq!(
        daemon.requests().lines().next().unwrap(),
        r#"POST /exec/create {"cmd":["ls","-e"],"container_id":"x","env":["A=1"],"tty":false,"user":"bob"}"#
    );
}

#[test]
fn a_detached_run_does_not_wait() {
    let daemon = exec_daemon([detached()]).start();
    assert_snapshot!(daemon.run(&["run", "-d", "img"]), @r"
    exit: 0
    ----- stdout -----
    0123456789ab
    created execution instance eeeeeeeeeeee
    ----- stderr -----
    ");
    let requests = daemon.requests();
    assert!(
        requests.ends_with(r#"{"attach":false,"exec_id":"eeeeeeeeeeee","start_container":true}"#),
        "{requests}"
    );
}

#[test]
fn a_detached_start_that_fails_fails_with_the_reason() {
    let daemon = exec_daemon([
        text("error: no address left"),
        close(1011, "error", "", "error starting exec instance"),
    ])
    .start();
    let ending = daemon.run(&["run", "-d", "img"]);
    assert_eq!(
        (ending.code, ending.stderr.as_str()),
        (Some(1), "error starting container: no address left\n")
    );
}

#[test]
fn without_i_the_process_has_no_input_to_wait_for() {
    let daemon = exec_daemon([starting(""), Step::Await, exited_with(0)]).start();
    daemon.run_with_input(&["run", "img", "cat"], "not sent\n");
    assert!(
        daemon.requests().ends_with(r#"text {"close_stdin":true}"#),
        "{}",
        daemon.requests()
    );
}

#[test]
fn with_i_input_goes_to_the_process_until_it_ends() {
    let daemon = exec_daemon([starting(""), Step::Await, Step::Await, exited_with(0)]).start();
    let ending = daemon.run_with_input(&["exec", "-i", "web", "cat"], "line\n");
    assert_eq!(ending.code, Some(0), "{ending}");
    let requests = daemon.requests();
    assert!(
        requests.ends_with("binary \"line\\\\n\"\ntext {\"close_stdin\":true}"),
        "{requests}"
    );
}

#[test]
fn a_terminal_that_is_wanted_without_one_is_no_obstacle() {
    let daemon = exec_daemon([starting(""), Step::Await, Step::Await, exited_with(0)]).start();
    let ending = daemon.run_with_input(&["run", "-it", "img", "sh"], "exit\n");
    assert_eq!(ending.code, Some(0), "{ending}");
    assert!(daemon.requests().contains(r#""tty":true"#));
}

#[test]
fn a_lost_connection_is_a_failure() {
    let daemon = exec_daemon([starting(""), text("half"), Step::HangUp]).start();
    let ending = daemon.run(&["run", "img"]);
    assert_eq!(
        (ending.code, ending.stderr.as_str()),
        (Some(1), "ERROR! Connection closed unexpectedly.\n")
    );
}

#[test]
fn invalid_parameters_are_told_with_the_code() {
    let daemon = exec_daemon([close(
        1002,
        "error",
        "",
        "invalid parameters: Missing field: attach",
    )])
    .start();
    let ending = daemon.run(&["run", "img"]);
    assert_eq!(ending.code, Some(1));
    assert_eq!(
        ending.stderr,
        "Kleened returned an error with error code 1002 and reason #invalid parameters: Missing field: attach\n"
    );
}

fn inspected(running: bool) -> serde_json::Value {
    json!({"container": {
        "cmd": [], "created": "2020-02-29T14:54:05.317207Z", "dataset": "d", "env": [], "id": CONTAINER,
        "image_id": "i", "jail_param": [], "name": "web", "network_driver": "host", "persist": false,
        "public_ports": [], "restart_policy": "no", "running": running, "user": "root",
    }, "container_endpoints": [], "container_mountpoints": []})
}

#[test]
fn start_attaches_to_a_single_container() {
    let daemon = exec_daemon([starting(""), text("hi\n"), exited_with(0)])
        .answer("GET /containers/web/inspect", 200, inspected(false))
        .start();
    assert_snapshot!(daemon.run(&["start", "web"]), @r"
    exit: 0
    ----- stdout -----
    created execution instance eeeeeeeeeeee
    hi

    executable eeeeeeeeeeee and its container exited with exit-code 0
    ----- stderr -----
    ");
}

#[test]
fn start_refuses_a_container_that_runs() {
    let daemon = exec_daemon([])
        .answer("GET /containers/web/inspect", 200, inspected(true))
        .start();
    assert_snapshot!(daemon.run(&["start", "web"]), @r"
    exit: 1
    ----- stdout -----
    ----- stderr -----
    container 'web' is already running
    To run another command in it, use 'klee exec web COMMAND'.
    ");
}

#[test]
fn several_containers_can_only_be_started_detached() {
    let daemon = exec_daemon([detached()])
        .answer("GET /containers/a/inspect", 200, inspected(false))
        .answer("GET /containers/b/inspect", 200, inspected(false))
        .start();
    let ending = daemon.run(&["start", "a", "b"]);
    assert_eq!(ending.code, Some(1));
    assert_eq!(
        ending.stderr,
        "only one container can be started when attaching to container I/O.\n"
    );
    let ending = daemon.run(&["start", "-d", "a", "b"]);
    assert_eq!(ending.code, Some(0));
    assert_eq!(
        ending.stdout,
        format!("created execution instance {EXEC}\n").repeat(2)
    );
}

#[test]
fn exec_detached_fails_with_the_reason() {
    let daemon = exec_daemon([
        text("error: container not found"),
        close(1011, "error", "", "error starting exec instance"),
    ])
    .start();
    assert_snapshot!(daemon.run(&["exec", "-d", "web", "ls"]), @r"
    exit: 1
    ----- stdout -----
    created execution instance eeeeeeeeeeee
    ----- stderr -----
    error starting container: container not found
    ");
}

#[test]
fn detached_starts_go_on_after_a_failure_and_fail_in_the_end() {
    let daemon = exec_daemon([detached()])
        .answer(
            "GET /containers/a/inspect",
            404,
            json!({"message": "container not found"}),
        )
        .answer("GET /containers/b/inspect", 200, inspected(false))
        .start();
    assert_snapshot!(daemon.run(&["start", "-d", "a", "b"]), @r"
    exit: 1
    ----- stdout -----
    created execution instance eeeeeeeeeeee
    ----- stderr -----
    a: container not found
    ");
}

#[test]
fn restart_starts_a_container_that_does_not_run() {
    let daemon = exec_daemon([detached()])
        .answer(
            "POST /containers/web/stop",
            404,
            json!({"message": "container not running"}),
        )
        .answer("GET /containers/web/inspect", 200, inspected(false))
        .start();
    assert_snapshot!(daemon.run(&["restart", "web"]), @r"
    exit: 0
    ----- stdout -----
    0123456789ab
    created execution instance eeeeeeeeeeee
    ----- stderr -----
    ");
}

#[test]
fn restart_stops_and_starts_each_and_goes_on_after_a_failure() {
    let daemon = exec_daemon([detached()])
        .answer(
            "POST /containers/a/stop",
            404,
            json!({"message": "container not found"}),
        )
        .answer("POST /containers/b/stop", 200, json!({"id": CONTAINER}))
        .start();
    assert_snapshot!(daemon.run(&["restart", "a", "b"]), @r"
    exit: 1
    ----- stdout -----
    0123456789ab
    created execution instance eeeeeeeeeeee
    ----- stderr -----
    a: container not found
    ");
}

#[test]
fn ctrl_c_aborts() {
    let daemon = exec_daemon([starting(""), Step::Await, Step::Await]).start();
    let child = daemon
        .klee(&["run", "img"])
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let deadline = Instant::now() + Duration::from_secs(10);
    while !daemon.requests().contains("close_stdin") {
        assert!(
            Instant::now() < deadline,
            "klee did not start: {}",
            daemon.requests()
        );
        std::thread::sleep(Duration::from_millis(5));
    }
    kill_process(Pid::from_child(&child), Signal::INT).unwrap();
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert_eq!(String::from_utf8_lossy(&output.stderr), "Aborted!\n");
}

#[test]
fn a_reader_that_has_gone_is_told_nothing_and_the_exit_code_is_that_of_a_broken_pipe() {
    let daemon = exec_daemon([starting(""), text("a\n"), exited_with(0)]).start();
    let mut child = daemon
        .klee(&["run", "img"])
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    drop(child.stdout.take());
    let output = child.wait_with_output().unwrap();
    assert_eq!(String::from_utf8_lossy(&output.stderr), "");
    assert_eq!(output.status.code(), Some(141));
}
