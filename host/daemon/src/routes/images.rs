//! `/images`: contract §6; the conversations that build and create images are in [`websocket`](crate::websocket).

use axum::Json;
use axum::extract::{Path, State};
use axum::http::header;
use axum::response::{IntoResponse, Response};
use kleene_api::{ImageCommitConfig, ImageCreateConfig, ImageCreateMethod};
use kleene_engine::Cancel;

use super::Group;
use crate::answer::{Failure, created, identities, identity};
use crate::app::App;
use crate::operation::Operation;
use crate::stream;
use crate::validation::{Body, LoadImage, PruneImages, Query, TagImage};
use crate::websocket::{Upgrade, image_build, image_create, image_push};

pub(super) fn group() -> Group {
    Group::new()
        .get("/images/list", list)
        .get("/images/{id}/inspect", inspect)
        .get("/images/{id}/history", history)
        .get("/images/build", build)
        .get("/images/create", create)
        .post("/images/commit", commit)
        .get("/images/push", push)
        .get("/images/{id}/export", export)
        .post("/images/load", load)
        .post("/images/prune", prune)
        .post("/images/{id}/tag", tag)
        .delete("/images/{id}", remove)
}

async fn build(State(app): State<App>, upgrade: Upgrade) -> Response {
    upgrade.converse(move |socket| image_build::converse(app, socket))
}

async fn create(State(app): State<App>, upgrade: Upgrade) -> Response {
    upgrade.converse(move |socket| image_create::converse(app, socket))
}

async fn push(State(app): State<App>, upgrade: Upgrade) -> Response {
    upgrade.converse(move |socket| image_push::converse(app, socket))
}

/// The image is packed before the answer begins, so that what can go wrong with it has a status.
async fn export(State(app): State<App>, Path(id): Path<String>) -> Result<Response, Failure> {
    let cancel = Cancel::new();
    // Packing is given up when the client goes: this future is dropped then.
    let _given_up = CancelOnDrop(cancel.clone());
    let mut archive = app
        .run(Operation::ImageExport, move |engine| {
            engine.export_image(&id, &cancel)
        })
        .await?;
    let body = stream::written(&app, move |writer| archive.write(writer));
    let media_type = [(header::CONTENT_TYPE, "application/x-tar")];
    Ok((media_type, body).into_response())
}

async fn load(
    State(app): State<App>,
    Query(query): Query<LoadImage>,
    body: axum::body::Body,
) -> Result<Response, Failure> {
    let archive = stream::spooled(&app, body).await?;
    let cancel = Cancel::new();
    let _given_up = CancelOnDrop(cancel.clone());
    let config = ImageCreateConfig {
        dns: query.dns.unwrap_or(true),
        localtime: query.localtime.unwrap_or(true),
        platform: query.platform,
        tag: query.tag,
        ..ImageCreateConfig::new(ImageCreateMethod::Oci)
    };
    let id = app
        .run(Operation::ImageLoad, move |engine| {
            engine.load_image(archive, &config, &cancel, &mut |line| {
                tracing::debug!(line = line.trim_end(), "loading an image");
            })
        })
        .await?;
    Ok(created(id))
}

/// Asks to give up when nobody waits any more.
struct CancelOnDrop(Cancel);

impl Drop for CancelOnDrop {
    fn drop(&mut self) {
        self.0.cancel();
    }
}

async fn list(State(app): State<App>) -> Result<Response, Failure> {
    let images = app.run(Operation::ImageList, |engine| engine.images()).await?;
    Ok(Json(images).into_response())
}

async fn inspect(State(app): State<App>, Path(id): Path<String>) -> Result<Response, Failure> {
    let image = app
        .run(Operation::ImageInspect, move |engine| engine.inspect_image(&id))
        .await?;
    Ok(Json(image).into_response())
}

async fn history(State(app): State<App>, Path(id): Path<String>) -> Result<Response, Failure> {
    let entries = app
        .run(Operation::ImageHistory, move |engine| engine.image_history(&id))
        .await?;
    Ok(Json(entries).into_response())
}

async fn commit(State(app): State<App>, Body(config): Body<ImageCommitConfig>) -> Result<Response, Failure> {
    let id = app
        .run(Operation::ImageCommit, move |engine| {
            engine.commit_container(&config)
        })
        .await?;
    Ok(created(id))
}

async fn tag(
    State(app): State<App>,
    Path(id): Path<String>,
    Query(query): Query<TagImage>,
) -> Result<Response, Failure> {
    let id = app
        .run(Operation::ImageTag, move |engine| {
            engine.tag_image(&id, &query.nametag)
        })
        .await?;
    Ok(identity(id).into_response())
}

/// The answer holds the identifier as it was given, not the full id.
async fn remove(State(app): State<App>, Path(given): Path<String>) -> Result<Response, Failure> {
    let id = given.clone();
    app.run(Operation::ImageRemove, move |engine| engine.remove_image(&id))
        .await?;
    Ok(identity(given).into_response())
}

async fn prune(State(app): State<App>, Query(query): Query<PruneImages>) -> Result<Response, Failure> {
    let ids = app
        .run(Operation::ImagePrune, move |engine| {
            engine.prune_images(query.all)
        })
        .await?;
    Ok(identities(ids).into_response())
}
