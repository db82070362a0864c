//! The program itself, as far as it needs no rights: whole commands with their output and exit status.

#![allow(clippy::expect_used, clippy::unwrap_used, reason = "tests")]

use std::fs;
use std::process::{Command, Output};

fn kleened(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_kleened"))
        .args(arguments)
        .output()
        .unwrap()
}

fn stdout(output: &Output) -> &str {
    std::str::from_utf8(&output.stdout).unwrap()
}

fn stderr(output: &Output) -> &str {
    std::str::from_utf8(&output.stderr).unwrap()
}

#[test]
fn the_configuration_in_effect_is_shown() {
    let output = kleened(&[
        "check-config",
        "--state-dir=/srv/kleene",
        "--run-dir=/run/k",
        "--host=http:///run/k.sock",
        "--host=http://127.0.0.1:8080",
        "--plugins=/opt/plugins",
    ]);
    assert!(output.status.success(), "{}", stderr(&output));
    let expected = r#"kleene_root = "/srv/kleene"
run_dir = "/run/k"
listen = ["http:///run/k.sock", "http://127.0.0.1:8080"]
log_level = "info"

[plugins]
directory = "/opt/plugins"
cache = "/srv/kleene/plugin-cache"
engine = "native"
"#;
    assert_eq!(stdout(&output), expected);
}

#[test]
fn a_mistake_in_the_file_is_reported_with_its_place() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("kleened.toml");
    fs::write(&path, "run_dir = \"/run/k\"\nlisten = [\"tcp://127.0.0.1\"]\n").unwrap();
    let output = kleened(&["check-config", "--config", path.to_str().unwrap()]);
    assert_eq!(output.status.code(), Some(1));
    assert_eq!(
        stderr(&output),
        format!(
            "kleened: {}, line 2, key 'listen': cannot listen at 'tcp://127.0.0.1': its scheme is not http; \
             write http://<IP>[:<port>] or http:///<path of a UNIX socket>\n",
            path.display()
        )
    );
}

#[test]
fn a_missing_file_is_named() {
    let output = kleened(&["--config", "/nonexistent/kleened.toml"]);
    assert_eq!(output.status.code(), Some(1));
    let expected = "kleened: cannot read the configuration file /nonexistent/kleened.toml: ";
    assert!(stderr(&output).starts_with(expected), "{}", stderr(&output));
}

#[test]
fn a_bad_address_on_the_command_line_is_a_usage_error() {
    let output = kleened(&["--host", "https://127.0.0.1"]);
    assert_eq!(output.status.code(), Some(2));
    assert!(
        stderr(&output).contains("write http://<IP>[:<port>]"),
        "{}",
        stderr(&output)
    );
}

#[test]
fn a_dry_initialisation_changes_nothing() {
    let directory = tempfile::tempdir().unwrap();
    let state = directory.path().join("state");
    let state = state.to_str().unwrap();
    let run = directory.path().join("run");
    let output = kleened(&[
        "init",
        "--dry-run",
        "--state-dir",
        state,
        "--run-dir",
        run.to_str().unwrap(),
    ]);
    assert!(
        stdout(&output).contains(&format!("directory {state}: would be made\n")),
        "{}",
        stdout(&output)
    );
    assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 0);
}

#[test]
fn a_supervisor_without_a_directory_says_who_calls_it() {
    let output = kleened(&["supervise"]);
    assert_eq!(output.status.code(), Some(1));
    assert!(
        stderr(&output).contains("only kleened itself calls this"),
        "{}",
        stderr(&output)
    );
}
