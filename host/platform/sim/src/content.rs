//! What is in a dataset or a snapshot.

/// The name of a directory with content.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Content(pub(crate) u64);
