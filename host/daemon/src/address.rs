//! Where the daemon listens, as users write it: `http://127.0.0.1:8080`, `https://[::1]`, `http:///var/run/kleened.sock`.
//!
//! Parsing only; sockets are opened in [`listen`](crate::listen).

use std::fmt;
use std::net::{IpAddr, Ipv6Addr, SocketAddr};
use std::path::PathBuf;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// How to speak at a place to listen at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scheme {
    /// Plain.
    Http,
    /// Within TLS.
    Https,
}

impl Scheme {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Http => "http",
            Self::Https => "https",
        }
    }

    /// The port of an address that names none.
    const fn default_port(self) -> u16 {
        match self {
            Self::Http => 80,
            Self::Https => 443,
        }
    }
}

/// A place to listen at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Place {
    /// `<IP>[:<port>]`
    Tcp(SocketAddr),
    /// An absolute path.
    Unix(PathBuf),
}

/// `http[s]://<IP>[:<port>]` or `http[s]://<absolute path>`, that is three slashes.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, Serialize)]
#[serde(try_from = "String", into = "String")]
pub struct ListenAddress {
    /// How to speak there.
    pub scheme: Scheme,
    /// Where it is.
    pub place: Place,
}

/// Why a text is not an address to listen at.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "cannot listen at '{text}': {reason}; write http[s]://<IP>[:<port>] or http[s]:///<path of a UNIX socket>"
)]
pub struct AddressError {
    text: String,
    reason: &'static str,
}

impl ListenAddress {
    /// A UNIX socket without TLS.
    pub fn unix(path: impl Into<PathBuf>) -> Self {
        Self {
            scheme: Scheme::Http,
            place: Place::Unix(path.into()),
        }
    }

    /// Whether TLS is spoken there.
    #[must_use]
    pub fn is_secure(&self) -> bool {
        self.scheme == Scheme::Https
    }
}

impl FromStr for ListenAddress {
    type Err = AddressError;

    fn from_str(text: &str) -> Result<Self, AddressError> {
        let refuse = |reason| AddressError {
            text: text.to_owned(),
            reason,
        };
        let (scheme, rest) = text.split_once("://").ok_or_else(|| refuse("it has no scheme"))?;
        let scheme = match scheme {
            "http" => Scheme::Http,
            "https" => Scheme::Https,
            _ => return Err(refuse("its scheme is neither http nor https")),
        };
        if rest.contains(['?', '#', '@']) {
            return Err(refuse("user, query and fragment have no meaning here"));
        }
        let place = if rest.starts_with('/') {
            match rest.trim_end_matches('/') {
                "" => return Err(refuse("the path of the socket is empty")),
                path => Place::Unix(path.into()),
            }
        } else {
            let host = rest.strip_suffix('/').unwrap_or(rest);
            parse_ip_and_port(host, scheme.default_port())
                .map(Place::Tcp)
                .ok_or_else(|| refuse("the host is not an IP address with an optional port"))?
        };
        Ok(Self { scheme, place })
    }
}

/// `10.0.0.1`, `10.0.0.1:8080`, `[::1]` or `[::1]:8080`.
fn parse_ip_and_port(host: &str, default_port: u16) -> Option<SocketAddr> {
    if let Ok(address) = host.parse() {
        return Some(address);
    }
    let ip = match host.strip_prefix('[') {
        Some(bracketed) => IpAddr::V6(bracketed.strip_suffix(']')?.parse::<Ipv6Addr>().ok()?),
        None => IpAddr::V4(host.parse().ok()?),
    };
    Some(SocketAddr::new(ip, default_port))
}

impl TryFrom<String> for ListenAddress {
    type Error = AddressError;

    fn try_from(text: String) -> Result<Self, AddressError> {
        text.parse()
    }
}

impl From<ListenAddress> for String {
    fn from(address: ListenAddress) -> Self {
        address.to_string()
    }
}

impl fmt::Display for ListenAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}://{}", self.scheme.as_str(), self.place)
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp(address) => write!(f, "{address}"),
            Self::Unix(path) => write!(f, "{}", path.display()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(scheme: Scheme, text: &str) -> ListenAddress {
        ListenAddress {
            scheme,
            place: Place::Tcp(text.parse().unwrap()),
        }
    }

    #[test]
    fn ip_addresses_take_a_port_or_get_the_one_of_the_scheme() {
        let http = |text| Ok(address(Scheme::Http, text));
        let https = |text| Ok(address(Scheme::Https, text));
        assert_eq!("http://127.0.0.1:8080".parse(), http("127.0.0.1:8080"));
        assert_eq!("http://127.0.0.1".parse(), http("127.0.0.1:80"));
        assert_eq!("http://[::1]:8080".parse(), http("[::1]:8080"));
        assert_eq!("http://[::1]/".parse(), http("[::1]:80"));
        assert_eq!("https://127.0.0.1".parse(), https("127.0.0.1:443"));
        assert_eq!("https://[::1]".parse(), https("[::1]:443"));
    }

    #[test]
    fn three_slashes_are_a_unix_socket() {
        let socket = ListenAddress::unix("/var/run/kleened.sock");
        assert_eq!("http:///var/run/kleened.sock".parse(), Ok(socket.clone()));
        assert_eq!("http:///var/run/kleened.sock/".parse(), Ok(socket.clone()));
        assert_eq!(socket.to_string(), "http:///var/run/kleened.sock");
        let secure: ListenAddress = "https:///var/run/kleened.sock".parse().unwrap();
        assert!(secure.is_secure());
        assert_eq!(secure.to_string(), "https:///var/run/kleened.sock");
    }

    #[test]
    fn anything_else_is_refused_with_the_two_forms_that_work() {
        for text in [
            "/var/run/kleened.sock",
            "ftp://127.0.0.1",
            "http://localhost:8080",
            "http://::1",
            "http://127.0.0.1:99999",
            "http://127.0.0.1/path",
            "http://user@127.0.0.1",
            "http:///",
            "https://",
        ] {
            let message = text.parse::<ListenAddress>().unwrap_err().to_string();
            assert!(message.contains(&format!("'{text}'")), "{message}");
            assert!(
                message.ends_with("write http[s]://<IP>[:<port>] or http[s]:///<path of a UNIX socket>"),
                "{message}"
            );
        }
    }
}
