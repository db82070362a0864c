//! What happens when a daemon starts: changes that the last one left half done are taken back or finished, the host
//! is made what the state says, and containers that run are followed again. Running containers are not disturbed.

use std::collections::HashMap;
use std::path::Path;
use std::time::Duration;

use kleene_api::ExecConfig;
use kleene_plan::{DatasetName, ExitStatus, Id, Op};
use kleene_store::{Container, Direction, Object, RestartPolicy, Transaction};

use crate::Engine;
use crate::container::BUILD_LABEL;
use crate::error::{EngineError, Result};
use crate::locks::{unpoisoned, unpoisoned_write};
use crate::process::Process;

/// What a container is said to have ended by when nobody saw its end.
const UNSEEN: ExitStatus = ExitStatus::Signal(9);

impl Engine {
    /// Takes back or finishes every open transaction, and tries once more what could not be taken back before.
    pub(crate) fn recover(&self) -> Result<()> {
        self.end_stray_jails()?;
        let mut interrupted = self.store.open_transactions()?;
        // The latest first, and removals last: nothing that was half made is in their way then.
        interrupted.sort_by_key(|transaction| {
            (
                transaction.direction == Direction::Redo,
                std::cmp::Reverse(transaction.id),
            )
        });
        for transaction in interrupted {
            tracing::warn!(kind = transaction.kind, object = %transaction.object, "recovering an interrupted change");
            match transaction.direction {
                Direction::Undo => self.undo_interrupted(transaction)?,
                Direction::Redo => self.redo_interrupted(&transaction)?,
            }
        }
        for leftover in self.store.read(|read| read.leftovers())? {
            if self.take_back([leftover.op]).is_empty() {
                self.store.write(|write| write.remove_leftover(leftover.id))?;
            }
        }
        Ok(())
    }

    /// A jail whose start was never committed is nobody's, and in the way of all that is to be taken back.
    fn end_stray_jails(&self) -> Result<()> {
        for jail in self.platform.jails()? {
            let container = self.store.read(|read| read.container(&jail.id))?;
            if container.is_some_and(|container| container.started.is_none())
                && let Err(error) = self.platform.stop_jail(&jail.id, None, Duration::ZERO)
            {
                tracing::error!(container = %jail.id, %error, "could not end a jail whose start was interrupted");
            }
        }
        Ok(())
    }

    fn undo_interrupted(&self, transaction: Transaction) -> Result<()> {
        let undo = transaction.steps.into_iter().rev().filter_map(|step| step.undo);
        let remnants = self.take_back(undo);
        Ok(self.store.write(|write| {
            for remnant in &remnants {
                write.add_leftover(&transaction.object, &remnant.op, &remnant.reason)?;
            }
            write.finish(transaction.id)
        })?)
    }

    /// A removal is asked for once more: each of its operations is content with finding nothing to do.
    fn redo_interrupted(&self, transaction: &Transaction) -> Result<()> {
        self.store.write(|write| write.finish(transaction.id))?;
        let removed = match &transaction.object {
            Object::Container(id) => self.remove_stopped(id),
            Object::Image(id) => self.destroy_image(id),
            Object::Network(id) => self.remove_unused(id),
            Object::Volume(name) => {
                let _alone = unpoisoned_write(&self.volumes);
                self.destroy_volume(name)
            }
            Object::Endpoint(id) => self.disconnect_endpoint(id),
        };
        match removed {
            Err(error) if !matches!(error, EngineError::ContainerNotFound { .. }) => {
                tracing::error!(object = %transaction.object, %error, "could not finish an interrupted removal; try it again");
            }
            _ => {}
        }
        Ok(())
    }

    /// Makes the host what the state says.
    pub(crate) fn reconcile(&self) -> Result<()> {
        let jails: Vec<Id> = self.platform.jails()?.into_iter().map(|jail| jail.id).collect();
        let mut containers = self.store.read(|read| read.containers())?;
        // Those of a build may be made from one another: the latest first.
        containers.sort_by_key(|container| std::cmp::Reverse(container.created));
        for container in containers {
            match &container.started {
                Some(running) if jails.contains(&container.id) => {
                    self.follow_again(&container, &running.exec)?
                }
                Some(running) => self.ended_while_away(&container.id, &running.exec),
                None => {}
            }
            if container.labels.contains_key(BUILD_LABEL) {
                self.remove_interrupted_build(&container)?;
            }
        }
        self.release_unused_ports()?;
        self.mount_volumes()?;
        self.apply_again()?;
        self.remove_stale_files()
    }

    /// Applies once more what holds for networks and running containers: the host may have been restarted, or its
    /// firewall reloaded. No plugin is asked.
    fn apply_again(&self) -> Result<()> {
        let mut objects = self.store.read(|read| read.all_applied())?;
        // Containers need the interfaces of their networks.
        objects.sort_by_key(|(object, _)| !matches!(object, Object::Network(_)));
        for (object, applied) in objects {
            for op in applied.into_iter().map(|applied| applied.op) {
                if let Err(error) = self.platform.apply(&op) {
                    tracing::error!(%object, %op, %error, "could not be restored");
                }
            }
        }
        Ok(())
    }

    /// The site's policies may be configured otherwise than under the last daemon.
    pub(crate) fn apply_todays_policies(&self) -> Result<()> {
        let review = self.review_again()?;
        for replaced in review.restored {
            tracing::info!(object = replaced.object, what = replaced.what, "policies changed");
        }
        for failed in review.failed {
            tracing::warn!(
                object = failed.object,
                reason = failed.reason,
                "not as policies want it today"
            );
        }
        Ok(())
    }

