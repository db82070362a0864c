//! Reading the cells of a row as typed values. What does not parse is a damaged record with a name, never a panic.

use std::fmt::Display;
use std::str::FromStr;

use jiff::Timestamp;
use rusqlite::Row;
use rusqlite::types::{FromSql, ValueRef};
use serde::de::DeserializeOwned;

use crate::error::{Result, StoreError};

/// A row of a table, whose first column names it.
#[derive(Debug)]
pub(crate) struct Cells<'r> {
    table: &'static str,
    row: &'r Row<'r>,
}

impl<'r> Cells<'r> {
    pub(crate) fn new(table: &'static str, row: &'r Row<'r>) -> Self {
        Self { table, row }
    }

    /// A value as SQLite knows it.
    pub(crate) fn get<T: FromSql>(&self, column: &str) -> Result<T> {
        self.row.get(column).map_err(|error| self.damaged(column, &error))
    }

    /// A value that has a type of its own here.
    pub(crate) fn parse<T: FromStr<Err: Display>>(&self, column: &str) -> Result<T> {
        let text: String = self.get(column)?;
        text.parse().map_err(|error| self.damaged(column, &error))
    }

    /// As [`parse`](Self::parse), where there is a value.
    pub(crate) fn parse_optional<T: FromStr<Err: Display>>(&self, column: &str) -> Result<Option<T>> {
        let text: Option<String> = self.get(column)?;
        text.map(|text| text.parse().map_err(|error| self.damaged(column, &error)))
            .transpose()
    }

    /// As [`parse`](Self::parse), where the text is not empty.
    pub(crate) fn parse_nonempty<T: FromStr<Err: Display>>(&self, column: &str) -> Result<Option<T>> {
        let text: String = self.get(column)?;
        if text.is_empty() {
            return Ok(None);
        }
        text.parse()
            .map(Some)
            .map_err(|error| self.damaged(column, &error))
    }

    /// A list of strings, an operation.
    pub(crate) fn json<T: DeserializeOwned>(&self, column: &str) -> Result<T> {
        let text: String = self.get(column)?;
        serde_json::from_str(&text).map_err(|error| self.damaged(column, &error))
    }

    /// As [`json`](Self::json), where there is a value.
    pub(crate) fn json_optional<T: DeserializeOwned>(&self, column: &str) -> Result<Option<T>> {
        let text: Option<String> = self.get(column)?;
        text.map(|text| serde_json::from_str(&text).map_err(|error| self.damaged(column, &error)))
            .transpose()
    }

    /// A time in microseconds.
    pub(crate) fn time(&self, column: &str) -> Result<Timestamp> {
        let microseconds: i64 = self.get(column)?;
        Timestamp::from_microsecond(microseconds).map_err(|error| self.damaged(column, &error))
    }

    /// As [`time`](Self::time), where there is a value.
    pub(crate) fn time_optional(&self, column: &str) -> Result<Option<Timestamp>> {
        let microseconds: Option<i64> = self.get(column)?;
        microseconds
            .map(|time| Timestamp::from_microsecond(time).map_err(|error| self.damaged(column, &error)))
            .transpose()
    }

    /// The error for a cell that makes no sense.
    pub(crate) fn damaged(&self, column: &str, reason: &dyn Display) -> StoreError {
        let row = match self.row.get_ref(0) {
            Ok(ValueRef::Text(text)) => String::from_utf8_lossy(text).into_owned(),
            Ok(ValueRef::Integer(number)) => number.to_string(),
            _ => "?".to_owned(),
        };
        StoreError::Corrupt {
            table: self.table,
            row,
            reason: format!("column '{column}': {reason}"),
        }
    }
}

/// A list of strings, or an operation, as the database keeps it.
pub(crate) fn to_json<T: serde::Serialize + ?Sized>(value: &T) -> Result<String> {
    serde_json::to_string(value)
        .map_err(|error| StoreError::Sqlite(rusqlite::Error::ToSqlConversionFailure(Box::new(error))))
}
