//! `DELETE /images/{id}` and `POST /images/prune`.

use kleene_plan::{DatasetName, Id, Op};
use kleene_platform::PlatformError;
use kleene_store::Object;

use crate::Engine;
use crate::error::{EngineError, Result};

/// What was made from an image and keeps it from being removed.
#[derive(Debug, Default)]
struct Dependents {
    containers: Vec<String>,
    images: Vec<String>,
}

impl Dependents {
    fn is_empty(&self) -> bool {
        self.containers.is_empty() && self.images.is_empty()
    }
}

impl Engine {
    /// Removes an image of which nothing was made.
    ///
    /// # Errors
    /// [`EngineError::ImageNotFound`]; [`EngineError::Conflict`] naming the containers or images; what the host
    /// says: then it is still there.
    pub fn remove_image(&self, given: &str) -> Result<()> {
        let image = self.find_image(given)?;
        let dependents = self.dependents_of_image(&image.id)?;
        let used = |kind: &str, ids: &[String]| {
            let ids = ids.join("\n");
            EngineError::Conflict(format!(
                "could not remove image {} since it is used for {kind}:\n{ids}",
                image.id
            ))
        };
        if !dependents.containers.is_empty() {
            return Err(used("containers", &dependents.containers));
        }
        if !dependents.images.is_empty() {
            return Err(used("images", &dependents.images));
        }
        self.unless_pinned(&image.id, || self.destroy_image(&image.id))
    }

    /// Removes images of which nothing was made, children before parents: all of them, or only those without a name
    /// and tag. Returns the removed ones, parents first.
    ///
    /// # Errors
    /// If the state cannot be read.
    pub fn prune_images(&self, all: bool) -> Result<Vec<Id>> {
        let mut removed: Vec<Id> = Vec::new();
        let mut failed: Vec<Id> = Vec::new();
        loop {
            let images = self.store.read(|read| read.images())?;
            let unnamed = |image: &&kleene_store::Image| image.name.is_empty() && image.tag.is_empty();
            let before = removed.len();
            for image in images.iter().filter(|image| all || unnamed(image)) {
                if failed.contains(&image.id) || !self.dependents_of_image(&image.id)?.is_empty() {
                    continue;
                }
                match self.unless_pinned(&image.id, || self.destroy_image(&image.id)) {
                    Ok(()) => removed.push(image.id.clone()),
                    Err(error) => {
                        tracing::warn!(image = %image.id, %error, "could not prune");
                        failed.push(image.id.clone());
                    }
                }
            }
            if removed.len() == before {
                removed.reverse();
                return Ok(removed);
            }
        }
    }

    fn dependents_of_image(&self, image: &Id) -> Result<Dependents> {
        let mut dependents = Dependents::default();
        let clones = match self.platform.dependents(&DatasetName::image(image)) {
            // A removal that was interrupted got this far.
            Err(PlatformError::NotFound { .. }) => Vec::new(),
            clones => clones?,
        };
        for dataset in clones {
            match dataset.as_str().split_once('/') {
                Some(("container", id)) => dependents.containers.push(id.to_owned()),
                Some(("image", id)) => dependents.images.push(id.to_owned()),
                _ => dependents.images.push(dataset.to_string()),
            }
        }
        Ok(dependents)
    }

    pub(crate) fn destroy_image(&self, image: &Id) -> Result<()> {
        let dataset = DatasetName::image(image);
        let ops = [Op::UnmountDataset(dataset.clone()), Op::DestroyDataset(dataset)];
        self.remove("remove image", &Object::Image(image.clone()), &ops, |write| {
            write.remove_image(image)?;
            Ok(())
        })
    }
}
