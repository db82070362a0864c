//! The root command: what it takes, and which command group does the work.

use clap::{ArgAction, Parser, Subcommand};

use crate::client::Client;
use crate::config::{self, Theme};
use crate::container::ContainerCommand;
use crate::failure::Outcome;
use crate::image::ImageCommand;
use crate::network::NetworkCommand;
use crate::screen::Screen;
use crate::session::Session;
use crate::shortcuts::{self, Shortcut};
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
    arg_required_else_help = true,
    max_term_width = 110,
    after_help = shortcuts::HELP,
)]
pub struct Cli {
    /// Show version and exit
    #[arg(long, action = ArgAction::Version, display_order = 999)]
    version: Option<bool>,
    /// Show help and exit
    #[arg(long, action = ArgAction::HelpShort, global = true, display_order = 1000)]
    help: Option<bool>,
    /// Lines of Unicode and colours (fancy), or ASCII and no colours (simple)
    #[arg(
        long,
        value_enum,
        hide_possible_values = true,
        value_name = "NAME",
        env = "KLEE_THEME",
        hide_env = true,
        default_value = "fancy"
    )]
    theme: Theme,
    /// Where the daemon listens: http:///path/to/socket or http://HOST:PORT [env: KLEE_HOST]
    #[arg(long, value_name = "URL", env = "KLEE_HOST", hide_env = true, default_value = config::DEFAULT_HOST)]
    host: String,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    #[command(subcommand)]
    Container(ContainerCommand),
    #[command(subcommand)]
    Image(ImageCommand),
    #[command(subcommand)]
    Network(NetworkCommand),
    #[command(subcommand)]
    System(SystemCommand),
    #[command(subcommand)]
    Volume(VolumeCommand),
    #[command(flatten)]
    Shortcut(Shortcut),
}

impl From<Shortcut> for Command {
    fn from(shortcut: Shortcut) -> Self {
        match shortcut {
            Shortcut::Build(command) => Self::Image(ImageCommand::Build(command)),
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
    /// A screen in the chosen theme.
    pub fn screen(&self) -> Screen {
        Screen::new(self.theme)
    }

    /// Does what the user asked for.
    pub async fn run(self) -> Outcome {
        let session = Session {
            client: Client::new(self.host.parse()?),
            screen: self.screen(),
        };
        self.command.run(&session).await
    }
}

impl Command {
    async fn run(self, session: &Session) -> Outcome {
        match self {
            Self::Container(command) => command.run(session).await,
            Self::Image(command) => command.run(session).await,
            Self::Network(command) => command.run(session).await,
            Self::System(command) => command.run(session).await,
            Self::Volume(command) => command.run(session).await,
            Self::Shortcut(shortcut) => Box::pin(Self::from(shortcut).run(session)).await,
        }
    }
}
