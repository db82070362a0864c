//! The program itself, as far as it needs no rights: whole commands with their output and exit status.

#![allow(clippy::expect_used, clippy::unwrap_used, reason = "tests")]

use std::fs;
use std::path::Path;
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
add_urls = false
upload_limit = 10000000000

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
            "kleened: {}, line 2, key 'listen': cannot listen at 'tcp://127.0.0.1': its scheme is neither http nor \
             https; write http[s]://<IP>[:<port>] or http[s]:///<path of a UNIX socket>\n",
            path.display()
        )
    );
}

#[test]
fn a_missing_file_is_named() {
    let output = kleened(&["--config", "/nonexistent/kleened.toml"]);
    assert_eq!(output.status.code(), Some(1));
    assert_eq!(
        stderr(&output),
        "kleened: cannot read the configuration file /nonexistent/kleened.toml: No such file or directory (os error 2)\n"
    );
}

#[test]
fn what_the_daemon_would_not_start_with_is_found_by_a_check() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("kleened.toml");
    let target = Path::new(env!("CARGO_TARGET_TMPDIR")).parent().unwrap();
    let plugins = target.join("plugins");
    for (text, said) in [
        (
            "[plugins.allow]\nnetwork-bridg = [\"bridge\"]\n",
            "[plugins.allow] 'network-bridg': there is no plugin of this name in ",
        ),
        (
            "[plugins.config.policy-egress]\ndefault = \"dny\"\n",
            "[plugins.config.policy-egress], key 'default': unknown variant `dny`, expected `allow` or `block`",
        ),
        (
            "insecure_registries = [\"http://a\"]\n",
            "kleened.toml, line 1, key 'insecure_registries': 'http://a' is not a registry: write host[:port]",
        ),
        (
            "listen = [\"http:///run/k.sock\", \"http://127.0.0.1\", \"http:///run/k.sock/\"]\n",
            "kleened: listen has http:///run/k.sock twice",
        ),
    ] {
        fs::write(&path, text).unwrap();
        let output = kleened(&[
            "check-config",
            "--config",
            path.to_str().unwrap(),
            "--plugins",
            plugins.to_str().unwrap(),
        ]);
        assert_eq!(output.status.code(), Some(1), "{text}");
        assert!(
            stderr(&output).contains(said),
            "no '{said}' in: {}",
            stderr(&output)
        );
    }
    let path = path.to_str().unwrap();
    fs::write(path, "[plugins.allow]\nnetwork-bridge = [\"bridge\"]\n").unwrap();
    let output = kleened(&["check-config", "--config", path, "--plugins=/nonexistent"]);
    let expected = format!(
        "kleened: cannot use the plugins as {path} wants them: cannot use the plugin directory /nonexistent: \
         No such file or directory (os error 2)\n"
    );
    assert_eq!(stderr(&output), expected);
}

#[test]
fn a_bad_address_on_the_command_line_is_a_usage_error() {
    let output = kleened(&["--host", "ftp://127.0.0.1"]);
    assert_eq!(output.status.code(), Some(2));
    assert!(
        stderr(&output).contains("write http[s]://<IP>[:<port>]"),
        "{}",
        stderr(&output)
    );
}

#[test]
fn an_address_with_tls_needs_a_certificate_that_exists() {
    let output = kleened(&["check-config", "--host", "https://127.0.0.1"]);
    assert_eq!(output.status.code(), Some(1));
    let expected = "kleened: https://127.0.0.1:443 needs a certificate: name its file with 'tlscert'";
    assert!(stderr(&output).starts_with(expected), "{}", stderr(&output));

    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("kleened.toml");
    let text = "[[listen]]\naddress = \"https://127.0.0.1\"\ntlscert = \"/nonexistent/c.pem\"\n";
    fs::write(&path, text).unwrap();
    let output = kleened(&["check-config", "--config", path.to_str().unwrap()]);
    assert_eq!(output.status.code(), Some(1));
    assert_eq!(
        stderr(&output),
        "kleened: cannot listen at https://127.0.0.1:443: file in 'tlscert' does not exist. \
         It is given as /nonexistent/c.pem\n"
    );
}

#[test]
fn certificates_that_were_made_can_be_used_as_the_advice_says() {
    let directory = tempfile::tempdir().unwrap();
    let tls = directory.path().join("tls");
    let output = kleened(&["tls-init", tls.to_str().unwrap(), "--name", "10.0.0.1"]);
    assert!(output.status.success(), "{}", stderr(&output));
    let advice = stdout(&output);
    let from = advice.find("listen = [").unwrap();
    let to = advice.find("For a client").unwrap();
    let path = directory.path().join("kleened.toml");
    fs::write(&path, &advice[from..to]).unwrap();
    let output = kleened(&["check-config", "--config", path.to_str().unwrap()]);
    assert!(output.status.success(), "{}", stderr(&output));
    for kept in ["tlsverify = true", "http:///var/run/kleened.sock"] {
        assert!(stdout(&output).contains(kept), "{}", stdout(&output));
    }

    let again = kleened(&["tls-init", tls.to_str().unwrap()]);
    assert_eq!(again.status.code(), Some(1));
    assert!(
        stderr(&again).contains("it was left alone and nothing was written"),
        "{}",
        stderr(&again)
    );
}

#[test]
fn the_configuration_of_the_predecessor_is_understood_with_notes() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("config.yaml");
    let text = "kleene_root: /srv/kleene\npf_config_template_path: /a\npf_config_path: /etc/pf.conf\n\
        api_listening_sockets:\n  - address: http:///run/k.sock\nenable_logging: true\nlog_level: notice\n";
    fs::write(&path, text).unwrap();
    let check = || {
        kleened(&[
            "check-config",
            "--config",
            path.to_str().unwrap(),
            "--plugins=/opt/plugins",
        ])
    };
    let output = check();
    assert!(output.status.success(), "{}", stderr(&output));
    assert!(stderr(&output).starts_with("note: 'pf_config_template_path' and 'pf_config_path' are not used"));
    assert!(
        stdout(&output).contains("log_file = \"/var/log/kleened.log\"\n"),
        "{}",
        stdout(&output)
    );

    fs::write(&path, text.replace("log_level: notice\n", "")).unwrap();
    let expected = "configuration error: 'log_level' key not set in configuration file. Exiting.\n";
    assert!(stderr(&check()).ends_with(expected), "{}", stderr(&check()));
}

#[test]
fn the_description_of_the_interface_is_printed() {
    let output = kleened(&["openapi"]);
    assert_eq!(stdout(&output), include_str!("../../../api/openapi.json"));
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
