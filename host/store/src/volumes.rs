//! Volumes in the database.

use kleene_plan::ObjectName;
use rusqlite::params;

use crate::cells::Cells;
use crate::error::{Result, StoreError};
use crate::record::Volume;
use crate::store::{Read, Write};

const COLUMNS: &str = "SELECT name, created, driver FROM volumes";

impl Read<'_> {
    /// A volume.
    ///
    /// # Errors
    /// If the database fails or the record is damaged.
    pub fn volume(&self, name: &ObjectName) -> Result<Option<Volume>> {
        self.row(
            "volumes",
            &format!("{COLUMNS} WHERE name = ?"),
            [name.as_str()],
            decode,
        )
    }

    /// All volumes, the latest first.
    ///
    /// # Errors
    /// If the database fails or a record is damaged.
    pub fn volumes(&self) -> Result<Vec<Volume>> {
        self.rows(
            "volumes",
            &format!("{COLUMNS} ORDER BY created DESC, rowid DESC"),
            [],
            decode,
        )
    }
}

impl Write<'_> {
    /// Adds a volume.
    ///
    /// # Errors
    /// [`StoreError::Taken`] if there is one of this name.
    pub fn insert_volume(&mut self, volume: &Volume) -> Result<()> {
        self.execute_or_explain(
            "INSERT INTO volumes (name, created, driver) VALUES (?, ?, ?)",
            params![
                volume.name.as_str(),
                volume.created.as_microsecond(),
                volume.driver.as_str()
            ],
            |_| {
                let what = format!("the volume name '{}'", volume.name);
                Ok(Some(StoreError::Taken {
                    what,
                    by: "another volume".to_owned(),
                }))
            },
        )?;
        Ok(())
    }

    /// Removes a volume's record; returns whether there was one. Containers may still name the volume in their mounts.
    ///
    /// # Errors
    /// If the database fails.
    pub fn remove_volume(&mut self, name: &ObjectName) -> Result<bool> {
        Ok(self.execute("DELETE FROM volumes WHERE name = ?", [name.as_str()])? > 0)
    }
}

fn decode(cells: &Cells<'_>) -> Result<Volume> {
    Ok(Volume {
        name: cells.parse("name")?,
        created: cells.time("created")?,
        driver: cells.parse("driver")?,
    })
}
