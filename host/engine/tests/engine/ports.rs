//! Published ports: held by one container at a time, while it runs.

use kleene_api::{ContainerConfig, NetworkDriver, PublishedPortConfig};
use kleene_engine::Engine;
use kleene_plan::{Owner, Protocol};
use kleene_platform::Listener;

use crate::world::{World, bridge, endpoint, published, refusal, start, with_driver};

/// Containers, each with its ports, connected to one bridge.
fn with_published(containers: &[(&str, PublishedPortConfig)]) -> (World, Engine) {
    let world = World::new();
    let engine = world.open();
    world.base(&engine);
    engine.create_network(&bridge("net", "10.1.0.0/24")).unwrap();
    for (name, port) in containers {
        let config = ContainerConfig {
            public_ports: vec![port.clone()],
            ..with_driver(name, NetworkDriver::Vnet)
        };
        engine.create_container(&config).unwrap();
        engine.connect(&endpoint(name, "net")).unwrap();
    }
    (world, engine)
}

#[test]
fn a_published_port_is_shown_with_the_way_out_and_the_address_it_leads_to() {
    let (_world, engine) = with_published(&[("web", published("8080:8090", "80:*"))]);
    let port = engine
        .inspect_container("web")
        .unwrap()
        .container
        .public_ports
        .remove(0);
    assert_eq!(port.interfaces, ["em0"]);
    assert_eq!(
        (port.host_port.as_str(), port.container_port.as_str()),
        ("8080:8090", "80:*")
    );
    assert_eq!(
        (port.ip_address.as_str(), port.ip_address6.as_str()),
        ("10.1.0.2", "")
    );
}

#[test]
fn redirections_hold_while_the_container_runs() {
    let (world, engine) = with_published(&[("web", published("8080", "80"))]);
    let endpoint = engine
        .inspect_container("web")
        .unwrap()
        .container_endpoints
        .remove(0);
    let owner = Owner::Endpoint(endpoint.id.parse().unwrap());
    assert!(world.sim.rules(&owner).is_empty());
    start(&engine, "web").unwrap();
    let rules: Vec<_> = world.sim.rules(&owner).iter().map(ToString::to_string).collect();
    assert!(
        rules
            .iter()
            .any(|rule| rule.contains("8080") && rule.contains("10.1.0.2")),
        "{rules:?}"
    );
    engine.stop_container("web").unwrap();
    assert!(world.sim.rules(&owner).is_empty());
}

#[test]
fn a_port_is_held_by_one_running_container_and_free_after_its_end() {
    let (world, engine) = with_published(&[
        ("one", published("8080:8082", "80:82")),
        ("two", published("8082", "80")),
    ]);
    start(&engine, "one").unwrap();
    let before = world.sim.inventory();
    let refused = refusal(start(&engine, "two"));
    assert!(refused.contains("8082") && refused.contains("one"), "{refused}");
    assert_eq!(world.sim.inventory().since(&before), "");
    engine.stop_container("one").unwrap();
    start(&engine, "two").unwrap();
}

#[test]
fn another_protocol_or_interface_is_not_in_the_way() {
    let udp = PublishedPortConfig {
        protocol: kleene_api::Protocol::Udp,
        ..published("8080", "80")
    };
    let elsewhere = PublishedPortConfig {
        interfaces: vec!["em1".to_owned()],
        ..published("8080", "80")
    };
    let (world, engine) = with_published(&[
        ("tcp", published("8080", "80")),
        ("udp", udp),
        ("elsewhere", elsewhere),
    ]);
    world.sim.plant_interface(&"em1".parse().unwrap(), []);
    for name in ["tcp", "udp", "elsewhere"] {
        start(&engine, name).unwrap();
    }
}

#[test]
fn a_port_on_which_a_process_of_the_host_listens_is_refused() {
    let (world, engine) = with_published(&[("web", published("8080", "80"))]);
    world.sim.plant_listener(Listener {
        protocol: Protocol::Tcp,
        address: "0.0.0.0".parse().unwrap(),
        port: 8080,
    });
    assert_eq!(
        refusal(start(&engine, "web")),
        "port 8080/tcp of the host is in use by a process that listens on 0.0.0.0; stop it or publish another port"
    );
}

fn listens_on(world: &World, address: &str) {
    world.sim.plant_listener(Listener {
        protocol: Protocol::Tcp,
        address: address.parse().unwrap(),
        port: 8080,
    });
}

