//! What a Dockerfile says, and where a build stands.

use std::fmt;

/// By whose rules a Dockerfile is read.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Dialect {
    /// Kleene's since 0.1: what ARG declares is known to the end of the file, and WORKDIR is a `cd` before commands.
    #[default]
    Classic,
    /// Docker's: each stage has ARGs of its own, and WORKDIR is the directory of every process and of the image.
    Docker,
}

impl fmt::Display for Dialect {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Classic => "classic",
            Self::Docker => "docker",
        })
    }
}

/// A variable of a build.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Variable {
    /// `[a-zA-Z_][a-zA-Z0-9_]*`
    pub name: String,
    /// Its value.
    pub value: String,
}

/// A variable that ARG declares.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Argument {
    /// `[a-zA-Z_][a-zA-Z0-9_]*`
    pub name: String,
    /// Its value where the user gives none. `None` and empty are not the same.
    pub default: Option<String>,
}

/// A label of an image.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Label {
    /// Its key.
    pub key: String,
    /// Its value.
    pub value: String,
}

/// A here-document among the sources of a COPY or ADD.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HereDocument {
    /// Its delimiter, which is the name of the file.
    pub name: String,
    /// Its content; may hold variables if it is `expanded`.
    pub content: String,
    /// Whether variables in the content are replaced.
    pub expanded: bool,
}

/// Sources, destination and options of a COPY or ADD; all may hold variables.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct CopyFiles {
    /// Patterns below the context.
    pub sources: Vec<String>,
    /// Here-documents among the sources.
    pub documents: Vec<HereDocument>,
    /// A path in the image; one that ends in `/` is a directory.
    pub destination: String,
    /// `--from`
    pub origin: Option<String>,
    /// `--chown`
    pub owner: Option<String>,
    /// `--chmod`
    pub mode: Option<String>,
    /// `--checksum`
    pub checksum: Option<String>,
}

/// The command line of a RUN, CMD or ENTRYPOINT.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Command {
    /// For the shell, verbatim.
    Shell(String),
    /// Program and arguments.
    Exec(Vec<String>),
}

/// How to find out whether a container is well. Times are nanoseconds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Healthcheck {
    /// `["NONE"]`, `["CMD", <word>…]` or `["CMD-SHELL", <text>]`.
    pub test: Vec<String>,
    /// Between two checks.
    pub interval: Option<u64>,
    /// How long a check may take.
    pub timeout: Option<u64>,
    /// How long failures do not count.
    pub start_period: Option<u64>,
    /// How many failures in a row make a container unwell.
    pub retries: Option<u32>,
}

/// What an instruction says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum InstructionKind {
    /// A stage begins with this image.
    From {
        /// An image reference or the name of an earlier stage; may hold variables.
        image: String,
        /// The stage's name.
        stage: Option<String>,
    },
    /// Variables of the build, which the user may set.
    Arg(Vec<Argument>),
    /// Variables of the image.
    Env(Vec<Variable>),
    /// Labels of the image.
    Label(Vec<Label>),
    /// The directory in which what follows is done.
    Workdir(String),
    /// Who runs what follows.
    User(String),
    /// The program that commands given as text are for.
    Shell(Vec<String>),
    /// A command that is run.
    Run(Command),
    /// Files are copied.
    Copy(CopyFiles),
    /// Files are copied, and archives among them unpacked.
    Add(CopyFiles),
    /// The command of the image.
    Cmd(Command),
    /// The program of the image.
    Entrypoint(Command),
    /// Ports on which the image's program listens.
    Expose(Vec<String>),
    /// Directories whose content is not part of the image.
    Volume(Vec<String>),
    /// How to find out whether a container of the image is well.
    Healthcheck(Healthcheck),
    /// The signal that asks the image's program to end.
    StopSignal(String),
    /// An instruction of another plugin.
    Other {
        /// Its keyword.
        keyword: String,
        /// What follows, verbatim.
        arguments: String,
    },
}

/// An instruction of a Dockerfile.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Instruction {
    /// Where it begins: lines are counted from 1.
    pub line: u32,
    /// Its text, with continued lines joined and without here-documents.
    pub text: String,
    /// What it says.
    pub kind: InstructionKind,
}

/// A Dockerfile that was read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Parsed {
    /// By whose rules.
    pub dialect: Dialect,
    /// Its instructions, in order.
    pub instructions: Vec<Instruction>,
}

/// Where a Dockerfile is wrong. Reads as the user is to be told.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct ParseError {
    /// The line on which the offending instruction begins, from 1; 0 where the file as a whole is meant.
    pub line: u32,
    /// The offending words.
    pub words: String,
    /// What happened, for a user who sees nothing else: it quotes the instruction.
    pub message: String,
    /// What happened, in a few words, for a user who sees the line and the offending words.
    pub reason: String,
    /// What to try.
    pub hint: Option<String>,
}

/// Where a build stands before an instruction.
///
/// With a FROM a stage begins: all but `globals`, `build_arguments` and the dialect is as it is in a new stage already
/// when the FROM itself is expanded. In the classic dialect there is one stage, and what ARG declared before it stays
/// in `args`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct BuildState {
    /// By whose rules the Dockerfile is read.
    pub dialect: Dialect,
    /// What ARG declared so far: in this stage, or before the first.
    pub args: Vec<Variable>,
    /// What ARG declared before the first FROM, once there was one. Empty in the classic dialect.
    pub globals: Vec<Variable>,
    /// The environment of the image so far: its parent's and what ENV set.
    pub env: Vec<Variable>,
    /// Build arguments given by the user.
    pub build_arguments: Vec<Variable>,
    /// Who runs commands.
    pub user: String,
    /// The working directory, an absolute path: what WORKDIR set, or in Docker's dialect the parent image has. `None`:
    /// nothing yet.
    pub workdir: Option<String>,
    /// What SHELL set, or the parent image has; empty: `/bin/sh -c`.
    pub shell: Vec<String>,
}
