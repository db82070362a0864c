//! Build contexts: which files of a directory belong to a build, and the archive in which they travel to a daemon that
//! does not see the directory.
//!
//! * [`Ignore`]: the rules of `.dockerignore`
//! * [`Listing`]: the files that the rules leave, in an order that is always the same
//! * [`pack`]: those files as a tar stream
//!
//! Nothing here follows a symbolic link within the context. All functions block.

mod error;
mod ignore;
mod listing;
mod pack;
mod pattern;

pub use error::{Error, Result};
pub use ignore::Ignore;
pub use listing::{Entry, Kind, Listing};
pub use pack::pack;
