//! The method `fetch`: an archive of the host or of a web server, unpacked as it comes.

use std::cell::{Cell, RefCell};
use std::fs::File;
use std::io::{self, Read};
use std::path::PathBuf;

use kleene_fetch::{Download, FetchError, Patience};
use kleene_rootfs::{Root, archive};

use crate::cancel::Cancel;
use crate::error::{EngineError, Result};
use crate::image::checksum::{Checksum, Summed};
use crate::image::size::Size;

/// A line is sent for every so many entries of an archive.
const ENTRIES_PER_LINE: u64 = 100;
/// A line is sent for every so many bytes that were fetched.
const BYTES_PER_LINE: u64 = 10 << 20;

/// An archive somewhere.
pub(super) struct Archive {
    place: Place,
    checksum: Option<Checksum>,
}

enum Place {
    /// On the daemon's host.
    File(PathBuf),
    /// On a web server.
    Url(String),
}

impl Archive {
    /// # Errors
    /// If the URL or the checksum cannot be understood.
    pub(super) fn new(url: &str, checksum: &str) -> Result<Self> {
        let checksum = match checksum {
            "" => None,
            text => Some(text.parse().map_err(EngineError::Invalid)?),
        };
        let scheme = url.split_once("://").map_or("", |(scheme, _)| scheme);
        let place = match scheme.to_ascii_lowercase().as_str() {
            "http" | "https" => Place::Url(url.to_owned()),
            _ => {
                let path = url.strip_prefix("file://").unwrap_or(url);
                if !path.starts_with('/') {
                    return Err(EngineError::invalid(format!(
                        "could not fetch file from url '{url}': give http://…, https://…, file:///… or an absolute path \
                         on the daemon's host"
                    )));
                }
                Place::File(PathBuf::from(path))
            }
        };
        Ok(Self { place, checksum })
    }

    /// Unpacks it beneath `root`, and compares its checksum if there is one to compare with.
    pub(super) fn unpack(&self, root: &Root, cancel: &Cancel, progress: &mut dyn FnMut(&str)) -> Result<()> {
        match &self.place {
            Place::File(path) => {
                let file = File::open(path).map_err(|error| {
                    EngineError::invalid(format!(
                        "could not fetch file from url: {}: {error}",
                        path.display()
                    ))
                })?;
                let lines = Lines::new(progress);
                lines.fetched();
                self.unpack_from(file, root, cancel, &lines)
            }
            Place::Url(url) => {
                let given_up = || cancel.is_cancelled();
                let download = Download::open(url, Patience::default(), &given_up);
                let download = download.map_err(|error| could_not_fetch(cancel, &error))?;
                let lines = Lines::new(progress);
                let size = download.length();
                let told = Told {
                    download,
                    size,
                    next: BYTES_PER_LINE,
                    lines: &lines,
                };
                self.unpack_from(told, root, cancel, &lines)
            }
        }
    }

    fn unpack_from(&self, reader: impl Read, root: &Root, cancel: &Cancel, lines: &Lines<'_>) -> Result<()> {
        let mut reader = Summed::new(Cancellable { reader, cancel }, self.checksum.as_ref());
        let unpacked = archive::unpack(&mut reader, root, &archive::Limits::default(), &mut |entries| {
            lines.extracted(entries);
        });
        cancel.check()?;
        if let Err(error) = unpacked {
            return Err(match fetch_error(&error) {
                Some(error) => could_not_fetch(cancel, error),
                None => error.into(),
            });
        }
        let found = reader.finish();
        cancel.check()?;
        let found =
            found.map_err(|error| EngineError::invalid(format!("could not fetch file from url: {error}")))?;
        if let (Some(expected), Some(found)) = (&self.checksum, found)
            && *expected != found
        {
            return Err(EngineError::invalid(format!(
                "the archive is not what was expected: its checksum is {found}, and not {expected}; fetch it again, or \
                 compare with the checksum that its maker publishes"
            )));
        }
        lines.finished();
        Ok(())
    }
}

fn could_not_fetch(cancel: &Cancel, error: &FetchError) -> EngineError {
    if cancel.is_cancelled() {
        return EngineError::Cancelled;
    }
    EngineError::invalid(format!("could not fetch file from url: {error}"))
}

/// The download that broke, if that is why an archive could not be read.
fn fetch_error(error: &kleene_rootfs::Error) -> Option<&FetchError> {
    match error {
        kleene_rootfs::Error::Damaged { source, .. } => {
            let mut source = source;
            loop {
                let inner = source.get_ref()?;
                match inner.downcast_ref::<FetchError>() {
                    Some(error) => return Some(error),
                    None => source = inner.downcast_ref::<io::Error>()?,
                }
            }
        }
        _ => None,
    }
}

/// The lines of the contract (§5.1), in its order: what is unpacked while it still comes is told when it has come.
struct Lines<'a> {
    progress: RefCell<&'a mut dyn FnMut(&str)>,
    fetched: Cell<bool>,
    entries: Cell<u64>,
    told: Cell<u64>,
}

impl<'a> Lines<'a> {
    fn new(progress: &'a mut dyn FnMut(&str)) -> Self {
        Self {
            progress: RefCell::new(progress),
            fetched: Cell::new(false),
            entries: Cell::new(0),
            told: Cell::new(0),
        }
    }

    fn say(&self, line: &str) {
        (*self.progress.borrow_mut())(line);
    }

    fn fetched(&self) {
        if !self.fetched.replace(true) {
            self.say("Succesfully fetched base system.\n");
            self.say("Unpacking contents and creating image...\n");
            self.extracted(self.entries.get());
        }
    }

    fn extracted(&self, entries: u64) {
        self.entries.set(entries);
        if self.fetched.get() && entries >= self.told.get() + ENTRIES_PER_LINE {
            self.told.set(entries);
            self.say(&format!("Extracted {entries} files...\n"));
        }
    }

    fn finished(&self) {
        self.fetched();
        self.say("Succesfully extracted binaries, creating image...\n");
    }
}

/// A download that tells how far it is.
struct Told<'a, 'd> {
    download: Download<'d>,
    size: Option<u64>,
    next: u64,
    lines: &'a Lines<'a>,
}

impl Read for Told<'_, '_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.download.read(buffer)?;
        let received = self.download.received();
        let is_whole = self.size == Some(received) || (read == 0 && !buffer.is_empty());
        if !self.lines.fetched.get() && (received >= self.next || is_whole) {
            self.next = received + BYTES_PER_LINE;
            let of = self.size.map(|size| format!(" of {}", Size(size)));
            let received = Size(received);
            self.lines
                .say(&format!("Fetched {received}{}...\n", of.unwrap_or_default()));
        }
        if is_whole {
            self.lines.fetched();
        }
        Ok(read)
    }
}

/// What cannot be read any further once nobody waits for it.
struct Cancellable<'a, R> {
    reader: R,
    cancel: &'a Cancel,
}

impl<R: Read> Read for Cancellable<'_, R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.cancel.is_cancelled() {
            return Err(io::Error::other("cancelled"));
        }
        self.reader.read(buffer)
    }
}
