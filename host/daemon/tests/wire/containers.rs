//! Contract §4.

use serde_json::json;

use crate::client::failure;
use crate::daemon::Daemon;

#[tokio::test]
async fn a_container_is_created_listed_and_inspected() {
    let daemon = Daemon::bare();
    let image = daemon.image("base:1").await;
    let id = daemon.container("web", "base:1", &["echo", "hello"]).await;

    assert_eq!(daemon.get("/containers/list").await.json(), json!([]));
    let list = daemon.get("/containers/list?all=true").await.json();
    assert_eq!(list[0]["id"], *id);
    assert_eq!(
        (&list[0]["image_name"], &list[0]["image_tag"]),
        (&json!("base"), &json!("1"))
    );
    assert_eq!(list[0]["jid"], json!(null));

    let inspected = daemon
        .get(&format!("/containers/{}/inspect", &id[..5]))
        .await
        .json();
    let container = &inspected["container"];
    assert_eq!(container["name"], "web");
    assert_eq!(container["cmd"], json!(["echo", "hello"]));
    assert_eq!(container["image_id"], *image);
    assert_eq!(container["network_driver"], "host");
    assert_eq!(container["running"], false);
    assert_eq!(inspected["container_endpoints"], json!([]));
    assert_eq!(inspected["container_mountpoints"], json!([]));
}

#[tokio::test]
async fn an_unknown_image_is_named_as_it_was_given() {
    let daemon = Daemon::bare();
    let answer = daemon
        .send(
            "/containers/create",
            json!({"image": "nope:1@snap", "cmd": ["ls"]}),
        )
        .await;
    assert_eq!(answer.failure(), failure(404, "no such image 'nope:1@snap'"));
}

#[tokio::test]
async fn an_invalid_mount_is_a_404() {
    let daemon = Daemon::bare();
    let answer = daemon.send(
        "/containers/create",
        json!({"mounts": [{"type": "tmpfs", "source": "", "destination": "/"}]}),
    );
    assert_eq!(answer.await.failure(), failure(404, "Invalid value for enum"));
}

#[tokio::test]
async fn a_wrong_type_is_a_schema_error() {
    let daemon = Daemon::bare();
    let answer = daemon
        .send("/containers/create", json!({"image": "x", "cmd": "ls"}))
        .await;
    assert_eq!(
        answer.mistake(),
        ("/cmd".to_owned(), "Invalid array. Got: string".to_owned())
    );
}

#[tokio::test]
async fn a_rename_keeps_everything_else() {
    let daemon = Daemon::bare();
    daemon.image("base").await;
    let id = daemon.container("old", "base", &["echo", "x"]).await;
    let rename = json!({"mounts": [], "name": "new", "public_ports": []});
    assert_eq!(daemon.send("/containers/old/update", rename).await.id(201), id);
    let container = &daemon.get("/containers/new/inspect").await.json()["container"];
    assert_eq!(container["cmd"], json!(["echo", "x"]));
    assert_eq!(container["name"], "new");
}

#[tokio::test]
async fn a_taken_name_is_a_conflict_for_an_update() {
    let daemon = Daemon::bare();
    daemon.image("base").await;
    daemon.container("one", "base", &["true"]).await;
    daemon.container("two", "base", &["true"]).await;
    assert_eq!(
        daemon
            .send("/containers/two/update", json!({"name": "one"}))
            .await
            .failure()
            .0,
        409
    );
}

#[tokio::test]
async fn a_container_is_stopped_once() {
    let daemon = Daemon::bare();
    daemon.image("base").await;
    let id = daemon.container("web", "base", &["sleep"]).await;
    daemon.start_container("web").await;
    let running = daemon.get("/containers/list").await.json();
    assert_eq!(running[0]["running"], true);
    assert_eq!(daemon.post("/containers/web/stop").await.id(200), id);
    assert_eq!(
        daemon.post("/containers/web/stop").await.failure(),
        failure(404, "container not running")
    );
}

#[tokio::test]
async fn a_running_container_is_not_removed() {
    let daemon = Daemon::bare();
    daemon.image("base").await;
    let id = daemon.container("web", "base", &["sleep"]).await;
    daemon.start_container("web").await;
    let refused = daemon.delete("/containers/web").await;
    assert_eq!(
        refused.failure(),
        failure(409, "you cannot remove a running container")
    );
    daemon.post("/containers/web/stop").await.id(200);
    assert_eq!(daemon.delete("/containers/web").await.id(200), id);
    assert_eq!(daemon.get("/containers/list?all=true").await.json(), json!([]));
}

#[tokio::test]
async fn pruning_spares_what_persists() {
    let daemon = Daemon::bare();
    daemon.image("base").await;
    let gone = daemon.container("gone", "base", &["true"]).await;
    let config =
        json!({"name": "kept", "image": "base", "cmd": ["true"], "network_driver": "host", "persist": true});
    let kept = daemon.send("/containers/create", config).await.id(201);
    assert_eq!(daemon.post("/containers/prune").await.json(), json!([gone]));
    assert_eq!(
        daemon.get("/containers/list?all=true").await.json()[0]["id"],
        *kept
    );
}

#[tokio::test]
async fn each_operation_has_its_own_words_for_an_unknown_container() {
    let daemon = Daemon::bare();
    let answers = [
        (daemon.get("/containers/x/inspect").await, "container not found"),
        (daemon.post("/containers/x/stop").await, "container not found"),
        (daemon.delete("/containers/x").await, "no such container"),
        (
            daemon.send("/containers/x/update", json!({})).await,
            "no such container 'x'",
        ),
    ];
    for (answer, words) in answers {
        assert_eq!(answer.failure(), failure(404, words));
    }
}
