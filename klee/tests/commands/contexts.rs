//! `klee context`: names for daemons, kept at home.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;

use insta::assert_snapshot;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::authority::Authority;
use crate::daemon::{Daemon, Ending, klee};

/// A home without contexts at first.
struct Home(TempDir);

impl Home {
    fn new() -> Self {
        Self(TempDir::new().unwrap())
    }

    fn file(&self) -> PathBuf {
        self.0.path().join(".klee/contexts.json")
    }

    fn run(&self, arguments: &[&str]) -> Ending {
        self.run_with(&[], arguments)
    }

    fn run_with(&self, variables: &[(&str, &str)], arguments: &[&str]) -> Ending {
        let mut command = klee(arguments);
        command.env("HOME", self.0.path()).current_dir(self.0.path());
        Ending::of(command.envs(variables.iter().copied()).output().unwrap())
    }

    fn done(&self, arguments: &[&str]) {
        let ending = self.run(arguments);
        assert_eq!(ending.code, Some(0), "{ending}");
    }

    /// The socket that klee tried to reach; nobody listens at any.
    fn tried(&self, variables: &[(&str, &str)], arguments: &[&str]) -> String {
        let ending = self.run_with(variables, arguments);
        let (_, place) = ending.stderr.split_once("does it listen at ").unwrap();
        place.trim_end().trim_end_matches('?').to_owned()
    }
}

/// A home with the contexts `one` and `two`.
fn home_with_two() -> Home {
    let home = Home::new();
    home.done(&["context", "add", "one", "--host", "http:///one"]);
    home.done(&["context", "add", "two", "--host", "http:///two"]);
    home
}

