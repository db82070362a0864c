//! Both ends of the line between a daemon and a supervisor, for blocking use.
//!
//! The supervisor itself does not block: its end is in `client`. [`ServerEnd`] is for whoever plays a supervisor in a
//! thread, as the simulated platform does.

use std::io::{self, Read, Write};
use std::net::Shutdown;
use std::os::unix::net::UnixStream;
use std::sync::{Arc, Mutex, PoisonError};

use crate::protocol::{Event, Incoming, Input, Message};

/// The daemon's end of the line to a supervisor. Dropping it leaves supervisor and process alone.
#[derive(Debug)]
pub struct Connection {
    stream: UnixStream,
}

impl Connection {
    /// The line over a stream whose other end is a supervisor.
    #[must_use]
    pub fn from_stream(stream: UnixStream) -> Self {
        Self { stream }
    }

    /// The two directions, to be used by different threads.
    #[must_use]
    pub fn split(self) -> (Events, Inputs) {
        let stream = Arc::new(self.stream);
        let inputs = Inputs {
            stream: Arc::clone(&stream),
            whole_frames: Arc::default(),
        };
        (
            Events {
                receiver: Receiver::new(stream),
            },
            inputs,
        )
    }
}

/// What the supervisor tells.
#[derive(Debug)]
pub struct Events {
    receiver: Receiver,
}

impl Events {
    /// Waits for the next event. `None`: the supervisor is gone, or this end was given up by [`Inputs::detach`].
    ///
    /// # Errors
    /// If the connection breaks in the middle of a message or carries something else.
    #[allow(
        clippy::should_implement_trait,
        reason = "an iterator of results would not stop at an error"
    )]
    pub fn next(&mut self) -> io::Result<Option<Event>> {
        self.receiver.next()
    }
}

/// What the supervisor is told. Clones share the line.
#[derive(Debug, Clone)]
pub struct Inputs {
    stream: Arc<UnixStream>,
    whole_frames: Arc<Mutex<()>>,
}

impl Inputs {
    /// Sends one message; waits while the supervisor cannot take it.
    ///
    /// # Errors
    /// If the supervisor is gone.
    pub fn send(&self, input: &Input) -> io::Result<()> {
        let _alone = self.whole_frames.lock().unwrap_or_else(PoisonError::into_inner);
        send(&self.stream, input)
    }

    /// Gives the line up: a thread waiting in [`Events::next`] gets `None`, the supervisor goes on without us.
    pub fn detach(&self) {
        // Fails only if the other side has gone already, and then there is nothing left to give up.
        let _ = self.stream.shutdown(Shutdown::Both);
    }
}

/// The supervisor's end of the line, blocking.
#[derive(Debug)]
pub struct ServerEnd {
    stream: Arc<UnixStream>,
    receiver: Receiver,
}

impl ServerEnd {
    /// The line over a stream whose other end is a daemon.
    #[must_use]
    pub fn from_stream(stream: UnixStream) -> Self {
        let stream = Arc::new(stream);
        Self {
            receiver: Receiver::new(Arc::clone(&stream)),
            stream,
        }
    }

    /// A connected pair: the daemon's end and the supervisor's.
    ///
    /// # Errors
    /// If the system has no more file descriptors.
    pub fn pair() -> io::Result<(Connection, Self)> {
        let (daemon, supervisor) = UnixStream::pair()?;
        Ok((Connection::from_stream(daemon), Self::from_stream(supervisor)))
    }

    /// Sends one event; waits while the daemon does not take it.
    ///
    /// # Errors
    /// If the daemon is gone.
    pub fn send(&self, event: &Event) -> io::Result<()> {
        send(&self.stream, event)
    }

    /// Waits for the next input. `None`: the daemon is gone.
    ///
    /// # Errors
    /// If the connection breaks in the middle of a message or carries something else.
    pub fn next_input(&mut self) -> io::Result<Option<Input>> {
        self.receiver.next()
    }
}

fn send(mut stream: &UnixStream, message: &impl Message) -> io::Result<()> {
    let mut wire = Vec::new();
    message.encode(&mut wire);
    stream.write_all(&wire)
}

#[derive(Debug)]
struct Receiver {
    stream: Arc<UnixStream>,
    incoming: Incoming,
}

impl Receiver {
    fn new(stream: Arc<UnixStream>) -> Self {
        Self {
            stream,
            incoming: Incoming::default(),
        }
    }

    fn next<M: Message>(&mut self) -> io::Result<Option<M>> {
        let mut buffer = [0; 16 * 1024];
        loop {
            if let Some(message) = self.incoming.take()? {
                return Ok(Some(message));
            }
            let count = match (&*self.stream).read(&mut buffer) {
                Ok(count) => count,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                // A supervisor killed with unread input of ours resets the connection.
                Err(error) if error.kind() == io::ErrorKind::ConnectionReset => 0,
                Err(error) => return Err(error),
            };
            if count == 0 {
                return if self.incoming.is_partial() {
                    Err(io::ErrorKind::UnexpectedEof.into())
                } else {
                    Ok(None)
                };
            }
            self.incoming.extend(&buffer[..count]);
        }
    }
}

#[cfg(test)]
mod tests {
    use kleene_plan::ExitStatus;

    use super::*;

    #[test]
    fn events_arrive_in_order_and_then_the_end() {
        let (connection, server) = ServerEnd::pair().unwrap();
        server.send(&Event::Started { pid: 1 }).unwrap();
        server.send(&Event::Exited(ExitStatus::Code(0))).unwrap();
        drop(server);
        let (mut events, _inputs) = connection.split();
        assert_eq!(events.next().unwrap(), Some(Event::Started { pid: 1 }));
        assert_eq!(events.next().unwrap(), Some(Event::Exited(ExitStatus::Code(0))));
        assert_eq!(events.next().unwrap(), None);
    }

    #[test]
    fn dropping_both_halves_ends_the_inputs() {
        let (connection, mut server) = ServerEnd::pair().unwrap();
        let (events, inputs) = connection.split();
        inputs.send(&Input::CloseStdin).unwrap();
        drop((events, inputs));
        assert_eq!(server.next_input().unwrap(), Some(Input::CloseStdin));
        assert_eq!(server.next_input().unwrap(), None);
    }

    #[test]
    fn detaching_wakes_a_waiting_reader() {
        let (connection, _server) = ServerEnd::pair().unwrap();
        let (mut events, inputs) = connection.split();
        let reader = std::thread::spawn(move || events.next());
        inputs.detach();
        assert_eq!(reader.join().unwrap().unwrap(), None);
    }

    #[test]
    fn a_message_broken_off_is_an_error() {
        let (daemon, mut supervisor) = UnixStream::pair().unwrap();
        supervisor.write_all(b"O\x05\0\0\0abc").unwrap();
        drop(supervisor);
        let (mut events, _inputs) = Connection::from_stream(daemon).split();
        assert_eq!(events.next().unwrap_err().kind(), io::ErrorKind::UnexpectedEof);
    }
}
