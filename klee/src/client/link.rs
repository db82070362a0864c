//! Streams to the daemon. TLS will be a third kind of stream here; nothing above this file will notice.

use std::io;

use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpStream, UnixStream};

use crate::config::Host;
use crate::failure::Failure;

/// Anything that HTTP can be spoken over.
pub trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin> Stream for T {}

/// Connects to the daemon.
pub async fn connect(host: &Host) -> Result<Box<dyn Stream>, Failure> {
    let stream = match host {
        Host::Unix(path) => UnixStream::connect(path)
            .await
            .map(|stream| -> Box<dyn Stream> { Box::new(stream) }),
        Host::Tcp(authority) => {
            TcpStream::connect(authority)
                .await
                .and_then(|stream| -> io::Result<Box<dyn Stream>> {
                    // Keys and control messages are small and must not wait for one another.
                    stream.set_nodelay(true)?;
                    Ok(Box::new(stream))
                })
        }
    };
    stream.map_err(|error| unreachable(&error, host))
}

fn unreachable(error: &io::Error, host: &Host) -> Failure {
    let place = match host {
        Host::Unix(path) => path.display().to_string(),
        Host::Tcp(authority) => authority.clone(),
    };
    Failure::Unreachable {
        reason: format!(
            "{}\nIs kleened running, and does it listen at {place}?",
            in_words(error)
        ),
    }
}

/// `[Errno 2] No such file or directory`, as 0.1.1 writes it.
fn in_words(error: &io::Error) -> String {
    let text = error.to_string();
    match error.raw_os_error() {
        Some(number) => {
            let words = text
                .strip_suffix(&format!(" (os error {number})"))
                .unwrap_or(&text);
            format!("[Errno {number}] {words}")
        }
        None => text,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_of_the_operating_system_has_its_number_in_front() {
        assert_eq!(
            in_words(&io::Error::from_raw_os_error(2)),
            "[Errno 2] No such file or directory"
        );
    }
}
