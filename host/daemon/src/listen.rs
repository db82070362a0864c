//! Opening the sockets that clients connect to.
//!
//! This happens before the daemon has any threads: the mode of a UNIX socket is that of the process' umask, which all
//! threads share.

use std::fs;
use std::io;
use std::net::{SocketAddr, TcpListener};
use std::os::unix::fs::FileTypeExt;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustix::fs::Mode;
use rustix::process::umask;
use tokio_rustls::rustls::ServerConfig;

use crate::address::{ListenAddress, Place};
use crate::config::Listener;
use crate::tls::TlsError;

/// A socket that takes connections already; they wait until it is served.
#[derive(Debug)]
pub struct Socket {
    /// Where connections arrive.
    pub kind: SocketKind,
    /// What is needed to speak TLS with them; `None` for those that are plain.
    pub tls: Option<Arc<ServerConfig>>,
}

/// Where connections arrive.
#[derive(Debug)]
pub enum SocketKind {
    /// TCP.
    Tcp(TcpListener),
    /// UNIX; its file is removed when this is dropped.
    Unix(UnixListener, SocketFile),
}

/// The file of a UNIX socket.
#[derive(Debug)]
pub struct SocketFile(PathBuf);

impl Drop for SocketFile {
    fn drop(&mut self) {
        if let Err(error) = fs::remove_file(&self.0) {
            tracing::warn!(path = %self.0.display(), %error, "could not remove the socket");
        }
    }
}

/// Why there is no socket at an address.
#[derive(Debug, thiserror::Error)]
#[error("cannot listen at {address}: {obstacle}")]
pub struct ListenError {
    /// The address.
    pub address: ListenAddress,
    /// Why.
    pub obstacle: Obstacle,
}

/// What is in the way of listening.
#[derive(Debug, thiserror::Error)]
pub enum Obstacle {
    /// The port is taken, the address is not this host's, or there is no permission.
    #[error("{0}; choose another address with --host or 'listen'")]
    Address(io::Error),
    /// There is something else where the socket should be.
    #[error("there is a file or directory of another kind, move it away")]
    NotASocket,
    /// Somebody listens there.
    #[error("another process does; choose another path with --host or 'listen'")]
    InUse,
    /// The socket cannot be made.
    #[error("{0}")]
    Unix(io::Error),
    /// Certificates or keys cannot be used.
    #[error(transparent)]
    Tls(#[from] TlsError),
}

/// Opens a socket for each address.
///
/// # Errors
/// At the first that cannot be opened; the others are closed again. Certificates are read first.
pub fn open(listeners: &[Listener]) -> Result<Vec<Socket>, ListenError> {
    let secrets = load_all(listeners)?;
    listeners
        .iter()
        .zip(secrets)
        .map(|(listener, tls)| {
            let opened = match &listener.address().place {
                Place::Tcp(address) => open_tcp(*address),
                Place::Unix(path) => open_unix(path),
            };
            let kind = opened.map_err(|obstacle| refuse(listener, obstacle))?;
            Ok(Socket { kind, tls })
        })
        .collect()
}

/// Reads certificates and keys of each address, `None` for those that need none.
///
/// # Errors
/// [`Obstacle::Tls`] at the first file that cannot be used.
pub fn load_all(listeners: &[Listener]) -> Result<Vec<Option<Arc<ServerConfig>>>, ListenError> {
    let load = |listener: &Listener| match listener.tls() {
        Some(settings) => settings.load().map(Some).map_err(|e| refuse(listener, e.into())),
        None => Ok(None),
    };
    listeners.iter().map(load).collect()
}

fn refuse(listener: &Listener, obstacle: Obstacle) -> ListenError {
    ListenError {
        address: listener.address().clone(),
        obstacle,
    }
}

fn open_tcp(address: SocketAddr) -> Result<SocketKind, Obstacle> {
    let listener = TcpListener::bind(address).map_err(Obstacle::Address)?;
    listener.set_nonblocking(true).map_err(Obstacle::Address)?;
    Ok(SocketKind::Tcp(listener))
}

fn open_unix(path: &Path) -> Result<SocketKind, Obstacle> {
    remove_stale(path)?;
    if let Some(parent) = path.parent() {
        fs::create_dir_all(parent).map_err(Obstacle::Unix)?;
    }
    let before = umask(Mode::RWXG | Mode::RWXO | Mode::XUSR);
    let bound = UnixListener::bind(path);
    umask(before);
    let listener = bound.map_err(Obstacle::Unix)?;
    let file = SocketFile(path.to_owned());
    listener.set_nonblocking(true).map_err(Obstacle::Unix)?;
    Ok(SocketKind::Unix(listener, file))
}

/// Removes the socket that an earlier daemon left, and nothing else.
fn remove_stale(path: &Path) -> Result<(), Obstacle> {
    match fs::symlink_metadata(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(Obstacle::Unix(error)),
        Ok(found) if !found.file_type().is_socket() => Err(Obstacle::NotASocket),
        Ok(_) if UnixStream::connect(path).is_ok() => Err(Obstacle::InUse),
        Ok(_) => fs::remove_file(path).map_err(Obstacle::Unix),
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;
    use crate::tls::TlsSettings;

    fn at(path: &Path) -> Listener {
        Listener::plain(ListenAddress::unix(path))
    }

    fn open_at(path: &Path) -> Result<Vec<Socket>, Obstacle> {
        open(&[at(path)]).map_err(|error| error.obstacle)
    }

    #[test]
    fn a_unix_socket_is_for_its_owner_alone_and_goes_with_the_daemon() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("below/kleened.sock");
        let sockets = open_at(&path).unwrap();
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        assert!(UnixStream::connect(&path).is_ok());
        drop(sockets);
        assert!(!path.exists());
    }

    #[test]
    fn a_stale_socket_is_replaced() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("kleened.sock");
        drop(UnixListener::bind(&path).unwrap());
        assert!(path.exists());
        assert!(open_at(&path).is_ok());
    }

