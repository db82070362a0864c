//! From what a user types to an object: its id, else its name, else the beginning of the id of exactly one. Nothing is
//! guessed: what fits several is ambiguous, and nothing fits the empty text.

use kleene_plan::Id;

use crate::error::Result;
use crate::store::Read;

/// What an identifier stands for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Resolution {
    /// This object.
    Found(Id),
    /// Nothing.
    None,
    /// Several objects whose ids begin so.
    Ambiguous,
}

/// The tag of an image when none is given.
const DEFAULT_TAG: &str = "latest";

impl Read<'_> {
    /// The container of an id, a name, or the beginning of an id.
    ///
    /// # Errors
    /// If the database fails or a record is damaged.
    pub fn resolve_container(&self, text: &str) -> Result<Resolution> {
        self.resolve("containers", text, |read| {
            let sql = "SELECT id FROM containers WHERE name = ?";
            read.row("containers", sql, [text], |cells| cells.parse("id"))
        })
    }

    /// The network of an id, a name, or the beginning of an id.
    ///
    /// # Errors
    /// If the database fails or a record is damaged.
    pub fn resolve_network(&self, text: &str) -> Result<Resolution> {
        self.resolve("networks", text, |read| {
            read.row(
                "networks",
                "SELECT id FROM networks WHERE name = ?",
                [text],
                |cells| cells.parse("id"),
            )
        })
    }

    /// The image of an id, a `name[:tag]` (without a tag: `latest`), or the beginning of an id.
    ///
    /// # Errors
    /// If the database fails or a record is damaged.
    pub fn resolve_image(&self, text: &str) -> Result<Resolution> {
        let (name, tag) = text.split_once(':').unwrap_or((text, DEFAULT_TAG));
        self.resolve("images", text, |read| {
            if name.is_empty() {
                return Ok(None);
            }
            let sql = "SELECT id FROM images WHERE name = ? AND tag = ? AND name <> ''";
            read.row("images", sql, [name, tag], |cells| cells.parse("id"))
        })
    }

    fn resolve(
        &self,
        table: &'static str,
        text: &str,
        by_name: impl FnOnce(&Self) -> Result<Option<Id>>,
    ) -> Result<Resolution> {
        if text.is_empty() {
            return Ok(Resolution::None);
        }
        let by_id = format!("SELECT id FROM {table} WHERE id = ?");
        let exact = match self.row(table, &by_id, [text], |cells| cells.parse("id"))? {
            Some(id) => Some(id),
            None => by_name(self)?,
        };
        match exact {
            Some(id) => Ok(Resolution::Found(id)),
            None => self.resolve_prefix(table, text),
        }
    }

    /// Ids are hexadecimal digits, so that all which begin with a text lie between it and the text followed by a `g`.
    fn resolve_prefix(&self, table: &'static str, text: &str) -> Result<Resolution> {
        if !text
            .bytes()
            .all(|byte| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte))
        {
            return Ok(Resolution::None);
        }
        let sql = format!("SELECT id FROM {table} WHERE id > ? AND id < ? ORDER BY id LIMIT 2");
        let mut ids = self.rows(table, &sql, [text, &format!("{text}g")], |cells| {
            cells.parse("id")
        })?;
        Ok(match (ids.pop(), ids.is_empty()) {
            (Some(id), true) => Resolution::Found(id),
            (Some(_), false) => Resolution::Ambiguous,
            (None, _) => Resolution::None,
        })
    }
}
