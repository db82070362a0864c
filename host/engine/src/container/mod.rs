//! Containers: one file per verb.

mod create;
mod mounts;
mod ports;
mod prune;
mod remove;
mod show;
mod start;
mod stop;
mod update;

pub(crate) use create::wanted_mounts;
pub use stop::STOP_GRACE;

use std::path::PathBuf;

use kleene_plan::{DatasetName, Id};
use kleene_store::{Container, Resolution};

use crate::Engine;
use crate::error::{EngineError, Result};

/// Marks the container of a build, so that an interrupted build is recognised.
pub(crate) const BUILD_LABEL: &str = "kleene.build";

impl Engine {
    /// The id of the container that a user means.
    pub(crate) fn find_container(&self, given: &str) -> Result<Id> {
        match self.store.read(|read| read.resolve_container(given))? {
            Resolution::Found(id) => Ok(id),
            Resolution::None => Err(EngineError::ContainerNotFound {
                given: given.to_owned(),
            }),
            Resolution::Ambiguous => Err(EngineError::Ambiguous {
                what: "container",
                given: given.to_owned(),
            }),
        }
    }

    pub(crate) fn container_by_id(&self, id: &Id) -> Result<Container> {
        let container = self.store.read(|read| read.container(id))?;
        container.ok_or_else(|| EngineError::ContainerNotFound {
            given: id.to_string(),
        })
    }

    /// Where the container's files are when its dataset is mounted.
    pub(crate) fn container_root(&self, id: &Id) -> Result<PathBuf> {
        Ok(self.platform.mountpoint(&DatasetName::container(id))?)
    }

    /// The supervisor's files of one process of a container.
    pub(crate) fn exec_run_dir(&self, container: &Id, exec: &Id) -> PathBuf {
        self.run_dir.join(container.as_str()).join(exec.as_str())
    }

    /// Removes the supervisors' files of a container that does not run.
    pub(crate) fn remove_run_dir(&self, container: &Id) {
        let path = self.run_dir.join(container.as_str());
        if let Err(error) = absent_is_fine(std::fs::remove_dir_all(&path)) {
            tracing::warn!(path = %path.display(), %error, "could not remove the files of ended processes");
        }
    }

    /// Removes what is kept of a container outside of its dataset. That some of it stays is worth a line, not a
    /// failure: the next start of the daemon tries again.
    pub(crate) fn remove_files_of(&self, container: &Id) {
        self.remove_run_dir(container);
        let path = self.log_path(container);
        if let Err(error) = absent_is_fine(std::fs::remove_file(&path)) {
            tracing::warn!(path = %path.display(), %error, "could not remove the log of a container that is gone");
        }
    }

    /// A start that failed may have left a log in which nothing stands.
    pub(crate) fn remove_empty_log(&self, container: &Id) {
        let path = self.log_path(container);
        let is_empty = std::fs::metadata(&path).is_ok_and(|log| log.len() == 0);
        if is_empty && let Err(error) = absent_is_fine(std::fs::remove_file(&path)) {
            tracing::warn!(path = %path.display(), %error, "could not remove an empty log");
        }
    }

    /// What the container's first processes printed.
    pub(crate) fn log_path(&self, container: &Id) -> PathBuf {
        self.log_dir.join(format!("{container}.log"))
    }
}

pub(crate) fn absent_is_fine(removed: std::io::Result<()>) -> std::io::Result<()> {
    match removed {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(()),
        removed => removed,
    }
}
