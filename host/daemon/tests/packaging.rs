//! What is installed on FreeBSD besides programs: the sample of a configuration and the script for rc(8).

#![allow(clippy::unwrap_used, reason = "a panic is how a test fails")]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

fn packaged(name: &str) -> String {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../packaging/freebsd");
    fs::read_to_string(directory.join(name)).unwrap()
}

fn text(output: &Output) -> String {
    String::from_utf8_lossy(&[output.stdout.as_slice(), &output.stderr].concat()).into_owned()
}

fn check_config(text_of_file: &str) -> Output {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("kleened.toml");
    fs::write(&file, text_of_file).unwrap();
    Command::new(env!("CARGO_BIN_EXE_kleened"))
        .args(["--config".as_ref(), file.as_os_str(), "check-config".as_ref()])
        .output()
        .unwrap()
}

#[test]
fn the_sample_is_a_configuration_as_it_is_and_with_every_setting_in_force() {
    let sample = packaged("kleened.toml.sample");
    let as_it_is = check_config(&sample);
    assert!(as_it_is.status.success(), "{}", text(&as_it_is));
    // A setting has no blank behind its mark, an explanation has.
    let in_force: String = sample
        .lines()
        .map(|line| match line.strip_prefix('#') {
            Some(setting) if setting.starts_with(|first: char| first.is_ascii_lowercase()) => setting,
            _ => line,
        })
        .map(|line| format!("{line}\n"))
        .collect();
    let checked = check_config(&format!(
        "platform = \"freebsd\"\ntools = \"/nonexistent\"\n{in_force}"
    ));
    assert!(checked.status.success(), "{}", text(&checked));
    let taken = text(&checked);
    for line in ["kleene_root = \"zroot/kleene\"", "run_dir = \"/var/run/kleene\""] {
        assert!(taken.contains(line), "{taken}");
    }
}

/// `/etc/rc.subr` in short: what it makes of a script's variables, and when it refuses.
const RC_SUBR: &str = r#"
load_rc_config() { eval "kleened_enable=${TEST_ENABLE:-NO}"; }
run_rc_command() {
    if [ -n "${rcvar}" ] && [ "$1" != stop ] && [ "${kleened_enable}" != YES ]; then
        echo "Cannot '$1' ${name}. Set ${rcvar} to YES in /etc/rc.conf or use 'one$1' instead of '$1'."
        return 1
    fi
    case "$1" in
    start) echo "start: ${command} ${command_args}" ;;
    *) eval "echo \"$1: \${$1_cmd}\"" ;;
    esac
}
"#;

/// The script on a host with this `/etc/rc.subr`.
struct Script {
    _directory: tempfile::TempDir,
    path: PathBuf,
}

impl Script {
    fn installed() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let at = |name: &str| directory.path().join(name);
        fs::write(at("rc.subr"), RC_SUBR).unwrap();
        let script = packaged("kleened.in")
            .replace("%%PREFIX%%", "/usr/local")
            .replace("/etc/rc.subr", &at("rc.subr").display().to_string());
        fs::write(at("kleened"), script).unwrap();
        Self {
            path: at("kleened"),
            _directory: directory,
        }
    }

    fn run(&self, verb: &str, enable: &str) -> String {
        let mut shell = Command::new("/bin/sh");
        let output = shell
            .arg(&self.path)
            .arg(verb)
            .env("TEST_ENABLE", enable)
            .output();
        text(&output.unwrap())
    }
}

#[test]
fn the_script_is_one_that_sh_understands() {
    let script = Script::installed();
    let output = Command::new("/bin/sh").arg("-n").arg(&script.path).output();
    assert_eq!(text(&output.unwrap()), "");
    assert!(!packaged("kleened.in").contains("\r"));
}

#[test]
fn a_host_is_prepared_before_the_daemon_is_enabled() {
    let script = Script::installed();
    assert_eq!(script.run("init", "NO"), "init: /usr/local/sbin/kleened init \n");
    assert_eq!(
        script.run("dryinit", "NO"),
        "dryinit: /usr/local/sbin/kleened init --dry-run \n"
    );
    assert_eq!(
        script.run("doctor", "NO"),
        "doctor: /usr/local/bin/klee system doctor\n"
    );
    assert!(script.run("start", "NO").starts_with("Cannot 'start' kleened."));
}

#[test]
fn the_daemon_is_started_under_daemon_which_opens_its_log_anew() {
    let told = Script::installed().run("start", "YES");
    assert_eq!(
        told,
        "start: /usr/sbin/daemon -f -H -o /var/log/kleened.log -m 3 -P /var/run/kleened.daemon.pid -p \
         /var/run/kleened.pid /usr/local/sbin/kleened \n"
    );
    // newsyslog(8) signals the process that has the log open.
    let rotation = packaged("newsyslog.conf");
    let line = rotation.lines().find(|line| !line.starts_with('#')).unwrap();
    let fields: Vec<&str> = line.split_whitespace().collect();
    assert_eq!(fields[0], "/var/log/kleened.log");
    assert_eq!(fields[fields.len() - 2..], ["/var/run/kleened.daemon.pid", "1"]);
}
