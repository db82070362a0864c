//! §9: builds. What each instruction means is the builder's own tests' business; here is the conversation.

use kleene_tests::wire::{Close, opcode};
use kleene_tests::{Ground, Table, write};
use serde_json::{Value, json};

use crate::daemon::{Daemon, STARTING, is_id};

fn starting(text: &str) -> String {
    let message: Value = serde_json::from_str(text).unwrap();
    assert_eq!(
        (&message["message"], &message["msg_type"]),
        (&json!(""), &json!("starting"))
    );
    message["data"].as_str().unwrap().to_owned()
}

#[track_caller]
fn snapshot(line: &str) -> String {
    let snapshot = line
        .strip_prefix("--> Snapshot created: @")
        .unwrap_or_else(|| panic!("no snapshot: {line}"));
    assert!(is_id(snapshot), "{line}");
    snapshot.to_owned()
}

#[test]
fn config() {
    let daemon = Daemon::bare();
    let mut table = Table::new("§9 config");
    let good = json!({"context": "/none", "container_config": {}});
    for (name, opening, detail) in [
        (
            "context missing",
            json!({"container_config": {}}),
            "Missing field: context",
        ),
        (
            "container_config missing",
            json!({"context": "/"}),
            "Missing field: container_config",
        ),
        (
            "a word for a boolean",
            json!({"context": "/", "container_config": {}, "quiet": "x"}),
            "Invalid boolean. Got: string",
        ),
        (
            "a string for container_config",
            json!({"context": "/", "container_config": "x"}),
            "Invalid object. Got: string",
        ),
        (
            "null for container_config",
            json!({"context": "/", "container_config": null}),
            "null value where object expected",
        ),
        (
            "container_config: field",
            json!({"context": "/", "container_config": {"cmd": "ls"}}),
            "Invalid array. Got: string",
        ),
        (
            "container_config: enum",
            json!({"context": "/", "container_config": {"network_driver": "x"}}),
            "Invalid value for enum",
        ),
        (
            "container_config: mounts",
            json!({"context": "/", "container_config": {"mounts": [{"type": "zfs", "source": "", "destination": ""}]}}),
            "Invalid value for enum",
        ),
        (
            "networks: field",
            json!({"context": "/", "container_config": {}, "networks": [{"container": ""}]}),
            "Missing field: network",
        ),
        (
            "buildargs: value",
            json!({"context": "/", "container_config": {}, "buildargs": {"A": 1}}),
            "Invalid string. Got: integer",
        ),
        (
            "buildargs: no object",
            json!({"context": "/", "container_config": {}, "buildargs": []}),
            "Invalid object. Got: array",
        ),
        ("no object", json!([]), "Invalid object. Got: array"),
    ] {
        table.row(&format!("invalid: {name}"), || {
            let (texts, close) = daemon.converse("/images/build").begin(&opening).hear_texts();
            assert_eq!(texts, [detail]);
            assert_eq!(close, Close::new(1002, "error", "", "invalid parameters"));
        });
    }
    table.row("not JSON", || {
        let mut conversation = daemon.converse("/images/build");
        conversation.say("{");
        let (texts, close) = conversation.hear_texts();
        assert_eq!(
            (texts.len(), close),
            (1, Close::new(1002, "error", "", "invalid json"))
        );
    });
    table.row("defaults, string booleans, nulls of the original client", || {
        let nulls = json!({"name": null, "cmd": null, "image": null, "user": "", "env": [], "mounts": [],
            "jail_param": [], "network_driver": "host"});
        let opening =
            json!({"context": "/none", "quiet": "false", "cleanup": "true", "container_config": nulls});
        for opening in [opening, good] {
            let (_, close) = daemon.converse("/images/build").begin(&opening).hear_texts();
            assert_eq!(
                close,
                Close::new(1011, "error", "", "failed to process Dockerfile")
            );
            assert_eq!(close.reason.len(), 71);
        }
    });
}

