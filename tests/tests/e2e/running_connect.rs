//! Connecting and disconnecting containers that run, on real traffic.

use kleene_tests::{HOST, Host, OUTSIDE};

use crate::reload::rules;
use crate::web::{PAGE, build_site, fetch, fetch_command, fetch_from_outside};

/// A command line that serves the page at one address and stays in the background.
fn serve_at(address: &str) -> String {
    format!("/bin/busybox httpd -p {address}:80 -h /www")
}

/// Addresses and rules.
fn network_of(host: &Host) -> (String, String) {
    (host.run("/bin/busybox ip -o addr show kleene1").ok(), rules(host))
}

/// A running ipnet container with the address 10.1.0.7 of a loopback network; a bridge that it is not connected to.
fn with_box() -> Host {
    let host = Host::with_minimal_image();
    build_site(&host);
    host.klee("network create -t loopback --subnet 10.1.0.0/24 local")
        .ok();
    host.klee("network create -t bridge --subnet 10.2.0.0/24 --subnet6 fd02::/64 lan")
        .ok();
    host.klee("run -d --name box -n local --ip 10.1.0.7 site /bin/busybox sleep 1000")
        .ok();
    host
}

#[test]
fn a_running_ipnet_container_serves_at_its_new_addresses_until_it_is_disconnected() {
    let mut host = with_box();
    let before = network_of(&host);
    host.klee(&format!("exec box {}", serve_at("10.2.0.7"))).refused();
    host.klee("network connect --ip 10.2.0.7 --ip6 fd02::7 lan box")
        .ok();
    host.klee(&format!("exec box {}", serve_at("10.2.0.7"))).ok();
    host.klee(&format!("exec box {}", serve_at("[fd02::7]"))).ok();
    assert_eq!(fetch(&host, "http://10.2.0.7/"), PAGE);
    assert_eq!(fetch(&host, "http://[fd02::7]/"), PAGE);

    // The daemon's death and the firewall's reload do not matter.
    host.kill_daemon().unwrap();
    assert_eq!(fetch(&host, "http://10.2.0.7/"), PAGE);
    host.start_daemon().unwrap();
    host.run("nft flush ruleset").ok();
    assert_eq!(fetch(&host, "http://10.2.0.7/"), PAGE);
    assert_eq!(host.klee("system repair").ok(), "nothing to repair\n");

    host.klee("network disconnect lan box").ok();
    host.run(&fetch_command("http://10.2.0.7/")).refused();
    host.run(&fetch_command("http://[fd02::7]/")).refused();
    host.klee(&format!("exec box {}", serve_at("10.2.0.7"))).refused();
    host.klee(&format!("exec box {}", serve_at("10.1.0.7"))).ok();
    assert_eq!(fetch(&host, "http://10.1.0.7/"), PAGE);
    assert_eq!(network_of(&host), before);
}

#[test]
fn an_address_taken_from_a_running_container_is_of_no_use_to_it_when_another_has_it() {
    let host = with_box();
    host.klee(&format!("exec box {}", serve_at("10.1.0.7"))).ok();
    assert_eq!(fetch(&host, "http://10.1.0.7/"), PAGE);
    host.klee("network disconnect local box").ok();
    host.klee("run -d --name heir -n local --ip 10.1.0.7 site /bin/busybox sleep 1000")
        .ok();
    host.run(&fetch_command("http://10.1.0.7/")).refused();
    host.klee("exec box /bin/busybox ping -c 1 -W 1 10.1.0.7")
        .refused();
}

