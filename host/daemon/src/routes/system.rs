//! `/system`: an addition to the contract.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse, Response};

use kleene_api::Diagnosis;

use super::Group;
use crate::answer::Failure;
use crate::app::App;
use crate::init;
use crate::operation::Operation;

pub(super) fn group() -> Group {
    Group::new()
        .get("/system/doctor", doctor)
        .post("/system/repair", repair)
}

async fn doctor(State(app): State<App>) -> Result<Response, Failure> {
    let config = Arc::clone(&app.config);
    let checks = app
        .run(Operation::SystemDoctor, move |_| Ok(init::diagnose(&config)))
        .await?;
    Ok(Json(Diagnosis { checks }).into_response())
}

async fn repair(State(app): State<App>) -> Result<Response, Failure> {
    let repair = app.run(Operation::SystemRepair, |engine| engine.repair()).await?;
    Ok(Json(repair).into_response())
}
