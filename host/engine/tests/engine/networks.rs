//! Networks and the addresses of those connected to them.

use kleene_api::{AUTO, ContainerConfig, EndPointConfig, NetworkConfig, NetworkDriver, NetworkType};

use crate::world::{World, bridge, endpoint, is_running, loopback, published, refusal, start, with_driver};

/// A world with an image, and containers of the vnet and ipnet drivers.
fn with_containers(names: &[(&str, NetworkDriver)]) -> (World, kleene_engine::Engine) {
    let world = World::new();
    let engine = world.open();
    world.base(&engine);
    for (name, driver) in names {
        engine.create_container(&with_driver(name, *driver)).unwrap();
    }
    (world, engine)
}

fn address_of(engine: &kleene_engine::Engine, container: &str) -> String {
    let endpoints = engine.inspect_container(container).unwrap().container_endpoints;
    endpoints[0].ip_address.clone()
}

fn at(container: &str, network: &str, address: &str) -> EndPointConfig {
    EndPointConfig {
        container: container.to_owned(),
        network: network.to_owned(),
        ip_address: address.to_owned(),
        ip_address6: String::new(),
    }
}

#[test]
fn a_bridge_has_the_first_address_when_its_gateway_is_automatic() {
    let world = World::new();
    let engine = world.open();
    engine.create_network(&bridge("net", "10.1.0.0/24")).unwrap();
    let inventory = world.sim.inventory().to_string();
    assert!(
        inventory.contains("address 10.1.0.1/24 on kleene0"),
        "{inventory}"
    );
    let shown = engine.inspect_network("net").unwrap().network;
    assert_eq!((shown.gateway.as_str(), shown.nat.as_str()), ("<auto>", "em0"));
}

#[test]
fn interfaces_are_numbered_and_a_gap_is_filled() {
    let world = World::new();
    let engine = world.open();
    world.sim.plant_interface(&"kleene1".parse().unwrap(), []);
    let interface = |name: &str, subnet: &str| {
        engine.create_network(&loopback(name, subnet)).unwrap();
        engine.inspect_network(name).unwrap().network.interface
    };
    assert_eq!(interface("one", "10.1.0.0/24"), "kleene0");
    // kleene1 is somebody else's.
    assert_eq!(interface("two", "10.2.0.0/24"), "kleene2");
    engine.remove_network("one").unwrap();
    assert_eq!(interface("three", "10.3.0.0/24"), "kleene0");
}

#[test]
fn networks_are_listed_by_name() {
    let world = World::new();
    let engine = world.open();
    for (name, subnet) in [("b", "10.1.0.0/24"), ("a", "10.2.0.0/24"), ("c", "10.3.0.0/24")] {
        engine.create_network(&loopback(name, subnet)).unwrap();
    }
    let networks = engine.networks().unwrap();
    let names: Vec<_> = networks.iter().map(|network| network.name.as_str()).collect();
    assert_eq!(names, ["a", "b", "c"]);
}

#[test]
fn a_wrong_network_is_refused_in_the_words_of_the_contract_and_nothing_is_made() {
    let world = World::new();
    let engine = world.open();
    engine.create_network(&bridge("net", "10.1.0.0/24")).unwrap();
    world
        .sim
        .plant_interface(&"igb0".parse().unwrap(), ["198.51.100.1/24".parse().unwrap()]);
    let before = world.sim.inventory();
    let refused = |config: NetworkConfig| refusal(engine.create_network(&config));
    assert_eq!(
        refused(bridge("other", "172.18.0.0-16")),
        "invalid subnet: could not parse cidr block: \"172.18.0.0-16\""
    );
    assert_eq!(
        refused(bridge("other", "fd00::/64")),
        "invalid subnet: wrong IP protocol"
    );
    assert_eq!(
        refused(NetworkConfig {
            gateway6: "10.0.0.1".to_owned(),
            ..bridge("other", "10.2.0.0/24")
        }),
        "invalid gateway6: wrong IP protocol"
    );
    assert_eq!(
        refused(bridge("net", "10.2.0.0/24")),
        "network name is already taken"
    );
    assert_eq!(
        refused(NetworkConfig {
            interface: "igb0".to_owned(),
            ..bridge("other", "10.2.0.0/24")
        }),
        "interface igb0 exists already and does not belong to this network; choose another name"
    );
    assert_eq!(
        refused(bridge("other", "10.1.0.128/25")),
        "the subnet of network 'other' overlaps with that of network 'net'; choose another one"
    );
    assert_eq!(
        refused(bridge("other", "198.51.100.0/24")),
        "the subnet 198.51.100.0/24 of network 'other' is in use on this host: its gateway 198.51.100.1 is the address of \
         interface igb0; choose another subnet"
    );
    assert_eq!(
        refused(NetworkConfig {
            interface: "nope0".to_owned(),
            ..NetworkConfig::new("other", NetworkType::Custom)
        }),
        "there is no interface 'nope0' on this host for a custom network"
    );
    assert_eq!(world.sim.inventory().since(&before), "");
    assert_eq!(engine.networks().unwrap().len(), 1);
}

