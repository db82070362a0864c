//! Contract §7, volumes.

use serde_json::json;

use crate::client::failure;
use crate::daemon::Daemon;

#[tokio::test]
async fn a_volume_is_created_listed_inspected_and_removed() {
    let daemon = Daemon::start();
    assert_eq!(
        daemon
            .send("/volumes/create", json!({"name": "data"}))
            .await
            .id(201),
        "data"
    );
    let list = daemon.get("/volumes/list").await.json();
    assert_eq!(list[0]["name"], "data");
    let inspected = daemon.get("/volumes/data/inspect").await.json();
    assert_eq!(inspected["volume"], list[0]);
    assert_eq!(inspected["mountpoints"], json!([]));
    assert_eq!(daemon.delete("/volumes/data").await.id(200), "data");
    assert_eq!(daemon.get("/volumes/list").await.json(), json!([]));
}

#[tokio::test]
async fn creating_a_volume_twice_is_no_error() {
    let daemon = Daemon::start();
    for _ in 0..2 {
        assert_eq!(
            daemon
                .send("/volumes/create", json!({"name": "data"}))
                .await
                .id(201),
            "data"
        );
    }
    assert_eq!(
        daemon.get("/volumes/list").await.json().as_array().unwrap().len(),
        1
    );
}

#[tokio::test]
async fn a_name_that_is_none_is_refused_with_the_only_status_that_clients_know() {
    let daemon = Daemon::bare();
    let (status, message) = daemon
        .send("/volumes/create", json!({"name": "a/../b"}))
        .await
        .failure();
    assert_eq!(status, 500);
    assert!(message.contains("a/../b"), "{message}");
}

#[tokio::test]
async fn pruning_removes_volumes_that_nothing_mounts() {
    let daemon = Daemon::start();
    for name in ["b", "a"] {
        daemon
            .send("/volumes/create", json!({"name": name}))
            .await
            .id(201);
    }
    assert_eq!(daemon.post("/volumes/prune").await.json(), json!(["a", "b"]));
}

#[tokio::test]
async fn an_unknown_volume_is_not_found() {
    let daemon = Daemon::bare();
    assert_eq!(
        daemon.get("/volumes/x/inspect").await.failure(),
        failure(404, "No such volume")
    );
    assert_eq!(
        daemon.delete("/volumes/x").await.failure(),
        failure(404, "No such volume")
    );
}
