//! A context as a tar stream, as any tar reads it: no owners but 0, links as links, hard links as files of their own.

use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use tar::{Builder, EntryType, Header};

use crate::error::{Error, Result};
use crate::listing::{Entry, Kind, Listing};

/// Writes the files of a listing as a tar archive, calling `progress` with the bytes of content sent so far. A listing
/// without entries is no bytes at all.
///
/// # Errors
/// [`Error::Unreadable`], [`Error::Changed`], or [`Error::Write`] when `to` takes no more.
pub fn pack<W: Write>(context: &Path, listing: &Listing, to: W, progress: &mut dyn FnMut(u64)) -> Result<()> {
    if listing.entries.is_empty() {
        return Ok(());
    }
    let mut archive = Builder::new(to);
    let mut sent = 0;
    for entry in &listing.entries {
        let read = append(context, entry, &mut archive)?;
        sent += read;
        progress(sent);
    }
    archive
        .into_inner()
        .and_then(|mut to| to.flush())
        .map_err(Error::Write)
}

/// Adds one entry and returns how many bytes of content it has.
fn append(context: &Path, entry: &Entry, archive: &mut Builder<impl Write>) -> Result<u64> {
    let unreadable = |source| Error::Unreadable {
        path: entry.path.clone(),
        source,
    };
    let place = context.join(&entry.path);
    let written = match entry.kind {
        Kind::File => return append_file(entry, &place, archive),
        Kind::Directory => append_empty(entry, EntryType::Directory, archive),
        Kind::Pipe => append_empty(entry, EntryType::Fifo, archive),
        Kind::Link => {
            let target = fs::read_link(&place).map_err(unreadable)?;
            let mut header = header(entry, EntryType::Symlink, 0, entry.modified);
            archive.append_link(&mut header, &entry.path, target)
        }
    };
    written.map_err(Error::Write)?;
    Ok(0)
}

fn append_empty(entry: &Entry, kind: EntryType, archive: &mut Builder<impl Write>) -> io::Result<()> {
    let mut header = header(entry, kind, 0, entry.modified);
    archive.append_data(&mut header, &entry.path, io::empty())
}

fn append_file(entry: &Entry, place: &Path, archive: &mut Builder<impl Write>) -> Result<u64> {
    let unreadable = |source| Error::Unreadable {
        path: entry.path.clone(),
        source,
    };
    let changed = || Error::Changed {
        path: entry.path.clone(),
    };
    // Opening a pipe would wait for who writes to it.
    if !fs::symlink_metadata(place).map_err(unreadable)?.is_file() {
        return Err(changed());
    }
    let file = File::open(place).map_err(unreadable)?;
    // The size has gone out before the content: what is appended meanwhile is left out.
    let metadata = file.metadata().map_err(unreadable)?;
    let size = metadata.len();
    let mut content = Content {
        file: file.take(size),
        failure: None,
    };
    let mut header = header(entry, EntryType::Regular, size, metadata.mtime());
    let written = archive.append_data(&mut header, &entry.path, &mut content);
    match content.failure {
        Some(source) => Err(unreadable(source)),
        None if content.file.limit() > 0 && written.is_ok() => Err(changed()),
        None => written.map(|()| size).map_err(Error::Write),
    }
}

/// Reads a file, and remembers if that fails, to tell it from a failure to write.
struct Content {
    file: io::Take<File>,
    failure: Option<io::Error>,
}

impl Read for Content {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.file.read(buffer).inspect_err(|error| {
            self.failure = Some(io::Error::new(error.kind(), error.to_string()));
        })
    }
}

fn header(entry: &Entry, kind: EntryType, size: u64, modified: i64) -> Header {
    let mut header = Header::new_gnu();
    header.set_entry_type(kind);
    header.set_size(size);
    header.set_mode(entry.mode);
    header.set_mtime(u64::try_from(modified).unwrap_or(0));
    header.set_uid(0);
    header.set_gid(0);
    header
}
