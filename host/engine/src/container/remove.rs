//! `DELETE /containers/{id}`.

use kleene_plan::{DatasetName, Id, Op};
use kleene_store::Object;

use crate::Engine;
use crate::error::{EngineError, Result};

impl Engine {
    /// Removes a container that does not run: its files, its endpoints and their addresses, its log.
    ///
    /// # Errors
    /// [`EngineError::ContainerNotFound`], [`EngineError::ContainerRunning`], or that its dataset could not be
    /// destroyed: then it is still there and the removal can be tried again.
    pub fn remove_container(&self, given: &str) -> Result<Id> {
        let id = self.find_container(given)?;
        self.locks.hold(&id, || self.remove_stopped(&id))?;
        Ok(id)
    }

    pub(crate) fn remove_stopped(&self, id: &Id) -> Result<()> {
        if self.present_container(id)?.started.is_some() {
            return Err(EngineError::ContainerRunning);
        }
        let dataset = DatasetName::container(id);
        self.remove(
            "remove container",
            &Object::Container(id.clone()),
            &[Op::UnmountDataset(dataset.clone()), Op::DestroyDataset(dataset)],
            |write| {
                write.remove_container(id)?;
                Ok(())
            },
        )?;
        self.remove_files_of(id);
        Ok(())
    }
}
