//! Gives a tool's failure its context: what was tried, with the object's name.

use kleene_platform::PlatformError;

/// A result whose error is still a tool's.
pub(crate) trait OrFailed<T> {
    /// Turns the error into [`PlatformError::Failed`] with the action, an infinitive such as `mount dataset x`.
    fn or_failed(self, action: impl FnOnce() -> String) -> Result<T, PlatformError>;
}

impl<T, E: std::fmt::Display> OrFailed<T> for Result<T, E> {
    fn or_failed(self, action: impl FnOnce() -> String) -> Result<T, PlatformError> {
        self.map_err(|error| PlatformError::failed(action(), error))
    }
}
