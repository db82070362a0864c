//! `/images/build`: builds an image from a Dockerfile. Contract §9.
//!
//! With our extension `upload` the context follows the opening, and the conversation goes on when it is complete. With
//! `diagnostics` a frame for programs tells where and why it fails, instead of a line.

use axum::extract::ws::Message;
use kleene_api::{BuildDiagnosticFrame, ImageBuildConfig, WebSocketMessage};
use kleene_engine::{BuildError, BuildEvent, BuildProblem, Cancel, Engine, UploadError};
use kleene_plan::Id;

use super::chunks::{Chunks, readable};
use super::progress::{self, End};
use super::upload::{self, Archive};
use super::{CloseCode, Conversation, close_reason};
use crate::app::App;

/// Leads the conversation.
pub async fn converse(app: App, mut client: Conversation) {
    match client.opening::<ImageBuildConfig>().await {
        Ok(config) => build(app, client, config).await,
        Err(opening) => client.refuse_opening(opening).await,
    }
}

async fn build(app: App, mut client: Conversation, config: ImageBuildConfig) {
    let with_diagnostics = config.diagnostics;
    let mut log = Log::new(config.quiet, with_diagnostics);
    let (feed, archive) = match config.upload {
        Some(_) => {
            let (feed, archive) = upload::channel();
            (Some(feed), Some(archive))
        }
        None => (None, None),
    };
    let limit = app.config.upload_limit;
    let end = progress::run(
        &app,
        &mut client,
        feed,
        move |engine, cancel, emit| match archive {
            Some(archive) => build_uploaded(engine, config, archive, limit, cancel, emit),
            None => Ok(engine.build_image(&config, cancel, emit)?),
        },
        |event| log.frames(event),
    )
    .await;
    match end {
        End::Done(Ok(id)) => {
            client
                .close(CloseCode::Normal, &WebSocketMessage::closing(id, "image created"))
                .await;
        }
        End::Done(Err(error)) => fail(client, error, with_diagnostics).await,
        End::Departed(departure) => client.end_after(departure).await,
        End::Crashed(panic) => {
            tracing::error!(%panic, "defect in the engine");
            client.close_without_reason(CloseCode::Internal).await;
        }
    }
}