#[test]
fn next_hops_of_the_host_are_never_chosen_and_on_a_custom_network_not_given_either() {
    let (world, engine) = with_containers(&[
        ("one", NetworkDriver::Ipnet),
        ("two", NetworkDriver::Ipnet),
        ("router", NetworkDriver::Vnet),
    ]);
    let hops = ["192.0.2.1", "fd00::1", "10.1.0.2"];
    world
        .sim
        .set_next_hops(hops.map(|hop| hop.parse().unwrap()).to_vec());
    let site = NetworkConfig {
        interface: "em0".to_owned(),
        subnet: "192.0.2.0/24".to_owned(),
        subnet6: "fd00::/64".to_owned(),
        ..NetworkConfig::new("site", NetworkType::Custom)
    };
    engine.create_network(&site).unwrap();
    engine
        .connect(&EndPointConfig {
            ip_address6: AUTO.to_owned(),
            ..at("one", "site", AUTO)
        })
        .unwrap();
    assert_eq!(address_of(&engine, "one"), "192.0.2.2");
    let endpoints = engine.inspect_container("one").unwrap().container_endpoints;
    assert_eq!(endpoints[0].ip_address6, "fd00::2");
    assert_eq!(
        refusal(engine.connect(&at("two", "site", "192.0.2.1"))),
        "address 192.0.2.1 of network 'site' is a router's: routes of the host lead there, and would end if a container \
         had it; choose another one"
    );
    // The host may be meant to send what is for elsewhere to a container.
    engine.create_network(&bridge("lan", "10.1.0.0/24")).unwrap();
    engine.connect(&at("router", "lan", "10.1.0.2")).unwrap();
}

#[test]
fn a_custom_network_uses_an_interface_of_the_host_and_leaves_it_there() {
    let world = World::new();
    let engine = world.open();
    let before = world.sim.inventory();
    let config = NetworkConfig {
        interface: "em0".to_owned(),
        subnet: "192.0.2.0/24".to_owned(),
        ..NetworkConfig::new("lan", NetworkType::Custom)
    };
    engine.create_network(&config).unwrap();
    // On the host's way out, the default of hiding behind it would cut the host off.
    assert_eq!(engine.inspect_network("lan").unwrap().network.nat, "");
    engine.remove_network("lan").unwrap();
    let changes = world.sim.inventory().since(&before);
    assert!(changes.is_empty() || changes == "+ forwarding IPv4", "{changes}");
}

#[test]
fn addresses_are_given_out_from_the_lowest_and_come_back() {
    let names = ["c1", "c2", "c3"].map(|name| (name, NetworkDriver::Vnet));
    let (_world, engine) = with_containers(&names);
    // Four addresses: the network's, the gateway's, one, the broadcast.
    engine.create_network(&bridge("tiny", "10.1.0.0/30")).unwrap();
    engine.connect(&endpoint("c1", "tiny")).unwrap();
    assert_eq!(address_of(&engine, "c1"), "10.1.0.2");
    assert_eq!(
        refusal(engine.connect(&endpoint("c2", "tiny"))),
        "no more inet IP's left in the network"
    );
    engine.disconnect("tiny", "c1").unwrap();
    engine.connect(&endpoint("c3", "tiny")).unwrap();
    assert_eq!(address_of(&engine, "c3"), "10.1.0.2");
}

#[test]
fn automatic_addresses_of_both_families_without_a_subnet_are_none() {
    let (_world, engine) = with_containers(&[("c1", NetworkDriver::Vnet), ("c2", NetworkDriver::Vnet)]);
    let both = NetworkConfig {
        subnet6: "fd00:1::/64".to_owned(),
        gateway6: AUTO.to_owned(),
        ..bridge("both", "10.1.0.0/24")
    };
    engine.create_network(&both).unwrap();
    engine
        .create_network(&NetworkConfig::new("none", NetworkType::Bridge))
        .unwrap();
    engine.connect(&endpoint("c1", "both")).unwrap();
    engine.connect(&endpoint("c2", "none")).unwrap();
    let shown = |container: &str| {
        let endpoint = engine
            .inspect_container(container)
            .unwrap()
            .container_endpoints
            .remove(0);
        (endpoint.ip_address, endpoint.ip_address6)
    };
    assert_eq!(shown("c1"), ("10.1.0.2".to_owned(), "fd00:1::2".to_owned()));
    assert_eq!(shown("c2"), (String::new(), String::new()));
}

