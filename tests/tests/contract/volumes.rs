//! §7: volumes.

use kleene_tests::Table;
use serde_json::{Value, json};

use crate::daemon::{Daemon, failure};

#[test]
fn volumes() {
    let daemon = Daemon::with_image();
    let mut table = Table::new("§7 volumes");
    let mount = |volume: &str| json!([{"type": "volume", "source": volume, "destination": "/v"}]);

    table.row("create: 201, the id is the name", || {
        assert_eq!(
            daemon.send("/volumes/create", &json!({"name": "data"})).id(201),
            "data"
        );
    });
    table.row("create: one that exists is returned unchanged", || {
        let before = daemon.everything();
        assert_eq!(
            daemon.send("/volumes/create", &json!({"name": "data"})).id(201),
            "data"
        );
        assert_eq!(daemon.everything(), before);
    });
    table.row("list: the newest first", || {
        daemon.volume("alpha");
        daemon.volume("zeta");
        assert_eq!(daemon.column("/volumes/list", "name"), ["zeta", "alpha", "data"]);
    });
    table.row("inspect: unknown", || {
        assert_eq!(
            daemon.get("/volumes/none/inspect").failure(),
            failure(404, "No such volume")
        );
    });
    table.row("remove: unknown", || {
        assert_eq!(
            daemon.delete("/volumes/none").failure(),
            failure(404, "No such volume")
        );
    });
    table.row("remove: the id is the name", || {
        assert_eq!(daemon.delete("/volumes/alpha").id(200), "alpha");
        assert_eq!(daemon.column("/volumes/list", "name"), ["zeta", "data"]);
    });
    table.row("prune: what no container mounts, running or not, by name", || {
        daemon.container("runs", json!({"mounts": mount("used1")}));
        daemon.container("stopped", json!({"mounts": mount("used2")}));
        daemon.start("runs");
        assert_eq!(
            daemon.post("/volumes/prune").success(200),
            json!(["data", "zeta"])
        );
        assert_eq!(daemon.post("/volumes/prune").text(), "[]");
        assert_eq!(daemon.column("/volumes/list", "name"), ["used2", "used1"]);
    });
    table.row("a volume is made with the container that mounts it", || {
        let shown = daemon.show("/volumes/used1/inspect");
        assert_eq!(shown["mountpoints"][0]["destination"], "/v");
    });
    table.row("volumes keep what is written to them", || {
        let (_, close) = daemon.output("runs", &["/bin/sh", "-c", "echo kept > /v/file"]);
        assert!(close.reason.contains("exit-code 0"), "{close:?}");
        let mountpoint = daemon.show("/volumes/used1/inspect")["volume"]["mountpoint"]
            .as_str()
            .unwrap()
            .to_owned();
        assert_eq!(daemon.host.run(&format!("cat {mountpoint}/file")).ok(), "kept\n");
    });
    table.row("remove: of a stopped container, which loses the mount", || {
        assert_eq!(daemon.delete("/volumes/used2").id(200), "used2");
        assert_eq!(
            daemon.show("/containers/stopped/inspect")["container_mountpoints"],
            json!([])
        );
    });
    table.row(
        "an item of mounts may leave out read_only, and a string is a boolean",
        || {
            let mounts = json!([{"type": "volume", "source": "v1", "destination": "/a"},
            {"type": "volume", "source": "v2", "destination": "/b", "read_only": "true"}]);
            daemon.container("words", json!({"mounts": mounts}));
            let shown = daemon.show("/containers/words/inspect");
            let read_only: Vec<&Value> = shown["container_mountpoints"]
                .as_array()
                .unwrap()
                .iter()
                .map(|m| &m["read_only"])
                .collect();
            assert_eq!(read_only, [&json!(false), &json!(true)]);
        },
    );
}
