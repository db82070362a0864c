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

use rustix::fs::Mode;
use rustix::process::umask;

use crate::address::ListenAddress;

/// A socket that takes connections already; they wait until it is served.
#[derive(Debug)]
pub enum Socket {
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
pub enum ListenError {
    /// The port is taken or the address is not this host's.
    #[error("cannot listen at http://{address}: {source}; choose another with --host or 'listen'")]
    Tcp {
        /// The address.
        address: SocketAddr,
        /// What the operating system said.
        source: io::Error,
    },
    /// There is something else where the socket should be.
    #[error("cannot listen at http://{}: there is a file or directory of another kind, move it away", path.display())]
    NotASocket {
        /// The path.
        path: PathBuf,
    },
    /// Somebody listens there.
    #[error("cannot listen at http://{}: another process does; choose another path with --host or 'listen'", path.display())]
    InUse {
        /// The path.
        path: PathBuf,
    },
    /// The socket cannot be made.
    #[error("cannot listen at http://{}: {source}", path.display())]
    Unix {
        /// The path.
        path: PathBuf,
        /// What the operating system said.
        source: io::Error,
    },
}

/// Opens a socket for each address.
///
/// # Errors
/// At the first that cannot be opened; the others are closed again.
pub fn open(addresses: &[ListenAddress]) -> Result<Vec<Socket>, ListenError> {
    addresses.iter().map(open_one).collect()
}

fn open_one(address: &ListenAddress) -> Result<Socket, ListenError> {
    match address {
        ListenAddress::Tcp(address) => {
            let opened = TcpListener::bind(address)
                .and_then(|listener| listener.set_nonblocking(true).map(|()| listener));
            opened.map(Socket::Tcp).map_err(|source| ListenError::Tcp {
                address: *address,
                source,
            })
        }
        ListenAddress::Unix(path) => open_unix(path),
    }
}

fn open_unix(path: &Path) -> Result<Socket, ListenError> {
    let failed = |source| ListenError::Unix {
        path: path.to_owned(),
        source,
    };
    remove_stale(path)?;
    if let Some(parent) = path.parent() {
        fs::create_dir_all(parent).map_err(failed)?;
    }
    let before = umask(Mode::RWXG | Mode::RWXO | Mode::XUSR);
    let bound = UnixListener::bind(path);
    umask(before);
    let listener = bound.map_err(failed)?;
    let file = SocketFile(path.to_owned());
    listener.set_nonblocking(true).map_err(failed)?;
    Ok(Socket::Unix(listener, file))
}

/// Removes the socket that an earlier daemon left, and nothing else.
fn remove_stale(path: &Path) -> Result<(), ListenError> {
    let failed = |source| ListenError::Unix {
        path: path.to_owned(),
        source,
    };
    match fs::symlink_metadata(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(failed(error)),
        Ok(found) if !found.file_type().is_socket() => Err(ListenError::NotASocket {
            path: path.to_owned(),
        }),
        Ok(_) if UnixStream::connect(path).is_ok() => Err(ListenError::InUse {
            path: path.to_owned(),
        }),
        Ok(_) => fs::remove_file(path).map_err(failed),
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    fn open_at(path: &Path) -> Result<Vec<Socket>, ListenError> {
        open(&[ListenAddress::Unix(path.to_owned())])
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
        assert!(matches!(open_at(&path), Err(ListenError::InUse { .. })));
        assert!(UnixStream::connect(&path).is_ok());
    }

    #[test]
    fn what_is_no_socket_is_left_alone() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("kleened.sock");
        fs::write(&path, "precious").unwrap();
        assert!(matches!(open_at(&path), Err(ListenError::NotASocket { .. })));
        assert_eq!(fs::read_to_string(&path).unwrap(), "precious");
        assert!(matches!(
            open_at(directory.path()),
            Err(ListenError::NotASocket { .. })
        ));
    }

    #[test]
    fn a_taken_port_is_named() {
        let taken = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = taken.local_addr().unwrap();
        let message = open(&[ListenAddress::Tcp(address)]).unwrap_err().to_string();
        assert!(
            message.starts_with(&format!("cannot listen at http://{address}: ")),
            "{message}"
        );
    }

    #[test]
    fn one_bad_address_closes_the_others() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("kleened.sock");
        let addresses = [
            ListenAddress::Unix(path.clone()),
            ListenAddress::Unix(directory.path().to_owned()),
        ];
        assert!(open(&addresses).is_err());
        assert!(!path.exists());
    }
}
