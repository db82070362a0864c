//! What can go wrong on a host, by kind, so that callers can act on it; the text is for people.

/// An operation on the host failed.
#[derive(Debug, thiserror::Error)]
pub enum PlatformError {
    /// Something of this name exists and is not Kleene's: it is neither taken over nor removed.
    #[error(
        "{object} exists already and does not belong to Kleene; choose another name or remove it yourself"
    )]
    Conflict {
        /// Kind and name.
        object: String,
    },
    /// It is not there.
    #[error("{object} does not exist")]
    NotFound {
        /// Kind and name.
        object: String,
    },
    /// It is in use: mounted, or with a process in it. Trying again later may succeed.
    #[error("{object} is busy: {reason}")]
    Busy {
        /// Kind and name.
        object: String,
        /// By what.
        reason: String,
    },
    /// Others were made from it and must go first.
    #[error("{object} has dependents: {}", dependents.join(", "))]
    HasDependents {
        /// Kind and name.
        object: String,
        /// Their names.
        dependents: Vec<String>,
    },
    /// The platform has no such thing.
    #[error("{what} is not supported on this host: {reason}")]
    NotSupported {
        /// What was wanted, by name.
        what: String,
        /// Why, and what to do.
        reason: String,
    },
    /// A tool of the host said no, in the words that users of Kleene 0.1.1 know.
    #[error("'{tool}' returned non-zero exitcode {status} when attempting to {action} '{output}'")]
    Refused {
        /// The tool, by its whole path.
        tool: String,
        /// Its exit status.
        status: i32,
        /// An infinitive.
        action: String,
        /// What it printed.
        output: String,
    },
    /// The host refused.
    #[error("could not {action}: {reason}")]
    Failed {
        /// What was tried, with the object's name.
        action: String,
        /// What the host said.
        reason: String,
    },
}

impl PlatformError {
    /// An action that failed with what the system said.
    pub fn failed(action: impl Into<String>, reason: impl ToString) -> Self {
        Self::Failed {
            action: action.into(),
            reason: reason.to_string(),
        }
    }
}
