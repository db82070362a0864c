//! Where the daemon is and how output looks: the values of `--host` and `--theme`.
//!
//! TLS is not here yet: an `https` address is refused.

use std::path::PathBuf;
use std::str::FromStr;

use crate::failure::Failure;

/// Where the daemon listens unless told otherwise.
pub const DEFAULT_HOST: &str = "http:///var/run/kleened.sock";

/// How tables and colours look.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Theme {
    /// Lines of Unicode, and colours on terminals.
    Fancy,
    /// ASCII only, no colours.
    Simple,
}

/// Where the daemon listens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Host {
    /// A UNIX socket: `http:///path/to/socket`.
    Unix(PathBuf),
    /// A TCP port: `http://HOST:PORT`.
    Tcp(String),
}

impl Host {
    /// What requests carry in their `Host` header.
    pub fn authority(&self) -> &str {
        match self {
            Self::Unix(_) => "localhost",
            Self::Tcp(authority) => authority,
        }
    }
}

impl FromStr for Host {
    type Err = Failure;

    fn from_str(url: &str) -> Result<Self, Failure> {
        let unreachable = |reason: String| Failure::Unreachable { reason };
        let Some((scheme, rest)) = url.split_once("://") else {
            return Err(unreachable(
                "Request URL is missing an 'http://' or 'https://' protocol.".to_owned(),
            ));
        };
        match scheme {
            "http" => {}
            "https" => {
                return Err(unreachable(format!(
                    "this version of klee does not speak TLS: use an 'http://' address instead of '{url}'"
                )));
            }
            _ => {
                return Err(unreachable(format!(
                    "Request URL has an unsupported protocol '{scheme}://'."
                )));
            }
        }
        if rest.contains(['?', '#', ';']) {
            return Err(unparsable(url));
        }
        if rest.starts_with('/') {
            return Ok(Self::Unix(PathBuf::from(rest)));
        }
        tcp(rest).ok_or_else(|| unparsable(url))
    }
}

fn unparsable(url: &str) -> Failure {
    Failure::BadValue(format!(
        "Could not parse the '--host' parameter\n\
         '{url}' is neither http://HOST:PORT nor http:///path/to/socket."
    ))
}

/// `HOST`, `HOST:PORT` or `[IPv6]:PORT`, perhaps followed by one slash; the port is 80 unless given.
fn tcp(rest: &str) -> Option<Host> {
    let authority = rest.strip_suffix('/').unwrap_or(rest);
    if authority.is_empty() || authority.contains(['/', '@', ' ']) {
        return None;
    }
    let after_address = authority.rfind(']').map_or(0, |end| end + 1);
    match authority[after_address..].rsplit_once(':') {
        Some((_, port)) => {
            port.parse::<u16>().ok()?;
            Some(Host::Tcp(authority.to_owned()))
        }
        None => Some(Host::Tcp(format!("{authority}:80"))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn host(url: &str) -> Result<Host, String> {
        url.parse::<Host>().map_err(|failure| failure.to_string())
    }

    #[test]
    fn an_empty_authority_means_a_unix_socket() {
        assert_eq!(host(DEFAULT_HOST), Ok(Host::Unix("/var/run/kleened.sock".into())));
    }

    #[test]
    fn an_authority_means_tcp() {
        assert_eq!(
            host("http://127.0.0.1:8085/"),
            Ok(Host::Tcp("127.0.0.1:8085".into()))
        );
        assert_eq!(host("http://[::1]:8085"), Ok(Host::Tcp("[::1]:8085".into())));
        assert_eq!(host("http://[::1]"), Ok(Host::Tcp("[::1]:80".into())));
        assert_eq!(host("http://example.org"), Ok(Host::Tcp("example.org:80".into())));
    }

    #[test]
    fn other_protocols_are_refused_in_the_contracts_words() {
        assert_eq!(
            host("htyp:///x").unwrap_err(),
            "unable to connect to kleened: Request URL has an unsupported protocol 'htyp://'."
        );
        assert_eq!(
            host("/var/run/x").unwrap_err(),
            "unable to connect to kleened: Request URL is missing an 'http://' or 'https://' protocol."
        );
        assert!(host("https://a:1").unwrap_err().contains("does not speak TLS"));
    }

    #[test]
    fn what_does_not_belong_into_the_address_is_refused() {
        for url in [
            "http://a:1/x",
            "http://a:1?x=y",
            "http:///s#f",
            "http://a:b",
            "http://",
            "http://me@a:1",
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
