//! Building an image: a Dockerfile is read by the builder plugin, and what each instruction asks for is done in a
//! container of the build's own, which becomes the image.

use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::sync::mpsc;
use std::time::Duration;

use kleene_api::{EndPointConfig, ImageBuildConfig};
use kleene_plan::{DatasetName, ExitStatus, Id, Op, ProcessSpec, SnapshotName};
use kleene_plugins::{
    BuildAction, BuildState, BuildSteps, Builder, CopyAction, Dialect, Instruction, InstructionKind, Process,
    Variable,
};
use kleene_rootfs::copy::{CopyOptions, copy_into};
use kleene_store::{Container, Image, ImageSettings, Object};

use crate::Engine;
use crate::cancel::Cancel;
use crate::container::BUILD_LABEL;
use crate::error::{EngineError, Result};
use crate::parse;
use crate::process::ProcessEvent;

/// How often a build looks whether somebody still waits for it while a command runs.
const CANCEL_INTERVAL: Duration = Duration::from_millis(100);

/// What a build tells while it runs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum BuildEvent {
    /// The Dockerfile is right; the image will have this id.
    Started {
        /// The id.
        image: Id,
    },
    /// An instruction begins.
    Step {
        /// From 1.
        index: usize,
        /// How many there are.
        total: usize,
        /// Its line.
        line: String,
    },
    /// A command printed this.
    Output(Vec<u8>),
    /// What was done until now is kept as a snapshot.
    Snapshot(Id),
    /// The parent image is not that of the Dockerfile.
    ParentImage(String),
    /// Why the build fails.
    Error(String),
}

/// A build failed; why was told by a [`BuildEvent::Error`], or is the text of the first variant.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BuildError {
    /// There is no Dockerfile, or it is wrong. Nothing was begun.
    #[error("{0}")]
    Dockerfile(String),
    /// An instruction failed.
    #[error("image build failed")]
    Failed {
        /// Whether what was built is kept as an image tagged `failed`, and its last snapshot, if there is one.
        kept: Option<Option<Id>>,
    },
}

impl Engine {
    /// Builds an image.
    ///
    /// # Errors
    /// [`BuildError`].
    pub fn build_image(
        &self,
        config: &ImageBuildConfig,
        cancel: &Cancel,
        tell: &mut dyn FnMut(BuildEvent),
    ) -> std::result::Result<Id, BuildError> {
        let dockerfile = |error: EngineError| BuildError::Dockerfile(error.to_string());
        let context = Path::new(&config.context);
        let text = read_dockerfile(context, &config.dockerfile).map_err(BuildError::Dockerfile)?;
        let nametag = parse::nametag(&config.tag).map_err(dockerfile)?;
        let builder = self.plugins.builder().map_err(|error| dockerfile(error.into()))?;
        let steps = self.plugins.build_steps();
        let parsed = builder
            .parse(&text, &steps.keywords())
            .map_err(|error| dockerfile(error.into()))?;
        let parsed = parsed.map_err(|error| BuildError::Dockerfile(error.to_string()))?;
        let instructions = parsed.instructions;

        let mut build = Build::new(self, config, (builder, steps), parsed.dialect, nametag);
        tell(BuildEvent::Started {
            image: build.id.clone(),
        });
        let total = instructions.len();
        for (index, instruction) in instructions.iter().enumerate() {
            tell(BuildEvent::Step {
                index: index + 1,
                total,
                line: instruction.text.clone(),
            });
            if let Err(error) = build.step(instruction, cancel, tell) {
                tell(BuildEvent::Error(error));
                return Err(build.fail(instruction, cancel));
            }
        }
        match build.finish() {
            Ok(()) => Ok(build.id),
            Err(error) => {
                tell(BuildEvent::Error(format!("error: {error}")));
                Err(build.abandon())
            }
        }
    }
}

/// A build under way.
struct Build<'a> {
    engine: &'a Engine,
    config: &'a ImageBuildConfig,
    builder: Builder,
    steps: BuildSteps,
    /// Of the image, and of the container in which it is built.
    id: Id,
    nametag: (String, String),
    state: BuildState,
    /// The image's command: the parent's until CMD says otherwise.
    cmd: Vec<String>,
    /// What else the image says: as its parent.
    settings: ImageSettings,
    parent: Option<SnapshotName>,
    /// The instructions done, each with the snapshot taken after it.
    done: Vec<(String, Option<Id>)>,
}

