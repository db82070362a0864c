//! `/images/create`: makes a base image. Contract §10.

use axum::extract::ws::Message;
use kleene_api::{ImageCreateConfig, WebSocketMessage};

use super::progress::{self, End};
use super::{CloseCode, Conversation};
use crate::answer::Failure;
use crate::app::App;

/// Leads the conversation.
pub async fn converse(app: App, mut client: Conversation) {
    match client.opening::<ImageCreateConfig>().await {
        Ok(config) => create(app, client, config).await,
        Err(opening) => client.refuse_opening(opening).await,
    }
}

async fn create(app: App, mut client: Conversation, config: ImageCreateConfig) {
    if let Err(departure) = client.speaker.starting("").await {
        return client.end_after(departure).await;
    }
    let end = progress::run(
        &app,
        &mut client,
        None,
        move |engine, cancel, emit| {
            engine.create_image(&config, cancel, &mut |line: &str| emit(line.to_owned()))
        },
        |line: String| vec![Message::Text(line.into())],
    )
    .await;
    match end {
        End::Done(Ok(id)) => {
            client
                .close(CloseCode::Normal, &WebSocketMessage::closing(id, "image created"))
                .await;
        }
        End::Done(Err(error)) => {
            tracing::info!(%error, "image not created");
            fail(client, "image creation failed", error.to_string()).await;
        }
        End::Departed(departure) => client.end_after(departure).await,
        End::Crashed(panic) => {
            tracing::error!(%panic, "defect in the engine");
            fail(client, "image creation crashed", Failure::internal().message).await;
        }
    }
}

/// The whole reason goes in a frame of its own, since a close frame may be too short for it.
pub(super) async fn fail(mut client: Conversation, what: &str, reason: String) {
    let message = WebSocketMessage::error("", format!("{what}: {reason}"));
    match client.speaker.text(reason).await {
        Ok(()) => client.close(CloseCode::Internal, &message).await,
        Err(departure) => client.end_after(departure).await,
    }
}
