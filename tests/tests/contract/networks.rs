//! §7: networks and endpoints.

use kleene_tests::Table;
use serde_json::{Value, json};

use crate::daemon::{Daemon, failure, merged};

#[test]
fn create() {
    let daemon = Daemon::bare();
    let mut table = Table::new("§7 POST /networks/create");
    let create = |config: Value| {
        daemon.send(
            "/networks/create",
            &merged(json!({"name": "n", "type": "bridge"}), config),
        )
    };
    let refused = |config: Value| {
        let before = daemon.everything();
        let answer = create(config).failure();
        assert_eq!(
            daemon.everything(),
            before,
            "something is left of what was refused"
        );
        answer
    };
    let shown = |network: &str| daemon.show(&format!("/networks/{network}/inspect"))["network"].clone();
    daemon.network(json!({"name": "taken"}));

    let fields = ["subnet", "subnet6", "gateway", "gateway6"];
    for field in fields {
        table.row(&format!("{field}: could not parse"), || {
            for text in [
                "172.18.0.0-16",
                "10.0.0.1/24",
                "10.0/8",
                "10.0.0.0/33",
                "10.0.0.0/8x",
                "x\"y",
                " ",
                "fd00::/129",
                "10.1",
            ] {
                let quoted = text.replace('"', "\\\"");
                let message = format!("invalid {field}: could not parse cidr block: \"{quoted}\"");
                assert_eq!(refused(json!({field: text})), failure(409, &message));
            }
        });
        table.row(&format!("{field}: wrong IP protocol"), || {
            let other = if field.ends_with('6') {
                "10.0.0.0/8"
            } else {
                "fd00::/64"
            };
            assert_eq!(
                refused(json!({field: other})),
                failure(409, &format!("invalid {field}: wrong IP protocol"))
            );
        });
    }
    table.row("order of checks", || {
        for (index, field) in fields.iter().enumerate() {
            let wrong: serde_json::Map<_, _> = fields[index..]
                .iter()
                .map(|&field| (field.to_owned(), json!("x")))
                .collect();
            let (_, message) = refused(merged(json!({"name": "taken"}), Value::Object(wrong)));
            assert!(message.starts_with(&format!("invalid {field}: ")), "{message}");
        }
        let (_, message) = refused(json!({"name": "taken", "interface": "lo"}));
        assert_eq!(message, "network name is already taken");
    });
    table.row("gateways: <auto> and empty pass", || {
        let id = create(
            json!({"name": "auto", "subnet": "10.3.0.0/24", "gateway": "<auto>", "gateway6": "<auto>"}),
        )
        .id(201);
        assert_eq!(
            (&shown(&id)["gateway"], &shown(&id)["gateway6"]),
            (&json!("<auto>"), &json!("<auto>"))
        );
    });
    table.row("gateways: an address", || {
        let id = create(json!({"name": "gw", "subnet": "10.4.0.0/24", "gateway": "10.4.0.9"})).id(201);
        assert_eq!(shown(&id)["gateway"], "10.4.0.9");
    });
    table.row("subnets: strict CIDR, or a bare address", || {
        let id = create(
            json!({"name": "bare", "type": "loopback", "subnet": "10.5.0.1", "subnet6": "fd05::1/128"}),
        )
        .id(201);
        assert_eq!(
            (&shown(&id)["subnet"], &shown(&id)["subnet6"]),
            (&json!("10.5.0.1/32"), &json!("fd05::1/128"))
        );
    });
    table.row("defaults", || {
        let id = create(json!({"name": "plain"})).id(201);
        let network = shown(&id);
        assert_eq!(network["nat"], daemon.host.ground().uplink());
        for field in ["subnet", "subnet6", "gateway", "gateway6"] {
            assert_eq!(network[field], "", "{field}");
        }
        assert_eq!(
            (&network["icc"], &network["internal"]),
            (&json!(true), &json!(false))
        );
    });
    table.row("interface: kleene<N>, the smallest that is free", || {
        let used = daemon.column("/networks/list", "interface");
        let free = (0..)
            .map(|n| format!("kleene{n}"))
            .find(|name| !used.contains(name))
            .unwrap();
        let id = create(json!({"name": "numbered"})).id(201);
        assert_eq!(shown(&id)["interface"], free.as_str());
        assert_eq!(daemon.delete("/networks/numbered").status, 200);
        let id = create(json!({"name": "numbered"})).id(201);
        assert_eq!(shown(&id)["interface"], free.as_str());
    });
    table.row("interface: as given", || {
        let id = create(json!({"name": "named", "interface": "fifteen_letters"})).id(201);
        assert_eq!(shown(&id)["interface"], "fifteen_letters");
        assert!(daemon.host.interface("fifteen_letters").is_some());
    });
    table.row("nat: none", || {
        let id = create(json!({"name": "hidden", "nat": ""})).id(201);
        assert_eq!(shown(&id)["nat"], "");
    });
    table.row(
        "gateways of other types are kept, though nobody uses them",
        || {
            let id = create(
                json!({"name": "lo", "type": "loopback", "subnet": "10.6.0.0/24", "gateway": "10.6.0.7"}),
            )
            .id(201);
            assert_eq!(shown(&id)["gateway"], "10.6.0.7");
        },
    );
    table.row("string booleans", || {
        let id = create(json!({"name": "words", "icc": "false", "internal": "true"})).id(201);
        assert_eq!(
            (&shown(&id)["icc"], &shown(&id)["internal"]),
            (&json!(false), &json!(true))
        );
    });
    table.row("custom: an interface that exists", || {
        daemon.host.add_bridge("dummy9");
        let id = create(
            json!({"name": "custom", "type": "custom", "interface": "dummy9", "subnet": "10.9.0.0/24"}),
        )
        .id(201);
        assert_eq!(shown(&id)["interface"], "dummy9");
        assert_eq!(daemon.delete("/networks/custom").id(200), id);
        assert!(
            daemon.host.interface("dummy9").is_some(),
            "it is not ours to remove"
        );
        daemon.host.remove_interface("dummy9");
    });
}

