//! The description of the interface holds for the interface: real answers have the schemas that it says.

use jsonschema::Validator;
use serde_json::{Value, json};

use crate::client::Answer;
use crate::daemon::Daemon;

/// The description as the daemon gives it.
struct Description(Value);

impl Description {
    async fn of(daemon: &Daemon) -> Self {
        let answer = daemon.get("/openapi.json").await;
        assert_eq!((answer.status, answer.content_type()), (200, "application/json"));
        Self(answer.json())
    }

    fn validator(&self, schema: &Value) -> Validator {
        let mut schema = schema.clone();
        schema["components"] = self.0["components"].clone();
        jsonschema::validator_for(&schema).unwrap()
    }

    /// The answer of an operation is one that the description has.
    fn check(&self, method: &str, path: &str, answer: &Answer) {
        let response = &self.0["paths"][path][method]["responses"][answer.status.to_string()];
        assert!(
            response.is_object(),
            "{method} {path}: {} is not described",
            answer.status
        );
        if answer.text.is_empty() {
            assert!(
                response.get("content").is_none(),
                "{method} {path}: the body is missing"
            );
            return;
        }
        let schema = &response["content"]["application/json"]["schema"];
        let errors: Vec<String> = self
            .validator(schema)
            .iter_errors(&answer.json())
            .map(|error| format!("{}: {error}", error.instance_path()))
            .collect();
        assert!(
            errors.is_empty(),
            "{method} {path}: {errors:?} in {}",
            answer.text
        );
    }

    /// Whether a body is one that the description allows.
    fn allows(&self, schema: &str, body: &Value) -> bool {
        self.validator(&json!({"$ref": format!("#/components/schemas/{schema}")}))
            .is_valid(body)
    }
}

#[tokio::test]
async fn answers_about_objects_have_the_schemas_that_are_described() {
    let daemon = Daemon::start();
    let description = Description::of(&daemon).await;
    let check = |method, path, answer: &Answer| description.check(method, path, answer);

    let image = daemon.image("base:1").await;
    check("get", "/images/list", &daemon.get("/images/list").await);
    check(
        "get",
        "/images/{id}/inspect",
        &daemon.get(&format!("/images/{image}/inspect")).await,
    );

    let network = json!({"name": "lan", "type": "bridge", "subnet": "10.9.0.0/24", "nat": ""});
    check(
        "post",
        "/networks/create",
        &daemon.send("/networks/create", network).await,
    );
    check(
        "post",
        "/volumes/create",
        &daemon.send("/volumes/create", json!({"name": "data"})).await,
    );
    let container = json!({
        "name": "web", "image": "base:1", "cmd": ["true"], "network_driver": "vnet",
        "mounts": [{"type": "volume", "source": "data", "destination": "/data"}],
        "public_ports": [{"interfaces": ["lo"], "host_port": "80", "container_port": "8080"}],
    });
    check(
        "post",
        "/containers/create",
        &daemon.send("/containers/create", container).await,
    );
    let endpoint = json!({"container": "web", "network": "lan", "ip_address": "<auto>"});
    check(
        "post",
        "/networks/connect",
        &daemon.send("/networks/connect", endpoint).await,
    );

    check(
        "get",
        "/containers/list",
        &daemon.get("/containers/list?all=true").await,
    );
    let inspected = daemon.get("/containers/web/inspect").await;
    assert_eq!(
        inspected.json()["container_endpoints"].as_array().unwrap().len(),
        1
    );
    check("get", "/containers/{id}/inspect", &inspected);
    check("get", "/networks/list", &daemon.get("/networks/list").await);
    check(
        "get",
        "/networks/{id}/inspect",
        &daemon.get("/networks/lan/inspect").await,
    );
    check("get", "/system/doctor", &daemon.get("/system/doctor").await);
    let network = json!({"name": "another", "type": "bridge", "subnet": "10.99.0.0/24", "nat": ""});
    check(
        "post",
        "/plans/network",
        &daemon.send("/plans/network", network).await,
    );
    check("post", "/system/repair", &daemon.post("/system/repair").await);
    check("get", "/volumes/list", &daemon.get("/volumes/list").await);
    check(
        "get",
        "/volumes/{name}/inspect",
        &daemon.get("/volumes/data/inspect").await,
    );

    let update = daemon
        .send("/containers/web/update", json!({"env": ["A=1"]}))
        .await;
    check("post", "/containers/{id}/update", &update);
    let exec = daemon.send("/exec/create", json!({"container_id": "web"})).await;
    check("post", "/exec/create", &exec);
    let disconnected = daemon.post("/networks/lan/disconnect/web").await;
    check(
        "post",
        "/networks/{network_id}/disconnect/{container_id}",
        &disconnected,
    );
    check(
        "post",
        "/containers/prune",
        &daemon.post("/containers/prune").await,
    );
    check("delete", "/networks/{id}", &daemon.delete("/networks/lan").await);
    check("delete", "/volumes/{name}", &daemon.delete("/volumes/data").await);
    check("delete", "/images/{id}", &daemon.delete("/images/base:1").await);
}

