//! Every endpoint of the description, in the order of the contract.

use axum::http::Method;
use serde_json::json;

use super::endpoint::Endpoint;
use crate::operation::Operation;
use crate::validation::{ExecStop, ListContainers, LoadImage, PruneImages, StopContainer, TagImage};

/// All of them.
pub(super) fn all() -> Vec<Endpoint> {
    let groups = [
        containers(),
        execs(),
        images(),
        networks(),
        plans(),
        system(),
        volumes(),
        vec![document()],
    ];
    groups.into_iter().flatten().collect()
}

fn get(path: &'static str, operation: Operation, summary: &'static str) -> Endpoint {
    Endpoint::new(Method::GET, path, operation, summary)
}

fn post(path: &'static str, operation: Operation, summary: &'static str) -> Endpoint {
    Endpoint::new(Method::POST, path, operation, summary)
}

fn delete(path: &'static str, operation: Operation, summary: &'static str) -> Endpoint {
    Endpoint::new(Method::DELETE, path, operation, summary)
}

fn containers() -> Vec<Endpoint> {
    use Operation as O;
    vec![
        get("/containers/list", O::ContainerList, "Containers, newest first")
            .query::<ListContainers>()
            .lists("ContainerSummary"),
        post("/containers/create", O::ContainerCreate, "Make a container")
            .body("ContainerConfig")
            .creates(),
        get(
            "/containers/{id}/inspect",
            O::ContainerInspect,
            "A container with its endpoints and mounts",
        )
        .shows("ContainerInspect"),
        post(
            "/containers/{id}/update",
            O::ContainerUpdate,
            "Change a container; what is null or absent stays",
        )
        .body("ContainerUpdate")
        .creates(),
        post("/containers/{id}/stop", O::ContainerStop, "Stop a container")
            .query::<StopContainer>()
            .names(),
        delete(
            "/containers/{id}",
            O::ContainerRemove,
            "Remove a container that does not run",
        )
        .names(),
        post(
            "/containers/prune",
            O::ContainerPrune,
            "Remove all containers that neither run nor persist; their ids, oldest first",
        )
        .names_several(),
    ]
}

fn execs() -> Vec<Endpoint> {
    use Operation as O;
    vec![
        post(
            "/exec/create",
            O::ExecCreate,
            "Prepare a command to be run in a container",
        )
        .body("ExecConfig")
        .creates(),
        Endpoint::conversation(
            "/exec/start",
            "ExecStart",
            "ExecStartConfig",
            "Run a prepared command, and if asked to, stay connected with its input and output",
            json!({
                "client": "Text and binary frames are input of the process. With `control`, text frames are \
                    ExecControl and only binary frames are input.",
                "server": "Attached: a WebSocketMessage `starting`, then output as text frames, or binary frames where \
                    it is not UTF-8. Closes with 1000 when the process has ended, 1001 when it was started detached, \
                    1002 if the opening cannot be understood, 1011 if it cannot be started (a text frame \
                    `error: <reason>` says why).",
            }),
        )
        .controlled_by("ExecControl"),
        post(
            "/exec/{exec_id}/stop",
            O::ExecStop,
            "Stop a command, or its container as a whole",
        )
        .query::<ExecStop>()
        .names(),
    ]
}

