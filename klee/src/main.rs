//! klee, the command line of Kleene.
//!
//! `main` reads the command line, runs the command until it ends or a signal comes, and leaves with the exit
//! code. Commands live in one file per group; see `cli.rs`.

mod age;
mod attach;
mod cli;
mod client;
mod config;
mod container;
mod failure;
mod image;
mod listing;
mod names;
mod network;
mod screen;
mod session;
mod shortcuts;
mod system;
mod table;
mod terminal;
mod usage;
mod values;
mod volume;

use std::process::ExitCode;

use tokio::runtime::Builder;
use tokio::signal::unix::{SignalKind, signal};

use crate::cli::Cli;
use crate::failure::{Failure, Outcome};

fn main() -> ExitCode {
    let cli = match usage::parse(std::env::args_os()) {
        Ok(cli) => cli,
        Err(exit) => return exit.into(),
    };
    let screen = cli.screen();
    match run(cli) {
        Ok(exit) => exit.into(),
        Err(failure) => {
            if !failure.is_reader_gone() {
                screen.complain(&failure.to_string());
            }
            failure.exit().into()
        }
    }
}

fn run(cli: Cli) -> Outcome {
    let runtime = Builder::new_current_thread().enable_all().build()?;
    let outcome = runtime.block_on(until_signal(cli));
    // A thread may still wait for a line of standard input; it ends with the process.
    runtime.shutdown_background();
    outcome
}

/// Runs the command, unless a signal ends it first. The command is dropped then, which restores the terminal
/// and closes connections.
async fn until_signal(cli: Cli) -> Outcome {
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut terminate = signal(SignalKind::terminate())?;
    let mut hangup = signal(SignalKind::hangup())?;
    tokio::select! {
        outcome = cli.run() => outcome,
        _ = interrupt.recv() => Err(Failure::Aborted),
        _ = terminate.recv() => Err(Failure::Aborted),
        _ = hangup.recv() => Err(Failure::Aborted),
    }
}
