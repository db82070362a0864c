//! Contract §6, §9 and §10.

use std::fs;

use serde_json::{Value, json};

use crate::client::{Close, failure};
use crate::daemon::Daemon;

const STARTING: &str = r#"{"data":"","message":"","msg_type":"starting"}"#;

#[tokio::test]
async fn a_base_image_is_created_listed_and_inspected() {
    let daemon = Daemon::bare();
    let config = json!({"method": "host", "programs": ["/bin/true"], "tag": "base:1", "dns": false, "localtime": false});
    let (texts, close) = daemon.converse("/images/create", config).await.hear_out().await;
    assert_eq!(texts[0], STARTING);
    assert!(texts[1..].iter().all(|line| line.ends_with('\n')), "{texts:?}");
    assert_eq!(
        (close.code, &close.reason["message"]),
        (1000, &json!("image created"))
    );

    let id = close.reason["data"].as_str().unwrap();
    let list = daemon.get("/images/list").await.json();
    assert_eq!(
        (&list[0]["id"], &list[0]["name"], &list[0]["tag"]),
        (&json!(id), &json!("base"), &json!("1"))
    );
    // It may have been measured meanwhile.
    let unmeasured = |mut image: Value| {
        image.as_object_mut().unwrap().remove("size");
        image
    };
    assert_eq!(
        unmeasured(daemon.get("/images/base:1/inspect").await.json()),
        unmeasured(list[0].clone())
    );
}

#[tokio::test]
async fn a_base_image_that_fails_says_why_in_full() {
    let daemon = Daemon::bare();
    let program = format!("/nonexistent/{}", "long".repeat(40));
    let config = json!({"method": "host", "programs": [program]});
    let (texts, close) = daemon.converse("/images/create", config).await.hear_out().await;
    assert_eq!(texts[0], STARTING);
    assert!(texts[1].contains(&program), "{texts:?}");
    assert_eq!(close.code, 1011);
    assert_eq!(close.reason["msg_type"], "error");
    assert!(
        close.reason["message"]
            .as_str()
            .unwrap()
            .starts_with("image creation failed: ")
    );
    assert_eq!(daemon.get("/images/list").await.json(), json!([]));
}

#[tokio::test]
async fn a_wrong_opening_has_its_reason_in_a_frame() {
    let daemon = Daemon::bare();
    let refused = |message: &str| Close {
        code: 1002,
        reason: json!({"data": "", "message": message, "msg_type": "error"}),
    };
    let (texts, close) = daemon
        .converse("/images/create", json!({"method": "git"}))
        .await
        .hear_out()
        .await;
    assert_eq!(
        (texts, close),
        (
            vec!["Invalid value for enum".to_owned()],
            refused("invalid parameters")
        )
    );
    let config = json!({"context": "/", "container_config": "x"});
    let (texts, close) = daemon.converse("/images/build", config).await.hear_out().await;
    assert_eq!(
        (texts, close),
        (
            vec!["Invalid object. Got: string".to_owned()],
            refused("invalid parameters")
        )
    );
    let (_, close) = daemon.converse_raw("/images/build", "{").await.hear_out().await;
    assert_eq!(close, refused("invalid json"));
}

#[tokio::test]
async fn an_image_is_tagged_and_untagged() {
    let daemon = Daemon::bare();
    let id = daemon.image("base").await;
    assert_eq!(daemon.post("/images/base/tag?nametag=other:2").await.id(200), id);
    assert_eq!(daemon.get("/images/other:2/inspect").await.json()["tag"], "2");
    assert_eq!(daemon.post("/images/other:2/tag?nametag=").await.id(200), id);
    assert_eq!(
        daemon.get(&format!("/images/{id}/inspect")).await.json()["name"],
        ""
    );
    let missing = daemon.post("/images/x/tag").await.mistake();
    assert_eq!(
        missing,
        ("/nametag".to_owned(), "Missing field: nametag".to_owned())
    );
}

#[tokio::test]
async fn removing_an_image_answers_with_what_was_given() {
    let daemon = Daemon::bare();
    daemon.image("base").await;
    assert_eq!(daemon.delete("/images/base:latest").await.id(200), "base:latest");
    let unknown = daemon.delete("/images/base").await;
    assert_eq!(unknown.failure(), failure(404, "Error: No such image: base\n"));
}

#[tokio::test]
async fn an_image_with_containers_is_not_removed() {
    let daemon = Daemon::bare();
    let image = daemon.image("base").await;
    let container = daemon.container("box", "base", &["true"]).await;
    let message = format!("could not remove image {image} since it is used for containers:\n{container}");
    assert_eq!(
        daemon.delete("/images/base").await.failure(),
        failure(404, &message)
    );
}

#[tokio::test]
async fn pruning_spares_what_has_a_name_unless_told_otherwise() {
    let daemon = Daemon::bare();
    let named = daemon.image("base").await;
    let nameless = daemon.image("").await;
    assert_eq!(
        daemon.post("/images/prune?all=false").await.json(),
        json!([nameless])
    );
    assert_eq!(daemon.post("/images/prune?all=true").await.json(), json!([named]));
    assert_eq!(
        daemon.post("/images/prune").await.mistake().1,
        "Missing field: all"
    );
}

#[tokio::test]
async fn an_unknown_image_is_not_found() {
    let daemon = Daemon::bare();
    assert_eq!(
        daemon.get("/images/x/inspect").await.failure(),
        failure(404, "image not found")
    );
    assert_eq!(
        daemon.post("/images/x/tag?nametag=y").await.failure(),
        failure(404, "image not found")
    );
}

#[tokio::test]
async fn an_image_is_built_from_a_dockerfile() {
    let daemon = Daemon::start();
    daemon.image("base").await;
    let context = tempfile::tempdir().unwrap();
    fs::write(
        context.path().join("Dockerfile"),
        "FROM base\nRUN echo hello\nCMD [\"true\"]\n",
    )
    .unwrap();
    let config =
        json!({"context": context.path(), "container_config": {"network_driver": "host"}, "tag": "built:1"});
    let (texts, close) = daemon.converse("/images/build", config).await.hear_out().await;
    assert_eq!(close.code, 1000, "{texts:?} {close:?}");
    assert_eq!(close.reason["message"], "image created");
    let id = close.reason["data"].as_str().unwrap();
    assert_eq!(
        texts[0],
        format!(r#"{{"data":"{id}","message":"","msg_type":"starting"}}"#)
    );
    assert_eq!(texts[1], "Step 1/3 : FROM base");
    assert_eq!(texts[2], "Step 2/3 : RUN echo hello");
    assert_eq!(texts[3], "hello\n");
    assert!(texts[4].starts_with("--> Snapshot created: @"), "{texts:?}");
    assert_eq!(texts[5], "Step 3/3 : CMD [\"true\"]");
    assert_eq!(
        daemon.get("/images/built:1/inspect").await.json()["cmd"],
        json!(["true"])
    );
}

#[tokio::test]
async fn a_missing_dockerfile_is_told_before_anything_begins() {
    let daemon = Daemon::start();
    let context = tempfile::tempdir().unwrap();
    let config = json!({"context": context.path(), "container_config": {}});
    let (texts, close) = daemon.converse("/images/build", config).await.hear_out().await;
    assert_eq!(texts.len(), 2);
    assert_eq!(texts[0], STARTING);
    assert_eq!(close.code, 1011);
    assert_eq!(close.reason["message"], "failed to process Dockerfile");
}