#[test]
fn dockerfiles_that_cannot_be_processed() {
    let daemon = Daemon::bare();
    let mut table = Table::new("§9 Dockerfile unreadable or invalid");
    let context = daemon.host.directory("context");
    let path = context.join("Dockerfile").display().to_string();
    let mut row = |name: &str, content: Option<&str>, line: &str| {
        table.row(name, || {
            if let Some(content) = content {
                write(&path, content);
            }
            let opening = json!({"context": context, "container_config": {}});
            let (texts, close) = daemon.converse("/images/build").begin(&opening).hear_texts();
            assert_eq!(texts, [STARTING, line]);
            assert_eq!(
                close,
                Close::new(1011, "error", "", "failed to process Dockerfile")
            );
        });
    };
    row(
        "no file",
        None,
        &format!("Could not open Docker file {path}: :enoent"),
    );
    for (name, content, line) in [
        (
            "unknown instruction",
            "FROM x\nMAKE it\n",
            "error in 'MAKE it': invalid instruction",
        ),
        ("lower case", "from x\n", "error in 'from x': invalid instruction"),
        (
            "no argument",
            "FROM x\nUSER\n",
            "error in 'USER': invalid instruction",
        ),
        (
            "a bad name",
            "FROM x\nENV 1A=x\n",
            "ENV/ARG variable name is invalid on line: ENV 1A=x",
        ),
        (
            "before FROM",
            "RUN ls\nFROM x\n",
            "'RUN ls' not permitted before a FROM instruction",
        ),
    ] {
        row(name, Some(content), line);
    }
}

#[test]
fn builds() {
    let daemon = Daemon::with_image();
    let mut table = Table::new("§9 builds");
    table.row("a successful build, semantics §13.4", || {
        let dockerfile = "FROM minimal\nRUN echo hello > /stamp\nCMD /bin/busybox cat /stamp\n";
        let (texts, close) = daemon.build(dockerfile, json!({"tag": "made"}));
        let id = starting(&texts[0]);
        let snap = snapshot(&texts[3]);
        assert_eq!(texts[1], "Step 1/3 : FROM minimal");
        assert_eq!(texts[2], "Step 2/3 : RUN echo hello > /stamp");
        assert_eq!(texts[4], "Step 3/3 : CMD /bin/busybox cat /stamp");
        assert_eq!(texts.len(), 5);
        assert_eq!(close, Close::new(1000, "closing", &id, "image created"));
        assert_eq!(close.reason.len(), 70);
        let image = daemon.show("/images/made/inspect");
        assert_eq!(image["id"], id.as_str());
        assert_eq!(image["cmd"], json!(["/bin/sh", "-c", "/bin/busybox cat /stamp"]));
        let instructions = json!([
            ["FROM minimal", ""],
            ["RUN echo hello > /stamp", format!("@{snap}")],
            ["CMD /bin/busybox cat /stamp", ""]
        ]);
        assert_eq!(image["instructions"], instructions);
    });
    table.row("a container of a snapshot", || {
        let image = daemon.show("/images/made/inspect");
        let snapshot = image["instructions"][1][1].as_str().unwrap();
        let id = daemon.container("snap", json!({"image": format!("made{snapshot}")}));
        let (output, _) = daemon.output(&id, &["/bin/busybox", "cat", "/stamp"]);
        assert_eq!(output, "hello\n");
        assert_eq!(daemon.delete("/containers/snap").id(200), id);
    });
    table.row("process output", || {
        let (texts, _) = daemon.build("FROM minimal\nRUN echo loud; echo err >&2\n", json!({}));
        let said = texts.concat();
        assert!(said.contains("loud\nerr\n"), "{texts:?}");
    });
    table.row("output that is not UTF-8 is text all the same", || {
        let (texts, close) = daemon.build("FROM minimal\nRUN /bin/busybox printf 'a\\377b'\n", json!({}));
        assert!(texts.concat().contains("a\u{fffd}b"), "{texts:?}");
        assert_eq!(close.code, 1000);
    });
    table.row(
        "quiet: no steps, no output, but snapshots and the parent image",
        || {
            let config =
                json!({"quiet": "true", "container_config": {"image": "minimal", "network_driver": "host"}});
            let (texts, _) = daemon.build("FROM none\nRUN echo loud\n", config);
            assert_eq!(texts[1], "Using user-supplied parent image: 'minimal'");
            let _id = snapshot(&texts[2]);
            assert_eq!(texts.len(), 3);
        },
    );
    table.row("build arguments and variables", || {
        let dockerfile =
            "ARG base=none\nFROM $base\nARG WHO=you\nENV GREETING=\"good day\"\nRUN echo $GREETING $WHO\n";
        let (texts, close) = daemon.build(dockerfile, json!({"buildargs": {"base": "minimal", "WHO": "me"}}));
        assert_eq!(close.code, 1000, "{texts:?}");
        assert!(texts.concat().contains("good day me\n"), "{texts:?}");
        let reason: Value = serde_json::from_str(&close.reason).unwrap();
        let image = daemon.show(&format!("/images/{}/inspect", reason["data"].as_str().unwrap()));
        assert_eq!(image["env"], json!(["GREETING=good day"]));
    });
    table.row("networks: their container is the build's", || {
        daemon.network(json!({"name": "lan", "subnet": "10.1.0.0/24"}));
        let config = json!({"container_config": {"network_driver": "vnet"},
            "networks": [{"container": "", "network": "lan", "ip_address": "<auto>", "ip_address6": "<auto>"}]});
        let (texts, close) = daemon.build("FROM minimal\nRUN /bin/busybox ip a\n", config);
        assert_eq!(close.code, 1000, "{texts:?}");
        if daemon.host.ground() == Ground::Linux {
            assert!(texts.concat().contains("10.1.0.1/24"), "{texts:?}");
        }
        assert_eq!(daemon.show("/networks/lan/inspect")["network_endpoints"], json!([]));
    });
    table.row("later frames of the client are ignored", || {
        let context = daemon.host.directory("context");
        write(
            context.join("Dockerfile"),
            "FROM minimal\nRUN /bin/busybox sleep 0.2\n",
        );
        let opening = json!({"context": context, "container_config": {"network_driver": "host"}});
        let mut conversation = daemon.converse("/images/build").begin(&opening);
        conversation.say("{\"cancel\":true}");
        conversation.send(opcode::BINARY, b"\xff");
        assert_eq!(conversation.hear_out().1.code, 1000);
    });
}

