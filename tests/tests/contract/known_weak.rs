//! What 0.1.1 does wrong and we do right: the entries of the list of its known weaknesses that can be seen at the
//! interface. Those of FreeBSD's tools, of pf and of `klee` have their tests where they belong.

use std::fs;
use std::os::unix::fs::symlink;

use kleene_tests::{Ground, Table, write};
use serde_json::{Value, json};

use crate::daemon::{Daemon, failure};

#[test]
fn containers_and_volumes() {
    let mut daemon = Daemon::with_image();
    let mut table = Table::new("known weaknesses: containers and volumes");
    table.row("KW-1 no insides in answers", || {
        let answer = daemon.send("/volumes/create", &json!({"name": "a/../../b"}));
        let (status, message) = answer.failure();
        assert_eq!(status, 500);
        assert!(
            message.len() < 200 && !message.contains("src/") && !message.contains('\n'),
            "{message}"
        );
    });
    table.row(
        "KW-4 duplicate names are refused at creation and at update",
        || {
            let id = daemon.container("web", json!({}));
            let (status, message) = daemon.create(json!({"name": "web"})).failure();
            assert_eq!(status, 404);
            assert!(message.contains("'web'") && message.contains(&id), "{message}");
            daemon.container("other", json!({}));
            assert_eq!(
                daemon
                    .send("/containers/other/update", &json!({"name": "web"}))
                    .failure()
                    .0,
                409
            );
            assert_eq!(
                daemon.column("/containers/list?all=true", "name"),
                ["other", "web"]
            );
        },
    );
    table.row("KW-8 a volume that a running container mounts stays", || {
        let mounts = json!([{"type": "volume", "source": "data", "destination": "/v"}]);
        let id = daemon.container("uses", json!({"mounts": mounts}));
        daemon.start("uses");
        let (status, message) = daemon.delete("/volumes/data").failure();
        assert_eq!(status, 404);
        assert!(message.contains("'data'") && message.contains(&id), "{message}");
        daemon.post("/containers/uses/stop").id(200);
        assert_eq!(daemon.delete("/volumes/data").id(200), "data");
    });
    table.row("KW-12 mounts in the order of the request", || {
        let mounts = json!([{"type": "volume", "source": "outer", "destination": "/a"},
            {"type": "volume", "source": "inner", "destination": "/a/b"}]);
        daemon.container("ordered", json!({"mounts": mounts}));
        daemon.start("ordered");
        let (output, _) = daemon.output("ordered", &["/bin/sh", "-c", "echo x > /a/b/file"]);
        assert_eq!(output, "");
        let inner = daemon.show("/volumes/inner/inspect")["volume"]["mountpoint"]
            .as_str()
            .unwrap()
            .to_owned();
        assert!(daemon.host.run(&format!("test -f {inner}/file")).succeeded());
        daemon.post("/containers/ordered/stop").id(200);
    });
    table.row(
        "KW-13 a mount that fails at the start fails the start and leaves nothing",
        || {
            let source = daemon.host.directory("vanishes");
            let mounts = json!([{"type": "nullfs", "source": source, "destination": "/x"}]);
            daemon.container("halfway", json!({"mounts": mounts}));
            fs::remove_dir(&source).unwrap();
            let before = daemon.everything();
            let (texts, close) = daemon.begin(&daemon.exec("halfway", &[]), true).hear_texts();
            assert!(
                texts[0].starts_with("error: ") && texts[0].contains("vanishes"),
                "{texts:?}"
            );
            assert_eq!(close.code, 1011);
            assert_eq!(daemon.everything(), before);
        },
    );
    table.row(
        "KW-19 env entries without =, image references with several : or @",
        || {
            for env in ["novalue", "", "=x"] {
                assert_eq!(daemon.create(json!({"env": [env]})).failure().0, 404, "{env}");
                let body = json!({"container_id": "web", "env": [env]});
                assert_eq!(daemon.send("/exec/create", &body).failure().0, 404, "{env}");
            }
            for image in ["a:b:c", "a@b@c", "a:b:c@d@e", "::", "@@"] {
                let message = format!("no such image '{image}'");
                assert_eq!(
                    daemon.create(json!({"image": image})).failure(),
                    failure(404, &message)
                );
            }
        },
    );
    table.row("KW-20 the image's files are copied into an empty volume only, with hidden ones", || {
        daemon.built("FROM minimal\nRUN /bin/busybox mkdir -p /seed && echo 1 > /seed/.hidden && echo 2 > '/seed/a b'\n", "seeded");
        let mounts = json!([{"type": "volume", "source": "seed", "destination": "/seed"}]);
        daemon.container("first", json!({"image": "seeded", "mounts": mounts}));
        let path = daemon.show("/volumes/seed/inspect")["volume"]["mountpoint"].as_str().unwrap().to_owned();
        let read = |name: &str| daemon.host.run(&format!("cat '{path}/{name}'")).ok();
        assert_eq!((read(".hidden").as_str(), read("a b").as_str()), ("1\n", "2\n"));
        assert!(daemon.host.run(&format!("sh -c 'echo mine > {path}/.hidden'")).succeeded());
        daemon.container("second", json!({"image": "seeded", "mounts": mounts}));
        assert_eq!(read(".hidden"), "mine\n");
    });
    table.row("KW-21 mount destinations do not leave the container", || {
        daemon.built(
            "FROM minimal\nRUN /bin/busybox ln -s /etc /way && /bin/busybox ln -s ../../../../.. /up\n",
            "linked",
        );
        let directory = daemon.host.directory("mine");
        for destination in [
            "/way/kleene-was-here",
            "/up/kleene-was-here",
            "/../../../kleene-was-here",
        ] {
            let mounts = json!([{"type": "nullfs", "source": directory, "destination": destination}]);
            let _answer = daemon.create(json!({"image": "linked", "mounts": mounts}));
            for place in ["/etc/kleene-was-here", "/kleene-was-here"] {
                assert!(
                    !fs::exists(place).unwrap() && !daemon.host.run(&format!("test -e {place}")).succeeded(),
                    "{destination}"
                );
            }
        }
    });
    table.row("KW-22 names of volumes", || {
        for name in ["", "-x", "a/b", "a b", "..", ".", "ä", "a\n", "-o exec=on x"] {
            let before = daemon.everything();
            assert_eq!(
                daemon.send("/volumes/create", &json!({"name": name})).failure().0,
                500,
                "{name}"
            );
            let mounts = json!([{"type": "volume", "source": name, "destination": "/v"}]);
            assert_eq!(
                daemon.create(json!({"mounts": mounts})).failure().0,
                404,
                "{name}"
            );
            assert_eq!(daemon.everything(), before);
        }
    });
    table.row("user names are one word whatever they hold", || {
        for user in ["no such user", "-h", "root root"] {
            let body = json!({"container_id": "web", "user": user});
            let exec = daemon.send("/exec/create", &body).id(201);
            let (texts, close) = daemon.begin(&exec, true).hear_texts();
            assert!(texts[0].starts_with("error: "), "{texts:?}");
            assert_eq!(close.code, 1011);
        }
    });
    table.row("names with a line end, and other names", || {
        for name in ["web\n", "\nweb", "a\0b"] {
            assert_eq!(daemon.create(json!({"name": name})).failure().0, 404);
        }
    });
    table.row("a leading / is dropped", || {
        let id = daemon.create(json!({"name": "/slash"})).id(201);
        assert_eq!(
            daemon.show("/containers/slash/inspect")["container"]["id"],
            id.as_str()
        );
    });
    drop(table);

    let mut table = Table::new("known weaknesses: restarts of the daemon");
    daemon.network(json!({"name": "lan", "subnet": "10.1.0.0/24", "gateway": "<auto>"}));
    let counts = [
        "/bin/sh",
        "-c",
        "echo started >> /count; exec /bin/busybox sleep 1000",
    ];
    daemon.container(
        "auto",
        json!({"network_driver": "vnet", "restart_policy": "on-startup", "cmd": counts}),
    );
    assert_eq!(daemon.connect("auto", "lan", "<auto>").status, 204);
    daemon.start("auto");
    let is_reached = |daemon: &Daemon| match daemon.host.ground() {
        Ground::Linux => daemon.host.run("ping -c 1 -W 2 10.1.0.2").succeeded(),
        // Its networks exist on paper only.
        Ground::FreeBsd => true,
    };
    assert!(is_reached(&daemon));
    let interfaces = daemon.host.interfaces();
    daemon.host.stop_daemon().unwrap();
    daemon.host.start_daemon().unwrap();
    table.row("KW-14 a container that runs is not started again", || {
        let (output, _) = daemon.output("auto", &["/bin/busybox", "cat", "/count"]);
        assert_eq!(output, "started\n");
    });
    table.row("KW-15 interfaces stay as they are", || {
        assert_eq!(daemon.host.interfaces(), interfaces);
        assert!(is_reached(&daemon));
    });
    table.row("containers are recognised: list, exec, stop", || {
        assert_eq!(daemon.column("/containers/list", "name"), ["auto"]);
        daemon.post("/containers/auto/stop").id(200);
    });
}