#[test]
fn list_inspect_remove_prune() {
    let daemon = Daemon::with_image();
    let mut table = Table::new("§7 list, inspect, remove, prune");
    let ids = [("b", 1), ("c", 2), ("a", 3)]
        .map(|(name, n)| daemon.network(json!({"name": name, "subnet": format!("10.{n}.0.0/24")})));
    for name in ["z1", "y1"] {
        daemon.container(name, json!({"network_driver": "vnet"}));
        assert_eq!(daemon.connect(name, "b", "<auto>").status, 204);
    }
    table.row("list: by name", || {
        assert_eq!(daemon.column("/networks/list", "name"), ["a", "b", "c"])
    });
    table.row("inspect: unknown", || {
        assert_eq!(
            daemon.get("/networks/none/inspect").failure(),
            failure(404, "network not found")
        );
    });
    table.row("inspect: endpoints as they were made", || {
        let shown = daemon.show("/networks/b/inspect");
        let addresses: Vec<_> = shown["network_endpoints"]
            .as_array()
            .unwrap()
            .iter()
            .map(|e| &e["ip_address"])
            .collect();
        assert_eq!(addresses, ["10.1.0.1", "10.1.0.2"]);
    });
    table.row("remove: unknown, with a period", || {
        assert_eq!(
            daemon.delete("/networks/none").failure(),
            failure(404, "network not found.")
        );
    });
    table.row("prune: what has no endpoints, by id", || {
        let mut expected = [ids[1].clone(), ids[2].clone()];
        expected.sort();
        assert_eq!(daemon.post("/networks/prune").success(200), json!(expected));
        assert_eq!(daemon.post("/networks/prune").text(), "[]");
    });
    table.row("remove: containers are disconnected, running ones too", || {
        daemon.start("z1");
        assert_eq!(
            daemon.delete(&format!("/networks/{}", &ids[0][..11])).id(200),
            ids[0]
        );
        assert!(daemon.is_running("z1"));
        assert_eq!(
            daemon.show("/containers/z1/inspect")["container_endpoints"],
            json!([])
        );
        assert_eq!(daemon.get("/networks/list").text(), "[]");
    });
}

