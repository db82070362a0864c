//! The firewall with real packets: the host, an outside and containers, each in a network namespace.

mod common;

use common::net::{
    Flags, Published, Stack, World, em0, endpoint_id, endpoint_rules, filter_bridged_frames, host_asks,
    host_is_kept_from, ip, network, network_rules, run, serve,
};
use kleene_plan::{InterfaceMatch, Op, Owner, PortRange, Protocol};
use kleene_platform::{Platform, PlatformError};

#[test]
fn a_published_port_is_reached_from_everywhere() {
    let w = World::new();
    w.network(1, Flags::default());
    let (web, neighbour) = (w.container(1, 2, false), w.container(1, 3, false));
    web.serve("web", 80);
    w.publish(1, 2, Published::tcp(8080, 80));
    assert_eq!(
        w.outside.ask("192.0.2.1:8080").as_deref(),
        Some("web sees 192.0.2.2")
    );
    assert_eq!(
        w.outside.ask("[fd01::1]:8080").as_deref(),
        Some("web sees fd01::2")
    );
    assert_eq!(host_asks("192.0.2.1:8080").as_deref(), Some("web sees 10.0.1.1"));
    assert_eq!(host_asks("127.0.0.1:8080").as_deref(), Some("web sees 10.0.1.1"));
    assert_eq!(host_asks("10.0.1.1:8080").as_deref(), Some("web sees 10.0.1.1"));
    assert_eq!(host_asks("[fd01::1]:8080").as_deref(), Some("web sees fd00:1::1"));
    assert_eq!(
        neighbour.ask("192.0.2.1:8080").as_deref(),
        Some("web sees 10.0.1.1"),
        "hairpin"
    );
    assert_eq!(
        neighbour.ask("[fd01::1]:8080").as_deref(),
        Some("web sees fd00:1::1"),
        "hairpin"
    );
    assert_eq!(
        web.ask("10.0.1.1:8080").as_deref(),
        Some("web sees 10.0.1.1"),
        "hairpin to itself"
    );
}

#[test]
fn a_published_port_is_reached_where_bridged_frames_are_filtered() {
    let w = World::new();
    filter_bridged_frames(true);
    w.network(1, Flags::default());
    let (web, neighbour) = (w.container(1, 2, false), w.container(1, 3, false));
    web.serve("web", 80);
    w.publish(1, 2, Published::tcp(8080, 80));
    assert_eq!(
        w.outside.ask("192.0.2.1:8080").as_deref(),
        Some("web sees 192.0.2.2")
    );
    assert_eq!(host_asks("127.0.0.1:8080").as_deref(), Some("web sees 10.0.1.1"));
    assert!(neighbour.ask("192.0.2.1:8080").is_some(), "hairpin");
    assert!(neighbour.ask("10.0.1.2:80").is_some(), "within the network");
}

#[test]
fn a_port_published_on_an_interface_is_reached_by_its_addresses_only() {
    let w = World::new();
    ip("address add 198.51.100.1/32 dev lo");
    w.network(1, Flags::default());
    let (web, neighbour) = (w.container(1, 2, false), w.container(1, 3, false));
    web.serve("web", 80);
    w.publish(
        1,
        2,
        Published {
            on: InterfaceMatch::Named(em0()),
            ..Published::tcp(8080, 80)
        },
    );
    assert_eq!(
        w.outside.ask("192.0.2.1:8080").as_deref(),
        Some("web sees 192.0.2.2")
    );
    assert_eq!(host_asks("192.0.2.1:8080").as_deref(), Some("web sees 10.0.1.1"));
    assert_eq!(
        neighbour.ask("192.0.2.1:8080").as_deref(),
        Some("web sees 10.0.1.1")
    );
    assert!(w.outside.is_kept_from("198.51.100.1:8080"));
    assert!(host_is_kept_from("127.0.0.1:8080"));
}

#[test]
fn what_is_sent_to_a_container_among_other_machines_is_for_it_and_for_no_published_port() {
    let w = World::new();
    w.network(1, Flags::default());
    let (web, neighbour) = (w.container(1, 2, false), w.container(1, 3, false));
    web.serve("web", 80);
    serve("guest", 80);
    for on in [InterfaceMatch::Named(em0()), InterfaceMatch::Any] {
        w.publish(
            1,
            2,
            Published {
                on,
                ..Published::tcp(80, 80)
            },
        );
        w.guest("192.0.2.50", 80);
        assert_eq!(
            w.outside.ask("192.0.2.50:80").as_deref(),
            Some("guest sees 192.0.2.2")
        );
        assert_eq!(
            host_asks("192.0.2.50:80").as_deref(),
            Some("guest sees 192.0.2.50")
        );
        assert_eq!(
            neighbour.ask("192.0.2.50:80").as_deref(),
            Some("guest sees 10.0.1.3")
        );
        assert_eq!(
            w.outside.ask("192.0.2.1:80").as_deref(),
            Some("web sees 192.0.2.2")
        );
    }
}

