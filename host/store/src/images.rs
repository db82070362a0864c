//! Images in the database.

use std::collections::HashMap;

use kleene_plan::{DatasetName, Id, SnapshotName};
use rusqlite::params;

use crate::cells::{Cells, to_json};
use crate::error::{Result, StoreError};
use crate::record::{Image, ImageSize};
use crate::store::{Read, Write};

const COLUMNS: &str =
    "SELECT id, name, tag, created, cmd, env, user, settings, origin, size, own_size FROM images";

impl Read<'_> {
    /// An image.
    ///
    /// # Errors
    /// If the database fails or the record is damaged.
    pub fn image(&self, id: &Id) -> Result<Option<Image>> {
        let sql = format!("{COLUMNS} WHERE id = ?");
        let Some(mut image) = self.row("images", &sql, [id.as_str()], decode)? else {
            return Ok(None);
        };
        image.instructions = self.rows(
            "image_instructions",
            "SELECT image, line, snapshot FROM image_instructions WHERE image = ? ORDER BY seq",
            [id.as_str()],
            instruction,
        )?;
        image.snapshots = self.rows(
            "image_snapshots",
            "SELECT image, dataset, name FROM image_snapshots WHERE image = ? ORDER BY seq",
            [id.as_str()],
            snapshot,
        )?;
        Ok(Some(image))
    }

    /// All images, the latest first.
    ///
    /// # Errors
    /// If the database fails or a record is damaged.
    pub fn images(&self) -> Result<Vec<Image>> {
        let sql = format!("{COLUMNS} ORDER BY created DESC, rowid DESC");
        let mut images = self.rows("images", &sql, [], decode)?;
        let mut place = HashMap::new();
        for (index, image) in images.iter().enumerate() {
            place.insert(image.id.clone(), index);
        }
        // One pass over each of the smaller tables instead of a query per image.
        let lines = self.rows(
            "image_instructions",
            "SELECT image, line, snapshot FROM image_instructions ORDER BY image, seq",
            [],
            |cells| Ok((cells.parse::<Id>("image")?, instruction(cells)?)),
        )?;
        for (image, line) in lines {
            if let Some(index) = place.get(&image) {
                images[*index].instructions.push(line);
            }
        }
        let snapshots = self.rows(
            "image_snapshots",
            "SELECT image, dataset, name FROM image_snapshots ORDER BY image, seq",
            [],
            |cells| Ok((cells.parse::<Id>("image")?, snapshot(cells)?)),
        )?;
        for (image, snapshot) in snapshots {
            if let Some(index) = place.get(&image) {
                images[*index].snapshots.push(snapshot);
            }
        }
        Ok(images)
    }

    /// Images made from this one, directly.
    ///
    /// # Errors
    /// If the database fails or a record is damaged.
    pub fn child_images(&self, id: &Id) -> Result<Vec<Id>> {
        let sql = "SELECT id FROM images WHERE parent = ? ORDER BY created, rowid";
        self.rows("images", sql, [id.as_str()], |cells| cells.parse("id"))
    }
}

