//! The daemon's state as routes see it, and the way from a request to the (blocking) engine.

use std::sync::Arc;

use kleene_engine::{Engine, EngineError};
use tokio::task::{JoinHandle, spawn_blocking};
use tracing::Span;

use crate::answer::Failure;
use crate::config::Config;
use crate::operation::Operation;

/// What every route can reach.
#[derive(Clone)]
pub struct App {
    /// The engine.
    pub engine: Engine,
    /// What the daemon was told.
    pub config: Arc<Config>,
}

impl App {
    /// Has the engine do `work` as part of `operation`.
    ///
    /// Work that began goes on to its end even if the client does not wait for the answer, so that a transaction
    /// never stops halfway.
    ///
    /// # Errors
    /// The engine's error in the words and with the status of the operation.
    pub async fn run<T, F>(&self, operation: Operation, work: F) -> Result<T, Failure>
    where
        F: FnOnce(&Engine) -> Result<T, EngineError> + Send + 'static,
        T: Send + 'static,
    {
        match self.block(work).await {
            Ok(Ok(value)) => Ok(value),
            Ok(Err(error)) => {
                let failure = operation.failure(&error);
                tracing::info!(?operation, status = failure.status.as_u16(), %error, "refused");
                Err(failure)
            }
            Err(panic) => {
                tracing::error!(?operation, %panic, "defect in the engine");
                Err(Failure::internal())
            }
        }
    }

    /// Has a thread that may block do `work`, from now on and within the span of the request.
    pub fn block<T, F>(&self, work: F) -> JoinHandle<T>
    where
        F: FnOnce(&Engine) -> T + Send + 'static,
        T: Send + 'static,
    {
        let engine = self.engine.clone();
        let span = Span::current();
        spawn_blocking(move || span.in_scope(|| work(&engine)))
    }
}