#[test]
fn an_explicit_address_is_given_if_it_can_be_had() {
    let (_world, engine) = with_containers(&[("c1", NetworkDriver::Vnet), ("c2", NetworkDriver::Vnet)]);
    engine.create_network(&bridge("net", "10.1.0.0/24")).unwrap();
    engine
        .create_network(&NetworkConfig::new("plain", NetworkType::Bridge))
        .unwrap();
    engine.connect(&at("c1", "net", "10.1.0.77")).unwrap();
    assert_eq!(address_of(&engine, "c1"), "10.1.0.77");
    let refused = |address: &str| refusal(engine.connect(&at("c2", "net", address)));
    assert_eq!(refused("10.1.0"), "could not parse inet address 10.1.0: einval");
    assert_eq!(
        refused("10.9.0.1"),
        "address 10.9.0.1 is not in the subnet 10.1.0.0/24 of network 'net'"
    );
    for end in ["10.1.0.0", "10.1.0.255"] {
        let expected = format!("address {end} is the network or broadcast address of 10.1.0.0/24");
        assert_eq!(refused(end), expected);
    }
    assert!(refused("10.1.0.1").contains("is its gateway or belongs to the host"));
    assert!(refused("10.1.0.77").contains("10.1.0.77"));
    assert_eq!(
        refusal(engine.connect(&at("c2", "plain", "10.1.0.5"))),
        "cannot set ip address because there is no IPv4 subnet defined for this network"
    );
    assert!(
        engine
            .inspect_container("c2")
            .unwrap()
            .container_endpoints
            .is_empty()
    );
}

#[test]
fn who_cannot_be_connected_is_refused_in_the_words_of_the_contract() {
    let (_world, engine) = with_containers(&[
        ("vnet", NetworkDriver::Vnet),
        ("ipnet", NetworkDriver::Ipnet),
        ("host", NetworkDriver::Host),
        ("disabled", NetworkDriver::Disabled),
    ]);
    engine.create_network(&bridge("net", "10.1.0.0/24")).unwrap();
    engine.create_network(&loopback("lo", "10.2.0.0/24")).unwrap();
    let refused = |container: &str, network: &str| refusal(engine.connect(&endpoint(container, network)));
    assert_eq!(refused("nope", "net"), "container not found");
    assert_eq!(refused("vnet", "nope"), "network not found");
    assert_eq!(
        refused("host", "net"),
        "containers with the 'host' network-driver cannot connect to networks."
    );
    assert_eq!(
        refused("disabled", "net"),
        "containers with the 'disabled' network-driver cannot connect to networks."
    );
    assert_eq!(
        refused("vnet", "lo"),
        "containers using the 'vnet' network-driver can't connect to loopback networks"
    );
    engine.connect(&endpoint("ipnet", "lo")).unwrap();
    assert_eq!(
        refused("ipnet", "lo"),
        "container already connected to the network"
    );
    start(&engine, "vnet").unwrap();
    assert_eq!(
        refused("vnet", "net"),
        "cannot connect a running vnet container to a network"
    );
}

#[test]
fn an_ipnet_container_has_its_address_on_the_network_s_interface_while_it_runs() {
    let (world, engine) = with_containers(&[("web", NetworkDriver::Ipnet)]);
    engine.create_network(&loopback("net", "10.1.0.0/24")).unwrap();
    engine.connect(&endpoint("web", "net")).unwrap();
    let address = address_of(&engine, "web");
    let alias = format!("address {address}/32 on kleene0");
    start(&engine, "web").unwrap();
    let inventory = world.sim.inventory().to_string();
    assert!(inventory.contains(&alias), "{inventory}");
    engine.stop_container("web").unwrap();
    assert!(!world.sim.inventory().to_string().contains(&alias));
    // The address stays the container's while it is stopped.
    assert_eq!(address_of(&engine, "web"), address);
}