impl Write<'_> {
    /// Adds an image. An image that holds the same name and tag loses both.
    ///
    /// # Errors
    /// [`StoreError::NotFound`] if the image it is made from has no record.
    pub fn insert_image(&mut self, image: &Image) -> Result<()> {
        self.untag(&image.name, &image.tag)?;
        let parent = image.origin.as_ref().and_then(image_of);
        self.execute_or_explain(
            "INSERT INTO images (id, name, tag, created, cmd, env, user, settings, origin, parent, size, own_size) \
             VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            params![
                image.id.as_str(),
                image.name,
                image.tag,
                image.created.as_microsecond(),
                to_json(&image.cmd)?,
                to_json(&image.env)?,
                image.user,
                to_json(&image.settings)?,
                image.origin.as_ref().map(ToString::to_string),
                parent.as_ref().map(Id::as_str),
                image.size.map(|size| size.total),
                image.size.map(|size| size.own),
            ],
            |write| write.why_not_inserted(&image.id, parent.as_ref()),
        )?;
        for (seq, (line, snapshot)) in image.instructions.iter().enumerate() {
            self.execute(
                "INSERT INTO image_instructions (image, seq, line, snapshot) VALUES (?, ?, ?, ?)",
                params![image.id.as_str(), seq, line, snapshot],
            )?;
        }
        for (seq, snapshot) in image.snapshots.iter().enumerate() {
            let dataset = snapshot.dataset();
            self.execute(
                "INSERT INTO image_snapshots (image, seq, dataset, name) VALUES (?, ?, ?, ?)",
                params![image.id.as_str(), seq, dataset.as_str(), snapshot.name()],
            )?;
        }
        Ok(())
    }

    /// Gives an image a name and a tag, which another image that has them loses. With an empty name, several images
    /// may have the same tag.
    ///
    /// # Errors
    /// [`StoreError::NotFound`] if there is no such image.
    pub fn tag_image(&mut self, id: &Id, name: &str, tag: &str) -> Result<()> {
        self.untag(name, tag)?;
        let sql = "UPDATE images SET name = ?, tag = ? WHERE id = ?";
        match self.execute(sql, params![name, tag, id.as_str()])? {
            0 => Err(StoreError::not_found(format!("image {id}"))),
            _ => Ok(()),
        }
    }

    /// Notes how much an image holds.
    ///
    /// # Errors
    /// [`StoreError::NotFound`] if there is no such image.
    pub fn measured_image(&mut self, id: &Id, size: ImageSize) -> Result<()> {
        let sql = "UPDATE images SET size = ?, own_size = ? WHERE id = ?";
        match self.execute(sql, params![size.total, size.own, id.as_str()])? {
            0 => Err(StoreError::not_found(format!("image {id}"))),
            _ => Ok(()),
        }
    }

    /// Removes an image's record; returns whether there was one.
    ///
    /// # Errors
    /// [`StoreError::InUse`] if containers or images were made from it.
    pub fn remove_image(&mut self, id: &Id) -> Result<bool> {
        let removed = self.execute_or_explain("DELETE FROM images WHERE id = ?", [id.as_str()], |write| {
            let mut by = Vec::new();
            for container in write.containers_of_image(id)? {
                by.push(write.container_in_words(&container)?);
            }
            by.extend(
                write
                    .child_images(id)?
                    .iter()
                    .map(|child| format!("image {child}")),
            );
            Ok(Some(StoreError::InUse {
                what: format!("image {id}"),
                by,
            }))
        })?;
        Ok(removed > 0)
    }

    fn untag(&mut self, name: &str, tag: &str) -> Result<()> {
        if !name.is_empty() {
            self.execute(
                "UPDATE images SET name = '', tag = '' WHERE name = ? AND tag = ?",
                [name, tag],
            )?;
        }
        Ok(())
    }

    fn why_not_inserted(&self, id: &Id, parent: Option<&Id>) -> Result<Option<StoreError>> {
        if self.image(id)?.is_some() {
            return Ok(Some(StoreError::Taken {
                what: format!("the id {id}"),
                by: "another image".to_owned(),
            }));
        }
        Ok(parent.map(|parent| StoreError::not_found(format!("image {parent}"))))
    }
}

/// The image whose dataset a snapshot is of.
#[must_use]
pub fn image_of(snapshot: &SnapshotName) -> Option<Id> {
    let dataset = snapshot.dataset();
    let id: Id = dataset.as_str().rsplit('/').next()?.parse().ok()?;
    (DatasetName::image(&id) == *dataset).then_some(id)
}

fn decode(cells: &Cells<'_>) -> Result<Image> {
    Ok(Image {
        id: cells.parse("id")?,
        name: cells.get("name")?,
        tag: cells.get("tag")?,
        created: cells.time("created")?,
        cmd: cells.json("cmd")?,
        env: cells.json("env")?,
        user: cells.get("user")?,
        settings: cells.json("settings")?,
        instructions: Vec::new(),
        snapshots: Vec::new(),
        origin: cells.parse_optional("origin")?,
        size: size(cells)?,
    })
}

fn size(cells: &Cells<'_>) -> Result<Option<ImageSize>> {
    let total: Option<u64> = cells.get("size")?;
    let own: Option<u64> = cells.get("own_size")?;
    Ok(total.zip(own).map(|(total, own)| ImageSize { total, own }))
}

fn snapshot(cells: &Cells<'_>) -> Result<SnapshotName> {
    let dataset: DatasetName = cells.parse("dataset")?;
    let name: String = cells.get("name")?;
    dataset
        .snapshot(&name)
        .map_err(|error| cells.damaged("name", &error))
}

fn instruction(cells: &Cells<'_>) -> Result<(String, String)> {
    Ok((cells.get("line")?, cells.get("snapshot")?))
}
