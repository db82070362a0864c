//! §4: containers.

use kleene_tests::Table;
use serde_json::{Value, json};

use crate::daemon::{Daemon, failure, is_id};

const NAME_RULE: &str = "does not match /?[a-zA-Z0-9][a-zA-Z0-9_.-]+$";

#[test]
fn create() {
    let daemon = Daemon::with_image();
    let mut table = Table::new("§4 POST /containers/create");
    let refused = |config: Value| {
        let before = daemon.everything();
        let answer = daemon.create(config).failure();
        assert_eq!(
            daemon.everything(),
            before,
            "something is left of what was refused"
        );
        answer
    };
    let wrong_mount = json!([{"type": "zfs", "source": "a", "destination": "b"}]);
    let wrong_ports = json!([{"host_port": "x", "container_port": "80", "interfaces": []}]);

    table.row("1. item of mounts: enum", || {
        let answer = refused(json!({"mounts": wrong_mount, "name": "-", "image": "none"}));
        assert_eq!(answer, failure(404, "Invalid value for enum"));
    });
    table.row("1. item of mounts: wrong type", || {
        let mounts = json!([{"type": "volume", "source": 1, "destination": "b"}]);
        assert_eq!(
            refused(json!({"mounts": mounts})),
            failure(404, "Invalid string. Got: integer")
        );
    });
    table.row("1. item of mounts: no object", || {
        assert_eq!(
            refused(json!({"mounts": ["x"]})),
            failure(404, "Invalid object. Got: string")
        );
    });
    table.row("1. item of mounts: without a type", || {
        let mounts = json!([{"source": "a", "destination": "b"}]);
        assert_eq!(refused(json!({"mounts": mounts})).0, 404);
    });
    table.row("2. name", || {
        for name in ["", "a", "-x", "a b", "web\n", "a/b", "ä-ö", "/", "/a", "_x"] {
            let answer = refused(json!({"name": name, "image": "none", "public_ports": wrong_ports}));
            assert_eq!(answer, failure(404, &format!("{name} {NAME_RULE}")));
        }
    });
    table.row("3. image unknown", || {
        for image in [
            "none",
            "none:tag",
            "none@snap",
            "minimal:other",
            "minimal:",
            "a:b:c",
            "minimal@a@b",
            "",
            "@x",
        ] {
            let answer =
                refused(json!({"image": image, "network_driver": "host", "public_ports": wrong_ports}));
            assert_eq!(answer, failure(404, &format!("no such image '{image}'")));
        }
    });
    table.row("4. ports with driver host or disabled", || {
        for driver in ["host", "disabled"] {
            let answer = refused(json!({"network_driver": driver, "public_ports": wrong_ports}));
            let message = format!("cannot publish ports of a container using the '{driver}' network driver");
            assert_eq!(answer, failure(404, &message));
        }
    });
    table.row("5. port syntax", || {
        let value = "invalid port value (should be in the range 0 - 65535)";
        let form = "could not decode port publishing specification";
        for (host, container, message) in [
            ("65536", "80", value),
            ("x", "80", value),
            ("", "80", value),
            ("80", "-1", value),
            ("80", "8O", value),
            ("80:x", "80", value),
            ("1:2:3", "80", form),
            ("80", "1:2:3", form),
            ("80:*", "80", value),
        ] {
            let ports = json!([{"host_port": host, "container_port": container, "interfaces": []}]);
            let answer = refused(json!({"network_driver": "ipnet", "public_ports": ports}));
            assert_eq!(answer, failure(404, message), "{host} {container}");
        }
    });
    table.row("6. dataset clone fails", || {
        let (status, message) = refused(json!({"image": "minimal@ffffffffffff"}));
        assert_eq!(status, 404);
        assert!(
            message.starts_with("cannot open '")
                && message.ends_with("@ffffffffffff': dataset does not exist\n"),
            "{message}"
        );
    });
    table.row("7. a mount fails: no source", || {
        let mounts = json!([{"type": "volume", "source": "fresh", "destination": "/v"},
            {"type": "nullfs", "source": "/no/such/thing", "destination": "/x"}]);
        let message = "error ocurred while determining source type: :enoent";
        assert_eq!(refused(json!({"mounts": mounts})), failure(404, message));
    });
    table.row("7. a mount fails: neither directory nor file", || {
        let mounts = json!([{"type": "nullfs", "source": "/dev/null", "destination": "/x"}]);
        let message = "could not determine source type, must be either directory or regular file";
        assert_eq!(refused(json!({"mounts": mounts})), failure(404, message));
    });
    table.row("null for image", || {
        assert_eq!(refused(json!({"image": null})).0, 404);
    });
    table.row("no image at all", || {
        assert_eq!(daemon.send("/containers/create", &json!({})).failure().0, 404);
    });
    table.row("id body with a new id", || {
        let id = daemon.container("plain", json!({}));
        assert!(is_id(&id));
    });
    table.row("name null or absent", || {
        for config in [json!({}), json!({"name": null})] {
            let id = daemon.create(config).id(201);
            assert_eq!(
                daemon.show(&format!("/containers/{id}/inspect"))["container"]["name"],
                Value::Null
            );
        }
    });
    table.row("defaults", || {
        let id = daemon
            .send("/containers/create", &json!({"image": "minimal"}))
            .id(201);
        let shown = daemon.show(&format!("/containers/{id}/inspect"));
        let container = &shown["container"];
        assert_eq!(container["cmd"], json!(["/bin/sh", "/etc/rc"]));
        assert_eq!(container["network_driver"], "ipnet");
        assert_eq!(container["restart_policy"], "no");
        assert_eq!(container["persist"], false);
        assert_eq!(container["user"], "root");
        assert_eq!(
            (&container["env"], &container["jail_param"]),
            (&json!([]), &json!([]))
        );
        assert_eq!(container["public_ports"], json!([]));
    });
    table.row(
        "null is the default for cmd, env, mounts, user, jail_param, public_ports, restart_policy, persist",
        || {
            let nulls = json!({"cmd": null, "env": null, "mounts": null, "user": null, "jail_param": null,
            "public_ports": null, "restart_policy": null, "persist": null});
            let id = daemon.create(nulls).id(201);
            let shown = daemon.show(&format!("/containers/{id}/inspect"));
            assert_eq!(shown["container"]["cmd"], json!(["/bin/sh", "/etc/rc"]));
        },
    );
    table.row("jail parameters are stored verbatim", || {
        let parameters = json!(["host.hostname=a b", "mount.devfs=true"]);
        let id = daemon.create(json!({"jail_param": parameters})).id(201);
        assert_eq!(
            daemon.show(&format!("/containers/{id}/inspect"))["container"]["jail_param"],
            parameters
        );
    });
    table.row("interfaces of ports: the host's gateway's, or those given", || {
        let ports = json!([{"host_port": "1:3", "container_port": "4:*", "interfaces": [], "protocol": "udp"},
            {"host_port": "80", "container_port": "80", "interfaces": ["em0", "em1"]}]);
        let id = daemon.create(json!({"network_driver": "ipnet", "public_ports": ports})).id(201);
        let shown = daemon.show(&format!("/containers/{id}/inspect"));
        let expected = json!([
            {"container_port": "4:*", "host_port": "1:3", "interfaces": [daemon.host.ground().uplink()], "ip_address": "", "ip_address6": "",
                "protocol": "udp"},
            {"container_port": "80", "host_port": "80", "interfaces": ["em0", "em1"], "ip_address": "", "ip_address6": "",
                "protocol": "tcp"}]);
        assert_eq!(shown["container"]["public_ports"], expected);
    });
    table.row("the longest and shortest ports", || {
        let ports = json!([{"host_port": "0", "container_port": "65535", "interfaces": []}]);
        assert_eq!(
            daemon
                .create(json!({"network_driver": "vnet", "public_ports": ports}))
                .status,
            201
        );
    });
    table.row(
        "image by id, part of the id, name, name and tag, and with its last snapshot",
        || {
            let id = daemon.show("/images/minimal/inspect")["id"]
                .as_str()
                .unwrap()
                .to_owned();
            for image in [
                id.as_str(),
                &id[..11],
                "minimal",
                "minimal:latest",
                "minimal@image",
                &format!("{id}@image"),
            ] {
                let container = daemon.create(json!({"image": image})).id(201);
                let shown = daemon.show(&format!("/containers/{container}/inspect"));
                assert_eq!(shown["container"]["image_id"], id.as_str(), "{image}");
            }
        },
    );
    table.row("env is the image's, overlaid and sorted by name", || {
        daemon.built(
            "FROM minimal\nENV ZZ=image\nENV AA=image\nENV MM=image\n",
            "variables",
        );
        let id = daemon
            .create(json!({"image": "variables", "env": ["MM=own", "BB=own=x", "MM=last"]}))
            .id(201);
        let shown = daemon.show(&format!("/containers/{id}/inspect"));
        assert_eq!(
            shown["container"]["env"],
            json!(["AA=image", "BB=own=x", "MM=last", "ZZ=image"])
        );
    });
    table.row("cmd and user are the image's unless given", || {
        daemon.built("FROM minimal\nUSER nobody\nCMD [\"/bin/true\"]\n", "other");
        let id = daemon
            .create(json!({"image": "other", "cmd": [], "user": ""}))
            .id(201);
        let shown = daemon.show(&format!("/containers/{id}/inspect"));
        assert_eq!(
            (&shown["container"]["cmd"], &shown["container"]["user"]),
            (&json!(["/bin/true"]), &json!("nobody"))
        );
        let id = daemon
            .create(json!({"image": "other", "cmd": ["ls"], "user": "root"}))
            .id(201);
        let shown = daemon.show(&format!("/containers/{id}/inspect"));
        assert_eq!(
            (&shown["container"]["cmd"], &shown["container"]["user"]),
            (&json!(["ls"]), &json!("root"))
        );
    });
}

