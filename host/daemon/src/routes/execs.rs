//! `/exec`: contract §5; the conversation of `/exec/start` is in [`websocket`](crate::websocket).

use axum::extract::{Path, State};
use axum::response::{IntoResponse, Response};
use kleene_api::ExecConfig;

use super::Group;
use crate::answer::{Failure, created, identity};
use crate::app::App;
use crate::operation::Operation;
use crate::validation::{Body, ExecStop, Query};
use crate::websocket::{Upgrade, exec_start};

pub(super) fn group() -> Group {
    Group::new()
        .get("/exec/start", start)
        .post("/exec/create", create)
        .post("/exec/{exec_id}/stop", stop)
}

async fn start(State(app): State<App>, upgrade: Upgrade) -> Response {
    upgrade.converse(move |socket| exec_start::converse(app, socket))
}

async fn create(State(app): State<App>, Body(config): Body<ExecConfig>) -> Result<Response, Failure> {
    let id = app
        .run(Operation::ExecCreate, move |engine| engine.create_exec(&config))
        .await?;
    Ok(created(id))
}

async fn stop(
    State(app): State<App>,
    Path(id): Path<String>,
    Query(query): Query<ExecStop>,
) -> Result<Response, Failure> {
    let stop =
        move |engine: &kleene_engine::Engine| engine.stop_exec(&id, query.force_stop, query.stop_container);
    let id = app.run(Operation::ExecStop, stop).await?;
    Ok(identity(id).into_response())
}