#[test]
fn an_address_that_an_interface_gets_later_is_redirected_from_outside() {
    let w = World::new();
    w.network(1, Flags::default());
    let web = w.container(1, 2, false);
    web.serve("web", 80);
    w.publish(
        1,
        2,
        Published {
            on: InterfaceMatch::Named(em0()),
            ..Published::tcp(8080, 80)
        },
    );
    ip("address add 192.0.2.9/24 dev em0");
    assert_eq!(
        w.outside.ask("192.0.2.9:8080").as_deref(),
        Some("web sees 192.0.2.2")
    );
}

#[test]
fn what_is_not_published_is_not_reached_from_outside() {
    let w = World::new();
    w.network(1, Flags::default());
    let web = w.container(1, 2, false);
    web.serve("web", 80);
    web.serve("secret", 81);
    assert!(w.outside.is_kept_from("10.0.1.2:80"));
    w.publish(1, 2, Published::tcp(8080, 80));
    assert!(w.outside.is_kept_from("10.0.1.2:81"));
    assert!(w.outside.is_kept_from("192.0.2.1:81"));
}

#[test]
fn containers_reach_the_outside_behind_the_hosts_address() {
    let w = World::new();
    w.network(1, Flags::default());
    w.outside.serve("outside", 80);
    let container = w.container(1, 2, false);
    assert_eq!(
        container.ask("192.0.2.2:80").as_deref(),
        Some("outside sees 192.0.2.1")
    );
    assert_eq!(
        container.ask("[fd01::2]:80").as_deref(),
        Some("outside sees fd01::1")
    );
    assert_eq!(
        container.ask_udp("192.0.2.2:80").as_deref(),
        Some("outside sees 192.0.2.1")
    );
}

#[test]
fn without_nat_the_outside_sees_the_container() {
    let w = World::new();
    w.network(
        1,
        Flags {
            nat: false,
            ..Flags::default()
        },
    );
    w.outside.serve("outside", 80);
    assert_eq!(
        w.container(1, 2, false).ask("192.0.2.2:80").as_deref(),
        Some("outside sees 10.0.1.2")
    );
}

#[test]
fn containers_of_a_network_talk_unless_they_may_not() {
    let w = World::new();
    w.network(1, Flags::default());
    let (one, two) = (w.container(1, 2, false), w.container(1, 3, false));
    one.serve("one", 80);
    assert_eq!(two.ask("10.0.1.2:80").as_deref(), Some("one sees 10.0.1.3"));

    w.network(
        2,
        Flags {
            icc: false,
            ..Flags::default()
        },
    );
    let (three, four) = (w.container(2, 2, true), w.container(2, 3, true));
    three.serve("three", 80);
    assert!(four.is_kept_from("10.0.2.2:80"));
    assert!(four.is_kept_from("[fd00:2::2]:80"));
    w.outside.serve("outside", 80);
    assert_eq!(
        four.ask("192.0.2.2:80").as_deref(),
        Some("outside sees 192.0.2.1")
    );
}

#[test]
fn networks_reach_each_others_published_ports_only() {
    let w = World::new();
    w.network(1, Flags::default());
    w.network(2, Flags::default());
    let (web, other) = (w.container(1, 2, false), w.container(2, 2, false));
    web.serve("web", 80);
    web.serve("secret", 81);
    w.publish(1, 2, Published::tcp(8080, 80));
    assert_eq!(other.ask("10.0.1.2:80").as_deref(), Some("web sees 10.0.2.2"));
    assert_eq!(other.ask("192.0.2.1:8080").as_deref(), Some("web sees 10.0.2.2"));
    assert!(other.is_kept_from("10.0.1.2:81"));
}

#[test]
fn nothing_leaves_an_internal_network() {
    let w = World::new();
    w.network(
        1,
        Flags {
            internal: true,
            ..Flags::default()
        },
    );
    w.network(2, Flags::default());
    w.outside.serve("outside", 80);
    let (one, two, web) = (
        w.container(1, 2, false),
        w.container(1, 3, false),
        w.container(2, 2, false),
    );
    one.serve("one", 80);
    web.serve("web", 80);
    w.publish(2, 2, Published::tcp(8080, 80));
    for address in [
        "192.0.2.2:80",
        "[fd01::2]:80",
        "10.0.2.2:80",
        "192.0.2.1:8080",
        "[fd00:2::2]:80",
    ] {
        assert!(one.is_kept_from(address), "{address}");
    }
    assert_eq!(two.ask("10.0.1.2:80").as_deref(), Some("one sees 10.0.1.3"));
}

