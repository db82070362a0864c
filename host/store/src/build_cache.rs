//! Steps of builds that were done before, found by a digest of all that they depend on.

use kleene_plan::{DatasetName, Id, SnapshotName};
use rusqlite::params;

use crate::error::Result;
use crate::store::{Read, Write};
use crate::time::now;

impl Read<'_> {
    /// What a step with this key led to. The image that has the snapshot exists.
    ///
    /// # Errors
    /// If the database fails or the record is damaged.
    pub fn cached_step(&self, key: &str) -> Result<Option<SnapshotName>> {
        let sql = "SELECT key, image, snapshot FROM build_cache WHERE key = ?";
        self.row("build_cache", sql, [key], |cells| {
            let image: Id = cells.parse("image")?;
            let name: String = cells.get("snapshot")?;
            DatasetName::image(&image)
                .snapshot(&name)
                .map_err(|error| cells.damaged("snapshot", &error))
        })
    }
}

impl Write<'_> {
    /// Remembers what a step led to, in place of what an earlier one with this key did. It is forgotten with the image.
    ///
    /// # Errors
    /// If the database fails, or there is no such image.
    pub fn cache_step(&mut self, key: &str, image: &Id, snapshot: &str) -> Result<()> {
        self.execute(
            "INSERT INTO build_cache (key, image, snapshot, created) VALUES (?, ?, ?, ?) \
             ON CONFLICT (key) DO UPDATE SET image = excluded.image, snapshot = excluded.snapshot, \
             created = excluded.created",
            params![key, image.as_str(), snapshot, now().as_microsecond()],
        )?;
        Ok(())
    }
}
