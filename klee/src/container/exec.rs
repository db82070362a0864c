//! `exec`, `start` and `restart`: processes in containers that exist already.

use clap::Args;
use clap::builder::NonEmptyStringValueParser;
use kleene_api::{Container, ContainerInspect, ExecConfig, IdResponse};

use super::Grace;
use super::target::split_target;
use crate::attach::{self, Started, Stdio};
use crate::client::Route;
use crate::detach::DetachKeys;
use crate::failure::{Failure, Outcome};
use crate::session::Session;
use crate::terminal;

// How klee is connected to a process.
#[derive(Debug, Clone, Args)]
pub struct ExecOptions {
    /// Do not wait for the process
    #[arg(short, long)]
    pub detach: bool,
    /// Send standard input to the process
    #[arg(short, long)]
    pub interactive: bool,
    /// Give the process a terminal
    #[arg(short, long)]
    pub tty: bool,
    /// Keys that end an interactive session and leave the process running
    #[arg(long, value_name = "KEYS", default_value = "ctrl-p,ctrl-q")]
    detach_keys: DetachKeys,
    /// Print the process' output alone (run --detach: the container's id alone)
    #[arg(short, long)]
    pub quiet: bool,
}

impl ExecOptions {
    /// The configuration of an execution instance as far as these options determine it.
    pub fn config(&self) -> ExecConfig {
        let size = self.tty.then(terminal::size).flatten();
        ExecConfig {
            cols: size.map(|size| size.cols),
            rows: size.map(|size| size.rows),
            tty: self.tty,
            ..ExecConfig::default()
        }
    }

    /// What to connect to the process.
    pub fn stdio(&self) -> Stdio {
        Stdio {
            interactive: self.interactive,
            tty: self.tty,
            detach_keys: self.detach_keys.clone(),
            quiet: self.quiet,
        }
    }

    /// Makes an execution instance and starts it.
    pub async fn start(
        &self,
        session: &Session,
        config: ExecConfig,
        detached: bool,
    ) -> Result<Started, Failure> {
        let instance = create_instance(session, config).await?;
        if !self.quiet {
            announce(session, &instance)?;
        }
        if detached {
            attach::start_detached(session, instance).await?;
            return Ok(Started::Detached);
        }
        let attached = attach::start_attached(session, instance, self.stdio()).await?;
        Ok(Started::Attached(Box::new(attached)))
    }
}

/// Makes an execution instance and returns its id.
async fn create_instance(session: &Session, config: ExecConfig) -> Result<String, Failure> {
    let container = config.container_id.clone();
    let IdResponse { id } = session
        .client
        .send(Route::new(["exec", "create"]), &config)
        .await
        .map_err(|failure| failure.refused_as(&format!("{container}: error creating execution instance")))?;
    Ok(id)
}

fn announce(session: &Session, instance: &str) -> Result<(), Failure> {
    session
        .screen
        .line(&format!("created execution instance {instance}"))
}

/// Run a command in a container, which is started if necessary
#[derive(Debug, Args)]
#[command(arg_required_else_help = true)]
pub struct Exec {
    #[command(flatten)]
    options: ExecOptions,
    /// Set an environment variable: VAR=value
    #[arg(short, long, value_name = "ENV")]
    env: Vec<String>,
    /// User that the command runs as (default: the container's)
    #[arg(
        short,
        long,
        value_name = "USER",
        default_value = "",
        hide_default_value = true
    )]
    user: String,
    /// The container, and the command to run instead of the container's
    #[arg(required = true, trailing_var_arg = true, value_names = ["CONTAINER", "COMMAND"], num_args = 1..)]
    container_and_command: Vec<String>,
}

impl Exec {
    pub(super) async fn run(self, session: &Session) -> Outcome {
        let (container_id, cmd) = split_target(self.container_and_command);
        let config = ExecConfig {
            cmd,
            container_id,
            env: self.env,
            user: self.user,
            ..self.options.config()
        };
        let started = self.options.start(session, config, self.options.detach);
        started.await?.attend(session).await
    }
}

/// Start stopped containers (attached only if it is a single one)
#[derive(Debug, Args)]
#[command(arg_required_else_help = true)]
pub struct Start {
    #[command(flatten)]
    options: ExecOptions,
    /// Name, id, or beginning of an id
    #[arg(required = true, value_parser = NonEmptyStringValueParser::new())]
    containers: Vec<String>,
}

impl Start {
    pub(super) async fn run(self, session: &Session) -> Outcome {
        let attached = !self.options.detach || self.options.interactive;
        match &self.containers[..] {
            [container] if attached => self.start(session, container, false).await?.attend(session).await,
            _ if attached => Err(Failure::BadValue(
                "only one container can be started when attaching to container I/O.".to_owned(),
            )),
            containers => {
                session
                    .for_each(containers, async |container| {
                        self.start(session, container, true).await.map(drop)
                    })
                    .await
            }
        }
    }

    /// Starts the container's own command. A container that runs is refused: its command would run a second time
    /// beside the first.
    async fn start(&self, session: &Session, container: &str, detached: bool) -> Result<Started, Failure> {
        if inspect(session, container).await?.running {
            return Err(Failure::Refused(format!(
                "container '{container}' is already running\n\
                 To run another command in it, use 'klee exec {container} COMMAND'."
            )));
        }
        let config = ExecConfig {
            container_id: container.to_owned(),
            ..self.options.config()
        };
        self.options.start(session, config, detached).await
    }
}

async fn inspect(session: &Session, container: &str) -> Result<Container, Failure> {
    let inspected: ContainerInspect = session
        .client
        .get(Route::new(["containers", container, "inspect"]))
        .await?;
    Ok(inspected.container)
}

/// Restart containers; one that does not run is started
#[derive(Debug, Args)]
#[command(arg_required_else_help = true)]
pub struct Restart {
    #[command(flatten)]
    grace: Grace,
    /// Name, id, or beginning of an id
    #[arg(required = true, value_parser = NonEmptyStringValueParser::new())]
    containers: Vec<String>,
}

impl Restart {
    pub(super) async fn run(self, session: &Session) -> Outcome {
        session
            .for_each(&self.containers, async |container| {
                restart(session, container, self.grace).await
            })
            .await
    }
}

async fn restart(session: &Session, container: &str, grace: Grace) -> Result<(), Failure> {
    let container_id = match super::stop(session, container, grace).await {
        Err(Failure::Refused(message)) if message == "container not running" => {
            inspect(session, container).await?.id
        }
        stopped => stopped?,
    };
    session.screen.line(&container_id)?;
    let instance = create_instance(
        session,
        ExecConfig {
            container_id,
            ..ExecConfig::default()
        },
    )
    .await?;
    announce(session, &instance)?;
    attach::start_detached(session, instance).await
}
