//! Where the daemon listens, as users write it: `http://127.0.0.1:8080`, `http://[::1]`, `http:///var/run/kleened.sock`.
//!
//! Parsing only; sockets are opened in [`listen`](crate::listen).

use std::fmt;
use std::net::{IpAddr, Ipv6Addr, SocketAddr};
use std::path::PathBuf;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// The port of an address that names none.
const DEFAULT_PORT: u16 = 80;

/// A place to listen at.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, Serialize)]
#[serde(try_from = "String", into = "String")]
pub enum ListenAddress {
    /// `http://<IP>[:<port>]`
    Tcp(SocketAddr),
    /// `http://<absolute path>`, that is three slashes
    Unix(PathBuf),
}

/// Why a text is not an address to listen at.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("cannot listen at '{text}': {reason}; write http://<IP>[:<port>] or http:///<path of a UNIX socket>")]
pub struct AddressError {
    text: String,
    reason: &'static str,
}

impl FromStr for ListenAddress {
    type Err = AddressError;

    fn from_str(text: &str) -> Result<Self, AddressError> {
        let refuse = |reason| AddressError {
            text: text.to_owned(),
            reason,
        };
        let (scheme, rest) = text.split_once("://").ok_or_else(|| refuse("it has no scheme"))?;
        if scheme != "http" {
            return Err(refuse("its scheme is not http"));
        }
        if rest.contains(['?', '#', '@']) {
            return Err(refuse("user, query and fragment have no meaning here"));
        }
        if rest.starts_with('/') {
            return match rest.trim_end_matches('/') {
                "" => Err(refuse("the path of the socket is empty")),
                path => Ok(Self::Unix(path.into())),
            };
        }
        let host = rest.strip_suffix('/').unwrap_or(rest);
        parse_ip_and_port(host)
            .map(Self::Tcp)
            .ok_or_else(|| refuse("the host is not an IP address with an optional port"))
    }
}

/// `10.0.0.1`, `10.0.0.1:8080`, `[::1]` or `[::1]:8080`.
fn parse_ip_and_port(host: &str) -> Option<SocketAddr> {
    if let Ok(address) = host.parse() {
        return Some(address);
    }
    let ip = match host.strip_prefix('[') {
        Some(bracketed) => IpAddr::V6(bracketed.strip_suffix(']')?.parse::<Ipv6Addr>().ok()?),
        None => IpAddr::V4(host.parse().ok()?),
    };
    Some(SocketAddr::new(ip, DEFAULT_PORT))
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
        match self {
            Self::Tcp(address) => write!(f, "http://{address}"),
            Self::Unix(path) => write!(f, "http://{}", path.display()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tcp(text: &str) -> ListenAddress {
        ListenAddress::Tcp(text.parse().unwrap())
    }

    #[test]
    fn ip_addresses_take_a_port_or_get_80() {
        assert_eq!("http://127.0.0.1:8080".parse(), Ok(tcp("127.0.0.1:8080")));
        assert_eq!("http://127.0.0.1".parse(), Ok(tcp("127.0.0.1:80")));
        assert_eq!("http://[::1]:8080".parse(), Ok(tcp("[::1]:8080")));
        assert_eq!("http://[::1]/".parse(), Ok(tcp("[::1]:80")));
    }

    #[test]
    fn three_slashes_are_a_unix_socket() {
        let socket = ListenAddress::Unix("/var/run/kleened.sock".into());
        assert_eq!("http:///var/run/kleened.sock".parse(), Ok(socket.clone()));
        assert_eq!("http:///var/run/kleened.sock/".parse(), Ok(socket.clone()));
        assert_eq!(socket.to_string(), "http:///var/run/kleened.sock");
    }

    #[test]
    fn anything_else_is_refused_with_the_two_forms_that_work() {
        for text in [
            "/var/run/kleened.sock",
            "https://127.0.0.1",
            "ftp://127.0.0.1",
            "http://localhost:8080",
            "http://::1",
            "http://127.0.0.1:99999",
            "http://127.0.0.1/path",
            "http://user@127.0.0.1",
            "http:///",
            "http://",
        ] {
            let message = text.parse::<ListenAddress>().unwrap_err().to_string();
            assert!(message.contains(&format!("'{text}'")), "{message}");
            assert!(
                message.ends_with("write http://<IP>[:<port>] or http:///<path of a UNIX socket>"),
                "{message}"
            );
        }
    }
}
