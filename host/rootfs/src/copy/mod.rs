//! The `COPY` and `ADD` instructions of Dockerfiles: files of a build context, or of another image, into a root.
//!
//! * Sources are patterns below an [`Origin`], which neither `..` nor a link can leave; one that matches nothing is an error.
//! * A relative destination is relative to the working directory, an absolute one is not.
//! * A destination that ends in `/` or `.` is a directory and made if it does not exist. So are all directories above it.
//! * Into an existing directory, files go under their own names; otherwise the destination is the new name.
//! * What a directory is copied as depends on the [`Rules`].
//! * Unless told otherwise, modes are kept, what comes from a context is root's, and what comes from an image keeps its
//!   owner: its numbers are an image's, too.
//!
//! Sources are found first ([`Origin::select`]), so that their content can be told ([`Selection::digest`]) before
//! anything is written ([`Selection::copy`]).

mod digest;
mod pattern;

use std::{
    ffi::OsStr,
    fs::File,
    path::{Path, PathBuf},
};

pub use crate::visible::{Filter, Visible};
pub use digest::Digest;
use rustix::fs::{FileType, Mode, RawMode};

use crate::{
    Root, TreeReport,
    archive::{self, Limits},
    error::{Error, IoContext, Result},
    node::{self, Owner},
    tree::{Copier, Keep, Modes},
    walk::{Last, Links, Missing, Place, Walk, walk},
};

/// By whose rules sources are read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rules {
    /// Those of `cp -R`: a directory is copied as such into an existing one, and its content if it ends in `/` or `.`; links are
    /// copied as links. Wildcards do not match hidden files; braces are alternatives. Files lose set-id and sticky bits.
    Classic,
    /// Docker's: a directory always stands for its content, and a source that is a link for what it points to. Wildcards match
    /// hidden files; braces mean nothing.
    Docker,
}

/// A tree that files are copied from.
pub struct Origin<'a> {
    root: &'a Root,
    links: Links,
    filter: Option<&'a Filter<'a>>,
}

impl std::fmt::Debug for Origin<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Origin")
            .field("root", self.root)
            .finish_non_exhaustive()
    }
}

impl<'a> Origin<'a> {
    /// A build context, a directory of the host: links in it are read from outside, and may not leave it. Of what `filter` hides,
    /// nothing is seen.
    #[must_use]
    pub fn context(root: &'a Root, filter: Option<&'a Filter<'a>>) -> Self {
        Self {
            root,
            links: Links::Inside,
            filter,
        }
    }

    /// The root of an image: links in it are read as a process inside would.
    #[must_use]
    pub fn image(root: &'a Root) -> Self {
        Self {
            root,
            links: Links::Chroot,
            filter: None,
        }
    }

    /// Finds what patterns match.
    ///
    /// # Errors
    /// [`Error::NoMatch`] and [`Error::BadPattern`] name the source; [`Error::Escapes`] when one leads out.
    pub fn select(&'a self, sources: &[String], rules: Rules) -> Result<Selection<'a>> {
        let mut found = Vec::new();
        for source in sources {
            found.extend(pattern::expand(self, source, rules)?);
        }
        Ok(Selection {
            origin: self,
            rules,
            found,
            inline: Vec::new(),
        })
    }

    /// The place of a source: of a link itself, or of what it points to.
    fn find(&self, source: &Source) -> Result<Place> {
        let last = if source.follow { Last::Follow } else { Last::Keep };
        walk(
            self.root,
            &source.path,
            Walk {
                last,
                missing: Missing::Refuse,
                links: self.links,
            },
        )
    }

    /// Whether owners mean the same in what is copied to.
    fn has_owners(&self) -> bool {
        self.links == Links::Chroot
    }

    fn visible(&self, path: &Path, is_dir: bool) -> Visible {
        match self.filter {
            Some(filter) if !path.as_os_str().is_empty() => filter(path, is_dir),
            _ => Visible::Yes,
        }
    }
}

/// A file or directory that a source names.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Source {
    /// Relative to the origin; empty for the origin itself.
    path: PathBuf,
    /// Whether a link stands for what it points to.
    follow: bool,
    /// Whether it is a directory whose content is meant, not itself.
    content: bool,
}

impl Source {
    /// What messages call it.
    fn shown(&self) -> &Path {
        if self.path.as_os_str().is_empty() {
            Path::new(".")
        } else {
            &self.path
        }
    }

    /// The name it has in a directory it is copied to.
    fn name(&self) -> &OsStr {
        self.path.file_name().unwrap_or(OsStr::new("."))
    }
}

/// A file whose content stands in the Dockerfile.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InlineFile {
    /// Its name in a directory.
    pub name: String,
    /// Its content.
    pub content: String,
}