#[tokio::test]
async fn failures_have_the_statuses_and_schemas_that_are_described() {
    let daemon = Daemon::bare();
    let description = Description::of(&daemon).await;
    let requests = [
        ("get", "/containers/{id}/inspect"),
        ("post", "/containers/{id}/stop"),
        ("delete", "/containers/{id}"),
        ("get", "/images/{id}/inspect"),
        ("delete", "/images/{id}"),
        ("get", "/networks/{id}/inspect"),
        ("delete", "/networks/{id}"),
        ("get", "/volumes/{name}/inspect"),
        ("delete", "/volumes/{name}"),
        ("post", "/networks/{network_id}/disconnect/{container_id}"),
        ("post", "/exec/{exec_id}/stop"),
        ("post", "/images/prune"),
        ("post", "/volumes/create"),
        ("get", "/exec/start"),
        ("get", "/images/build"),
        ("get", "/images/create"),
    ];
    for (method, path) in requests {
        let concrete = path
            .split('/')
            .map(|segment| if segment.starts_with('{') { "x" } else { segment })
            .collect::<Vec<_>>()
            .join("/");
        let answer = daemon
            .request(&method.to_ascii_uppercase(), &concrete, None)
            .await;
        assert!(answer.status >= 400, "{method} {path}: {}", answer.status);
        description.check(method, path, &answer);
    }
    for (media_type, body) in [("text/plain", "x"), ("application/json", "{")] {
        let answer = daemon
            .request("POST", "/volumes/create", Some((media_type, body)))
            .await;
        description.check("post", "/volumes/create", &answer);
    }
}

#[tokio::test]
async fn bodies_of_the_original_client_are_described() {
    let daemon = Daemon::bare();
    let description = Description::of(&daemon).await;
    let create = json!({"cmd": ["ls", "-x"], "env": [], "image": "FreeBSD", "jail_param": [], "mounts": [],
        "name": "abc", "network_driver": "host", "persist": false, "public_ports": [], "restart_policy": "no",
        "user": ""});
    assert!(description.allows("ContainerConfig", &create));
    let update = json!({"container": "x", "cmd": null, "env": [], "jail_param": [], "mounts": [], "name": null,
        "persist": false, "public_ports": [], "restart_policy": "no", "user": null});
    assert!(description.allows("ContainerUpdate", &update));
    assert!(!description.allows("ContainerConfig", &json!({"network_driver": null})));
    assert!(!description.allows("NetworkConfig", &json!({"name": "n"})));
}

#[tokio::test]
async fn schemas_have_the_names_that_they_had_in_0_1_1() {
    const NAMES: &str = "Container ContainerConfig ContainerInspect ContainerSummary EndPoint EndPointConfig \
        ErrorResponse ExecConfig ExecStartConfig IdResponse Image ImageBuildConfig ImageCreateConfig MountPoint \
        MountPointConfig Network NetworkConfig NetworkInspect PublishedPort PublishedPortConfig Volume VolumeConfig \
        VolumeInspect WebSocketMessage";
    let daemon = Daemon::start();
    let description = Description::of(&daemon).await;
    for name in NAMES.split_ascii_whitespace() {
        assert!(description.0["components"]["schemas"][name].is_object(), "{name}");
    }
}
