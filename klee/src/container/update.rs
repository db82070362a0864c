//! `update` and `rename`: what can be changed of a container. Options that are not given change nothing.

use clap::Args;
use clap::builder::NonEmptyStringValueParser;
use kleene_api::{ContainerUpdate, IdResponse, RestartPolicy};

use super::target::split_target;
use crate::client::Route;
use crate::failure::{Exit, Failure, Outcome};
use crate::session::Session;
use crate::values;

/// Change properties of a container
#[derive(Debug, Args)]
#[command(arg_required_else_help = true)]
pub struct Update {
    /// New name
    #[arg(long)]
    name: Option<String>,
    /// User that commands run as
    #[arg(short, long)]
    user: Option<String>,
    /// Environment variables, VAR=value; they replace all previous ones
    #[arg(short, long, value_name = "ENV")]
    env: Vec<String>,
    /// Take all environment variables away
    #[arg(long, conflicts_with = "env")]
    no_env: bool,
    /// Jail parameters, as in jail(8); they replace all previous ones
    #[arg(short = 'J', long, value_name = "PARAM")]
    jailparam: Vec<String>,
    /// Take all jail parameters away
    #[arg(long, conflicts_with = "jailparam")]
    no_jailparam: bool,
    /// Keep the container when containers are pruned
    #[arg(short = 'P', long, overrides_with = "no_persist")]
    persist: bool,
    /// Do not keep the container when containers are pruned
    #[arg(long, overrides_with = "persist")]
    no_persist: bool,
    /// When the daemon starts the container by itself: no or on-startup
    #[arg(long, value_name = "POLICY")]
    restart: Option<String>,
    /// The container, and the command that it shall have, after `--` if there are options in it
    #[arg(required = true, value_names = ["CONTAINER", "COMMAND"], num_args = 1..)]
    container_and_command: Vec<String>,
}

impl Update {
    pub(super) async fn run(self, session: &Session) -> Outcome {
        let (container, cmd) = split_target(self.container_and_command);
        let restart_policy = match &self.restart {
            Some(word) => Some(word.parse().map_err(|_| {
                values::invalid_container_value(word, "ContainerConfigRestartPolicy", RestartPolicy::WORDS)
            })?),
            None => None,
        };
        let update = ContainerUpdate {
            cmd: given(cmd),
            env: given_or_none(self.env, self.no_env),
            jail_param: given_or_none(self.jailparam, self.no_jailparam),
            name: self.name,
            persist: match (self.persist, self.no_persist) {
                (true, _) => Some(true),
                (_, true) => Some(false),
                (false, false) => None,
            },
            restart_policy,
            user: self.user,
        };
        show_id(session, send(session, &container, &update).await?)
    }
}

fn given(words: Vec<String>) -> Option<Vec<String>> {
    (!words.is_empty()).then_some(words)
}

/// The words that replace the previous ones, if any are given or there shall be none.
fn given_or_none(words: Vec<String>, none: bool) -> Option<Vec<String>> {
    if none { Some(Vec::new()) } else { given(words) }
}

/// Rename a container
#[derive(Debug, Args)]
#[command(arg_required_else_help = true)]
pub struct Rename {
    /// Name, id, or beginning of an id
    #[arg(value_parser = NonEmptyStringValueParser::new())]
    container: String,
    /// What it shall be called
    #[arg(value_name = "NEW_NAME")]
    new_name: String,
}

impl Rename {
    pub(super) async fn run(self, session: &Session) -> Outcome {
        let update = ContainerUpdate {
            name: Some(self.new_name),
            ..ContainerUpdate::default()
        };
        show_id(session, send(session, &self.container, &update).await?)
    }
}

async fn send(session: &Session, container: &str, update: &ContainerUpdate) -> Result<IdResponse, Failure> {
    session
        .client
        .send(Route::new(["containers", container, "update"]), update)
        .await
}

fn show_id(session: &Session, answer: IdResponse) -> Outcome {
    session.screen.line(&answer.id)?;
    Ok(Exit::SUCCESS)
}
