//! `klee system`: the daemon's host as a whole.

use std::io::{self, IsTerminal};

use clap::{Args, Subcommand};
use kleene_api::{Diagnosis, Repair};
use serde_json::Value;

use crate::client::Route;
use crate::failure::{Exit, Failure, Outcome};
use crate::help;
use crate::listing::Layout;
use crate::screen;
use crate::session::Session;
use crate::table::{Cell, Column};
use crate::terminal;

/// What stands before the lines below a heading.
const INDENT: &str = "  ";

/// Look after the host.
#[derive(Debug, Subcommand)]
pub enum SystemCommand {
    Doctor(DoctorCommand),
    Repair(RepairCommand),
}

impl SystemCommand {
    /// Does what the user asked for.
    pub async fn run(self, session: &Session) -> Outcome {
        match self {
            Self::Doctor(command) => command.run(session).await,
            Self::Repair(command) => command.run(session).await,
        }
    }
}

/// Look whether the daemon's host has what containers need, and say how to mend what it lacks
#[derive(Debug, Args)]
pub struct DoctorCommand {
    /// table, json, or a template such as '{{json .checks}}'
    #[arg(long, value_name = "FORMAT", default_value = "table")]
    format: Layout,
}

const CHECK_COLUMNS: &[Column] = &[
    Column::new("CHECK"),
    Column::new("RESULT"),
    Column::new("WHAT TO DO"),
];

impl DoctorCommand {
    async fn run(self, session: &Session) -> Outcome {
        let answer: Value = session.client.get(Route::new(["system", "doctor"])).await?;
        let diagnosis: Diagnosis =
            serde_json::from_value(answer.clone()).map_err(|_| Failure::UnexpectedAnswer)?;
        let exit = if diagnosis.checks.iter().all(|check| check.problem.is_none()) {
            Exit::SUCCESS
        } else {
            Exit::FAILURE
        };
        match self.format {
            Layout::Text(format) => format.show(session.screen, answer)?,
            Layout::Table => {
                let row = |check: kleene_api::HostCheck| {
                    let result = if check.problem.is_none() { "ok" } else { "problem" };
                    vec![
                        Cell::plain(check.what),
                        Cell::plain(result),
                        Cell::plain(check.problem.unwrap_or_default()),
                    ]
                };
                let rows: Vec<_> = diagnosis.checks.into_iter().map(row).collect();
                session.screen.table(CHECK_COLUMNS, &rows)?;
            }
        }
        Ok(exit)
    }
}

/// Restore interfaces, rules and mounts that others removed, and take back what was left behind
#[derive(Debug, Args)]
pub struct RepairCommand {
    /// table (a list for people), json, or a template such as '{{json .failed}}'
    #[arg(long, value_name = "FORMAT", default_value = "table")]
    format: Layout,
}

impl RepairCommand {
    async fn run(self, session: &Session) -> Outcome {
        let answer: Value = session.client.post(Route::new(["system", "repair"])).await?;
        let repair: Repair = serde_json::from_value(answer.clone()).map_err(|_| Failure::UnexpectedAnswer)?;
        let exit = if repair.failed.is_empty() {
            Exit::SUCCESS
        } else {
            Exit::FAILURE
        };
        match self.format {
            Layout::Text(format) => format.show(session.screen, answer)?,
            Layout::Table if repair == Repair::default() => session.screen.line("nothing to repair")?,
            Layout::Table => {
                // Lines are broken for eyes only.
                let width = io::stdout().is_terminal().then(terminal::width);
                for (object, story) in outcomes(repair, width) {
                    session.screen.styled_line(&object, screen::NAME)?;
                    session.screen.line(&story)?;
                }
            }
        }
        Ok(exit)
    }
}

/// What became of each object: a heading, and below it what was done, or was to be done and why it was not.
fn outcomes(repair: Repair, width: Option<usize>) -> impl Iterator<Item = (String, String)> {
    let indented = move |text: &str| {
        let lines = match width {
            Some(width) => help::wrapped(text, width.saturating_sub(INDENT.len())),
            None => vec![text.to_owned()],
        };
        let lines: Vec<String> = lines.iter().map(|line| format!("{INDENT}{line}")).collect();
        lines.join("\n")
    };
    // The rules of an owner are lines of their own, below its name.
    let first_line = |text: &str| text.lines().next().unwrap_or_default().to_owned();
    let restored = repair.restored.into_iter().map(move |entry| {
        let what = indented(&first_line(&entry.what));
        (format!("{}: restored", entry.object), what)
    });
    let failed = repair.failed.into_iter().map(move |entry| {
        let (what, reason) = (indented(&first_line(&entry.what)), indented(&entry.reason));
        (format!("{}: failed", entry.object), format!("{what}\n{reason}"))
    });
    restored.chain(failed)
}

#[cfg(test)]
mod tests {
    use kleene_api::Unrepaired;

    use super::*;

    #[test]
    fn on_a_terminal_no_line_is_longer_than_it_is_wide() {
        let repair = Repair {
            failed: vec![Unrepaired {
                object: "container 0123456789ab".to_owned(),
                reason: "policy 'policy-ports' refuses: container 'web' in network 'lan' may not publish it"
                    .to_owned(),
                what: "rules of endpoint-0123456789ab\n    block in".to_owned(),
            }],
            ..Repair::default()
        };
        let shown: Vec<_> = outcomes(repair, Some(40)).collect();
        let (heading, story) = &shown[0];
        assert_eq!(heading, "container 0123456789ab: failed");
        let lines: Vec<&str> = story.lines().collect();
        assert_eq!(
            lines,
            [
                "  rules of endpoint-0123456789ab",
                "  policy 'policy-ports' refuses:",
                "  container 'web' in network 'lan' may",
                "  not publish it",
            ]
        );
    }
}
