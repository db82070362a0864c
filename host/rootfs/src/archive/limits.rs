//! How much an archive may hold, and the readers that hold it to that.

use std::{
    cell::{Cell, RefCell},
    io::{self, Read},
    rc::Rc,
};

/// Bytes that the headers of one entry may have: extended headers are held in memory.
const HEADER_BYTES: u64 = 1 << 20;

/// Below this size the ratio says nothing: a small archive of zeros is not an attack.
const RATIO_COUNTS_FROM: u64 = 256 << 20;

/// What an archive may hold. The defaults let any operating system through.
#[derive(Debug, Clone)]
pub struct Limits {
    /// Bytes, both of the whole archive when decompressed and of the files in it.
    pub bytes: u64,
    /// Entries of any kind.
    pub entries: u64,
    /// How many times larger the decompressed archive may be than the compressed one. Only counts from 256 MiB on.
    pub ratio: u64,
    /// Whether device nodes are created. Without, they are refused.
    pub devices: bool,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            bytes: 64 << 30,
            entries: 2_000_000,
            ratio: 250,
            devices: false,
        }
    }
}

/// Counts what is read of the compressed archive.
pub(super) struct Meter<R> {
    inner: R,
    count: Rc<Cell<u64>>,
}

impl<R> Meter<R> {
    pub fn new(inner: R, count: Rc<Cell<u64>>) -> Self {
        Self { inner, count }
    }
}

impl<R: Read> Read for Meter<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.inner.read(buffer)?;
        self.count.set(self.count.get() + read as u64);
        Ok(read)
    }
}

/// Lets the decompressed archive through until a limit is reached.
pub(super) struct Gate<'a, R> {
    inner: R,
    /// Is given all that passes.
    content: &'a mut dyn FnMut(&[u8]),
    consumed: Rc<Cell<u64>>,
    produced: u64,
    bytes: u64,
    ratio: u64,
    control: Control,
}

/// What the loop over the entries shares with the gate deep inside the tar reader.
#[derive(Clone, Default)]
pub(super) struct Control {
    /// Bytes that may still come before the next entry; none while content is read.
    header_bytes: Rc<Cell<Option<u64>>>,
    exceeded: Rc<RefCell<Option<String>>>,
}

impl Control {
    /// The next bytes are headers.
    pub fn expect_header(&self) {
        self.header_bytes.set(Some(HEADER_BYTES));
    }

    /// The next bytes are content, of whatever length.
    pub fn expect_content(&self) {
        self.header_bytes.set(None);
    }

    /// Whether a whole block was read since a header was expected, and not just what pads the content before it.
    pub fn saw_block(&self) -> bool {
        self.header_bytes
            .get()
            .is_some_and(|left| HEADER_BYTES - left >= 512)
    }

    /// The limit that ended the reading, as it completes "refused because it …".
    pub fn exceeded(&self) -> Option<String> {
        self.exceeded.borrow().clone()
    }

    fn stop(&self, excess: String) -> io::Error {
        *self.exceeded.borrow_mut() = Some(excess);
        io::Error::other("a limit for archives is reached")
    }
}

impl<'a, R: Read> Gate<'a, R> {
    pub fn new(
        inner: R,
        consumed: Rc<Cell<u64>>,
        limits: &Limits,
        content: &'a mut dyn FnMut(&[u8]),
    ) -> (Self, Control) {
        let control = Control::default();
        let gate = Self {
            inner,
            content,
            consumed,
            produced: 0,
            bytes: limits.bytes,
            ratio: limits.ratio,
            control: control.clone(),
        };
        (gate, control)
    }

    fn check(&self, read: u64) -> io::Result<()> {
        if self.produced > self.bytes {
            return Err(self.control.stop(format!("is larger than {} bytes", self.bytes)));
        }
        if self.produced > RATIO_COUNTS_FROM && self.produced / self.ratio.max(1) > self.consumed.get() {
            return Err(self
                .control
                .stop(format!("grows to more than {} times its size", self.ratio)));
        }
        if let Some(left) = self.control.header_bytes.get() {
            let Some(left) = left.checked_sub(read) else {
                return Err(self.control.stop(format!(
                    "has an entry with headers of more than {HEADER_BYTES} bytes"
                )));
            };
            self.control.header_bytes.set(Some(left));
        }
        Ok(())
    }
}

impl<R: Read> Read for Gate<'_, R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.inner.read(buffer)?;
        self.produced += read as u64;
        self.check(read as u64)?;
        (self.content)(&buffer[..read]);
        Ok(read)
    }
}
