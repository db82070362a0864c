//! The journal: changes of the host that are under way.
//!
//! A use case begins a transaction, says of every operation that it intends it before it is applied, and then that it
//! is done. The use case's records and the end of its transaction are committed together. What the journal holds when
//! a daemon starts was interrupted, and is taken back or brought to its end.

use jiff::Timestamp;
use kleene_plan::Op;
use rusqlite::params;

use crate::cells::{Cells, to_json};
use crate::error::{Result, StoreError};
use crate::object::Object;
use crate::record::words;
use crate::store::{Read, Store, Write};
use crate::time::now;

/// The number of a transaction.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TransactionId(i64);

impl std::fmt::Display for TransactionId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.fmt(f)
    }
}

/// Where an interrupted transaction goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Direction {
    /// Back: its steps are taken back, the last one first.
    Undo,
    /// On: its steps are applied again, all of them.
    Redo,
}

words!(Direction, Undo = "undo", Redo = "redo");

/// How far a step has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StepState {
    /// It may have been applied, or not, or in part.
    Intended,
    /// It was applied.
    Done,
}

words!(StepState, Intended = "intended", Done = "done");

/// One operation of a transaction.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Step {
    /// Its place in the transaction.
    pub seq: u32,
    /// The operation.
    pub op: Op,
    /// What takes it back; `None`: there is nothing to take back.
    pub undo: Option<Op>,
    /// How far it has come.
    pub state: StepState,
}

/// A change that is under way, or was interrupted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Transaction {
    /// Its number; later ones are larger.
    pub id: TransactionId,
    /// The use case, such as `container start`.
    pub kind: String,
    /// The object it is about.
    pub object: Object,
    /// Where it goes when it is interrupted.
    pub direction: Direction,
    /// When it began.
    pub started: Timestamp,
    /// What it has done and intends to do, in order.
    pub steps: Vec<Step>,
}

impl Store {
    /// [`Write::begin`] as a database transaction of its own.
    ///
    /// # Errors
    /// If the database fails.
    pub fn begin(&self, kind: &str, object: &Object, direction: Direction) -> Result<TransactionId> {
        self.write(|write| write.begin(kind, object, direction))
    }

    /// [`Write::intend`] as a database transaction of its own.
    ///
    /// # Errors
    /// As [`Write::intend`].
    pub fn intend(&self, transaction: TransactionId, seq: u32, op: &Op, undo: Option<&Op>) -> Result<()> {
        self.write(|write| write.intend(transaction, seq, op, undo))
    }

    /// [`Write::done`] as a database transaction of its own.
    ///
    /// # Errors
    /// As [`Write::done`].
    pub fn done(&self, transaction: TransactionId, seq: u32) -> Result<()> {
        self.write(|write| write.done(transaction, seq))
    }

    /// [`Read::open_transactions`].
    ///
    /// # Errors
    /// As [`Read::open_transactions`].
    pub fn open_transactions(&self) -> Result<Vec<Transaction>> {
        self.read(|read| read.open_transactions())
    }
}

impl Read<'_> {
    /// Transactions that have begun and not ended, with their steps, the oldest first.
    ///
    /// # Errors
    /// If the database fails or a record is damaged.
    pub fn open_transactions(&self) -> Result<Vec<Transaction>> {
        let sql = "SELECT id, kind, object, direction, started FROM transactions ORDER BY id";
        let mut transactions = self.rows("transactions", sql, [], transaction)?;
        for transaction in &mut transactions {
            transaction.steps = self.steps(transaction.id)?;
        }
        Ok(transactions)
    }

    fn steps(&self, transaction: TransactionId) -> Result<Vec<Step>> {
        let sql =
            "SELECT \"transaction\", seq, op, undo, state FROM steps WHERE \"transaction\" = ? ORDER BY seq";
        self.rows("steps", sql, [transaction.0], step)
    }
}

