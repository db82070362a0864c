//! Interfaces, their marks, and addresses.

use kleene_plan::{Family, Loopback, Op};
use kleene_platform::{Platform, PlatformError};

use crate::world::{ENDPOINT, NETWORK, World, bridge, endpoint, network, pair};

fn is_conflict<T>(result: Result<T, PlatformError>) -> bool {
    matches!(result, Err(PlatformError::Conflict { .. }))
}

#[test]
fn what_is_there_already_changes_nothing() {
    let world = World::new();
    let alias = |add: bool| {
        let (interface, address) = ("kleene1".parse().unwrap(), "10.9.0.5/32".parse().unwrap());
        if add {
            Op::EnsureAlias { interface, address }
        } else {
            Op::RemoveAlias { interface, address }
        }
    };
    let remove = |name: &str, owner| Op::RemoveInterface {
        name: name.parse().unwrap(),
        owner,
    };
    for op in [
        Op::EnsureBridge(bridge()),
        Op::EnsureLoopback(Loopback {
            name: "kleene1".parse().unwrap(),
            owner: network(),
        }),
        Op::EnsurePair(pair()),
        alias(true),
        Op::EnsureForwarding(Family::Inet),
        Op::EnsureForwarding(Family::Inet6),
        alias(false),
        remove(pair().host.as_str(), endpoint()),
        remove("kleene1", network()),
        remove("kleene0", network()),
    ] {
        assert!(world.platform.would_change(&op).unwrap(), "{op}");
        world.platform.apply(&op).unwrap();
        assert!(!world.platform.would_change(&op).unwrap(), "{op}");
        world.platform.apply(&op).unwrap();
    }
    let names: Vec<_> = world
        .platform
        .interfaces()
        .unwrap()
        .into_iter()
        .map(|info| info.name.to_string())
        .collect();
    assert_eq!(names, ["lo0", "vtnet0"]);
}

#[test]
fn interfaces_say_whose_they_are() {
    let world = World::new();
    world.apply(Op::EnsureBridge(bridge())).unwrap();
    world.apply(Op::EnsurePair(pair())).unwrap();
    let infos = world.platform.interfaces().unwrap();
    let of = |name: &str| infos.iter().find(|info| info.name.as_str() == name).unwrap();
    assert_eq!(of("kleene0").owner, Some(network()));
    assert_eq!(of("kleene0").addresses, bridge().addresses);
    assert_eq!(of(&format!("k{ENDPOINT}a")).owner, Some(endpoint()));
    assert_eq!(of(&format!("k{ENDPOINT}b")).owner, Some(endpoint()));
    assert_eq!(of("vtnet0").owner, None);
    let half = world.tool(&format!("ifconfig k{ENDPOINT}b"));
    assert!(half.contains(&format!("ether {}", pair().mac)), "{half}");
    assert!(world.tool("ifconfig kleene0").contains("PRIVATE"));
}

#[test]
fn what_belongs_to_others_is_neither_taken_over_nor_removed() {
    let world = World::new();
    world.tool("ifconfig bridge create");
    world.tool("ifconfig bridge0 name kleene0");
    let op = Op::EnsureBridge(bridge());
    assert!(is_conflict(world.platform.would_change(&op)));
    assert!(is_conflict(world.platform.apply(&op)));
    let remove = Op::RemoveInterface {
        name: "kleene0".parse().unwrap(),
        owner: network(),
    };
    assert!(!world.platform.would_change(&remove).unwrap());
    world.platform.apply(&remove).unwrap();
    assert!(world.tool("ifconfig kleene0").contains("groups: bridge"));
}

