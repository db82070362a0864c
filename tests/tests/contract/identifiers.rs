//! §1.2: how objects are named.

use std::collections::HashMap;

use kleene_tests::Table;
use serde_json::json;

use crate::daemon::{Daemon, failure, is_id, is_timestamp};

#[test]
fn identifiers() {
    let daemon = Daemon::bare();
    let image = daemon.image("minimal");
    let mut table = Table::new("§1.2 identifiers");
    // One more than there are first digits: two of them begin alike.
    let ids: Vec<String> = (0..17)
        .map(|n| daemon.container(&format!("c{n:02}"), json!({})))
        .collect();
    let mut by_digit: HashMap<&str, Vec<&String>> = HashMap::new();
    for id in &ids {
        by_digit.entry(&id[..1]).or_default().push(id);
    }
    let (digit, alike) = by_digit.iter().find(|(_, ids)| ids.len() > 1).unwrap();
    let inspect = |what: &str| daemon.get(&format!("/containers/{what}/inspect"));
    let found = |what: &str| {
        inspect(what).success(200)["container"]["id"]
            .as_str()
            .unwrap()
            .to_owned()
    };

    table.row("object ids and exec ids", || {
        for id in ids.iter().chain([&image, &daemon.exec("c00", &[])]) {
            assert!(is_id(id), "{id}");
        }
    });
    table.row("timestamps", || {
        for created in daemon.column("/containers/list?all=true", "created") {
            assert!(is_timestamp(&created), "{created}");
        }
    });
    table.row("full id", || assert_eq!(found(&ids[3]), ids[3]));
    table.row("leading part of the id", || {
        for length in [7, 9, 11] {
            assert_eq!(found(&ids[5][..length]), ids[5], "{length}");
        }
    });
    table.row("exact name", || assert_eq!(found("c07"), ids[7]));
    table.row("a part of a name is no identifier", || {
        assert_eq!(inspect("c0-").failure(), failure(404, "container not found"));
    });
    table.row("an identifier that continues after the id is none", || {
        assert_eq!(inspect(&format!("{}0", ids[0])).status, 404);
    });
    table.row("ambiguous", || {
        let (status, message) = inspect(digit).failure();
        assert_eq!(status, 404);
        assert!(
            message.contains(&format!("'{digit}'")) && message.contains("more than one container"),
            "{message}"
        );
        assert_eq!(daemon.delete(&format!("/containers/{digit}")).failure().0, 409);
        assert_eq!(
            daemon
                .send(&format!("/containers/{digit}/update"), &json!({}))
                .failure()
                .0,
            409
        );
        assert_eq!(daemon.post(&format!("/containers/{digit}/stop")).failure().0, 404);
        assert_eq!(
            daemon
                .send("/exec/create", &json!({"container_id": digit}))
                .failure()
                .0,
            404
        );
        assert_eq!(daemon.column("/containers/list?all=true", "id").len(), 17);
    });
    table.row("a name wins over the beginning of another id", || {
        // Names have two characters at least, and so has the beginning.
        let part = &ids[0][..2];
        let rename = daemon.send(&format!("/containers/{}/update", ids[1]), &json!({"name": part}));
        assert_eq!(rename.id(201), ids[1]);
        assert_eq!(found(part), ids[1]);
    });
    table.row("a full id wins over a name", || {
        let rename = daemon.send(
            &format!("/containers/{}/update", ids[2]),
            &json!({"name": ids[3]}),
        );
        assert_eq!(rename.id(201), ids[2]);
        assert_eq!(found(&ids[3]), ids[3]);
    });
    table.row("empty", || {
        assert_eq!(
            daemon
                .send("/exec/create", &json!({"container_id": ""}))
                .failure(),
            failure(404, "container not found")
        );
        let body = json!({"container": "", "network": ""});
        assert_eq!(
            daemon.send("/networks/connect", &body).failure(),
            failure(404, "container not found")
        );
        let answer = daemon.get("/containers//inspect");
        assert_eq!((answer.status, answer.text().as_str()), (404, "not found"));
    });
    table.row("upper case is not an id", || {
        let letters = ids.iter().find(|id| id.to_uppercase() != **id).unwrap();
        assert_eq!(inspect(&letters.to_uppercase()).status, 404);
    });
    table.row("only what is asked for is touched", || {
        assert_eq!(alike.len(), by_digit[digit].len());
        assert_eq!(
            daemon.delete(&format!("/containers/{}", ids[16])).id(200),
            ids[16]
        );
        assert_eq!(daemon.column("/containers/list?all=true", "id").len(), 16);
    });
}

#[test]
fn network_identifiers() {
    let daemon = Daemon::bare();
    let mut table = Table::new("§1.2 network identifiers");
    let id = daemon.network(json!({"name": "lan", "subnet": "10.7.0.0/24"}));
    for identifier in [id.as_str(), &id[..1], &id[..11], "lan"] {
        table.row(identifier, || {
            let shown = daemon.show(&format!("/networks/{identifier}/inspect"));
            assert_eq!(shown["network"]["id"], id.as_str());
        });
    }
    table.row("a name that begins an id can be taken", || {
        let other = daemon.network(json!({"name": &id[..4], "subnet": "10.8.0.0/24"}));
        let shown = daemon.show(&format!("/networks/{}/inspect", &id[..4]));
        assert_eq!(shown["network"]["id"], other.as_str());
    });
}

#[test]
fn image_identifiers() {
    let daemon = Daemon::bare();
    let mut table = Table::new("§1.2 image identifiers");
    let one = daemon.image("base");
    let two = daemon.image("base:two");
    let found = |what: &str| daemon.get(&format!("/images/{what}/inspect"));
    for (what, id) in [
        (one.as_str(), &one),
        (&one[..11], &one),
        ("base", &one),
        ("base:latest", &one),
        ("base:two", &two),
    ] {
        table.row(what, || assert_eq!(found(what).success(200)["id"], id.as_str()));
    }
    for what in [
        "base:three",
        "other",
        "base:",
        ":latest",
        ":",
        "base:two:x",
        "base@image",
        "%40",
    ] {
        table.row(what, || {
            assert_eq!(found(what).failure(), failure(404, "image not found"))
        });
    }
    table.row("untagged images have no name to be found by", || {
        assert_eq!(daemon.post("/images/base:two/tag?nametag=").id(200), two);
        for what in [":", ":latest", "base:two"] {
            assert_eq!(found(what).failure(), failure(404, "image not found"), "{what}");
        }
    });
}

#[test]
fn volume_identifiers() {
    let daemon = Daemon::bare();
    daemon.volume("data");
    let mut table = Table::new("§1.2 volume identifiers");
    table.row("exact name only", || {
        assert_eq!(daemon.show("/volumes/data/inspect")["volume"]["name"], "data");
        for part in ["dat", "Data", "data2", "d"] {
            assert_eq!(
                daemon.get(&format!("/volumes/{part}/inspect")).failure(),
                failure(404, "No such volume")
            );
        }
    });
}
