//! The standard descriptors of the process as the supervisor holds them, never blocking.

use std::collections::VecDeque;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use kleene_plan::WindowSize;
use rustix::fs::OFlags;
use rustix::io::Errno;
use rustix::termios::Winsize;

use crate::launcher::ProcessIo;

/// How much input waits for the process before the daemon has to wait too, in bytes.
const MOST_WAITING: usize = 256 * 1024;

/// What a terminal takes for the end of its input at the start of a line (VEOF, termios(4)).
const END_OF_INPUT: u8 = 0x04;

#[derive(Debug)]
pub(crate) struct Streams {
    input: Option<OwnedFd>,
    output: Option<OwnedFd>,
    is_terminal: bool,
    backlog: VecDeque<u8>,
    closing: bool,
}

impl Streams {
    pub(crate) fn new(io: ProcessIo) -> io::Result<Self> {
        let (input, output, is_terminal) = match io {
            ProcessIo::Terminal(master) => (master.try_clone()?, master, true),
            ProcessIo::Pipes { input, output } => (input, output, false),
        };
        for fd in [&input, &output] {
            let flags = rustix::fs::fcntl_getfl(fd)?;
            rustix::fs::fcntl_setfl(fd, flags | OFlags::NONBLOCK)?;
        }
        Ok(Self {
            input: Some(input),
            output: Some(output),
            is_terminal,
            backlog: VecDeque::new(),
            closing: false,
        })
    }

    /// Whether there is room for more input.
    pub(crate) fn takes_input(&self) -> bool {
        self.backlog.len() < MOST_WAITING
    }

    /// Where output comes from, until its end.
    pub(crate) fn output(&self) -> Option<BorrowedFd<'_>> {
        self.output.as_ref().map(AsFd::as_fd)
    }

    /// Where input goes, if some waits.
    pub(crate) fn input_with_backlog(&self) -> Option<BorrowedFd<'_>> {
        self.input
            .as_ref()
            .filter(|_| !self.backlog.is_empty())
            .map(AsFd::as_fd)
    }

    /// Adds to what waits. After the end of input was announced, there is nothing to add to.
    pub(crate) fn queue_input(&mut self, bytes: &[u8]) {
        if self.input.is_some() && !self.closing {
            self.backlog.extend(bytes);
        }
    }

    /// The process reads its end of input when it has read what waits. A terminal stays open: it gets what a person
    /// would type.
    pub(crate) fn close_input(&mut self) {
        if self.is_terminal {
            self.backlog.push_back(END_OF_INPUT);
        } else {
            self.closing = true;
            self.close_when_written();
        }
    }

    /// Writes what the process takes.
    pub(crate) fn write_input(&mut self) -> io::Result<()> {
        while let Some(fd) = &self.input
            && !self.backlog.is_empty()
        {
            match rustix::io::write(fd, self.backlog.as_slices().0) {
                Ok(count) => drop(self.backlog.drain(..count)),
                Err(Errno::AGAIN) => break,
                Err(Errno::INTR) => {}
                // Nobody will read it any more.
                Err(Errno::PIPE | Errno::IO) => {
                    self.backlog.clear();
                    self.input = None;
                }
                Err(error) => return Err(error.into()),
            }
        }
        self.close_when_written();
        Ok(())
    }

    fn close_when_written(&mut self) {
        if self.closing && self.backlog.is_empty() {
            self.input = None;
        }
    }

    /// Reads a portion of output. Zero: there is none now, or none any more.
    pub(crate) fn read_output(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let Some(fd) = &self.output else { return Ok(0) };
        match rustix::io::read(fd, buffer) {
            // A terminal whose last user closed it reports EIO on Linux.
            Ok(0) | Err(Errno::IO) => {
                self.output = None;
                Ok(0)
            }
            Ok(count) => Ok(count),
            Err(Errno::AGAIN | Errno::INTR) => Ok(0),
            Err(error) => Err(error.into()),
        }
    }

    /// Tells a terminal its size.
    pub(crate) fn resize(&self, size: WindowSize) -> io::Result<()> {
        if self.is_terminal
            && let Some(fd) = &self.output
        {
            let size = Winsize {
                ws_row: size.rows,
                ws_col: size.cols,
                ws_xpixel: 0,
                ws_ypixel: 0,
            };
            rustix::termios::tcsetwinsize(fd, size)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::launcher::ProcessPipes;

    fn piped() -> (Streams, ProcessPipes) {
        let (io, theirs) = ProcessIo::pipes().unwrap();
        (Streams::new(io).unwrap(), theirs)
    }

    #[test]
    fn input_beyond_what_a_pipe_holds_waits() {
        let (mut streams, theirs) = piped();
        streams.queue_input(&vec![b'x'; 100_000]);
        streams.write_input().unwrap();
        assert!(streams.input_with_backlog().is_some());
        let mut buffer = vec![0; 100_000];
        let read = rustix::io::read(&theirs.input, &mut buffer).unwrap();
        streams.write_input().unwrap();
        let rest = rustix::io::read(&theirs.input, &mut buffer).unwrap();
        assert_eq!(read + rest, 100_000);
    }

    #[test]
    fn input_is_closed_after_what_waits() {
        let (mut streams, theirs) = piped();
        streams.queue_input(b"last");
        streams.close_input();
        streams.queue_input(b"ignored");
        streams.write_input().unwrap();
        let mut buffer = [0; 16];
        assert_eq!(rustix::io::read(&theirs.input, &mut buffer).unwrap(), 4);
        assert_eq!(rustix::io::read(&theirs.input, &mut buffer).unwrap(), 0);
    }

    #[test]
    fn a_process_that_reads_no_more_ends_the_input() {
        let (mut streams, theirs) = piped();
        drop(theirs.input);
        streams.queue_input(b"lost");
        streams.write_input().unwrap();
        assert!(streams.input_with_backlog().is_none());
    }

    #[test]
    fn the_end_of_output_is_noticed() {
        let (mut streams, theirs) = piped();
        assert_eq!(streams.read_output(&mut [0; 8]).unwrap(), 0);
        assert!(streams.output().is_some());
        drop(theirs.output);
        assert_eq!(streams.read_output(&mut [0; 8]).unwrap(), 0);
        assert!(streams.output().is_none());
    }
}
