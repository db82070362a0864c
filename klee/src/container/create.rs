//! `create` and `run`: from options to a container's configuration, and to its first process.

use clap::Args;
use clap::builder::NonEmptyStringValueParser;
use kleene_api::{
    AUTO, ContainerConfig, ContainerPlanConfig, EndPointConfig, ExecConfig, IdResponse, MountPointConfig,
    MountType, NetworkDriver, RestartPolicy,
};

use super::exec::ExecOptions;
use super::target::split_target;
use crate::client::Route;
use crate::dry_run::DryRun;
use crate::failure::{Exit, Failure, Outcome};
use crate::names;
use crate::screen::{self, Screen};
use crate::session::Session;
use crate::values;

// What containers and builds have in common.
#[derive(Debug, Args)]
pub struct SharedOptions {
    /// User that commands run as (default: the image's)
    #[arg(
        short,
        long,
        value_name = "USER",
        default_value = "",
        hide_default_value = true
    )]
    user: String,
    /// Set an environment variable: VAR=value
    #[arg(short, long, value_name = "ENV")]
    env: Vec<String>,
    /// Mount a volume or a path of the host: SOURCE:DESTINATION[:rw|ro]
    #[arg(short, long, value_name = "MOUNT")]
    mount: Vec<String>,
    /// Set a jail parameter, as in jail(8)
    #[arg(short = 'J', long, value_name = "PARAM")]
    jailparam: Vec<String>,
    /// Network driver: ipnet, host, vnet or disabled (default: host, or ipnet with --network)
    #[arg(short = 'l', long, value_name = "DRIVER")]
    driver: Option<String>,
    /// Connect to this network
    #[arg(short, long, value_name = "NETWORK", value_parser = NonEmptyStringValueParser::new())]
    network: Option<String>,
    /// IPv4 address in the network (default: chosen by the daemon); ignored without --network
    #[arg(long, value_name = "ADDRESS")]
    ip: Option<String>,
    /// IPv6 address in the network (default: chosen by the daemon); ignored without --network
    #[arg(long, value_name = "ADDRESS")]
    ip6: Option<String>,
}

impl SharedOptions {
    /// The configuration that these options describe, all else being default.
    pub fn config(&self) -> Result<ContainerConfig, Failure> {
        Ok(ContainerConfig {
            env: self.env.clone(),
            jail_param: self.jailparam.clone(),
            mounts: self
                .mount
                .iter()
                .map(|mount| values::mount(mount))
                .collect::<Result<_, _>>()?,
            network_driver: self.network_driver()?,
            user: self.user.clone(),
            ..ContainerConfig::default()
        })
    }

    fn network_driver(&self) -> Result<NetworkDriver, Failure> {
        match &self.driver {
            Some(word) => word.parse().map_err(|_| {
                values::invalid_container_value(word, "ContainerConfigNetworkDriver", NetworkDriver::WORDS)
            }),
            None if self.network.is_some() => Ok(NetworkDriver::Ipnet),
            None => Ok(NetworkDriver::Host),
        }
    }

    /// How to connect `container` to the network, if there is one; if not, addresses are told to be ignored, as they always
    /// were.
    pub fn endpoint(&self, screen: &Screen, container: &str) -> Option<EndPointConfig> {
        let Some(network) = self.network.clone() else {
            if self.ip.is_some() || self.ip6.is_some() {
                screen.note("Note: '--ip' and '--ip6' are ignored without '--network'.");
            }
            return None;
        };
        let or_auto = |address: &Option<String>| address.clone().unwrap_or_else(|| AUTO.to_owned());
        Some(EndPointConfig {
            container: container.to_owned(),
            ip_address: or_auto(&self.ip),
            ip_address6: or_auto(&self.ip6),
            network,
        })
    }
}

// What only containers have, besides image and command.
#[derive(Debug, Args)]
struct ContainerOptions {
    #[command(flatten)]
    shared: SharedOptions,
    /// Keep the container when containers are pruned
    #[arg(short = 'P', long)]
    persist: bool,
    /// When the daemon starts the container by itself: no or on-startup
    #[arg(long, value_name = "POLICY", default_value = "no")]
    restart: String,
    /// Publish a port or a range of them: HOST[:CONTAINER][/PROTO] or IFACE:HOST:CONTAINER[/PROTO], such as 9000-9002:80-82
    #[arg(short, long, value_name = "PORT")]
    publish: Vec<String>,
    /// Name of the container (default: a random one)
    #[arg(long)]
    name: Option<String>,
    /// Note something about the container: KEY=VALUE, or KEY
    #[arg(long, value_name = "LABEL")]
    label: Vec<String>,
    /// Program to run instead of the image's entrypoint and command
    #[arg(long, value_name = "PROGRAM")]
    entrypoint: Option<String>,
    /// Directory in which processes begin (default: the image's)
    #[arg(short, long, value_name = "DIRECTORY")]
    workdir: Option<String>,
    /// Signal that asks the container to end: a name or number (default: the image's, or SIGTERM)
    #[arg(long, value_name = "SIGNAL")]
    stop_signal: Option<String>,
    #[command(flatten)]
    dry_run: DryRun,
}

