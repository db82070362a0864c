//! `/system`: an addition to the contract.

use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse, Response};

use super::Group;
use crate::answer::Failure;
use crate::app::App;
use crate::operation::Operation;

pub(super) fn group() -> Group {
    Group::new().post("/system/repair", repair)
}

async fn repair(State(app): State<App>) -> Result<Response, Failure> {
    let repair = app.run(Operation::SystemRepair, |engine| engine.repair()).await?;
    Ok(Json(repair).into_response())
}
