//! `klee system`.

use insta::assert_snapshot;
use serde_json::json;

use crate::daemon::Daemon;

#[test]
fn a_host_that_is_as_it_should_be_needs_no_repair() {
    let daemon = Daemon::rehearse()
        .answer("POST /system/repair", 200, json!({"failed": [], "restored": []}))
        .start();
    let ending = daemon.run(&["system", "repair"]);
    assert_eq!(
        (ending.code, ending.stdout.as_str()),
        (Some(0), "nothing to repair\n")
    );
}

#[test]
fn a_repair_is_a_list_and_fails_if_something_could_not_be_repaired() {
    let repair = json!({
        "failed": [{"object": "volume data", "reason": "dataset volumes/data is busy", "what": "destroy dataset volumes/data"}],
        "restored": [{"object": "network cccccccccccc", "what": "rules of network-cccccccccccc\n    block in"}],
    });
    let daemon = Daemon::rehearse()
        .answer("POST /system/repair", 200, repair.clone())
        .start();
    assert_snapshot!(daemon.run(&["--theme", "simple", "system", "repair"]), @r"
    exit: 1
    ----- stdout -----
    network cccccccccccc: restored
      rules of network-cccccccccccc
    volume data: failed
      destroy dataset volumes/data
      dataset volumes/data is busy
    ----- stderr -----
    ");
    let ending = daemon.run(&["system", "repair", "--format", "json"]);
    assert_eq!(ending.code, Some(1));
    assert_eq!(
        serde_json::from_str::<serde_json::Value>(&ending.stdout).unwrap(),
        repair
    );
}