impl<'a> Build<'a> {
    fn new(
        engine: &'a Engine,
        config: &'a ImageBuildConfig,
        (builder, steps): (Builder, BuildSteps),
        dialect: Dialect,
        nametag: (String, String),
    ) -> Self {
        let variable = |(name, value): (&String, &String)| Variable {
            name: name.clone(),
            value: value.clone(),
        };
        let build_arguments = config.buildargs.iter().map(variable).collect();
        Self {
            engine,
            config,
            builder,
            steps,
            id: Id::generate(),
            nametag,
            state: BuildState {
                dialect,
                build_arguments,
                ..BuildState::default()
            },
            cmd: Vec::new(),
            settings: ImageSettings::default(),
            parent: None,
            done: Vec::new(),
        }
    }

    /// Does one instruction. The error is the line that the user is shown.
    fn step(
        &mut self,
        instruction: &Instruction,
        cancel: &Cancel,
        tell: &mut dyn FnMut(BuildEvent),
    ) -> std::result::Result<(), String> {
        let shown = |error: EngineError| match error {
            EngineError::Plugin(error) => error.to_string(),
            error => format!("error: {error}"),
        };
        let mut snapshot = None;
        for action in self.expand(instruction, tell).map_err(shown)? {
            cancel.check().map_err(shown)?;
            snapshot = match action {
                BuildAction::UseImage(reference) => self.begin(&reference).map_err(shown).map(|()| None)?,
                BuildAction::Run(process) => {
                    let words = process.argv.join(" ");
                    let status = self.run(process, cancel, tell).map_err(shown)?;
                    if status != ExitStatus::Code(0) {
                        return Err(format!(
                            "The command '{words}' returned a non-zero code: {}",
                            status.code()
                        ));
                    }
                    Some(self.snapshot().map_err(shown)?)
                }
                BuildAction::Copy(files) => {
                    self.copy(&files).map_err(shown)?;
                    Some(self.snapshot().map_err(shown)?)
                }
                BuildAction::SetWorkdir(directory) => {
                    self.make_workdir(&directory).map_err(shown)?;
                    self.state.workdir = Some(directory);
                    None
                }
                BuildAction::DeclareArg(variable) => set(&mut self.state.args, variable),
                BuildAction::SetEnv(variable) => set(&mut self.state.env, variable),
                BuildAction::SetUser(user) => {
                    self.state.user = user;
                    None
                }
                BuildAction::SetCommand(cmd) => {
                    self.cmd = cmd;
                    None
                }
                other => return Err(format!("error: not supported yet: {other}")),
            };
            if let Some(snapshot) = &snapshot {
                tell(BuildEvent::Snapshot(snapshot.clone()));
            }
        }
        self.done.push((instruction.text.clone(), snapshot));
        Ok(())
    }

    /// What an instruction asks for; the parent image may be overridden by the request.
    fn expand(
        &self,
        instruction: &Instruction,
        tell: &mut dyn FnMut(BuildEvent),
    ) -> Result<Vec<BuildAction>> {
        let overridden = self
            .config
            .container_config
            .image
            .as_deref()
            .filter(|image| !image.is_empty());
        match (&instruction.kind, overridden) {
            (InstructionKind::From { .. }, Some(image)) => {
                tell(BuildEvent::ParentImage(image.to_owned()));
                Ok(vec![BuildAction::UseImage(image.to_owned())])
            }
            (InstructionKind::Other { .. }, _) => Ok(self.steps.expand(instruction, &self.state)?),
            _ => Ok(self.builder.expand(instruction, &self.state)?),
        }
    }

    /// FROM: the container of the build is made from the parent image.
    fn begin(&mut self, reference: &str) -> Result<()> {
        let (given, snapshot) = parse::image_reference(reference);
        let (image, parent) = self
            .engine
            .find_snapshot(reference)
            .map_err(|error| match error {
                EngineError::Invalid(_) => EngineError::invalid(format!("could not find image {given}")),
                error => error,
            })?;
        if let Some(snapshot) = snapshot
            && image.snapshot(parent.name()).is_none()
        {
            return Err(EngineError::invalid(format!("invalid snapshot @{snapshot}")));
        }
        let config = &self.config.container_config;
        let user = if config.user.is_empty() {
            image.user.clone()
        } else {
            config.user.clone()
        };
        let env = parse::merge_env(&image.env, &config.env);
        self.engine
            .make_build_container(&self.id, config, &image, &parent, &env, &user)?;
        // From here on there is something to clean up.
        self.parent = Some(parent);
        self.cmd = image.cmd;
        self.settings = image.settings;
        self.state.user = user;
        self.state.env = env
            .iter()
            .filter_map(|entry| entry.split_once('='))
            .map(variable)
            .collect();
        for network in &self.config.networks {
            self.engine.connect(&EndPointConfig {
                container: self.id.to_string(),
                ..network.clone()
            })?;
        }
        Ok(())
    }

