//! `/containers`: contract §4.

use axum::extract::{Path, State};
use axum::response::{IntoResponse, Response};
use axum::routing::{delete, get, post};
use axum::{Json, Router};
use kleene_api::{ContainerConfig, ContainerUpdate};

use super::Routes;
use crate::answer::{Failure, created, identities, identity};
use crate::app::App;
use crate::operation::Operation;
use crate::validation::{Body, ListContainers, Query};

pub(super) fn routes() -> Routes<App> {
    Routes {
        get: Router::new()
            .route("/containers/list", get(list))
            .route("/containers/{id}/inspect", get(inspect)),
        post: Router::new()
            .route("/containers/create", post(create))
            .route("/containers/prune", post(prune))
            .route("/containers/{id}/stop", post(stop))
            .route("/containers/{id}/update", post(update)),
        delete: Router::new().route("/containers/{id}", delete(remove)),
    }
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

async fn stop(State(app): State<App>, Path(id): Path<String>) -> Result<Response, Failure> {
    let id = app
        .run(Operation::ContainerStop, move |engine| engine.stop_container(&id))
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
