//! The outcome of all sources: a socket and, for `https`, whom to trust there and as whom to appear.

use std::path::PathBuf;

use super::{DEFAULT_HOST, Host, Parameters, expand_home};
use crate::failure::Failure;

/// Where the daemon is and how to speak with it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DaemonAddress {
    /// The socket.
    pub host: Host,
    /// How TLS is spoken, if the host wants it.
    pub tls: Tls,
}

/// How TLS is spoken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tls {
    /// Whom to trust.
    pub trust: Trust,
    /// As whom to appear.
    pub identity: Option<Identity>,
}

/// Whose certificates are trusted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Trust {
    /// Everybody's: the connection is encrypted and nothing else.
    Anybody,
    /// Those of the authorities that the system trusts.
    System,
    /// Those of the authorities in this PEM file.
    Authorities(PathBuf),
}

/// A client certificate with its key, both in PEM files.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Identity {
    /// The certificate, perhaps followed by those between it and its authority.
    pub certificate: PathBuf,
    /// Its key.
    pub key: PathBuf,
}

impl DaemonAddress {
    /// Makes sense of the parameters. Authorities imply verification, even against `--no-tlsverify`: who names
    /// them wants nobody else's certificates.
    ///
    /// # Errors
    /// If the host cannot be read, or certificate or key come without the other.
    pub fn resolve(parameters: Parameters) -> Result<Self, Failure> {
        let trust = match (parameters.tlscacert, parameters.tlsverify) {
            (Some(path), _) => Trust::Authorities(expand_home(&path)),
            (None, Some(true)) => Trust::System,
            (None, Some(false) | None) => Trust::Anybody,
        };
        let identity = match (parameters.tlscert, parameters.tlskey) {
            (Some(certificate), Some(key)) => Some(Identity {
                certificate: expand_home(&certificate),
                key: expand_home(&key),
            }),
            (Some(_), None) => return Err(half_identity("--tlscert", "--tlskey")),
            (None, Some(_)) => return Err(half_identity("--tlskey", "--tlscert")),
            (None, None) => None,
        };
        Ok(Self {
            host: parameters.host.as_deref().unwrap_or(DEFAULT_HOST).parse()?,
            tls: Tls { trust, identity },
        })
    }
}

fn half_identity(given: &str, missing: &str) -> Failure {
    Failure::BadValue(format!(
        "When '{given}' is set you must also provide the '{missing}'"
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn trust(tlsverify: Option<bool>, tlscacert: Option<&str>) -> Trust {
        let parameters = Parameters {
            tlsverify,
            tlscacert: tlscacert.map(PathBuf::from),
            ..Parameters::default()
        };
        DaemonAddress::resolve(parameters).unwrap().tls.trust
    }

    #[test]
    fn nothing_is_verified_unless_asked_for() {
        assert_eq!(trust(None, None), Trust::Anybody);
        assert_eq!(trust(Some(false), None), Trust::Anybody);
        assert_eq!(trust(Some(true), None), Trust::System);
    }

    #[test]
    fn authorities_imply_verification() {
        let authorities = Trust::Authorities("/ca.pem".into());
        for tlsverify in [None, Some(false), Some(true)] {
            assert_eq!(trust(tlsverify, Some("/ca.pem")), authorities);
        }
    }

    #[test]
    fn certificate_and_key_come_together() {
        let certificate = Parameters {
            tlscert: Some("/cert.pem".into()),
            ..Parameters::default()
        };
        assert_eq!(
            DaemonAddress::resolve(certificate).unwrap_err().to_string(),
            "When '--tlscert' is set you must also provide the '--tlskey'"
        );
        let key = Parameters {
            tlskey: Some("/key.pem".into()),
            ..Parameters::default()
        };
        assert_eq!(
            DaemonAddress::resolve(key).unwrap_err().to_string(),
            "When '--tlskey' is set you must also provide the '--tlscert'"
        );
    }
}
