//! Why a use case was refused or failed. The texts are those that users of 0.1.1 know, where it had one.

use kleene_platform::PlatformError;
use kleene_plugins::PluginError;
use kleene_store::StoreError;

/// A use case did not happen; nothing of it is left behind unless the message says so.
#[derive(Debug, thiserror::Error)]
pub enum EngineError {
    /// No container has this id or name.
    #[error("container not found")]
    ContainerNotFound {
        /// As the user wrote it.
        given: String,
    },
    /// No image has this id or name.
    #[error("image not found")]
    ImageNotFound {
        /// As the user wrote it.
        given: String,
    },
    /// An image that a build begins with or copies from has no such snapshot.
    #[error("invalid snapshot @{snapshot}")]
    SnapshotNotFound {
        /// The image, as the user wrote it.
        image: String,
        /// As the user wrote it.
        snapshot: String,
        /// The names of those that it has, in the order of its instructions.
        known: Vec<String>,
    },
    /// No network has this id or name.
    #[error("network not found")]
    NetworkNotFound {
        /// As the user wrote it.
        given: String,
    },
    /// No volume has this name.
    #[error("No such volume")]
    VolumeNotFound {
        /// As the user wrote it.
        given: String,
    },
    /// No execution instance has this id, or it has ended.
    #[error("could not find execution instance matching '{given}'")]
    ExecNotFound {
        /// As the user wrote it.
        given: String,
    },
    /// Several objects match.
    #[error("'{given}' matches more than one {what}; write more of the id")]
    Ambiguous {
        /// Kind of object.
        what: &'static str,
        /// As the user wrote it.
        given: String,
    },
    /// The container runs and must not.
    #[error("you cannot remove a running container")]
    ContainerRunning,
    /// The container does not run and must.
    #[error("container not running")]
    ContainerNotRunning,
    /// A container that does not run was not to be started.
    #[error("cannot start container when 'start_container' is false.")]
    StartNotAllowed,
    /// An execution instance runs only once.
    #[error("executable already started")]
    ExecAlreadyStarted,
    /// An execution instance that never ran cannot be stopped.
    #[error("execution instance have not been started")]
    ExecNotStarted,
    /// A container is connected to a network once.
    #[error("container already connected to the network")]
    AlreadyConnected,
    /// The container is not connected to the network.
    #[error("endpoint configuration not found")]
    NotConnected,
    /// The request itself is wrong.
    #[error("{0}")]
    Invalid(String),
    /// The request is right, but something else is in its way.
    #[error("{0}")]
    Conflict(String),
    /// The process could not be started.
    #[error("{0}")]
    Launch(String),
    /// The user gave up.
    #[error("cancelled")]
    Cancelled,
    /// It failed, and so did an undo: what is left behind is recorded and named.
    #[error("{error}; what could not be taken back is kept as needing repair: {}", leftovers.join("; "))]
    HalfUndone {
        /// What failed first.
        error: Box<EngineError>,
        /// What is left behind, and why.
        leftovers: Vec<String>,
    },
    /// Something is left of an earlier change that could not be taken back, and still cannot.
    #[error("{object} needs repair: '{leftover}' is left to do and failed again: {reason}")]
    NeedsRepair {
        /// Whose it is.
        object: String,
        /// The operation that would take it back.
        leftover: String,
        /// What the host says.
        reason: String,
    },
    /// A plugin refused or failed.
    #[error("{}", with_hint(.0))]
    Plugin(#[from] PluginError),
    /// The host refused or failed.
    #[error(transparent)]
    Platform(#[from] PlatformError),
    /// An image of others could not be read, fetched or sent.
    #[error(transparent)]
    Oci(#[from] kleene_oci::OciError),
    /// A file system tree could not be written.
    #[error(transparent)]
    Rootfs(#[from] kleene_rootfs::Error),
    /// The state could not be read or written, or a constraint of it was violated.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl EngineError {
    pub(crate) fn invalid(message: impl Into<String>) -> Self {
        Self::Invalid(message.into())
    }

    pub(crate) fn conflict(message: impl Into<String>) -> Self {
        Self::Conflict(message.into())
    }
}

/// A plugin's words, and what it says to try.
fn with_hint(error: &PluginError) -> String {
    match error.hint() {
        Some(hint) => format!("{error}; {hint}"),
        None => error.to_string(),
    }
}

/// The result of a use case.
pub type Result<T> = std::result::Result<T, EngineError>;
