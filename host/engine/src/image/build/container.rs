//! The containers of a build: made from where a stage stands, worked in, and gone or an image at its end.

use std::ops::ControlFlow;
use std::path::PathBuf;
use std::sync::mpsc;
use std::time::Duration;

use kleene_api::EndPointConfig;
use kleene_plan::{DatasetName, ExitStatus, Id, Op, ProcessSpec, SnapshotName};
use kleene_plugins::{Process, Variable};
use kleene_store::{Object, image_of};

use super::Build;
use super::event::BuildEvent;
use super::position::Position;
use super::transcript::Transcript;
use crate::container::BUILD_LABEL;
use crate::error::{EngineError, Result};
use crate::locks::unpoisoned;
use crate::process::ProcessEvent;

/// How often a build looks whether somebody still waits for it while a command runs.
const CANCEL_INTERVAL: Duration = Duration::from_millis(100);

/// What a container of a build is for.
#[derive(Debug, Clone, Copy)]
pub(super) enum Purpose<'a> {
    /// Commands run in it.
    Commands {
        /// Their environment as far as it is the image's.
        env: &'a [Variable],
        /// Who runs them.
        user: &'a str,
    },
    /// Files are copied from it: nothing is mounted in it.
    Files,
}

impl Build<'_> {
    /// Makes the container of a stage, with the id of the image to be, unless there is one. A label tells it from others,
    /// so that an interrupted build is recognised.
    ///
    /// # Errors
    /// What is in the way; whoever ends the build cleans up.
    pub(super) fn ensure_container(&self, id: &Id, position: &Position, purpose: Purpose<'_>) -> Result<()> {
        {
            let mut containers = unpoisoned(&self.containers);
            if containers.contains(id) {
                return Ok(());
            }
            containers.push(id.clone());
        }
        let engine = self.request.engine;
        let config = &self.request.config.container_config;
        let image = engine.image_by_id(&position.image)?;
        let mut container = engine.container_record(id.clone(), None, config, &image)?;
        let mounts = match purpose {
            Purpose::Commands { env, user } => {
                container.env = env.iter().map(entry).collect();
                container.user = user.to_owned();
                config.mounts.as_slice()
            }
            Purpose::Files => &[],
        };
        container.name = format!("builder_{id}").parse().ok();
        container.cmd.clone_from(&image.cmd);
        container.labels = [(BUILD_LABEL.to_owned(), "true".to_owned())].into();
        engine.make_container(container, mounts, &self.present_name(&position.snapshot)?)?;
        if !position.directories.is_empty() {
            self.make_directories(id, &position.directories)?;
        }
        Ok(())
    }

    /// Connects a container with the networks of the request.
    pub(super) fn connect(&self, id: &Id) -> Result<()> {
        for network in &self.request.config.networks {
            self.request.engine.connect(&EndPointConfig {
                container: id.to_string(),
                ..network.clone()
            })?;
        }
        Ok(())
    }

    /// The name that a snapshot has at this moment: stages become images at the end.
    pub(super) fn present_name(&self, snapshot: &SnapshotName) -> Result<SnapshotName> {
        match image_of(snapshot) {
            Some(owner) if self.ids.contains(&owner) => {
                snapshot_of(&DatasetName::container(&owner), snapshot.name())
            }
            _ => Ok(snapshot.clone()),
        }
    }

    pub(super) fn make_directories(&self, id: &Id, directories: &[String]) -> Result<()> {
        let engine = self.request.engine;
        engine.in_root(
            &Object::Container(id.clone()),
            &DatasetName::container(id),
            |root| {
                for directory in directories {
                    root.make_dir_all(directory)?;
                }
                Ok(())
            },
        )
    }

    /// Keeps what was done. The snapshot has the name that it will have once the stage is an image.
    pub(super) fn snapshot(&self, id: &Id) -> Result<(Id, SnapshotName)> {
        let name = Id::generate();
        let taken = snapshot_of(&DatasetName::container(id), name.as_str())?;
        self.request.engine.transact(
            "snapshot build",
            &Object::Container(id.clone()),
            |transaction| transaction.apply(Op::CreateSnapshot(taken)),
            |_, ()| Ok(()),
        )?;
        let final_name = snapshot_of(&DatasetName::image(id), name.as_str())?;
        Ok((name, final_name))
    }

    /// Runs a command in a build's container, which lives as long as the command.
    pub(super) fn run_command(&self, id: &Id, process: &Process, log: &Transcript) -> Result<ExitStatus> {
        let process = ProcessSpec {
            argv: process.argv.clone(),
            env: process.env.iter().map(entry).collect(),
            user: process.user.clone(),
            directory: process.directory.as_ref().map(PathBuf::from),
            terminal: None,
        };
        let (sender, events) = mpsc::channel();
        let subscriber = Box::new(move |event| match sender.send(event) {
            Ok(()) => ControlFlow::Continue(()),
            Err(_) => ControlFlow::Break(()),
        });
        let engine = self.request.engine;
        engine.locks.hold(id, || {
            // An earlier command may have left processes behind, and with them the jail.
            let container = engine.present_container(id)?;
            engine.run_in_container(&container, &Id::generate(), &process, Some(subscriber))
        })?;
        loop {
            match events.recv_timeout(CANCEL_INTERVAL) {
                Ok(ProcessEvent::Output(bytes)) => log.tell(BuildEvent::Output(bytes)),
                Ok(ProcessEvent::Exited { status, .. }) => return Ok(status),
                Err(mpsc::RecvTimeoutError::Timeout) => self.board.check()?,
                Err(mpsc::RecvTimeoutError::Disconnected) => {
                    return Err(EngineError::Launch(
                        "nobody follows the command any more".to_owned(),
                    ));
                }
            }
        }
    }

    /// Ends whatever a command left running or behind: it would be looked for under the container's name.
    pub(super) fn settle_container(&self, id: &Id) -> Result<()> {
        let engine = self.request.engine;
        match engine.stop_container(id.as_str()) {
            Ok(_) | Err(EngineError::ContainerNotRunning) => {}
            Err(error) => return Err(error),
        }
        engine.disconnect_all(id)
    }

    /// Removes the containers that are left, the latest first: what was made from others before those.
    pub(super) fn remove_containers(&self) {
        let containers = std::mem::take(&mut *unpoisoned(&self.containers));
        for id in containers.iter().rev() {
            let removed = self
                .settle_container(id)
                .and_then(|()| self.request.engine.remove_container(id.as_str()).map(|_| ()));
            match removed {
                Ok(()) | Err(EngineError::ContainerNotFound { .. }) => {}
                Err(error) => tracing::error!(build = %id, %error, "could not clean up after a build"),
            }
        }
    }
}

pub(super) fn snapshot_of(dataset: &DatasetName, name: &str) -> Result<SnapshotName> {
    dataset
        .snapshot(name)
        .map_err(|error| EngineError::invalid(error.to_string()))
}

pub(super) fn entry(Variable { name, value }: &Variable) -> String {
    format!("{name}={value}")
}