    /// A container survived the daemon: its supervisor is asked for its line.
    fn follow_again(&self, container: &Container, exec: &Id) -> Result<()> {
        let run_dir = self.exec_run_dir(&container.id, exec);
        match kleene_supervisor::attach(&run_dir) {
            Ok(Some(connection)) => {
                let (events, inputs) = connection.split();
                let process = Process::new(exec.clone(), container.id.clone(), true, run_dir, inputs, None);
                self.follow(process, events)
            }
            // The first process has ended: a moment ago, or its jail lives on, as a jail with daemons does.
            Ok(None) => {
                if !self.jail_lives(&container.id)? {
                    self.ended_while_away(&container.id, exec);
                }
                Ok(())
            }
            Err(error) => {
                tracing::error!(container = %container.id, %error, "could not attach to a running container");
                Ok(())
            }
        }
    }

    fn ended_while_away(&self, container: &Id, exec: &Id) {
        let status = self.recorded_status(container, exec);
        self.clean_up_behind(container, exec, status);
    }

    pub(crate) fn recorded_status(&self, container: &Id, exec: &Id) -> ExitStatus {
        let run_dir = self.exec_run_dir(container, exec);
        let record = kleene_supervisor::exit_record(&run_dir).ok().flatten();
        record.map_or(UNSEEN, |record| record.status)
    }

    fn remove_interrupted_build(&self, container: &Container) -> Result<()> {
        tracing::warn!(build = %container.id, "removing what is left of an interrupted build");
        let removed = match self.stop_container(container.id.as_str()) {
            Ok(_) | Err(EngineError::ContainerNotRunning) => {
                self.remove_container(container.id.as_str()).map(|_| ())
            }
            Err(error) => Err(error),
        };
        if let Err(error) = removed {
            tracing::error!(build = %container.id, %error, "could not remove an interrupted build");
        }
        Ok(())
    }

    /// Ports are held by containers that run; a start that was interrupted holds none.
    fn release_unused_ports(&self) -> Result<()> {
        self.store.write(|write| -> Result<()> {
            for holder in write.port_holders()? {
                if write
                    .container(&holder)?
                    .is_none_or(|container| container.started.is_none())
                {
                    write.release_ports(&holder)?;
                }
            }
            Ok(())
        })
    }

    /// Volumes are always mounted; a restart of the host may have ended that.
    fn mount_volumes(&self) -> Result<()> {
        for volume in self.store.read(|read| read.volumes())? {
            let mount = Op::MountDataset(DatasetName::volume(&volume.name));
            if let Err(error) = self.platform.apply(&mount) {
                tracing::error!(volume = %volume.name, %error, "could not be mounted");
            }
        }
        Ok(())
    }

    /// Removes the supervisors' files of containers that do not run, and logs of containers that are gone.
    fn remove_stale_files(&self) -> Result<()> {
        let containers: HashMap<Id, bool> = self
            .store
            .read(|read| read.containers())?
            .into_iter()
            .map(|container| (container.id, container.started.is_some()))
            .collect();
        for id in ids_in(&self.run_dir, "") {
            if !containers.get(&id).is_some_and(|runs| *runs) {
                self.remove_run_dir(&id);
            }
        }
        for id in ids_in(&self.log_dir, ".log") {
            if !containers.contains_key(&id) {
                self.remove_files_of(&id);
            }
        }
        Ok(())
    }

    fn disconnect_endpoint(&self, endpoint: &Id) -> Result<()> {
        let _one_at_a_time = unpoisoned(&self.networks);
        match self.store.read(|read| read.endpoint_by_id(endpoint))? {
            Some(endpoint) => self.disconnect_found(&endpoint.network, &endpoint.container),
            None => Ok(()),
        }
    }

    /// Starts the containers that are to start with the daemon, in the order in which they were made. One that
    /// cannot be started is logged and does not keep the others from it.
    pub fn start_containers_at_startup(&self) {
        let mut containers = match self.store.read(|read| read.containers()) {
            Ok(containers) => containers,
            Err(error) => {
                return tracing::error!(%error, "could not read which containers start with the daemon");
            }
        };
        containers.retain(|container| {
            container.restart_policy == RestartPolicy::OnStartup && container.started.is_none()
        });
        containers.sort_by(|a, b| (a.created, &a.id).cmp(&(b.created, &b.id)));
        for container in containers {
            let config = ExecConfig {
                container_id: container.id.to_string(),
                ..ExecConfig::default()
            };
            let started = self
                .create_exec(&config)
                .and_then(|exec| self.start_exec(exec.as_str(), true, None));
            if let Err(error) = started {
                tracing::error!(container = %container.id, %error, "could not start with the daemon");
            }
        }
    }
}

/// The ids after which entries of a directory are named.
fn ids_in(directory: &Path, suffix: &str) -> Vec<Id> {
    let entries = match std::fs::read_dir(directory) {
        Ok(entries) => entries,
        Err(error) => {
            tracing::warn!(path = %directory.display(), %error, "could not look for files that nobody needs");
            return Vec::new();
        }
    };
    entries
        .filter_map(|entry| {
            entry
                .ok()?
                .file_name()
                .to_str()?
                .strip_suffix(suffix)?
                .parse()
                .ok()
        })
        .collect()
}
