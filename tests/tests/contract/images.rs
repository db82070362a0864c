//! §6: images.

use kleene_tests::Table;
use serde_json::{Value, json};

use crate::daemon::{Daemon, failure};

fn ids(list: &Value) -> Vec<String> {
    list.as_array()
        .unwrap()
        .iter()
        .map(|id| id.as_str().unwrap().to_owned())
        .collect()
}

#[test]
fn list_inspect_tag() {
    let daemon = Daemon::bare();
    let mut table = Table::new("§6 list, inspect, tag");
    let one = daemon.image("one");
    let two = daemon.image("two:1.0");
    let tag = |image: &str, nametag: &str| daemon.post(&format!("/images/{image}/tag?nametag={nametag}"));
    let names = |image: &str| {
        let image = daemon.show(&format!("/images/{image}/inspect"));
        (
            image["name"].as_str().unwrap().to_owned(),
            image["tag"].as_str().unwrap().to_owned(),
        )
    };
    let pair = |name: &str, tag: &str| (name.to_owned(), tag.to_owned());

    table.row("list: the newest first", || {
        assert_eq!(daemon.column("/images/list", "id"), [two.clone(), one.clone()]);
    });
    table.row("inspect: unknown", || {
        assert_eq!(
            daemon.get("/images/none/inspect").failure(),
            failure(404, "image not found")
        );
    });
    table.row("tag: unknown", || {
        assert_eq!(tag("none", "x").failure(), failure(404, "image not found"))
    });
    table.row("tag: name", || {
        assert_eq!(tag("one", "first").id(200), one);
        assert_eq!(names(&one), pair("first", "latest"));
    });
    table.row("tag: name and tag", || {
        assert_eq!(tag(&one[..11], "first:2").id(200), one);
        assert_eq!(names(&one), pair("first", "2"));
    });
    table.row("tag: what another image has, it loses", || {
        assert_eq!(tag(&one, "two:1.0").id(200), one);
        assert_eq!(names(&one), pair("two", "1.0"));
        assert_eq!(names(&two), pair("", ""));
    });
    table.row("tag: what it has already", || {
        assert_eq!(tag(&one, "two:1.0").id(200), one);
        assert_eq!(names(&one), pair("two", "1.0"));
    });
    table.row("tag: empty takes it away, from several images", || {
        for image in [&one, &two] {
            assert_eq!(tag(image, "").id(200), *image);
            assert_eq!(names(image), pair("", ""));
        }
    });
    table.row("tag: more than one colon, and other nonsense", || {
        for nametag in ["a:b:c", ":", "a:", ":b", "a%20b", "a%2Fb", "-a", "a%0A"] {
            assert_eq!(tag(&one, nametag).failure().0, 404, "{nametag}");
        }
        assert_eq!(names(&one), pair("", ""));
    });
    table.row("tag: words that read like booleans", || {
        assert_eq!(tag(&one, "true").id(200), one);
        assert_eq!(names(&one), pair("true", "latest"));
    });
}

#[test]
fn remove() {
    let daemon = Daemon::with_image();
    let mut table = Table::new("§6 DELETE /images/{id}");
    let id = daemon.show("/images/minimal/inspect")["id"]
        .as_str()
        .unwrap()
        .to_owned();

    table.row("unknown", || {
        assert_eq!(
            daemon.delete("/images/none").failure(),
            failure(404, "Error: No such image: none\n")
        );
        assert_eq!(
            daemon.delete("/images/a%2Fb:c").failure(),
            failure(404, "Error: No such image: a/b:c\n")
        );
    });
    table.row("used for images", || {
        let children = [
            daemon.built("FROM minimal\n", "a"),
            daemon.built("FROM minimal\nRUN /bin/true\n", "b"),
        ];
        let (status, message) = daemon.delete("/images/minimal").failure();
        let mut lines: Vec<_> = message.split('\n').collect();
        assert_eq!(
            lines.remove(0),
            format!("could not remove image {id} since it is used for images:")
        );
        lines.sort_unstable();
        let mut expected = children.to_vec();
        expected.sort_unstable();
        assert_eq!(
            (status, lines),
            (404, expected.iter().map(String::as_str).collect())
        );
    });
    table.row(
        "used for containers, which takes precedence, also through child images",
        || {
            let container = daemon.container("child", json!({"image": "a"}));
            let message =
                format!("could not remove image {id} since it is used for containers:\n{container}");
            assert_eq!(daemon.delete("/images/minimal").failure(), failure(404, &message));
            let own = daemon.container("own", json!({}));
            let (_, message) = daemon.delete("/images/minimal").failure();
            assert!(
                message.contains(&container) && message.contains(&own),
                "{message}"
            );
        },
    );
    table.row("answers the identifier as given", || {
        for container in ["child", "own"] {
            assert_eq!(daemon.delete(&format!("/containers/{container}")).status, 200);
        }
        assert_eq!(daemon.delete("/images/a:latest").id(200), "a:latest");
        assert_eq!(daemon.delete("/images/b").id(200), "b");
        assert_eq!(
            daemon.delete(&format!("/images/{}", &id[..11])).id(200),
            &id[..11]
        );
        assert_eq!(daemon.get("/images/list").text(), "[]");
    });
}

#[test]
fn prune() {
    let daemon = Daemon::with_image();
    let mut table = Table::new("§6 POST /images/prune");
    let base = daemon.show("/images/minimal/inspect")["id"]
        .as_str()
        .unwrap()
        .to_owned();
    let parent = daemon.built("FROM minimal\nENV AA=1\n", "parent");
    let child = daemon.built("FROM parent\nENV BB=1\n", "child");
    let other = daemon.built("FROM minimal\n", "other");
    daemon.container("box", json!({"image": "other"}));
    let prune = |all: bool| ids(&daemon.post(&format!("/images/prune?all={all}")).success(200));

    table.row("nothing is untagged", || assert!(prune(false).is_empty()));
    table.row("untagged images of which nothing was made", || {
        assert_eq!(daemon.post("/images/parent/tag?nametag=").id(200), parent);
        assert!(prune(false).is_empty(), "it has a child");
        assert_eq!(daemon.post("/images/other/tag?nametag=").id(200), other);
        assert!(prune(false).is_empty(), "it has a container");
        assert_eq!(daemon.post("/images/child/tag?nametag=").id(200), child);
        assert_eq!(prune(false), [parent.clone(), child.clone()], "parents first");
    });
    table.row(
        "all: what has no container, in later passes what has no child any more",
        || {
            let parent = daemon.built("FROM minimal\n", "parent");
            let child = daemon.built("FROM parent\n", "child");
            assert_eq!(prune(true), [parent, child]);
            assert_eq!(daemon.column("/images/list", "id"), [other.clone(), base.clone()]);
            assert_eq!(daemon.delete("/containers/box").status, 200);
            assert_eq!(prune(true), [base.clone(), other.clone()]);
            assert_eq!(daemon.get("/images/list").text(), "[]");
        },
    );
    table.row("all is exactly true or false", || {
        for query in ["", "?all=", "?all=1", "?all=True"] {
            assert_eq!(
                daemon.post(&format!("/images/prune{query}")).status,
                422,
                "{query}"
            );
        }
    });
}
