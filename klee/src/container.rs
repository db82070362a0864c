//! `klee container`: the commands on containers that are one request each. Creating, running and changing
//! containers have files of their own below.

mod create;
mod exec;
mod target;
mod update;

use std::time::Duration;

use clap::builder::NonEmptyStringValueParser;
use clap::{Args, Subcommand, value_parser};
use jiff::Timestamp;
use kleene_api::{ContainerSummary, IdResponse, RestartPolicy};

use crate::age;
use crate::client::Route;
use crate::failure::{Failure, Outcome};
use crate::format::Inspection;
use crate::listing::Listing;
use crate::screen;
use crate::session::{self, Session};
use crate::table::{Cell, Column};

pub use create::{Create, Run, SharedOptions};
pub use exec::{Exec, Restart, Start};
pub use update::{Rename, Update};

/// Manage containers.
#[derive(Debug, Subcommand)]
pub enum ContainerCommand {
    Create(Create),
    Exec(Exec),
    Inspect(Inspect),
    Ls(Ls),
    Prune(Prune),
    Rename(Rename),
    Restart(Restart),
    Rm(Rm),
    Run(Run),
    Start(Start),
    Stop(Stop),
    Update(Update),
}

impl ContainerCommand {
    /// Does what the user asked for.
    pub async fn run(self, session: &Session) -> Outcome {
        match self {
            Self::Create(command) => command.run(session).await,
            Self::Exec(command) => command.run(session).await,
            Self::Inspect(command) => command.run(session).await,
            Self::Ls(command) => command.run(session).await,
            Self::Prune(command) => command.run(session).await,
            Self::Rename(command) => command.run(session).await,
            Self::Restart(command) => command.run(session).await,
            Self::Rm(command) => command.run(session).await,
            Self::Run(command) => command.run(session).await,
            Self::Start(command) => command.run(session).await,
            Self::Stop(command) => command.run(session).await,
            Self::Update(command) => command.run(session).await,
        }
    }
}

/// Show everything about a container
#[derive(Debug, Args)]
#[command(arg_required_else_help = true, mut_arg("format", |format| {
    format.help("json, or a template such as '{{.container.name}}' or '{{json .container.env}}'")
}))]
pub struct Inspect {
    #[command(flatten)]
    inspection: Inspection,
    /// Name, id, or beginning of an id
    #[arg(value_parser = NonEmptyStringValueParser::new())]
    container: String,
}

impl Inspect {
    async fn run(self, session: &Session) -> Outcome {
        session
            .inspect(
                Route::new(["containers", &self.container, "inspect"]),
                &self.inspection,
            )
            .await
    }
}

/// List containers (only running ones, unless asked for all)
#[derive(Debug, Args)]
pub struct Ls {
    /// Show stopped containers as well
    #[arg(short, long)]
    all: bool,
    #[command(flatten)]
    listing: Listing,
}

const COLUMNS: &[Column] = &[
    Column::new("CONTAINER ID").at_least(13),
    Column::new("NAME").giving_way_last(),
    Column::new("IMAGE").giving_way_to(8),
    Column::new("COMMAND").at_most(40).giving_way_to(4),
    Column::new("CREATED").giving_way_to(7),
    Column::new("AUTORUN").centred(),
    Column::new("STATUS"),
    Column::new("JID"),
];

impl Ls {
    async fn run(self, session: &Session) -> Outcome {
        let route = Route::new(["containers", "list"]).query("all", self.all);
        let now = Timestamp::now();
        self.listing
            .show(session, route, COLUMNS, |container| row(container, now))
            .await
    }
}

