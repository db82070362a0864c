//! The templates that help texts show can be filled.

use kleene_api::{
    ContainerInspect, ContainerSummary, Diagnosis, Image, ImageHistoryEntry, Network, NetworkInspect, Repair,
    Volume, VolumeInspect,
};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use crate::daemon::{Daemon, run};
use crate::tree::COMMANDS;

/// `value` with the fields that objects of the API have.
fn object<T: DeserializeOwned + Serialize>(value: Value) -> Value {
    serde_json::to_value(serde_json::from_value::<T>(value).unwrap()).unwrap()
}

/// A daemon that has one object of each kind, called x.
fn daemon() -> Daemon {
    let container = json!({
        "cmd": [], "created": "", "dataset": "", "env": [], "id": "x", "image_id": "", "image_name": "",
        "image_tag": "", "jail_param": [], "jid": null, "name": "x", "network_driver": "host", "persist": false,
        "public_ports": [], "restart_policy": "no", "running": false, "user": "",
    });
    let image = json!({
        "cmd": [], "created": "", "dataset": "", "env": [], "id": "x", "instructions": [], "name": "x",
        "tag": "", "user": "",
    });
    let network = json!({
        "gateway": "", "gateway6": "", "icc": true, "id": "x", "interface": "", "internal": false, "name": "x",
        "nat": "", "subnet": "", "subnet6": "", "type": "bridge",
    });
    let volume = json!({"created": "", "dataset": "", "mountpoint": "", "name": "x"});
    let entry = json!({"created": "", "created_by": "", "image": "x", "size": null, "snapshot": ""});
    let inspected_container = json!({
        "container": container, "container_endpoints": [], "container_mountpoints": [],
    });
    Daemon::rehearse()
        .answer(
            "GET /containers/x/inspect",
            200,
            object::<ContainerInspect>(inspected_container),
        )
        .answer(
            "GET /containers/list?all=false",
            200,
            json!([object::<ContainerSummary>(container)]),
        )
        .answer("GET /images/x/inspect", 200, object::<Image>(image.clone()))
        .answer("GET /images/list", 200, json!([object::<Image>(image)]))
        .answer(
            "GET /images/x/history",
            200,
            json!([object::<ImageHistoryEntry>(entry)]),
        )
        .answer(
            "GET /networks/x/inspect",
            200,
            object::<NetworkInspect>(json!({"network": network, "network_endpoints": []})),
        )
        .answer("GET /networks/list", 200, json!([object::<Network>(network)]))
        .answer(
            "GET /system/doctor",
            200,
            object::<Diagnosis>(json!({"checks": []})),
        )
        .answer(
            "POST /system/repair",
            200,
            object::<Repair>(json!({"failed": [], "restored": []})),
        )
        .answer(
            "GET /volumes/x/inspect",
            200,
            object::<VolumeInspect>(json!({"mountpoints": [], "volume": volume})),
        )
        .answer("GET /volumes/list", 200, json!([object::<Volume>(volume)]))
        .start()
}

/// The templates in a help text, which may be broken over lines.
fn templates(help: &str) -> Vec<String> {
    let help: Vec<&str> = help.split_whitespace().collect();
    let help = help.join(" ");
    let quoted = help.split('\'').filter(|words| words.starts_with("{{"));
    quoted.map(str::to_owned).collect()
}

#[test]
fn examples_name_fields_that_there_are() {
    let daemon = daemon();
    let mut tried = Vec::new();
    for (path, arguments, _) in COMMANDS {
        let words: Vec<&str> = path.split(' ').collect();
        let help = run(&[&["--theme", "simple"], &words[..], &["--help"]].concat()).stdout;
        let object = match *arguments {
            "" => None,
            "[CONTEXT]" => Some("default"),
            _ => Some("x"),
        };
        for template in templates(&help) {
            let format = ["--format", &template];
            let object: &[&str] = object.as_slice();
            let ending = daemon.run(&[&words[..], &format, object].concat());
            assert_eq!(ending.code, Some(0), "{path} --format '{template}': {ending}");
            tried.push(*path);
        }
    }
    tried.dedup();
    assert_eq!(tried.len(), 13, "{tried:?}");
}