#[test]
fn disconnecting_takes_a_running_container_off_the_network_and_no_other() {
    let (world, engine) = with_containers(&[("web", NetworkDriver::Vnet)]);
    engine.create_network(&bridge("one", "10.1.0.0/24")).unwrap();
    engine.create_network(&bridge("two", "10.2.0.0/24")).unwrap();
    engine.connect(&endpoint("web", "one")).unwrap();
    engine.connect(&endpoint("web", "two")).unwrap();
    let stopped = world.sim.inventory();
    start(&engine, "web").unwrap();
    let pairs = || world.sim.inventory().to_string().matches("pair with").count();
    assert_eq!(pairs(), 4);
    engine.disconnect("one", "web").unwrap();
    assert_eq!(pairs(), 2);
    assert!(is_running(&engine, "web"));
    assert_eq!(
        refusal(engine.disconnect("one", "web")),
        "endpoint configuration not found"
    );
    engine.stop_container("web").unwrap();
    assert_eq!(world.sim.inventory().since(&stopped), "");
}

#[test]
fn removing_a_network_disconnects_everybody_first() {
    let (world, engine) = with_containers(&[("running", NetworkDriver::Vnet), ("idle", NetworkDriver::Vnet)]);
    let before = world.sim.inventory();
    let id = engine.create_network(&bridge("net", "10.1.0.0/24")).unwrap();
    engine.connect(&endpoint("running", "net")).unwrap();
    engine.connect(&endpoint("idle", "net")).unwrap();
    start(&engine, "running").unwrap();
    assert_eq!(engine.remove_network("net").unwrap(), id);
    assert!(engine.networks().unwrap().is_empty());
    assert!(
        engine
            .inspect_container("running")
            .unwrap()
            .container_endpoints
            .is_empty()
    );
    engine.stop_container("running").unwrap();
    let changes = world.sim.inventory().since(&before);
    assert!(changes.is_empty() || changes == "+ forwarding IPv4", "{changes}");
    assert_eq!(refusal(engine.remove_network("net")), "network not found");
}

#[test]
fn pruning_removes_networks_without_endpoints() {
    let (_world, engine) = with_containers(&[("web", NetworkDriver::Vnet)]);
    let mut unused = Vec::new();
    for (name, subnet) in [("one", "10.1.0.0/24"), ("two", "10.2.0.0/24")] {
        unused.push(engine.create_network(&loopback(name, subnet)).unwrap());
    }
    engine.create_network(&bridge("used", "10.3.0.0/24")).unwrap();
    engine.connect(&endpoint("web", "used")).unwrap();
    unused.sort();
    assert_eq!(engine.prune_networks().unwrap(), unused);
    assert_eq!(engine.networks().unwrap().len(), 1);
}

#[test]
fn one_default_route_is_taken_however_many_networks_have_a_gateway() {
    let (_world, engine) = with_containers(&[("web", NetworkDriver::Vnet)]);
    engine.create_network(&bridge("one", "10.1.0.0/24")).unwrap();
    engine.create_network(&bridge("two", "10.2.0.0/24")).unwrap();
    engine.connect(&endpoint("web", "one")).unwrap();
    engine.connect(&endpoint("web", "two")).unwrap();
    let exec = start(&engine, "web").unwrap();
    let id = engine.inspect_container("web").unwrap().container.id;
    let launch = _world.run_dir().join(id).join(exec.as_str()).join("launch.json");
    let launch: kleene_plan::Launch = serde_json::from_slice(&std::fs::read(launch).unwrap()).unwrap();
    let kleene_plan::JailNetwork::Vnet {
        interfaces,
        default_routes,
    } = launch.jail.network
    else {
        panic!("{:?}", launch.jail.network);
    };
    assert_eq!((interfaces.len(), default_routes.len()), (2, 1));
}

/// What the host says of a container's jail: its addresses.
fn jail_of(world: &World, id: &kleene_plan::Id) -> String {
    world.sim.inventory().lines()[&format!("jail {id}")].clone()
}