    /// Runs a command in the build's container, which lives as long as the command.
    fn run(&self, process: Process, cancel: &Cancel, tell: &mut dyn FnMut(BuildEvent)) -> Result<ExitStatus> {
        let process = ProcessSpec {
            argv: process.argv,
            env: process
                .env
                .iter()
                .map(|Variable { name, value }| format!("{name}={value}"))
                .collect(),
            user: process.user,
            directory: process.directory.map(PathBuf::from),
            terminal: None,
        };
        let (sender, events) = mpsc::channel();
        let subscriber = Box::new(move |event| match sender.send(event) {
            Ok(()) => ControlFlow::Continue(()),
            Err(_) => ControlFlow::Break(()),
        });
        self.engine.locks.hold(&self.id, || {
            // An earlier command may have left processes behind, and with them the jail.
            let container = self.engine.present_container(&self.id)?;
            self.engine
                .run_in_container(&container, &Id::generate(), &process, Some(subscriber))
        })?;
        loop {
            match events.recv_timeout(CANCEL_INTERVAL) {
                Ok(ProcessEvent::Output(bytes)) => tell(BuildEvent::Output(bytes)),
                Ok(ProcessEvent::Exited { status, .. }) => return Ok(status),
                Err(mpsc::RecvTimeoutError::Timeout) => cancel.check()?,
                Err(mpsc::RecvTimeoutError::Disconnected) => {
                    return Err(EngineError::Launch(
                        "nobody follows the command any more".to_owned(),
                    ));
                }
            }
        }
    }

    fn copy(&self, files: &CopyAction) -> Result<()> {
        let workdir = self.state.workdir.as_deref().unwrap_or("/");
        let options = CopyOptions {
            workdir: PathBuf::from(workdir),
            uid: 0,
            gid: 0,
        };
        let context = Path::new(&self.config.context);
        self.engine
            .in_root(&self.object(), &self.container_dataset(), |root| {
                copy_into(context, &files.sources, root, &files.destination, &options)?;
                Ok(())
            })
    }

    fn make_workdir(&self, directory: &str) -> Result<()> {
        self.engine
            .in_root(&self.object(), &self.container_dataset(), |root| {
                root.make_dir_all(directory)?;
                Ok(())
            })
    }

    fn snapshot(&self) -> Result<Id> {
        let id = Id::generate();
        let snapshot = self.container_dataset().snapshot(id.as_str());
        let snapshot = snapshot.map_err(|error| EngineError::invalid(error.to_string()))?;
        self.engine.transact(
            "snapshot build",
            &self.object(),
            |transaction| transaction.apply(Op::CreateSnapshot(snapshot)),
            |_, ()| Ok(()),
        )?;
        Ok(id)
    }

    /// The container becomes the image.
    fn finish(&self) -> Result<()> {
        self.become_image(self.nametag.clone(), self.done.clone())
    }

    fn become_image(&self, (name, tag): (String, String), done: Vec<(String, Option<Id>)>) -> Result<()> {
        let engine = self.engine;
        // Whatever a command left running or behind would be looked for under the container's name.
        self.stop()?;
        engine.disconnect_all(&self.id)?;
        let dataset = DatasetName::image(&self.id);
        let taken = done
            .iter()
            .filter_map(|(_, snapshot)| snapshot.as_ref())
            .map(|name| dataset.snapshot(name.as_str()))
            .collect::<std::result::Result<Vec<_>, _>>()
            .map_err(|error| EngineError::invalid(error.to_string()))?;
        let instruction = |(line, snapshot): (String, Option<Id>)| {
            (
                line,
                snapshot
                    .map(|snapshot| format!("@{snapshot}"))
                    .unwrap_or_default(),
            )
        };
        let image = Image {
            id: self.id.clone(),
            name: String::new(),
            tag: String::new(),
            created: kleene_store::now(),
            cmd: self.cmd.clone(),
            env: self
                .state
                .env
                .iter()
                .map(|Variable { name, value }| format!("{name}={value}"))
                .collect(),
            user: self.state.user.clone(),
            instructions: done.into_iter().map(instruction).collect(),
            settings: self.settings.clone(),
            snapshots: taken,
            origin: self.parent.clone(),
            size: None,
        };
        engine.transact(
            "finish build",
            &self.object(),
            |transaction| {
                let to = DatasetName::image(&self.id);
                transaction.apply(Op::RenameDataset {
                    from: self.container_dataset(),
                    to,
                })?;
                transaction.apply(Op::CreateSnapshot(engine.final_snapshot(&self.id)?))
            },
            |write, ()| {
                write.remove_container(&self.id)?;
                write.insert_image(&image)?;
                Ok(write.tag_image(&self.id, &name, &tag)?)
            },
        )?;
        engine.remove_files_of(&self.id);
        Ok(())
    }

