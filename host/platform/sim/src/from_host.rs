//! How datasets come from those of the host.

use std::fs;

use kleene_plan::{DatasetName, FromHost, HostDataset, HostSnapshot};
use kleene_platform::{PlatformError, Result};

use crate::content::Content;
use crate::files;
use crate::storage::{Storage, object};

impl Storage {
    /// Somebody makes a dataset with one file.
    pub(crate) fn plant(&mut self, dataset: &HostDataset, file: &str, text: &str) -> std::io::Result<()> {
        let content = self.new_content();
        fs::create_dir(self.content(content))?;
        fs::write(self.content(content).join(file), text)?;
        self.of_host.datasets.insert(dataset.clone(), content);
        Ok(())
    }

    pub(crate) fn would_take_from_host(&self, op: &FromHost) -> Result<bool> {
        match op {
            FromHost::Take(snapshot) => Ok(!self.of_host.snapshots.contains_key(snapshot)),
            FromHost::Release(snapshot) => Ok(
                self.of_host.snapshots.contains_key(snapshot) && !self.of_host.released.contains(snapshot)
            ),
            FromHost::Copy { dataset, .. } => Ok(self.path(dataset).is_none()),
            FromHost::Base { snapshot, dataset } => match self.of_host.clones.get(dataset) {
                Some(origin) if origin == snapshot => Ok(false),
                _ if self.path(dataset).is_none() => Ok(true),
                _ => Err(PlatformError::Conflict {
                    object: object(dataset),
                }),
            },
        }
    }

    pub(crate) fn take_from_host(&mut self, op: &FromHost) -> Result<()> {
        let failed = |error: std::io::Error| PlatformError::failed(op.to_string(), error);
        match op {
            FromHost::Take(snapshot) => {
                let source = self.of_host.datasets.get(&snapshot.dataset).copied();
                let source = source.ok_or_else(|| PlatformError::NotFound {
                    object: format!("dataset {} of the host", snapshot.dataset),
                })?;
                let content = self.new_content();
                files::copy(&self.content(source), &self.content(content)).map_err(failed)?;
                self.of_host.snapshots.insert(snapshot.clone(), content);
                Ok(())
            }
            FromHost::Release(snapshot) => {
                self.of_host.released.push(snapshot.clone());
                self.drop_released().map_err(failed)
            }
            FromHost::Copy { snapshot, dataset } => self.fill_from_host(snapshot, dataset, op),
            FromHost::Base { snapshot, dataset } => {
                self.fill_from_host(snapshot, dataset, op)?;
                self.of_host.clones.insert(dataset.clone(), snapshot.clone());
                Ok(())
            }
        }
    }

    fn fill_from_host(
        &mut self,
        snapshot: &HostSnapshot,
        dataset: &DatasetName,
        op: &FromHost,
    ) -> Result<()> {
        let source = self.of_host.snapshots.get(snapshot).copied();
        let source = source.ok_or_else(|| PlatformError::NotFound {
            object: format!("snapshot {snapshot} of the host"),
        })?;
        let content = self.new_content();
        files::copy(&self.content(source), &self.content(content))
            .map_err(|error| PlatformError::failed(op.to_string(), error))?;
        self.add(dataset, content, None);
        Ok(())
    }

    /// A dataset is gone: it is nobody's clone any more.
    pub(crate) fn forget_clone(&mut self, dataset: &DatasetName) -> std::io::Result<()> {
        self.of_host.clones.remove(dataset);
        self.drop_released()
    }

    fn drop_released(&mut self) -> std::io::Result<()> {
        let of_host = &mut self.of_host;
        let clones = &of_host.clones;
        let (kept, gone): (Vec<_>, Vec<_>) = std::mem::take(&mut of_host.released)
            .into_iter()
            .partition(|snapshot| clones.values().any(|origin| origin == snapshot));
        of_host.released = kept;
        let gone: Vec<Content> = gone
            .iter()
            .filter_map(|snapshot| of_host.snapshots.remove(snapshot))
            .collect();
        gone.into_iter()
            .try_for_each(|content| fs::remove_dir_all(self.content(content)))
    }
}
