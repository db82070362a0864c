//! Images that builds under way stand on: nothing is made from them yet, and still they cannot be removed.

use std::collections::BTreeMap;
use std::sync::Mutex;

use kleene_plan::Id;

use crate::Engine;
use crate::error::{EngineError, Result};
use crate::locks::unpoisoned;

/// How many builds stand on which images.
#[derive(Debug, Default)]
pub(crate) struct Pins(Mutex<BTreeMap<Id, usize>>);

/// Keeps an image from being removed until it is dropped.
pub(crate) struct Pin {
    engine: Engine,
    image: Id,
}

impl Engine {
    /// # Errors
    /// [`EngineError::ImageNotFound`] if the image has been removed by now.
    pub(crate) fn pin_image(&self, image: &Id) -> Result<Pin> {
        *unpoisoned(&self.pins.0).entry(image.clone()).or_default() += 1;
        let pin = Pin {
            engine: self.clone(),
            image: image.clone(),
        };
        self.image_by_id(image)?;
        Ok(pin)
    }

    /// Does something that takes an image away, while no build can begin to stand on it.
    ///
    /// # Errors
    /// [`EngineError::Conflict`] if one does.
    pub(super) fn unless_pinned<T>(&self, image: &Id, work: impl FnOnce() -> Result<T>) -> Result<T> {
        let pins = unpoisoned(&self.pins.0);
        if pins.contains_key(image) {
            return Err(EngineError::conflict(format!(
                "could not remove image {image} since a build uses it that is under way; try again when it has ended"
            )));
        }
        work()
    }
}

impl Drop for Pin {
    fn drop(&mut self) {
        let mut pins = unpoisoned(&self.engine.pins.0);
        if let Some(count) = pins.get_mut(&self.image) {
            *count -= 1;
            if *count == 0 {
                pins.remove(&self.image);
            }
        }
    }
}
