//! Lines for the daemon's log. In tests they go to standard error.

use crate::bindings::vocabulary::kleene::plugin::log::Level;

/// For the plugin's author.
pub fn debug(message: &str) {
    write(Level::Debug, message);
}

/// For who wants to know.
pub fn info(message: &str) {
    write(Level::Info, message);
}

/// For who should know.
pub fn warn(message: &str) {
    write(Level::Warn, message);
}

/// For who must know.
pub fn error(message: &str) {
    write(Level::Error, message);
}

#[cfg(target_arch = "wasm32")]
fn write(level: Level, message: &str) {
    crate::bindings::vocabulary::kleene::plugin::log::write(level, message);
}

#[cfg(not(target_arch = "wasm32"))]
fn write(level: Level, message: &str) {
    eprintln!("{level:?}: {message}");
}