#[test]
fn a_range_of_ports_is_redirected_one_to_one() {
    let w = World::new();
    w.network(1, Flags::default());
    let web = w.container(1, 2, false);
    for port in 80..=85 {
        web.serve("web", port);
    }
    let range = |first, last| PortRange::new(first, last).unwrap();
    let published = Published {
        protocol: Protocol::Udp,
        ports: range(8081, 8084),
        to_ports: range(81, 84),
        ..Published::tcp(0, 0)
    };
    w.publish(1, 2, published);
    for port in 8081..=8084 {
        assert_eq!(
            w.outside.ask_udp(&format!("192.0.2.1:{port}")).as_deref(),
            Some("web sees 192.0.2.2"),
            "{port}"
        );
    }
    for address in ["192.0.2.1:8080", "192.0.2.1:8085", "10.0.1.2:80", "10.0.1.2:85"] {
        assert!(w.outside.is_kept_from(address), "{address}");
    }
}

/// Sends what it addresses to 127.0.0.1 to the host.
#[allow(clippy::unwrap_used, reason = "part of a test")]
fn send_loopback_to(stack: &Stack, gateway: &str, interface: &str) {
    stack.ip("address del 127.0.0.1/8 dev lo");
    stack.ip(&format!("route add 127.0.0.1/32 via {gateway}"));
    let setting = format!("/proc/sys/net/ipv4/conf/{interface}/route_localnet");
    stack.run(move || std::fs::write(setting, "1")).unwrap();
}

#[test]
fn the_hosts_loopback_address_stays_its_own() {
    let w = World::new();
    w.network(1, Flags::default());
    let (web, rogue) = (w.container(1, 2, false), w.container(1, 3, false));
    web.serve("web", 80);
    serve("host", 9000);
    w.publish(1, 2, Published::tcp(8080, 80));
    send_loopback_to(&rogue, "10.0.1.1", "kj1.3");
    send_loopback_to(&w.outside, "192.0.2.1", "out0");
    for address in ["127.0.0.1:9000", "127.0.0.1:8080"] {
        assert!(rogue.is_kept_from(address), "{address} from a container");
        assert!(w.outside.is_kept_from(address), "{address} from outside");
    }
    assert_eq!(
        host_asks("127.0.0.1:9000").as_deref(),
        Some("host sees 127.0.0.1")
    );
}

#[test]
fn rules_come_back_after_somebody_flushed_them() {
    let w = World::new();
    w.network(1, Flags::default());
    let web = w.container(1, 2, false);
    web.serve("web", 80);
    w.publish(1, 2, Published::tcp(8080, 80));
    run("nft", "flush ruleset");
    assert!(w.outside.is_kept_from("192.0.2.1:8080"));
    let op = Op::SetRules {
        owner: network(1),
        rules: network_rules(1, Flags::default()),
    };
    assert!(w.platform.would_change(&op).unwrap());
    w.apply(op);
    assert_eq!(
        w.outside.ask("192.0.2.1:8080").as_deref(),
        Some("web sees 192.0.2.2"),
        "all owners' rules"
    );
}

#[test]
fn an_old_table_that_somebody_restored_is_replaced_by_the_next_change() {
    let w = World::new();
    w.network(1, Flags::default());
    let old = run("nft", "list ruleset");
    let web = w.container(1, 2, false);
    web.serve("web", 80);
    run("nft", "flush ruleset");
    w.publish(1, 2, Published::tcp(8080, 80));
    let saved = w.directory.path().join("saved.nft");
    std::fs::write(&saved, format!("flush ruleset\n{old}")).unwrap();
    run("nft", &format!("-f {}", saved.display()));
    w.publish(1, 2, Published::tcp(8081, 80));
    assert_eq!(
        w.outside.ask("192.0.2.1:8081").as_deref(),
        Some("web sees 192.0.2.2")
    );
    assert!(w.outside.is_kept_from("192.0.2.1:8080"));
}

#[test]
fn a_new_daemon_knows_the_rules_of_the_old_one() {
    let w = World::new();
    w.network(1, Flags::default());
    let web = w.container(1, 2, false);
    web.serve("web", 80);
    w.publish(1, 2, Published::tcp(8080, 80));
    let w = w.reopened();
    let op = Op::SetRules {
        owner: Owner::Endpoint(endpoint_id(1, 2)),
        rules: endpoint_rules(1, 2, Published::tcp(8080, 80)),
    };
    assert!(!w.platform.would_change(&op).unwrap());
    assert_eq!(
        w.outside.ask("192.0.2.1:8080").as_deref(),
        Some("web sees 192.0.2.2")
    );
    w.network(2, Flags::default());
    assert_eq!(
        w.outside.ask("192.0.2.1:8080").as_deref(),
        Some("web sees 192.0.2.2")
    );
    w.apply(Op::ClearRules(Owner::Endpoint(endpoint_id(1, 2))));
    assert!(w.outside.is_kept_from("192.0.2.1:8080"));
}

