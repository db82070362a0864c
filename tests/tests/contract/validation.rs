//! §3: schema failures, for every field of every body.

use kleene_tests::Table;
use kleene_tests::wire::original_request;
use serde_json::{Value, json};

use crate::daemon::{Daemon, merged};

/// A field as the contract's tables have it: name, type, whether null is allowed.
type Field = (&'static str, &'static str, bool);

const CONTAINER: &[Field] = &[
    ("name", "string", true),
    ("image", "string", true),
    ("cmd", "array", true),
    ("user", "string", true),
    ("env", "array", true),
    ("mounts", "array", true),
    ("jail_param", "array", true),
    ("network_driver", "string", false),
    ("public_ports", "array", true),
    ("restart_policy", "string", true),
    ("persist", "boolean", true),
];
const EXEC: &[Field] = &[
    ("container_id", "string", false),
    ("cmd", "array", false),
    ("env", "array", false),
    ("user", "string", false),
    ("tty", "boolean", false),
];
const NETWORK: &[Field] = &[
    ("name", "string", false),
    ("type", "string", false),
    ("interface", "string", false),
    ("subnet", "string", false),
    ("subnet6", "string", false),
    ("gateway", "string", false),
    ("gateway6", "string", false),
    ("nat", "string", false),
    ("icc", "boolean", false),
    ("internal", "boolean", false),
];
const ENDPOINT: &[Field] = &[
    ("container", "string", false),
    ("network", "string", false),
    ("ip_address", "string", false),
    ("ip_address6", "string", false),
];
const VOLUME: &[Field] = &[("name", "string", false)];

/// Path, fields, and a body that would do.
fn bodies() -> Vec<(&'static str, &'static [Field], Value)> {
    vec![
        ("/containers/create", CONTAINER, json!({"image": "none"})),
        ("/containers/none/update", CONTAINER, json!({})),
        ("/exec/create", EXEC, json!({"container_id": "none"})),
        (
            "/networks/create",
            NETWORK,
            json!({"name": "n", "type": "bridge", "subnet": "wrong"}),
        ),
        (
            "/networks/connect",
            ENDPOINT,
            json!({"container": "none", "network": "none"}),
        ),
        ("/volumes/create", VOLUME, json!({"name": "-"})),
    ]
}

