//! Contract §1 and §3: what holds for every endpoint.

use tokio::time::Instant;
use tokio_tungstenite::tungstenite::Message;

use crate::client::{Client, failure};
use crate::daemon::Daemon;

#[tokio::test]
async fn unknown_routes_and_wrong_methods_are_plain_text() {
    let daemon = Daemon::bare();
    let strangers = [
        ("GET", "/"),
        ("GET", "/version"),
        ("GET", "/containers/create"),
        ("PUT", "/containers/list"),
        ("HEAD", "/containers/list"),
        ("PATCH", "/volumes/x"),
        ("GET", "/containers/x/inspect/more"),
    ];
    for (method, path) in strangers {
        let answer = daemon.request(method, path, None).await;
        assert_eq!(answer.status, 404, "{method} {path}");
        let expected = if method == "HEAD" { "" } else { "not found" };
        assert_eq!(answer.text, expected, "{method} {path}");
    }
}

#[tokio::test]
async fn empty_segments_of_a_path_are_dropped() {
    let daemon = Daemon::bare();
    assert_eq!(daemon.get("//containers///list/?all=true").await.status, 200);
}

#[tokio::test]
async fn identifiers_are_percent_decoded_even_with_a_slash() {
    let daemon = Daemon::bare();
    let answer = daemon.delete("/images/a%2Fb%3Ac").await;
    assert_eq!(answer.failure(), failure(404, "Error: No such image: a/b:c\n"));
}

#[tokio::test]
async fn an_identifier_that_is_not_utf8_is_unknown() {
    let daemon = Daemon::bare();
    let image = daemon.get("/images/%ff/inspect").await;
    assert_eq!(image.failure(), failure(404, "image not found"));
    let volume = daemon.delete("/volumes/a%C3").await;
    assert_eq!(volume.failure(), failure(404, "No such volume"));
    assert_eq!(daemon.get("/%fe").await.text, "not found");
}

#[tokio::test]
async fn web_pages_are_refused() {
    let daemon = Daemon::bare();
    let mut client = Client::connect(&daemon.server()).await;
    assert_eq!(client.request_of_a_page("/containers/prune").await, 403);
    assert_eq!(
        client.request("POST", "/containers/prune", None).await.status,
        200
    );
}

#[tokio::test]
async fn one_connection_serves_many_requests_also_after_failures() {
    let daemon = Daemon::bare();
    let mut client = Client::connect(&daemon.server()).await;
    for (method, path, status) in [
        ("GET", "/containers/list", 200),
        ("GET", "/nowhere", 404),
        ("POST", "/containers/create", 422),
        ("DELETE", "/containers/x", 404),
        ("GET", "/exec/start", 426),
        ("GET", "/volumes/list", 200),
    ] {
        assert_eq!(
            client.request(method, path, None).await.status,
            status,
            "{method} {path}"
        );
    }
}

#[tokio::test]
async fn an_object_may_be_called_like_a_word_of_the_interface() {
    let daemon = Daemon::bare();
    assert_eq!(
        daemon.delete("/containers/list").await.failure(),
        failure(404, "no such container")
    );
}

#[tokio::test]
async fn success_is_json_without_a_charset() {
    let daemon = Daemon::bare();
    let answer = daemon.get("/containers/list").await;
    assert_eq!(answer.content_type(), "application/json");
    assert_eq!(answer.text, "[]");
}

#[tokio::test]
async fn malformed_json_is_a_400_with_a_message() {
    let daemon = Daemon::bare();
    let answer = daemon
        .request("POST", "/volumes/create", Some(("application/json", "{")))
        .await;
    let (status, message) = answer.failure();
    assert_eq!(status, 400);
    assert!(message.starts_with("the body is not JSON"), "{message}");
}

#[tokio::test]
async fn another_media_type_is_a_415() {
    let daemon = Daemon::bare();
    let answer = daemon
        .request("POST", "/volumes/create", Some(("text/xml", "<name/>")))
        .await;
    assert_eq!(
        answer.failure(),
        failure(415, "'text/xml' is not supported, send application/json")
    );
}

#[tokio::test]
async fn a_missing_media_type_is_a_schema_error() {
    let daemon = Daemon::bare();
    let (pointer, detail) = daemon.post("/volumes/create").await.mistake();
    assert_eq!(
        (pointer.as_str(), detail.as_str()),
        ("/", "Missing header: content-type")
    );
}

#[tokio::test]
async fn more_than_eight_megabytes_are_a_413() {
    let daemon = Daemon::bare();
    let body = format!(r#"{{"name":"{}"}}"#, "x".repeat(8_000_000));
    let answer = daemon
        .request("POST", "/volumes/create", Some(("application/json", &body)))
        .await;
    assert_eq!(
        answer.failure(),
        failure(413, "the body is larger than 8000000 bytes")
    );
}

#[tokio::test]
async fn schema_errors_have_the_contracts_form_to_the_letter() {
    let daemon = Daemon::bare();
    let answer = daemon
        .request("POST", "/volumes/create", Some(("application/json", "{}")))
        .await;
    assert_eq!(
        answer.text,
        r#"{"errors":[{"title":"Invalid value","source":{"pointer":"/name"},"detail":"Missing field: name"}]}"#
    );
    assert_eq!(answer.mistake().0, "/name");
}

#[tokio::test]
async fn undeclared_query_parameters_are_refused_where_some_are_declared() {
    let daemon = Daemon::bare();
    let (pointer, detail) = daemon.get("/containers/list?al=true").await.mistake();
    assert_eq!(
        (pointer.as_str(), detail.as_str()),
        ("/al", "Unexpected field: al")
    );
    assert_eq!(daemon.get("/images/list?al=true").await.status, 200);
}

#[tokio::test]
async fn websocket_endpoints_want_an_upgrade() {
    let daemon = Daemon::bare();
    for path in ["/exec/start", "/images/build", "/images/create"] {
        let answer = daemon.get(path).await;
        assert_eq!(answer.failure().0, 426, "{path}");
        assert_eq!(answer.headers["upgrade"], "websocket");
    }
}

#[tokio::test]
async fn conversations_without_a_word_from_the_client_end_after_a_minute() {
    let daemon = Daemon::bare();
    for path in ["/exec/start", "/images/build", "/images/create"] {
        let mut conversation = daemon.open(path).await;
        tokio::time::pause();
        let began = Instant::now();
        let Message::Close(Some(frame)) = conversation.wait().await else {
            panic!("{path} said something");
        };
        let took = began.elapsed().as_secs();
        tokio::time::resume();
        assert_eq!(
            (u16::from(frame.code), frame.reason.as_str()),
            (1000, ""),
            "{path}"
        );
        assert!((59..=61).contains(&took), "{path}: {took} s");
    }
}
