//! `klee volume`: storage that outlives containers.

use clap::builder::NonEmptyStringValueParser;
use clap::{Args, Subcommand};
use jiff::Timestamp;
use kleene_api::{IdResponse, Volume, VolumeConfig};

use crate::age;
use crate::client::Route;
use crate::failure::{Exit, Outcome};
use crate::format::Inspection;
use crate::listing::Listing;
use crate::screen;
use crate::session::Session;
use crate::table::{Cell, Column};

/// Manage volumes.
#[derive(Debug, Subcommand)]
pub enum VolumeCommand {
    Create(Create),
    Inspect(Inspect),
    Ls(Ls),
    Prune(Prune),
    Rm(Rm),
}

impl VolumeCommand {
    /// Does what the user asked for.
    pub async fn run(self, session: &Session) -> Outcome {
        match self {
            Self::Create(command) => command.run(session).await,
            Self::Inspect(command) => command.run(session).await,
            Self::Ls(command) => command.run(session).await,
            Self::Prune(command) => command.run(session).await,
            Self::Rm(command) => command.run(session).await,
        }
    }
}

/// Create a volume, unless it exists already
#[derive(Debug, Args)]
#[command(arg_required_else_help = true)]
pub struct Create {
    /// Name of the volume
    #[arg(value_name = "VOLUME_NAME")]
    name: String,
}

impl Create {
    async fn run(self, session: &Session) -> Outcome {
        let config = VolumeConfig { name: self.name };
        let answer: IdResponse = session
            .client
            .send(Route::new(["volumes", "create"]), &config)
            .await?;
        session.screen.styled_line(&answer.id, screen::NAME)?;
        Ok(Exit::SUCCESS)
    }
}

/// Show everything about a volume
#[derive(Debug, Args)]
#[command(arg_required_else_help = true, mut_arg("format", |format| {
    format.help("json, or a template such as '{{.volume.mountpoint}}' or '{{json .mountpoints}}'")
}))]
pub struct Inspect {
    #[command(flatten)]
    inspection: Inspection,
    /// Name of the volume
    #[arg(value_parser = NonEmptyStringValueParser::new())]
    volume: String,
}

impl Inspect {
    async fn run(self, session: &Session) -> Outcome {
        session
            .inspect(Route::new(["volumes", &self.volume, "inspect"]), &self.inspection)
            .await
    }
}

/// List volumes
#[derive(Debug, Args)]
#[command(mut_arg("format", |format| {
    format.help("table, json, or a template for each line: '{{.name}} {{.mountpoint}}'")
}))]
pub struct Ls {
    #[command(flatten)]
    listing: Listing,
}

const COLUMNS: &[Column] = &[Column::new("VOLUME NAME"), Column::new("CREATED")];

impl Ls {
    async fn run(self, session: &Session) -> Outcome {
        let now = Timestamp::now();
        let row = |volume: Volume| {
            vec![
                Cell::new(volume.name, screen::NAME),
                age::cell(&volume.created, now),
            ]
        };
        self.listing
            .show(session, Route::new(["volumes", "list"]), COLUMNS, row)
            .await
    }
}

/// Remove volumes that no container mounts
#[derive(Debug, Args)]
pub struct Prune {
    /// Do not ask
    #[arg(short, long)]
    force: bool,
}

impl Prune {
    async fn run(self, session: &Session) -> Outcome {
        session
            .prune("all unused volumes", self.force, Route::new(["volumes", "prune"]))
            .await
    }
}

/// Remove volumes
#[derive(Debug, Args)]
#[command(arg_required_else_help = true)]
pub struct Rm {
    /// Name of the volume
    #[arg(required = true, value_parser = NonEmptyStringValueParser::new())]
    volumes: Vec<String>,
}

impl Rm {
    async fn run(self, session: &Session) -> Outcome {
        session
            .remove(&self.volumes, |volume| Route::new(["volumes", volume]))
            .await
    }
}
