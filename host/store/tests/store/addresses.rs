//! Addresses are leases: the smallest free one is given, a taken one is refused, and all come back.

use std::collections::BTreeSet;
use std::net::{Ipv4Addr, Ipv6Addr};

use ipnet::{Ipv4Net, Ipv6Net};
use kleene_store::{Endpoint, Store};
use proptest::prelude::*;

use crate::fixtures::*;

/// Image 1, network 3 and as many containers, from 100 on, as there will be endpoints.
fn crowded(containers: u64) -> Store {
    let store = furnished();
    change(&store, |write| {
        (100..100 + containers).try_for_each(|number| write.insert_container(&container(number)))
    })
    .unwrap();
    store
}

fn lease4(store: &Store, number: u64, address: Ipv4Addr) {
    let endpoint = Endpoint {
        ip4: Some(address),
        ..endpoint(number + 100_000, number)
    };
    change(store, |write| write.insert_endpoint(&endpoint)).unwrap();
}

/// Leases addresses of a subnet until there are no more.
fn exhaust4(subnet: &str, reserved: &[Ipv4Addr]) -> Vec<String> {
    let store = crowded(10);
    let subnet: Ipv4Net = subnet.parse().unwrap();
    let mut addresses = Vec::new();
    for number in 100..110 {
        let Some(address) = look(&store, |read| read.allocate4(&id(3), subnet, reserved)) else {
            break;
        };
        lease4(&store, number, address);
        addresses.push(address.to_string());
    }
    addresses
}

#[test]
fn neither_the_network_nor_the_broadcast_address_is_given_away() {
    assert_eq!(exhaust4("10.0.0.0/30", &[]), ["10.0.0.1", "10.0.0.2"]);
}

#[test]
fn the_gateway_is_not_given_away() {
    assert_eq!(exhaust4("10.0.0.0/29", &[Ipv4Addr::new(10, 0, 0, 1)]).len(), 5);
    assert_eq!(
        exhaust4("10.0.0.0/30", &[Ipv4Addr::new(10, 0, 0, 1)]),
        ["10.0.0.2"]
    );
}

#[test]
fn a_point_to_point_subnet_has_two_addresses_and_a_host_one() {
    assert_eq!(exhaust4("10.0.0.0/31", &[]), ["10.0.0.0", "10.0.0.1"]);
    assert_eq!(exhaust4("10.0.0.7/32", &[]), ["10.0.0.7"]);
}

#[test]
fn the_end_of_the_address_space_is_the_end() {
    assert_eq!(
        exhaust4("255.255.255.252/30", &[]),
        ["255.255.255.253", "255.255.255.254"]
    );
    assert_eq!(
        exhaust4("255.255.255.254/31", &[]),
        ["255.255.255.254", "255.255.255.255"]
    );
}

#[test]
fn ipv6_has_all_of_its_128_bits() {
    let store = crowded(3);
    let lease = |number: u64, address: Option<Ipv6Addr>| {
        let endpoint = Endpoint {
            ip6: address,
            ..endpoint(number + 100_000, number)
        };
        change(&store, |write| write.insert_endpoint(&endpoint)).unwrap();
    };
    let next = |subnet: &str| {
        let subnet: Ipv6Net = subnet.parse().unwrap();
        look(&store, |read| read.allocate6(&id(3), subnet, &[])).map(|address| address.to_string())
    };
    assert_eq!(next("fd00::/64").as_deref(), Some("fd00::1"));
    lease(100, "fd00::1".parse().ok());
    assert_eq!(next("fd00::/64").as_deref(), Some("fd00::2"));
    lease(101, "fd00::ffff:ffff:ffff:fffe".parse().ok());
    assert_eq!(
        next("fd00::ffff:ffff:ffff:fffe/127").as_deref(),
        Some("fd00::ffff:ffff:ffff:ffff")
    );
    lease(102, "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff".parse().ok());
    assert_eq!(next("ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff/128"), None);
}

#[test]
fn an_address_that_is_held_is_refused_naming_the_holder() {
    let store = crowded(2);
    lease4(&store, 100, Ipv4Addr::new(10, 0, 0, 9));
    let endpoint = Endpoint {
        ip4: Some(Ipv4Addr::new(10, 0, 0, 9)),
        ..endpoint(5, 101)
    };
    assert_eq!(
        refusal(&store, |write| write.insert_endpoint(&endpoint)),
        "the address 10.0.0.9 of network 'net3' (a00000000003) is already taken by container a00000000064"
    );
    assert_eq!(
        look(&store, |read| read.endpoint(&id(101), &id(3))),
        None,
        "all or nothing"
    );
}

