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
mod context;
mod destination;
mod detach;
mod dry_run;
mod failure;
mod format;
mod help;
mod image;
mod listing;
mod manual;
mod names;
mod network;
mod progress;
mod screen;
mod session;
mod shortcuts;
mod size;
mod system;
mod table;
mod terminal;
mod transfer;
mod usage;
mod values;
mod volume;

use std::io::Write;
use std::process::ExitCode;

use tokio::runtime::Builder;
use tokio::signal::unix::{SignalKind, signal};

use crate::cli::Command;
use crate::config::{Settings, Theme};
use crate::failure::{Failure, Outcome};
use crate::screen::Screen;

fn main() -> ExitCode {
    let (options, command) = match usage::parse(std::env::args_os()) {
        Ok(cli) => cli.into_parts(),
        Err(exit) => return exit.into(),
    };
    let settings = match Settings::read(options) {
        Ok(settings) => settings,
        Err(failure) => return fail(Screen::new(Theme::default()), &failure),
    };
    let screen = Screen::new(settings.theme);
    for notice in &settings.notices {
        screen.complain(notice);
    }
    match run(command, screen, &settings) {
        Ok(exit) => exit.into(),
        Err(failure) => fail(screen, &failure),
    }
}

fn fail(screen: Screen, failure: &Failure) -> ExitCode {
    if !failure.is_reader_gone() {
        screen.complain(&failure.to_string());
    }
    failure.exit().into()
}

fn run(command: Command, screen: Screen, settings: &Settings) -> Outcome {
    let runtime = Builder::new_current_thread().enable_all().build()?;
    let outcome = runtime.block_on(until_signal(command.run(screen, settings)));
    // A thread may still wait for a line of standard input; it ends with the process.
    runtime.shutdown_background();
    outcome
}

/// Runs the command, unless a signal ends it first. The command is dropped then, which restores the terminal
/// and closes connections.
async fn until_signal(command: impl Future<Output = Outcome>) -> Outcome {
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut terminate = signal(SignalKind::terminate())?;
    let mut hangup = signal(SignalKind::hangup())?;
    let mut quit = signal(SignalKind::quit())?;
    tokio::select! {
        // The command first: one that minds a signal itself gets the time for its good-bye.
        biased;
        outcome = command => outcome,
        _ = interrupt.recv() => {
            // The terminal has echoed the key; what follows belongs on a line of its own.
            if terminal::stderr_is_terminal() {
                // Without standard error there is nobody left to tell.
                let _ = writeln!(std::io::stderr());
            }
            Err(Failure::Aborted)
        }
        _ = terminate.recv() => Err(Failure::Aborted),
        _ = hangup.recv() => Err(Failure::Aborted),
        _ = quit.recv() => Err(Failure::Aborted),
    }
}