#[test]
fn connect() {
    let daemon = Daemon::with_image();
    let mut table = Table::new("§7 POST /networks/connect");
    daemon.network(json!({"name": "lan", "subnet": "10.1.0.0/29", "gateway": "<auto>"}));
    daemon.network(json!({"name": "six", "subnet6": "fd01::/126"}));
    daemon.network(json!({"name": "bare"}));
    daemon.network(json!({"name": "lo", "type": "loopback", "subnet": "10.2.0.0/24"}));
    daemon.network(json!({"name": "tiny", "subnet": "10.3.0.0/30"}));
    let make = |name: &str, driver: &str| daemon.container(name, json!({"network_driver": driver}));
    for (name, driver) in [
        ("vn", "vnet"),
        ("ip", "ipnet"),
        ("ho", "host"),
        ("di", "disabled"),
        ("vr", "vnet"),
    ] {
        make(name, driver);
    }
    daemon.start("vr");
    let connect6 = |container: &str, network: &str, address: &str| {
        let body = json!({"container": container, "network": network, "ip_address6": address});
        daemon.send("/networks/connect", &body)
    };
    let address = |container: &str, key: &str| {
        daemon.show(&format!("/containers/{container}/inspect"))["container_endpoints"][0][key]
            .as_str()
            .unwrap()
            .to_owned()
    };
    let mut refusals = Table::new("§7 refusals of connect");
    let mut refused =
        |name: &str, container: &str, network: &str, address: &str, status: u16, message: &str| {
            refusals.row(name, || {
                let before = daemon.everything();
                assert_eq!(
                    daemon.connect(container, network, address).failure(),
                    failure(status, message)
                );
                assert_eq!(daemon.everything(), before);
            });
        };
    refused(
        "container unknown",
        "none",
        "none",
        "x",
        404,
        "container not found",
    );
    refused("network unknown", "ho", "none", "x", 404, "network not found");
    let disabled = "containers with the 'disabled' network-driver cannot connect to networks.";
    refused("driver disabled", "di", "lan", "x", 409, disabled);
    let host = "containers with the 'host' network-driver cannot connect to networks.";
    refused("driver host", "ho", "lan", "x", 409, host);
    let loopback = "containers using the 'vnet' network-driver can't connect to loopback networks";
    refused("vnet on loopback", "vr", "lo", "x", 409, loopback);
    let running = "cannot connect a running vnet container to a network";
    refused("vnet, running", "vr", "lan", "x", 409, running);
    let no_subnet = "cannot set ip address because there is no IPv4 subnet defined for this network";
    refused(
        "explicit address, no subnet",
        "vn",
        "six",
        "10.1.0.5",
        409,
        no_subnet,
    );
    refused(
        "no subnet comes before the address' form",
        "vn",
        "six",
        "x",
        409,
        no_subnet,
    );
    let einval = "could not parse inet address 10.1.0.x: einval";
    refused("explicit address invalid", "vn", "lan", "10.1.0.x", 409, einval);
    let six = "could not parse inet address fd01::1: einval";
    refused(
        "explicit address of the other family",
        "vn",
        "lan",
        "fd01::1",
        409,
        six,
    );
    drop(refusals);

    table.row("the IPv6 analogs", || {
        let no_subnet = "cannot set ip address because there is no IPv6 subnet defined for this network";
        assert_eq!(
            connect6("vn", "lan", "fd01::1").failure(),
            failure(409, no_subnet)
        );
        let einval = "could not parse inet6 address 10.1.0.1: einval";
        assert_eq!(connect6("vn", "six", "10.1.0.1").failure(), failure(409, einval));
    });
    table.row("204, empty", || {
        let answer = daemon.connect("vn", "lan", "<auto>");
        assert_eq!((answer.status, answer.body.len()), (204, 0));
        assert_eq!(
            address("vn", "ip_address"),
            "10.1.0.2",
            "the gateway has the first"
        );
    });
    table.row(
        "already connected comes before everything about drivers and addresses",
        || {
            let answer = daemon.connect("vn", "lan", "x").failure();
            assert_eq!(answer, failure(409, "container already connected to the network"));
        },
    );
    table.row("explicit address", || {
        assert_eq!(daemon.connect("ip", "lan", "10.1.0.5").status, 204);
        assert_eq!(address("ip", "ip_address"), "10.1.0.5");
    });
    table.row("only empty: no address", || {
        make("none1", "vnet");
        let body = json!({"container": "none1", "network": "lan"});
        assert_eq!(daemon.send("/networks/connect", &body).status, 204);
        assert_eq!(
            (address("none1", "ip_address"), address("none1", "ip_address6")),
            (String::new(), String::new())
        );
    });
    table.row("<auto> without a subnet: no address, silently", || {
        make("none2", "vnet");
        assert_eq!(daemon.connect("none2", "bare", "<auto>").status, 204);
        assert_eq!(address("none2", "ip_address"), "");
    });
    table.row("<auto> exhausted; the broadcast address is never given", || {
        for (name, expected) in [("t1", "10.3.0.1"), ("t2", "10.3.0.2")] {
            make(name, "vnet");
            assert_eq!(daemon.connect(name, "tiny", "<auto>").status, 204);
            assert_eq!(address(name, "ip_address"), expected);
        }
        make("t3", "vnet");
        let message = "no more inet IP's left in the network";
        assert_eq!(
            daemon.connect("t3", "tiny", "<auto>").failure(),
            failure(409, message)
        );
    });
    table.row("<auto> exhausted, IPv6", || {
        for name in ["t1", "t2", "t3"] {
            assert_eq!(connect6(name, "six", "<auto>").status, 204, "{name}");
        }
        make("t4", "vnet");
        let message = "no more inet6 IP's left in the network";
        assert_eq!(connect6("t4", "six", "<auto>").failure(), failure(409, message));
    });
    table.row(
        "an address is free again after disconnect, the smallest is taken",
        || {
            assert_eq!(daemon.post("/networks/tiny/disconnect/t1").status, 204);
            assert_eq!(daemon.connect("t3", "tiny", "<auto>").status, 204);
            let shown = daemon.show("/networks/tiny/inspect");
            let addresses: Vec<_> = shown["network_endpoints"]
                .as_array()
                .unwrap()
                .iter()
                .map(|e| &e["ip_address"])
                .collect();
            assert_eq!(addresses, ["10.3.0.2", "10.3.0.1"]);
        },
    );
    table.row("an address of a stopped container stays its own", || {
        make("t5", "vnet");
        let (status, message) = daemon.connect("t5", "lan", "10.1.0.5").failure();
        assert_eq!(status, 409);
        assert!(message.contains("10.1.0.5"), "{message}");
    });
}

