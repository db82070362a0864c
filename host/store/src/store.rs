//! The database, and the two ways into it: [`Read`] and [`Write`], each one transaction.

use std::fs::OpenOptions;
use std::io;
use std::ops::Deref;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use rusqlite::config::DbConfig;
use rusqlite::{Connection, Params, Transaction, TransactionBehavior};
use rustix::fs::FallocateFlags;

use crate::cells::Cells;
use crate::error::{Result, StoreError};
use crate::migration::{MIGRATIONS, migrate};

/// How long a transaction waits for that of another process, such as an administrator's `sqlite3`.
const BUSY_TIMEOUT: Duration = Duration::from_secs(10);

/// Compiled statements kept per connection: more than there are in this crate.
const STATEMENTS: usize = 192;

/// How large SQLite lets the log of changes grow before it goes back to its beginning: `wal_autocheckpoint`, 1000 pages of
/// 4 KiB and their headers.
const LOG_SIZE: u64 = 1000 * (4096 + 24) + 32;

/// The database of a daemon. Shared by reference between threads: writers wait for each other, readers for nobody.
///
/// Neither [`read`](Self::read) nor [`write`](Self::write) may be called from within the other's closure on the same
/// thread: that would wait for itself. [`Write`] can all that [`Read`] can.
#[derive(Debug)]
pub struct Store {
    writer: Mutex<Connection>,
    readers: Option<Readers>,
}

/// Connections of a database in a file that are not in use.
#[derive(Debug)]
struct Readers {
    path: PathBuf,
    idle: Mutex<Vec<Connection>>,
}

/// A consistent view of the database.
#[derive(Debug)]
pub struct Read<'c> {
    transaction: Transaction<'c>,
}

/// A change of the database, all or nothing.
#[derive(Debug)]
pub struct Write<'c> {
    read: Read<'c>,
}

impl<'c> Deref for Write<'c> {
    type Target = Read<'c>;

    fn deref(&self) -> &Read<'c> {
        &self.read
    }
}

impl Store {
    /// Opens the database, creates it (readable by its owner only) or brings it up to date.
    ///
    /// # Errors
    /// [`StoreError::Open`], [`StoreError::Newer`] if a later version wrote it, [`StoreError::Foreign`] if another
    /// program did.
    pub fn open(path: impl AsRef<Path>) -> Result<Self> {
        let path = path.as_ref();
        let failed = |reason: &dyn std::fmt::Display| StoreError::Open {
            path: path.to_owned(),
            reason: reason.to_string(),
        };
        // SQLite gives its -wal and -shm files the mode of the database.
        let created = OpenOptions::new()
            .create(true)
            .truncate(false)
            .write(true)
            .mode(0o600)
            .open(path);
        created.map_err(|error| failed(&error))?;
        let mut writer = connect(path).map_err(|error| failed(&error))?;
        migrate(&mut writer, path, MIGRATIONS)?;
        if let Err(error) = reserve_log(path) {
            // ZFS for one promises no room. Whoever needs it has to reserve it for the dataset.
            tracing::debug!(%error, "a full disk will be in the way of changes");
        }
        let readers = Readers {
            path: path.to_owned(),
            idle: Mutex::default(),
        };
        Ok(Self {
            writer: Mutex::new(writer),
            readers: Some(readers),
        })
    }

    /// An empty database that is gone when it is dropped; for tests and dry runs.
    ///
    /// # Errors
    /// If SQLite fails.
    pub fn in_memory() -> Result<Self> {
        let mut writer = Connection::open_in_memory()?;
        configure(&writer)?;
        migrate(&mut writer, Path::new(":memory:"), MIGRATIONS)?;
        Ok(Self {
            writer: Mutex::new(writer),
            readers: None,
        })
    }