#[test]
fn an_interface_that_cannot_have_its_name_does_not_stay() {
    let world = World::new();
    world.apply(Op::EnsureBridge(bridge())).unwrap();
    // Somebody takes the name of the host's half between our look and our creation: here, of the jail's half.
    world.tool("ifconfig lo create");
    world.tool(&format!("ifconfig lo1 name k{ENDPOINT}b"));
    assert!(is_conflict(world.platform.apply(&Op::EnsurePair(pair()))));
    let names: Vec<_> = world
        .platform
        .interfaces()
        .unwrap()
        .into_iter()
        .map(|info| info.name.to_string())
        .collect();
    assert_eq!(
        names,
        [
            format!("k{ENDPOINT}b"),
            "kleene0".to_owned(),
            "lo0".to_owned(),
            "vtnet0".to_owned()
        ]
    );
}

#[test]
fn a_pair_needs_its_bridge() {
    let world = World::new();
    assert!(matches!(
        world.platform.apply(&Op::EnsurePair(pair())),
        Err(PlatformError::NotFound { .. })
    ));
    assert_eq!(world.platform.interfaces().unwrap().len(), 2);
}

#[test]
fn an_address_of_the_host_is_never_taken_from_it() {
    let world = World::new();
    let (interface, address) = ("vtnet0".parse().unwrap(), "10.0.2.15/24".parse().unwrap());
    let ensure = Op::EnsureAlias { interface, address };
    assert!(is_conflict(world.platform.would_change(&ensure)));
    assert!(is_conflict(world.platform.apply(&ensure)));
    let (interface, address) = ("vtnet0".parse().unwrap(), "10.0.2.15/24".parse().unwrap());
    let remove = Op::RemoveAlias { interface, address };
    assert!(!world.platform.would_change(&remove).unwrap());
    world.platform.apply(&remove).unwrap();
    assert!(world.tool("netstat --libxo json -inW").contains("10.0.2.15"));
}

#[test]
fn an_address_of_ours_on_the_hosts_interface_is_remembered_by_the_next_daemon() {
    let mut world = World::new();
    let alias = |add: bool| {
        let (interface, address) = ("vtnet0".parse().unwrap(), "10.0.2.77/32".parse().unwrap());
        if add {
            Op::EnsureAlias { interface, address }
        } else {
            Op::RemoveAlias { interface, address }
        }
    };
    world.apply(alias(true)).unwrap();
    world.reopen();
    assert!(!world.platform.would_change(&alias(true)).unwrap());
    assert!(world.platform.would_change(&alias(false)).unwrap());
    world.apply(alias(false)).unwrap();
    assert!(!world.tool("netstat --libxo json -inW").contains("10.0.2.77"));
}

#[test]
fn an_address_on_an_interface_that_is_not_there_is_an_error() {
    let world = World::new();
    let op = Op::EnsureAlias {
        interface: "nosuch0".parse().unwrap(),
        address: "10.9.0.5/32".parse().unwrap(),
    };
    assert!(matches!(
        world.platform.apply(&op),
        Err(PlatformError::NotFound { .. })
    ));
}

#[test]
fn the_way_out_and_what_listens_are_known() {
    let world = World::new();
    assert_eq!(world.platform.egress().unwrap(), Some("vtnet0".parse().unwrap()));
    assert_eq!(world.platform.listeners().unwrap()[0].port, 22);
}

#[test]
fn what_did_not_get_its_name_goes_with_it() {
    let world = World::new();
    for (kind, owner) in [
        ("bridge", format!("network:{NETWORK}")),
        ("epair", format!("endpoint:{ENDPOINT}")),
        ("bridge", "network:ffffffffffff".to_owned()),
    ] {
        let create = format!("ifconfig {kind} create group kleene description kleene:{owner}");
        assert!(world.tool(&create).starts_with(kind));
    }
    for (name, owner) in [(bridge().name, network()), (pair().host, endpoint())] {
        let op = Op::RemoveInterface { name, owner };
        world.platform.apply(&op).unwrap();
    }
    let left = world.tool("ifconfig -a");
    assert!(!left.contains("bridge0:") && !left.contains("epair"), "{left}");
    assert!(left.contains("bridge1:"), "another owner's stays: {left}");
}
