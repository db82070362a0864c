//! §2: what objects look like, key by key in the contract's order.

use kleene_tests::Table;
use serde_json::{Value, json};

use crate::daemon::{Daemon, has_keys_in_order, is_timestamp};

const CONTAINER: &[&str] = &[
    "cmd",
    "created",
    "dataset",
    "env",
    "id",
    "image_id",
    "jail_param",
    "name",
    "network_driver",
    "persist",
    "public_ports",
    "restart_policy",
    "running",
    "user",
];
const NETWORK: &[&str] = &[
    "gateway",
    "gateway6",
    "icc",
    "id",
    "interface",
    "internal",
    "name",
    "nat",
    "subnet",
    "subnet6",
    "type",
];

/// Whether the object has every key of the contract.
#[track_caller]
fn has_keys(object: &Value, keys: &[&str]) {
    for key in keys {
        assert!(object.get(key).is_some(), "no '{key}' in {object}");
    }
}

#[test]
fn object_schemas() {
    let daemon = Daemon::with_image();
    let mut table = Table::new("§2 object schemas");
    daemon.network(
        json!({"name": "lan", "subnet": "10.7.0.0/24", "subnet6": "fd07::/64", "gateway": "<auto>"}),
    );
    daemon.volume("data");
    let ports = json!([{"host_port": "8080", "container_port": "80", "interfaces": []}]);
    let mounts = json!([{"type": "volume", "source": "data", "destination": "/data", "read_only": true}]);
    let id = daemon.container(
        "web",
        json!({"network_driver": "vnet", "public_ports": ports, "mounts": mounts, "env": ["B=2", "A=1"],
            "jail_param": ["allow.raw_sockets=true"]}),
    );
    let connected =
        json!({"container": "web", "network": "lan", "ip_address": "<auto>", "ip_address6": "<auto>"});
    assert_eq!(daemon.send("/networks/connect", &connected).status, 204);

    table.row("Container", || {
        let answer = daemon.get("/containers/web/inspect");
        has_keys_in_order(&answer.text(), CONTAINER);
        let container = &answer.json()["container"];
        has_keys(container, CONTAINER);
        assert_eq!(container["id"], id.as_str());
        assert_eq!(container["env"], json!(["A=1", "B=2"]));
        assert_eq!(container["name"], "web");
        assert_eq!(container["network_driver"], "vnet");
        assert_eq!(container["persist"], false);
        assert_eq!(container["restart_policy"], "no");
        assert_eq!(container["running"], false);
        assert_eq!(container["user"], "root");
        assert_eq!(container["jail_param"], json!(["allow.raw_sockets=true"]));
        let dataset = container["dataset"].as_str().unwrap();
        assert!(dataset.ends_with(&format!("/container/{id}")), "{dataset}");
        assert!(is_timestamp(container["created"].as_str().unwrap()));
    });
    table.row("ContainerSummary", || {
        let answer = daemon.get("/containers/list?all=true");
        let summary = &answer.json()[0];
        has_keys(summary, CONTAINER);
        assert_eq!(summary["image_name"], "minimal");
        assert_eq!(summary["image_tag"], "latest");
        assert_eq!(summary["jid"], Value::Null);
    });
    table.row("ContainerInspect", || {
        let answer = daemon.get("/containers/web/inspect");
        has_keys_in_order(
            &answer.text(),
            &["container", "container_endpoints", "container_mountpoints"],
        );
    });
    table.row("PublishedPort", || {
        let answer = daemon.get("/containers/web/inspect");
        let keys = [
            "container_port",
            "host_port",
            "interfaces",
            "ip_address",
            "ip_address6",
            "protocol",
        ];
        has_keys_in_order(&answer.text(), &keys);
        let port = &answer.json()["container"]["public_ports"][0];
        let expected = json!({"container_port": "80", "host_port": "8080", "interfaces": [daemon.host.ground().uplink()],
            "ip_address": "10.7.0.2", "ip_address6": "fd07::1", "protocol": "tcp"});
        assert_eq!(*port, expected);
    });
    table.row("EndPoint", || {
        let answer = daemon.get("/containers/web/inspect");
        let keys = [
            "container_endpoints",
            "container_id",
            "epair",
            "id",
            "ip_address",
            "ip_address6",
            "network_id",
        ];
        has_keys_in_order(&answer.text(), &keys);
        let endpoint = &answer.json()["container_endpoints"][0];
        assert_eq!(endpoint["epair"], Value::Null);
        assert_eq!(endpoint["container_id"], id.as_str());
    });
    table.row("MountPoint", || {
        let answer = daemon.get("/containers/web/inspect");
        let keys = [
            "container_mountpoints",
            "container_id",
            "destination",
            "read_only",
            "source",
            "type",
        ];
        has_keys_in_order(&answer.text(), &keys);
        let expected = json!({"container_id": id, "destination": "/data", "read_only": true, "source": "data",
            "type": "volume"});
        assert_eq!(answer.json()["container_mountpoints"], json!([expected]));
    });
    table.row("Image", || {
        let answer = daemon.get("/images/minimal/inspect");
        let keys = [
            "cmd",
            "created",
            "dataset",
            "env",
            "id",
            "instructions",
            "name",
            "tag",
            "user",
        ];
        has_keys_in_order(&answer.text(), &keys);
        let image = answer.json();
        assert_eq!(image["cmd"], json!(["/bin/sh", "/etc/rc"]));
        assert_eq!(image["env"], json!([]));
        assert_eq!(image["instructions"], json!([]));
        assert_eq!(image["user"], "root");
        let dataset = format!("/image/{}", image["id"].as_str().unwrap());
        assert!(image["dataset"].as_str().unwrap().ends_with(&dataset));
    });
    table.row("Network", || {
        let answer = daemon.get("/networks/list");
        has_keys_in_order(&answer.text(), NETWORK);
        let network = &answer.json()[0];
        assert_eq!(network["gateway"], "<auto>");
        assert_eq!(network["gateway6"], "");
        assert_eq!(network["icc"], true);
        assert_eq!(network["internal"], false);
        assert_eq!(network["interface"], "kleene0");
        assert_eq!(network["subnet"], "10.7.0.0/24");
        assert_eq!(network["subnet6"], "fd07::/64");
        assert_eq!(network["type"], "bridge");
    });
    table.row("NetworkInspect", || {
        let answer = daemon.get("/networks/lan/inspect");
        has_keys_in_order(&answer.text(), &["network", "network_endpoints"]);
        assert_eq!(answer.json()["network_endpoints"][0]["ip_address"], "10.7.0.2");
    });
    table.row("Volume", || {
        let answer = daemon.get("/volumes/list");
        has_keys_in_order(&answer.text(), &["created", "dataset", "mountpoint", "name"]);
        let volume = &answer.json()[0];
        assert!(volume["dataset"].as_str().unwrap().ends_with("/volumes/data"));
        let mountpoint = volume["mountpoint"].as_str().unwrap();
        assert!(
            daemon.host.run(&format!("test -d {mountpoint}")).succeeded(),
            "{mountpoint}"
        );
    });
    table.row("VolumeInspect", || {
        let answer = daemon.get("/volumes/data/inspect");
        has_keys_in_order(&answer.text(), &["mountpoints", "volume"]);
        assert_eq!(answer.json()["mountpoints"][0]["container_id"], id.as_str());
    });
    daemon.start("web");
    table.row("jid and epair are told while it runs", || {
        let summary = &daemon.show("/containers/list")[0];
        assert!(summary["jid"].as_i64().is_some_and(|jid| jid > 0), "{summary}");
        assert_eq!(summary["running"], true);
        let inspected = daemon.show("/containers/web/inspect");
        let pair = inspected["container_endpoints"][0]["epair"]
            .as_str()
            .unwrap()
            .to_owned();
        assert!(daemon.host.interface(&format!("{pair}a")).is_some(), "{pair}");
    });
    assert_eq!(daemon.post("/containers/web/stop").id(200), id);
    table.row("and no longer when it does not", || {
        let summary = &daemon.show("/containers/list?all=true")[0];
        assert_eq!(
            (&summary["jid"], &summary["running"]),
            (&Value::Null, &json!(false))
        );
        let inspected = daemon.show("/containers/web/inspect");
        assert_eq!(inspected["container_endpoints"][0]["epair"], Value::Null);
    });
    table.row("an untagged image has no name in listings", || {
        let _id = daemon.post("/images/minimal/tag?nametag=").id(200);
        let summary = &daemon.show("/containers/list?all=true")[0];
        assert_eq!(
            (&summary["image_name"], &summary["image_tag"]),
            (&json!(""), &json!(""))
        );
    });
}