#[test]
fn disconnect() {
    let daemon = Daemon::with_image();
    let mut table = Table::new("§7 POST /networks/{network_id}/disconnect/{container_id}");
    daemon.network(json!({"name": "lan", "subnet": "10.1.0.0/24", "gateway": "<auto>"}));
    for (name, driver) in [("vn", "vnet"), ("ip", "ipnet"), ("apart", "vnet")] {
        daemon.container(name, json!({"network_driver": driver}));
    }
    let disconnect =
        |network: &str, container: &str| daemon.post(&format!("/networks/{network}/disconnect/{container}"));
    table.row("container unknown", || {
        assert_eq!(
            disconnect("none", "none").failure(),
            failure(404, "container not found")
        );
    });
    table.row("network unknown", || {
        assert_eq!(
            disconnect("none", "vn").failure(),
            failure(404, "network not found")
        );
    });
    table.row("endpoint unknown", || {
        assert_eq!(
            disconnect("lan", "apart").failure(),
            failure(404, "endpoint configuration not found")
        );
    });
    for (container, is_running) in [("vn", false), ("ip", false), ("vn", true), ("ip", true)] {
        table.row(&format!("{container}, running: {is_running}"), || {
            assert_eq!(daemon.connect(container, "lan", "<auto>").status, 204);
            if is_running {
                daemon.start(container);
            }
            let answer = disconnect("lan", container);
            assert_eq!((answer.status, answer.body.len()), (204, 0), "{}", answer.text());
            assert_eq!(daemon.is_running(container), is_running);
            assert_eq!(
                daemon.show("/networks/lan/inspect")["network_endpoints"],
                json!([])
            );
            assert_eq!(
                disconnect("lan", container).failure().1,
                "endpoint configuration not found"
            );
        });
    }
}