#[test]
fn a_running_ipnet_container_gets_an_address_when_it_is_connected_and_loses_it_when_disconnected() {
    let world = World::new();
    let engine = world.open();
    world.base(&engine);
    engine.create_network(&loopback("one", "10.1.0.0/24")).unwrap();
    let dual = NetworkConfig {
        subnet6: "fd02::/64".to_owned(),
        ..loopback("two", "10.2.0.0/24")
    };
    engine.create_network(&dual).unwrap();
    let id = engine
        .create_container(&with_driver("web", NetworkDriver::Ipnet))
        .unwrap();
    engine.connect(&endpoint("web", "one")).unwrap();
    start(&engine, "web").unwrap();
    let before = world.sim.inventory();
    assert_eq!(jail_of(&world, &id), "10.1.0.1");

    engine.connect(&endpoint("web", "two")).unwrap();
    assert_eq!(jail_of(&world, &id), "10.1.0.1 10.2.0.1 fd02::1");
    let inventory = world.sim.inventory().to_string();
    assert!(
        inventory.contains("address 10.2.0.1/32 on kleene1"),
        "{inventory}"
    );
    assert!(
        inventory.contains("address fd02::1/128 on kleene1"),
        "{inventory}"
    );

    // It survives the daemon, and goes as it came.
    let engine = world.restart();
    assert_eq!(jail_of(&world, &id), "10.1.0.1 10.2.0.1 fd02::1");
    engine.disconnect("two", "web").unwrap();
    assert_eq!(world.sim.inventory().since(&before), "");
    engine.disconnect("one", "web").unwrap();
    assert_eq!(jail_of(&world, &id), "");
    assert!(is_running(&engine, "web"));
}

#[test]
fn an_address_that_the_host_got_meanwhile_is_refused_in_the_words_of_the_contract_and_nothing_has_changed() {
    let (world, engine) = with_containers(&[("web", NetworkDriver::Ipnet)]);
    engine.create_network(&loopback("net", "10.1.0.0/24")).unwrap();
    start(&engine, "web").unwrap();
    world.sim.remove_interface(&"kleene0".parse().unwrap());
    let before = world.sim.inventory();
    let refused = refusal(engine.connect(&endpoint("web", "net")));
    assert_eq!(
        refused,
        "error adding 10.1.0.1/32 alias to kleene0: interface kleene0 does not exist"
    );
    assert_eq!(world.sim.inventory().since(&before), "");
    assert!(
        engine
            .inspect_network("net")
            .unwrap()
            .network_endpoints
            .is_empty()
    );
}

#[test]
fn published_ports_move_to_the_next_network_when_a_running_container_leaves_the_first() {
    for driver in [NetworkDriver::Ipnet, NetworkDriver::Vnet] {
        let (world, engine) = with_containers(&[]);
        let config = ContainerConfig {
            public_ports: vec![published("8080", "80")],
            ..with_driver("web", driver)
        };
        engine.create_container(&config).unwrap();
        for (network, subnet) in [
            ("one", "10.1.0.0/24"),
            ("two", "10.2.0.0/24"),
            ("three", "10.3.0.0/24"),
        ] {
            engine.create_network(&bridge(network, subnet)).unwrap();
            engine.connect(&at("web", network, "<auto>")).unwrap();
        }
        start(&engine, "web").unwrap();
        for (leaves, address) in [("one", "10.2.0.2"), ("three", "10.2.0.2"), ("two", "")] {
            engine.disconnect(leaves, "web").unwrap();
            assert_eq!(targets(&world, &engine, "web"), address, "{driver} left {leaves}");
        }
        // And what is applied for the container says the same.
        world.sim.flush_rules();
        engine.repair().unwrap();
        assert_eq!(targets(&world, &engine, "web"), "");
    }
}

/// Where a container's published port leads.
fn targets(world: &World, engine: &kleene_engine::Engine, container: &str) -> String {
    let endpoints = engine.inspect_container(container).unwrap().container_endpoints;
    let rules = endpoints.iter().flat_map(|endpoint| {
        world
            .sim
            .rules(&kleene_plan::Owner::Endpoint(endpoint.id.parse().unwrap()))
    });
    let targets = rules.filter_map(|rule| match rule {
        kleene_plan::Rule::Rdr(rule) => Some(rule.to.to_string()),
        _ => None,
    });
    let different: std::collections::BTreeSet<_> = targets.collect();
    different.into_iter().collect::<Vec<_>>().join(" ")
}

#[test]
fn published_ports_of_a_running_container_are_open_from_its_first_network_on() {
    let (world, engine) = with_containers(&[]);
    let config = ContainerConfig {
        public_ports: vec![published("8080", "80")],
        ..with_driver("web", NetworkDriver::Ipnet)
    };
    engine.create_container(&config).unwrap();
    engine.create_network(&loopback("net", "10.1.0.0/24")).unwrap();
    start(&engine, "web").unwrap();
    engine.connect(&endpoint("web", "net")).unwrap();
    let inventory = world.sim.inventory().to_string();
    assert!(inventory.contains("8080"), "{inventory}");
    engine.disconnect("net", "web").unwrap();
    assert!(!world.sim.inventory().to_string().contains("8080"));
}