impl ContainerOptions {
    /// Shows what creating the container, and starting it if so, would do.
    async fn show(&self, session: &Session, image_and_command: Vec<String>, start: bool) -> Outcome {
        let (image, cmd) = split_target(image_and_command);
        let config = ContainerPlanConfig {
            container: self.config(image, cmd)?,
            endpoint: self.shared.endpoint(&session.screen, ""),
            start,
        };
        self.dry_run.show(session, "container", &config).await
    }

    fn config(&self, image: String, cmd: Vec<String>) -> Result<ContainerConfig, Failure> {
        let restart_policy = self.restart.parse().map_err(|_| {
            values::invalid_container_value(
                &self.restart,
                "ContainerConfigRestartPolicy",
                RestartPolicy::WORDS,
            )
        })?;
        let name = match &self.name {
            Some(name) => name.clone(),
            None => names::random()?,
        };
        Ok(ContainerConfig {
            cmd,
            entrypoint: self.entrypoint.clone().map(|program| vec![program]),
            image: Some(image),
            labels: self.label.iter().map(|label| values::label(label)).collect(),
            name: Some(name),
            persist: self.persist,
            public_ports: self
                .publish
                .iter()
                .map(|port| values::published_port(port))
                .collect::<Result<_, _>>()?,
            restart_policy,
            stop_signal: self.stop_signal.clone(),
            working_dir: self.workdir.clone(),
            ..self.shared.config()?
        })
    }

    /// Creates the container and returns its id.
    async fn create(&self, session: &Session, image_and_command: Vec<String>) -> Result<String, Failure> {
        let (image, cmd) = split_target(image_and_command);
        let config = self.config(image, cmd)?;
        let answer: Result<IdResponse, Failure> = session
            .client
            .send(Route::new(["containers", "create"]), &config)
            .await;
        match answer {
            Ok(answer) => Ok(answer.id),
            Err(failure) => {
                Err(with_missing_source(failure, &config.mounts).refused_as("could not create container"))
            }
        }
    }

    /// Connects the container to its network, if it shall have one.
    async fn connect(&self, session: &Session, id: &str) -> Result<(), Failure> {
        if let Some(endpoint) = self.shared.endpoint(&session.screen, id) {
            session
                .client
                .tell(Route::new(["networks", "connect"]), &endpoint)
                .await
                .map_err(|failure| failure.refused_as("could not connect container"))?;
        }
        Ok(())
    }
}

/// Adds which path of the host cannot be mounted, which the daemon's words do not tell.
fn with_missing_source(failure: Failure, mounts: &[MountPointConfig]) -> Failure {
    let sources: Vec<String> = mounts
        .iter()
        .filter(|mount| mount.kind == MountType::Nullfs)
        .map(|mount| format!("'{}'", mount.source))
        .collect();
    match failure {
        Failure::Refused(message) if message.contains("while determining source type: :enoent") => {
            Failure::Refused(format!(
                "{message}\nThere is no {} on the daemon's host.",
                sources.join(" or no ")
            ))
        }
        other => other,
    }
}

/// Create a container from an image
#[derive(Debug, Args)]
#[command(arg_required_else_help = true)]
pub struct Create {
    #[command(flatten)]
    options: ContainerOptions,
    /// The image, and the command to run instead of the image's
    #[arg(required = true, trailing_var_arg = true, value_names = ["IMAGE", "COMMAND"], num_args = 1..)]
    image_and_command: Vec<String>,
}

impl Create {
    pub(super) async fn run(self, session: &Session) -> Outcome {
        if self.options.dry_run.is_wanted() {
            return self.options.show(session, self.image_and_command, false).await;
        }
        let id = self.options.create(session, self.image_and_command).await?;
        session.screen.styled_line(&id, screen::ID)?;
        self.options.connect(session, &id).await?;
        Ok(Exit::SUCCESS)
    }
}

/// Create a container from an image and start it
#[derive(Debug, Args)]
#[command(arg_required_else_help = true)]
pub struct Run {
    #[command(flatten)]
    options: ContainerOptions,
    #[command(flatten)]
    exec: ExecOptions,
    /// The image, and the command to run instead of the image's
    #[arg(required = true, trailing_var_arg = true, value_names = ["IMAGE", "COMMAND"], num_args = 1..)]
    image_and_command: Vec<String>,
}

impl Run {
    pub(super) async fn run(self, session: &Session) -> Outcome {
        if self.options.dry_run.is_wanted() {
            return self.options.show(session, self.image_and_command, true).await;
        }
        let id = self.options.create(session, self.image_and_command).await?;
        let detached = self.exec.detach && !self.exec.interactive;
        if detached || !self.exec.quiet {
            session.screen.styled_line(&id, screen::ID)?;
        }
        let config = ExecConfig {
            container_id: id.clone(),
            ..self.exec.config()
        };
        let started = async {
            self.options.connect(session, &id).await?;
            self.exec.start(session, config, detached).await
        };
        match started.await {
            Ok(started) => started.attend(session).await,
            Err(failure) => Err(take_back(session, &id, failure).await),
        }
    }
}

/// Removes a container that could not be started because of `failure`, which is to be told then.
async fn take_back(session: &Session, id: &str, failure: Failure) -> Failure {
    match session.client.delete(Route::new(["containers", id])).await {
        Ok(_) => failure,
        Err(why) => Failure::Refused(format!(
            "{failure}\nContainer {id} was created and could not be removed again: {why}\n\
             Try 'klee rmc -f {id}'."
        )),
    }
}