#[test]
fn failures() {
    let daemon = Daemon::with_image();
    let mut table = Table::new("§9 failures");
    let failed = |data: &str| Close::new(1011, "error", data, "image build failed");
    table.row("before the build container exists", || {
        for cleanup in [true, false] {
            let (texts, close) = daemon.build("FROM none\n", json!({"cleanup": cleanup}));
            assert_eq!(texts.last().unwrap(), "error: could not find image none");
            assert_eq!(close, failed(""));
        }
        let (texts, _) = daemon.build("FROM minimal@ffffffffffff\n", json!({}));
        assert_eq!(texts.last().unwrap(), "error: invalid snapshot @ffffffffffff");
    });
    table.row(
        "a command that fails; with cleanup, which is the default, nothing is left",
        || {
            let before = daemon.everything();
            let (texts, close) = daemon.build("FROM minimal\nRUN exit 7\n", json!({}));
            let status = daemon.host.ground().status_of_first(7);
            assert_eq!(
                *texts.last().unwrap(),
                format!("The command '/bin/sh -c exit 7' returned a non-zero code: {status}")
            );
            assert_eq!(close, failed(""));
            assert_eq!(daemon.everything(), before);
        },
    );
    table.row(
        "without cleanup: the last snapshot, and the image is kept as <name>:failed",
        || {
            let config = json!({"cleanup": "false", "tag": "broken:1"});
            let (texts, close) = daemon.build("FROM minimal\nRUN echo x > /x\nRUN false\nRUN true\n", config);
            let snap = snapshot(&texts[3]);
            assert_eq!(close, failed(&format!("@{snap}")));
            assert_eq!(close.reason.len(), 74);
            let image = daemon.show("/images/broken:failed/inspect");
            let instructions = json!([
                ["FROM minimal", ""],
                ["RUN echo x > /x", format!("@{snap}")],
                ["RUN false", ""]
            ]);
            assert_eq!(image["instructions"], instructions);
            assert_eq!(image["id"], starting(&texts[0]).as_str());
        },
    );
    table.row("without cleanup and without a snapshot", || {
        let (_, close) = daemon.build("FROM minimal\nRUN false\n", json!({"cleanup": false}));
        assert_eq!(close, failed("no snapshots available"));
        assert_eq!(close.reason.len(), 83);
    });
    table.row("a failed substitution", || {
        let (texts, close) = daemon.build("FROM minimal\nENV T=\"x\" # note\n", json!({}));
        assert_eq!(
            texts.last().unwrap(),
            "failed environment substition of: ENV T=\"x\" # note"
        );
        assert_eq!(close, failed(""));
    });
    table.row("connecting fails", || {
        let config = json!({"networks": [{"container": "", "network": "none"}], "cleanup": false});
        let (texts, close) = daemon.build("FROM minimal\n", config);
        assert_eq!(texts.last().unwrap(), "error: network not found");
        assert_eq!(close.code, 1011);
    });
    table.row("disconnect during a build: nothing is left", || {
        let before = daemon.everything();
        let context = daemon.host.directory("context");
        write(
            context.join("Dockerfile"),
            "FROM minimal\nRUN echo begun; /bin/busybox sleep 1000\n",
        );
        let opening =
            json!({"context": context, "cleanup": false, "container_config": {"network_driver": "host"}});
        let mut conversation = daemon.converse("/images/build").begin(&opening);
        conversation.hear_until("begun\n");
        drop(conversation);
        let settled = (0..100).any(|_| {
            std::thread::sleep(std::time::Duration::from_millis(50));
            daemon.everything() == before
        });
        assert!(settled, "{:?}\nbefore {before:?}", daemon.everything());
    });
}