fn row(summary: ContainerSummary, now: Timestamp) -> Vec<Cell> {
    let ContainerSummary {
        container,
        image_name,
        image_tag,
        jid,
    } = summary;
    let image = if image_name.is_empty() {
        Cell::new(container.image_id, screen::IMAGE_ID).whole()
    } else {
        Cell::new(format!("{image_name}:{image_tag}"), screen::IMAGE_NAME)
    };
    let autorun = match container.restart_policy {
        RestartPolicy::No => "no",
        RestartPolicy::OnStartup => "yes",
    };
    let status = match container.running {
        true => Cell::new("running", screen::RUNNING),
        false => Cell::new("stopped", screen::STOPPED),
    };
    vec![
        Cell::new(container.id, screen::ID),
        Cell::new(container.name.unwrap_or_default(), screen::NAME),
        image,
        Cell::plain(container.cmd.join(" ")),
        age::cell(&container.created, now),
        Cell::plain(autorun),
        status,
        Cell::plain(jid.map(|jid| jid.to_string()).unwrap_or_default()),
    ]
}

/// Remove all stopped containers, except persistent ones
#[derive(Debug, Args)]
pub struct Prune {
    /// Do not ask
    #[arg(short, long)]
    force: bool,
}

impl Prune {
    async fn run(self, session: &Session) -> Outcome {
        session
            .prune(
                "all stopped containers",
                self.force,
                Route::new(["containers", "prune"]),
            )
            .await
    }
}

/// Remove containers, not their volumes
#[derive(Debug, Args)]
#[command(arg_required_else_help = true)]
pub struct Rm {
    /// Stop running containers first
    #[arg(short, long)]
    force: bool,
    /// Name, id, or beginning of an id
    #[arg(required = true, value_parser = NonEmptyStringValueParser::new())]
    containers: Vec<String>,
}

impl Rm {
    async fn run(self, session: &Session) -> Outcome {
        session
            .for_each(&self.containers, async |container| {
                let not_stopped = match self.force {
                    true => refusal(stop(session, container, Grace::default()).await)?,
                    false => None,
                };
                let removed = session.client.delete(Route::new(["containers", container])).await;
                // Why it could not be stopped is worth a word where it is not the same as why it cannot be removed.
                match (not_stopped, &removed) {
                    (Some(why), Err(Failure::Refused(message))) if why == *message => {}
                    (Some(why), _) => session.screen.note(&session::of(container, &why)),
                    (None, _) => {}
                }
                session
                    .screen
                    .line(&removed.map_err(|failure| unless_running(failure, container))?)
            })
            .await
    }
}

/// What the daemon said, if it refused.
fn refusal<T>(outcome: Result<T, Failure>) -> Result<Option<String>, Failure> {
    match outcome {
        Ok(_) => Ok(None),
        Err(Failure::Refused(message)) => Ok(Some(message)),
        Err(other) => Err(other),
    }
}

/// Says what to do about a container that cannot be removed because it runs.
fn unless_running(failure: Failure, container: &str) -> Failure {
    match failure {
        Failure::Refused(message) if message.contains("cannot remove a running container") => {
            Failure::Refused(format!(
                "{message}\nStop it first, or do both with 'klee rmc -f {container}'."
            ))
        }
        other => other,
    }
}

/// Stop running containers
#[derive(Debug, Args)]
#[command(arg_required_else_help = true)]
pub struct Stop {
    #[command(flatten)]
    grace: Grace,
    /// Name, id, or beginning of an id
    #[arg(required = true, value_parser = NonEmptyStringValueParser::new())]
    containers: Vec<String>,
}

impl Stop {
    async fn run(self, session: &Session) -> Outcome {
        session
            .for_each(&self.containers, async |container| {
                session.screen.line(&stop(session, container, self.grace).await?)
            })
            .await
    }
}

// How long the processes of a container may take to end by themselves.
#[derive(Debug, Clone, Copy, Default, Args)]
struct Grace {
    /// Seconds after which what still runs is killed [default: 3.5]
    #[arg(short, long, value_name = "SECONDS", value_parser = value_parser!(u64).range(..=3600))]
    timeout: Option<u64>,
}

/// Stops a container and returns its full id.
async fn stop(session: &Session, container: &str, grace: Grace) -> Result<String, Failure> {
    let route = Route::new(["containers", container, "stop"]);
    let route = match grace.timeout {
        Some(seconds) => route.query("timeout", seconds),
        None => route,
    };
    let longer = Duration::from_secs(grace.timeout.unwrap_or_default());
    let answer: IdResponse = session.client.post_patiently(route, longer).await?;
    Ok(answer.id)
}
