//! `/volumes`: contract §7. A volume's name is its id.

use axum::Json;
use axum::extract::{Path, State};
use axum::response::{IntoResponse, Response};
use kleene_api::VolumeConfig;

use super::Group;
use crate::answer::{Failure, created, identity};
use crate::app::App;
use crate::operation::Operation;
use crate::validation::Body;

pub(super) fn group() -> Group {
    Group::new()
        .get("/volumes/list", list)
        .get("/volumes/{name}/inspect", inspect)
        .post("/volumes/create", create)
        .post("/volumes/prune", prune)
        .delete("/volumes/{name}", remove)
}

async fn list(State(app): State<App>) -> Result<Response, Failure> {
    let volumes = app.run(Operation::VolumeList, |engine| engine.volumes()).await?;
    Ok(Json(volumes).into_response())
}

async fn create(State(app): State<App>, Body(config): Body<VolumeConfig>) -> Result<Response, Failure> {
    let name = app
        .run(Operation::VolumeCreate, move |engine| {
            engine.create_volume(&config)
        })
        .await?;
    Ok(created(name))
}

async fn inspect(State(app): State<App>, Path(name): Path<String>) -> Result<Response, Failure> {
    let volume = app
        .run(Operation::VolumeInspect, move |engine| {
            engine.inspect_volume(&name)
        })
        .await?;
    Ok(Json(volume).into_response())
}

async fn remove(State(app): State<App>, Path(name): Path<String>) -> Result<Response, Failure> {
    let removed = name.clone();
    app.run(Operation::VolumeRemove, move |engine| engine.remove_volume(&name))
        .await?;
    Ok(identity(removed).into_response())
}

async fn prune(State(app): State<App>) -> Result<Response, Failure> {
    let names = app
        .run(Operation::VolumePrune, |engine| engine.prune_volumes())
        .await?;
    Ok(Json(names).into_response())
}
