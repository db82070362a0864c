//! Which part of a tree is there for those who copy from it.

use std::path::Path;

/// Whether something of a tree is there for those who copy.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Visible {
    /// It is.
    Yes,
    /// The directory is not, but something below it may be.
    Below,
    /// Neither it nor anything below it.
    No,
}

/// Says of a path relative to it, and whether that is a directory, if it is visible.
pub type Filter<'a> = dyn Fn(&Path, bool) -> Visible + Sync + 'a;
