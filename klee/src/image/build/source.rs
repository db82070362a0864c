//! Where the context of a build comes from: a directory on the daemon's host, or what is sent there.

use std::fs::{self, File};
use std::io::{self, Cursor, Read};
use std::path::{Path, PathBuf};

use kleene_context::{Ignore, Listing};

use crate::failure::Failure;

/// The word for standard input.
const STANDARD_INPUT: &str = "-";

/// A Dockerfile travels in a frame, of which the daemon takes 1 MiB.
const LARGEST_DOCKERFILE: u64 = 256 << 10;

/// Bytes by which an archive is told from a Dockerfile: one block of tar.
const HEAD: u64 = 512;

/// What the user said about the context.
#[derive(Debug, Clone)]
pub struct Wish {
    /// The context, as given.
    pub given: PathBuf,
    /// The same from the root on.
    pub absolute: PathBuf,
    /// The Dockerfile, relative to the context.
    pub dockerfile: String,
    /// Whether it must be sent, or must not; otherwise it depends on where the daemon is.
    pub upload: Option<bool>,
    /// Whether the daemon is on this host, as far as can be known.
    pub daemon_is_here: bool,
}

/// What a build is made from.
pub enum Source {
    /// The directory of this path on the daemon's host.
    There {
        /// What the user should know about that.
        note: Option<String>,
    },
    /// What is sent.
    Here {
        /// That.
        upload: Upload,
        /// Whether the path may stand for it with a daemon that takes nothing.
        is_needed: bool,
    },
}

/// What is sent.
pub struct Upload {
    /// The text of the Dockerfile, unless that is in the archive.
    pub dockerfile: Option<String>,
    /// The context.
    pub content: Content,
}

/// A context.
pub enum Content {
    /// Files of a directory.
    Directory {
        /// The directory.
        context: PathBuf,
        /// Its files, if there are any.
        listing: Listing,
    },
    /// A tar archive that exists already, and its size in bytes where that is known.
    Archive {
        /// The archive.
        reader: Box<dyn Read + Send>,
        /// Its size.
        size: Option<u64>,
    },
}

impl Source {
    /// Finds what the user means. Reads directories, Dockerfile and standard input, so it blocks.
    ///
    /// # Errors
    /// If what is to be sent cannot be read, or makes no sense.
    pub fn find(wish: &Wish) -> Result<Self, Failure> {
        let context_is_input = wish.given == Path::new(STANDARD_INPUT);
        let dockerfile_is_input = wish.dockerfile == STANDARD_INPUT;
        if context_is_input && dockerfile_is_input {
            let message = "the Dockerfile and the build context cannot both be read from standard input";
            return Err(Failure::BadValue(message.to_owned()));
        }
        let is_archive = !context_is_input && wish.absolute.is_file();
        let is_needed = wish.upload == Some(true) || context_is_input || dockerfile_is_input || is_archive;
        if is_needed && wish.upload == Some(false) {
            let message = "'--no-upload' is for a PATH on the daemon's host, and there is no other way than sending \
                           standard input or an archive";
            return Err(Failure::BadValue(message.to_owned()));
        }
        if !is_needed && (wish.upload == Some(false) || wish.daemon_is_here) {
            return Ok(Self::There { note: None });
        }
        if !is_needed && !wish.absolute.exists() {
            let path = wish.absolute.display();
            let note =
                format!("There is no {path} on this host: building from the one on the daemon's host.");
            return Ok(Self::There { note: Some(note) });
        }
        let upload = if context_is_input {
            from_standard_input()?
        } else if is_archive {
            from_archive(wish)?
        } else {
            from_directory(wish)?
        };
        Ok(Self::Here { upload, is_needed })
    }
}

impl Upload {
    /// How many bytes of content there are, where that is known.
    pub fn size(&self) -> Option<u64> {
        match &self.content {
            Content::Directory { listing, .. } => Some(listing.bytes),
            Content::Archive { size, .. } => *size,
        }
    }
}

