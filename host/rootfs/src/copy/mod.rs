//! The `COPY` instruction of Dockerfiles: files of a build context into a root, by the rules of `cp -R`.
//!
//! * Sources are patterns relative to the context, which neither `..` nor a link can leave; one that matches nothing is an error.
//! * A relative destination is relative to the working directory, an absolute one is not.
//! * A destination that ends in `/` or `.` is a directory and made if it does not exist. So are all directories above it.
//! * Into an existing directory, files and directories go under their own names; otherwise the destination is the new name.
//! * A source that ends in `/` or `.` stands for the content of the directory.
//! * Links are copied as links. Permission bits are kept, owner is root unless told otherwise, set-id bits are dropped.

mod pattern;

use std::{
    ffi::OsStr,
    path::{Path, PathBuf},
};

use rustix::fs::FileType;

use crate::{
    Root, TreeReport,
    error::{Error, IoContext, Result},
    node::{self, Owner},
    tree::{Copier, Keep},
    walk::{Last, Links, Missing, Place, Walk, walk},
};

/// What does not come from the instruction itself.
#[derive(Debug, Clone)]
pub struct CopyOptions {
    /// The working directory, absolute: `/` before the first `WORKDIR`.
    pub workdir: PathBuf,
    /// Numeric owner of everything copied.
    pub uid: u32,
    /// Numeric group of everything copied.
    pub gid: u32,
}

impl Default for CopyOptions {
    fn default() -> Self {
        Self {
            workdir: PathBuf::from("/"),
            uid: 0,
            gid: 0,
        }
    }
}

/// Copies what `sources` match in the directory `context` to `destination` in `root`.
///
/// All sources are found before anything is written.
///
/// # Errors
/// [`Error::NoMatch`] and [`Error::BadPattern`] name the source, [`Error::DestinationNotADirectory`] the destination;
/// [`Error::Escapes`] when a source or the destination leads out.
pub fn copy_into(
    context: &Path,
    sources: &[String],
    root: &Root,
    destination: &str,
    options: &CopyOptions,
) -> Result<TreeReport> {
    if sources.is_empty() {
        return Err(Error::NoSource {
            destination: destination.to_owned(),
        });
    }
    let context = Root::open(context)?;
    let mut found = Vec::new();
    for source in sources {
        found.extend(pattern::expand(&context, source)?);
    }
    let target = Target::find(root, destination, options, found.len())?;
    let mut copier = Copier::new(
        root,
        Keep::Permissions {
            owner: Owner {
                uid: options.uid,
                gid: options.gid,
            },
        },
    );
    for source in &found {
        copy_one(&context, source, &target, &mut copier)?;
    }
    Ok(copier.report)
}

/// A file or directory in the context that a source names.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Source {
    /// Relative to the context; empty for the context itself.
    path: PathBuf,
    /// Whether its content is meant, not itself.
    content: bool,
}

/// Where the sources go.
enum Target {
    /// Into a directory that exists.
    Into(PathBuf),
    /// To this name, which is not a directory.
    As(PathBuf),
}

impl Target {
    fn find(root: &Root, destination: &str, options: &CopyOptions, sources: usize) -> Result<Self> {
        let path = options.workdir.join(destination);
        if names_directory(destination) {
            root.make_dir_all(&path)?;
            return Ok(Self::Into(path));
        }
        let place = walk(
            root,
            &path,
            Walk {
                last: Last::Follow,
                missing: Missing::Create,
                links: Links::Chroot,
            },
        )?;
        match place.stat()? {
            Some(stat) if node::kind(&stat) == FileType::Directory => Ok(Self::Into(path)),
            _ if sources == 1 => Ok(Self::As(path)),
            _ => Err(Error::DestinationNotADirectory {
                destination: destination.to_owned(),
                sources,
            }),
        }
    }
}

fn copy_one(context: &Root, source: &Source, target: &Target, copier: &mut Copier<'_>) -> Result<()> {
    let place = find(context, source)?;
    let shown = if source.path.as_os_str().is_empty() {
        Path::new(".")
    } else {
        &source.path
    };
    match target {
        Target::Into(directory) if source.content => {
            let opened = node::open_dir(&place.dir, place.name()).on("open the directory", shown)?;
            copier.copy_content(&opened, shown, directory)
        }
        Target::Into(directory) => {
            let name = source.path.file_name().unwrap_or(OsStr::new("."));
            copier.copy(&place.dir, place.name(), shown, &directory.join(name))
        }
        Target::As(path) => copier.copy(&place.dir, place.name(), shown, path),
    }
}

/// The place of a source; of a link itself unless its content is meant.
fn find(context: &Root, source: &Source) -> Result<Place> {
    let last = if source.content { Last::Follow } else { Last::Keep };
    walk(
        context,
        &source.path,
        Walk {
            last,
            missing: Missing::Refuse,
            links: Links::Inside,
        },
    )
}

/// Whether a path, as written, can only name a directory.
fn names_directory(path: &str) -> bool {
    path.is_empty() || path.ends_with('/') || matches!(path.rsplit('/').next(), Some("." | ".."))
}
