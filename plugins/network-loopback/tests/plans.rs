//! Golden plans. The host's tests ask the component the same questions and expect the same text.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use kleene_sdk::network::Driver;
use kleene_sdk::{Endpoint, Network, PortRange, Protocol, PublishedPort, Subnet};
use network_loopback::NetworkLoopback;

fn network(kind: &str, interface: &str) -> Network {
    Network {
        id: "aaaaaaaaaaaa".to_owned(),
        name: "a".to_owned(),
        kind: kind.to_owned(),
        on_interface: interface.to_owned(),
        subnets: vec![Subnet {
            net: "10.0.1.0/24".parse().unwrap(),
            gateway: None,
            host_is_gateway: false,
        }],
        nat: Some("em0".to_owned()),
        icc: true,
        internal: false,
        host_gateway: Some("em0".to_owned()),
    }
}

fn endpoint(vnet: bool) -> Endpoint {
    Endpoint {
        id: "0a1b2c3d4e5f".to_owned(),
        container: "cccccccccccc".to_owned(),
        container_name: Some("web".to_owned()),
        labels: vec![],
        vnet,
        addresses: vec!["10.0.1.1/24".parse().unwrap()],
        default_routes: vec![],
        host_interface: "kv0a1b2c3d4e".to_owned(),
        jail_interface: "kj0a1b2c3d4e".to_owned(),
        mac: "0a:1b:2c:3d:4e:5f".to_owned(),
        ports: vec![PublishedPort {
            protocol: Protocol::Tcp,
            interfaces: vec!["em0".to_owned()],
            host_ports: PortRange {
                first: 8080,
                last: 8090,
            },
            container_ports: PortRange { first: 80, last: 90 },
            targets: vec!["10.0.1.1".parse().unwrap()],
        }],
    }
}

fn check(name: &str, text: &str) {
    let mut settings = insta::Settings::clone_current();
    settings.set_prepend_module_to_snapshot(false);
    settings.bind(|| insta::assert_snapshot!(name, text));
}

#[test]
fn a_loopback_network_has_an_interface_of_its_own() {
    let plan = NetworkLoopback::plan_network(network("loopback", "kleene0")).unwrap();
    check("network_loopback", &plan.print("network-aaaaaaaaaaaa"));
}

#[test]
fn a_custom_network_uses_what_is_there_and_does_not_hide_behind_itself() {
    let plan = NetworkLoopback::plan_network(network("custom", "em0")).unwrap();
    check("network_custom", &plan.print("network-aaaaaaaaaaaa"));
}

#[test]
fn a_container_borrows_an_address_and_publishes_its_ports() {
    let plan = NetworkLoopback::plan_endpoint(network("loopback", "kleene0"), endpoint(false)).unwrap();
    check("endpoint_ipnet", &plan.print("endpoint-0a1b2c3d4e5f"));
}

#[test]
fn a_container_with_its_own_network_stack_is_refused() {
    for kind in ["loopback", "custom"] {
        let error = NetworkLoopback::plan_endpoint(network(kind, "kleene0"), endpoint(true)).unwrap_err();
        let expected = format!("containers using the 'vnet' network-driver can't connect to {kind} networks");
        assert_eq!(error.message, expected);
    }
}
