//! Containers: creating and running them.

use insta::assert_snapshot;
use serde_json::Value;

use crate::containers::{created, refusal};
use crate::daemon::{Daemon, run};

#[test]
fn create_sends_the_options_and_prints_the_id() {
    let daemon = Daemon::rehearse()
        .answer("POST /containers/create", 201, created())
        .start();
    let ending = daemon.run(&["create", "--name", "abc", "FreeBSD", "ls", "-x"]);
    assert_eq!((ending.code, ending.stdout.as_str()), (Some(0), "0123456789ab\n"));
    assert_snapshot!(daemon.requests(), @r#"POST /containers/create {"cmd":["ls","-x"],"env":[],"image":"FreeBSD","jail_param":[],"mounts":[],"name":"abc","network_driver":"host","persist":false,"public_ports":[],"restart_policy":"no","user":""}"#);
}

#[test]
fn options_after_the_image_belong_to_the_command() {
    let daemon = Daemon::rehearse()
        .answer("POST /containers/create", 201, created())
        .start();
    daemon.run(&[
        "container",
        "create",
        "--name",
        "abc",
        "img",
        "ls",
        "-la",
        "--name",
        "x",
        "-l",
    ]);
    let requests = daemon.requests();
    assert!(
        requests.contains(r#""cmd":["ls","-la","--name","x","-l"]"#),
        "{requests}"
    );
    assert!(
        requests.contains(r#""name":"abc","network_driver":"host""#),
        "{requests}"
    );
}

#[test]
fn a_double_dash_before_or_after_the_image_is_not_part_of_the_command() {
    for arguments in [["create", "--", "img", "ls"], ["create", "img", "--", "ls"]] {
        let daemon = Daemon::rehearse()
            .answer("POST /containers/create", 201, created())
            .start();
        daemon.run(&arguments);
        let requests = daemon.requests();
        assert!(requests.contains(r#""cmd":["ls"]"#), "{requests}");
        assert!(requests.contains(r#""image":"img""#), "{requests}");
    }
}

#[test]
fn mounts_and_ports_are_sent_in_order() {
    let daemon = Daemon::rehearse()
        .answer("POST /containers/create", 201, created())
        .start();
    daemon.run(&[
        "create",
        "-m",
        "vol:/x:ro",
        "-m",
        "/a:/b",
        "-p",
        "80",
        "-p",
        "em0:81:82/udp",
        "-J",
        "allow.raw_sockets",
        "-P",
        "--restart",
        "on-startup",
        "-e",
        "A=1",
        "-u",
        "bob",
        "img",
    ]);
    let requests = daemon.requests();
    for part in [
        r#""mounts":[{"destination":"/x","read_only":true,"source":"vol","type":"volume"},{"destination":"/b","read_only":false,"source":"/a","type":"nullfs"}]"#,
        r#""public_ports":[{"container_port":"80","host_port":"80","interfaces":[],"protocol":"tcp"},{"container_port":"82","host_port":"81","interfaces":["em0"],"protocol":"udp"}]"#,
        r#""jail_param":["allow.raw_sockets"]"#,
        r#""persist":true"#,
        r#""restart_policy":"on-startup","user":"bob""#,
        r#""env":["A=1"]"#,
    ] {
        assert!(requests.contains(part), "{part} in {requests}");
    }
}

#[test]
fn a_container_without_a_name_gets_a_random_one() {
    let daemon = Daemon::rehearse()
        .answer("POST /containers/create", 201, created())
        .start();
    daemon.run(&["create", "img"]);
    let requests = daemon.requests();
    let body: Value =
        serde_json::from_str(requests.strip_prefix("POST /containers/create ").unwrap()).unwrap();
    let name = body["name"].as_str().unwrap();
    assert!(name.contains('_'), "{name}");
}

#[test]
fn a_network_is_connected_after_the_container_is_created() {
    let daemon = Daemon::rehearse()
        .answer("POST /containers/create", 201, created())
        .answer_raw("POST /networks/connect", 204, "")
        .start();
    let ending = daemon.run(&["create", "-n", "net", "--ip", "10.0.0.5", "img"]);
    assert_eq!((ending.code, ending.stdout.as_str()), (Some(0), "0123456789ab\n"));
    let requests = daemon.requests();
    let (create, connect) = requests.split_once('\n').unwrap();
    assert!(create.contains(r#""network_driver":"ipnet""#), "{create}");
    assert_snapshot!(connect, @r#"POST /networks/connect {"container":"0123456789ab","ip_address":"10.0.0.5","ip_address6":"<auto>","network":"net"}"#);
}

#[test]
fn an_address_without_a_network_is_told_to_be_ignored() {
    let daemon = Daemon::rehearse()
        .answer("POST /containers/create", 201, created())
        .start();
    assert_snapshot!(daemon.run(&["create", "--ip", "10.0.0.5", "img"]), @r"
    exit: 0
    ----- stdout -----
    0123456789ab
    ----- stderr -----
    Note: '--ip' and '--ip6' are ignored without '--network'.
    ");
}

#[test]
fn a_container_that_cannot_be_connected_stays_and_the_command_fails() {
    let daemon = Daemon::rehearse()
        .answer("POST /containers/create", 201, created())
        .answer("POST /networks/connect", 404, refusal("network not found"))
        .start();
    assert_snapshot!(daemon.run(&["create", "-n", "net", "img"]), @r"
    exit: 1
    ----- stdout -----
    0123456789ab
    ----- stderr -----
    could not connect container: network not found
    ");
}

#[test]
fn a_refused_creation_is_told_in_the_daemons_words() {
    let daemon = Daemon::rehearse()
        .answer("POST /containers/create", 404, refusal("no such image 'nope'"))
        .start();
    assert_snapshot!(daemon.run(&["run", "nope"]), @r"
    exit: 1
    ----- stdout -----
    ----- stderr -----
    could not create container: no such image 'nope'
    ");
}

#[test]
fn a_path_that_cannot_be_mounted_is_named() {
    let daemon = Daemon::rehearse()
        .answer(
            "POST /containers/create",
            404,
            refusal("error ocurred while determining source type: :enoent"),
        )
        .start();
    assert_snapshot!(daemon.run(&["run", "-m", "/nonexist:/x", "-m", "data:/y", "-m", "/srv:/z", "img"]), @r"
    exit: 1
    ----- stdout -----
    ----- stderr -----
    could not create container: error ocurred while determining source type: :enoent
    There is no '/nonexist' or no '/srv' on the daemon's host.
    ");
}

#[test]
fn values_that_cannot_be_meant_are_refused_before_any_request() {
    let daemon = Daemon::rehearse().start();
    assert_snapshot!(daemon.run(&["create", "-l", "bridge", "img"]), @r"
    exit: 1
    ----- stdout -----
    ----- stderr -----
    Error! Could not validate container configuration: 'bridge' is not a valid ContainerConfigNetworkDriver
    Possible values are: ipnet, host, vnet, disabled.
    ");
    assert_snapshot!(daemon.run(&["create", "-m", "/a", "img"]), @r"
    exit: 125
    ----- stdout -----
    ----- stderr -----
    invalid mount format '/a'. Must have at least 2 elements seperated by ':'.
    ");
    assert_eq!(daemon.requests(), "");
}

#[test]
fn words_that_are_no_value_of_an_option_are_refused_in_the_contracts_words() {
    for (arguments, message) in [
        (
            &["create", "--restart", "always", "img"] as &[&str],
            "'always' is not a valid ContainerConfigRestartPolicy\nPossible values are: no, on-startup.\n",
        ),
        (
            &["run", "-l", "bridge", "img"],
            "'bridge' is not a valid ContainerConfigNetworkDriver\n\
             Possible values are: ipnet, host, vnet, disabled.\n",
        ),
        (
            &["create", "-p", "80/sctp", "img"],
            "'sctp' is not a valid PublishedPortConfigProtocol\nPossible values are: tcp, udp.\n",
        ),
        (
            &["container", "update", "--restart", "always", "x"],
            "'always' is not a valid ContainerConfigRestartPolicy\nPossible values are: no, on-startup.\n",
        ),
    ] {
        let daemon = Daemon::rehearse().start();
        let ending = daemon.run(arguments);
        assert_eq!((ending.code, daemon.requests().as_str()), (Some(1), ""));
        assert_eq!(
            ending.stderr,
            format!("Error! Could not validate container configuration: {message}")
        );
    }
}

#[test]
fn mounts_that_cannot_be_read_are_refused_before_any_request() {
    for (mount, problem) in [
        ("/a", "Must have at least 2 elements seperated by ':'."),
        ("a:b:ro:d", "Max 3 elements seperated by ':'."),
        ("a:b:RO", "Last element should be either 'ro' or 'rw'."),
    ] {
        for command in ["create", "run", "build"] {
            let daemon = Daemon::rehearse().start();
            let ending = daemon.run(&[command, "-m", mount, "x"]);
            assert_eq!((ending.code, daemon.requests().as_str()), (Some(125), ""));
            assert_eq!(
                ending.stderr,
                format!("invalid mount format '{mount}'. {problem}\n")
            );
        }
    }
}

#[test]
fn ports_that_cannot_be_read_are_refused_before_any_request() {
    for (port, undecodable) in [("a:b:c:d/udp", "a:b:c:d"), ("80/tcp/udp", "80/tcp/udp")] {
        let daemon = Daemon::rehearse().start();
        let ending = daemon.run(&["run", "-p", port, "img"]);
        assert_eq!((ending.code, daemon.requests().as_str()), (Some(1), ""));
        assert_eq!(
            ending.stderr,
            format!("could not decode port to publish: {undecodable}\n")
        );
    }
}

#[test]
fn run_connects_between_creation_and_start_and_takes_back_what_it_cannot_connect() {
    let daemon = Daemon::rehearse()
        .answer("POST /containers/create", 201, created())
        .answer(
            "POST /networks/connect",
            409,
            refusal("no more inet IP's left in the network"),
        )
        .answer("DELETE /containers/0123456789ab", 200, created())
        .start();
    assert_snapshot!(daemon.run(&["run", "-n", "net", "img"]), @r"
    exit: 1
    ----- stdout -----
    0123456789ab
    ----- stderr -----
    could not connect container: no more inet IP's left in the network
    ");
    let requests = daemon.requests();
    assert_eq!(requests.lines().count(), 3, "{requests}");
    assert!(
        requests.ends_with("DELETE /containers/0123456789ab"),
        "{requests}"
    );
}

#[test]
fn a_port_that_cannot_be_read_is_refused() {
    assert_snapshot!(run(&["create", "-p", "a:b:c:d", "img"]), @r"
    exit: 1
    ----- stdout -----
    ----- stderr -----
    could not decode port to publish: a:b:c:d
    ");
}
