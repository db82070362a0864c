//! Streams to the daemon, and what it means when there is none or it breaks.

use std::error::Error;
use std::io;

use tokio::net::{TcpStream, UnixStream};
use tokio_rustls::rustls;

use super::last_words::LastWords;
use super::stream::{Stream, in_words};
use super::tls::{self, Connector};
use crate::config::{DaemonAddress, Host, Place};
use crate::failure::Failure;

/// The way to the daemon.
#[derive(Debug)]
pub struct Link {
    host: Host,
    tls: Option<Connector>,
}

impl Link {
    /// The way to `address`; nothing is connected yet.
    ///
    /// # Errors
    /// If TLS is wanted and a certificate or key cannot be used.
    pub fn new(address: DaemonAddress) -> Result<Self, Failure> {
        let tls = match address.host.is_tls {
            true => Some(Connector::new(&address.host, address.tls)?),
            false => None,
        };
        Ok(Self {
            host: address.host,
            tls,
        })
    }

    /// What requests carry in their `Host` header.
    pub fn authority(&self) -> String {
        self.host.authority()
    }

    /// Whether it leads to a socket of this host.
    pub fn is_local(&self) -> bool {
        matches!(self.host.place, Place::Unix(_))
    }

    /// Connects to the daemon.
    pub async fn connect(&self) -> Result<Box<dyn Stream>, Failure> {
        let stream: Box<dyn Stream> = match &self.host.place {
            Place::Unix(path) => {
                let stream = UnixStream::connect(path).await;
                Box::new(stream.map_err(|error| self.unreachable(&error))?)
            }
            Place::Tcp { name, port } => {
                let stream = TcpStream::connect((name.as_str(), *port)).await;
                let stream = stream.map_err(|error| self.unreachable(&error))?;
                // Keys and control messages are small and must not wait for one another.
                stream
                    .set_nodelay(true)
                    .map_err(|error| self.unreachable(&error))?;
                Box::new(stream)
            }
        };
        match &self.tls {
            Some(connector) => {
                let stream = connector.secure(stream).await;
                let stream = stream.map_err(|error| self.broken(&error))?;
                Ok(Box::new(LastWords::new(stream)))
            }
            None => Ok(stream),
        }
    }

    /// What an error on a connection means: TLS reports what it dislikes as an error of reading or writing, with
    /// TLS 1.3 even after the handshake.
    pub fn broken(&self, error: &(dyn Error + 'static)) -> Failure {
        for cause in causes(error) {
            if let Some(dislike) = cause.downcast_ref::<rustls::Error>() {
                return self.insecure(dislike);
            }
            if cause
                .downcast_ref::<hyper::Error>()
                .is_some_and(hyper::Error::is_parse)
            {
                return self.not_http();
            }
        }
        let reason = causes(error)
            .find_map(|cause| cause.downcast_ref::<io::Error>())
            .map_or_else(|| error.to_string(), in_words);
        let hint = match &self.tls {
            Some(tls) if !tls.has_identity() => {
                "\nPerhaps it wants a client certificate: '--tlscert' and '--tlskey'."
            }
            _ => "",
        };
        Failure::Unreachable {
            reason: format!("the connection to {} broke: {reason}{hint}", self.host.place),
        }
    }

    /// That what listens there is something else.
    pub fn not_http(&self) -> Failure {
        Failure::NotHttp {
            place: self.host.place.to_string(),
            is_tls: self.host.is_tls,
        }
    }

    fn insecure(&self, error: &rustls::Error) -> Failure {
        let explanation = match &self.tls {
            Some(connector) => connector.explain(error, &self.host.place),
            None => tls::words(error),
        };
        Failure::Unreachable { reason: explanation }
    }

    fn unreachable(&self, error: &io::Error) -> Failure {
        Failure::Unreachable {
            reason: format!(
                "{}\nIs kleened running, and does it listen at {}?",
                in_words(error),
                self.host.place
            ),
        }
    }
}

/// `error` and everything that it says was its cause.
fn causes<'a>(error: &'a (dyn Error + 'static)) -> impl Iterator<Item = &'a (dyn Error + 'static)> {
    std::iter::successors(Some(error), |error| cause(*error))
}

fn cause<'a>(error: &'a (dyn Error + 'static)) -> Option<&'a (dyn Error + 'static)> {
    // The source of an `io::Error` is not what it wraps but the source of that.
    match error.downcast_ref::<io::Error>().and_then(io::Error::get_ref) {
        Some(wrapped) => Some(wrapped),
        None => error.source(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_an_error_wraps_is_among_its_causes() {
        let inner = rustls::Error::HandshakeNotComplete;
        let outer = io::Error::other(io::Error::new(io::ErrorKind::InvalidData, inner));
        assert!(causes(&outer).any(|cause| cause.is::<rustls::Error>()));
    }
}
