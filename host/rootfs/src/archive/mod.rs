//! Unpacks tar archives, plain or compressed, which may come from anybody.
//!
//! The format is read from the content, never from a name, and the archive is read once, as a stream. Owners, modes, times,
//! links, devices (where allowed) and file capabilities are kept; FreeBSD's file flags are not. The archive is in charge of the whole
//! root: an entry replaces what an earlier one of the same name made.
//!
//! The tar crate only parses here. Every entry is placed beneath the root by us: names that are absolute or contain `..`, and
//! entries that would go through a link out of the root, are refused by name. Nothing is stripped silently.
//!
//! [`Layers`] does the same with the layers of an image, one over the other; [`pack`] is the way back.

mod entry;
mod format;
mod layers;
mod limits;
mod pack;
mod whiteout;

use std::{
    cell::Cell,
    io::{self, Read, Seek, Write},
    rc::Rc,
};

pub use format::is_compressed;
pub use layers::Layers;
pub use limits::Limits;
use limits::{Gate, Meter};
pub use pack::{Packed, pack};
use tar::EntryType;

use crate::{
    Owner, Root,
    error::{Error, IoContext, Result},
};

/// Whether a file is a tar archive, plain or compressed, by its content. It is read from its beginning again afterwards.
///
/// # Errors
/// If it cannot be read.
pub fn is_archive(file: &mut (impl Read + Seek)) -> io::Result<bool> {
    file.rewind()?;
    let found = format::holds_tar(&mut *file);
    file.rewind()?;
    Ok(found)
}

/// What was unpacked.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Unpacked {
    /// All entries, directories and links included.
    pub entries: u64,
    /// Bytes of regular files.
    pub bytes: u64,
    /// Extended attributes that the file system of the root cannot hold.
    pub attributes_lost: u64,
}

/// Decompresses an archive without unpacking it, and returns the number of bytes. One that is not compressed is copied.
///
/// # Errors
/// [`Error::NotAnArchive`], [`Error::Damaged`], [`Error::LimitReached`]; [`Error::Io`] if it cannot be written.
pub fn decompress(reader: impl Read, mut writer: impl Write, limits: &Limits) -> Result<u64> {
    let consumed = Rc::new(Cell::new(0));
    let opened = format::open(Meter::new(reader, Rc::clone(&consumed)))?;
    let mut nobody = |_: &[u8]| {};
    let (mut gate, control) = Gate::new(opened, consumed, limits, &mut nobody);
    let mut buffer = vec![0; 128 << 10];
    let mut written = 0;
    loop {
        let read = match gate.read(&mut buffer) {
            Ok(0) => return Ok(written),
            Ok(read) => read,
            Err(source) => {
                return Err(match control.exceeded() {
                    Some(excess) => Error::LimitReached { excess },
                    None => Error::Damaged { entries: 0, source },
                });
            }
        };
        writer
            .write_all(&buffer[..read])
            .on("write", "a decompressed archive")?;
        written += read as u64;
    }
}

/// Unpacks a tar archive into `root`, calling `progress` with the number of entries after each.
///
/// # Errors
/// [`Error::NotAnArchive`], [`Error::Damaged`], [`Error::EntryRefused`] with the entry's name, [`Error::LimitReached`]; what
/// was unpacked until then stays, for the caller to destroy.
pub fn unpack(
    reader: impl Read,
    root: &Root,
    limits: &Limits,
    progress: &mut dyn FnMut(u64),
) -> Result<Unpacked> {
    unpack_as(reader, root, limits, None, progress)
}

/// As [`unpack`], giving everything to an owner if there is one.
///
/// # Errors
/// As [`unpack`].
pub fn unpack_as(
    reader: impl Read,
    root: &Root,
    limits: &Limits,
    owner: Option<Owner>,
    progress: &mut dyn FnMut(u64),
) -> Result<Unpacked> {
    let mut report = Unpacked::default();
    let unpacker = entry::Unpacker::new(root, limits, owner);
    let has_end = place_all(reader, unpacker, limits, &mut |_| {}, &mut report, progress)?;
    if !has_end {
        // Without the blocks of zeros at the end (pax(1)), nothing tells a whole archive from one cut off between two entries.
        let source = io::Error::new(io::ErrorKind::UnexpectedEof, "its end is missing");
        return Err(Error::Damaged {
            entries: report.entries,
            source,
        });
    }
    if report.entries == 0 {
        return Err(Error::NotAnArchive {
            found: "it has no entries",
        });
    }
    Ok(report)
}

/// Places every entry, adding to `report`, which counts against the limits. `content` is given the archive as it is
/// decompressed. Returns whether the archive has the end that it should.
fn place_all(
    reader: impl Read,
    mut unpacker: entry::Unpacker<'_>,
    limits: &Limits,
    content: &mut dyn FnMut(&[u8]),
    report: &mut Unpacked,
    progress: &mut dyn FnMut(u64),
) -> Result<bool> {
    let consumed = Rc::new(Cell::new(0));
    let opened = format::open(Meter::new(reader, Rc::clone(&consumed)))?;
    let (gate, control) = Gate::new(opened, consumed, limits, content);
    let mut archive = tar::Archive::new(gate);
    let failed = |entries, source| match control.exceeded() {
        Some(excess) => Error::LimitReached { excess },
        None => Error::Damaged { entries, source },
    };
    let mut entries = archive.entries().map_err(|source| failed(0, source))?;
    loop {
        control.expect_header();
        let Some(entry) = entries.next() else { break };
        let mut entry = entry.map_err(|source| failed(report.entries, source))?;
        if report.entries >= limits.entries {
            return Err(Error::LimitReached {
                excess: format!("has more than {} entries", limits.entries),
            });
        }
        control.expect_content();
        if entry.header().entry_type() == EntryType::XGlobalHeader {
            // `git archive` starts with one: it holds the commit, nothing that concerns files.
            continue;
        }
        unpacker
            .place(&mut entry, report)
            .map_err(|error| match (error, control.exceeded()) {
                (_, Some(excess)) => Error::LimitReached { excess },
                (error, None) => error,
            })?;
        report.entries += 1;
        progress(report.entries);
    }
    let has_end = control.saw_block();
    // What follows the last entry is padding, but the decoders check their sums at its end.
    control.expect_content();
    io::copy(&mut archive.into_inner(), &mut io::sink()).map_err(|source| failed(report.entries, source))?;
    unpacker.finish()?;
    Ok(has_end)
}
