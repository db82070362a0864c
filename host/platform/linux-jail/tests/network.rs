//! How jails are connected. Each test has a network stack of its own, which ends with it. Needs root.
#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, reason = "these are tests")]

mod support;

use std::io::Write;
use std::net::{IpAddr, SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use kleene_plan::{JailInterface, JailMount, JailNetwork};
use kleene_supervisor::Event;
use support::Container;

/// The host of a test: a new network stack for this thread, with these addresses on its loopback interface.
fn host(addresses: &[&str]) {
    #[allow(unsafe_code, reason = "there is no other way to a network namespace")]
    // SAFETY: network namespaces do not change which descriptors are open.
    unsafe { rustix::thread::unshare_unsafe(rustix::thread::UnshareFlags::NEWNET) }.unwrap();
    ip("link set lo up");
    for address in addresses {
        ip(&format!(
            "address add {address} dev lo{}",
            if address.contains(':') { " nodad" } else { "" }
        ));
    }
}

fn ip(arguments: &str) {
    let status = Command::new("ip").args(arguments.split(' ')).status().unwrap();
    assert!(status.success(), "ip {arguments}");
}

/// A container with the probe and what it needs of the host's libraries.
fn container(network: JailNetwork) -> Container {
    let mut container = Container::new();
    container.network = network;
    let probe = Path::new(env!("CARGO_BIN_EXE_socket_probe")).parent().unwrap();
    for (source, target) in [(probe, "/probe"), (Path::new("/usr/lib"), "/usr/lib")] {
        container.mounts.push(JailMount {
            source: source.into(),
            target: target.into(),
            read_only: true,
        });
    }
    symlink("usr/lib", container.root().join("lib")).unwrap();
    if Path::new("/usr/lib64").exists() {
        symlink("usr/lib64", container.root().join("lib64")).unwrap();
        let (source, target) = ("/usr/lib64".into(), "/usr/lib64".into());
        container.mounts.push(JailMount {
            source,
            target,
            read_only: true,
        });
    }
    container
}

fn confined(addresses: &[&str]) -> Container {
    container(JailNetwork::Addresses(
        addresses.iter().map(|address| address.parse().unwrap()).collect(),
    ))
}

/// What the probe prints for each argument.
fn probe(container: &Container, arguments: &[&str]) -> Vec<String> {
    let argv: Vec<&str> = ["/probe/socket_probe"].iter().chain(arguments).copied().collect();
    let outcome = container.run(&argv);
    assert_eq!(outcome.code(), 0, "{}", outcome.output);
    let value = |line: &str| line.split_once(": ").map_or(line, |(_, value)| value).to_owned();
    outcome.output.lines().map(value).collect()
}

/// A service of the host's that greets whoever connects; where it listens.
fn tcp_service(address: &str) -> SocketAddr {
    let listener = TcpListener::bind(address).unwrap();
    let address = listener.local_addr().unwrap();
    thread::spawn(move || {
        for stream in listener.incoming() {
            let _ = stream.unwrap().write_all(b"hello");
        }
    });
    address
}

/// A service of the host's that tells whoever sends where it comes from.
fn udp_service(address: &str) -> SocketAddr {
    let socket = UdpSocket::bind(address).unwrap();
    let address = socket.local_addr().unwrap();
    thread::spawn(move || {
        let mut buffer = [0; 64];
        while let Ok((_, peer)) = socket.recv_from(&mut buffer) {
            let _ = socket.send_to(peer.ip().to_string().as_bytes(), peer);
        }
    });
    address
}

const HOST: &[&str] = &[
    "10.9.0.1/32",
    "10.9.0.2/32",
    "10.9.0.3/32",
    "fd09::1/128",
    "fd09::2/128",
];

#[test]
fn binding_to_any_or_loopback_is_binding_to_the_jails_address() {
    host(HOST);
    let lines = probe(
        &confined(&["10.9.0.2", "fd09::2"]),
        &[
            "bind-tcp=0.0.0.0:80",
            "bind-tcp=127.0.0.1:80",
            "bind-udp=0.0.0.0:53",
            "bind-tcp=[::]:80",
            "bind-udp=[::1]:53",
        ],
    );
    assert_eq!(lines, ["10.9.0.2", "10.9.0.2", "10.9.0.2", "fd09::2", "fd09::2"]);
}

#[test]
fn binding_to_another_address_is_refused() {
    host(HOST);
    let lines = probe(
        &confined(&["10.9.0.2", "fd09::2"]),
        &[
            "bind-tcp=10.9.0.1:80",
            "bind-udp=10.9.0.3:53",
            "bind-tcp=[fd09::1]:80",
            "bind-tcp=[::ffff:10.9.0.1]:80",
        ],
    );
    assert_eq!(lines, ["PermissionDenied"; 4]);
}

#[test]
fn each_of_several_addresses_can_be_used() {
    host(HOST);
    let service = tcp_service("10.9.0.1:0");
    let connect = format!("connect-tcp={service}");
    let lines = probe(
        &confined(&["10.9.0.2", "10.9.0.3"]),
        &["bind-tcp=10.9.0.3:80", "bind-tcp=10.9.0.2:80", &connect],
    );
    assert_eq!(lines, ["10.9.0.3", "10.9.0.2", "10.9.0.2"]);
}

#[test]
fn what_leaves_comes_from_the_jails_address() {
    host(HOST);
    let (tcp, udp) = (tcp_service("10.9.0.1:0"), udp_service("10.9.0.1:0"));
    let lines = probe(
        &confined(&["10.9.0.2"]),
        &[
            &format!("connect-tcp={tcp}"),
            &format!("connect-udp={udp}"),
            &format!("send-udp={udp}"),
            &format!("send-unbound-udp={udp}"),
        ],
    );
    assert_eq!(lines, ["10.9.0.2"; 4]);
}

#[test]
fn what_leaves_by_ipv6_comes_from_the_jails_address() {
    host(HOST);
    let (tcp, udp) = (tcp_service("[fd09::1]:0"), udp_service("[fd09::1]:0"));
    let lines = probe(
        &confined(&["fd09::2"]),
        &[
            &format!("connect-tcp={tcp}"),
            &format!("connect-udp={udp}"),
            &format!("send-udp={udp}"),
            &format!("send-unbound-udp={udp}"),
        ],
    );
    assert_eq!(lines, ["fd09::2"; 4]);
}

#[test]
fn a_socket_of_ipv6_that_talks_ipv4_uses_the_jails_address() {
    host(HOST);
    let port = tcp_service("10.9.0.1:0").port();
    let connect = format!("connect-tcp=[::ffff:10.9.0.1]:{port}");
    assert_eq!(
        probe(&confined(&["10.9.0.2", "fd09::2"]), &[&connect]),
        ["::ffff:10.9.0.2"]
    );
    assert_eq!(probe(&confined(&["fd09::2"]), &[&connect]), ["PermissionDenied"]);
}

#[test]
fn a_service_on_the_hosts_loopback_is_out_of_reach() {
    host(HOST);
    let (v4, v6) = (tcp_service("127.0.0.1:0"), tcp_service("[::1]:0"));
    let container = confined(&["10.9.0.2", "fd09::2"]);
    let lines = probe(
        &container,
        &[&format!("connect-tcp={v4}"), &format!("connect-tcp={v6}")],
    );
    assert_eq!(lines, ["ConnectionRefused"; 2]);
}

#[test]
fn a_jail_reaches_itself_by_loopback() {
    host(HOST);
    let container = confined(&["10.9.0.2", "fd09::2"]);
    assert_eq!(
        probe(&container, &["talk-to-self=127.0.0.1:0", "talk-to-self=[::1]:0"]),
        ["heard"; 2]
    );
}

#[test]
fn changing_ones_mind_does_not_reveal_the_hosts_address() {
    host(HOST);
    let udp = udp_service("10.9.0.1:0");
    let lines = probe(
        &confined(&["10.9.0.2"]),
        &[&format!("send-then-connect-udp={udp}")],
    );
    assert_eq!(lines, ["PermissionDenied"]);
}

#[test]
fn who_listens_without_binding_is_heard_at_the_jails_address_only() {
    host(HOST);
    let container = confined(&["10.9.0.2"]);
    let argv = ["/probe/socket_probe", "serve-unbound="];
    let (connection, _) = container.launch(kleene_plan::LaunchMode::Start, &argv);
    let (mut events, _inputs) = connection.split();
    let port: u16 = loop {
        match events.next().unwrap() {
            Some(Event::Started { .. }) => {}
            Some(Event::Output(bytes)) => {
                let text = String::from_utf8(bytes).unwrap();
                break text.trim().strip_prefix("port ").unwrap().parse().unwrap();
            }
            other => panic!("{other:?}"),
        }
    };
    let connect = |address: &str| {
        let address = SocketAddr::new(address.parse::<IpAddr>().unwrap(), port);
        TcpStream::connect_timeout(&address, Duration::from_millis(300))
    };
    assert!(connect("10.9.0.1").is_err());
    assert!(connect("10.9.0.2").is_ok());
}

#[test]
fn only_sockets_of_the_jails_families_for_tcp_and_udp_can_be_made() {
    host(HOST);
    let kinds: Vec<String> = [
        (libc::AF_INET, libc::SOCK_STREAM, 0),
        (libc::AF_INET, libc::SOCK_DGRAM, 0),
        (libc::AF_INET6, libc::SOCK_STREAM, 0),
        (libc::AF_INET, libc::SOCK_RAW, libc::IPPROTO_ICMP),
        (libc::AF_INET, libc::SOCK_DGRAM, libc::IPPROTO_ICMP),
        (libc::AF_INET, libc::SOCK_STREAM, libc::IPPROTO_MPTCP),
        (libc::AF_PACKET, libc::SOCK_RAW, 0),
        (libc::AF_UNIX, libc::SOCK_STREAM, 0),
    ]
    .map(|(family, kind, protocol)| format!("socket={family}/{kind}/{protocol}"))
    .to_vec();
    let kinds: Vec<&str> = kinds.iter().map(String::as_str).collect();
    let lines = probe(&confined(&["10.9.0.2"]), &kinds);
    let made = |line: &String| line == "made";
    assert_eq!(
        lines.iter().map(made).collect::<Vec<_>>(),
        [true, true, false, false, false, false, false, true],
        "{lines:?}"
    );
}

#[test]
fn a_jail_without_addresses_has_no_sockets() {
    host(HOST);
    let lines = probe(
        &confined(&[]),
        &[
            "bind-tcp=0.0.0.0:80",
            "bind-udp=[::]:53",
            "connect-tcp=10.9.0.1:80",
        ],
    );
    assert_eq!(lines, ["PermissionDenied"; 3]);
}

#[test]
fn a_raw_socket_that_is_allowed_sends_from_the_jails_address_only() {
    host(HOST);
    let mut container = confined(&["10.9.0.2"]);
    container.parameters = vec!["allow.raw_sockets".to_owned()];
    assert_eq!(container.sh("ping -c 1 -W 1 -I 10.9.0.2 10.9.0.1").code(), 0);
    assert_ne!(container.sh("ping -c 1 -W 1 -I 10.9.0.3 10.9.0.1").code(), 0);
}

#[test]
fn a_joined_process_is_confined_as_well() {
    host(HOST);
    let container = confined(&["10.9.0.2"]);
    let _started = container.start("echo ready; sleep 1000");
    let outcome = container.exec("/probe/socket_probe bind-tcp=0.0.0.0:80 bind-tcp=10.9.0.1:80");
    assert_eq!(outcome.output, "bind-tcp: 10.9.0.2\nbind-tcp: PermissionDenied\n");
}

#[test]
fn the_host_itself_is_not_confined() {
    host(HOST);
    let container = confined(&["10.9.0.2"]);
    let _started = container.start("echo ready; sleep 1000");
    assert!(TcpListener::bind("10.9.0.1:80").is_ok());
}

#[test]
fn the_hosts_stack_is_all_there_if_it_is_inherited() {
    host(HOST);
    let lines = probe(
        &container(JailNetwork::Inherit),
        &["bind-tcp=0.0.0.0:80", "bind-tcp=10.9.0.1:80"],
    );
    assert_eq!(lines, ["0.0.0.0", "10.9.0.1"]);
}

#[test]
fn a_jail_without_network_has_a_loopback_of_its_own() {
    host(HOST);
    let lines = probe(
        &container(JailNetwork::Disabled),
        &["bind-tcp=10.9.0.1:80", "talk-to-self=127.0.0.1:0"],
    );
    assert_eq!(lines, ["AddrNotAvailable", "heard"]);
}

/// The jail's end of a pair of interfaces.
fn interface(addresses: &[&str]) -> JailInterface {
    JailInterface {
        name: "kleene0b".parse().unwrap(),
        mac: "02:00:00:12:34:56".parse().unwrap(),
        addresses: addresses.iter().map(|address| address.parse().unwrap()).collect(),
    }
}

/// A pair of interfaces between host (10.8.0.1, fd08::1) and jail.
fn vnet() -> JailNetwork {
    ip("link add kleene0a type veth peer name kleene0b");
    ip("address add 10.8.0.1/24 dev kleene0a");
    ip("address add fd08::1/64 dev kleene0a nodad");
    ip("link set kleene0a up");
    JailNetwork::Vnet {
        interfaces: vec![interface(&["10.8.0.2/24", "fd08::2/64"])],
        default_routes: vec!["10.8.0.1".parse().unwrap(), "fd08::1".parse().unwrap()],
    }
}

#[test]
fn an_interface_is_configured_before_the_first_instruction() {
    host(HOST);
    let container = container(vnet());
    let outcome = container.sh("ip -o address show kleene0b; ip link show kleene0b; ip route; ip -6 route");
    for expected in [
        "inet 10.8.0.2/24",
        "inet6 fd08::2/64",
        "02:00:00:12:34:56",
        "default via 10.8.0.1 ",
        "default via fd08::1 ",
    ] {
        assert!(
            outcome.output.contains(expected),
            "{expected} in {}",
            outcome.output
        );
    }
    let ours = outcome
        .output
        .lines()
        .find(|line| line.contains("inet6 fd08::2/64"))
        .unwrap();
    assert!(!ours.contains("tentative"), "{ours}");
}

/// On a host whose interfaces are busy the kernel takes its time to connect both ends.
#[test]
fn the_first_packet_is_not_lost() {
    host(HOST);
    ip("link add kleene0 type bridge");
    ip("address add 10.8.0.1/24 dev kleene0");
    ip("link set kleene0 up");
    ip("link add kleene0a master kleene0 type veth peer name kleene0b");
    ip("link set kleene0a up");
    let network = JailNetwork::Vnet {
        interfaces: vec![interface(&["10.8.0.2/24"])],
        default_routes: Vec::new(),
    };
    let container = container(network);
    let ended = AtomicBool::new(false);
    let lost = thread::scope(|scope| {
        for _ in 0..3 {
            scope.spawn(|| {
                while !ended.load(Ordering::Relaxed) {
                    come_and_go();
                }
            });
        }
        let lost = (0..30).filter(|_| container.sh("ping -c 1 -W 1 10.8.0.1").code() != 0);
        let lost = lost.count();
        ended.store(true, Ordering::Relaxed);
        lost
    });
    assert_eq!(lost, 0);
}

/// Makes pairs of interfaces in a network stack of their own, which takes them along when it ends at once.
fn come_and_go() {
    let pairs = "for i in 1 2 3 4 5 6 7 8; do \
                     ip link add a$i type veth peer name b$i; ip link set a$i up; ip link set b$i up; \
                 done";
    let status = Command::new("unshare").args(["-n", "sh", "-c", pairs]).status();
    assert!(status.unwrap().success());
}

#[test]
fn a_jail_with_its_own_stack_reaches_the_host_and_beyond() {
    host(HOST);
    let container = container(vnet());
    let (near, far) = (tcp_service("10.8.0.1:0"), tcp_service("10.9.0.1:0"));
    let lines = probe(
        &container,
        &[&format!("connect-tcp={near}"), &format!("connect-tcp={far}")],
    );
    assert_eq!(lines, ["10.8.0.2"; 2]);
}

#[test]
fn an_interface_is_the_hosts_again_when_the_jail_has_ended() {
    host(HOST);
    let container = container(vnet());
    assert_eq!(container.run(&["true"]).code(), 0);
    ip("link show kleene0b");
    assert_eq!(container.run(&["true"]).code(), 0);
    assert!(
        container
            .run(&["nothing"])
            .failure()
            .starts_with("could not find program")
    );
    ip("link show kleene0b");
}

#[test]
fn raw_sockets_are_free_in_a_stack_of_its_own_unless_forbidden() {
    host(HOST);
    let mut container = container(vnet());
    assert_eq!(container.sh("ping -c 1 -W 1 10.8.0.1").code(), 0);
    container.parameters = vec!["allow.raw_sockets=false".to_owned()];
    assert_ne!(container.sh("ping -c 1 -W 1 10.8.0.1").code(), 0);
}

#[test]
fn an_interface_that_does_not_exist_is_named() {
    host(HOST);
    let network = vnet();
    ip("link delete kleene0a");
    let container = container(network);
    let outcome = container.run(&["true"]);
    let expected = "could not move interface 'kleene0b' into the jail: ";
    assert!(outcome.failure().starts_with(expected), "{}", outcome.failure());
    assert!(!container.cgroup().exists());
}

/// What the probe prints in a jail that runs.
fn probe_in(container: &Container, argument: &str) -> String {
    let outcome = container.exec(&format!("/probe/socket_probe {argument}"));
    let line = outcome.output.lines().next().unwrap_or_default();
    line.split_once(": ").map_or(line, |(_, value)| value).to_owned()
}

fn allow(container: &Container, address: &str) {
    let address = address.parse().unwrap();
    kleene_linux_jail::allow_address(&container.run_root(), &container.id, address).unwrap();
}

fn deny(container: &Container, address: &str) {
    let address = address.parse().unwrap();
    kleene_linux_jail::deny_address(&container.run_root(), &container.id, address).unwrap();
}

fn addresses(container: &Container) -> Option<Vec<IpAddr>> {
    kleene_linux_jail::addresses(&container.run_root(), &container.id).unwrap()
}

#[test]
fn a_running_jail_may_use_an_address_from_when_it_is_allowed_until_it_is_denied() {
    host(HOST);
    let container = confined(&["10.9.0.2"]);
    let _jail = container.start("echo ready; exec sleep 1000");
    for other in ["10.9.0.3", "fd09::2"] {
        let bind = match other.contains(':') {
            true => format!("bind-tcp=[{other}]:0"),
            false => format!("bind-tcp={other}:0"),
        };
        let before = probe_in(&container, &bind);
        assert!(!before.contains(other), "{before}");
        allow(&container, other);
        allow(&container, other);
        let allowed = probe_in(&container, &bind);
        assert!(allowed.contains(other), "{allowed}");
        assert!(
            probe_in(&container, "bind-tcp=0.0.0.0:0").contains("10.9.0.2"),
            "the first stays the first"
        );
        deny(&container, other);
        assert_eq!(probe_in(&container, &bind), before);
    }
    assert_eq!(addresses(&container), Some(vec!["10.9.0.2".parse().unwrap()]));
    container.stop(Duration::ZERO);
    assert_eq!(addresses(&container), None);
}

#[test]
fn a_connection_ends_when_its_address_is_denied() {
    host(HOST);
    let container = confined(&["10.9.0.2"]);
    let _jail = container.start("nc -ll -p 8000 -e cat & echo ready; exec sleep 1000");
    let address: SocketAddr = "10.9.0.2:8000".parse().unwrap();
    support::eventually("it listens", || TcpStream::connect(address).is_ok());
    let mut stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(Duration::from_millis(500))).unwrap();
    let mut echoed = [0; 1];
    stream.write_all(b"a").unwrap();
    std::io::Read::read_exact(&mut stream, &mut echoed).unwrap();
    deny(&container, "10.9.0.2");
    stream.write_all(b"b").unwrap();
    assert!(std::io::Read::read_exact(&mut stream, &mut echoed).is_err());
    container.stop(Duration::ZERO);
}

#[test]
fn a_jail_without_addresses_can_get_some_and_lose_them_again() {
    host(HOST);
    let container = confined(&[]);
    let _jail = container.start("echo ready; exec sleep 1000");
    assert_eq!(addresses(&container), Some(Vec::new()));
    let connect = format!("connect-tcp={}", tcp_service("10.9.0.1:0"));
    let before = probe_in(&container, &connect);
    allow(&container, "10.9.0.2");
    assert_eq!(probe_in(&container, &connect), "10.9.0.2");
    deny(&container, "10.9.0.2");
    assert_eq!(probe_in(&container, &connect), before);
    container.stop(Duration::ZERO);
}

#[test]
fn addresses_of_a_jail_that_does_not_run_cannot_be_allowed_and_need_not_be_denied() {
    let container = confined(&["10.9.0.2"]);
    let address = "10.9.0.3".parse().unwrap();
    let refused = kleene_linux_jail::allow_address(&container.run_root(), &container.id, address);
    assert!(refused.unwrap_err().to_string().ends_with("does not run"));
    kleene_linux_jail::deny_address(&container.run_root(), &container.id, address).unwrap();
}
