//! Asking the builder what a Dockerfile says, and what each of its instructions does.

use std::sync::Arc;

use crate::bindings::build::BuildPluginIndices;
use crate::bindings::build::exports::kleene::plugin::builder as wit;
use crate::convert::{
    action_from_wit, instruction_from_wit, instruction_to_wit, state_to_wit, variable_to_wit,
};
use crate::error::PluginError;
use crate::guest::Guest;

/// A variable of a build.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Variable {
    /// `[a-zA-Z_][a-zA-Z0-9_]*`
    pub name: String,
    /// Its value.
    pub value: String,
}

/// Sources and destination of a COPY.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CopyFiles {
    /// Patterns below the context.
    pub sources: Vec<String>,
    /// A path in the image; one that ends in `/` is a directory. Absolute once expanded.
    pub destination: String,
}

/// The command line of a RUN or CMD.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Command {
    /// For the shell, verbatim.
    Shell(String),
    /// Program and arguments.
    Exec(Vec<String>),
}

/// What an instruction says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum InstructionKind {
    /// The parent image.
    From {
        /// An image reference; may hold variables.
        image: String,
        /// The stage's name.
        stage: Option<String>,
    },
    /// A variable of the build.
    Arg(Variable),
    /// A variable of the image.
    Env(Variable),
    /// The directory in which what follows is done.
    Workdir(String),
    /// Who runs what follows.
    User(String),
    /// A command that is run.
    Run(Command),
    /// Files from the context.
    Copy(CopyFiles),
    /// The command of the image.
    Cmd(Command),
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
    /// Its text, with continued lines joined.
    pub text: String,
    /// What it says.
    pub kind: InstructionKind,
}

/// Where a Dockerfile is wrong. Reads as the user is to be told.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct ParseError {
    /// The line on which the offending instruction begins, from 1; 0 where the file as a whole is meant.
    pub line: u32,
    /// The offending words.
    pub words: String,
    /// What happened.
    pub message: String,
    /// What to try.
    pub hint: Option<String>,
}

/// Where a build stands before an instruction.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct BuildState {
    /// What ARG declared so far.
    pub args: Vec<Variable>,
    /// The environment of the image so far: its parent's and what ENV set.
    pub env: Vec<Variable>,
    /// Build arguments given by the user.
    pub build_arguments: Vec<Variable>,
    /// Who runs commands.
    pub user: String,
    /// What WORKDIR set: an absolute path. `None`: nothing yet, commands begin in the user's home.
    pub workdir: Option<String>,
}

/// What the engine shall do for an instruction; all variables are replaced.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum BuildAction {
    /// Begin with this image.
    UseImage(String),
    /// The build knows this ARG from now on; it replaces one of the same name.
    DeclareArg(Variable),
    /// The image has this variable from now on; it replaces one of the same name.
    SetEnv(Variable),
    /// What follows is run by this user.
    SetUser(String),
    /// This directory exists and is where what follows is done.
    SetWorkdir(String),
    /// The image's command.
    SetCommand(Vec<String>),
    /// Run a process and keep what it changed.
    Run {
        /// Program and arguments.
        argv: Vec<String>,
        /// Its environment.
        env: Vec<Variable>,
        /// Who runs it.
        user: String,
    },
    /// Copy from the context and keep it.
    Copy(CopyFiles),
}

/// The plugin that reads Dockerfiles.
#[derive(Clone)]
pub struct Builder(pub(crate) Arc<Guest<BuildPluginIndices>>);

impl Builder {
    /// The plugin's name.
    #[must_use]
    pub fn plugin(&self) -> &str {
        self.0.name()
    }

    /// The instructions of a Dockerfile, or where it is wrong.
    ///
    /// # Errors
    /// How the plugin failed.
    pub fn parse(&self, dockerfile: &str) -> Result<Result<Vec<Instruction>, ParseError>, PluginError> {
        const CALL: &str = "parse";
        let answer = self.0.call(CALL, |world, store, instance| {
            let plugin = world.load(&mut *store, instance)?;
            plugin.kleene_plugin_builder().call_parse(store, dockerfile)
        })?;
        Ok(match answer {
            Ok(instructions) => {
                self.0.check_length(CALL, instructions.len())?;
                Ok(instructions.into_iter().map(instruction_from_wit).collect())
            }
            Err(wit::ParseError {
                line,
                words,
                message,
                hint,
            }) => Err(ParseError {
                line,
                words,
                message,
                hint,
            }),
        })
    }

    /// What an instruction does in a build that stands at `state`.
    ///
    /// # Errors
    /// Why it cannot be done, in the plugin's words, or how the plugin failed.
    pub fn expand(&self, step: &Instruction, state: &BuildState) -> Result<Vec<BuildAction>, PluginError> {
        const CALL: &str = "expand";
        let (step, state) = (instruction_to_wit(step), state_to_wit(state));
        let answer = self.0.call(CALL, |world, store, instance| {
            let plugin = world.load(&mut *store, instance)?;
            plugin.kleene_plugin_builder().call_expand(store, &step, &state)
        })?;
        let actions = answer.map_err(|error| self.0.refused(error))?;
        self.0.check_length(CALL, actions.len())?;
        Ok(actions.into_iter().map(action_from_wit).collect())
    }

    /// A text with variables, quotes and backslashes replaced as a shell would. `line` is the instruction it is of,
    /// for the message if it cannot be done.
    ///
    /// # Errors
    /// `failed environment substition of: <line>`, or how the plugin failed.
    pub fn expand_variables(
        &self,
        line: &str,
        text: &str,
        variables: &[Variable],
    ) -> Result<String, PluginError> {
        let variables: Vec<_> = variables.iter().map(variable_to_wit).collect();
        let answer = self.0.call("expand-variables", |world, store, instance| {
            let plugin = world.load(&mut *store, instance)?;
            plugin
                .kleene_plugin_builder()
                .call_expand_variables(store, line, text, &variables)
        })?;
        answer.map_err(|error| self.0.refused(error))
    }
}
