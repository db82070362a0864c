//! A port of the host is one container's while it runs.

use kleene_plan::{PortRange, Protocol};
use kleene_store::{Container, Port, PortLease, Store};

use crate::fixtures::*;

fn lease(protocol: Protocol, interface: &str, ports: &str) -> PortLease {
    let interface = (!interface.is_empty()).then(|| interface.parse().unwrap());
    PortLease {
        protocol,
        interface,
        ports: ports.parse().unwrap(),
    }
}

fn tcp(interface: &str, ports: &str) -> PortLease {
    lease(Protocol::Tcp, interface, ports)
}

/// Containers 2 (without a name) and 5 (`web`), which holds what is given.
fn held(leases: &[PortLease]) -> Store {
    let store = furnished();
    change(&store, |write| {
        write.insert_container(&Container {
            name: Some("web".parse().unwrap()),
            ..container(5)
        })?;
        write.lease_ports(&id(5), leases)
    })
    .unwrap();
    store
}

fn message(store: &Store, wanted: PortLease) -> Option<String> {
    change(store, |write| write.lease_ports(&id(2), &[wanted]))
        .err()
        .map(|error| error.to_string())
}

#[test]
fn a_port_that_is_held_is_refused_naming_port_and_holder() {
    let store = held(&[tcp("em0", "8080:8090")]);
    assert_eq!(
        message(&store, tcp("em0", "8085")).as_deref(),
        Some("port 8085/tcp on em0 is already taken by container 'web' (a00000000005)")
    );
    assert_eq!(message(&store, tcp("em0", "8091")), None);
}

#[test]
fn all_interfaces_exclude_each_one_and_each_one_excludes_all() {
    let by = "is already taken by container 'web' (a00000000005)";
    let all = held(&[tcp("", "80")]);
    assert_eq!(
        message(&all, tcp("em0", "80")),
        Some(format!("port 80/tcp on em0 {by}"))
    );
    assert_eq!(message(&all, tcp("", "80")), Some(format!("port 80/tcp {by}")));
    let one = held(&[tcp("em0", "80")]);
    assert_eq!(message(&one, tcp("", "80")), Some(format!("port 80/tcp {by}")));
}

#[test]
fn other_interfaces_and_other_protocols_are_free() {
    let store = held(&[tcp("em0", "80")]);
    assert_eq!(message(&store, tcp("em1", "80")), None);
    assert_eq!(message(&store, lease(Protocol::Udp, "", "80")), None);
}

#[test]
fn ports_are_freed_when_they_are_released_and_with_the_container() {
    let store = held(&[tcp("", "80")]);
    assert_eq!(look(&store, |read| read.port_holders()), [id(5)]);
    change(&store, |write| write.release_ports(&id(5))).unwrap();
    change(&store, |write| write.lease_ports(&id(2), &[tcp("", "80")])).unwrap();
    change(&store, |write| write.remove_container(&id(2))).unwrap();
    assert_eq!(look(&store, |read| read.port_holders()), []);
}

#[test]
fn of_ports_that_are_not_all_free_none_is_held() {
    let store = held(&[tcp("", "82")]);
    assert!(message(&store, tcp("", "80:84")).is_some());
    assert_eq!(look(&store, |read| read.port_holders()), [id(5)]);
}

#[test]
fn ports_are_held_for_containers_that_exist() {
    let store = furnished();
    assert_eq!(
        refusal(&store, |write| write.lease_ports(&id(9), &[tcp("", "80")])),
        "there is no container a00000000009"
    );
}

#[test]
fn a_published_port_is_leased_on_each_interface_it_is_offered_on() {
    let port = Port {
        protocol: Protocol::Udp,
        interfaces: Vec::new(),
        host_ports: PortRange::new(5000, 5001).unwrap(),
        container_ports: "53:*".parse().unwrap(),
    };
    assert_eq!(port.leases(&[]), [lease(Protocol::Udp, "", "5000:5001")]);
    let on = ["em0".parse().unwrap(), "em1".parse().unwrap()];
    assert_eq!(
        port.leases(&on),
        [
            lease(Protocol::Udp, "em0", "5000:5001"),
            lease(Protocol::Udp, "em1", "5000:5001")
        ]
    );
}
