//! Build contexts that clients send: unpacked into a directory that only the daemon can enter, for the length of a build.

use std::fs::{self, DirBuilder};
use std::io::{self, Cursor, Read, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use kleene_api::ContextUpload;
use kleene_plan::Id;
use kleene_rootfs::archive::{self, Limits};
use kleene_rootfs::{Error as RootfsError, Root};

use crate::Engine;

/// No honest Dockerfile or ignore file is larger, in bytes.
const LARGEST_TEXT: u64 = 1 << 20;

const CONTEXT: &str = "context";
const DOCKERFILE: &str = "Dockerfile";
const IGNORE: &str = ".dockerignore";

/// A build context that was sent; it is gone when this is dropped.
#[derive(Debug)]
pub struct UploadedContext {
    directory: PathBuf,
}

/// Why a build context that was sent cannot be used. Nothing of it is kept.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum UploadError {
    /// It passes a limit.
    #[error(
        "the build context {excess}: leave files out by .dockerignore, or raise upload_limit in the daemon's configuration"
    )]
    TooLarge {
        /// As it completes "the build context …".
        excess: String,
    },
    /// It is damaged, or its sender left.
    #[error("the build context cannot be read after {entries} files and directories: {source}")]
    Incomplete {
        /// How many had arrived.
        entries: u64,
        /// What went wrong.
        source: io::Error,
    },
    /// It holds what no honest context holds.
    #[error("the build context is refused: {0}")]
    Refused(RootfsError),
    /// It has no Dockerfile of the name that was asked for.
    #[error(
        "cannot read '{name}' of the build context: {reason}; is it the path of the Dockerfile in the context?"
    )]
    Dockerfile {
        /// As it was asked for.
        name: String,
        /// Why it cannot be read.
        reason: RootfsError,
    },
    /// The daemon has no place for it.
    #[error("cannot keep the build context in {}: {source}", path.display())]
    Store {
        /// Where it was to go.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
}

impl UploadedContext {
    /// The directory of the context.
    #[must_use]
    pub fn context(&self) -> PathBuf {
        self.directory.join(CONTEXT)
    }

    /// The Dockerfile, beside the context, with the rules that are to hold in a file `Dockerfile.dockerignore` beside it.
    #[must_use]
    pub fn dockerfile(&self) -> PathBuf {
        self.directory.join(DOCKERFILE)
    }
}

impl Drop for UploadedContext {
    fn drop(&mut self) {
        if let Err(error) = fs::remove_dir_all(&self.directory) {
            let path = self.directory.display();
            tracing::warn!(%path, %error, "could not remove a build context that was sent");
        }
    }
}

impl Engine {
    /// Unpacks a build context as it arrives. `archive` is a tar archive, or no bytes at all for an empty context, of at most
    /// `limit` bytes when unpacked; `dockerfile` is the path of the Dockerfile in it, unless `upload` brings its text.
    ///
    /// # Errors
    /// [`UploadError`]; nothing is left then.
    pub fn receive_context(
        &self,
        archive: impl Read,
        upload: &ContextUpload,
        dockerfile: &str,
        limit: u64,
    ) -> Result<UploadedContext, UploadError> {
        let directory = self.uploads.join(Id::generate().as_str());
        make_private(&directory)?;
        // From here on, whatever happens, it is removed.
        let uploaded = UploadedContext { directory };
        let context = uploaded.context();
        make_private(&context)?;
        let root = Root::open(&context).map_err(UploadError::Refused)?;
        unpack(archive, &root, limit)?;
        let (text, rules) = match &upload.dockerfile {
            Some(text) => (text.clone().into_bytes(), Vec::new()),
            None => read_from(&root, dockerfile)?,
        };
        write_private(&uploaded.dockerfile(), &text)?;
        let beside = format!("{DOCKERFILE}{IGNORE}");
        write_private(&uploaded.directory.join(beside), &rules)?;
        Ok(uploaded)
    }
}

/// Removes what a daemon that died left of contexts.
pub(crate) fn remove_leftovers(uploads: &Path) {
    match fs::remove_dir_all(uploads) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            let path = uploads.display();
            tracing::warn!(%path, %error, "could not remove build contexts that were sent to an earlier daemon");
        }
        _ => {}
    }
}

fn unpack(mut archive: impl Read, root: &Root, limit: u64) -> Result<(), UploadError> {
    let mut first = Vec::new();
    let incomplete = |entries, source| UploadError::Incomplete { entries, source };
    archive
        .by_ref()
        .take(1)
        .read_to_end(&mut first)
        .map_err(|source| incomplete(0, source))?;
    if first.is_empty() {
        return Ok(());
    }
    let limits = Limits {
        bytes: limit,
        devices: false,
        ..Limits::default()
    };
    match archive::unpack(Cursor::new(first).chain(archive), root, &limits, &mut |_| {}) {
        Ok(_) => Ok(()),
        Err(RootfsError::LimitReached { excess }) => Err(UploadError::TooLarge { excess }),
        Err(RootfsError::Damaged { entries, source }) => Err(incomplete(entries, source)),
        Err(error) => Err(UploadError::Refused(error)),
    }
}

/// A Dockerfile and the rules that hold for it, read without following a link out of the context.
fn read_from(root: &Root, dockerfile: &str) -> Result<(Vec<u8>, Vec<u8>), UploadError> {
    let text = root
        .read_file(dockerfile, LARGEST_TEXT)
        .map_err(|reason| UploadError::Dockerfile {
            name: dockerfile.to_owned(),
            reason,
        })?;
    for name in [format!("{dockerfile}{IGNORE}"), IGNORE.to_owned()] {
        match root.read_file(&name, LARGEST_TEXT) {
            Ok(rules) => return Ok((text, rules)),
            Err(RootfsError::Io { source, .. }) if source.kind() == io::ErrorKind::NotFound => {}
            Err(reason) => return Err(UploadError::Refused(reason)),
        }
    }
    Ok((text, Vec::new()))
}

fn make_private(directory: &Path) -> Result<(), UploadError> {
    DirBuilder::new()
        .mode(0o700)
        .recursive(true)
        .create(directory)
        .map_err(|source| unstored(directory, source))
}

fn write_private(path: &Path, content: &[u8]) -> Result<(), UploadError> {
    fs::OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(path)
        .and_then(|mut file| file.write_all(content))
        .map_err(|source| unstored(path, source))
}

fn unstored(path: &Path, source: io::Error) -> UploadError {
    UploadError::Store {
        path: path.to_owned(),
        source,
    }
}
