//! The root command: what it takes, and which command group does the work.

use clap::{ArgAction, Parser, Subcommand};

use crate::client::Client;
use crate::config::{RootOptions, Settings};
use crate::container::ContainerCommand;
use crate::context::ContextCommand;
use crate::failure::{Failure, Outcome};
use crate::image::ImageCommand;
use crate::manual::{Completion, Man};
use crate::network::NetworkCommand;
use crate::screen::Screen;
use crate::session::Session;
use crate::shortcuts::Shortcut;
use crate::system::SystemCommand;
use crate::volume::VolumeCommand;

/// Command line interface for interacting with Kleened.
#[derive(Debug, Parser)]
#[command(
    name = "klee",
    disable_help_flag = true,
    disable_help_subcommand = true,
    disable_version_flag = true,
    subcommand_required = true,
    arg_required_else_help = true
)]
pub struct Cli {
    /// Show version and exit
    #[arg(long, action = ArgAction::Version, display_order = 999)]
    version: Option<bool>,
    /// Show help and exit
    #[arg(long, action = ArgAction::HelpShort, global = true, display_order = 1000)]
    help: Option<bool>,
    #[command(flatten)]
    options: RootOptions,
    #[command(subcommand)]
    command: Command,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub enum Command {
    #[command(subcommand)]
    Container(ContainerCommand),
    #[command(subcommand)]
    Context(ContextCommand),
    #[command(subcommand)]
    Image(ImageCommand),
    #[command(subcommand)]
    Network(NetworkCommand),
    #[command(subcommand)]
    System(SystemCommand),
    #[command(subcommand)]
    Volume(VolumeCommand),
    Completion(Completion),
    Man(Man),
    #[command(flatten)]
    Shortcut(Shortcut),
}

impl From<Shortcut> for Command {
    fn from(shortcut: Shortcut) -> Self {
        match shortcut {
            Shortcut::Build(command) => Self::Image(ImageCommand::Build(command)),
            Shortcut::Commit(command) => Self::Image(ImageCommand::Commit(command)),
            Shortcut::Create(command) => Self::Container(ContainerCommand::Create(command)),
            Shortcut::Exec(command) => Self::Container(ContainerCommand::Exec(command)),
            Shortcut::Isc(command) => Self::Container(ContainerCommand::Inspect(command)),
            Shortcut::Isi(command) => Self::Image(ImageCommand::Inspect(command)),
            Shortcut::Isn(command) => Self::Network(NetworkCommand::Inspect(command)),
            Shortcut::Isv(command) => Self::Volume(VolumeCommand::Inspect(command)),
            Shortcut::Lsc(command) => Self::Container(ContainerCommand::Ls(command)),
            Shortcut::Lsi(command) => Self::Image(ImageCommand::Ls(command)),
            Shortcut::Lsn(command) => Self::Network(NetworkCommand::Ls(command)),
            Shortcut::Lsv(command) => Self::Volume(VolumeCommand::Ls(command)),
            Shortcut::Restart(command) => Self::Container(ContainerCommand::Restart(command)),
            Shortcut::Rmc(command) => Self::Container(ContainerCommand::Rm(command)),
            Shortcut::Rmi(command) => Self::Image(ImageCommand::Rm(command)),
            Shortcut::Rmn(command) => Self::Network(NetworkCommand::Rm(command)),
            Shortcut::Rmv(command) => Self::Volume(VolumeCommand::Rm(command)),
            Shortcut::Run(command) => Self::Container(ContainerCommand::Run(command)),
            Shortcut::Start(command) => Self::Container(ContainerCommand::Start(command)),
            Shortcut::Stop(command) => Self::Container(ContainerCommand::Stop(command)),
        }
    }
}

impl Cli {
    /// What was said on the command line, taken apart: about the way to the daemon, and what to do there.
    pub fn into_parts(self) -> (RootOptions, Command) {
        (self.options, self.command)
    }
}

impl Command {
    /// Does what the user asked for.
    pub async fn run(self, screen: Screen, settings: &Settings) -> Outcome {
        // Only made for commands that ask the daemon: others work whatever is wrong with the way to it.
        let session = || -> Result<Session, Failure> {
            let client = Client::new(settings.daemon()?)?;
            Ok(Session { client, screen })
        };
        match self {
            Self::Container(command) => command.run(&session()?).await,
            Self::Context(command) => command.run(&screen, settings),
            Self::Image(command) => command.run(&session()?).await,
            Self::Network(command) => command.run(&session()?).await,
            Self::System(command) => command.run(&session()?).await,
            Self::Volume(command) => command.run(&session()?).await,
            Self::Completion(command) => command.run(),
            Self::Man(command) => command.run(),
            Self::Shortcut(shortcut) => Box::pin(Self::from(shortcut).run(screen, settings)).await,
        }
    }
}