#[test]
fn networks_do_not_share_leases() {
    // As the subnets of networks do not overlap, only a store that was damaged could have this.
    let store = crowded(2);
    lease4(&store, 100, Ipv4Addr::new(10, 0, 0, 1));
    change(&store, |write| {
        write.insert_network(&network(4))?;
        let same = Endpoint {
            network: id(4),
            ip4: Some(Ipv4Addr::new(10, 0, 0, 1)),
            ..endpoint(5, 101)
        };
        write.insert_endpoint(&same)
    })
    .unwrap();
}

#[test]
fn an_address_is_freed_with_its_endpoint_and_with_its_container() {
    let store = crowded(2);
    let subnet: Ipv4Net = "10.0.0.0/30".parse().unwrap();
    lease4(&store, 100, Ipv4Addr::new(10, 0, 0, 1));
    lease4(&store, 101, Ipv4Addr::new(10, 0, 0, 2));
    let free = || look(&store, |read| read.allocate4(&id(3), subnet, &[]));
    assert_eq!(free(), None);
    change(&store, |write| write.remove_endpoint(&id(100_101))).unwrap();
    assert_eq!(free(), Some(Ipv4Addr::new(10, 0, 0, 2)));
    change(&store, |write| write.remove_container(&id(100))).unwrap();
    assert_eq!(free(), Some(Ipv4Addr::new(10, 0, 0, 1)));
}

#[test]
fn an_endpoint_knows_its_addresses() {
    let store = furnished();
    let full = Endpoint {
        ip4: "10.0.0.5".parse().ok(),
        ip6: "fd00::5".parse().ok(),
        ..endpoint(4, 2)
    };
    change(&store, |write| write.insert_endpoint(&full)).unwrap();
    assert_eq!(
        look(&store, |read| read.endpoints_of_container(&id(2))),
        std::slice::from_ref(&full)
    );
    assert_eq!(
        look(&store, |read| read
            .address_holder(&id(3), "fd00::5".parse().unwrap())),
        Some(full)
    );
    assert_eq!(
        look(&store, |read| read
            .address_holder(&id(3), "fd00::6".parse().unwrap())),
        None
    );
}

/// What happens to the leases of a /28.
#[derive(Debug, Clone)]
enum Event {
    Allocate,
    Lease(u8),
    Free(u8),
}

fn event() -> impl Strategy<Value = Event> {
    prop_oneof![
        3 => Just(Event::Allocate),
        2 => (0u8..16).prop_map(Event::Lease),
        3 => (0u8..16).prop_map(Event::Free),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// The naive model: a set, searched from the beginning.
    #[test]
    fn the_smallest_free_address_is_given_whatever_happened_before(
        events in prop::collection::vec(event(), 0..60),
        reserved in 0u8..16,
    ) {
        let store = crowded(16);
        let subnet: Ipv4Net = "10.0.0.0/28".parse().unwrap();
        let address = |last: u8| Ipv4Addr::new(10, 0, 0, last);
        let mut model = BTreeSet::new();
        for event in events {
            match event {
                Event::Allocate => {
                    let expected = (1u8..15).find(|last| !model.contains(last) && *last != reserved);
                    let given = look(&store, |read| read.allocate4(&id(3), subnet, &[address(reserved)]));
                    prop_assert_eq!(given, expected.map(address));
                    if let Some(last) = expected {
                        lease4(&store, 100 + u64::from(last), address(last));
                        model.insert(last);
                    }
                }
                Event::Lease(last) => {
                    let number = 100 + u64::from(last);
                    let endpoint = Endpoint { ip4: Some(address(last)), ..endpoint(number + 100_000, number) };
                    let result = change(&store, |write| write.insert_endpoint(&endpoint));
                    prop_assert_eq!(result.is_ok(), model.insert(last));
                }
                Event::Free(last) => {
                    let freed = change(&store, |write| write.remove_endpoint(&id(100_100 + u64::from(last)))).unwrap();
                    prop_assert_eq!(freed, model.remove(&last));
                }
            }
        }
    }
}
