//! `/containers`: contract §4.

use std::time::Duration;

use axum::Json;
use axum::extract::{Path, State};
use axum::response::{IntoResponse, Response};
use kleene_api::{ContainerConfig, ContainerUpdate};
use kleene_engine::STOP_GRACE;

use super::Group;
use crate::answer::{Failure, created, identities, identity};
use crate::app::App;
use crate::operation::Operation;
use crate::validation::{Body, ListContainers, Query, StopContainer};

pub(super) fn group() -> Group {
    Group::new()
        .get("/containers/list", list)
        .get("/containers/{id}/inspect", inspect)
        .post("/containers/create", create)
        .post("/containers/prune", prune)
        .post("/containers/{id}/stop", stop)
        .post("/containers/{id}/update", update)
        .delete("/containers/{id}", remove)
}

async fn list(State(app): State<App>, Query(query): Query<ListContainers>) -> Result<Response, Failure> {
    let containers = app
        .run(Operation::ContainerList, move |engine| {
            engine.containers(query.all)
        })
        .await?;
    Ok(Json(containers).into_response())
}

async fn create(State(app): State<App>, Body(config): Body<ContainerConfig>) -> Result<Response, Failure> {
    let id = app
        .run(Operation::ContainerCreate, move |engine| {
            engine.create_container(&config)
        })
        .await?;
    Ok(created(id))
}

async fn inspect(State(app): State<App>, Path(id): Path<String>) -> Result<Response, Failure> {
    let container = app
        .run(Operation::ContainerInspect, move |engine| {
            engine.inspect_container(&id)
        })
        .await?;
    Ok(Json(container).into_response())
}

async fn update(
    State(app): State<App>,
    Path(id): Path<String>,
    Body(change): Body<ContainerUpdate>,
) -> Result<Response, Failure> {
    let id = app
        .run(Operation::ContainerUpdate, move |engine| {
            engine.update_container(&id, &change)
        })
        .await?;
    Ok(created(id))
}

async fn stop(
    State(app): State<App>,
    Path(id): Path<String>,
    Query(query): Query<StopContainer>,
) -> Result<Response, Failure> {
    let grace = query.timeout.map_or(STOP_GRACE, Duration::from_secs);
    let id = app
        .run(Operation::ContainerStop, move |engine| {
            engine.stop_container_within(&id, grace)
        })
        .await?;
    Ok(identity(id).into_response())
}

async fn remove(State(app): State<App>, Path(id): Path<String>) -> Result<Response, Failure> {
    let id = app
        .run(Operation::ContainerRemove, move |engine| {
            engine.remove_container(&id)
        })
        .await?;
    Ok(identity(id).into_response())
}

async fn prune(State(app): State<App>) -> Result<Response, Failure> {
    let ids = app
        .run(Operation::ContainerPrune, |engine| engine.prune_containers())
        .await?;
    Ok(identities(ids).into_response())
}
