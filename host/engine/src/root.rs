//! Work in the files of a dataset that may or may not be mounted.

use kleene_plan::{DatasetName, Op};
use kleene_rootfs::Root;
use kleene_store::Object;

use crate::Engine;
use crate::error::Result;
use crate::transaction::Transaction;

impl Engine {
    /// Runs `work` in the files of a dataset as a transaction of its own.
    pub(crate) fn in_root<T>(
        &self,
        object: &Object,
        dataset: &DatasetName,
        work: impl FnOnce(&Root) -> Result<T>,
    ) -> Result<T> {
        self.transact(
            "write files",
            object,
            |transaction| transaction.in_root(dataset, |_, root| work(root)),
            |_, _| Ok(()),
        )
    }
}

impl Transaction<'_> {
    /// Runs `work` in the files of a dataset, which is mounted for that time unless it was already.
    pub(crate) fn in_root<T>(
        &mut self,
        dataset: &DatasetName,
        work: impl FnOnce(&mut Self, &Root) -> Result<T>,
    ) -> Result<T> {
        self.during(Op::MountDataset(dataset.clone()), |transaction| {
            let root = Root::open(transaction.platform().mountpoint(dataset)?)?;
            work(transaction, &root)
        })
    }
}