impl Write<'_> {
    /// Begins a transaction about an object.
    ///
    /// # Errors
    /// If the database fails.
    pub fn begin(&mut self, kind: &str, object: &Object, direction: Direction) -> Result<TransactionId> {
        self.execute(
            "INSERT INTO transactions (kind, object, direction, started) VALUES (?, ?, ?, ?)",
            params![
                kind,
                object.to_string(),
                direction.as_str(),
                now().as_microsecond()
            ],
        )?;
        Ok(TransactionId(self.last_row()))
    }

    /// Records an operation that is about to be applied, and what would take it back.
    ///
    /// # Errors
    /// If the transaction has ended or has a step of this number.
    pub fn intend(&mut self, transaction: TransactionId, seq: u32, op: &Op, undo: Option<&Op>) -> Result<()> {
        let undo = undo.map(to_json).transpose()?;
        self.execute_or_explain(
            "INSERT INTO steps (\"transaction\", seq, op, undo, state) VALUES (?, ?, ?, ?, 'intended')",
            params![transaction.0, seq, to_json(op)?, undo],
            |write| {
                let exists = write.row(
                    "transactions",
                    "SELECT id FROM transactions WHERE id = ?",
                    [transaction.0],
                    |_| Ok(()),
                )?;
                Ok(exists
                    .is_none()
                    .then(|| StoreError::not_found(format!("open transaction {transaction}"))))
            },
        )?;
        Ok(())
    }

    /// Records that an intended operation was applied.
    ///
    /// # Errors
    /// [`StoreError::NotFound`] if it was not intended.
    pub fn done(&mut self, transaction: TransactionId, seq: u32) -> Result<()> {
        let sql = "UPDATE steps SET state = 'done' WHERE \"transaction\" = ? AND seq = ?";
        match self.execute(sql, params![transaction.0, seq])? {
            0 => Err(StoreError::not_found(format!(
                "step {seq} of transaction {transaction}"
            ))),
            _ => Ok(()),
        }
    }

    /// Forgets a step: it was taken back.
    ///
    /// # Errors
    /// If the database fails.
    pub fn undone(&mut self, transaction: TransactionId, seq: u32) -> Result<()> {
        self.execute(
            "DELETE FROM steps WHERE \"transaction\" = ? AND seq = ?",
            params![transaction.0, seq],
        )?;
        Ok(())
    }

    /// Changes where a transaction goes when it is interrupted: from here on there is no way back, or no way on.
    ///
    /// # Errors
    /// [`StoreError::NotFound`] if it has ended.
    pub fn turn(&mut self, transaction: TransactionId, direction: Direction) -> Result<()> {
        let sql = "UPDATE transactions SET direction = ? WHERE id = ?";
        match self.execute(sql, params![direction.as_str(), transaction.0])? {
            0 => Err(StoreError::not_found(format!("open transaction {transaction}"))),
            _ => Ok(()),
        }
    }

    /// Ends a transaction, and forgets the steps which it still has.
    ///
    /// # Errors
    /// If the database fails.
    pub fn finish(&mut self, transaction: TransactionId) -> Result<()> {
        self.execute("DELETE FROM transactions WHERE id = ?", [transaction.0])?;
        Ok(())
    }

    /// Moves the steps of a transaction behind what is [applied](Read::applied) on behalf of an object that lives on.
    /// The transaction itself is still to be [finished](Self::finish).
    ///
    /// # Errors
    /// [`StoreError::Unfinished`] if a step is not done.
    pub fn keep_as_applied(&mut self, transaction: TransactionId, object: &Object) -> Result<()> {
        let steps = self.steps(transaction)?;
        if let Some(open) = steps.iter().find(|step| step.state == StepState::Intended) {
            return Err(StoreError::Unfinished {
                transaction: transaction.0,
                seq: open.seq,
            });
        }
        for step in steps {
            self.add_applied(object, &step.op, step.undo.as_ref())?;
            self.undone(transaction, step.seq)?;
        }
        Ok(())
    }
}

fn transaction(cells: &Cells<'_>) -> Result<Transaction> {
    Ok(Transaction {
        id: TransactionId(cells.get("id")?),
        kind: cells.get("kind")?,
        object: cells.parse("object")?,
        direction: cells.parse("direction")?,
        started: cells.time("started")?,
        steps: Vec::new(),
    })
}

fn step(cells: &Cells<'_>) -> Result<Step> {
    Ok(Step {
        seq: cells.get("seq")?,
        op: cells.json("op")?,
        undo: cells.json_optional("undo")?,
        state: cells.parse("state")?,
    })
}
