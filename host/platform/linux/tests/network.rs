//! Interfaces and addresses, in a network namespace of its own.

mod common;

use common::net::{World, bridge, em0, endpoint_id, ip, net, network, run};
use kleene_plan::{Bridge, Loopback, MacAddress, Op, Owner, Pair, Protocol};
use kleene_platform::{Platform, PlatformError};

fn kleene1(addresses: &[&str]) -> Op {
    let addresses = addresses.iter().map(|address| net(address)).collect();
    Op::EnsureBridge(Bridge {
        name: bridge(1),
        owner: network(1),
        addresses,
    })
}

#[allow(clippy::unwrap_used, reason = "part of a test")]
fn pair() -> Pair {
    let id = endpoint_id(1, 2);
    Pair {
        host: "kv1".parse().unwrap(),
        jail: "kj1".parse().unwrap(),
        bridge: bridge(1),
        mac: MacAddress::of_endpoint(&id),
        isolated: true,
        owner: Owner::Endpoint(id),
    }
}

fn conflict(result: Result<(), PlatformError>) -> String {
    match result {
        Err(error @ PlatformError::Conflict { .. }) => error.to_string(),
        other => panic!("not a conflict: {other:?}"),
    }
}

#[test]
fn a_bridge_is_up_marked_and_has_its_addresses() {
    let w = World::new();
    w.apply(kleene1(&["10.0.1.1/24", "fd00:1::1/64"]));
    let info = w
        .platform
        .interfaces()
        .unwrap()
        .into_iter()
        .find(|info| info.name == bridge(1))
        .unwrap();
    assert_eq!(info.owner, Some(network(1)));
    assert_eq!(info.addresses[..2], [net("10.0.1.1/24"), net("fd00:1::1/64")]);
    let text = run("ip", "-d address show dev kleene1");
    for word in [
        "alias kleene:network-aaaaaaaaaa01",
        "stp_state 0",
        "<NO-CARRIER,BROADCAST,MULTICAST,UP>",
    ] {
        assert!(text.contains(word), "{word}: {text}");
    }
    assert!(
        !text.contains("tentative"),
        "an address of IPv6 is usable at once: {text}"
    );
}

#[test]
fn a_bridge_keeps_its_hardware_address_when_members_come() {
    let w = World::new();
    w.apply(kleene1(&[]));
    let address = || {
        run("ip", "-o link show dev kleene1")
            .split(" link/ether ")
            .nth(1)
            .unwrap()
            .to_owned()
    };
    let own = address();
    w.apply(Op::EnsurePair(pair()));
    assert_eq!(address(), own);
}

#[test]
fn an_interface_of_somebody_else_is_neither_taken_nor_removed() {
    let w = World::new();
    ip("link add kleene1 type bridge");
    let message = conflict(w.platform.apply(&kleene1(&[])));
    assert!(
        message.starts_with("interface kleene1 exists already and does not belong to Kleene"),
        "{message}"
    );
    conflict(w.platform.would_change(&kleene1(&[])).map(drop));
    let remove = Op::RemoveInterface {
        name: bridge(1),
        owner: network(1),
    };
    assert!(!w.platform.would_change(&remove).unwrap());
    w.apply(remove);
    run("ip", "link show dev kleene1");
    assert_eq!(run("nft", "list ruleset"), "", "the firewall has not heard of it");
}

#[test]
fn an_interface_of_another_network_is_a_conflict() {
    let w = World::new();
    w.apply(kleene1(&[]));
    conflict(w.platform.apply(&Op::EnsureBridge(Bridge {
        name: bridge(1),
        owner: network(2),
        addresses: vec![],
    })));
    w.apply(Op::RemoveInterface {
        name: bridge(1),
        owner: network(2),
    });
    assert!(!w.platform.would_change(&kleene1(&[])).unwrap());
}

#[test]
fn a_loopback_network_answers_on_its_addresses() {
    let w = World::new();
    w.apply(Op::EnsureLoopback(Loopback {
        name: bridge(1),
        owner: network(1),
    }));
    let address = net("10.0.1.7/32");
    w.apply(Op::EnsureAlias {
        interface: bridge(1),
        address,
    });
    common::net::serve("jail", 80);
    assert_eq!(
        common::net::host_asks("10.0.1.7:80").as_deref(),
        Some("jail sees 10.0.1.7")
    );
    w.apply(Op::RemoveAlias {
        interface: bridge(1),
        address,
    });
    assert!(common::net::host_is_kept_from("10.0.1.7:80"));
}

#[test]
fn a_pair_waits_for_its_jail() {
    let w = World::new();
    w.apply(kleene1(&[]));
    w.apply(Op::EnsurePair(pair()));
    let text = run("ip", "-d link show dev kv1");
    for word in [
        "master kleene1",
        "isolated on",
        "alias kleene:endpoint-eeeeeeee0102",
        ",UP",
    ] {
        assert!(text.contains(word), "{word}: {text}");
    }
    let text = run("ip", "-d link show dev kj1");
    for word in [&pair().mac.to_string(), "alias kleene:endpoint-eeeeeeee0102"] {
        assert!(text.contains(word), "{word}: {text}");
    }
    w.apply(Op::RemoveInterface {
        name: "kv1".parse().unwrap(),
        owner: pair().owner,
    });
    let names: Vec<_> = w
        .platform
        .interfaces()
        .unwrap()
        .into_iter()
        .map(|info| info.name.to_string())
        .collect();
    assert_eq!(names, ["lo", "em0", "kleene1"]);
}