/// An archive, or else a Dockerfile that needs no files.
fn from_standard_input() -> Result<Upload, Failure> {
    let input = "standard input";
    let mut head = Vec::new();
    io::stdin().take(HEAD).read_to_end(&mut head)?;
    let whole = Cursor::new(head.clone()).chain(io::stdin());
    if is_archive(&head) {
        return Ok(Upload {
            dockerfile: None,
            content: Content::Archive {
                reader: Box::new(whole),
                size: None,
            },
        });
    }
    Ok(Upload {
        dockerfile: Some(dockerfile(input, whole)?),
        content: Content::Directory {
            context: PathBuf::new(),
            listing: Listing::default(),
        },
    })
}

fn from_archive(wish: &Wish) -> Result<Upload, Failure> {
    let path = &wish.absolute;
    let unreadable = |error| unreadable(&path.display().to_string(), &error);
    let mut file = File::open(path).map_err(unreadable)?;
    let mut head = Vec::new();
    file.by_ref()
        .take(HEAD)
        .read_to_end(&mut head)
        .map_err(unreadable)?;
    if !is_archive(&head) {
        return Err(Failure::BadValue(format!(
            "{} is neither a directory nor a tar archive: name the build context",
            wish.given.display()
        )));
    }
    let size = file.metadata().map_err(unreadable)?.len();
    let dockerfile = match wish.dockerfile.as_str() {
        STANDARD_INPUT => Some(dockerfile("standard input", io::stdin())?),
        _ => None,
    };
    Ok(Upload {
        dockerfile,
        content: Content::Archive {
            reader: Box::new(Cursor::new(head).chain(file)),
            size: Some(size),
        },
    })
}

fn from_directory(wish: &Wish) -> Result<Upload, Failure> {
    let context = &wish.absolute;
    let text = if wish.dockerfile == STANDARD_INPUT {
        dockerfile("standard input", io::stdin())?
    } else {
        let path = context.join(&wish.dockerfile);
        let shown = path.display().to_string();
        let is_file = fs::metadata(&path)
            .map_err(|error| no_dockerfile(&shown, &error))?
            .is_file();
        if !is_file {
            return Err(no_dockerfile(&shown, &"it is not a regular file"));
        }
        let file = File::open(&path).map_err(|error| no_dockerfile(&shown, &error))?;
        dockerfile(&shown, file)?
    };
    let bad = |error: kleene_context::Error| Failure::BadValue(error.to_string());
    let ignore = Ignore::read(context, &wish.dockerfile).map_err(bad)?;
    Ok(Upload {
        dockerfile: Some(text),
        content: Content::Directory {
            context: context.clone(),
            listing: Listing::of(context, &ignore).map_err(bad)?,
        },
    })
}

/// The text of a Dockerfile.
fn dockerfile(name: &str, reader: impl Read) -> Result<String, Failure> {
    let mut content = Vec::new();
    reader
        .take(LARGEST_DOCKERFILE + 1)
        .read_to_end(&mut content)
        .map_err(|error| no_dockerfile(name, &error))?;
    if content.len() as u64 > LARGEST_DOCKERFILE {
        return Err(no_dockerfile(name, &"it is larger than 256 KiB"));
    }
    String::from_utf8(content).map_err(|_| no_dockerfile(name, &"it is not text in UTF-8"))
}

fn no_dockerfile(name: &str, reason: &dyn std::fmt::Display) -> Failure {
    Failure::BadValue(format!(
        "cannot use {name} as the Dockerfile: {reason}\n'--file' is relative to the build context."
    ))
}

fn unreadable(name: &str, error: &io::Error) -> Failure {
    Failure::BadValue(format!("cannot read {name}: {error}"))
}

