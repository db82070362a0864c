//! `/images/push`: sends an image to a registry. Ours.

use axum::extract::ws::Message;
use kleene_api::{ImagePushConfig, WebSocketMessage};

use super::image_create::fail;
use super::progress::{self, End};
use super::{CloseCode, Conversation};
use crate::answer::Failure;
use crate::app::App;

/// Leads the conversation.
pub async fn converse(app: App, mut client: Conversation) {
    match client.opening::<ImagePushConfig>().await {
        Ok(config) => push(app, client, config).await,
        Err(opening) => client.refuse_opening(opening).await,
    }
}

async fn push(app: App, mut client: Conversation, config: ImagePushConfig) {
    if let Err(departure) = client.speaker.starting("").await {
        return client.end_after(departure).await;
    }
    let end = progress::run(
        &app,
        &mut client,
        None,
        move |engine, cancel, emit| {
            engine.push_image(&config, cancel, &mut |line: &str| emit(line.to_owned()))
        },
        |line: String| vec![Message::Text(line.into())],
    )
    .await;
    match end {
        End::Done(Ok(digest)) => {
            client
                .close(
                    CloseCode::Normal,
                    &WebSocketMessage::closing(digest, "image pushed"),
                )
                .await;
        }
        End::Done(Err(error)) => {
            tracing::info!(%error, "image not pushed");
            fail(client, "pushing the image failed", error.to_string()).await;
        }
        End::Departed(departure) => client.end_after(departure).await,
        End::Crashed(panic) => {
            tracing::error!(%panic, "defect in the engine");
            fail(client, "pushing the image crashed", Failure::internal().message).await;
        }
    }
}
