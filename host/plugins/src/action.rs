//! What the engine shall do for an instruction, and what a plugin must be granted to ask for it.

use std::fmt;

use kleene_plan::Capability;

use crate::dockerfile::{Healthcheck, Label, Variable};

/// A process in the build container.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Process {
    /// Program and arguments.
    pub argv: Vec<String>,
    /// Its environment.
    pub env: Vec<Variable>,
    /// Who runs it.
    pub user: String,
    /// Where it begins, an absolute path; `None`: in the user's home.
    pub directory: Option<String>,
}

/// A file that is written as it is here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InlineFile {
    /// Its name.
    pub name: String,
    /// Its content.
    pub content: String,
}

/// Files that are copied into the image.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct CopyAction {
    /// Patterns below the origin.
    pub sources: Vec<String>,
    /// Files whose content stands in the Dockerfile.
    pub inline: Vec<InlineFile>,
    /// An absolute path in the image; one that ends in `/` is a directory.
    pub destination: String,
    /// The name or number (from 0) of an earlier stage, or an image reference; `None`: the context.
    pub origin: Option<String>,
    /// `user`, `user:group` or `:group`, as names of the image or as numbers; `None`: root.
    pub owner: Option<String>,
    /// Permissions of what is copied; `None`: as at the origin.
    pub mode: Option<u32>,
    /// Whether archives (tar, also compressed) are unpacked instead of copied.
    pub extract: bool,
}

/// A file that is fetched into the image.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FetchAction {
    /// Of the scheme `http` or `https`.
    pub url: String,
    /// `sha256:` and the 64 hexadecimal digits that its content must have; `None`: any content.
    pub checksum: Option<String>,
    /// The absolute path of the file in the image.
    pub destination: String,
    /// As of [`CopyAction`].
    pub owner: Option<String>,
    /// Permissions; `None`: 600.
    pub mode: Option<u32>,
}

/// What the engine shall do for an instruction; all variables are replaced. Later settings replace earlier ones of the
/// same name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum BuildAction {
    /// Begin a stage with this image, or with an earlier stage of this name.
    UseImage(String),
    /// The stage knows this variable from now on.
    DeclareArg(Variable),
    /// The image has this variable from now on.
    SetEnv(Variable),
    /// The image has this label.
    SetLabel(Label),
    /// What follows is run by this user, as is the image's program.
    SetUser(String),
    /// This directory exists and is where what follows is done.
    SetWorkdir(String),
    /// The shell of what follows.
    SetShell(Vec<String>),
    /// The image's command.
    SetCommand(Vec<String>),
    /// The image's program. A command that an earlier stage or image set is none of this program's: it is reset.
    SetEntrypoint(Vec<String>),
    /// The image's check of health.
    SetHealthcheck(Healthcheck),
    /// The signal that asks the image's program to end.
    SetStopSignal(String),
    /// The image's program listens on these ports, each as `80/tcp`.
    Expose(Vec<String>),
    /// The content of this directory, an absolute path, is not part of the image.
    DeclareVolume(String),
    /// Run a process and keep what it changed.
    Run(Process),
    /// Copy files and keep them.
    Copy(CopyAction),
    /// Fetch a file and keep it.
    Fetch(FetchAction),
}

impl BuildAction {
    /// What a build step must be granted to ask for it; `None`: it is for builders alone.
    #[must_use]
    pub fn capability(&self) -> Option<Capability> {
        match self {
            Self::UseImage(_) | Self::DeclareArg(_) => None,
            Self::Run(_) => Some(Capability::Run),
            Self::Copy(_) | Self::Fetch(_) => Some(Capability::Copy),
            Self::SetEnv(_)
            | Self::SetLabel(_)
            | Self::SetUser(_)
            | Self::SetWorkdir(_)
            | Self::SetShell(_)
            | Self::SetCommand(_)
            | Self::SetEntrypoint(_)
            | Self::SetHealthcheck(_)
            | Self::SetStopSignal(_)
            | Self::Expose(_)
            | Self::DeclareVolume(_) => Some(Capability::Settings),
        }
    }
}

impl fmt::Display for BuildAction {
    /// One line, for messages.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::UseImage(image) => write!(f, "use image {image}"),
            Self::DeclareArg(variable) => write!(f, "declare argument {}", variable.name),
            Self::SetEnv(variable) => write!(f, "set variable {}", variable.name),
            Self::SetLabel(label) => write!(f, "set label {}", label.key),
            Self::SetUser(user) => write!(f, "set user {user}"),
            Self::SetWorkdir(directory) => write!(f, "set working directory {directory}"),
            Self::SetShell(argv) => write!(f, "set shell {}", argv.join(" ")),
            Self::SetCommand(argv) => write!(f, "set command {}", argv.join(" ")),
            Self::SetEntrypoint(argv) => write!(f, "set entrypoint {}", argv.join(" ")),
            Self::SetHealthcheck(check) => write!(f, "set healthcheck {}", check.test.join(" ")),
            Self::SetStopSignal(signal) => write!(f, "set stop signal {signal}"),
            Self::Expose(ports) => write!(f, "expose {}", ports.join(" ")),
            Self::DeclareVolume(directory) => write!(f, "declare volume {directory}"),
            Self::Run(process) => write!(f, "run {}", process.argv.join(" ")),
            Self::Copy(copy) => write!(f, "copy to {}", copy.destination),
            Self::Fetch(fetch) => write!(f, "fetch {} to {}", fetch.url, fetch.destination),
        }
    }
}