#[test]
fn list_inspect_remove_prune() {
    let daemon = Daemon::with_image();
    let mut table = Table::new("§4 list, inspect, remove, prune");
    let ids: Vec<String> = ["one", "two", "three"]
        .map(|name| daemon.container(name, json!({})))
        .to_vec();
    daemon.start("two");

    table.row("list: only those that run", || {
        for path in ["/containers/list", "/containers/list?all=false"] {
            assert_eq!(daemon.column(path, "name"), ["two"]);
        }
    });
    table.row("list: the newest first", || {
        assert_eq!(
            daemon.column("/containers/list?all=true", "name"),
            ["three", "two", "one"]
        );
    });
    table.row("inspect: unknown", || {
        assert_eq!(
            daemon.get("/containers/none/inspect").failure(),
            failure(404, "container not found")
        );
    });
    table.row("inspect: endpoints by network, mounts as given", || {
        daemon.network(json!({"name": "na", "subnet": "10.1.0.0/24"}));
        daemon.network(json!({"name": "nb", "subnet": "10.2.0.0/24"}));
        let mounts = json!([{"type": "volume", "source": "zz", "destination": "/z"},
            {"type": "volume", "source": "aa", "destination": "a/b"}]);
        daemon.container("many", json!({"network_driver": "vnet", "mounts": mounts}));
        for network in ["nb", "na"] {
            assert_eq!(daemon.connect("many", network, "<auto>").status, 204);
        }
        let shown = daemon.show("/containers/many/inspect");
        let networks: Vec<_> = shown["container_endpoints"]
            .as_array()
            .unwrap()
            .iter()
            .map(|e| e["network_id"].to_string())
            .collect();
        assert!(networks.is_sorted(), "{networks:?}");
        let mounts: Vec<_> = shown["container_mountpoints"]
            .as_array()
            .unwrap()
            .iter()
            .map(|m| m["source"].clone())
            .collect();
        assert_eq!(mounts, ["zz", "aa"]);
    });
    table.row("remove: unknown", || {
        assert_eq!(
            daemon.delete("/containers/none").failure(),
            failure(404, "no such container")
        );
    });
    table.row("remove: running", || {
        let message = "you cannot remove a running container";
        assert_eq!(daemon.delete("/containers/two").failure(), failure(409, message));
        assert!(daemon.is_running("two"));
    });
    table.row("remove: answers the full id, disconnects, forgets", || {
        let id = daemon.show("/containers/many/inspect")["container"]["id"]
            .as_str()
            .unwrap()
            .to_owned();
        assert_eq!(daemon.delete("/containers/many").id(200), id);
        assert_eq!(
            daemon.show("/networks/na/inspect")["network_endpoints"],
            json!([])
        );
        assert_eq!(daemon.show("/volumes/zz/inspect")["mountpoints"], json!([]));
        assert_eq!(daemon.get(&format!("/containers/{id}/inspect")).status, 404);
    });
    table.row(
        "prune: what does not run and need not persist, the oldest first",
        || {
            daemon.container("kept", json!({"persist": true}));
            daemon.container("four", json!({"persist": "false"}));
            let pruned = daemon.post("/containers/prune").success(200);
            let pruned: Vec<_> = pruned
                .as_array()
                .unwrap()
                .iter()
                .map(|id| id.as_str().unwrap().to_owned())
                .collect();
            assert_eq!(pruned[..2], [ids[0].clone(), ids[2].clone()]);
            assert_eq!(pruned.len(), 3);
            assert_eq!(
                daemon.column("/containers/list?all=true", "name"),
                ["kept", "two"]
            );
        },
    );
    table.row("prune: nothing left", || {
        assert_eq!(daemon.post("/containers/prune").text(), "[]")
    });
}

