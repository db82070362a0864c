//! Published ports.

use kleene_tests::{HOST, Host};

use crate::web::{PAGE, build_site, fetch, fetch_command, fetch_from_outside};

fn host_with_site() -> Host {
    let host = Host::with_minimal_image();
    build_site(&host);
    host.klee("network create -t bridge --subnet 10.13.37.0/24 testnet")
        .ok();
    host
}

#[test]
fn a_published_port_is_reached_from_the_host_from_outside_and_from_containers() {
    let host = host_with_site();
    host.klee("run -d --name web -l vnet -n testnet -p 8080:80 site")
        .ok();
    let url = format!("http://{HOST}:8080/");
    assert_eq!(fetch(&host, &url), PAGE);
    assert_eq!(fetch(&host, "http://127.0.0.1:8080/"), PAGE);
    assert_eq!(fetch_from_outside(&host, &url), PAGE);
    let fetched = host
        .klee(&format!("run -l vnet -n testnet minimal {}", fetch_command(&url)))
        .ok();
    assert!(fetched.contains(PAGE), "{fetched}");
}

#[test]
fn a_port_that_is_not_published_is_not_reached_from_outside() {
    let host = host_with_site();
    host.klee("run -d --name web -l vnet -n testnet --ip 10.13.37.9 site")
        .ok();
    assert_eq!(fetch(&host, "http://10.13.37.9/"), PAGE);
    host.run_outside("ip route add 10.13.37.0/24 via 192.0.2.1").ok();
    host.run_outside(&fetch_command("http://10.13.37.9/")).refused();
}

#[test]
fn published_ports_close_with_their_container_and_open_with_its_next_start() {
    let host = host_with_site();
    let url = format!("http://{HOST}:8080/");
    host.klee("run -d --name web -l vnet -n testnet -p 8079-8081:79-81 site")
        .ok();
    assert_eq!(fetch(&host, &url), PAGE);
    host.klee("stop web").ok();
    host.run(&fetch_command(&url)).refused();
    host.klee("start -d web").ok();
    assert_eq!(fetch(&host, &url), PAGE);
}

#[test]
fn a_port_on_which_the_host_listens_is_refused_and_there_is_no_container() {
    let host = host_with_site();
    let server = host
        .sandbox()
        .command("/bin/busybox")
        .args(["nc", "-ll", "-p", "8080", "-e", "true"])
        .spawn();
    let mut server = server.unwrap();
    host.run("sh -c 'until /bin/busybox nc -w 1 192.0.2.1 8080 < /dev/null; do sleep 0.05; done'")
        .ok();
    let before = host.traces().unwrap();

    let refusal = host
        .klee("run -d --name web -l vnet -n testnet -p 8080:80 site")
        .refused();
    assert!(
        refusal.contains("port 8080/tcp of the host is in use"),
        "{refusal}"
    );
    assert_eq!(host.klee("lsc -aq").ok(), "");
    let left = host.traces().unwrap().since(&before).to_string();
    assert!(
        left.contains("interfaces: none") && left.contains("mounts: none"),
        "{left}"
    );

    server.kill().unwrap();
    server.wait().unwrap();
    host.run("sh -c 'for pid in $(/bin/busybox pidof busybox nc); do kill $pid; done'")
        .ok();
}

#[test]
fn two_running_containers_cannot_have_the_same_port() {
    let host = host_with_site();
    host.klee("run -d --name first -l vnet -n testnet -p 8080:80 site")
        .ok();
    host.klee("create --name second -l vnet -n testnet -p 8080:80 site")
        .ok();
    let refusal = host.klee("start -d second").refused();
    assert!(refusal.contains("8080"), "{refusal}");
    assert_eq!(fetch(&host, &format!("http://{HOST}:8080/")), PAGE);
    host.klee("stop first").ok();
    host.klee("start -d second").ok();
    assert_eq!(fetch(&host, &format!("http://{HOST}:8080/")), PAGE);
}
