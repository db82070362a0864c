//! `--host`: a URL that names a TCP port or, where the authority is empty, a UNIX socket.

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

use tokio_rustls::rustls::pki_types::ServerName;

use crate::failure::Failure;

/// Where the daemon listens unless told otherwise.
pub const DEFAULT_HOST: &str = "http:///var/run/kleened.sock";

/// Who a daemon at a UNIX socket is, to requests and certificates.
const LOCALHOST: &str = "localhost";

/// Where the daemon listens, and whether TLS is spoken there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Host {
    /// `https` rather than `http`.
    pub is_tls: bool,
    /// The socket.
    pub place: Place,
}

/// A socket to connect to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Place {
    /// A UNIX socket: `http:///path/to/socket`.
    Unix(PathBuf),
    /// A TCP port: `http://HOST:PORT`.
    Tcp {
        /// A name or an address; an IPv6 address without brackets.
        name: String,
        /// The port.
        port: u16,
    },
}

impl Host {
    /// What requests carry in their `Host` header.
    pub fn authority(&self) -> String {
        match &self.place {
            Place::Unix(_) => LOCALHOST.to_owned(),
            place @ Place::Tcp { .. } => place.to_string(),
        }
    }

    /// The name that the daemon's certificate must be valid for; `None` if no certificate could be.
    pub fn server_name(&self) -> Option<ServerName<'static>> {
        let name = match &self.place {
            Place::Unix(_) => LOCALHOST.to_owned(),
            Place::Tcp { name, .. } => name.clone(),
        };
        ServerName::try_from(name).ok()
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unix(path) => path.display().fmt(f),
            Self::Tcp { name, port } if name.contains(':') => write!(f, "[{name}]:{port}"),
            Self::Tcp { name, port } => write!(f, "{name}:{port}"),
        }
    }
}

impl FromStr for Host {
    type Err = Failure;

    fn from_str(url: &str) -> Result<Self, Failure> {
        let unreachable = |reason: String| Failure::Unreachable { reason };
        let Some((scheme, rest)) = url.split_once("://") else {
            return Err(unreachable(format!(
                "Request URL is missing an 'http://' or 'https://' protocol.\n\
                 '{url}' should read like http:///path/to/socket or https://HOST:PORT."
            )));
        };
        let is_tls = match scheme {
            "http" => false,
            "https" => true,
            _ => {
                return Err(unreachable(format!(
                    "Request URL has an unsupported protocol '{scheme}://'."
                )));
            }
        };
        if rest.contains(['?', '#', ';']) {
            return Err(unparsable(url));
        }
        let place = match rest.starts_with('/') {
            true => Some(Place::Unix(PathBuf::from(rest))),
            false => tcp(rest, if is_tls { 443 } else { 80 }),
        };
        let host = Self {
            is_tls,
            place: place.ok_or_else(|| unparsable(url))?,
        };
        host.server_name().ok_or_else(|| unparsable(url))?;
        Ok(host)
    }
}

fn unparsable(url: &str) -> Failure {
    Failure::BadValue(format!(
        "Could not parse the '--host' parameter\n\
         '{url}' is neither http[s]://HOST:PORT nor http[s]:///path/to/socket."
    ))
}

/// `HOST`, `HOST:PORT` or `[IPv6]:PORT`, perhaps followed by one slash.
fn tcp(rest: &str, default_port: u16) -> Option<Place> {
    let authority = rest.strip_suffix('/').unwrap_or(rest);
    if authority.contains(['/', '@', ' ']) {
        return None;
    }
    let (name, port) = match authority.strip_prefix('[') {
        Some(bracketed) => {
            let (name, after) = bracketed.split_once(']')?;
            match after {
                "" => (name, None),
                after => (name, Some(after.strip_prefix(':')?)),
            }
        }
        None => match authority.split_once(':') {
            Some((name, port)) => (name, Some(port)),
            None => (authority, None),
        },
    };
    let port = port.map_or(Ok(default_port), str::parse).ok()?;
    (!name.is_empty()).then(|| Place::Tcp {
        name: name.to_owned(),
        port,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn host(url: &str) -> Result<Host, String> {
        url.parse::<Host>().map_err(|failure| failure.to_string())
    }

    fn tcp(is_tls: bool, name: &str, port: u16) -> Result<Host, String> {
        let name = name.to_owned();
        Ok(Host {
            is_tls,
            place: Place::Tcp { name, port },
        })
    }

    #[test]
    fn an_empty_authority_means_a_unix_socket() {
        let unix = |is_tls, path: &str| {
            Ok(Host {
                is_tls,
                place: Place::Unix(path.into()),
            })
        };
        assert_eq!(host(DEFAULT_HOST), unix(false, "/var/run/kleened.sock"));
        assert_eq!(host("https:///s"), unix(true, "/s"));
    }

    #[test]
    fn an_authority_means_tcp() {
        assert_eq!(host("http://127.0.0.1:8085/"), tcp(false, "127.0.0.1", 8085));
        assert_eq!(host("https://[::1]:8085"), tcp(true, "::1", 8085));
        assert_eq!(host("http://[::1]"), tcp(false, "::1", 80));
        assert_eq!(host("http://example.org"), tcp(false, "example.org", 80));
        assert_eq!(host("https://example.org"), tcp(true, "example.org", 443));
    }

    #[test]
    fn requests_name_the_authority_and_certificates_the_host() {
        let address = host("https://[::1]:8085").unwrap();
        assert_eq!(address.authority(), "[::1]:8085");
        assert_eq!(address.server_name(), ServerName::try_from("::1".to_owned()).ok());
        let socket = host("https:///s").unwrap();
        assert_eq!(socket.authority(), "localhost");
        assert_eq!(
            socket.server_name(),
            ServerName::try_from("localhost".to_owned()).ok()
        );
    }

    #[test]
    fn other_protocols_are_refused_in_the_contracts_words() {
        assert_eq!(
            host("htyp:///x").unwrap_err(),
            "unable to connect to kleened: Request URL has an unsupported protocol 'htyp://'."
        );
        assert!(host("/var/run/x").unwrap_err().starts_with(
            "unable to connect to kleened: Request URL is missing an 'http://' or 'https://' protocol."
        ));
    }

    #[test]
    fn what_does_not_belong_into_the_address_is_refused() {
        for url in [
            "http://a:1/x",
            "http://a:1?x=y",
            "http:///s#f",
            "http:///s;p",
            "http://a:b",
            "http://a:70000",
            "http://::1:80",
            "http://[::1",
            "http://[::1]80",
            "http://:80",
            "http://",
            "http://me@a:1",
            "https://not a name:1",
        ] {
            assert!(
                host(url)
                    .unwrap_err()
                    .starts_with("Could not parse the '--host' parameter"),
                "{url}"
            );
        }
    }
}
