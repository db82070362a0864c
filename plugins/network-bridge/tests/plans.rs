//! Golden plans. The host's tests ask the component the same questions and expect the same text.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use kleene_sdk::network::Driver;
use kleene_sdk::{Endpoint, Network, PluginError, PortRange, Protocol, PublishedPort, Subnet};
use network_bridge::NetworkBridge;

const ID: &str = "bbbbbbbbbbbb";

fn network(subnets: &[(&str, &str)]) -> Network {
    let subnet = |(net, gateway): &(&str, &str)| Subnet {
        net: net.parse().unwrap(),
        gateway: Some(gateway.parse().unwrap()),
        host_is_gateway: true,
    };
    Network {
        id: ID.to_owned(),
        name: "b".to_owned(),
        kind: "bridge".to_owned(),
        on_interface: "kleene1".to_owned(),
        subnets: subnets.iter().map(subnet).collect(),
        nat: Some("em0".to_owned()),
        icc: true,
        internal: false,
        host_gateway: Some("em0".to_owned()),
    }
}

fn dual_stack() -> Network {
    network(&[("10.0.2.0/24", "10.0.2.1"), ("fd00::/64", "fd00::1")])
}

fn port(protocol: Protocol, interfaces: &[&str], host: (u16, u16), container: (u16, u16)) -> PublishedPort {
    let range = |(first, last)| PortRange { first, last };
    PublishedPort {
        protocol,
        interfaces: interfaces.iter().map(|name| (*name).to_owned()).collect(),
        host_ports: range(host),
        container_ports: range(container),
        targets: vec!["10.0.2.2".parse().unwrap(), "fd00::2".parse().unwrap()],
    }
}

fn endpoint(vnet: bool, ports: Vec<PublishedPort>) -> Endpoint {
    Endpoint {
        id: "0a1b2c3d4e5f".to_owned(),
        container: "cccccccccccc".to_owned(),
        container_name: Some("web".to_owned()),
        labels: vec![],
        vnet,
        addresses: vec!["10.0.2.2/24".parse().unwrap(), "fd00::2/64".parse().unwrap()],
        default_routes: vec!["10.0.2.1".parse().unwrap(), "fd00::1".parse().unwrap()],
        host_interface: "kv0a1b2c3d4e".to_owned(),
        jail_interface: "kj0a1b2c3d4e".to_owned(),
        mac: "0a:1b:2c:3d:4e:5f".to_owned(),
        ports,
    }
}

fn published() -> Vec<PublishedPort> {
    vec![
        port(Protocol::Tcp, &["em0"], (8080, 8090), (80, 90)),
        port(Protocol::Udp, &[], (53, 53), (53, 53)),
    ]
}

fn check(name: &str, text: &str) {
    let mut settings = insta::Settings::clone_current();
    settings.set_prepend_module_to_snapshot(false);
    settings.bind(|| insta::assert_snapshot!(name, text));
}

fn check_network(name: &str, network: Network) {
    let plan = NetworkBridge::plan_network(network).unwrap();
    check(name, &plan.print(&format!("network-{ID}")));
}

fn check_endpoint(name: &str, network: Network, endpoint: Endpoint) {
    let plan = NetworkBridge::plan_endpoint(network, endpoint).unwrap();
    check(name, &plan.print("endpoint-0a1b2c3d4e5f"));
}

#[test]
fn an_open_network_is_routed_and_hidden() {
    check_network("network_open", dual_stack());
}

#[test]
fn containers_of_a_network_without_icc_are_closed_to_each_other() {
    check_network(
        "network_without_icc",
        Network {
            icc: false,
            ..dual_stack()
        },
    );
}

#[test]
fn an_internal_network_has_no_way_out() {
    let internal = Network {
        internal: true,
        ..dual_stack()
    };
    check_network("network_internal", internal.clone());
    let unknown_way_out = Network {
        nat: None,
        host_gateway: None,
        ..internal
    };
    check_network("network_internal_on_a_host_without_gateway", unknown_way_out);
}

#[test]
fn an_internal_network_is_shut_at_its_nat_interface_and_at_the_gateway() {
    let nat = Some("em1".to_owned());
    check_network(
        "network_internal_with_nat",
        Network {
            internal: true,
            icc: false,
            nat,
            ..dual_stack()
        },
    );
}

#[test]
fn a_vnet_container_gets_a_pair_and_its_ports() {
    check_endpoint("endpoint_vnet", dual_stack(), endpoint(true, published()));
}

#[test]
fn a_vnet_container_of_a_network_without_icc_is_isolated() {
    let network = Network {
        icc: false,
        ..dual_stack()
    };
    check_endpoint("endpoint_vnet_isolated", network, endpoint(true, vec![]));
}

#[test]
fn an_ipnet_container_borrows_addresses_of_the_bridge() {
    check_endpoint("endpoint_ipnet", dual_stack(), endpoint(false, published()));
}

#[test]
fn a_network_does_not_hide_behind_itself() {
    let nat = Some("kleene1".to_owned());
    let PluginError { message, .. } =
        NetworkBridge::validate_network(Network { nat, ..dual_stack() }).unwrap_err();
    assert_eq!(
        message,
        "network 'b' cannot hide behind its own interface kleene1"
    );
}
