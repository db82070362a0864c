//! Images of datasets that are the host's and not Kleene's. They are left as they are but for a snapshot that is named
//! after the image: of a copy it goes at once, of a clone with the image, for which zfs(8) itself cares (`destroy -d`).

use kleene_plan::{DatasetName, FromHost, HostDataset, HostSnapshot};
use kleene_platform::{PlatformError, Result};

use crate::datasets::{self, Datasets, object};
use crate::failure::OrFailed;
use crate::zfs::{self, Dataset, Refusal, refusal};

impl Datasets {
    pub(crate) fn has_host_dataset(&self, dataset: &HostDataset) -> Result<bool> {
        let found = datasets::look(&self.tools, dataset.as_str());
        Ok(found
            .or_failed(|| format!("read dataset {dataset} of the host"))?
            .is_some())
    }

    fn host_snapshot(&self, snapshot: &HostSnapshot) -> Result<Option<Dataset>> {
        let found = datasets::look(&self.tools, &snapshot.to_string());
        found.or_failed(|| format!("read snapshot {snapshot} of the host"))
    }

    pub(crate) fn would_take_from_host(&self, op: &FromHost) -> Result<bool> {
        match op {
            FromHost::Take(snapshot) => Ok(self.host_snapshot(snapshot)?.is_none()),
            FromHost::Release(snapshot) => Ok(self.host_snapshot(snapshot)?.is_some()),
            FromHost::Copy { dataset, .. } => Ok(self.look(dataset)?.is_none()),
            FromHost::Base { snapshot, dataset } => self.would_base(snapshot, dataset),
        }
    }

    fn would_base(&self, snapshot: &HostSnapshot, dataset: &DatasetName) -> Result<bool> {
        match self.look(dataset)? {
            None => Ok(true),
            Some(found) if found.origin == Some(snapshot.to_string()) => Ok(false),
            Some(_) => Err(PlatformError::Conflict {
                object: object(dataset),
            }),
        }
    }

    pub(crate) fn take_from_host(&self, op: &FromHost) -> Result<()> {
        match op {
            FromHost::Take(snapshot) => match self.tools.run(&zfs::snapshot(&snapshot.to_string())) {
                Err(error) if refusal(&error) != Refusal::Exists => {
                    let object = format!("dataset {} of the host", snapshot.dataset);
                    Err(self.refused(error, object, op.to_string()))
                }
                _ => Ok(()),
            },
            FromHost::Release(snapshot) => {
                let released = self.tools.run(&zfs::release_snapshot(&snapshot.to_string()));
                let object = format!("snapshot {snapshot} of the host");
                self.absent_is_fine(released, object, || op.to_string())
            }
            FromHost::Copy { snapshot, dataset } => self.copy_host(snapshot, dataset, op),
            FromHost::Base { snapshot, dataset } => self.base_on_host(snapshot, dataset, op),
        }
    }

    /// What was received has the snapshot too, which is of no use there.
    fn copy_host(&self, snapshot: &HostSnapshot, dataset: &DatasetName, op: &FromHost) -> Result<()> {
        let full = self.full(dataset);
        if self.look(dataset)?.is_none() {
            let [send, receive] = [zfs::send(&snapshot.to_string()), zfs::receive(&full)];
            self.tools.pipe(&send, &receive).map_err(|error| {
                self.refused(error, format!("snapshot {snapshot} of the host"), op.to_string())
            })?;
        }
        let received = format!("{full}@{}", snapshot.image);
        let destroyed = self.tools.run(&zfs::destroy_snapshot(&received));
        self.absent_is_fine(destroyed, format!("snapshot {received}"), || op.to_string())
    }

    fn base_on_host(&self, snapshot: &HostSnapshot, dataset: &DatasetName, op: &FromHost) -> Result<()> {
        match self
            .tools
            .run(&zfs::clone(&snapshot.to_string(), &self.full(dataset)))
        {
            Err(error) if refusal(&error) == Refusal::Exists => self.would_base(snapshot, dataset).map(drop),
            Err(error) => {
                let object = format!("snapshot {snapshot} of the host");
                Err(self.refused(error, object, op.to_string()))
            }
            Ok(_) => Ok(()),
        }
    }
}

/// The commands of an operation, one per line.
pub(crate) fn render(op: &FromHost, datasets: &Datasets) -> String {
    match op {
        FromHost::Take(snapshot) => zfs::snapshot(&snapshot.to_string()).to_string(),
        FromHost::Release(snapshot) => zfs::release_snapshot(&snapshot.to_string()).to_string(),
        FromHost::Copy { snapshot, dataset } => {
            let full = datasets.full(dataset);
            format!(
                "{} | {}\n{}",
                zfs::send(&snapshot.to_string()),
                zfs::receive(&full),
                zfs::destroy_snapshot(&format!("{full}@{}", snapshot.image))
            )
        }
        FromHost::Base { snapshot, dataset } => {
            zfs::clone(&snapshot.to_string(), &datasets.full(dataset)).to_string()
        }
    }
}