fn images() -> Vec<Endpoint> {
    use Operation as O;
    vec![
        get("/images/list", O::ImageList, "Images, newest first").lists("Image"),
        get("/images/{id}/inspect", O::ImageInspect, "An image").shows("Image"),
        get(
            "/images/{id}/history",
            O::ImageHistory,
            "How an image was made, the latest step first",
        )
        .lists("ImageHistoryEntry"),
        post(
            "/images/commit",
            O::ImageCommit,
            "Make an image of a container's files as they are now",
        )
        .body("ImageCommitConfig")
        .creates(),
        post(
            "/images/{id}/tag",
            O::ImageTag,
            "Give an image a name and tag, or take them away",
        )
        .query::<TagImage>()
        .names(),
        delete(
            "/images/{id}",
            O::ImageRemove,
            "Remove an image; the answer is the identifier as it was given",
        )
        .names(),
        post(
            "/images/prune",
            O::ImagePrune,
            "Remove images that nothing depends on",
        )
        .query::<PruneImages>()
        .names_several(),
        get(
            "/images/{id}/export",
            O::ImageExport,
            "An image as an archive: an OCI layout that `docker load` takes, too",
        )
        .streams("application/x-tar"),
        post(
            "/images/load",
            O::ImageLoad,
            "Make an image of an archive, which the body is: an OCI layout, or one of `docker save`",
        )
        .query::<LoadImage>()
        .takes_stream("application/x-tar")
        .creates(),
        Endpoint::conversation(
            "/images/push",
            "ImagePush",
            "ImagePushConfig",
            "Send an image to a registry",
            json!({
                "client": "Nothing after the opening; closing the connection gives it up.",
                "server": "A WebSocketMessage `starting`, then progress as text frames. Closes with 1000 and the digest by \
                    which the image can be pulled, 1002 if the opening cannot be understood, 1011 if it failed; a text \
                    frame before that says why in full.",
            }),
        ),
        Endpoint::conversation(
            "/images/build",
            "ImageBuild",
            "ImageBuildConfig",
            "Build an image from a Dockerfile",
            json!({
                "client": "Nothing after the opening, unless that has `upload`: then binary frames with a tar archive of the \
                    build context, plain or compressed by gzip, xz or zstd (no frame at all is an empty context), and \
                    an UploadControl `end` as a text frame. Closing the connection cancels the build.",
                "server": "A WebSocketMessage `starting` with the id of the image, then progress as text frames. Closes \
                    with 1000 and the id of the image, 1002 if the opening cannot be understood, 1011 if the build \
                    failed; the last snapshot is in `data` if there is one. If nothing could be begun, because of the \
                    Dockerfile or the upload, `data` of `starting` is empty and a text frame says why. If the opening \
                    has `diagnostics`, a BuildDiagnosticFrame tells where and why it fails, in place of that text.",
            }),
        )
        .controlled_by("UploadControl")
        .telling("BuildDiagnosticFrame"),
        Endpoint::conversation(
            "/images/create",
            "ImageCreate",
            "ImageCreateConfig",
            "Make a base image",
            json!({
                "client": "Nothing after the opening.",
                "server": "A WebSocketMessage `starting`, then progress as text frames. Closes with 1000 and the id of \
                    the image, 1002 if the opening cannot be understood, 1011 if it failed; a text frame before that \
                    says why in full.",
            }),
        ),
    ]
}

fn networks() -> Vec<Endpoint> {
    use Operation as O;
    vec![
        get("/networks/list", O::NetworkList, "Networks by name").lists("Network"),
        post("/networks/create", O::NetworkCreate, "Make a network")
            .body("NetworkConfig")
            .creates(),
        get(
            "/networks/{id}/inspect",
            O::NetworkInspect,
            "A network with its endpoints",
        )
        .shows("NetworkInspect"),
        delete(
            "/networks/{id}",
            O::NetworkRemove,
            "Disconnect all containers of a network and remove it",
        )
        .names(),
        post(
            "/networks/prune",
            O::NetworkPrune,
            "Remove all networks without endpoints",
        )
        .names_several(),
        post(
            "/networks/connect",
            O::NetworkConnect,
            "Connect a container to a network",
        )
        .body("EndPointConfig")
        .says_nothing(),
        post(
            "/networks/{network_id}/disconnect/{container_id}",
            O::NetworkDisconnect,
            "Disconnect a container from a network",
        )
        .says_nothing(),
    ]
}

fn plans() -> Vec<Endpoint> {
    use Operation as O;
    vec![
        post("/plans/network", O::PlanNetwork, "What making a network would do")
            .body("NetworkConfig")
            .shows("Plan"),
        post(
            "/plans/connect",
            O::PlanConnect,
            "What connecting a container to a network would do",
        )
        .body("EndPointConfig")
        .shows("Plan"),
        post(
            "/plans/container",
            O::PlanContainer,
            "What making a container, connecting it and starting it would do",
        )
        .body("ContainerPlanConfig")
        .shows("Plan"),
    ]
}

fn system() -> Vec<Endpoint> {
    vec![
        get(
            "/system/doctor",
            Operation::SystemDoctor,
            "Look whether the host has what containers need, and say how to mend what it lacks",
        )
        .shows("Diagnosis"),
        post(
            "/system/repair",
            Operation::SystemRepair,
            "Make the host what it should be where it is not, and say what that was",
        )
        .shows("Repair"),
    ]
}

fn volumes() -> Vec<Endpoint> {
    use Operation as O;
    vec![
        get("/volumes/list", O::VolumeList, "Volumes, newest first").lists("Volume"),
        post(
            "/volumes/create",
            O::VolumeCreate,
            "Make a volume unless there is one of that name",
        )
        .body("VolumeConfig")
        .creates(),
        get(
            "/volumes/{name}/inspect",
            O::VolumeInspect,
            "A volume with the places where it is mounted",
        )
        .shows("VolumeInspect"),
        delete(
            "/volumes/{name}",
            O::VolumeRemove,
            "Remove a volume that no running container uses",
        )
        .names(),
        post(
            "/volumes/prune",
            O::VolumePrune,
            "Remove all volumes that no container mounts",
        )
        .names_several(),
    ]
}

fn document() -> Endpoint {
    Endpoint::bare(
        Method::GET,
        "/openapi.json",
        "OpenApi".to_owned(),
        "This description",
    )
    .shows_anything()
}
