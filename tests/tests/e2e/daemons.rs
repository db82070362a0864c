//! The daemon as a program.

use kleene_tests::Host;

#[test]
fn a_second_daemon_on_the_same_directories_is_refused_and_the_first_unharmed() {
    let host = Host::start();
    let output = host.daemon_command().output().unwrap();
    assert!(!output.status.success());
    let message = String::from_utf8_lossy(&output.stderr);
    let pid = host.daemon_pid().unwrap();
    assert!(
        message.contains(&format!("another kleened (process {pid}) uses")),
        "{message}"
    );
    host.klee("lsc").ok();
}

#[test]
fn init_finds_nothing_missing_on_this_host() {
    let host = Host::start();
    let output = host.daemon_command().arg("init").output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{text}");
    assert!(!text.contains("MISSING"), "{text}");
}
