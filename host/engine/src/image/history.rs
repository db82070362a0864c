//! `GET /images/{id}/history`: where the files of an image come from.

use kleene_api::ImageHistoryEntry;
use kleene_plan::SnapshotName;
use kleene_store::Image;

use crate::Engine;
use crate::error::Result;
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
            let instructions = instructions_until(&image, until.as_ref());
            self.add_entries(&image, instructions, &mut entries)?;
            next = self.made_from(&image, instructions)?;
        }
        Ok(entries)
    }

    /// The latest first.
    fn add_entries(
        &self,
        image: &Image,
        instructions: &[Instruction],
        entries: &mut Vec<ImageHistoryEntry>,
    ) -> Result<()> {
        if let [] | [(_, _)] = instructions {
            // A base image or a container: all of its files came at once.
            let line = instructions.first().map_or("", |(line, _)| line);
            entries.push(self.history_entry(image, line, Some(&self.final_snapshot(&image.id)?))?);
            return Ok(());
        }
        for (line, mark) in instructions.iter().rev() {
            let snapshot = marked(image, mark);
            // What a build took from its cache was made with the image that it was done for.
            let maker = match snapshot {
                Some(snapshot) => self.image_of(snapshot)?,
                None => None,
            };
            entries.push(self.history_entry(maker.as_ref().unwrap_or(image), line, snapshot)?);
        }
        Ok(())
    }

    fn history_entry(
        &self,
        image: &Image,
        line: &str,
        snapshot: Option<&SnapshotName>,
    ) -> Result<ImageHistoryEntry> {
        Ok(ImageHistoryEntry {
            created: wire::timestamp(image.created),
            created_by: line.to_owned(),
            image: image.id.to_string(),
            size: snapshot
                .map(|snapshot| self.platform.written(snapshot))
                .transpose()?,
            snapshot: snapshot
                .map(|snapshot| format!("@{}", snapshot.name()))
                .unwrap_or_default(),
        })
    }

    /// The image that these instructions began with, and the snapshot of it. Steps taken from the cache lie in the
    /// images between the two, which are passed over.
    fn made_from(
        &self,
        image: &Image,
        instructions: &[Instruction],
    ) -> Result<Option<(Image, Option<SnapshotName>)>> {
        let told: Vec<_> = instructions
            .iter()
            .filter_map(|(_, mark)| marked(image, mark))
            .collect();
        let mut origin = image.origin.clone();
        while let Some(snapshot) = origin {
            let Some(owner) = self.image_of(&snapshot)? else {
                break;
            };
            if !told.contains(&&snapshot) {
                return Ok(Some((owner, Some(snapshot))));
            }
            origin = owner.origin;
        }
        Ok(None)
    }

    /// The image whose dataset a snapshot is of.
    fn image_of(&self, snapshot: &SnapshotName) -> Result<Option<Image>> {
        match kleene_store::image_of(snapshot) {
            Some(id) => Ok(self.store.read(|read| read.image(&id))?),
            None => Ok(None),
        }
    }
}

/// A line of a Dockerfile, and the mark `@<name>` of the snapshot that it led to, or nothing.
type Instruction = (String, String);

/// Up to the one that led to a snapshot.
fn instructions_until<'a>(image: &'a Image, until: Option<&SnapshotName>) -> &'a [Instruction] {
    let end = until
        .and_then(|until| {
            let is_it = |(_, mark): &Instruction| marked(image, mark) == Some(until);
            image.instructions.iter().position(is_it)
        })
        .map_or(image.instructions.len(), |place| place + 1);
    &image.instructions[..end]
}

fn marked<'a>(image: &'a Image, mark: &str) -> Option<&'a SnapshotName> {
    image.snapshot(mark.strip_prefix('@')?)
}
