//! How much images hold: found out once, after they were made, since they never change.

use std::thread;

use kleene_plan::{DatasetName, Id};
use kleene_store::ImageSize;

use crate::Engine;
use crate::error::Result;

impl Engine {
    /// Finds out how much an image holds, on a thread of its own: whoever waits for the image need not wait for that.
    pub(crate) fn measure(&self, image: &Id) {
        let (engine, id) = (self.clone(), image.clone());
        let measuring = thread::Builder::new()
            .name(format!("size-{image}"))
            .spawn(move || {
                if let Err(error) = engine.measure_now(&id) {
                    tracing::debug!(image = %id, %error, "could not measure an image");
                }
            });
        if let Err(error) = measuring {
            tracing::debug!(%image, %error, "could not start a thread to measure an image");
        }
    }

    /// Images that an earlier daemon did not get to.
    pub(crate) fn measure_unmeasured(&self) -> Result<()> {
        let images = self.store.read(|read| read.images())?;
        for image in images.iter().filter(|image| image.size.is_none()) {
            self.measure(&image.id);
        }
        Ok(())
    }

    fn measure_now(&self, image: &Id) -> Result<()> {
        let usage = self.platform.usage(&DatasetName::image(image))?;
        let size = ImageSize {
            total: usage.referenced,
            // A clone to which little was written can take more blocks of its own than are seen of it.
            own: usage.used.min(usage.referenced),
        };
        Ok(self.store.write(|write| write.measured_image(image, size))?)
    }
}
