//! Where klee learns which daemon is meant and how output looks: command line, environment, files.

use std::fs;
use std::path::PathBuf;
use std::process::Command;

use insta::assert_snapshot;
use tempfile::TempDir;

use crate::daemon::{Daemon, Ending, klee};

/// A user's home and working directory.
struct User {
    directory: TempDir,
}

impl User {
    fn new() -> Self {
        let user = Self {
            directory: TempDir::new().unwrap(),
        };
        for directory in ["home/.klee", "work"] {
            fs::create_dir_all(user.path(directory)).unwrap();
        }
        user
    }

    fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    fn write(&self, name: &str, text: &str) {
        fs::write(self.path(name), text).unwrap();
    }

    fn klee(&self, arguments: &[&str]) -> Command {
        let mut command = klee(arguments);
        command
            .env("HOME", self.path("home"))
            .current_dir(self.path("work"));
        command
    }

    fn run(&self, arguments: &[&str]) -> Ending {
        Ending::of(self.klee(arguments).output().unwrap())
    }

    fn run_with(&self, variables: &[(&str, &str)], arguments: &[&str]) -> Ending {
        let mut command = self.klee(arguments);
        Ending::of(command.envs(variables.iter().copied()).output().unwrap())
    }

    /// The socket that klee tried to reach; nobody listens at any.
    fn tried(&self, variables: &[(&str, &str)], arguments: &[&str]) -> String {
        let ending = self.run_with(variables, arguments);
        let (_, place) = ending.stderr.split_once("does it listen at ").unwrap();
        place.trim_end().trim_end_matches('?').to_owned()
    }

    fn anonymous(&self, ending: &Ending) -> String {
        let directory = self.directory.path().display().to_string();
        ending.to_string().replace(&directory, "<user>")
    }
}

const LOCAL: &str = "work/klee_config.yaml";
const HOME: &str = "home/.klee/klee_config.yaml";

#[test]
fn command_line_beats_environment_beats_file_beats_default() {
    let user = User::new();
    let lsi = ["lsi"];
    assert_eq!(user.tried(&[], &lsi), "/var/run/kleened.sock");
    user.write(HOME, "host: http:///home-file\n");
    assert_eq!(user.tried(&[], &lsi), "/home-file");
    let environment = [("KLEE_HOST", "http:///environment")];
    assert_eq!(user.tried(&environment, &lsi), "/environment");
    let line = ["--host", "http:///line", "lsi"];
    assert_eq!(user.tried(&environment, &line), "/line");
}

#[test]
fn an_empty_variable_says_nothing() {
    assert_eq!(
        User::new().tried(&[("KLEE_HOST", ""), ("KLEE_THEME", "")], &["lsi"]),
        "/var/run/kleened.sock"
    );
}

#[test]
fn the_last_of_several_options_counts() {
    let arguments = ["--host", "http:///first", "--host", "http:///last", "lsi"];
    assert_eq!(User::new().tried(&[], &arguments), "/last");
}

#[test]
fn the_working_directory_is_searched_before_the_home() {
    let user = User::new();
    user.write(HOME, "host: http:///home-file\n");
    user.write(LOCAL, "host: http:///local-file\n");
    assert_eq!(user.tried(&[], &["lsi"]), "/local-file");
}

#[test]
fn a_named_file_is_the_only_one() {
    let user = User::new();
    user.write(HOME, "host: http:///home-file\n");
    user.write("home/other.yaml", "host: http:///other-file\n");
    let option = ["--config", "~/other.yaml", "lsi"];
    assert_eq!(user.tried(&[], &option), "/other-file");
    let variable = [("KLEE_CONFIG", "~/other.yaml")];
    assert_eq!(user.tried(&variable, &["lsi"]), "/other-file");
    // One that is missing is passed over, and nothing is read in its place.
    let option = ["--config", "/nonexistent.yaml", "lsi"];
    assert_eq!(user.tried(&variable, &option), "/var/run/kleened.sock");
}

