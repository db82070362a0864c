//! A stage is built: its instructions are done one after the other, in a container that is made when the first of them
//! is not found in the cache.

use kleene_plan::{DatasetName, ExitStatus, Id, SnapshotName};
use kleene_plugins::{
    BuildAction, BuildState, Dialect, Healthcheck, Instruction, InstructionKind, Process, Variable,
};
use kleene_store::{Image, ImageSettings, image_of};

use super::Build;
use super::container::Purpose;
use super::event::BuildEvent;
use super::graph::StagePlan;
use super::key;
use super::position::Position;
use super::problem::{BuildProblem, Refusal};
use super::transcript::Transcript;
use crate::error::{EngineError, Result};
use crate::parse;

/// What a stage has come to.
#[derive(Debug, Clone)]
pub(super) struct Progress {
    /// Of its container, and of the image that it may become.
    pub id: Id,
    pub position: Position,
    pub state: BuildState,
    /// The image's command: the parent's until CMD says otherwise.
    pub cmd: Vec<String>,
    pub settings: ImageSettings,
    /// The snapshot that its container was made from; `None`: it has needed none.
    pub origin: Option<SnapshotName>,
    /// The instructions done, each with the snapshot it led to.
    pub lines: Vec<(String, Option<Id>)>,
    /// The snapshots of its steps, whoever took them.
    pub snapshots: Vec<SnapshotName>,
    /// The steps that were done here: by which keys they are found, and what they led to.
    pub steps: Vec<(String, Id)>,
    /// Whether a CMD was among the instructions.
    is_command_set: bool,
    /// Whether earlier builds may have done the next step.
    may_be_cached: bool,
}

/// A stage that could not be built.
#[derive(Debug)]
pub(super) struct Failure {
    /// Why; `None`: it was stopped because of another.
    pub problem: Option<BuildProblem>,
    /// What it had come to, if it had begun: the instruction that failed is its last line.
    pub progress: Option<Box<Progress>>,
}

/// A step of a stage led to this snapshot.
pub(super) enum Step {
    /// It was found.
    Cached(SnapshotName),
    /// It was done; it will be found by these keys.
    Done(Vec<String>),
}

/// A stage under way.
pub(super) struct Stage<'b> {
    pub build: &'b Build<'b>,
    pub plan: &'b StagePlan,
    pub log: &'b Transcript,
}