#[test]
fn networks() {
    let daemon = Daemon::with_image();
    let mut table = Table::new("known weaknesses: networks");
    let create = |config: Value| {
        daemon.send(
            "/networks/create",
            &crate::daemon::merged(json!({"type": "bridge", "nat": ""}), config),
        )
    };
    daemon.network(json!({"name": "lan", "subnet": "10.1.0.0/29", "gateway": "<auto>"}));

    table.row("KW-32 a stranger's interface is not touched", || {
        let ground = daemon.host.ground();
        daemon.host.add_bridge("foreign0");
        for (interface, kind) in [
            ("foreign0", "bridge"),
            ("foreign0", "loopback"),
            (ground.loopback(), "bridge"),
            (ground.uplink(), "loopback"),
        ] {
            let answer = create(json!({"name": "n", "interface": interface, "type": kind}));
            assert_eq!(answer.failure().0, 409, "{interface}");
            assert!(daemon.host.interface(interface).is_some());
        }
        daemon.host.remove_interface("foreign0");
    });
    table.row("KW-33 a network that cannot be made is not recorded", || {
        let before = daemon.everything();
        assert_eq!(
            create(json!({"name": "n", "type": "custom", "interface": "none0"}))
                .failure()
                .0,
            409
        );
        assert_eq!(daemon.everything(), before);
    });
    table.row("KW-35 explicit addresses: subnet, gateway, others, ends", || {
        for name in ["a1", "a2"] {
            daemon.container(name, json!({"network_driver": "vnet"}));
        }
        assert_eq!(daemon.connect("a1", "lan", "10.1.0.3").status, 204);
        for address in ["10.2.0.1", "10.1.0.1", "10.1.0.3", "10.1.0.0", "10.1.0.7"] {
            let (status, message) = daemon.connect("a2", "lan", address).failure();
            assert_eq!(status, 409);
            assert!(message.contains(address), "{message}");
        }
    });
    table.row("KW-17 several networks with gateways", || {
        daemon.network(json!({"name": "second", "subnet": "10.2.0.0/24", "gateway": "<auto>"}));
        assert_eq!(daemon.connect("a1", "second", "<auto>").status, 204);
        daemon.start("a1");
        let (routes, _) = daemon.output("a1", &["/bin/busybox", "ip", "route"]);
        assert_eq!(routes.matches("default via").count(), 1, "{routes}");
        daemon.post("/containers/a1/stop").id(200);
    });
    table.row("KW-37 a port loses its address with the endpoint", || {
        let ports = json!([{"host_port": "8080", "container_port": "80", "interfaces": []}]);
        daemon.container("pub", json!({"network_driver": "vnet", "public_ports": ports}));
        let address =
            || daemon.show("/containers/pub/inspect")["container"]["public_ports"][0]["ip_address"].clone();
        assert_eq!(daemon.connect("pub", "lan", "10.1.0.4").status, 204);
        assert_eq!(address(), "10.1.0.4");
        assert_eq!(daemon.post("/networks/lan/disconnect/pub").status, 204);
        assert_eq!(address(), "");
    });
    table.row("names, interfaces and nat cannot carry rules", || {
        for nasty in ["a b", "a\"b", "a\nb", "a;b", "$(x)", "{lo0}", "a/b"] {
            let before = daemon.everything();
            assert_eq!(create(json!({"name": nasty})).failure().0, 409, "{nasty}");
            assert_eq!(
                create(json!({"name": "n", "interface": nasty})).failure().0,
                409,
                "{nasty}"
            );
            assert_eq!(
                create(json!({"name": "n", "nat": nasty})).failure().0,
                409,
                "{nasty}"
            );
            let ports = json!([{"host_port": "1", "container_port": "1", "interfaces": [nasty]}]);
            let answer = daemon.create(json!({"network_driver": "ipnet", "public_ports": ports}));
            assert_eq!(answer.failure().0, 404, "{nasty}");
            assert_eq!(daemon.everything(), before);
        }
    });
    table.row("a bridge without a gateway is up", || {
        create(json!({"name": "up", "interface": "up0", "subnet": "10.9.0.0/24"})).id(201);
        let told = daemon.host.interface("up0").unwrap();
        assert!(told.contains("UP,") || told.contains(",UP"), "{told}");
    });
    table.row("subnets that overlap could not be routed", || {
        let (status, message) = create(json!({"name": "over", "subnet": "10.1.0.0/16"})).failure();
        assert_eq!(status, 409);
        assert!(message.contains("'lan'"), "{message}");
    });
}

