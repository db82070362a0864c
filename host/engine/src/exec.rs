//! Execution instances: a command in a container, first asked for, then started, then gone. They live in memory, as
//! in 0.1.1; the processes themselves outlive the daemon.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use kleene_api::ExecConfig;
use kleene_plan::{ExitStatus, Id, JailNetwork, JailSpec, Launch, LaunchMode, ProcessSpec, WindowSize};
use kleene_store::{Container, NetworkDriver};
use kleene_supervisor::{Events, Input};

use crate::Engine;
use crate::container::absent_is_fine;
use crate::error::{EngineError, Result};
use crate::locks::unpoisoned;
use crate::parse;
use crate::process::{Process, Subscriber, await_start};

/// How long an instance that nobody starts is remembered.
const UNSTARTED_LIFETIME: Duration = Duration::from_secs(3600);
/// How long a request waits for the end of what it asked to end: the original client waits 5 s for its answer.
const STOP_LIMIT: Duration = Duration::from_secs(4);
const SIGTERM: u8 = 15;
const SIGKILL: u8 = 9;

/// The instances of this daemon.
#[derive(Debug, Default)]
pub(crate) struct Execs(Mutex<HashMap<Id, Exec>>);

#[derive(Debug)]
enum Exec {
    Asked {
        container: Id,
        config: ExecConfig,
        since: Instant,
    },
    Starting,
    Running(Arc<Process>),
}

impl Execs {
    fn ask(&self, exec: Id, container: Id, config: ExecConfig) {
        let mut execs = unpoisoned(&self.0);
        execs.retain(
            |_, exec| !matches!(exec, Exec::Asked { since, .. } if since.elapsed() > UNSTARTED_LIFETIME),
        );
        execs.insert(
            exec,
            Exec::Asked {
                container,
                config,
                since: Instant::now(),
            },
        );
    }

    /// Takes what was asked for, so that nobody else starts it too.
    fn take_asked(&self, exec: &Id) -> Result<(Id, ExecConfig)> {
        let mut execs = unpoisoned(&self.0);
        let slot = execs.get_mut(exec).ok_or_else(|| EngineError::ExecNotFound {
            given: exec.to_string(),
        })?;
        match std::mem::replace(slot, Exec::Starting) {
            Exec::Asked {
                container, config, ..
            } => Ok((container, config)),
            other => {
                *slot = other;
                Err(EngineError::ExecAlreadyStarted)
            }
        }
    }

    pub(crate) fn runs(&self, process: Arc<Process>) {
        unpoisoned(&self.0).insert(process.exec.clone(), Exec::Running(process));
    }

    pub(crate) fn forget(&self, exec: &Id) {
        unpoisoned(&self.0).remove(exec);
    }

    fn running(&self, given: &str) -> Result<Arc<Process>> {
        let not_found = || EngineError::ExecNotFound {
            given: given.to_owned(),
        };
        let id: Id = given.parse().map_err(|_| not_found())?;
        match unpoisoned(&self.0).get(&id) {
            Some(Exec::Running(process)) => Ok(Arc::clone(process)),
            Some(_) => Err(EngineError::ExecNotStarted),
            None => Err(not_found()),
        }
    }

    /// The processes of a container that this daemon follows.
    pub(crate) fn of_container(&self, container: &Id) -> Vec<Arc<Process>> {
        let execs = unpoisoned(&self.0);
        let running = execs.values().filter_map(|exec| match exec {
            Exec::Running(process) if process.container == *container => Some(Arc::clone(process)),
            _ => None,
        });
        running.collect()
    }
}

impl Engine {
    /// Prepares a command in a container, which need not run yet.
    ///
    /// # Errors
    /// [`EngineError::ContainerNotFound`]; [`EngineError::Invalid`] for an `env` entry without `=`.
    pub fn create_exec(&self, config: &ExecConfig) -> Result<Id> {
        let container = self.find_container(&config.container_id)?;
        parse::env(&config.env)?;
        let exec = Id::generate();
        self.execs.ask(exec.clone(), container, config.clone());
        Ok(exec)
    }

