//! Tables as tests: a row is a check with a name, rows share a host, and all that fail are reported.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::thread;

/// A table of a specification under test. When it is dropped, the rows that failed fail the test.
#[derive(Debug)]
pub struct Table {
    title: &'static str,
    rows: usize,
    failed: Vec<String>,
}

impl Table {
    /// A table with this title.
    #[must_use]
    pub fn new(title: &'static str) -> Self {
        Self {
            title,
            rows: 0,
            failed: Vec::new(),
        }
    }

    /// Checks a row. A panic in `check` is its failure; the rows after it are checked nevertheless.
    pub fn row(&mut self, name: &str, check: impl FnOnce()) {
        self.rows += 1;
        if let Err(panic) = catch_unwind(AssertUnwindSafe(check)) {
            self.failed.push(format!("{name}: {}", words(panic.as_ref())));
        }
    }
}

impl Drop for Table {
    fn drop(&mut self) {
        if thread::panicking() {
            return;
        }
        assert!(self.rows > 0, "{}: no row was checked", self.title);
        let (failed, rows) = (self.failed.len(), self.rows);
        assert!(
            failed == 0,
            "{}: {failed} of {rows} rows failed:\n- {}",
            self.title,
            self.failed.join("\n- ")
        );
    }
}

fn words(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().map(|text| (*text).to_owned());
    text.or_else(|| panic.downcast_ref::<String>().cloned())
        .unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_row_that_fails_is_reported() {
        let checked = catch_unwind(|| {
            let mut table = Table::new("sums");
            table.row("one", || assert_eq!(1 + 1, 3, "first"));
            table.row("two", || assert_eq!(1 + 1, 2));
            table.row("three", || panic!("third"));
        });
        let report = words(checked.unwrap_err().as_ref());
        assert!(
            report.starts_with("sums: 2 of 3 rows failed:\n- one: "),
            "{report}"
        );
        assert!(report.ends_with("\n- three: third"), "{report}");
    }

    #[test]
    fn an_empty_table_fails() {
        assert!(catch_unwind(|| drop(Table::new("nothing"))).is_err());
    }
}
