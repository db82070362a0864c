//! `POST /images/{id}/tag`.

use kleene_plan::Id;

use crate::Engine;
use crate::error::Result;
use crate::parse;

impl Engine {
    /// Gives an image a name and a tag, which another image loses if it had them. An empty text takes its own away.
    ///
    /// # Errors
    /// [`ImageNotFound`](crate::EngineError::ImageNotFound), or a text that is no `name[:tag]`.
    pub fn tag_image(&self, given: &str, nametag: &str) -> Result<Id> {
        let image = self.find_image(given)?;
        let (name, tag) = parse::nametag(nametag)?;
        self.store
            .write(|write| write.tag_image(&image.id, &name, &tag))?;
        Ok(image.id)
    }
}
