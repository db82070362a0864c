//! Listing and inspecting images.

use kleene_api::Image;

use crate::Engine;
use crate::error::Result;
use crate::wire;

impl Engine {
    /// Images, the newest first.
    ///
    /// # Errors
    /// If the state cannot be read.
    pub fn images(&self) -> Result<Vec<Image>> {
        let images = self.store.read(|read| read.images())?;
        Ok(images
            .iter()
            .map(|image| wire::image(image, self.platform.as_ref()))
            .collect())
    }

    /// One image.
    ///
    /// # Errors
    /// [`ImageNotFound`](crate::EngineError::ImageNotFound).
    pub fn inspect_image(&self, given: &str) -> Result<Image> {
        Ok(wire::image(&self.find_image(given)?, self.platform.as_ref()))
    }
}
