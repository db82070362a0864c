//! Help, usage errors, and daemons that cannot be reached.

use insta::assert_snapshot;

use crate::daemon::{Daemon, run};

#[test]
fn a_missing_argument_is_a_usage_error_on_standard_error() {
    assert_snapshot!(run(&["network", "connect", "net"]), @r"
    exit: 2
    ----- stdout -----
    ----- stderr -----
    Usage: klee network connect [OPTIONS] NETWORK CONTAINER
    Try 'klee network connect --help' for help.

    Error: Missing argument 'CONTAINER'.
    ");
    assert_snapshot!(run(&["container", "rm", "-f"]), @r"
    exit: 2
    ----- stdout -----
    ----- stderr -----
    Usage: klee container rm [OPTIONS] CONTAINERS...
    Try 'klee container rm --help' for help.

    Error: Missing argument 'CONTAINERS...'.
    ");
}

#[test]
fn an_unknown_option_is_a_usage_error_with_a_suggestion() {
    assert_snapshot!(run(&["rmc", "--forc", "x"]), @r"
    exit: 2
    ----- stdout -----
    ----- stderr -----
    Usage: klee rmc [OPTIONS] CONTAINERS...
    Try 'klee rmc --help' for help.

    Error: No such option: --forc Did you mean --force?
    ");
}

#[test]
fn unknown_commands_and_extra_arguments_are_usage_errors() {
    let ending = run(&["frob"]);
    assert_eq!(
        (
            ending.code,
            ending.stderr.contains("Error: No such command 'frob'.")
        ),
        (Some(2), true)
    );
    let ending = run(&["lsc", "x"]);
    assert!(
        ending.stderr.contains("Error: Got unexpected extra argument (x)"),
        "{ending}"
    );
}

#[test]
fn an_option_without_its_value_is_a_usage_error() {
    let ending = run(&["container", "create", "--env"]);
    assert!(
        ending
            .stderr
            .contains("Error: Option '--env' requires an argument."),
        "{ending}"
    );
    assert_eq!(ending.code, Some(2));
}

#[test]
fn nothing_to_do_is_a_request_for_help() {
    for arguments in [&[] as &[&str], &["container"], &["image"]] {
        let ending = run(arguments);
        assert_eq!(ending.code, Some(0), "{ending}");
        assert!(
            ending.stdout.contains(
                &format!("Usage: klee {}", arguments.join(" "))
                    .trim_end()
                    .to_owned()
            ),
            "{ending}"
        );
        assert_eq!(ending.stderr, "");
    }
}

#[test]
fn the_root_help_lists_commands_and_shortcuts() {
    let ending = run(&["--help"]);
    for line in [
        "│ container   Manage containers ",
        "│ man         Write man pages",
        "│ run      klee container run ",
        "│ rmX      klee … rm ",
    ] {
        assert!(ending.stdout.contains(line), "{ending}");
    }
}

#[test]
fn the_version_is_one_line() {
    assert_eq!(
        run(&["--version"]).stdout,
        format!("klee, version {}\n", env!("CARGO_PKG_VERSION"))
    );
}

#[test]
fn a_daemon_that_does_not_run_is_told_with_its_address() {
    assert_snapshot!(run(&["--host", "http:///nowhere/kleened.sock", "lsi"]), @r"
    exit: 1
    ----- stdout -----
    ----- stderr -----
    unable to connect to kleened: [Errno 2] No such file or directory
    Is kleened running, and does it listen at /nowhere/kleened.sock?
    ");
}

#[test]
fn an_address_that_cannot_be_meant_is_refused() {
    assert_snapshot!(run(&["--host", "htyp://x", "lsi"]), @r"
    exit: 1
    ----- stdout -----
    ----- stderr -----
    unable to connect to kleened: Request URL has an unsupported protocol 'htyp://'.
    ");
}

#[test]
fn an_answer_that_is_not_the_interfaces_is_unexpected() {
    let daemon = Daemon::rehearse()
        .answer_raw("GET /images/list", 200, "<html>")
        .start();
    let ending = daemon.run(&["lsi"]);
    assert_eq!(ending.code, Some(1));
    assert_eq!(
        ending.stderr,
        "Error! Unexpected response received from Kleened.\n"
    );
}

#[test]
fn an_option_of_the_command_line_wins_over_the_environment() {
    let daemon = Daemon::rehearse()
        .answer_raw("GET /images/list", 200, "[]")
        .start();
    let ending = daemon.run(&["--host", "http:///nowhere", "lsi"]);
    assert!(ending.stderr.contains("/nowhere"), "{ending}");
}

#[test]
fn a_daemon_that_hung_up_its_socket_is_told_with_the_errors_number() {
    let directory = tempfile::TempDir::new().unwrap();
    let socket = directory.path().join("kleened.sock");
    drop(std::os::unix::net::UnixListener::bind(&socket).unwrap());
    let ending = run(&["--host", &format!("http://{}", socket.display()), "lsi"]);
    assert_eq!(ending.code, Some(1));
    assert!(
        ending
            .stderr
            .starts_with("unable to connect to kleened: [Errno 111] Connection refused\n"),
        "{ending}"
    );
}

#[test]
fn an_address_without_a_protocol_is_refused() {
    assert_snapshot!(run(&["--host", "/var/run/kleened.sock", "lsi"]), @r"
    exit: 1
    ----- stdout -----
    ----- stderr -----
    unable to connect to kleened: Request URL is missing an 'http://' or 'https://' protocol.
    '/var/run/kleened.sock' should read like http:///path/to/socket or https://HOST:PORT.
    ");
}

#[test]
fn a_daemon_that_fails_is_told_in_its_own_words_by_every_kind_of_request() {
    let message = serde_json::json!({"message": "the pool is suspended"});
    let daemon = Daemon::rehearse()
        .answer("GET /images/list", 500, message.clone())
        .answer("POST /containers/x/update", 500, message.clone())
        .answer("POST /volumes/prune", 500, message.clone())
        .answer("DELETE /networks/x", 500, message.clone())
        .answer("POST /exec/create", 500, message)
        .start();
    for arguments in [
        &["lsi"] as &[&str],
        &["container", "rename", "x", "y"],
        &["volume", "prune", "-f"],
        &["rmn", "x"],
        &["exec", "x", "ls"],
    ] {
        let ending = daemon.run(arguments);
        assert_eq!(
            (ending.code, ending.stdout.as_str()),
            (Some(1), ""),
            "{arguments:?}"
        );
        assert!(ending.stderr.ends_with("the pool is suspended\n"), "{ending}");
    }
}
