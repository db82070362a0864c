//! Networks and volumes.

use insta::assert_snapshot;
use serde_json::json;

use crate::daemon::{Daemon, Ending};

const ID: &str = "cccccccccccc";

/// Creates a network with these arguments; returns how klee ended and what it sent.
fn create(arguments: &[&str]) -> (Ending, String) {
    let daemon = Daemon::rehearse()
        .answer("POST /networks/create", 201, json!({"id": ID}))
        .start();
    let ending = daemon.run(&[&["network", "create"], arguments].concat());
    let requests = daemon.requests();
    (ending, requests)
}

#[test]
fn a_network_is_a_loopback_network_unless_told_otherwise() {
    let (ending, requests) = create(&["n1"]);
    assert_eq!((ending.code, ending.stdout.as_str()), (Some(0), "cccccccccccc\n"));
    assert_snapshot!(requests, @r#"POST /networks/create {"gateway":"","gateway6":"","icc":true,"interface":"","internal":false,"name":"n1","nat":"<host-gateway>","subnet":"","subnet6":"","type":"loopback"}"#);
}

#[test]
fn a_bridge_has_automatic_gateways_unless_told_otherwise() {
    let (_, requests) = create(&["-t", "bridge", "--subnet", "10.1.0.0/24", "n4"]);
    assert_snapshot!(requests, @r#"POST /networks/create {"gateway":"<auto>","gateway6":"<auto>","icc":true,"interface":"","internal":false,"name":"n4","nat":"<host-gateway>","subnet":"10.1.0.0/24","subnet6":"","type":"bridge"}"#);
    let (_, requests) = create(&["-t", "bridge", "--gw", "10.1.0.9", "--gw6", "", "n4"]);
    assert!(
        requests.contains(r#""gateway":"10.1.0.9","gateway6":"""#),
        "{requests}"
    );
}

#[test]
fn translation_and_communication_can_be_switched_in_every_spelling() {
    for (arguments, nat, icc) in [
        (&["--nat", "false", "--icc", "no", "net"] as &[&str], "", false),
        (&["--nat=off", "--icc=FALSE", "net"], "", false),
        (&["--no-nat", "--no-icc", "net"], "", false),
        (&["--nat", "--icc", "net"], "<host-gateway>", true),
        (&["net", "--nat", "yes", "--nat-if", "em0"], "em0", true),
        (&["--no-nat", "--nat", "true", "net"], "<host-gateway>", true),
    ] {
        let (ending, requests) = create(arguments);
        assert_eq!(ending.code, Some(0), "{arguments:?} {ending}");
        let body: serde_json::Value =
            serde_json::from_str(requests.strip_prefix("POST /networks/create ").unwrap()).unwrap();
        assert_eq!(
            (&body["nat"], &body["icc"], &body["name"]),
            (&json!(nat), &json!(icc), &json!("net"))
        );
    }
}

#[test]
fn an_unknown_type_is_refused_before_any_request() {
    let (ending, requests) = create(&["-t", "x", "n"]);
    assert_eq!((ending.code, requests.as_str()), (Some(1), ""));
    assert_eq!(
        ending.stderr,
        "unknown network type 'x'. Possible types are: bridge, loopback, custom.\n"
    );
}

#[test]
fn a_subnet_without_a_prefix_length_is_refused_before_any_request() {
    for (option, subnet, meant) in [
        ("--subnet", "10.1.0.0", "10.1.0.0/24"),
        ("--subnet6", "fd00:1::", "fd00:1::/64"),
    ] {
        let (ending, requests) = create(&[option, subnet, "n"]);
        assert_eq!((ending.code, requests.as_str()), (Some(1), ""));
        assert_eq!(
            ending.stderr,
            format!("subnet '{subnet}' has no prefix length: write how large it is, as in '{meant}'\n")
        );
    }
}

#[test]
fn a_refused_network_fails_with_the_daemons_words() {
    let daemon = Daemon::rehearse()
        .answer(
            "POST /networks/create",
            409,
            json!({"message": "network name is already taken"}),
        )
        .start();
    let ending = daemon.run(&["network", "create", "n"]);
    assert_eq!(
        (ending.code, ending.stderr.as_str()),
        (Some(1), "network name is already taken\n")
    );
}

#[test]
fn connect_and_disconnect_print_nothing() {
    let daemon = Daemon::rehearse()
        .answer_raw("POST /networks/connect", 204, "")
        .answer_raw("POST /networks/net/disconnect/web", 204, "")
        .start();
    for arguments in [
        ["network", "connect", "net", "web"],
        ["network", "disconnect", "net", "web"],
    ] {
        let ending = daemon.run(&arguments);
        assert_eq!(
            (ending.code, ending.stdout.as_str(), ending.stderr.as_str()),
            (Some(0), "", "")
        );
    }
    assert_snapshot!(daemon.requests(), @r#"
    POST /networks/connect {"container":"web","ip_address":"<auto>","ip_address6":"<auto>","network":"net"}
    POST /networks/net/disconnect/web
    "#);
}

#[test]
fn networks_are_listed_with_type_and_subnet() {
    let network = json!({"gateway": "", "gateway6": "", "icc": true, "id": ID, "interface": "kleene0",
        "internal": false, "name": "net", "nat": "", "subnet": "10.1.0.0/24", "subnet6": "", "type": "bridge"});
    let daemon = Daemon::rehearse()
        .answer("GET /networks/list", 200, json!([network]))
        .start();
    assert_snapshot!(daemon.run(&["--theme", "simple", "lsn"]).stdout, @r"
     ID           | NAME | TYPE   | SUBNET      
    --------------+------+--------+-------------
     cccccccccccc | net  | bridge | 10.1.0.0/24 
    ");
}

#[test]
fn removing_networks_goes_on_after_a_failure() {
    let daemon = Daemon::rehearse()
        .answer(
            "DELETE /networks/one",
            404,
            json!({"message": "network not found."}),
        )
        .answer("DELETE /networks/two", 200, json!({"id": ID}))
        .start();
    assert_snapshot!(daemon.run(&["rmn", "one", "two"]), @r"
    exit: 1
    ----- stdout -----
    cccccccccccc
    ----- stderr -----
    one: network not found.
    ");
}

#[test]
fn a_volume_is_created_listed_and_removed_by_name() {
    let volume = json!({"created": "2020-02-29T14:54:05.317207Z", "dataset": "z/volumes/data",
        "mountpoint": "/z/volumes/data", "name": "data"});
    let daemon = Daemon::rehearse()
        .answer("POST /volumes/create", 201, json!({"id": "data"}))
        .answer("GET /volumes/list", 200, json!([volume]))
        .answer("DELETE /volumes/data", 200, json!({"id": "data"}))
        .start();
    assert_eq!(daemon.run(&["volume", "create", "data"]).stdout, "data\n");
    assert!(daemon.run(&["lsv"]).stdout.contains("\n data          "));
    assert_eq!(daemon.run(&["rmv", "data"]).stdout, "data\n");
    assert_eq!(
        daemon.requests().lines().next(),
        Some(r#"POST /volumes/create {"name":"data"}"#)
    );
}

#[test]
fn an_unknown_volume_cannot_be_inspected() {
    let daemon = Daemon::rehearse()
        .answer(
            "GET /volumes/x/inspect",
            404,
            json!({"message": "No such volume"}),
        )
        .start();
    let ending = daemon.run(&["isv", "x"]);
    assert_eq!(
        (ending.code, ending.stderr.as_str()),
        (Some(1), "No such volume\n")
    );
}

#[test]
fn connections_that_are_refused_fail_with_the_daemons_words() {
    let daemon = Daemon::rehearse()
        .answer(
            "POST /networks/connect",
            409,
            json!({"message": "container already connected to the network"}),
        )
        .answer(
            "POST /networks/net/disconnect/web",
            404,
            json!({"message": "endpoint configuration not found"}),
        )
        .start();
    for (command, message) in [
        ("connect", "container already connected to the network\n"),
        ("disconnect", "endpoint configuration not found\n"),
    ] {
        let ending = daemon.run(&["network", command, "net", "web"]);
        assert_eq!(
            (ending.code, ending.stdout.as_str(), ending.stderr.as_str()),
            (Some(1), "", message)
        );
    }
}

#[test]
fn a_refused_volume_fails_with_the_daemons_words() {
    let daemon = Daemon::rehearse()
        .answer(
            "POST /volumes/create",
            500,
            json!({"message": "invalid name 'a b'"}),
        )
        .start();
    let ending = daemon.run(&["volume", "create", "a b"]);
    assert_eq!(
        (ending.code, ending.stdout.as_str(), ending.stderr.as_str()),
        (Some(1), "", "invalid name 'a b'\n")
    );
}

#[test]
fn removing_volumes_goes_on_after_a_failure() {
    let daemon = Daemon::rehearse()
        .answer("DELETE /volumes/one", 404, json!({"message": "No such volume"}))
        .answer("DELETE /volumes/two", 200, json!({"id": "two"}))
        .start();
    assert_snapshot!(daemon.run(&["volume", "rm", "one", "two"]), @r"
    exit: 1
    ----- stdout -----
    two
    ----- stderr -----
    one: No such volume
    ");
}

#[test]
fn an_unknown_network_cannot_be_inspected() {
    let daemon = Daemon::rehearse()
        .answer(
            "GET /networks/x/inspect",
            404,
            json!({"message": "network not found"}),
        )
        .start();
    let ending = daemon.run(&["network", "inspect", "x"]);
    assert_eq!(
        (ending.code, ending.stdout.as_str(), ending.stderr.as_str()),
        (Some(1), "", "network not found\n")
    );
}

#[test]
fn quiet_listings_are_ids_of_networks_and_names_of_volumes() {
    let daemon = Daemon::rehearse()
        .answer(
            "GET /networks/list",
            200,
            json!([{"gateway": "", "gateway6": "", "icc": true, "id": ID, "interface": "kleene0",
                "internal": false, "name": "net", "nat": "", "subnet": "", "subnet6": "", "type": "bridge"}]),
        )
        .answer(
            "GET /volumes/list",
            200,
            json!([{"created": "2020-02-29T14:54:05.317207Z", "dataset": "z", "mountpoint": "/z", "name": "data"}]),
        )
        .start();
    assert_eq!(daemon.run(&["network", "ls", "-q"]).stdout, "cccccccccccc\n");
    assert_eq!(daemon.run(&["lsv", "--quiet"]).stdout, "data\n");
    assert_eq!(
        daemon.run(&["lsn", "--format", "{{.Name}}={{.Type}}"]).stdout,
        "net=bridge\n"
    );
}
