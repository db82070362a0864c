//! `klee system`: the daemon's host as a whole.

use clap::{Args, Subcommand};
use kleene_api::{Diagnosis, Repair};
use serde_json::Value;

use crate::client::Route;
use crate::failure::{Exit, Failure, Outcome};
use crate::listing::Layout;
use crate::screen;
use crate::session::Session;
use crate::table::{Cell, Column};

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
    /// table, json, or a template such as '{{json .failed}}'
    #[arg(long, value_name = "FORMAT", default_value = "table")]
    format: Layout,
}

const COLUMNS: &[Column] = &[
    Column::new("OBJECT"),
    Column::new("RESULT"),
    Column::new("WHAT"),
    Column::new("REASON"),
];

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
            Layout::Table => session.screen.whole_table(COLUMNS, &rows(repair))?,
        }
        Ok(exit)
    }
}

fn rows(repair: Repair) -> Vec<Vec<Cell>> {
    let row = |object: String, result: &str, what: &str, reason: String| {
        // The rules of an owner are lines of their own, below its name.
        let what = what.lines().next().unwrap_or_default();
        vec![
            Cell::new(object, screen::NAME),
            Cell::plain(result),
            Cell::plain(what),
            Cell::plain(reason),
        ]
    };
    let restored = repair
        .restored
        .into_iter()
        .map(|entry| row(entry.object, "restored", &entry.what, String::new()));
    let failed = repair
        .failed
        .into_iter()
        .map(|entry| row(entry.object, "failed", &entry.what, entry.reason));
    restored.chain(failed).collect()
}
