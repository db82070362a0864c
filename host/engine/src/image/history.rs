//! `GET /images/{id}/history`: where the files of an image come from.

use kleene_api::ImageHistoryEntry;
use kleene_plan::SnapshotName;
use kleene_store::Image;

use crate::Engine;
use crate::error::Result;
use crate::image::FINAL_SNAPSHOT;
use crate::wire;

impl Engine {
    /// What was done to make an image, the latest first: its own instructions, those of the image it was made from up
    /// to where that was left, and so on to the base image.
    ///
    /// # Errors
    /// [`ImageNotFound`](crate::EngineError::ImageNotFound), or the host does not tell how much a snapshot holds.
    pub fn image_history(&self, given: &str) -> Result<Vec<ImageHistoryEntry>> {
        let mut entries = Vec::new();
        let mut next = Some((self.find_image(given)?, None));
        while let Some((image, until)) = next {
            self.add_instructions(&image, until.as_ref(), &mut entries)?;
            next = match &image.origin {
                Some(origin) => self
                    .image_of(origin)?
                    .map(|parent| (parent, Some(origin.clone()))),
                None => None,
            };
        }
        Ok(entries)
    }

    /// The instructions of one image up to the one that led to a snapshot, the latest first.
    fn add_instructions(
        &self,
        image: &Image,
        until: Option<&SnapshotName>,
        entries: &mut Vec<ImageHistoryEntry>,
    ) -> Result<()> {
        let entry = |created_by: &str, snapshot: Option<&SnapshotName>| -> Result<_> {
            let written = |snapshot| self.platform.written(snapshot);
            Ok(ImageHistoryEntry {
                created: wire::timestamp(image.created),
                created_by: created_by.to_owned(),
                image: image.id.to_string(),
                size: snapshot.map(written).transpose()?,
                snapshot: snapshot
                    .map(|snapshot| format!("@{}", snapshot.name()))
                    .unwrap_or_default(),
            })
        };
        if image.instructions.iter().all(|(_, snapshot)| snapshot.is_empty()) {
            // A base image or a container: all of its files came at once.
            let line = image.instructions.last().map_or("", |(line, _)| line);
            entries.push(entry(line, Some(&self.final_snapshot(&image.id)?))?);
            return Ok(());
        }
        let end = until
            .filter(|until| until.name() != FINAL_SNAPSHOT)
            .and_then(|until| {
                let marked = format!("@{}", until.name());
                image
                    .instructions
                    .iter()
                    .position(|(_, snapshot)| *snapshot == marked)
            })
            .map_or(image.instructions.len(), |place| place + 1);
        for (line, snapshot) in image.instructions[..end].iter().rev() {
            let snapshot = snapshot.strip_prefix('@').and_then(|name| image.snapshot(name));
            // What the build took from its cache is told by the image that it was done for.
            if let Some(snapshot) = snapshot
                && self.image_of(snapshot)?.is_none_or(|owner| owner.id != image.id)
            {
                continue;
            }
            entries.push(entry(line, snapshot)?);
        }
        Ok(())
    }

    /// The image whose dataset a snapshot is of.
    fn image_of(&self, snapshot: &SnapshotName) -> Result<Option<Image>> {
        match kleene_store::image_of(snapshot) {
            Some(id) => Ok(self.store.read(|read| read.image(&id))?),
            None => Ok(None),
        }
    }
}