fn one_of_each() -> [(&'static str, Value); 6] {
    [
        ("string", json!("perhaps")),
        ("integer", json!(7)),
        ("number", json!(7.5)),
        ("boolean", json!(true)),
        ("array", json!([])),
        ("object", json!({})),
    ]
}

#[test]
fn every_field_of_every_body() {
    let daemon = Daemon::bare();
    let mut table = Table::new("§3 every field of every body");
    for (path, fields, good) in bodies() {
        let mistakes = |body: Value| daemon.send(path, &body).mistakes();
        for &(name, kind, nullable) in fields {
            let at = |detail: String| vec![(format!("/{name}"), detail)];
            table.row(&format!("{path} {name}: null"), || {
                let body = merged(good.clone(), json!({name: null}));
                if nullable {
                    assert_ne!(daemon.send(path, &body).status, 422);
                } else {
                    assert_eq!(mistakes(body), at(format!("null value where {kind} expected")));
                }
            });
            for (actual, value) in one_of_each() {
                if actual == kind {
                    continue;
                }
                table.row(&format!("{path} {name}: {actual}"), || {
                    let body = merged(good.clone(), json!({name: value}));
                    assert_eq!(mistakes(body), at(format!("Invalid {kind}. Got: {actual}")));
                });
            }
        }
        for (actual, value) in one_of_each()
            .into_iter()
            .filter(|(actual, _)| *actual != "object")
        {
            table.row(&format!("{path}: {actual} for the whole body"), || {
                assert_eq!(
                    mistakes(value),
                    [("/".to_owned(), format!("Invalid object. Got: {actual}"))]
                );
            });
        }
        table.row(&format!("{path}: unknown fields are ignored"), || {
            let body = merged(good.clone(), json!({"container_": "x", "surprise": [1, null]}));
            assert_ne!(daemon.send(path, &body).status, 422);
        });
        table.row(&format!("{path}: without a media type"), || {
            let request = format!("POST {path} HTTP/1.1\r\nhost: localhost\r\ncontent-length: 2\r\n\r\n{{}}");
            let expected = vec![("/".to_owned(), "Missing header: content-type".to_owned())];
            assert_eq!(daemon.exchange(request.as_bytes()).mistakes(), expected);
        });
        table.row(&format!("{path}: with another kind of JSON"), || {
            let request = format!(
                "POST {path} HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/hal+json\r\ncontent-length: 2\r\n\r\n{{}}"
            );
            let expected = vec![("/".to_owned(), "Invalid value for header: content-type".to_owned())];
            assert_eq!(daemon.exchange(request.as_bytes()).mistakes(), expected);
        });
    }
}

#[test]
fn schema_failures() {
    let daemon = Daemon::bare();
    let mut table = Table::new("§3 situations");
    let mistakes = |path: &str, body: Value| daemon.send(path, &body).mistakes();
    let mut row = |name: &str, path: &str, body: Value, expected: &[(&str, &str)]| {
        table.row(name, || {
            let expected: Vec<_> = expected
                .iter()
                .map(|&(at, what)| (at.to_owned(), what.to_owned()))
                .collect();
            assert_eq!(mistakes(path, body), expected);
        });
    };
    row(
        "required field absent, one error per field",
        "/networks/create",
        json!({}),
        &[("/name", "Missing field: name"), ("/type", "Missing field: type")],
    );
    row(
        "absence is checked before types",
        "/networks/create",
        json!({"name": 1, "icc": 1}),
        &[("/type", "Missing field: type")],
    );
    row(
        "endpoint",
        "/networks/connect",
        json!({}),
        &[
            ("/container", "Missing field: container"),
            ("/network", "Missing field: network"),
        ],
    );
    row(
        "volume",
        "/volumes/create",
        json!({}),
        &[("/name", "Missing field: name")],
    );
    row(
        "value not in enum: network_driver",
        "/containers/create",
        json!({"network_driver": "bridge"}),
        &[("/network_driver", "Invalid value for enum")],
    );
    row(
        "value not in enum: restart_policy",
        "/containers/create",
        json!({"restart_policy": "always"}),
        &[("/restart_policy", "Invalid value for enum")],
    );
    row(
        "value not in enum: type",
        "/networks/create",
        json!({"name": "n", "type": "vlan"}),
        &[("/type", "Invalid value for enum")],
    );
    row(
        "string too long",
        "/networks/create",
        json!({"name": "n", "type": "bridge", "interface": "sixteen__letters"}),
        &[("/interface", "String length is larger than maxLength: 15")],
    );
    row(
        "list indices are numbers",
        "/containers/create",
        json!({"cmd": ["ls", 1, null]}),
        &[
            ("/cmd/1", "Invalid string. Got: integer"),
            ("/cmd/2", "null value where string expected"),
        ],
    );
    row(
        "published ports",
        "/containers/create",
        json!({"public_ports": [{"host_port": 80, "container_port": "80", "interfaces": [], "protocol": "sctp"}, {}]}),
        &[
            ("/public_ports/0/host_port", "Invalid string. Got: integer"),
            ("/public_ports/0/protocol", "Invalid value for enum"),
            ("/public_ports/1/container_port", "Missing field: container_port"),
            ("/public_ports/1/host_port", "Missing field: host_port"),
            ("/public_ports/1/interfaces", "Missing field: interfaces"),
        ],
    );
    row(
        "a word that is no boolean",
        "/containers/create",
        json!({"persist": "yes"}),
        &[("/persist", "Invalid boolean. Got: string")],
    );
    table.row("booleans may be the strings true and false", || {
        for word in ["true", "false"] {
            let body = json!({"persist": word, "image": "none"});
            assert_eq!(
                daemon.send("/containers/create", &body).failure().0,
                404,
                "{word}"
            );
        }
    });
    table.row("the form to the letter", || {
        let answer = daemon.send("/volumes/create", &json!({"name": null}));
        assert_eq!(
            answer.text(),
            r#"{"errors":[{"title":"Invalid value","source":{"pointer":"/name"},"detail":"null value where string expected"}]}"#
        );
    });
    table.row("query before body", || {
        let request = original_request("POST", "/images/x/tag?tag=1", Some("{"));
        assert_eq!(daemon.exchange(&request).mistakes()[0].0, "/tag");
    });
    table.row("required query parameters", || {
        let missing = |path: &str| daemon.post(path).mistakes();
        let field = |name: &str| (format!("/{name}"), format!("Missing field: {name}"));
        assert_eq!(missing("/images/prune"), [field("all")]);
        assert_eq!(missing("/images/x/tag"), [field("nametag")]);
        assert_eq!(
            missing("/exec/0123456789ab/stop"),
            [field("force_stop"), field("stop_container")]
        );
    });
}