#[test]
fn ports_of_a_container_that_has_no_network_yet_are_published_when_it_is_connected() {
    let host = with_box();
    host.klee("create --name web -l ipnet -p 8080:80 site /bin/busybox sleep 1000")
        .ok();
    host.klee("start -d web").ok();
    let url = format!("http://{HOST}:8080/");
    host.run_outside(&fetch_command(&url)).refused();
    host.klee("network connect --ip 10.2.0.9 lan web").ok();
    host.klee(&format!("exec web {}", serve_at("10.2.0.9"))).ok();
    assert_eq!(fetch_from_outside(&host, &url), PAGE);
    assert_eq!(fetch(&host, &url), PAGE);
    host.klee("network disconnect lan web").ok();
    host.run_outside(&fetch_command(&url)).refused();
}

#[test]
fn an_ipnet_container_reaches_other_machines_behind_the_hosts_address_at_each_of_its_networks() {
    let host = with_box();
    // It ends by itself, soon enough for what is left behind to be looked for.
    let server = "/bin/busybox timeout 4 /bin/busybox nc -ll -p 8000 -e true < /dev/null > /dev/null 2>&1";
    host.run_outside(&format!("sh -c '{server} & exec /bin/busybox sleep 0.2'"))
        .ok();
    let out = format!("exec box /bin/busybox nc -w 1 {OUTSIDE} 8000");
    host.klee(&out).ok();
    host.klee("network disconnect local box").ok();
    host.klee(&out).refused();
    host.klee("network connect lan box").ok();
    host.klee(&out).ok();
}

#[test]
fn an_address_that_cannot_be_put_on_the_interface_is_told_and_nothing_is_left() {
    let host = with_box();
    host.run("ip link delete kleene1").ok();
    let before = host.traces().unwrap();
    let refusal = host.klee("network connect lan box").refused();
    assert!(
        refusal.starts_with("error adding 10.2.0.2/32 alias to kleene1: "),
        "{refusal}"
    );
    assert_eq!(host.traces().unwrap(), before);
    host.klee("system repair").ok();
    host.klee("network connect lan box").ok();
}

#[test]
fn a_running_vnet_container_that_is_disconnected_is_out_of_reach_and_has_no_interface() {
    let host = Host::with_minimal_image();
    build_site(&host);
    host.klee("network create -t bridge --subnet 10.1.0.0/24 lan")
        .ok();
    host.klee("run -d --name web -l vnet -n lan --ip 10.1.0.7 -p 8080:80 site")
        .ok();
    let url = format!("http://{HOST}:8080/");
    assert_eq!(fetch_from_outside(&host, &url), PAGE);
    host.klee("network disconnect lan web").ok();
    host.run_outside(&fetch_command(&url)).refused();
    host.run(&fetch_command("http://10.1.0.7/")).refused();
    let shown = host.klee("exec web /bin/busybox ip -o addr").ok();
    assert!(!shown.contains("10.1.0.7"), "{shown}");
    let refusal = host.klee("network connect lan web").refused();
    assert!(
        refusal.contains("cannot connect a running vnet container"),
        "{refusal}"
    );
}

#[test]
fn published_ports_of_a_running_container_move_to_its_next_network_at_once_and_lead_nowhere_in_the_end() {
    let host = with_box();
    host.klee("container rm -f box").ok();
    host.klee("create --name box -n local --ip 10.1.0.7 -p 8080:80 site /bin/busybox sleep 1000")
        .ok();
    host.klee("network connect --ip 10.2.0.7 --ip6 fd02::7 lan box")
        .ok();
    host.klee("start -d box").ok();
    for address in ["10.1.0.7", "10.2.0.7"] {
        host.klee(&format!("exec box {}", serve_at(address))).ok();
    }
    let published = format!("http://{HOST}:8080/");
    assert_eq!(fetch_from_outside(&host, &published), PAGE);
    host.klee("network disconnect local box").ok();
    // By the first try.
    let fetching = fetch_command(&published);
    assert_eq!(host.run_outside(&fetching).ok(), PAGE);
    assert_eq!(host.run(&fetch_command("http://127.0.0.1:8080/")).ok(), PAGE);
    host.klee("network disconnect lan box").ok();
    host.run_outside(&fetching).refused();
}