    /// Starts a prepared command: in the running container, or as the first process of one that does not run.
    /// What it prints goes to the subscriber, if there is one, and always to the container's log.
    ///
    /// # Errors
    /// [`EngineError::ExecNotFound`], [`EngineError::ExecAlreadyStarted`], [`EngineError::StartNotAllowed`], or why
    /// the process or its container could not be started; nothing is left of it then.
    pub fn start_exec(
        &self,
        exec: &str,
        start_container: bool,
        subscriber: Option<Subscriber>,
    ) -> Result<()> {
        let id: Id = exec.parse().map_err(|_| EngineError::ExecNotFound {
            given: exec.to_owned(),
        })?;
        let (container, config) = self.execs.take_asked(&id)?;
        let nobody_types = subscriber.is_none() && !config.tty;
        let started = self.locks.hold(&container, || {
            let container = self.present_container(&container)?;
            if container.started.is_none() && !start_container {
                return Err(EngineError::StartNotAllowed);
            }
            let process = process_spec(&container, &config)?;
            self.run_in_container(&container, &id, &process, subscriber)
        });
        if started.is_err() {
            self.execs.forget(&id);
        } else if nobody_types {
            // A program that reads its input to the end would wait for ever. That it has ended already is no error.
            let _ = self.exec_input(exec, &Input::CloseStdin);
        }
        started
    }

    /// Starts a process as the first one of a container, or as a further one if it runs. The caller holds its lock.
    pub(crate) fn run_in_container(
        &self,
        container: &Container,
        exec: &Id,
        process: &ProcessSpec,
        subscriber: Option<Subscriber>,
    ) -> Result<()> {
        match container.started {
            Some(_) => self.join_container(container, exec, process, subscriber),
            None => self.start_container(container, exec, process, subscriber),
        }
    }

    fn join_container(
        &self,
        container: &Container,
        exec: &Id,
        process: &ProcessSpec,
        subscriber: Option<Subscriber>,
    ) -> Result<()> {
        let launch = Launch {
            // The jail exists: its own network and mounts hold. Of the network it matters whether it is the jail's own,
            // because raw sockets are free in one.
            jail: JailSpec {
                id: container.id.clone(),
                root: self.container_root(&container.id)?,
                network: match container.network_driver {
                    NetworkDriver::Vnet => JailNetwork::Vnet {
                        interfaces: Vec::new(),
                        default_routes: Vec::new(),
                    },
                    _ => JailNetwork::Inherit,
                },
                mounts: Vec::new(),
                parameters: container.jail_param.clone(),
            },
            process: process.clone(),
            mode: LaunchMode::Join,
            log: None,
        };
        let run_dir = self.exec_run_dir(&container.id, exec);
        let launched = self.platform.launch(&run_dir, &launch);
        let joined = launched.map_err(EngineError::from).and_then(await_start);
        if joined.is_err() {
            remove_run_dir(&run_dir);
        }
        let (events, inputs) = joined?;
        let process = Process::new(
            exec.clone(),
            container.id.clone(),
            false,
            run_dir,
            inputs,
            subscriber,
        );
        self.follow(process, events)
    }

    /// Lets a thread watch a process to its end.
    pub(crate) fn follow(&self, process: Process, mut events: Events) -> Result<()> {
        let process = Arc::new(process);
        self.execs.runs(Arc::clone(&process));
        let engine = self.clone();
        thread::Builder::new()
            .name(format!("exec-{}", process.exec))
            .stack_size(256 * 1024)
            .spawn(move || {
                let status = process.follow(&mut events);
                let status = status.unwrap_or_else(|| engine.end_unsupervised(&process));
                engine.process_ended(&process, status);
            })
            .map_err(|error| {
                EngineError::Launch(format!("could not start a thread to follow the process: {error}"))
            })?;
        Ok(())
    }

