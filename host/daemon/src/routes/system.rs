//! `/system`: an addition to the contract.

use axum::extract::State;
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use axum::{Json, Router};

use super::Routes;
use crate::answer::Failure;
use crate::app::App;
use crate::operation::Operation;

pub(super) fn routes() -> Routes<App> {
    Routes {
        get: Router::new(),
        post: Router::new().route("/system/repair", post(repair)),
        delete: Router::new(),
    }
}

async fn repair(State(app): State<App>) -> Result<Response, Failure> {
    let repair = app.run(Operation::SystemRepair, |engine| engine.repair()).await?;
    Ok(Json(repair).into_response())
}