#[test]
fn stop() {
    let daemon = Daemon::with_image();
    let mut table = Table::new("§4 POST /containers/{id}/stop");
    let id = daemon.container("box", json!({}));
    table.row("unknown", || {
        assert_eq!(
            daemon.post("/containers/none/stop").failure(),
            failure(404, "container not found")
        );
    });
    table.row("not running", || {
        assert_eq!(
            daemon.post("/containers/box/stop").failure(),
            failure(404, "container not running")
        );
    });
    table.row("running: the full id", || {
        daemon.start("box");
        assert_eq!(
            daemon.post(&format!("/containers/{}/stop", &id[..11])).id(200),
            id
        );
        assert!(!daemon.is_running("box"));
    });
    table.row("attached clients are told", || {
        let exec = daemon.exec("box", &[]);
        let conversation = daemon.attach(&exec);
        assert_eq!(daemon.post("/containers/box/stop").id(200), id);
        let (_, close) = conversation.hear_out();
        assert_eq!(close.code, 1000);
        let status = daemon.host.ground().status_of_first(143);
        let message = format!("executable {exec} and its container exited with exit-code {status}");
        assert!(close.reason.contains(&message), "{close:?}");
    });
    table.row("a container that has ended by itself", || {
        daemon.container("brief", json!({"cmd": ["/bin/true"]}));
        let exec = daemon.exec("brief", &[]);
        let _ended = daemon.attach(&exec).hear_out();
        assert_eq!(
            daemon.post("/containers/brief/stop").failure(),
            failure(404, "container not running")
        );
    });
}