#[test]
fn builds() {
    let daemon = Daemon::with_image();
    let mut table = Table::new("known weaknesses: builds");
    let said = |dockerfile: &str| daemon.build(dockerfile, json!({})).0.concat();
    table.row(
        "KW-10 a container or network called like the build's stays",
        || {
            daemon.network(json!({"name": "buildnet_x"}));
            assert!(said("FROM minimal\nRUN false\n").contains("non-zero"));
            assert_eq!(daemon.column("/networks/list", "name"), ["buildnet_x"]);
        },
    );
    table.row("KW-26 FROM x AS y, or an error", || {
        let (texts, close) = daemon.build("FROM minimal AS base\nRUN true\n", json!({}));
        assert!(
            close.code == 1000 || texts[1].starts_with("error in 'FROM minimal AS base': "),
            "{texts:?} {close:?}"
        );
        let (texts, close) = daemon.build("FROM minimal\nFROM minimal\n", json!({}));
        assert!(
            close.code == 1000 || texts.last().unwrap().contains("error: "),
            "{texts:?} {close:?}"
        );
    });
    table.row("KW-27 one-letter names", || {
        assert!(said("FROM minimal\nARG A=1\nENV B=2\nRUN echo $A$B\n").contains("12\n"));
    });
    table.row("KW-28 nothing of a Dockerfile runs on the host", || {
        let marker = daemon.host.directory("marker").join("was-here");
        let text = said(&format!(
            "FROM minimal\nENV X=$(touch {0})\nENV Y=`touch {0}`\nENV Z=\"; touch {0}\"\n",
            marker.display()
        ));
        assert!(!marker.exists(), "{text}");
    });
    table.row("KW-29 a source that is not there", || {
        let (texts, close) = daemon.build("FROM minimal\nCOPY nothing /x\n", json!({}));
        assert!(texts.last().unwrap().contains("nothing"), "{texts:?}");
        assert_eq!(close.code, 1011);
    });
    table.row("KW-30, KW-31 COPY: absolute destinations, nothing of the context left", || {
        write(daemon.host.directory("context").join("file"), "content\n");
        let text = said("FROM minimal\nWORKDIR /work\nCOPY file /abs\nCOPY file rel\nRUN /bin/busybox cat /abs /work/rel; /bin/busybox ls -a /\n");
        assert!(text.contains("content\ncontent\n"), "{text}");
        assert!(!text.contains("kleene_temporary"), "{text}");
    });
    table.row("COPY does not follow links out of the context", || {
        let context = daemon.host.directory("context");
        let _again = fs::remove_file(context.join("link"));
        symlink("/etc/hostname", context.join("link")).unwrap();
        let (texts, close) = daemon.build("FROM minimal\nCOPY ../../etc/hostname /x\n", json!({}));
        assert_eq!(close.code, 1011, "{texts:?}");
    });
    table.row("RUN [ -f x ] && y is shell form", || {
        let (texts, close) = daemon.build("FROM minimal\nRUN [ -d / ] && echo yes\n", json!({}));
        assert_eq!(close.code, 1000, "{texts:?}");
        assert!(texts.concat().contains("yes\n"));
    });
    table.row("a failed build without a name is untagged", || {
        daemon.build("FROM minimal\nRUN false\n", json!({"cleanup": false}));
        let kept = daemon.show("/images/list")[0].clone();
        assert_eq!((&kept["name"], &kept["tag"]), (&json!(""), &json!("")));
    });
}