/// How files are copied.
#[derive(Debug, Clone)]
pub struct CopyOptions {
    /// The working directory, absolute: `/` before the first `WORKDIR`.
    pub workdir: PathBuf,
    /// Owner and group of everything. `None`: root for files of a context; those of an image, and what is unpacked, keep
    /// their own.
    pub owner: Option<Owner>,
    /// Mode bits of everything. `None`: they are kept.
    pub mode: Option<u32>,
    /// Sources that are archives are unpacked, within these limits.
    pub unpack: Option<Limits>,
}

impl Default for CopyOptions {
    fn default() -> Self {
        Self {
            workdir: PathBuf::from("/"),
            owner: None,
            mode: None,
            unpack: None,
        }
    }
}

/// What sources stand for: files and directories of an origin, and files of the Dockerfile itself.
#[derive(Debug)]
pub struct Selection<'a> {
    origin: &'a Origin<'a>,
    rules: Rules,
    found: Vec<Source>,
    inline: Vec<InlineFile>,
}

impl Selection<'_> {
    /// The same and these files.
    #[must_use]
    pub fn with_inline(mut self, files: impl IntoIterator<Item = InlineFile>) -> Self {
        self.inline.extend(files);
        self
    }

    /// Copies everything to `destination` in `root`.
    ///
    /// # Errors
    /// [`Error::NoSource`], [`Error::DestinationNotADirectory`]; [`Error::Escapes`] when the destination leads out of the root; what
    /// is wrong with an archive.
    pub fn copy(&self, root: &Root, destination: &str, options: &CopyOptions) -> Result<TreeReport> {
        if self.found.is_empty() && self.inline.is_empty() {
            return Err(Error::NoSource {
                destination: destination.to_owned(),
            });
        }
        let path = options.workdir.join(destination);
        let mut files = Vec::new();
        for source in &self.found {
            match (&options.unpack, self.archive(source, options)?) {
                (Some(limits), Some(archive)) => {
                    let directory = root.subtree(&path)?;
                    archive::unpack_as(archive, &directory, limits, options.owner, &mut |_| {})?;
                }
                _ => files.push(source),
            }
        }
        let mut copier = Copier::new(root, self.keep(options), self.origin.filter);
        if files.is_empty() && self.inline.is_empty() {
            return Ok(copier.report);
        }
        let target = Target::find(root, destination, &path, files.len() + self.inline.len())?;
        for source in files {
            self.copy_one(source, &target, &mut copier)?;
        }
        for file in &self.inline {
            copier.write(file.content.as_bytes(), &target.path_of(OsStr::new(&file.name)))?;
        }
        Ok(copier.report)
    }

    fn keep(&self, options: &CopyOptions) -> Keep {
        let owner = match options.owner {
            None if !self.origin.has_owners() => Some(Owner::ROOT),
            owner => owner,
        };
        let mode = match (options.mode, self.rules) {
            (Some(mode), _) => Modes::Given(Mode::from_raw_mode((mode & 0o7777) as RawMode)),
            (None, Rules::Docker) => Modes::Kept,
            (None, Rules::Classic) => Modes::KeptAsByCp,
        };
        Keep::AsNew { owner, mode }
    }

    fn copy_one(&self, source: &Source, target: &Target, copier: &mut Copier<'_>) -> Result<()> {
        let place = self.origin.find(source)?;
        let shown = source.shown();
        match target {
            Target::Into(directory) if source.content => {
                let opened = node::open_dir(&place.dir, place.name()).on("open the directory", shown)?;
                copier.copy_content(&opened, shown, directory)
            }
            target => copier.copy(&place.dir, place.name(), shown, &target.path_of(source.name())),
        }
    }

    /// A source that is an archive, if such are to be unpacked.
    fn archive(&self, source: &Source, options: &CopyOptions) -> Result<Option<File>> {
        if options.unpack.is_none() {
            return Ok(None);
        }
        let place = self.origin.find(source)?;
        let Ok((mut file, _)) = node::open_file(&place.dir, place.name()).on("read", source.shown())? else {
            return Ok(None);
        };
        let is_archive = archive::is_archive(&mut file).on("read", source.shown())?;
        Ok(is_archive.then_some(file))
    }
}

/// Where the sources go.
enum Target {
    /// Into a directory that exists.
    Into(PathBuf),
    /// To this name, which is not a directory.
    As(PathBuf),
}

impl Target {
    fn find(root: &Root, destination: &str, path: &Path, sources: usize) -> Result<Self> {
        let path = path.to_owned();
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

    /// Where something of this name goes.
    fn path_of(&self, name: &OsStr) -> PathBuf {
        match self {
            Self::Into(directory) => directory.join(name),
            Self::As(path) => path.clone(),
        }
    }
}

/// Whether a path, as written, can only name a directory.
fn names_directory(path: &str) -> bool {
    path.is_empty() || path.ends_with('/') || matches!(path.rsplit('/').next(), Some("." | ".."))
}