#[test]
fn update() {
    let daemon = Daemon::with_image();
    let mut table = Table::new("§4 POST /containers/{id}/update");
    let id = daemon.container(
        "web",
        json!({"env": ["A=1"], "user": "root", "persist": true, "restart_policy": "on-startup"}),
    );
    daemon.container("other", json!({}));
    let update = |body: Value| daemon.send("/containers/web/update", &body);
    let shown = || daemon.show(&format!("/containers/{id}/inspect"))["container"].clone();

    table.row("unknown", || {
        let answer = daemon.send("/containers/none/update", &json!({}));
        assert_eq!(answer.failure(), failure(404, "no such container 'none'"));
    });
    table.row("absent is unchanged", || {
        let before = shown();
        assert_eq!(update(json!({})).id(201), id);
        assert_eq!(shown(), before);
    });
    table.row("null is unchanged", || {
        let before = shown();
        let nulls = json!({"name": null, "user": null, "env": null, "cmd": null, "persist": null,
            "restart_policy": null, "jail_param": null, "image": null, "mounts": null, "public_ports": null});
        assert_eq!(update(nulls).id(201), id);
        assert_eq!(shown(), before);
    });
    table.row("image, mounts, network_driver, public_ports are ignored", || {
        let before = shown();
        let ignored = json!({"image": "none", "mounts": [{"nonsense": 1}], "network_driver": "vnet",
            "public_ports": [{"host_port": "1", "container_port": "x", "interfaces": []}]});
        assert_eq!(update(ignored).id(201), id);
        assert_eq!(shown(), before);
    });
    table.row("a value replaces the stored one", || {
        let values = json!({"env": ["Z=1", "B=2"], "cmd": ["/bin/true"], "user": "nobody", "persist": false,
            "restart_policy": "no", "jail_param": ["host.hostname=h"]});
        assert_eq!(update(values).id(201), id);
        let container = shown();
        assert_eq!(container["env"], json!(["Z=1", "B=2"]));
        assert_eq!(container["cmd"], json!(["/bin/true"]));
        assert_eq!(container["user"], "nobody");
        assert_eq!(container["persist"], false);
        assert_eq!(container["restart_policy"], "no");
        assert_eq!(container["jail_param"], json!(["host.hostname=h"]));
    });
    table.row("empty values are stored as they are", || {
        assert_eq!(update(json!({"cmd": [], "user": "", "env": []})).id(201), id);
        let container = shown();
        assert_eq!(
            (&container["cmd"], &container["user"], &container["env"]),
            (&json!([]), &json!(""), &json!([]))
        );
    });
    table.row("rename", || {
        assert_eq!(
            update(json!({"mounts": [], "name": "shop", "public_ports": []})).id(201),
            id
        );
        assert_eq!(shown()["name"], "shop");
        let back = daemon.send("/containers/shop/update", &json!({"name": "web"}));
        assert_eq!(back.id(201), id);
    });
    table.row("rename to its own name", || {
        assert_eq!(update(json!({"name": "web"})).id(201), id)
    });
    table.row("a wrong name", || {
        assert_eq!(
            update(json!({"name": "a b"})).failure(),
            failure(409, &format!("a b {NAME_RULE}"))
        );
    });
    table.row("a taken name", || {
        let (status, message) = update(json!({"name": "other"})).failure();
        assert_eq!(status, 409);
        assert!(message.contains("'other' is already taken"), "{message}");
        assert_eq!(shown()["name"], "web");
    });
    table.row("a failed update changes nothing", || {
        let before = shown();
        assert_eq!(
            update(json!({"cmd": ["/bin/false"], "env": ["no equals sign"]}))
                .failure()
                .0,
            409
        );
        assert_eq!(shown(), before);
    });
    table.row("a running container: takes effect at the next start", || {
        update(json!({"cmd": ["/bin/busybox", "sleep", "1000"], "user": "root"})).id(201);
        daemon.start("web");
        assert_eq!(
            update(json!({"env": ["NEW=1"], "cmd": ["/bin/true"]})).id(201),
            id
        );
        assert!(daemon.is_running("web"));
        let (output, _) = daemon.output("web", &["/bin/sh", "-c", "echo $NEW"]);
        assert_eq!(output, "1\n");
    });
    table.row("a running container: jail parameters that cannot be", || {
        let before = shown();
        let (status, message) = update(json!({"jail_param": ["no.such.parameter=1"]})).failure();
        assert_eq!(status, 409);
        assert!(
            message.starts_with("an error ocurred while updating the container: "),
            "{message}"
        );
        assert!(message.contains("no.such.parameter"), "{message}");
        assert_eq!(shown(), before);
    });
}