#[test]
fn a_file_that_cannot_be_parsed_is_told_and_the_next_is_read() {
    let user = User::new();
    user.write(LOCAL, "host: [\n");
    user.write(HOME, "host: http:///home-file\n");
    assert_snapshot!(user.anonymous(&user.run(&["lsi"])), @"
    exit: 1
    ----- stdout -----
    ----- stderr -----
    Error! Could not parse config at ./klee_config.yaml
    did not find expected node content at line 2 column 1, while parsing a flow node
    unable to connect to kleened: [Errno 2] No such file or directory
    Is kleened running, and does it listen at /home-file?
    ");
}

#[test]
fn a_file_that_is_no_map_is_no_configuration() {
    let user = User::new();
    user.write(HOME, "- host\n- theme\n");
    assert_snapshot!(user.anonymous(&user.run(&["lsi"])), @"
    exit: 1
    ----- stdout -----
    ----- stderr -----
    Error! Could not parse config at <user>/home/.klee/klee_config.yaml
    It is not a map with lines such as 'host: http:///var/run/kleened.sock'.
    unable to connect to kleened: [Errno 2] No such file or directory
    Is kleened running, and does it listen at /var/run/kleened.sock?
    ");
}

#[test]
fn an_empty_file_says_nothing() {
    let user = User::new();
    user.write(LOCAL, "");
    user.write(HOME, "host: http:///home-file\n");
    assert_eq!(user.tried(&[], &["lsi"]), "/var/run/kleened.sock");
}

#[test]
fn an_unknown_parameter_is_an_error() {
    let user = User::new();
    user.write(HOME, "host: http:///s\nhots: http:///t\n");
    assert_snapshot!(user.anonymous(&user.run(&["lsi"])), @"
    exit: 255
    ----- stdout -----
    ----- stderr -----
    Error! Config file <user>/home/.klee/klee_config.yaml is not valid: parameter name 'hots' unknown
    ");
    // Help needs no configuration.
    assert_eq!(user.run(&["--help"]).code, Some(0));
}

#[test]
fn a_value_of_the_wrong_kind_is_an_error() {
    let user = User::new();
    user.write(HOME, "tlsverify: 17\n");
    assert_snapshot!(user.anonymous(&user.run(&["lsi"])), @"
    exit: 255
    ----- stdout -----
    ----- stderr -----
    Error! Config file <user>/home/.klee/klee_config.yaml is not valid: parameter 'tlsverify' must be true or false
    ");
}

/// The header of an empty listing.
fn header(user: &User, daemon: &Daemon, variables: &[(&str, &str)], arguments: &[&str]) -> String {
    let arguments = [&["--host", daemon.url()], arguments].concat();
    user.run_with(variables, &arguments).stdout
}

#[test]
fn the_theme_comes_from_command_line_environment_or_file() {
    let daemon = Daemon::rehearse()
        .answer_raw("GET /volumes/list", 200, "[]")
        .start();
    let user = User::new();
    let is_simple = |variables: &[(&str, &str)], arguments: &[&str]| {
        header(&user, &daemon, variables, arguments).contains('|')
    };
    assert!(!is_simple(&[], &["lsv"]));
    assert!(is_simple(&[("KLEE_THEME", "simple")], &["lsv"]));
    user.write(HOME, "theme: simple\n");
    assert!(is_simple(&[], &["lsv"]));
    assert!(!is_simple(&[("KLEE_THEME", "fancy")], &["lsv"]));
    assert!(!is_simple(&[], &["--theme", "fancy", "lsv"]));
}

#[test]
fn an_unknown_theme_is_a_usage_error_wherever_it_comes_from() {
    let user = User::new();
    user.write(HOME, "theme: pretty\n");
    for (ending, source) in [
        (user.run(&["--theme", "pretty", "lsv"]), "'--theme'"),
        (
            user.run_with(&[("KLEE_THEME", "pretty")], &["lsv"]),
            "'KLEE_THEME'",
        ),
        (
            user.run(&["lsv"]),
            "'theme' in <user>/home/.klee/klee_config.yaml",
        ),
    ] {
        let expected = format!(
            "exit: 2\n----- stdout -----\n----- stderr -----\n\
             Usage: klee [OPTIONS] COMMAND [ARGS]...\nTry 'klee --help' for help.\n\n\
             Error: Invalid value for {source}: 'pretty' is not one of fancy, simple.\n"
        );
        assert_eq!(user.anonymous(&ending), expected);
    }
}

#[test]
fn configuration_and_theme_are_options_of_the_root_only() {
    let user = User::new();
    user.write("work/other.yaml", "nonsense: 1\n");
    for option in ["--config=./other.yaml", "--theme=simple"] {
        assert_eq!(user.run(&["lsi", option]).code, Some(2), "{option}");
    }
    // Words of a container's command are the container's.
    let arguments = ["run", "img", "--config", "./other.yaml", "--theme", "pretty"];
    assert_eq!(user.tried(&[], &arguments), "/var/run/kleened.sock");
}

#[test]
fn tls_variables_reach_the_connection() {
    let user = User::new();
    let complaint = |variables: &[(&str, &str)]| {
        let variables = [&[("KLEE_HOST", "https://127.0.0.1:1")], variables].concat();
        user.run_with(&variables, &["lsi"]).stderr
    };
    assert!(complaint(&[("KLEE_TLS_CACERT", "/no/ca")]).contains("/no/ca (--tlscacert)"));
    assert!(complaint(&[("KLEE_TLS_CERT", "/no/cert")]).contains("must also provide the '--tlskey'"));
    for key in ["KLEE_TLS_KEY", "KLEE_TLS_KERY"] {
        let complaint = complaint(&[("KLEE_TLS_CERT", "/no/cert"), (key, "/no/key")]);
        assert!(complaint.contains("/no/cert (--tlscert)"), "{complaint}");
    }
    let complaint = complaint(&[("KLEE_TLS_VERIFY", "true"), ("SSL_CERT_FILE", "/no/system")]);
    assert!(
        complaint.contains("no certificates of authorities"),
        "{complaint}"
    );
}

#[test]
fn tls_parameters_of_a_file_reach_the_connection_and_may_begin_at_home() {
    let user = User::new();
    user.write(HOME, "host: https://127.0.0.1:1\ntlscacert: ~/ca.pem\n");
    assert_snapshot!(user.anonymous(&user.run(&["lsi"])), @"
    exit: 1
    ----- stdout -----
    ----- stderr -----
    unable to connect to kleened: cannot read <user>/home/ca.pem (--tlscacert): [Errno 2] No such file or directory
    ");
}

#[test]
fn an_address_that_cannot_be_meant_is_told() {
    let user = User::new();
    let complaint = |url: &str| {
        let ending = user.run(&["--host", url, "lsi"]);
        assert_eq!((ending.code, ending.stdout.as_str()), (Some(1), ""));
        ending.stderr
    };
    assert_snapshot!(complaint("http://a:1?x=y"), @"
    Could not parse the '--host' parameter
    'http://a:1?x=y' is neither http[s]://HOST:PORT nor http[s]:///path/to/socket.
    ");
    assert_snapshot!(complaint("ftp://a:1"), @"unable to connect to kleened: Request URL has an unsupported protocol 'ftp://'.");
    assert_snapshot!(complaint("/var/run/kleened.sock"), @"
    unable to connect to kleened: Request URL is missing an 'http://' or 'https://' protocol.
    '/var/run/kleened.sock' should read like http:///path/to/socket or https://HOST:PORT.
    ");
}

#[test]
fn a_port_where_nobody_listens_is_told() {
    assert_snapshot!(User::new().run(&["--host", "http://127.0.0.1:1", "lsi"]), @"
    exit: 1
    ----- stdout -----
    ----- stderr -----
    unable to connect to kleened: [Errno 111] Connection refused
    Is kleened running, and does it listen at 127.0.0.1:1?
    ");
}
