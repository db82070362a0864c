//! The files of an image that lies on this host: in a directory, or in a tar archive, which may be compressed.

use std::collections::HashMap;
use std::fs::{self, File};
use std::io::{self, Read, Seek, SeekFrom};
use std::os::unix::fs::FileExt;
use std::path::{Component, Path, PathBuf};

use kleene_rootfs::archive::{self, Limits};
use tar::EntryType;

use crate::error::{OciError, Result};

/// Files that an archive may have: images have a few per layer.
const MAX_FILES: usize = 100_000;
/// Links from one to the next: archives of old Dockers link layers that several images share.
const MAX_LINKS: usize = 8;

/// The files of an image, by their relative paths.
#[derive(Debug)]
pub(crate) enum Store {
    /// A directory.
    Directory(PathBuf),
    /// An archive.
    Tar {
        file: File,
        entries: HashMap<String, Entry>,
    },
}

/// A file in an archive.
#[derive(Debug)]
pub(crate) enum Entry {
    /// Its content.
    File { offset: u64, size: u64 },
    /// The path of another.
    Link(String),
}

impl Store {
    /// Opens a directory, or an archive. A compressed archive is decompressed into a file without a name in `scratch`.
    ///
    /// # Errors
    /// [`OciError::Io`]; [`OciError::Rootfs`] if it is no archive, or larger than `limits` allow.
    pub(crate) fn open(path: &Path, scratch: &Path, limits: &Limits) -> Result<Self> {
        let shown = path.display().to_string();
        // A pipe is not waited for, a device not touched.
        let found = fs::metadata(path).map_err(OciError::io("open", &shown))?;
        if found.is_dir() {
            return Ok(Self::Directory(path.to_owned()));
        }
        if !found.is_file() {
            return Err(OciError::NotAnImage {
                place: shown,
                reason: "it is neither a file nor a directory".to_owned(),
            });
        }
        let file = File::open(path).map_err(OciError::io("open", &shown))?;
        Self::of_file(file, scratch, limits, &shown)
    }

    /// As [`open`](Self::open), for a file that is open already.
    pub(crate) fn of_file(mut file: File, scratch: &Path, limits: &Limits, place: &str) -> Result<Self> {
        let mut head = [0; 6];
        let read = file.read_at(&mut head, 0).map_err(OciError::io("read", place))?;
        if archive::is_compressed(&head[..read]) {
            let mut plain =
                tempfile::tempfile_in(scratch).map_err(OciError::io("make a file in", scratch.display()))?;
            archive::decompress(&file, &mut plain, limits)?;
            file = plain;
        }
        file.seek(SeekFrom::Start(0))
            .map_err(OciError::io("read", place))?;
        let entries = index(&file).map_err(|error| OciError::NotAnImage {
            place: place.to_owned(),
            reason: format!("it is no tar archive that can be read ({error})"),
        })?;
        Ok(Self::Tar { file, entries })
    }

    /// Opens a file, if there is one of this name; with its size.
    pub(crate) fn file(&self, name: &str) -> Result<Option<(Box<dyn Read + '_>, u64)>> {
        match self {
            Self::Directory(directory) => {
                let path = directory.join(name);
                let found = match fs::metadata(&path) {
                    Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
                    found => found.map_err(OciError::io("open", path.display()))?,
                };
                if !found.is_file() {
                    return Ok(None);
                }
                let file = File::open(&path).map_err(OciError::io("open", path.display()))?;
                Ok(Some((Box::new(file), found.len())))
            }
            Self::Tar { file, entries } => {
                let mut name = name;
                for _ in 0..MAX_LINKS {
                    match entries.get(name) {
                        None => return Ok(None),
                        Some(Entry::Link(target)) => name = target,
                        Some(&Entry::File { offset, size }) => {
                            let part = Part {
                                file,
                                position: offset,
                                end: offset.saturating_add(size),
                            };
                            return Ok(Some((Box::new(part), size)));
                        }
                    }
                }
                Ok(None)
            }
        }
    }

    /// The content of a small file, if there is one of this name.
    pub(crate) fn document(&self, name: &str, place: &str, max: u64) -> Result<Option<Vec<u8>>> {
        let Some((reader, _)) = self.file(name)? else {
            return Ok(None);
        };
        let mut content = Vec::new();
        reader
            .take(max + 1)
            .read_to_end(&mut content)
            .map_err(OciError::io("read", format!("{place}: {name}")))?;
        if content.len() as u64 > max {
            return Err(OciError::malformed(
                name,
                place,
                format!("it has more than {max} bytes"),
            ));
        }
        Ok(Some(content))
    }
}

/// Where the files of an archive are. Nothing is unpacked.
fn index(file: &File) -> io::Result<HashMap<String, Entry>> {
    let mut archive = tar::Archive::new(file);
    let mut entries = HashMap::new();
    for entry in archive.entries_with_seek()? {
        let entry = entry?;
        let Some(name) = plain_name(&entry.path()?) else {
            continue;
        };
        if entries.len() >= MAX_FILES {
            return Err(io::Error::other(format!("it has more than {MAX_FILES} files")));
        }
        let link =
            || -> io::Result<Option<PathBuf>> { Ok(entry.link_name()?.map(|target| target.into_owned())) };
        let kind = match entry.header().entry_type() {
            EntryType::Regular | EntryType::Continuous => Some(Entry::File {
                offset: entry.raw_file_position(),
                size: entry.size(),
            }),
            EntryType::Link => link()?.and_then(|target| plain_name(&target)).map(Entry::Link),
            EntryType::Symlink => {
                let directory = Path::new(&name).parent().unwrap_or(Path::new("")).to_owned();
                link()?
                    .and_then(|target| plain_name(&directory.join(target)))
                    .map(Entry::Link)
            }
            _ => None,
        };
        if let Some(kind) = kind {
            entries.insert(name, kind);
        }
    }
    Ok(entries)
}

/// A path within an archive without `.` and `..`; nothing for one that leads out of it.
fn plain_name(path: &Path) -> Option<String> {
    let mut plain: Vec<&str> = Vec::new();
    for component in path.components() {
        match component {
            Component::CurDir => {}
            Component::Normal(name) => plain.push(name.to_str()?),
            Component::ParentDir => {
                plain.pop()?;
            }
            Component::RootDir | Component::Prefix(_) => return None,
        }
    }
    (!plain.is_empty()).then(|| plain.join("/"))
}

/// Part of a file, which others may read at the same time.
struct Part<'f> {
    file: &'f File,
    position: u64,
    end: u64,
}

impl Read for Part<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let left = self.end - self.position;
        let wanted = buffer.len().min(usize::try_from(left).unwrap_or(usize::MAX));
        if wanted == 0 {
            return Ok(0);
        }
        match self.file.read_at(&mut buffer[..wanted], self.position)? {
            0 => Err(io::Error::new(
                io::ErrorKind::UnexpectedEof,
                "the archive is cut off",
            )),
            read => {
                self.position += read as u64;
                Ok(read)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_plain_and_stay_inside() {
        let name = |path: &str| plain_name(Path::new(path));
        assert_eq!(name("./blobs/sha256/x").as_deref(), Some("blobs/sha256/x"));
        assert_eq!(name("a/../b").as_deref(), Some("b"));
        assert_eq!(name("a/b/"), Some("a/b".to_owned()));
        for out in ["../a", "a/../../b", "/etc/passwd", "", ".", "a/.."] {
            assert_eq!(name(out), None, "{out}");
        }
    }
}
