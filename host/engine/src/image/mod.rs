//! Images: one file per verb.

mod build;
mod checksum;
mod commit;
mod create;
mod export;
mod history;
mod host_dataset;
mod measure;
mod oci;
pub(crate) mod pins;
mod remove;
mod scratch;
mod show;
mod size;
mod tag;
pub(crate) mod upload;

pub use build::{BuildError, BuildEvent, BuildProblem};
pub use export::ImageArchive;
use kleene_plan::Id;
use kleene_store::{Image, Resolution};
pub use upload::{UploadError, UploadedContext};

use crate::Engine;
use crate::error::{EngineError, Result};

/// The snapshot that holds an image's final state.
pub(crate) const FINAL_SNAPSHOT: &str = "image";

impl Engine {
    /// The image that a user means: an id, the beginning of one, or `name[:tag]`.
    pub(crate) fn find_image(&self, given: &str) -> Result<Image> {
        let not_found = || EngineError::ImageNotFound {
            given: given.to_owned(),
        };
        match self.store.read(|read| read.resolve_image(given))? {
            Resolution::Found(id) => self.image_by_id(&id),
            Resolution::None => Err(not_found()),
            Resolution::Ambiguous => Err(EngineError::Ambiguous {
                what: "image",
                given: given.to_owned(),
            }),
        }
    }

    pub(crate) fn image_by_id(&self, id: &Id) -> Result<Image> {
        let image = self.store.read(|read| read.image(id))?;
        image.ok_or_else(|| EngineError::ImageNotFound {
            given: id.to_string(),
        })
    }
}