/// Why there is no image.
#[derive(Debug, thiserror::Error)]
enum BuildFailure {
    #[error(transparent)]
    Upload(#[from] UploadError),
    #[error(transparent)]
    Build(#[from] BuildError),
}

/// Builds from a context that arrives meanwhile, and is gone when the build is over.
fn build_uploaded(
    engine: &Engine,
    mut config: ImageBuildConfig,
    archive: Archive,
    limit: u64,
    cancel: &Cancel,
    emit: &mut dyn FnMut(BuildEvent),
) -> Result<Id, BuildFailure> {
    let upload = config.upload.take().unwrap_or_default();
    let uploaded = engine.receive_context(archive, &upload, &config.dockerfile, limit)?;
    config.context = uploaded.context().display().to_string();
    config.dockerfile = uploaded.dockerfile().display().to_string();
    Ok(engine.build_image(&config, cancel, emit)?)
}

async fn fail(client: Conversation, failure: BuildFailure, with_diagnostics: bool) {
    match failure {
        BuildFailure::Upload(error) => {
            tracing::info!(%error, "build context refused");
            refuse(client, error.to_string(), "failed to receive the build context").await;
        }
        BuildFailure::Build(BuildError::Dockerfile(problem)) => {
            refuse(
                client,
                told(&problem, with_diagnostics),
                "failed to process Dockerfile",
            )
            .await;
        }
        BuildFailure::Build(BuildError::Failed { kept }) => {
            let message = WebSocketMessage::error(what_is_left(kept), "image build failed");
            client.close(CloseCode::Internal, &message).await;
        }
    }
}

/// Ends a conversation in which no build began.
async fn refuse(mut client: Conversation, reason: String, what: &str) {
    let told = async {
        client.speaker.starting("").await?;
        client.speaker.text(reason).await
    };
    let message = WebSocketMessage::error("", what);
    match told.await {
        Ok(()) => client.close(CloseCode::Internal, &message).await,
        Err(departure) => client.end_after(departure).await,
    }
}

/// Why a build fails: where and why for who asked for it, for others the line of the contract.
fn told(problem: &BuildProblem, with_diagnostics: bool) -> String {
    let diagnostic = || BuildDiagnosticFrame {
        diagnostic: problem.diagnostic().clone(),
    };
    match with_diagnostics {
        true => serde_json::to_string(&diagnostic()).unwrap_or_else(|_| problem.to_string()),
        false => problem.to_string(),
    }
}

/// What a failed build left behind, as the contract has it told.
fn what_is_left(kept: Option<Option<Id>>) -> String {
    match kept {
        None => String::new(),
        Some(None) => "no snapshots available".to_owned(),
        Some(Some(snapshot)) => format!("@{snapshot}"),
    }
}

/// A build's log as frames.
struct Log {
    is_quiet: bool,
    with_diagnostics: bool,
    output: Chunks,
}

impl Log {
    fn new(is_quiet: bool, with_diagnostics: bool) -> Self {
        Self {
            is_quiet,
            with_diagnostics,
            output: Chunks::default(),
        }
    }

    /// Process output is a stream of its own; what was held back of it comes before any other line.
    fn frames(&mut self, event: BuildEvent) -> Vec<Message> {
        let (pieces, line) = match event {
            BuildEvent::Output(bytes) => (self.output.push(bytes), None),
            other => (self.output.flush(), self.line(other)),
        };
        let pieces = if self.is_quiet { Vec::new() } else { pieces };
        let output = pieces.iter().map(|piece| readable(piece));
        output
            .chain(line.map(|line| Message::Text(line.into())))
            .collect()
    }

    fn line(&self, event: BuildEvent) -> Option<String> {
        match event {
            BuildEvent::Started { image } => Some(close_reason::json(&WebSocketMessage::starting(image))),
            BuildEvent::Step { .. } if self.is_quiet => None,
            BuildEvent::Step { index, total, line } => Some(format!("Step {index}/{total} : {line}")),
            BuildEvent::Cached(snapshot) => Some(format!("--> Using cache: @{snapshot}")),
            BuildEvent::Note(_) if self.is_quiet => None,
            BuildEvent::Snapshot(snapshot) => Some(format!("--> Snapshot created: @{snapshot}")),
            BuildEvent::ParentImage(reference) => {
                Some(format!("Using user-supplied parent image: '{reference}'"))
            }
            BuildEvent::Note(text) => Some(text),
            BuildEvent::Error(problem) => Some(told(&problem, self.with_diagnostics)),
            BuildEvent::Output(_) => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id() -> Id {
        "0123456789ab".parse().unwrap()
    }

    /// The texts of the frames of these events.
    fn texts(is_quiet: bool, events: Vec<BuildEvent>) -> Vec<String> {
        let mut log = Log::new(is_quiet, false);
        let frames = events.into_iter().flat_map(|event| log.frames(event));
        frames
            .map(|frame| match frame {
                Message::Text(text) => text.to_string(),
                other => panic!("not text: {other:?}"),
            })
            .collect()
    }

    fn events() -> Vec<BuildEvent> {
        vec![
            BuildEvent::Started { image: id() },
            BuildEvent::ParentImage("base".into()),
            BuildEvent::Step {
                index: 1,
                total: 2,
                line: "FROM x".into(),
            },
            BuildEvent::Output(b"caf\xc3".to_vec()),
            BuildEvent::Output(b"\xa9 \xff\n".to_vec()),
            BuildEvent::Cached(id()),
            BuildEvent::Snapshot(id()),
            BuildEvent::Note("Skipping stage 1".into()),
            BuildEvent::Error("error: no".to_owned().into()),
        ]
    }

    #[test]
    fn each_event_is_the_line_that_the_contract_has_for_it() {
        assert_eq!(
            texts(false, events()),
            [
                r#"{"data":"0123456789ab","message":"","msg_type":"starting"}"#,
                "Using user-supplied parent image: 'base'",
                "Step 1/2 : FROM x",
                "caf",
                "é \u{fffd}\n",
                "--> Using cache: @0123456789ab",
                "--> Snapshot created: @0123456789ab",
                "Skipping stage 1",
                "error: no",
            ]
        );
    }

    #[test]
    fn a_quiet_build_tells_neither_steps_nor_output() {
        assert_eq!(
            texts(true, events()),
            [
                r#"{"data":"0123456789ab","message":"","msg_type":"starting"}"#,
                "Using user-supplied parent image: 'base'",
                "--> Using cache: @0123456789ab",
                "--> Snapshot created: @0123456789ab",
                "error: no",
            ]
        );
    }

    #[test]
    fn who_asks_for_diagnostics_gets_them_instead_of_the_line() {
        let mut log = Log::new(true, true);
        let frames = log.frames(BuildEvent::Error("error: no".to_owned().into()));
        let expected = r#"{"diagnostic":{"column":0,"line":0,"message":"error: no","source":"","words":""}}"#;
        assert_eq!(frames, [Message::Text(expected.into())]);
    }

    #[test]
    fn a_failed_build_tells_what_it_left() {
        assert_eq!(what_is_left(None), "");
        assert_eq!(what_is_left(Some(None)), "no snapshots available");
        assert_eq!(what_is_left(Some(Some(id()))), "@0123456789ab");
    }
}
