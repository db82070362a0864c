//! Networks: who reaches whom.

use kleene_tests::{Host, OUTSIDE};

use crate::web::{PAGE, build_site, fetch, fetch_command};

#[test]
fn containers_of_one_bridge_reach_each_other_unless_icc_is_off() {
    let host = Host::with_minimal_image();
    build_site(&host);
    for (network, subnet, icc) in [("open", "10.1.0", "true"), ("closed", "10.2.0", "false")] {
        host.klee(&format!(
            "network create -t bridge --subnet {subnet}.0/24 --icc={icc} {network}"
        ))
        .ok();
        host.klee(&format!(
            "run -d --name {network} -l vnet -n {network} --ip {subnet}.9 site"
        ))
        .ok();
        assert_eq!(fetch(&host, &format!("http://{subnet}.9/")), PAGE);
        let fetching = fetch_command(&format!("http://{subnet}.9/"));
        let fetched = host.klee(&format!("run -l vnet -n {network} minimal {fetching}"));
        assert_eq!(fetched.succeeded(), icc == "true", "{fetched}");
    }
}

#[test]
fn containers_reach_other_machines_behind_the_address_of_the_host() {
    let host = Host::with_minimal_image();
    host.klee("network create -t bridge --subnet 10.1.0.0/24 lan")
        .ok();
    host.klee(&format!(
        "run -l vnet -n lan minimal /bin/busybox ping -c 1 -W 2 {OUTSIDE}"
    ))
    .ok();
}

#[test]
fn containers_of_an_internal_network_do_not_reach_other_machines() {
    let host = Host::with_minimal_image();
    host.klee("network create -t bridge --internal --subnet 10.1.0.0/24 lan")
        .ok();
    let outcome = host.klee(&format!(
        "run -l vnet -n lan minimal /bin/busybox ping -c 1 -W 1 {OUTSIDE}"
    ));
    assert!(!outcome.succeeded(), "{outcome}");
}

#[test]
fn a_vnet_container_has_its_address_and_no_other_interface() {
    let host = Host::with_minimal_image();
    host.klee("network create -t bridge --subnet 10.1.0.0/24 lan")
        .ok();
    let shown = host
        .klee("run -l vnet -n lan --ip 10.1.0.7 minimal /bin/busybox ip -o addr")
        .ok();
    assert!(shown.contains("10.1.0.7/24"), "{shown}");
    assert!(!shown.contains("192.0.2.1"), "{shown}");
}

#[test]
fn an_ipnet_container_serves_at_its_address_of_a_loopback_network() {
    let host = Host::with_minimal_image();
    build_site(&host);
    host.klee("network create -t loopback --subnet 10.1.0.0/24 local")
        .ok();
    host.klee("run -d --name web -n local --ip 10.1.0.7 site").ok();
    assert_eq!(fetch(&host, "http://10.1.0.7/"), PAGE);
    let fetched = host
        .klee(&format!(
            "run -n local minimal {}",
            fetch_command("http://10.1.0.7/")
        ))
        .ok();
    assert!(fetched.contains(PAGE), "{fetched}");
}

#[test]
fn an_ipnet_container_cannot_use_an_address_that_is_not_its_own() {
    let host = Host::with_minimal_image();
    host.klee("network create -t loopback --subnet 10.1.0.0/24 local")
        .ok();
    // A server that can listen goes to the background.
    let listening = |own: &str, wanted: &str| {
        let server = format!("/bin/busybox httpd -p {wanted}:80");
        let outcome = host.klee(&format!("run -n local --ip {own} minimal {server}"));
        (outcome.code, outcome.stdout)
    };
    assert_eq!(listening("10.1.0.7", "10.1.0.7").0, Some(0));
    let (code, shown) = listening("10.1.0.8", "192.0.2.1");
    assert_eq!(code, Some(1), "{shown}");
    assert!(shown.contains("bind: "), "{shown}");
}

#[test]
fn a_container_without_network_has_no_way_out() {
    let host = Host::with_minimal_image();
    let outcome = host.klee(&format!(
        "run -l disabled minimal /bin/busybox ping -c 1 -W 1 {OUTSIDE}"
    ));
    assert!(!outcome.succeeded(), "{outcome}");
}

#[test]
fn an_address_is_free_again_after_disconnecting() {
    let host = Host::with_minimal_image();
    host.klee("network create -t bridge --subnet 10.1.0.0/30 tiny")
        .ok();
    host.klee("create --name first -l vnet -n tiny minimal").ok();
    host.klee("create --name second -l vnet minimal").ok();
    let refusal = host.klee("network connect tiny second").refused();
    assert!(
        refusal.contains("no more inet IP's left in the network"),
        "{refusal}"
    );
    host.klee("network disconnect tiny first").ok();
    host.klee("network connect tiny second").ok();
    assert_eq!(
        host.inspect("container", "second")["container_endpoints"][0]["ip_address"],
        "10.1.0.2"
    );
}