#[test]
fn a_pair_joins_its_bridge_again() {
    let w = World::new();
    w.apply(kleene1(&[]));
    w.apply(Op::EnsurePair(pair()));
    ip("link set kv1 nomaster down");
    assert!(w.platform.would_change(&Op::EnsurePair(pair())).unwrap());
    w.apply(Op::EnsurePair(pair()));
    assert!(run("ip", "-d link show dev kv1").contains("isolated on"));
}

#[test]
fn a_pair_without_its_bridge_is_an_error_and_leaves_nothing() {
    let w = World::new();
    let error = w.platform.apply(&Op::EnsurePair(pair())).unwrap_err();
    assert_eq!(error.to_string(), "bridge kleene1 does not exist");
    w.apply(kleene1(&[]));
    ip("link add kj1 type bridge");
    conflict(w.platform.apply(&Op::EnsurePair(pair())));
    assert_eq!(w.platform.interfaces().unwrap().len(), 4);
}

#[test]
fn an_unfinished_interface_of_a_crash_is_removed() {
    let w = World::new();
    ip("link add kleene~0 type veth peer name kj1");
    let w = w.reopened();
    assert_eq!(w.platform.interfaces().unwrap().len(), 2);
}

#[test]
fn an_address_of_the_host_is_neither_taken_nor_removed() {
    let w = World::new();
    for address in ["192.0.2.1/24", "192.0.2.1/32", "127.0.0.1/32"] {
        let alias = Op::EnsureAlias {
            interface: em0(),
            address: net(address),
        };
        conflict(w.platform.apply(&alias));
        conflict(w.platform.would_change(&alias).map(drop));
    }
    w.apply(Op::RemoveAlias {
        interface: em0(),
        address: net("192.0.2.1/24"),
    });
    assert!(run("ip", "address show dev em0").contains("192.0.2.1/24"));
}

#[test]
fn an_alias_comes_and_goes() {
    let w = World::new();
    for address in ["192.0.2.50/32", "fd01::50/128"] {
        let address = net(address);
        w.apply(Op::EnsureAlias {
            interface: em0(),
            address,
        });
        assert!(run("ip", "address show dev em0").contains(&format!("{address} ")));
        w.apply(Op::RemoveAlias {
            interface: em0(),
            address,
        });
        assert!(!run("ip", "address show dev em0").contains(&format!("{address} ")));
    }
    let absent = Op::RemoveAlias {
        interface: "gone0".parse().unwrap(),
        address: net("10.9.9.9/32"),
    };
    w.apply(absent);
}

#[test]
fn an_alias_survives_a_restart_of_the_daemon_as_ours() {
    let w = World::new();
    let alias = Op::EnsureAlias {
        interface: em0(),
        address: net("192.0.2.50/32"),
    };
    w.apply(alias.clone());
    let w = w.reopened();
    assert!(!w.platform.would_change(&alias).unwrap());
}

#[test]
fn gateways_are_the_preferred_default_routes() {
    let w = World::new();
    w.apply(kleene1(&["10.0.1.1/24"]));
    ip("route add default via 10.0.1.9 dev kleene1 metric 50");
    let gateways = w.platform.gateways().unwrap();
    assert_eq!((gateways.inet, gateways.inet6), (Some(em0()), Some(em0())));
    ip("route del default via 192.0.2.2");
    assert_eq!(w.platform.egress().unwrap(), Some(bridge(1)));
}

#[test]
fn next_hops_are_those_of_all_routes_in_all_tables() {
    let w = World::new();
    ip("route add 198.51.100.0/24 via 192.0.2.7 dev em0 table 100");
    ip("route add 203.0.113.0/24 nexthop via 192.0.2.8 dev em0 nexthop via 192.0.2.9 dev em0");
    ip("route add 233.252.0.0/24 via inet6 fd01::7 dev em0");
    let hops: Vec<_> = w
        .platform
        .next_hops()
        .unwrap()
        .iter()
        .map(ToString::to_string)
        .collect();
    assert_eq!(
        hops,
        [
            "192.0.2.2",
            "192.0.2.7",
            "192.0.2.8",
            "192.0.2.9",
            "fd01::2",
            "fd01::7"
        ]
    );
}

#[test]
fn listeners_are_those_of_the_host() {
    let w = World::new();
    common::net::serve("host", 9000);
    let listeners = w.platform.listeners().unwrap();
    let ports: Vec<_> = listeners
        .iter()
        .map(|listener| (listener.protocol, listener.port))
        .collect();
    assert_eq!(ports, [(Protocol::Tcp, 9000), (Protocol::Udp, 9000)]);
    assert!(listeners.iter().all(|listener| listener.address.is_unspecified()));
}

#[test]
fn operations_are_shown_as_an_administrator_types_them() {
    let w = World::new();
    let owner = network(1);
    let ops = [
        Op::CreateDataset("volumes/v".parse().unwrap()),
        kleene1(&["10.0.1.1/24"]),
        Op::EnsurePair(pair()),
        Op::EnsureAlias {
            interface: em0(),
            address: net("192.0.2.50/32"),
        },
        Op::EnsureForwarding(kleene_plan::Family::Inet),
        Op::SetRules {
            owner: owner.clone(),
            rules: common::net::network_rules(1, common::net::Flags::default()),
        },
        Op::ClearRules(owner),
    ];
    let text: Vec<_> = ops.iter().map(|op| w.platform.render(op)).collect();
    let root = w.directory.path().canonicalize().unwrap();
    insta::assert_snapshot!(text.join("\n\n").replace(root.to_str().unwrap(), "<directory>"));
}