    /// Sees to it that a process whose supervisor was killed ends as well: nobody could attach to it, nor learn how it
    /// ended. Most end with their supervisor; what made a jail may leave the jail behind.
    fn end_unsupervised(&self, process: &Process) -> ExitStatus {
        const SIGKILL: u8 = 9;
        let (container, exec) = (&process.container, &process.exec);
        let is_orphan = process.is_first && process.has_lost_its_supervisor();
        tracing::warn!(%container, %exec, is_orphan, "lost the supervisor of a process");
        if is_orphan && let Err(error) = self.platform.stop_jail(container, None, Duration::ZERO) {
            tracing::error!(%container, %error, "could not end a container without supervisor");
        }
        ExitStatus::Signal(SIGKILL)
    }

    fn process_ended(&self, process: &Process, status: ExitStatus) {
        let container_ended = process.is_first && self.first_process_ended(process, status);
        self.execs.forget(&process.exec);
        remove_run_dir(&process.run_dir);
        process.end(status, container_ended);
    }

    /// Sends something to a running process.
    ///
    /// # Errors
    /// [`EngineError::ExecNotFound`], [`EngineError::ExecNotStarted`], or [`EngineError::Launch`] when the
    /// supervisor does not take it.
    pub fn exec_input(&self, exec: &str, input: &Input) -> Result<()> {
        let process = self.execs.running(exec)?;
        process
            .inputs
            .send(input)
            .map_err(|error| EngineError::Launch(format!("the process takes no input: {error}")))
    }

    /// The attached client went away. The first process of a container runs on; any other is asked to end.
    pub fn exec_client_gone(&self, exec: &str) {
        let Ok(process) = self.execs.running(exec) else {
            return;
        };
        if !process.is_first
            && let Err(error) = process.inputs.send(&Input::Signal(SIGTERM))
        {
            tracing::debug!(%exec, %error, "the process of a client that left has ended already");
        }
    }

    /// Ends a running instance, or with `stop_container` the container it runs in.
    ///
    /// # Errors
    /// [`EngineError::ExecNotFound`], [`EngineError::ExecNotStarted`], or that it did not end in time.
    pub fn stop_exec(&self, exec: &str, force: bool, stop_container: bool) -> Result<Id> {
        let process = self.execs.running(exec)?;
        if stop_container {
            self.stop_container(process.container.as_str())?;
        } else {
            let signal = if force { SIGKILL } else { SIGTERM };
            let sent = process.inputs.send(&Input::Signal(signal));
            sent.map_err(|error| EngineError::Launch(format!("error closing process: '{error}'")))?;
        }
        if process.wait(STOP_LIMIT) {
            Ok(process.exec.clone())
        } else {
            Err(EngineError::Conflict(
                "timed out while waiting for jail to stop".to_owned(),
            ))
        }
    }
}

/// Removes the files of the supervisor of one process.
fn remove_run_dir(path: &Path) {
    if let Err(error) = absent_is_fine(std::fs::remove_dir_all(path)) {
        tracing::warn!(path = %path.display(), %error, "could not remove the files of an ended process");
    }
}

/// The command of an instance, completed from its container.
fn process_spec(container: &Container, config: &ExecConfig) -> Result<ProcessSpec> {
    let argv = if config.cmd.is_empty() {
        container.cmd.clone()
    } else {
        config.cmd.clone()
    };
    if argv.is_empty() {
        return Err(EngineError::invalid(format!(
            "there is no command to run in container {}",
            container.id
        )));
    }
    let size = || {
        let default = WindowSize::default();
        WindowSize {
            rows: config.rows.unwrap_or(default.rows),
            cols: config.cols.unwrap_or(default.cols),
        }
    };
    Ok(ProcessSpec {
        argv,
        env: parse::merge_env(&container.env, &config.env),
        user: if config.user.is_empty() {
            container.user.clone()
        } else {
            config.user.clone()
        },
        directory: container.working_dir.as_ref().map(PathBuf::from),
        terminal: config.tty.then(size),
    })
}
