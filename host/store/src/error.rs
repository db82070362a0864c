//! What can go wrong with the store, by kind; the text is for people.

use std::path::PathBuf;

/// The result of what the store does.
pub type Result<T> = std::result::Result<T, StoreError>;

/// The store could not do it. Nothing was changed.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// What must be one object's alone is another's already.
    #[error("{what} is already taken by {by}")]
    Taken {
        /// Kind and name of what is wanted.
        what: String,
        /// Kind and name of the object that has it.
        by: String,
    },
    /// Others refer to it and must go first.
    #[error("{what} is used by {}", by.join(", "))]
    InUse {
        /// Kind and name.
        what: String,
        /// Kinds and names of those which refer to it.
        by: Vec<String>,
    },
    /// There is no record of it.
    #[error("there is no {what}")]
    NotFound {
        /// Kind and name.
        what: String,
    },
    /// An operation is to be kept as applied which the journal does not know to be done.
    #[error("step {seq} of transaction {transaction} was not recorded as done")]
    Unfinished {
        /// The number of the transaction.
        transaction: i64,
        /// The step.
        seq: u32,
    },
    /// A value in the database is not what this program writes.
    #[error(
        "the record '{row}' in table '{table}' of the database is damaged: {reason}; restore the database from a \
         backup, or correct the record with sqlite3 while kleened is stopped"
    )]
    Corrupt {
        /// The table.
        table: &'static str,
        /// The first column of the row.
        row: String,
        /// Column, and what is wrong with it.
        reason: String,
    },
    /// The database was written by a later version of this program.
    #[error(
        "the database {} has schema version {found}, and this kleened knows versions up to {known}: start the \
         version of kleened that wrote it, or a later one", path.display()
    )]
    Newer {
        /// The file.
        path: PathBuf,
        /// Its version.
        found: u32,
        /// The latest version known here.
        known: u32,
    },
    /// The file is a database of another program's.
    #[error("{} is an SQLite database, but not one of Kleene's; choose another path", path.display())]
    Foreign {
        /// The file.
        path: PathBuf,
    },
    /// The file cannot be opened or created.
    #[error("could not open the database {}: {reason}", path.display())]
    Open {
        /// The file.
        path: PathBuf,
        /// What the system or SQLite said.
        reason: String,
    },
    /// SQLite refused.
    #[error("the database failed: {0}")]
    Sqlite(#[from] rusqlite::Error),
}

impl StoreError {
    pub(crate) fn not_found(what: impl Into<String>) -> Self {
        Self::NotFound { what: what.into() }
    }

    /// Whether a constraint of the schema refused a change.
    pub(crate) fn is_constraint(&self) -> bool {
        matches!(self, Self::Sqlite(error) if error.sqlite_error_code() == Some(rusqlite::ErrorCode::ConstraintViolation))
    }
}
