//! The daemon's own log. What containers print has logs of its own.

use std::io::{self, IsTerminal};
use std::sync::Mutex;

use tracing::Level;
use tracing::level_filters::LevelFilter;
use tracing_subscriber::filter::Targets;
use tracing_subscriber::fmt;
use tracing_subscriber::layer::{Layer, SubscriberExt};
use tracing_subscriber::registry;
use tracing_subscriber::util::SubscriberInitExt;

use crate::config::{Config, LogLevel};
use crate::log_file::LogFile;

/// Starts logging, to the configured file or to standard error.
///
/// # Errors
/// If the file cannot be written.
pub fn start(config: &Config) -> io::Result<()> {
    let output = match &config.log_file {
        Some(path) => fmt::layer()
            .with_ansi(false)
            .with_writer(Mutex::new(LogFile::open(path)?))
            .boxed(),
        None => fmt::layer()
            .with_ansi(io::stderr().is_terminal())
            .with_writer(io::stderr)
            .boxed(),
    };
    // Every crate of ours begins with it, and no other.
    let filter = Targets::new()
        .with_default(LevelFilter::WARN)
        .with_target("kleene", level(config.log_level));
    registry()
        .with(output.with_filter(filter))
        .try_init()
        .map_err(io::Error::other)
}

fn level(level: LogLevel) -> Level {
    match level {
        LogLevel::Error => Level::ERROR,
        LogLevel::Warn => Level::WARN,
        LogLevel::Info => Level::INFO,
        LogLevel::Debug => Level::DEBUG,
        LogLevel::Trace => Level::TRACE,
    }
}