#[test]
fn rules_that_were_set_in_the_moment_of_the_daemons_end_are_cleared_by_the_next() {
    let w = World::new();
    w.network(1, Flags::default());
    let web = w.container(1, 2, false);
    web.serve("web", 80);
    w.publish(1, 2, Published::tcp(8080, 80));
    let owner = Owner::Endpoint(endpoint_id(1, 2));
    std::fs::remove_file(w.directory.path().join(format!("run/firewall/{owner}.json"))).unwrap();
    let w = w.reopened();
    w.apply(Op::ClearRules(owner));
    assert!(w.outside.is_kept_from("192.0.2.1:8080"));
}

#[test]
fn a_network_that_was_begun_in_the_moment_of_the_daemons_end_is_forgotten_by_the_next() {
    let w = World::new();
    w.network(1, Flags::default());
    w.apply(Op::ClearRules(network(1)));
    ip(&format!("link delete {}", common::net::bridge(1)));
    assert_ne!(run("nft", "list ruleset"), "");
    let w = w.reopened();
    w.apply(Op::RemoveInterface {
        name: common::net::bridge(1),
        owner: network(1),
    });
    assert_eq!(run("nft", "list ruleset"), "");
}

#[test]
fn nothing_is_loaded_that_the_next_daemon_would_not_know_of() {
    let w = World::new();
    std::fs::create_dir(w.directory.path().join("run/firewall/loaded")).unwrap();
    let op = Op::SetRules {
        owner: network(1),
        rules: network_rules(1, Flags::default()),
    };
    assert!(w.platform.apply(&op).is_err());
    assert_eq!(run("nft", "list ruleset"), "");
}

#[test]
fn new_rules_replace_the_old_ones_of_their_owner() {
    let w = World::new();
    w.network(1, Flags::default());
    let web = w.container(1, 2, false);
    web.serve("web", 80);
    w.publish(1, 2, Published::tcp(8080, 80));
    w.publish(1, 2, Published::tcp(8081, 80));
    assert!(w.outside.is_kept_from("192.0.2.1:8080"));
    assert_eq!(
        w.outside.ask("192.0.2.1:8081").as_deref(),
        Some("web sees 192.0.2.2")
    );
}

#[test]
fn a_port_cannot_be_published_twice() {
    let w = World::new();
    w.network(1, Flags::default());
    w.publish(1, 2, Published::tcp(8080, 80));
    let op = Op::SetRules {
        owner: Owner::Endpoint(endpoint_id(1, 3)),
        rules: endpoint_rules(1, 3, Published::tcp(8080, 80)),
    };
    let error = w.platform.apply(&op).unwrap_err();
    assert!(matches!(error, PlatformError::Conflict { .. }), "{error}");
    assert!(error.to_string().contains("endpoint-eeeeeeee0102"), "{error}");
}

#[test]
fn what_is_removed_leaves_nothing() {
    let w = World::new();
    let before = run("ip", "-o link");
    w.network(1, Flags::default());
    let container = w.container(1, 2, false);
    w.publish(1, 2, Published::tcp(8080, 80));
    drop(container);
    let owner = Owner::Endpoint(endpoint_id(1, 2));
    for op in [
        Op::RemoveInterface {
            name: "kv1.2".parse().unwrap(),
            owner: owner.clone(),
        },
        Op::ClearRules(owner),
        Op::RemoveInterface {
            name: common::net::bridge(1),
            owner: network(1),
        },
        Op::ClearRules(network(1)),
    ] {
        w.apply(op);
    }
    assert_eq!(run("nft", "list ruleset"), "");
    assert_eq!(run("ip", "-o link"), before);
    assert_eq!(
        std::fs::read_dir(w.directory.path().join("run/firewall"))
            .unwrap()
            .count(),
        1,
        "but the token"
    );
}

#[test]
fn the_administrators_own_rules_stay() {
    let w = World::new();
    run("nft", "add table inet mine");
    w.network(1, Flags::default());
    w.apply(Op::ClearRules(network(1)));
    w.apply(Op::RemoveInterface {
        name: common::net::bridge(1),
        owner: network(1),
    });
    assert_eq!(run("nft", "list tables").trim(), "table inet mine");
}
