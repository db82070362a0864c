//! `--dry-run`: what a command would do on the host, shown instead of done.

use clap::{Args, ValueEnum};
use kleene_api::Plan;
use serde::Serialize;
use serde_json::Value;

use crate::client::Route;
use crate::failure::{Exit, Failure, Outcome};
use crate::screen;
use crate::session::Session;

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Format {
    /// Text for people.
    Text,
    /// The object of the API, for programs.
    Json,
}

// Not a doc comment: clap would take it for the description of the commands that use it.
// Whether a command is only to show what it would do.
#[derive(Debug, Args)]
pub struct DryRun {
    /// Show what would be done on the host, and do nothing
    #[arg(long)]
    dry_run: bool,
    /// How to print what would be done
    #[arg(long, value_enum, default_value = "text", requires = "dry_run")]
    format: Format,
}

impl DryRun {
    /// Whether nothing is to be done.
    pub fn is_wanted(&self) -> bool {
        self.dry_run
    }

    /// Asks for the plan of `what` and shows it.
    pub async fn show(&self, session: &Session, what: &str, body: &impl Serialize) -> Outcome {
        let answer: Value = session.client.send(Route::new(["plans", what]), body).await?;
        if self.format == Format::Json {
            session.screen.json(answer)?;
            return Ok(Exit::SUCCESS);
        }
        let plan: Plan = serde_json::from_value(answer).map_err(|_| Failure::UnexpectedAnswer)?;
        let mut when = String::new();
        for step in plan.steps {
            if step.when == "start" && when != step.when {
                session
                    .screen
                    .styled_line("When the container starts:", screen::MESSAGE)?;
            }
            when = step.when;
            session.screen.styled_line(&step.operation, screen::NAME)?;
            for line in step.commands.lines() {
                session.screen.line(&format!("        {line}"))?;
            }
        }
        for setting in plan.jail {
            session.screen.styled_line(&setting, screen::NAME)?;
        }
        Ok(Exit::SUCCESS)
    }
}
