//! Contract §7, networks.

use serde_json::json;

use crate::client::failure;
use crate::daemon::Daemon;

/// A daemon with a network `lan` and a container `box` on the driver.
async fn with_network(driver: &str) -> (Daemon, String, String) {
    let daemon = Daemon::start();
    daemon.image("base").await;
    let config = json!({"name": "lan", "type": "loopback", "subnet": "10.13.37.0/24", "nat": ""});
    let network = daemon.send("/networks/create", config).await.id(201);
    let config = json!({"name": "box", "image": "base", "cmd": ["sleep"], "network_driver": driver});
    let container = daemon.send("/containers/create", config).await.id(201);
    (daemon, network, container)
}

#[tokio::test]
async fn a_network_is_created_listed_inspected_and_removed() {
    let (daemon, id, _) = with_network("ipnet").await;
    let list = daemon.get("/networks/list").await.json();
    assert_eq!((&list[0]["id"], &list[0]["name"]), (&json!(id), &json!("lan")));
    assert_eq!(
        (&list[0]["type"], &list[0]["subnet"]),
        (&json!("loopback"), &json!("10.13.37.0/24"))
    );
    let inspected = daemon.get("/networks/lan/inspect").await.json();
    assert_eq!(inspected["network"], list[0]);
    assert_eq!(inspected["network_endpoints"], json!([]));
    assert_eq!(daemon.delete("/networks/lan").await.id(200), id);
    assert_eq!(daemon.get("/networks/list").await.json(), json!([]));
}

#[tokio::test]
async fn a_subnet_that_is_none_is_a_conflict() {
    let daemon = Daemon::bare();
    let config = json!({"name": "lan", "type": "bridge", "subnet": "172.18.0.0-16"});
    let expected = failure(
        409,
        "invalid subnet: could not parse cidr block: \"172.18.0.0-16\"",
    );
    assert_eq!(daemon.send("/networks/create", config).await.failure(), expected);
}

#[tokio::test]
async fn a_taken_name_is_a_conflict() {
    let (daemon, ..) = with_network("ipnet").await;
    let config = json!({"name": "lan", "type": "loopback", "nat": ""});
    let expected = failure(409, "network name is already taken");
    assert_eq!(daemon.send("/networks/create", config).await.failure(), expected);
}

#[tokio::test]
async fn a_container_is_connected_and_disconnected() {
    let (daemon, network, container) = with_network("ipnet").await;
    let endpoint = json!({"container": "box", "network": "lan", "ip_address": "<auto>"});
    let answer = daemon.send("/networks/connect", endpoint.clone()).await;
    assert_eq!((answer.status, answer.text.as_str()), (204, ""));
    let endpoints = &daemon.get("/networks/lan/inspect").await.json()["network_endpoints"];
    assert_eq!(
        (&endpoints[0]["container_id"], &endpoints[0]["network_id"]),
        (&json!(container), &json!(network))
    );
    let again = daemon.send("/networks/connect", endpoint).await;
    assert_eq!(
        again.failure(),
        failure(409, "container already connected to the network")
    );

    let answer = daemon.post("/networks/lan/disconnect/box").await;
    assert_eq!((answer.status, answer.text.as_str()), (204, ""));
    let again = daemon.post("/networks/lan/disconnect/box").await;
    assert_eq!(again.failure(), failure(404, "endpoint configuration not found"));
}

#[tokio::test]
async fn a_container_on_the_hosts_network_cannot_be_connected() {
    let (daemon, ..) = with_network("host").await;
    let answer = daemon
        .send("/networks/connect", json!({"container": "box", "network": "lan"}))
        .await;
    let expected = "containers with the 'host' network-driver cannot connect to networks.";
    assert_eq!(answer.failure(), failure(409, expected));
}

#[tokio::test]
async fn pruning_removes_networks_without_containers() {
    let (daemon, network, _) = with_network("ipnet").await;
    let endpoint = json!({"container": "box", "network": "lan", "ip_address": "<auto>"});
    assert_eq!(daemon.send("/networks/connect", endpoint).await.status, 204);
    assert_eq!(daemon.post("/networks/prune").await.json(), json!([]));
    assert_eq!(daemon.post("/networks/lan/disconnect/box").await.status, 204);
    assert_eq!(daemon.post("/networks/prune").await.json(), json!([network]));
}

#[tokio::test]
async fn an_unknown_network_is_not_found() {
    let daemon = Daemon::bare();
    daemon.image("base").await;
    daemon.container("box", "base", &["true"]).await;
    assert_eq!(
        daemon.get("/networks/x/inspect").await.failure(),
        failure(404, "network not found")
    );
    assert_eq!(
        daemon.delete("/networks/x").await.failure(),
        failure(404, "network not found.")
    );
    let unknown = daemon
        .send("/networks/connect", json!({"container": "box", "network": "x"}))
        .await;
    assert_eq!(unknown.failure(), failure(404, "network not found"));
    let unknown = daemon
        .send("/networks/connect", json!({"container": "x", "network": "x"}))
        .await;
    assert_eq!(unknown.failure(), failure(404, "container not found"));
    assert_eq!(
        daemon.post("/networks/x/disconnect/box").await.failure(),
        failure(404, "network not found")
    );
}
