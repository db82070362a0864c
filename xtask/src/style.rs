//! How the output of tasks looks: coloured on terminals, plain elsewhere.

use std::io::{IsTerminal, stderr, stdout};

const BOLD: &str = "\x1b[1m";
#[cfg(target_os = "linux")]
const CYAN: &str = "\x1b[36m";
const RED: &str = "\x1b[1;31m";
const RESET: &str = "\x1b[0m";

/// A heading on standard output.
#[must_use]
pub fn heading(text: &str) -> String {
    painted(BOLD, text, stdout().is_terminal())
}

/// A command as one types it, on standard output.
#[cfg(target_os = "linux")]
#[must_use]
pub fn command(text: &str) -> String {
    painted(CYAN, &format!("$ {text}"), stdout().is_terminal())
}

/// A failure on standard error.
#[must_use]
pub fn failure(text: &str) -> String {
    painted(RED, text, stderr().is_terminal())
}

fn painted(colour: &str, text: &str, is_terminal: bool) -> String {
    if is_terminal && std::env::var_os("NO_COLOR").is_none() {
        format!("{colour}{text}{RESET}")
    } else {
        text.to_owned()
    }
}
