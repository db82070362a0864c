//! What could not be taken back. The object it belonged to needs repair; everything else goes on.

use jiff::Timestamp;
use kleene_plan::Op;
use rusqlite::params;

use crate::cells::{Cells, to_json};
use crate::error::Result;
use crate::object::Object;
use crate::store::{Read, Write};
use crate::time::now;

/// The number of a leftover.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LeftoverId(i64);

/// Something on the host that should be gone, and is not.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Leftover {
    /// Its number.
    pub id: LeftoverId,
    /// The object it belonged to, which may be gone.
    pub object: Object,
    /// The operation that would take it back.
    pub op: Op,
    /// Why that failed.
    pub reason: String,
    /// Since when.
    pub since: Timestamp,
}

impl Read<'_> {
    /// All leftovers, the oldest first.
    ///
    /// # Errors
    /// If the database fails or a record is damaged.
    pub fn leftovers(&self) -> Result<Vec<Leftover>> {
        let sql = "SELECT id, object, op, reason, since FROM leftovers ORDER BY id";
        self.rows("leftovers", sql, [], decode)
    }

    /// Leftovers of one object, the oldest first.
    ///
    /// # Errors
    /// If the database fails or a record is damaged.
    pub fn leftovers_of(&self, object: &Object) -> Result<Vec<Leftover>> {
        let sql = "SELECT id, object, op, reason, since FROM leftovers WHERE object = ? ORDER BY id";
        self.rows("leftovers", sql, [object.to_string()], decode)
    }
}

impl Write<'_> {
    /// Records that an operation which would take something back failed. The same one again only changes the reason.
    ///
    /// # Errors
    /// If the database fails.
    pub fn add_leftover(&mut self, object: &Object, op: &Op, reason: &str) -> Result<()> {
        self.execute(
            "INSERT INTO leftovers (object, op, reason, since) VALUES (?, ?, ?, ?) \
             ON CONFLICT (object, op) DO UPDATE SET reason = excluded.reason",
            params![object.to_string(), to_json(op)?, reason, now().as_microsecond()],
        )?;
        Ok(())
    }

    /// Forgets a leftover: it is gone.
    ///
    /// # Errors
    /// If the database fails.
    pub fn remove_leftover(&mut self, id: LeftoverId) -> Result<()> {
        self.execute("DELETE FROM leftovers WHERE id = ?", [id.0])?;
        Ok(())
    }
}

fn decode(cells: &Cells<'_>) -> Result<Leftover> {
    Ok(Leftover {
        id: LeftoverId(cells.get("id")?),
        object: cells.parse("object")?,
        op: cells.json("op")?,
        reason: cells.get("reason")?,
        since: cells.time("since")?,
    })
}
