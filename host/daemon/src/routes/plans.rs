//! `/plans`: what a request would do, an addition to the contract. They are endpoints of their own and not parameters
//! of others, because a daemon of 0.1.1 ignores parameters that it does not know, and would do it.

use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use kleene_api::{ContainerPlanConfig, EndPointConfig, NetworkConfig};

use super::Group;
use crate::answer::Failure;
use crate::app::App;
use crate::operation::Operation;
use crate::validation::Body;

pub(super) fn group() -> Group {
    Group::new()
        .post("/plans/connect", connect)
        .post("/plans/container", container)
        .post("/plans/network", network)
}

async fn network(State(app): State<App>, Body(config): Body<NetworkConfig>) -> Result<Response, Failure> {
    let plan = app
        .run(Operation::PlanNetwork, move |engine| {
            engine.plan_create_network(&config)
        })
        .await?;
    Ok(Json(plan).into_response())
}

async fn connect(State(app): State<App>, Body(endpoint): Body<EndPointConfig>) -> Result<Response, Failure> {
    let plan = app
        .run(Operation::PlanConnect, move |engine| {
            engine.plan_connect(&endpoint)
        })
        .await?;
    Ok(Json(plan).into_response())
}

async fn container(
    State(app): State<App>,
    Body(config): Body<ContainerPlanConfig>,
) -> Result<Response, Failure> {
    let plan = app
        .run(Operation::PlanContainer, move |engine| {
            engine.plan_new_container(&config)
        })
        .await?;
    Ok(Json(plan).into_response())
}
