//! A server and a client of one line, which run in containers as well: no image needs programs for that.

use std::io::{self, Read, Write};
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::thread;
use std::time::{Duration, Instant};

/// How long a server may take until it listens.
const PATIENCE: Duration = Duration::from_secs(5);
/// How long one attempt may take.
const ATTEMPT: Duration = Duration::from_secs(1);

/// Answers everybody with one line, for ever.
///
/// # Errors
/// If the port cannot be listened at.
pub fn serve(port: u16, answer: &str) -> io::Result<()> {
    let listener = TcpListener::bind((Ipv4Addr::UNSPECIFIED, port))?;
    loop {
        // Who gives up before the answer is no reason to end.
        let _ = listener
            .accept()
            .and_then(|(mut stream, _)| writeln!(stream, "{answer}"));
    }
}

/// What is answered there; a server that does not listen yet is waited for.
///
/// # Errors
/// That of the last attempt.
pub fn ask(at: SocketAddr) -> io::Result<String> {
    let deadline = Instant::now() + PATIENCE;
    loop {
        match ask_once(at) {
            Err(error) if Instant::now() > deadline => return Err(error),
            Err(_) => thread::sleep(Duration::from_millis(50)),
            answered => return answered,
        }
    }
}

/// What is answered there at once.
///
/// # Errors
/// If nobody answers.
pub fn ask_once(at: SocketAddr) -> io::Result<String> {
    let mut stream = TcpStream::connect_timeout(&at, ATTEMPT)?;
    stream.set_read_timeout(Some(ATTEMPT))?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    if answer.is_empty() {
        return Err(io::Error::new(
            io::ErrorKind::UnexpectedEof,
            "the connection was closed without an answer",
        ));
    }
    Ok(answer.trim_end().to_owned())
}

/// An address that the host has towards others: that of the route to a documentation address. Nothing is sent.
pub fn own_address() -> Option<IpAddr> {
    let socket = std::net::UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0)).ok()?;
    socket.connect((Ipv4Addr::new(192, 0, 2, 200), 9)).ok()?;
    let address = socket.local_addr().ok()?.ip();
    (!address.is_loopback() && !address.is_unspecified()).then_some(address)
}