#[test]
fn the_context_in_use_says_where_the_daemon_is_until_default_is_used_again() {
    let home = home_with_two();
    assert_eq!(home.tried(&[], &["lsi"]), "/var/run/kleened.sock");
    assert_snapshot!(home.run(&["context", "use", "one"]), @"
    exit: 0
    ----- stdout -----
    one
    ----- stderr -----
    ");
    assert_eq!(home.tried(&[], &["lsi"]), "/one");
    home.done(&["context", "use", "two"]);
    assert_eq!(home.tried(&[], &["lsi"]), "/two");
    home.done(&["context", "use", "default"]);
    assert_eq!(home.tried(&[], &["lsi"]), "/var/run/kleened.sock");
}

#[test]
fn the_order_is_option_host_or_context_then_variable_host_then_variable_context_then_the_one_in_use_then_the_file()
 {
    let home = home_with_two();
    fs::write(home.0.path().join("klee_config.yaml"), "host: http:///file\n").unwrap();
    let lsi = ["lsi"];
    assert_eq!(home.tried(&[], &lsi), "/file");
    home.done(&["context", "use", "one"]);
    assert_eq!(home.tried(&[], &lsi), "/one");
    let context = ("KLEE_CONTEXT", "two");
    assert_eq!(home.tried(&[context], &lsi), "/two");
    assert_eq!(home.tried(&[("KLEE_CONTEXT", "default")], &lsi), "/file");
    let host = ("KLEE_HOST", "http:///variable");
    assert_eq!(home.tried(&[context, host], &lsi), "/variable");
    assert_eq!(home.tried(&[context, host], &["--context", "one", "lsi"]), "/one");
    assert_eq!(home.tried(&[host], &["--context", "default", "lsi"]), "/variable");
    assert_eq!(
        home.tried(&[context, host], &["--host", "http:///line", "lsi"]),
        "/line"
    );
}

#[test]
fn contexts_are_listed_as_a_table_and_as_json() {
    let home = home_with_two();
    home.done(&["context", "add", "far", "--host", "https://a:1", "--no-tlsverify"]);
    home.done(&["context", "use", "two"]);
    let table = home.run(&["--theme", "simple", "context", "ls"]).stdout;
    let lines: Vec<&str> = table.lines().map(str::trim_end).collect();
    assert_snapshot!(lines.join("\n"), @"
     NAME    | CURRENT | HOST                         | VERIFIED BY
    ---------+---------+------------------------------+-------------
     default |         | http:///var/run/kleened.sock |
     far     |         | https://a:1                  | nothing
     one     |         | http:///one                  |
     two     |   yes   | http:///two                  |
    ");
    let listed: Value =
        serde_json::from_str(&home.run(&["context", "ls", "--format", "json"]).stdout).unwrap();
    assert_eq!(
        listed,
        json!([
            {"current": false, "host": "http:///var/run/kleened.sock", "name": "default"},
            {"current": false, "host": "https://a:1", "name": "far", "tlsverify": false},
            {"current": false, "host": "http:///one", "name": "one"},
            {"current": true, "host": "http:///two", "name": "two"},
        ])
    );
}

#[test]
fn the_context_in_use_can_be_shown_and_inspected() {
    let home = home_with_two();
    assert_eq!(home.run(&["context", "show"]).stdout, "default\n");
    home.done(&["context", "use", "two"]);
    assert_eq!(home.run(&["context", "show"]).stdout, "two\n");
    assert_eq!(home.run(&["--context", "one", "context", "show"]).stdout, "one\n");
    assert_snapshot!(home.run(&["context", "inspect"]), @r#"
    exit: 0
    ----- stdout -----
    {
      "current": true,
      "host": "http:///two",
      "name": "two"
    }
    ----- stderr -----
    "#);
    assert!(
        home.run(&["context", "inspect", "one"])
            .stdout
            .contains(r#""current": false"#)
    );
}

#[test]
fn a_context_carries_its_certificates() {
    let home = Home::new();
    let authority = Authority::new("ours");
    let acceptor = authority.certify(&["localhost"]).acceptor(Some(&authority));
    let daemon = Daemon::rehearse()
        .answer_raw("GET /images/list", 200, "[]")
        .start_with_tls(acceptor);
    let client = authority.certify(&["client"]);
    // Relative to where they are named; used from elsewhere.
    for (path, name) in [
        (authority.certificate(), "ca.pem"),
        (client.certificate, "cert.pem"),
        (client.key, "key.pem"),
    ] {
        fs::copy(path, home.0.path().join(name)).unwrap();
    }
    home.done(&[
        "context",
        "add",
        "far",
        "--host",
        daemon.url(),
        "--tlscacert",
        "ca.pem",
        "--tlscert",
        "./cert.pem",
        "--tlskey",
        "key.pem",
    ]);
    home.done(&["context", "use", "far"]);
    let mut command = klee(&["lsi"]);
    command.env("HOME", home.0.path()).current_dir("/");
    // Those of a file are for another daemon.
    fs::write(
        home.0.path().join(".klee/klee_config.yaml"),
        "tlscacert: /no/ca.pem\n",
    )
    .unwrap();
    let ending = Ending::of(command.output().unwrap());
    assert_eq!(ending.code, Some(0), "{ending}");
}

#[test]
fn variables_are_not_laid_over_a_context_that_the_command_line_names() {
    let home = Home::new();
    home.done(&["context", "add", "far", "--host", "https://127.0.0.1:1"]);
    let variable = [("KLEE_TLS_CACERT", "/no/ca.pem")];
    let named = home.run_with(&variable, &["--context", "far", "lsi"]);
    assert!(named.stderr.contains("Connection refused"), "{named}");
    home.done(&["context", "use", "far"]);
    let in_use = home.run_with(&variable, &["lsi"]);
    assert!(in_use.stderr.contains("/no/ca.pem"), "{in_use}");
}

#[test]
fn contexts_are_removed_but_not_under_ones_feet() {
    let home = home_with_two();
    home.done(&["context", "use", "one"]);
    assert_snapshot!(home.run(&["context", "rm", "one", "two", "three"]), @"
    exit: 1
    ----- stdout -----
    two
    ----- stderr -----
    context 'one' is in use: choose another with 'klee context use', or remove it with '--force'
    context 'three' not found
    There are: default, one. Add one with 'klee context add'.
    ");
    home.done(&["context", "rm", "--force", "one"]);
    assert_eq!(home.run(&["context", "show"]).stdout, "default\n");
}

#[test]
fn what_cannot_be_is_refused() {
    let home = home_with_two();
    let complaint = |arguments: &[&str], code: i32| {
        let ending = home.run(arguments);
        assert_eq!(
            (ending.code, ending.stdout.as_str()),
            (Some(code), ""),
            "{ending}"
        );
        ending.stderr
    };
    assert_snapshot!(complaint(&["context", "add", "one", "--host", "http:///x"], 1), @"context 'one' exists already: remove it first with 'klee context rm one'");
    assert_snapshot!(complaint(&["context", "add", "default", "--host", "http:///x"], 1), @"context 'default' stands for no context: choose another name");
    assert_snapshot!(complaint(&["context", "add", "x", "--host", "x"], 1), @"
    unable to connect to kleened: Request URL is missing an 'http://' or 'https://' protocol.
    'x' should read like http:///path/to/socket or https://HOST:PORT.
    ");
    assert_snapshot!(complaint(&["context", "add", "x", "--host", "https://a:1", "--tlscacert", "/no/ca.pem"], 1), @"unable to connect to kleened: cannot read /no/ca.pem (--tlscacert): [Errno 2] No such file or directory");
    assert_snapshot!(complaint(&["context", "add", "x"], 2), @"
    Usage: klee context add [OPTIONS] NAME
    Try 'klee context add --help' for help.

    Error: Missing option '--host'.
    ");
    assert_snapshot!(complaint(&["context", "add", "a/b", "--host", "http:///x"], 2), @"
    Usage: klee context add [OPTIONS] NAME
    Try 'klee context add --help' for help.

    Error: Invalid value for 'NAME': 'a/b' is no name for a context: letters, digits, '_', '.' and '-', a letter or digit first.
    ");
    assert_snapshot!(complaint(&["context", "rm", "default"], 1), @"context 'default' stands for no context and cannot be removed");
    for arguments in [
        &["context", "use", "three"] as &[&str],
        &["context", "inspect", "three"],
        &["--context", "three", "lsi"],
    ] {
        assert_eq!(
            complaint(arguments, 1),
            "context 'three' not found\n\
             There are: default, one, two. Add one with 'klee context add'.\n"
        );
    }
    assert_snapshot!(complaint(&["--context", "one", "--host", "http:///x", "lsi"], 2), @"
    Usage: klee [OPTIONS] COMMAND [ARGS]...
    Try 'klee --help' for help.

    Error: '--context' and '--host' exclude each other.
    ");
    let variable = home.run_with(&[("KLEE_CONTEXT", "a b")], &["lsi"]);
    assert!(
        variable
            .stderr
            .contains("Error: Invalid value for 'KLEE_CONTEXT': 'a b' is no name"),
        "{variable}"
    );
}

#[test]
fn who_looks_at_contexts_learns_that_a_variable_overrules_them() {
    let home = home_with_two();
    let ending = home.run_with(&[("KLEE_HOST", "http:///variable")], &["context", "use", "one"]);
    assert_snapshot!(ending, @"
    exit: 0
    ----- stdout -----
    one
    ----- stderr -----
    Note: KLEE_HOST is set, so klee uses http:///variable whatever the context, unless '--context' names one.
    ");
}

#[test]
fn contexts_are_kept_in_a_file_of_the_users_own() {
    let home = home_with_two();
    let mode = |path: PathBuf| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(home.file()), 0o600);
    assert_eq!(mode(home.0.path().join(".klee")), 0o700);
    // Nothing is left beside it.
    assert_eq!(fs::read_dir(home.0.path().join(".klee")).unwrap().count(), 1);
}

#[test]
fn commands_at_the_same_time_lose_nothing() {
    let home = Home::new();
    let names: Vec<String> = (0..8).map(|number| format!("n{number}")).collect();
    std::thread::scope(|scope| {
        for name in &names {
            scope.spawn(|| home.done(&["context", "add", name, "--host", "http:///x"]));
        }
    });
    let kept: Value = serde_json::from_slice(&fs::read(home.file()).unwrap()).unwrap();
    assert_eq!(kept["contexts"].as_object().unwrap().len(), 8);
}

#[test]
fn a_broken_file_is_told_unless_it_does_not_matter() {
    let home = Home::new();
    fs::create_dir(home.0.path().join(".klee")).unwrap();
    fs::write(home.file(), "{").unwrap();
    let ending = home.run(&["lsi"]);
    assert_eq!(ending.code, Some(255));
    assert!(
        ending.stderr.starts_with(&format!(
            "Error! Contexts in {} are not valid: ",
            home.file().display()
        )),
        "{ending}"
    );
    assert_eq!(home.tried(&[], &["--host", "http:///line", "lsi"]), "/line");
}
