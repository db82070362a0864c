//! The supervisor's end of the line to an attached daemon, never blocking.

use std::io::{self, Read, Write};
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::net::UnixStream;

use crate::protocol::{Event, Incoming, Input, Message};

/// How much output waits for a slow daemon before the process has to wait too, in bytes.
const MOST_WAITING: usize = 256 * 1024;

/// An attached daemon.
#[derive(Debug)]
pub(crate) struct Client {
    stream: UnixStream,
    incoming: Incoming,
    waiting: Vec<u8>,
    sent: usize,
}

impl Client {
    pub(crate) fn new(stream: UnixStream) -> io::Result<Self> {
        stream.set_nonblocking(true)?;
        Ok(Self {
            stream,
            incoming: Incoming::default(),
            waiting: Vec::new(),
            sent: 0,
        })
    }

    pub(crate) fn fd(&self) -> BorrowedFd<'_> {
        self.stream.as_fd()
    }

    /// Whether something waits to be sent.
    pub(crate) fn has_waiting(&self) -> bool {
        self.sent < self.waiting.len()
    }

    /// Whether so much waits that the process should wait too.
    pub(crate) fn is_full(&self) -> bool {
        self.waiting.len() - self.sent >= MOST_WAITING
    }

    /// Adds an event to what waits and sends what can be sent. An error: the daemon is gone.
    pub(crate) fn tell(&mut self, event: &Event) -> io::Result<()> {
        event.encode(&mut self.waiting);
        self.send()
    }

    /// Sends what can be sent. An error: the daemon is gone.
    pub(crate) fn send(&mut self) -> io::Result<()> {
        while self.has_waiting() {
            match self.stream.write(&self.waiting[self.sent..]) {
                Ok(count) => self.sent += count,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        self.waiting.drain(..self.sent);
        self.sent = 0;
        Ok(())
    }

    /// The inputs that have arrived. An error: the daemon is gone, or talks nonsense.
    pub(crate) fn receive(&mut self) -> io::Result<Vec<Input>> {
        let mut buffer = [0; 16 * 1024];
        match self.stream.read(&mut buffer) {
            Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
            Ok(count) => self.incoming.extend(&buffer[..count]),
            Err(error)
                if matches!(
                    error.kind(),
                    io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted
                ) => {}
            Err(error) => return Err(error),
        }
        let mut inputs = Vec::new();
        while let Some(input) = self.incoming.take()? {
            inputs.push(input);
        }
        Ok(inputs)
    }
}