    #[test]
    fn a_socket_that_somebody_listens_at_is_left_alone() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("kleened.sock");
        let _other = UnixListener::bind(&path).unwrap();
        assert!(matches!(open_at(&path), Err(Obstacle::InUse)));
        assert!(UnixStream::connect(&path).is_ok());
    }

    #[test]
    fn what_is_no_socket_is_left_alone() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("kleened.sock");
        fs::write(&path, "precious").unwrap();
        assert!(matches!(open_at(&path), Err(Obstacle::NotASocket)));
        assert_eq!(fs::read_to_string(&path).unwrap(), "precious");
        assert!(matches!(open_at(directory.path()), Err(Obstacle::NotASocket)));
    }

    #[test]
    fn a_taken_port_is_named() {
        let taken = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = taken.local_addr().unwrap();
        let listener = Listener::plain(format!("http://{address}").parse().unwrap());
        let message = open(&[listener]).unwrap_err().to_string();
        assert!(
            message.starts_with(&format!("cannot listen at http://{address}: ")),
            "{message}"
        );
    }

    #[test]
    fn one_bad_address_closes_the_others() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("kleened.sock");
        assert!(open(&[at(&path), at(directory.path())]).is_err());
        assert!(!path.exists());
    }

    #[test]
    fn a_certificate_that_is_missing_is_told_before_any_socket_is_made() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("kleened.sock");
        let tls = TlsSettings {
            tlscert: "/nonexistent/server.pem".into(),
            ..TlsSettings::default()
        };
        let secure = Listener::new("https://127.0.0.1:1".parse().unwrap(), Some(tls)).unwrap();
        let message = open(&[at(&path), secure]).unwrap_err().to_string();
        assert_eq!(
            message,
            "cannot listen at https://127.0.0.1:1: file in 'tlscert' does not exist. \
             It is given as /nonexistent/server.pem"
        );
        assert!(!path.exists());
    }
}
