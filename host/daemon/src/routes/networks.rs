//! `/networks`: contract §7.

use axum::Json;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use kleene_api::{EndPointConfig, NetworkConfig};

use super::Group;
use crate::answer::{Failure, created, identities, identity};
use crate::app::App;
use crate::operation::Operation;
use crate::validation::Body;

pub(super) fn group() -> Group {
    Group::new()
        .get("/networks/list", list)
        .get("/networks/{id}/inspect", inspect)
        .post("/networks/create", create)
        .post("/networks/prune", prune)
        .post("/networks/connect", connect)
        .post("/networks/{network_id}/disconnect/{container_id}", disconnect)
        .delete("/networks/{id}", remove)
}

async fn list(State(app): State<App>) -> Result<Response, Failure> {
    let networks = app
        .run(Operation::NetworkList, |engine| engine.networks())
        .await?;
    Ok(Json(networks).into_response())
}

async fn create(State(app): State<App>, Body(config): Body<NetworkConfig>) -> Result<Response, Failure> {
    let id = app
        .run(Operation::NetworkCreate, move |engine| {
            engine.create_network(&config)
        })
        .await?;
    Ok(created(id))
}

async fn inspect(State(app): State<App>, Path(id): Path<String>) -> Result<Response, Failure> {
    let network = app
        .run(Operation::NetworkInspect, move |engine| {
            engine.inspect_network(&id)
        })
        .await?;
    Ok(Json(network).into_response())
}

async fn remove(State(app): State<App>, Path(id): Path<String>) -> Result<Response, Failure> {
    let id = app
        .run(Operation::NetworkRemove, move |engine| engine.remove_network(&id))
        .await?;
    Ok(identity(id).into_response())
}

async fn prune(State(app): State<App>) -> Result<Response, Failure> {
    let ids = app
        .run(Operation::NetworkPrune, |engine| engine.prune_networks())
        .await?;
    Ok(identities(ids).into_response())
}

async fn connect(
    State(app): State<App>,
    Body(endpoint): Body<EndPointConfig>,
) -> Result<StatusCode, Failure> {
    app.run(Operation::NetworkConnect, move |engine| engine.connect(&endpoint))
        .await?;
    Ok(StatusCode::NO_CONTENT)
}

async fn disconnect(
    State(app): State<App>,
    Path((network, container)): Path<(String, String)>,
) -> Result<StatusCode, Failure> {
    app.run(Operation::NetworkDisconnect, move |engine| {
        engine.disconnect(&network, &container)
    })
    .await?;
    Ok(StatusCode::NO_CONTENT)
}