impl Stage<'_> {
    /// Does all instructions.
    pub fn run(&self) -> std::result::Result<Progress, Failure> {
        let total = self.build.request.instructions.len();
        let mut progress = None;
        for at in self.plan.instructions.clone() {
            let instruction = &self.build.request.instructions[at];
            self.log.tell(BuildEvent::Step {
                index: at + 1,
                total,
                line: instruction.text.clone(),
            });
            if let Err(refusal) = self.instruction(instruction, &mut progress) {
                if let Some(begun) = &mut progress {
                    begun.lines.push((instruction.text.clone(), None));
                }
                return Err(Failure {
                    problem: self.build.request.problem(instruction, refusal),
                    progress: progress.map(Box::new),
                });
            }
        }
        let progress = progress.ok_or(Failure {
            problem: Some("error: the stage has no FROM".to_owned().into()),
            progress: None,
        })?;
        match self.end(&progress) {
            Ok(()) => Ok(progress),
            Err(error) => Err(Failure {
                problem: self.problem_at_end(error),
                progress: Some(Box::new(progress)),
            }),
        }
    }

    fn instruction(
        &self,
        instruction: &Instruction,
        progress: &mut Option<Progress>,
    ) -> std::result::Result<(), Refusal> {
        let mut last = None;
        let actions = match progress {
            Some(progress) => self.build.request.expand(instruction, &progress.state)?,
            None => self.from(instruction)?,
        };
        for action in actions {
            self.build.board.check()?;
            last = match (action, progress.as_mut()) {
                (BuildAction::UseImage(reference), None) => {
                    // A stage that fails from here on leaves something to look into.
                    let begun = progress.insert(self.begin(&reference)?);
                    self.enter(begun)?;
                    None
                }
                (action, Some(progress)) => self.act(action, instruction, progress)?,
                (action, None) => {
                    return Err(EngineError::invalid(format!(
                        "the stage does not begin with an image: {action}"
                    ))
                    .into());
                }
            };
        }
        if let Some(progress) = progress {
            progress.lines.push((instruction.text.clone(), last));
        }
        Ok(())
    }

    /// What FROM asks for; the parent image may be overridden by the request.
    fn from(&self, instruction: &Instruction) -> Result<Vec<BuildAction>> {
        match self.build.request.override_of(self.plan.index) {
            Some(image) => {
                self.log.tell(BuildEvent::ParentImage(image.to_owned()));
                Ok(vec![BuildAction::UseImage(image.to_owned())])
            }
            None => self.build.request.expand(instruction, &self.build.base),
        }
    }

    fn begin(&self, reference: &str) -> Result<Progress> {
        let id = self.build.ids[self.plan.index].clone();
        let is_override = self.build.request.override_of(self.plan.index).is_some();
        let parent = self.build.graph.parent(reference, self.plan.index);
        match parent.filter(|_| !is_override) {
            Some(stage) => {
                let parent = self.build.stage_done(stage)?;
                Ok(Progress {
                    id,
                    origin: None,
                    lines: self.build.preamble_lines(),
                    snapshots: Vec::new(),
                    steps: Vec::new(),
                    is_command_set: false,
                    state: BuildState {
                        env: parent.state.env.clone(),
                        user: parent.state.user.clone(),
                        workdir: parent.state.workdir.clone(),
                        shell: parent.state.shell.clone(),
                        ..self.build.base.clone()
                    },
                    ..Progress::clone(&parent)
                })
            }
            None => {
                let (image, position) = self.build.find_image(reference)?;
                Ok(self.begin_with_image(id, image, position))
            }
        }
    }

    fn begin_with_image(&self, id: Id, image: Image, position: Position) -> Progress {
        let request = &self.build.request;
        let config = &request.config.container_config;
        let user = if config.user.is_empty() {
            image.user
        } else {
            config.user.clone()
        };
        let env = parse::merge_env(&image.env, &config.env);
        Progress {
            id,
            position,
            state: BuildState {
                env: env
                    .iter()
                    .filter_map(|entry| entry.split_once('='))
                    .map(|(name, value)| Variable {
                        name: name.to_owned(),
                        value: value.to_owned(),
                    })
                    .collect(),
                user,
                workdir: match request.dialect {
                    Dialect::Classic => None,
                    Dialect::Docker => image.settings.working_dir.clone(),
                },
                shell: image.settings.shell.clone(),
                ..self.build.base.clone()
            },
            cmd: image.cmd,
            settings: image.settings,
            origin: None,
            lines: self.build.preamble_lines(),
            snapshots: Vec::new(),
            steps: Vec::new(),
            is_command_set: false,
            may_be_cached: request.config.cache,
        }
    }

    /// Without a cache there is no use in waiting with the container; with it, what is wrong with the request is said
    /// early all the same.
    fn enter(&self, progress: &mut Progress) -> Result<()> {
        if !self.build.request.config.cache {
            return self.container(progress);
        }
        let config = self.build.request.config;
        let engine = self.build.request.engine;
        parse::env(&config.container_config.env)?;
        crate::Engine::mount_records(&config.container_config.mounts)?;
        for network in &config.networks {
            engine.find_network(&network.network)?;
        }
        Ok(())
    }

    /// The container of the stage, which is made when it is first needed.
    pub(super) fn container(&self, progress: &mut Progress) -> Result<()> {
        if progress.origin.is_some() {
            return Ok(());
        }
        progress.may_be_cached = false;
        progress.origin = Some(progress.position.snapshot.clone());
        let purpose = Purpose::Commands {
            env: &progress.state.env,
            user: &progress.state.user,
        };
        self.build
            .ensure_container(&progress.id, &progress.position, purpose)?;
        self.build.connect(&progress.id)
    }

    /// Does what an instruction asks for. Returns the snapshot that it led to.
    fn act(
        &self,
        action: BuildAction,
        instruction: &Instruction,
        progress: &mut Progress,
    ) -> std::result::Result<Option<Id>, Refusal> {
        match action {
            BuildAction::Run(process) => {
                let step = self.run_process(&process, instruction, progress)?;
                return Ok(Some(self.advance(step, progress)?));
            }
            BuildAction::Copy(action) => {
                let step = self.copy(&action, progress)?;
                return Ok(Some(self.advance(step, progress)?));
            }
            BuildAction::Fetch(action) => {
                let step = self.fetch(&action, progress)?;
                return Ok(Some(self.advance(step, progress)?));
            }
            BuildAction::SetWorkdir(directory) => self.workdir(directory, progress)?,
            BuildAction::UseImage(image) => {
                return Err(EngineError::invalid(format!(
                    "the stage has begun; it cannot begin with {image}"
                ))
                .into());
            }
            BuildAction::DeclareArg(variable) => set(&mut progress.state.args, variable),
            BuildAction::SetEnv(variable) => set(&mut progress.state.env, variable),
            BuildAction::SetUser(user) => progress.state.user = user,
            BuildAction::SetShell(shell) => {
                progress.settings.shell.clone_from(&shell);
                progress.state.shell = shell;
            }
            BuildAction::SetCommand(cmd) => {
                progress.cmd = cmd;
                progress.is_command_set = true;
            }
            BuildAction::SetEntrypoint(entrypoint) => {
                progress.settings.entrypoint = entrypoint;
                if !progress.is_command_set {
                    progress.cmd.clear();
                }
            }
            BuildAction::SetLabel(label) => {
                progress.settings.labels.insert(label.key, label.value);
            }
            BuildAction::SetHealthcheck(check) => progress.settings.healthcheck = Some(healthcheck(check)),
            BuildAction::SetStopSignal(signal) => {
                progress.settings.stop_signal = Some(parse::stop_signal(&signal)?);
            }
            BuildAction::Expose(ports) => progress.settings.exposed_ports.extend(ports),
            BuildAction::DeclareVolume(directory) => {
                progress.settings.volumes.insert(directory);
            }
        }
        Ok(None)
    }

    fn workdir(&self, directory: String, progress: &mut Progress) -> Result<()> {
        if progress.origin.is_some() {
            self.build
                .make_directories(&progress.id, std::slice::from_ref(&directory))?;
        }
        progress.position.directories.push(directory.clone());
        if self.build.request.dialect == Dialect::Docker {
            progress.settings.working_dir = Some(directory.clone());
        }
        progress.state.workdir = Some(directory);
        Ok(())
    }

    fn run_process(
        &self,
        process: &Process,
        instruction: &Instruction,
        progress: &mut Progress,
    ) -> std::result::Result<Step, Refusal> {
        let key = key::run(&progress.position, process, &self.build.surroundings);
        if let Some(found) = self.cached(&key, progress)? {
            return Ok(Step::Cached(found));
        }
        self.container(progress)?;
        match self.build.run_command(&progress.id, process, self.log)? {
            ExitStatus::Code(0) => Ok(Step::Done(vec![key])),
            status => Err(Refusal::Line(format!(
                "The command '{}' returned a non-zero code: {}",
                self.command_of(process, instruction),
                status.code()
            ))),
        }
    }

    /// What a message calls a command: its words, or the instruction where the words are not the user's or a whole script.
    fn command_of(&self, process: &Process, instruction: &Instruction) -> String {
        let is_script = process.argv.iter().any(|word| word.contains('\n'));
        let is_docker = self.build.request.dialect == Dialect::Docker;
        match instruction.kind {
            InstructionKind::Run(_) if !(is_docker && is_script) => process.argv.join(" "),
            _ => instruction.text.clone(),
        }
    }

    /// The snapshot that a step with this key led to in an earlier build.
    pub(super) fn cached(&self, key: &str, progress: &Progress) -> Result<Option<SnapshotName>> {
        if !progress.may_be_cached {
            return Ok(None);
        }
        let engine = self.build.request.engine;
        let found = engine.store.read(|read| read.cached_step(key))?;
        let Some(owner) = found.as_ref().and_then(image_of) else {
            return Ok(None);
        };
        // It may have gone a moment ago.
        match self.build.pin(&owner) {
            Err(EngineError::ImageNotFound { .. }) => Ok(None),
            Err(error) => Err(error),
            Ok(()) => Ok(found),
        }
    }

    /// Goes to where a step led.
    fn advance(&self, step: Step, progress: &mut Progress) -> Result<Id> {
        let (name, snapshot) = match step {
            Step::Cached(snapshot) => {
                let name: Id = snapshot
                    .name()
                    .parse()
                    .map_err(|error| EngineError::invalid(format!("{error}")))?;
                self.log.tell(BuildEvent::Cached(name.clone()));
                progress.position.image =
                    image_of(&snapshot).unwrap_or_else(|| progress.position.image.clone());
                (name, snapshot)
            }
            Step::Done(keys) => {
                let (name, snapshot) = self.build.snapshot(&progress.id)?;
                let steps = keys.into_iter().map(|key| (key, name.clone()));
                progress.steps.extend(steps);
                (name, snapshot)
            }
        };
        self.log.tell(BuildEvent::Snapshot(name.clone()));
        progress.snapshots.push(snapshot.clone());
        progress.position.advance(snapshot);
        Ok(name)
    }

    /// The last instruction may have left a process that does not end.
    fn problem_at_end(&self, error: EngineError) -> Option<BuildProblem> {
        let last = self.plan.instructions.end - 1;
        let instruction = &self.build.request.instructions[last];
        self.build.request.problem(instruction, error.into())
    }

    /// Nothing of the stage runs while others use it.
    fn end(&self, progress: &Progress) -> Result<()> {
        if progress.origin.is_some() && self.plan.index != self.build.target {
            self.build.settle_container(&progress.id)?;
        }
        Ok(())
    }

    pub(super) fn dataset(&self, progress: &Progress) -> DatasetName {
        DatasetName::container(&progress.id)
    }
}

/// A later declaration replaces an earlier one.
pub(super) fn set(variables: &mut Vec<Variable>, variable: Variable) {
    variables.retain(|known| known.name != variable.name);
    variables.push(variable);
}

fn healthcheck(check: Healthcheck) -> kleene_store::Healthcheck {
    kleene_store::Healthcheck {
        test: check.test,
        interval: check.interval,
        timeout: check.timeout,
        start_period: check.start_period,
        retries: check.retries,
    }
}