    /// What is left of a build that failed at `instruction`: nothing, or an image to look into.
    fn fail(mut self, instruction: &Instruction, cancel: &Cancel) -> BuildError {
        if self.parent.is_none() || self.config.cleanup || cancel.is_cancelled() {
            return self.abandon();
        }
        let last = self.done.iter().rev().find_map(|(_, snapshot)| snapshot.clone());
        self.done.push((instruction.text.clone(), None));
        let name = self.nametag.0.clone();
        // Without a name it is untagged, so that a prune finds it.
        let tag = if name.is_empty() {
            String::new()
        } else {
            "failed".to_owned()
        };
        match self.become_image((name, tag), self.done.clone()) {
            Ok(()) => BuildError::Failed { kept: Some(last) },
            Err(error) => {
                tracing::error!(build = %self.id, %error, "could not keep a failed build");
                self.abandon()
            }
        }
    }

    fn abandon(self) -> BuildError {
        if self.parent.is_some()
            && let Err(error) = self
                .stop()
                .and_then(|()| self.engine.remove_container(self.id.as_str()).map(|_| ()))
        {
            tracing::error!(build = %self.id, %error, "could not clean up after a build");
        }
        BuildError::Failed { kept: None }
    }

    fn stop(&self) -> Result<()> {
        match self.engine.stop_container(self.id.as_str()) {
            Ok(_) | Err(EngineError::ContainerNotRunning) => Ok(()),
            Err(error) => Err(error),
        }
    }

    fn object(&self) -> Object {
        Object::Container(self.id.clone())
    }

    fn container_dataset(&self) -> DatasetName {
        DatasetName::container(&self.id)
    }
}

impl Engine {
    /// The container of a build: it has the id of the image to be, and a label by which an interrupted build is
    /// recognised.
    fn make_build_container(
        &self,
        id: &Id,
        config: &kleene_api::ContainerConfig,
        image: &Image,
        parent: &SnapshotName,
        env: &[String],
        user: &str,
    ) -> Result<()> {
        let mut container: Container = self.container_record(id.clone(), None, config, image)?;
        container.name = format!("builder_{id}").parse().ok();
        container.cmd.clone_from(&image.cmd);
        container.env = env.to_vec();
        container.user = user.to_owned();
        container.labels.insert(BUILD_LABEL.to_owned(), "true".to_owned());
        self.make_container(container, &config.mounts, parent)
    }
}

/// A later declaration replaces an earlier one.
fn set(variables: &mut Vec<Variable>, variable: Variable) -> Option<Id> {
    variables.retain(|known| known.name != variable.name);
    variables.push(variable);
    None
}

fn variable((name, value): (&str, &str)) -> Variable {
    Variable {
        name: name.to_owned(),
        value: value.to_owned(),
    }
}

/// The Dockerfile of a context; the error is the contract's line.
fn read_dockerfile(context: &Path, name: &str) -> std::result::Result<String, String> {
    let path = context.join(name);
    std::fs::read_to_string(&path).map_err(|error| {
        let reason = match error.kind() {
            std::io::ErrorKind::NotFound => ":enoent".to_owned(),
            std::io::ErrorKind::IsADirectory => ":eisdir".to_owned(),
            std::io::ErrorKind::PermissionDenied => ":eacces".to_owned(),
            std::io::ErrorKind::NotADirectory => ":enotdir".to_owned(),
            _ => error.to_string(),
        };
        format!("Could not open Docker file {}: {reason}", path.display())
    })
}