/// Whether these are the first bytes of a tar archive, plain or compressed by gzip, xz or zstd.
fn is_archive(head: &[u8]) -> bool {
    head.get(257..262) == Some(b"ustar")
        || [&b"\x1f\x8b"[..], b"\xfd7zXZ\0", b"\x28\xb5\x2f\xfd"]
            .iter()
            .any(|magic| head.starts_with(magic))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wish(directory: &Path, upload: Option<bool>, daemon_is_here: bool) -> Wish {
        Wish {
            given: directory.to_owned(),
            absolute: directory.to_owned(),
            dockerfile: "Dockerfile".to_owned(),
            upload,
            daemon_is_here,
        }
    }

    fn context() -> tempfile::TempDir {
        let directory = tempfile::tempdir().unwrap();
        fs::write(directory.path().join("Dockerfile"), "FROM base\n").unwrap();
        directory
    }

    fn is_sent(wish: &Wish) -> bool {
        matches!(Source::find(wish).unwrap(), Source::Here { .. })
    }

    fn refusal(wish: &Wish) -> String {
        Source::find(wish).err().unwrap().to_string()
    }

    #[test]
    fn a_directory_is_sent_to_daemons_elsewhere_unless_told_otherwise() {
        let context = context();
        let sent = |upload, is_here| is_sent(&wish(context.path(), upload, is_here));
        assert!(sent(None, false));
        assert!(!sent(None, true));
        assert!(sent(Some(true), true));
        assert!(!sent(Some(false), false));
    }

    #[test]
    fn a_path_that_is_not_here_is_taken_for_one_there() {
        let wish = wish(Path::new("/nonexistent"), None, false);
        let Source::There { note: Some(note) } = Source::find(&wish).unwrap() else {
            panic!("sent");
        };
        assert!(note.contains("/nonexistent"), "{note}");
        let wish = Wish {
            upload: Some(true),
            ..wish
        };
        assert!(refusal(&wish).contains("/nonexistent/Dockerfile"));
    }

    #[test]
    fn a_dockerfile_that_cannot_be_used_is_named() {
        let context = context();
        let named = |name: &str| Wish {
            dockerfile: name.to_owned(),
            ..wish(context.path(), Some(true), true)
        };
        assert!(refusal(&named("Other")).contains("/Other as the Dockerfile: No such file"));
        fs::create_dir(context.path().join("d")).unwrap();
        assert!(refusal(&named("d")).contains("not a regular file"));
        fs::write(context.path().join("large"), "#".repeat(300_000)).unwrap();
        assert!(refusal(&named("large")).contains("larger than 256 KiB"));
        fs::write(context.path().join("latin"), b"caf\xe9").unwrap();
        assert!(refusal(&named("latin")).contains("not text in UTF-8"));
    }

    #[test]
    fn what_is_ignored_is_not_sent_and_the_dockerfile_travels_by_itself() {
        let context = context();
        fs::write(context.path().join(".dockerignore"), "*\n!keep\n").unwrap();
        fs::write(context.path().join("keep"), "12345").unwrap();
        let Source::Here { upload, .. } = Source::find(&wish(context.path(), None, false)).unwrap() else {
            panic!("not sent");
        };
        assert_eq!(upload.dockerfile.as_deref(), Some("FROM base\n"));
        assert_eq!(upload.size(), Some(5));
    }

    #[test]
    fn a_file_that_is_no_archive_is_no_context() {
        let context = context();
        let file = context.path().join("Dockerfile");
        assert!(refusal(&wish(&file, None, true)).contains("neither a directory nor a tar archive"));
        assert!(refusal(&wish(&file, Some(false), true)).contains("--no-upload"));
    }

    #[test]
    fn archives_are_told_by_their_first_bytes() {
        let mut block = [0; 512];
        block[257..262].copy_from_slice(b"ustar");
        assert!(is_archive(&block));
        assert!(is_archive(b"\x1f\x8b\x08"));
        assert!(!is_archive(b"FROM base\n"));
        assert!(!is_archive(b""));
    }
}
