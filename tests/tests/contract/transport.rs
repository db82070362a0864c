//! §1: what holds for every endpoint.

use std::io::{BufReader, Write};

use kleene_tests::Table;
use kleene_tests::wire::{Answer, original_request};
use serde_json::json;

use crate::daemon::Daemon;

#[test]
fn transport_rules() {
    let daemon = Daemon::bare();
    daemon.volume("data");
    let mut table = Table::new("§1 transport rules");

    table.row("success content type", || {
        let answer = daemon.get("/volumes/list");
        assert_eq!(
            (answer.status, answer.header("content-type")),
            (200, Some("application/json"))
        );
    });
    table.row("unknown route", || {
        for path in [
            "/",
            "/version",
            "/containers",
            "/containers/x/y/z",
            "/volumes/list/more",
            "/execs/list",
        ] {
            let answer = daemon.get(path);
            assert_eq!(
                (answer.status, answer.text().as_str()),
                (404, "not found"),
                "{path}"
            );
        }
    });
    table.row("wrong method", || {
        for (method, path) in [
            ("PUT", "/containers/list"),
            ("PATCH", "/volumes/data"),
            ("OPTIONS", "/volumes/list"),
            ("POST", "/images/list"),
            ("GET", "/containers/create"),
            ("GET", "/containers/prune"),
            ("DELETE", "/containers/x/inspect"),
            ("POST", "/exec/start"),
            ("BREW", "/volumes/list"),
        ] {
            let answer = daemon.request(method, path);
            assert_eq!(
                (answer.status, answer.text().as_str()),
                (404, "not found"),
                "{method} {path}"
            );
        }
    });
    table.row("also HEAD", || {
        let answer = daemon.request("HEAD", "/volumes/list");
        assert_eq!((answer.status, answer.body.len()), (404, 0));
    });
    table.row("malformed JSON body", || {
        for body in ["{", "{\"name\":}", "{\"name\":\"a\"} x", "name", "\u{feff}{}"] {
            let answer = daemon.exchange(&original_request("POST", "/volumes/create", Some(body)));
            assert_eq!(answer.failure().0, 400, "{body}");
        }
    });
    table.row("other media type", || {
        let request = b"POST /volumes/create HTTP/1.1\r\nhost: localhost\r\ncontent-type: text/plain\r\ncontent-length: 2\r\n\r\n{}";
        assert_eq!(daemon.exchange(request).failure().0, 415);
    });
    table.row("parameters of the media type are ignored", || {
        let request = b"POST /volumes/create HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json; charset=utf-8\r\ncontent-length: 15\r\n\r\n{\"name\":\"data\"}";
        assert_eq!(daemon.exchange(request).id(201), "data");
    });
    table.row("body larger than 8 MB", || {
        let body = format!(r#"{{"name":"{}"}}"#, "x".repeat(8_000_000));
        let answer = daemon.exchange(&original_request("POST", "/volumes/create", Some(&body)));
        assert_eq!(answer.failure().0, 413);
    });
    table.row("body of just below 8 MB", || {
        let body = format!(r#"{{"name":"data","more":"{}"}}"#, "x".repeat(7_900_000));
        let answer = daemon.exchange(&original_request("POST", "/volumes/create", Some(&body)));
        assert_eq!(answer.id(201), "data");
    });
    table.row("error body", || {
        assert_eq!(
            daemon.get("/volumes/none/inspect").text(),
            r#"{"message":"No such volume"}"#
        );
    });
    table.row("id body", || {
        assert_eq!(
            daemon.send("/volumes/create", &json!({"name": "data"})).text(),
            r#"{"id":"data"}"#
        );
    });
    table.row("id-list body", || {
        assert_eq!(daemon.post("/containers/prune").text(), "[]");
    });
    table.row("path segments are percent-decoded", || {
        assert_eq!(
            daemon.get("/volumes/d%61t%61/inspect").success(200)["volume"]["name"],
            "data"
        );
    });
    table.row("empty segments are dropped", || {
        assert_eq!(daemon.get("//volumes///data//inspect/").status, 200);
    });
    table.row("an identifier that is no text is unknown", || {
        for (method, path) in [
            ("GET", "/volumes/%ff/inspect"),
            ("DELETE", "/containers/%c3"),
            ("POST", "/networks/%ff/disconnect/x"),
        ] {
            assert_eq!(daemon.request(method, path).failure().0, 404, "{path}");
        }
    });
    table.row("unknown query parameter where parameters are declared", || {
        let paths = [
            ("GET", "/containers/list?al=true"),
            ("POST", "/images/prune?all=true&al=1"),
            ("POST", "/images/x/tag?nametag=y&al"),
            (
                "POST",
                "/exec/0123456789ab/stop?force_stop=true&stop_container=true&al=x",
            ),
        ];
        for (method, path) in paths {
            let expected = vec![("/al".to_owned(), "Unexpected field: al".to_owned())];
            assert_eq!(daemon.request(method, path).mistakes(), expected, "{path}");
        }
    });
    table.row("unknown query parameter where none are declared", || {
        for path in [
            "/volumes/list?al=true",
            "/images/list?x",
            "/networks/list?a=1&a=2",
            "/volumes/data/inspect?y=z",
        ] {
            assert_eq!(daemon.get(path).status, 200, "{path}");
        }
        assert_eq!(daemon.post("/containers/prune?all=perhaps").status, 200);
    });
    table.row("boolean query parameter", || {
        for word in ["True", "FALSE", "1", "", "yes", "true%20"] {
            let expected = vec![("/all".to_owned(), "Invalid boolean. Got: string".to_owned())];
            assert_eq!(
                daemon.get(&format!("/containers/list?all={word}")).mistakes(),
                expected,
                "{word}"
            );
        }
        for word in ["true", "false"] {
            assert_eq!(
                daemon.get(&format!("/containers/list?all={word}")).status,
                200,
                "{word}"
            );
        }
    });
    table.row("keep-alive is offered", || {
        let mut stream = daemon.open().unwrap();
        for _ in 0..3 {
            stream
                .write_all(&original_request("GET", "/volumes/list", None))
                .unwrap();
            let answer = Answer::read(&mut BufReader::new(&stream), true).unwrap();
            assert_eq!(answer.status, 200);
        }
    });
    table.row("requests are served in parallel", || {
        let _waits = daemon.converse("/exec/start");
        let mut half = daemon.open().unwrap();
        half.write_all(b"POST /volumes/create HTTP/1.1\r\nhost: localhost\r\n")
            .unwrap();
        assert_eq!(daemon.get("/volumes/list").status, 200);
    });
}
