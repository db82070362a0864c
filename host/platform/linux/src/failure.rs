//! Gives a failed system call its context: what was tried, with the object's name and path.

use kleene_platform::PlatformError;

/// A result whose error is still the system's bare words.
pub(crate) trait OrFailed<T> {
    /// Turns the error into [`PlatformError::Failed`] with the action, an infinitive such as `mount dataset x at /y`.
    fn or_failed(self, action: impl FnOnce() -> String) -> Result<T, PlatformError>;
}

impl<T, E: std::fmt::Display> OrFailed<T> for Result<T, E> {
    fn or_failed(self, action: impl FnOnce() -> String) -> Result<T, PlatformError> {
        self.map_err(|error| PlatformError::failed(action(), error))
    }
}

/// Success where the object was absent already.
pub(crate) fn absent_is_fine(result: std::io::Result<()>) -> std::io::Result<()> {
    match result {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(()),
        other => other,
    }
}
