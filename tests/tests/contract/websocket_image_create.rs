//! §10: making base images.

use kleene_tests::Table;
use kleene_tests::wire::Close;
use serde_json::{Value, json};

use crate::daemon::{Daemon, STARTING};

#[test]
fn image_create() {
    let daemon = Daemon::bare();
    let mut table = Table::new("§10 /images/create");
    let converse = |opening: &Value| daemon.converse("/images/create").begin(opening).hear_texts();
    let before = daemon.everything();
    for (name, opening, detail) in [
        ("method missing", json!({}), "Missing field: method"),
        (
            "method unknown",
            json!({"method": "git"}),
            "Invalid value for enum",
        ),
        (
            "method null",
            json!({"method": null}),
            "null value where string expected",
        ),
        (
            "a word for a boolean",
            json!({"method": "fetch", "dns": "x"}),
            "Invalid boolean. Got: string",
        ),
        (
            "a number for the tag",
            json!({"method": "fetch", "tag": 1}),
            "Invalid string. Got: integer",
        ),
    ] {
        table.row(&format!("invalid: {name}"), || {
            let (texts, close) = converse(&opening);
            assert_eq!(texts, [detail]);
            assert_eq!(close, Close::new(1002, "error", "", "invalid parameters"));
        });
    }
    table.row("not JSON", || {
        let mut conversation = daemon.converse("/images/create");
        conversation.say("fetch");
        let (texts, close) = conversation.hear_texts();
        assert_eq!(
            (texts.len(), close),
            (1, Close::new(1002, "error", "", "invalid json"))
        );
    });
    table.row("failure: the reason in a frame and in the close reason", || {
        let (texts, close) = converse(&json!({"method": "fetch", "url": "file:///x"}));
        assert_eq!(texts[0], STARTING);
        assert!(texts[1].starts_with("could not fetch file from url"), "{texts:?}");
        assert_eq!((texts.len(), close.code), (2, 1011));
        assert!(
            close
                .reason
                .starts_with(r#"{"data":"","message":"image creation failed: could not fetch"#),
            "{close:?}"
        );
    });
    table.row(
        "failure: a long reason is cut to 123 bytes between characters, and whole in a frame",
        || {
            let url = format!("file:///{}", "🦀".repeat(300));
            let (texts, close) = converse(&json!({"method": "fetch", "url": url}));
            assert!(texts[1].contains(&url[8..]), "{texts:?}");
            assert!((119..=123).contains(&close.reason.len()), "{close:?}");
            let reason: Value = serde_json::from_str(&close.reason).unwrap();
            assert_eq!(reason["msg_type"], "error");
        },
    );
    table.row("failures leave nothing", || {
        assert_eq!(daemon.everything(), before)
    });
    table.row("success", || {
        let opening = json!({"method": "host", "programs": ["/bin/true"], "tag": "one:1", "dns": "false",
            "localtime": false, "update": false, "autotag": true, "url": "", "zfs_dataset": "", "force": true});
        let (texts, close) = converse(&opening);
        let image = daemon.show("/images/one:1/inspect");
        assert_eq!(texts[0], STARTING);
        assert!(texts[1..].iter().all(|line| line.ends_with('\n')), "{texts:?}");
        assert_eq!(close, Close::new(1000, "closing", image["id"].as_str().unwrap(), "image created"));
        assert_eq!(close.reason.len(), 70);
    });
    table.row("an archive that is already here, and its lines", || {
        let directory = daemon.host.directory("archive");
        let path = directory.join("base.txz").display().to_string();
        let pack = format!("sh -c 'cd / && tar -cJf {path} bin/busybox'");
        assert!(daemon.host.run(&pack).succeeded(), "{}", daemon.host.run(&pack));
        let (texts, close) =
            converse(&json!({"method": "fetch", "url": format!("file://{path}"), "tag": "two"}));
        assert_eq!(close.code, 1000, "{texts:?}");
        let lines = [
            "Succesfully fetched base system.\n",
            "Unpacking contents and creating image...\n",
            "Succesfully extracted binaries, creating image...\n",
        ];
        assert_eq!(texts[1..=2], lines[..2]);
        assert!(texts.contains(&lines[2].to_owned()), "{texts:?}");
    });
    table.row("an empty tag: untagged", || {
        let (_, close) = converse(&json!({"method": "host", "programs": ["/bin/true"]}));
        let reason: Value = serde_json::from_str(&close.reason).unwrap();
        let image = daemon.show(&format!("/images/{}/inspect", reason["data"].as_str().unwrap()));
        assert_eq!((&image["name"], &image["tag"]), (&json!(""), &json!("")));
    });
    table.row("a tag that another image has moves to the new one", || {
        let (_, close) = converse(&json!({"method": "host", "programs": ["/bin/true"], "tag": "one:1"}));
        let reason: Value = serde_json::from_str(&close.reason).unwrap();
        assert_eq!(daemon.show("/images/one:1/inspect")["id"], reason["data"]);
    });
}
