//! Bad input: a clear message that names the object, a failure as exit code, and nothing changed.

use kleene_tests::Host;

#[track_caller]
fn is_refused(host: &Host, line: &str, messages: &[&str]) {
    let before = host.state();
    let refusal = host.klee(line).refused();
    for message in messages {
        assert!(
            refusal.contains(message),
            "klee {line}: no '{message}' in: {refusal}"
        );
    }
    assert_eq!(host.state(), before, "klee {line}");
}

#[test]
fn an_unknown_image() {
    let host = Host::start();
    is_refused(
        &host,
        "run nginx",
        &["could not create container", "no such image 'nginx'"],
    );
    is_refused(&host, "rmi nginx", &["No such image: nginx"]);
}

#[test]
fn an_unknown_container() {
    let host = Host::start();
    for command in ["start", "stop", "isc", "exec"] {
        is_refused(&host, &format!("{command} web"), &["container not found"]);
    }
    is_refused(&host, "rmc web", &["no such container"]);
}

#[test]
fn a_taken_container_name() {
    let host = Host::with_minimal_image();
    host.klee("create --name web minimal").ok();
    is_refused(&host, "create --name web minimal", &["'web'", "taken"]);
}

#[test]
fn a_taken_network_name() {
    let host = Host::start();
    host.klee("network create -t bridge --subnet 10.1.0.0/24 lan")
        .ok();
    is_refused(
        &host,
        "network create -t bridge --subnet 10.2.0.0/24 lan",
        &["network name is already taken"],
    );
}

#[test]
fn a_wrong_subnet() {
    let host = Host::start();
    is_refused(
        &host,
        "network create -t bridge --subnet 10.1.0.0/33 lan",
        &["10.1.0.0/33"],
    );
    is_refused(
        &host,
        "network create -t bridge --subnet 10.1.0/24 lan",
        &["10.1.0/24"],
    );
}

#[test]
fn a_subnet_that_overlaps_with_anothers() {
    let host = Host::start();
    host.klee("network create -t bridge --subnet 10.1.0.0/16 lan")
        .ok();
    is_refused(
        &host,
        "network create -t bridge --subnet 10.1.2.0/24 other",
        &["'other'", "'lan'"],
    );
}

#[test]
fn an_interface_of_the_host_as_a_bridge() {
    let host = Host::start();
    let uplink = host.ground().uplink();
    is_refused(
        &host,
        &format!("network create -t bridge -i {uplink} --subnet 10.1.0.0/24 lan"),
        &[uplink],
    );
}

#[test]
fn a_wrong_volume_name() {
    let host = Host::start();
    is_refused(&host, "volume create ../etc", &["../etc"]);
}

#[test]
fn a_mount_out_of_the_container() {
    let host = Host::with_minimal_image();
    is_refused(&host, "create -m data:/../../outside/.. --name web minimal", &[]);
    is_refused(
        &host,
        "create -m nothing --name web minimal",
        &["invalid mount format 'nothing'"],
    );
}

#[test]
fn an_unknown_network_leaves_nothing_of_a_run_and_a_created_container_that_is_not_connected() {
    let host = Host::with_minimal_image();
    for command in ["run", "create"] {
        let refusal = host
            .klee(&format!("{command} --name web -n nowhere minimal"))
            .refused();
        assert!(
            refusal.contains("could not connect container: network not found"),
            "{refusal}"
        );
    }
    assert_eq!(host.inspect("container", "web")["container"]["running"], false);
}

#[test]
fn a_daemon_that_does_not_run() {
    let mut host = Host::start();
    host.stop_daemon().unwrap();
    let refusal = host.klee("lsc").refused();
    assert!(refusal.contains("unable to connect to kleened"), "{refusal}");
}
