//! What a command printed and how it ended.

use std::fmt;
use std::process::{Command, Stdio};

/// A command that has ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outcome {
    line: String,
    /// Its exit code; `None`: it was ended by a signal.
    pub code: Option<i32>,
    /// Its standard output.
    pub stdout: String,
    /// Its standard error.
    pub stderr: String,
}

impl Outcome {
    /// Runs a command to its end; `line` is what to call it.
    ///
    /// # Panics
    /// If it cannot be run at all.
    #[track_caller]
    #[must_use]
    pub fn of(line: &str, command: &mut Command) -> Self {
        match command.stdin(Stdio::null()).output() {
            Ok(output) => Self {
                line: line.to_owned(),
                code: output.status.code(),
                stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
                stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
            },
            Err(error) => panic!("cannot run {line}: {error}"),
        }
    }

    /// Whether its exit code is 0.
    #[must_use]
    pub fn succeeded(&self) -> bool {
        self.code == Some(0)
    }

    /// Its standard output.
    ///
    /// # Panics
    /// Unless it succeeded.
    #[track_caller]
    pub fn ok(self) -> String {
        assert!(self.succeeded(), "should have succeeded: {self}");
        self.stdout
    }

    /// The last line of its standard output, which is where `klee` prints an id.
    ///
    /// # Panics
    /// Unless it succeeded.
    #[must_use]
    #[track_caller]
    pub fn last_line(self) -> String {
        self.ok().lines().last().unwrap_or_default().trim().to_owned()
    }

    /// All that it printed.
    ///
    /// # Panics
    /// If it succeeded.
    #[track_caller]
    pub fn refused(self) -> String {
        assert!(!self.succeeded(), "should have been refused: {self}");
        format!("{}{}", self.stdout, self.stderr)
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            line,
            code,
            stdout,
            stderr,
        } = self;
        write!(
            f,
            "{line}\nexit code: {code:?}\nstandard output:\n{stdout}\nstandard error:\n{stderr}"
        )
    }
}
