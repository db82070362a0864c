//! Why an image of others could not be read, fetched or sent.

use std::io;

/// The result of what this crate does.
pub type Result<T> = std::result::Result<T, OciError>;

/// An image could not be read, fetched or sent.
#[derive(Debug, thiserror::Error)]
pub enum OciError {
    /// A text is no reference to an image.
    #[error("'{given}' names no image in a registry: {reason}; write [host[:port]/]name[:tag][@sha256:…]")]
    BadReference {
        /// As it was given.
        given: String,
        /// Why not.
        reason: String,
    },
    /// A text is no platform.
    #[error(
        "'{given}' is no platform: write os/architecture[/variant], such as linux/amd64 or freebsd/arm64"
    )]
    BadPlatform {
        /// As it was given.
        given: String,
    },
    /// A text is no digest that can be verified.
    #[error("'{given}' is no digest that can be verified: only sha256: with 64 hexadecimal digits is")]
    BadDigest {
        /// As it was given.
        given: String,
    },
    /// A file or directory holds no image.
    #[error("{place} is no image: {reason}; give an OCI layout or an archive of `docker save`")]
    NotAnImage {
        /// The file or directory.
        place: String,
        /// What is missing.
        reason: String,
    },
    /// Part of an image does not say what it should.
    #[error("{what} of {place} cannot be used: {reason}")]
    Malformed {
        /// The part: `the manifest`, `the configuration`.
        what: String,
        /// Whose.
        place: String,
        /// Why not.
        reason: String,
    },
    /// Content is not what its digest says.
    #[error("{what} of {place} is damaged: its digest is {found}, and not {expected}")]
    WrongDigest {
        /// The part.
        what: String,
        /// Whose.
        place: String,
        /// The digest that it must have.
        expected: String,
        /// The digest that it has.
        found: String,
    },
    /// There is no image for the platform.
    #[error("{place} has no image for {wanted}, but for {}; choose one of them as platform", offered.join(", "))]
    NoSuchPlatform {
        /// The index, or the archive.
        place: String,
        /// The platform asked for.
        wanted: String,
        /// The platforms that there are.
        offered: Vec<String>,
    },
    /// There are several images, and none was chosen.
    #[error("{place} holds several images ({}); write which, after the path: {place}:name:tag", names.join(", "))]
    SeveralImages {
        /// The archive.
        place: String,
        /// Their names.
        names: Vec<String>,
    },
    /// A registry does not have it, or does not give it.
    #[error("{reference}: {reason}")]
    Registry {
        /// What was asked for.
        reference: String,
        /// What the registry or the connection to it says, and what to try.
        reason: String,
    },
    /// Nobody waits for it any more.
    #[error("given up")]
    GivenUp,
    /// A file could not be read or written.
    #[error("could not {action} {path}: {source}")]
    Io {
        /// What was tried.
        action: &'static str,
        /// The file.
        path: String,
        /// What the system says.
        source: io::Error,
    },
    /// A layer could not be unpacked, or a tree packed.
    #[error(transparent)]
    Rootfs(#[from] kleene_rootfs::Error),
}

impl OciError {
    pub(crate) fn malformed(
        what: impl Into<String>,
        place: impl Into<String>,
        reason: impl ToString,
    ) -> Self {
        Self::Malformed {
            what: what.into(),
            place: place.into(),
            reason: reason.to_string(),
        }
    }

    pub(crate) fn io(action: &'static str, path: impl ToString) -> impl FnOnce(io::Error) -> Self {
        let path = path.to_string();
        move |source| Self::Io { action, path, source }
    }
}