    /// Reads, seeing the database as it was at the first look however long it takes.
    ///
    /// # Errors
    /// What `f` returns, and what the database says.
    pub fn read<T, E: From<StoreError>>(
        &self,
        f: impl FnOnce(&Read<'_>) -> std::result::Result<T, E>,
    ) -> std::result::Result<T, E> {
        let Some(readers) = &self.readers else {
            return read_with(&mut lock(&self.writer), f);
        };
        let mut connection = readers.take()?;
        let result = read_with(&mut connection, f);
        lock(&readers.idle).push(connection);
        result
    }

    /// Changes the database: all that `f` does, or, if it returns an error or panics, nothing.
    ///
    /// # Errors
    /// What `f` returns, and what the database says.
    pub fn write<T, E: From<StoreError>>(
        &self,
        f: impl FnOnce(&mut Write<'_>) -> std::result::Result<T, E>,
    ) -> std::result::Result<T, E> {
        let mut writer = lock(&self.writer);
        let transaction = writer
            .transaction_with_behavior(TransactionBehavior::Immediate)
            .map_err(StoreError::from)?;
        let mut write = Write {
            read: Read { transaction },
        };
        // A transaction that is dropped is rolled back.
        let value = f(&mut write)?;
        write.read.transaction.commit().map_err(StoreError::from)?;
        Ok(value)
    }
}

impl Readers {
    fn take(&self) -> Result<Connection> {
        let idle = lock(&self.idle).pop();
        match idle {
            Some(connection) => Ok(connection),
            None => connect(&self.path),
        }
    }
}

fn read_with<T, E: From<StoreError>>(
    connection: &mut Connection,
    f: impl FnOnce(&Read<'_>) -> std::result::Result<T, E>,
) -> std::result::Result<T, E> {
    let transaction = connection.transaction().map_err(StoreError::from)?;
    f(&Read { transaction })
}

/// A thread that panicked left no harm: its transaction was rolled back when it was dropped.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn connect(path: &Path) -> Result<Connection> {
    let connection = Connection::open(path)?;
    configure(&connection)?;
    Ok(connection)
}

/// Takes the room that the log of changes will need, so that containers which fill the disk can be stopped and removed.
fn reserve_log(database: &Path) -> io::Result<()> {
    let mut path = database.as_os_str().to_owned();
    path.push("-wal");
    let log = OpenOptions::new().write(true).open(path)?;
    // What SQLite has not written itself is no part of the log: it lacks the checksums.
    Ok(rustix::fs::fallocate(log, FallocateFlags::empty(), 0, LOG_SIZE)?)
}

fn configure(connection: &Connection) -> Result<()> {
    connection.busy_timeout(BUSY_TIMEOUT)?;
    connection.set_prepared_statement_cache_capacity(STATEMENTS);
    connection.pragma_update(None, "journal_mode", "WAL")?;
    // A crash of the daemon loses nothing. A power loss can lose the latest commits, never the consistency of the
    // database (sqlite.org/pragma.html#pragma_synchronous); it takes the running jails, interfaces and rules along,
    // but a dataset may survive whose record is lost: the reconciler finds it. FULL would cost an fsync(2) for each
    // step of each operation.
    connection.pragma_update(None, "synchronous", "NORMAL")?;
    connection.pragma_update(None, "foreign_keys", true)?;
    // Log and index stay where they are, so that the next daemon needs no room for them.
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, true)?;
    Ok(())
}

impl Read<'_> {
    /// Every row of a query, decoded.
    pub(crate) fn rows<T>(
        &self,
        table: &'static str,
        sql: &str,
        params: impl Params,
        mut decode: impl FnMut(&Cells<'_>) -> Result<T>,
    ) -> Result<Vec<T>> {
        let mut statement = self.transaction.prepare_cached(sql)?;
        let mut rows = statement.query(params)?;
        let mut decoded = Vec::new();
        while let Some(row) = rows.next()? {
            decoded.push(decode(&Cells::new(table, row))?);
        }
        Ok(decoded)
    }

    /// The first row of a query, decoded.
    pub(crate) fn row<T>(
        &self,
        table: &'static str,
        sql: &str,
        params: impl Params,
        decode: impl FnOnce(&Cells<'_>) -> Result<T>,
    ) -> Result<Option<T>> {
        let mut statement = self.transaction.prepare_cached(sql)?;
        let mut rows = statement.query(params)?;
        rows.next()?
            .map(|row| decode(&Cells::new(table, row)))
            .transpose()
    }
}

impl Write<'_> {
    /// Runs a statement; returns how many rows it changed.
    pub(crate) fn execute(&mut self, sql: &str, params: impl Params) -> Result<usize> {
        Ok(self.read.transaction.prepare_cached(sql)?.execute(params)?)
    }

    /// As [`execute`](Self::execute); when a constraint refuses, `explain` is asked which one and why. The statement
    /// has then changed nothing.
    pub(crate) fn execute_or_explain(
        &mut self,
        sql: &str,
        params: impl Params,
        explain: impl FnOnce(&Self) -> Result<Option<StoreError>>,
    ) -> Result<usize> {
        match self.execute(sql, params) {
            Err(error) if error.is_constraint() => Err(explain(self)?.unwrap_or(error)),
            result => result,
        }
    }

    /// The number SQLite gave to the row inserted last.
    pub(crate) fn last_row(&self) -> i64 {
        self.read.transaction.last_insert_rowid()
    }
}