#[test]
fn a_listener_on_an_address_of_the_interface_is_in_the_way_too() {
    for address in ["192.0.2.10", "0.0.0.0", "::", "::ffff:192.0.2.10"] {
        let (world, engine) = with_published(&[("web", published("8080", "80"))]);
        listens_on(&world, address);
        let refused = refusal(start(&engine, "web"));
        assert!(refused.contains(&format!("listens on {address}")), "{refused}");
    }
}

#[test]
fn a_listener_on_an_address_where_nothing_is_published_is_not_in_the_way() {
    let (world, engine) = with_published(&[("web", published("8080", "80"))]);
    // A container of an ipnet network, say.
    listens_on(&world, "10.7.0.2");
    start(&engine, "web").unwrap();
}

#[test]
fn a_container_among_other_machines_is_not_in_the_way_at_its_own_address() {
    let (world, engine) = with_published(&[("web", published("8080", "80"))]);
    let site = kleene_api::NetworkConfig {
        interface: "em0".to_owned(),
        subnet: "192.0.2.0/24".to_owned(),
        ..kleene_api::NetworkConfig::new("site", kleene_api::NetworkType::Custom)
    };
    engine.create_network(&site).unwrap();
    engine
        .create_container(&with_driver("guest", NetworkDriver::Ipnet))
        .unwrap();
    engine.connect(&endpoint("guest", "site")).unwrap();
    start(&engine, "guest").unwrap();
    let inspected = engine.inspect_container("guest").unwrap();
    listens_on(&world, &inspected.container_endpoints[0].ip_address);
    start(&engine, "web").unwrap();
}

#[test]
fn a_port_on_an_interface_that_is_not_there_is_refused_by_name() {
    let nowhere = PublishedPortConfig {
        interfaces: vec!["nope".to_owned()],
        ..published("9000", "80")
    };
    let (_world, engine) = with_published(&[("web", nowhere)]);
    assert_eq!(
        refusal(start(&engine, "web")),
        "port 9000/tcp cannot be published on interface 'nope', which this host does not have; there are: em0, lo0"
    );
}

#[test]
fn a_port_that_a_container_publishes_twice_is_not_another_containers() {
    let (_world, engine) = with_published(&[]);
    let config = ContainerConfig {
        public_ports: vec![published("9010", "80"), published("9010", "81")],
        ..with_driver("self", NetworkDriver::Vnet)
    };
    engine.create_container(&config).unwrap();
    engine.connect(&endpoint("self", "net")).unwrap();
    assert_eq!(
        refusal(start(&engine, "self")),
        "port 9010/tcp on em0 is already taken by the container itself, which publishes it twice"
    );
}

#[test]
fn a_port_of_each_family_leads_to_the_first_endpoint_that_has_an_address_of_it() {
    let (world, engine) = with_published(&[("web", published("8080", "80"))]);
    let second = kleene_api::NetworkConfig {
        subnet6: "fd00:2::/64".to_owned(),
        ..bridge("second", "10.2.0.0/24")
    };
    engine.create_network(&second).unwrap();
    engine.connect(&endpoint("web", "second")).unwrap();
    start(&engine, "web").unwrap();
    let inspected = engine.inspect_container("web").unwrap();
    let shown = &inspected.container.public_ports[0];
    assert_eq!(
        (shown.ip_address.as_str(), shown.ip_address6.as_str()),
        ("10.1.0.2", "fd00:2::1")
    );
    let mut targets: Vec<_> = inspected
        .container_endpoints
        .iter()
        .flat_map(|endpoint| world.sim.rules(&Owner::Endpoint(endpoint.id.parse().unwrap())))
        .filter_map(|rule| match rule {
            kleene_plan::Rule::Rdr(rule) => Some(rule.to.to_string()),
            _ => None,
        })
        .collect();
    targets.sort();
    assert_eq!(targets, ["10.1.0.2", "fd00:2::1"]);
}

#[test]
fn a_start_that_fails_holds_no_ports() {
    let (_world, engine) =
        with_published(&[("one", published("8080", "80")), ("two", published("8080", "80"))]);
    let missing = crate::world::command("one", &["nginx"]);
    crate::world::run(&engine, &missing).unwrap_err();
    start(&engine, "two").unwrap();
}
