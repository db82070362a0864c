//! What is asked for, read and checked before anything is done.

use std::path::Path;

use kleene_api::ImageBuildConfig;
use kleene_context::Ignore;
use kleene_plugins::{BuildState, BuildSteps, Builder, Dialect, Instruction, Variable};
use kleene_rootfs::Root;
use kleene_rootfs::copy::{Rules, Visible};

use super::event::BuildError;
use super::problem::{BuildProblem, Refusal};
use crate::Engine;
use crate::error::EngineError;
use crate::parse;

/// A build that can begin.
pub(super) struct Request<'a> {
    pub engine: &'a Engine,
    pub config: &'a ImageBuildConfig,
    pub nametag: (String, String),
    pub instructions: Vec<Instruction>,
    pub dialect: Dialect,
    pub context: Root,
    /// The Dockerfile.
    text: String,
    ignore: Ignore,
    builder: Builder,
    steps: BuildSteps,
}

impl<'a> Request<'a> {
    /// Reads the Dockerfile and what belongs to it.
    ///
    /// # Errors
    /// [`BuildError::Dockerfile`] with what is wrong.
    pub fn read(engine: &'a Engine, config: &'a ImageBuildConfig) -> Result<Self, BuildError> {
        let refused = |error: EngineError| BuildError::Dockerfile(error.into());
        let context = Path::new(&config.context);
        let text = read_dockerfile(context, &config.dockerfile).map_err(BuildError::Dockerfile)?;
        let nametag = parse::nametag(&config.tag).map_err(|error| {
            let message = format!("--tag: {error}");
            BuildError::Dockerfile(BuildProblem::general(error.to_string(), message))
        })?;
        let builder = engine.plugins.builder().map_err(|error| refused(error.into()))?;
        let steps = engine.plugins.build_steps();
        let parsed = builder
            .parse(&text, &steps.keywords())
            .map_err(|error| refused(error.into()))?
            .map_err(|error| BuildError::Dockerfile(BuildProblem::parse(error, &text)))?;
        let ignore = Ignore::read(context, &config.dockerfile)
            .map_err(|error| BuildError::Dockerfile(error.to_string().into()))?;
        Ok(Self {
            engine,
            config,
            nametag,
            instructions: parsed.instructions,
            dialect: parsed.dialect,
            context: Root::open(context).map_err(|error| refused(error.into()))?,
            text,
            ignore,
            builder,
            steps,
        })
    }

    /// Where the build stands before its first instruction.
    pub fn initial_state(&self) -> BuildState {
        let variable = |(name, value): (&String, &String)| Variable {
            name: name.clone(),
            value: value.clone(),
        };
        BuildState {
            dialect: self.dialect,
            build_arguments: self.config.buildargs.iter().map(variable).collect(),
            ..BuildState::default()
        }
    }

    /// Where and why an instruction was not done; nothing if it was only told to stop.
    pub fn problem(&self, instruction: &Instruction, refusal: Refusal) -> Option<BuildProblem> {
        BuildProblem::instruction(refusal, instruction, &self.text)
    }

    /// What an instruction asks for.
    pub fn expand(
        &self,
        instruction: &Instruction,
        state: &BuildState,
    ) -> crate::error::Result<Vec<kleene_plugins::BuildAction>> {
        match instruction.kind {
            kleene_plugins::InstructionKind::Other { .. } => Ok(self.steps.expand(instruction, state)?),
            _ => Ok(self.builder.expand(instruction, state)?),
        }
    }

    /// The image that the user wants instead of that of the first FROM.
    pub fn override_of(&self, stage: usize) -> Option<&str> {
        let image = self.config.container_config.image.as_deref();
        image.filter(|image| stage == 0 && !image.is_empty())
    }

    /// What `.dockerignore` leaves of the context.
    pub fn visible(&self, path: &Path, is_dir: bool) -> Visible {
        if !self.ignore.excludes(path) {
            Visible::Yes
        } else if is_dir && !self.ignore.excludes_all_below(path) {
            Visible::Below
        } else {
            Visible::No
        }
    }

    /// The rules by which files are copied.
    pub fn rules(&self) -> Rules {
        match self.dialect {
            Dialect::Classic => Rules::Classic,
            Dialect::Docker => Rules::Docker,
        }
    }
}

/// The Dockerfile of a context; the error's line is the contract's.
fn read_dockerfile(context: &Path, name: &str) -> Result<String, BuildProblem> {
    let path = context.join(name);
    std::fs::read_to_string(&path).map_err(|error| {
        let reason = match error.kind() {
            std::io::ErrorKind::NotFound => ":enoent".to_owned(),
            std::io::ErrorKind::IsADirectory => ":eisdir".to_owned(),
            std::io::ErrorKind::PermissionDenied => ":eacces".to_owned(),
            std::io::ErrorKind::NotADirectory => ":enotdir".to_owned(),
            _ => error.to_string(),
        };
        let line = format!("Could not open Docker file {}: {reason}", path.display());
        let message = match error.kind() {
            _ if !context.is_dir() => {
                format!(
                    "there is no directory '{}' on the daemon's host to build from",
                    context.display()
                )
            }
            std::io::ErrorKind::NotFound => {
                format!("the build context has no file '{name}': --file names another")
            }
            _ => line.clone(),
        };
        BuildProblem::general(line, message)
    })
}
