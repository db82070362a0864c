//! What holds on the host on behalf of an object that lives: the bridge of a network, the rules of a running
//! container. It is applied again when it got lost, and taken back when the object goes.

use kleene_plan::Op;
use rusqlite::params;

use crate::cells::{Cells, to_json};
use crate::error::Result;
use crate::object::Object;
use crate::store::{Read, Write};

/// An operation that holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Applied {
    /// Its place among those of its object.
    pub seq: u32,
    /// The operation.
    pub op: Op,
    /// What takes it back; `None`: there is nothing to take back.
    pub undo: Option<Op>,
}

impl Read<'_> {
    /// What holds on behalf of an object, in the order in which it was applied.
    ///
    /// # Errors
    /// If the database fails or a record is damaged.
    pub fn applied(&self, object: &Object) -> Result<Vec<Applied>> {
        let sql = "SELECT object, seq, op, undo FROM applied WHERE object = ? ORDER BY seq";
        self.rows("applied", sql, [object.to_string()], applied)
    }

    /// What holds on behalf of every object.
    ///
    /// # Errors
    /// If the database fails or a record is damaged.
    pub fn all_applied(&self) -> Result<Vec<(Object, Vec<Applied>)>> {
        let sql = "SELECT object, seq, op, undo FROM applied ORDER BY object, seq";
        let rows = self.rows("applied", sql, [], |cells| {
            Ok((cells.parse::<Object>("object")?, applied(cells)?))
        })?;
        let mut objects: Vec<(Object, Vec<Applied>)> = Vec::new();
        for (object, applied) in rows {
            match objects.last_mut() {
                Some((last, all)) if *last == object => all.push(applied),
                _ => objects.push((object, vec![applied])),
            }
        }
        Ok(objects)
    }
}

impl Write<'_> {
    /// Records one more operation that holds on behalf of an object.
    ///
    /// # Errors
    /// If the database fails.
    pub fn add_applied(&mut self, object: &Object, op: &Op, undo: Option<&Op>) -> Result<()> {
        let undo = undo.map(to_json).transpose()?;
        self.execute(
            "INSERT INTO applied (object, seq, op, undo) \
             SELECT ?1, ifnull(max(seq) + 1, 0), ?2, ?3 FROM applied WHERE object = ?1",
            params![object.to_string(), to_json(op)?, undo],
        )?;
        Ok(())
    }

    /// Forgets one operation of an object: it holds no longer.
    ///
    /// # Errors
    /// If the database fails.
    pub fn remove_applied(&mut self, object: &Object, seq: u32) -> Result<()> {
        self.execute(
            "DELETE FROM applied WHERE object = ? AND seq = ?",
            params![object.to_string(), seq],
        )?;
        Ok(())
    }

    /// Forgets all operations of an object: none holds any longer.
    ///
    /// # Errors
    /// If the database fails.
    pub fn clear_applied(&mut self, object: &Object) -> Result<()> {
        self.execute("DELETE FROM applied WHERE object = ?", [object.to_string()])?;
        Ok(())
    }
}

fn applied(cells: &Cells<'_>) -> Result<Applied> {
    Ok(Applied {
        seq: cells.get("seq")?,
        op: cells.json("op")?,
        undo: cells.json_optional("undo")?,
    })
}
