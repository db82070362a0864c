//! What the daemon needs to speak TLS at a socket: certificate, key and whom to trust, read from files in PEM form.
//!
//! The connections themselves are in [`handshake`](crate::handshake).

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use tokio_rustls::rustls::crypto::{CryptoProvider, ring};
use tokio_rustls::rustls::pki_types::pem::{self, PemObject};
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::rustls::server::WebPkiClientVerifier;
use tokio_rustls::rustls::{self, RootCertStore, ServerConfig};

/// The settings of one listening socket, with the names that they have in a configuration file.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct TlsSettings {
    /// The certificate with all that lead to its authority; it may contain the key.
    pub tlscert: PathBuf,
    /// The private key; if absent, it is in `tlscert`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tlskey: Option<PathBuf>,
    /// The authorities whose clients are let in.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tlscacert: Option<PathBuf>,
    /// Whether clients must show a certificate of such an authority.
    #[serde(default)]
    pub tlsverify: bool,
    /// Parameters of a key exchange that is not used any more. Known because 0.1.1 knows it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tlsdh: Option<PathBuf>,
}

/// Why a socket cannot speak TLS.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// A file is not there.
    #[error("file in '{key}' does not exist. It is given as {}", path.display())]
    Missing {
        /// The setting.
        key: &'static str,
        /// Its value.
        path: PathBuf,
    },
    /// A file cannot be read.
    #[error("file in '{key}', {}, cannot be read: {source}", path.display())]
    Read {
        /// The setting.
        key: &'static str,
        /// Its value.
        path: PathBuf,
        /// What the operating system said.
        source: io::Error,
    },
    /// A file does not hold what it should.
    #[error("file in '{key}', {}, {reason}", path.display())]
    Content {
        /// The setting.
        key: &'static str,
        /// Its value.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// There is nothing to verify clients with.
    #[error(
        "'tlsverify' needs 'tlscacert', a file with the certificates of the authorities whose clients are let in"
    )]
    NoAuthority,
}

impl TlsSettings {
    /// Reads the files.
    ///
    /// # Errors
    /// [`TlsError`] at the first file that cannot be used.
    pub fn load(&self) -> Result<Arc<ServerConfig>, TlsError> {
        let provider = Arc::new(ring::default_provider());
        let unusable = |error: rustls::Error| self.refuse_certificate(&error);
        let builder = ServerConfig::builder_with_provider(provider.clone())
            .with_safe_default_protocol_versions()
            .map_err(unusable)?;
        let builder = match self.client_authorities()? {
            Some(authorities) => builder.with_client_cert_verifier(self.verifier(authorities, provider)?),
            None => builder.with_no_client_auth(),
        };
        let mut config = builder
            .with_single_cert(certificates("tlscert", &self.tlscert)?, self.key()?)
            .map_err(unusable)?;
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        Ok(Arc::new(config))
    }

    fn key(&self) -> Result<PrivateKeyDer<'static>, TlsError> {
        let (name, path) = match &self.tlskey {
            Some(path) => ("tlskey", path),
            None => ("tlscert", &self.tlscert),
        };
        PrivateKeyDer::from_pem_file(path).map_err(|error| match error {
            pem::Error::NoItemsFound if self.tlskey.is_none() => {
                let reason = "holds no private key: add it, or name its file with 'tlskey'".to_owned();
                content(name, path, reason)
            }
            pem::Error::NoItemsFound => content(name, path, "holds no private key in PEM form".to_owned()),
            error => failed(name, path, error),
        })
    }

    /// `None` if clients need not show a certificate.
    fn client_authorities(&self) -> Result<Option<RootCertStore>, TlsError> {
        let Some(path) = &self.tlscacert else {
            return if self.tlsverify {
                Err(TlsError::NoAuthority)
            } else {
                Ok(None)
            };
        };
        let mut store = RootCertStore::empty();
        for certificate in certificates("tlscacert", path)? {
            let added = store.add(certificate);
            added.map_err(|error| content("tlscacert", path, format!("cannot be used: {error}")))?;
        }
        Ok(self.tlsverify.then_some(store))
    }

    fn verifier(
        &self,
        authorities: RootCertStore,
        provider: Arc<CryptoProvider>,
    ) -> Result<Arc<dyn rustls::server::danger::ClientCertVerifier>, TlsError> {
        WebPkiClientVerifier::builder_with_provider(Arc::new(authorities), provider)
            .build()
            .map_err(|_| TlsError::NoAuthority)
    }

    fn refuse_certificate(&self, error: &rustls::Error) -> TlsError {
        let reason = match error {
            rustls::Error::InconsistentKeys(_) => {
                "holds a certificate of another key than the given one".to_owned()
            }
            error => format!("cannot be used: {error}"),
        };
        content("tlscert", &self.tlscert, reason)
    }
}

fn certificates(key: &'static str, path: &Path) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let all: Result<Vec<_>, _> = CertificateDer::pem_file_iter(path).and_then(Iterator::collect);
    match all {
        Ok(none) if none.is_empty() => Err(content(key, path, "holds no certificate in PEM form".to_owned())),
        Ok(all) => Ok(all),
        Err(error) => Err(failed(key, path, error)),
    }
}

fn content(key: &'static str, path: &Path, reason: String) -> TlsError {
    TlsError::Content {
        key,
        path: path.to_owned(),
        reason,
    }
}

fn failed(key: &'static str, path: &Path, error: pem::Error) -> TlsError {
    let path = path.to_owned();
    match error {
        pem::Error::Io(error) if error.kind() == io::ErrorKind::NotFound => TlsError::Missing { key, path },
        pem::Error::Io(source) => TlsError::Read { key, path, source },
        error => content(key, &path, format!("is not in PEM form: {error}")),
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;
    use crate::tls_init::{self, Identities};

    /// Settings with everything, and the directory of the files.
    fn complete() -> (tempfile::TempDir, TlsSettings) {
        let directory = tempfile::tempdir().unwrap();
        tls_init::write(directory.path(), &Identities::default()).unwrap();
        let path = |name: &str| directory.path().join(name);
        let settings = TlsSettings {
            tlscert: path("server.pem"),
            tlskey: Some(path("server-key.pem")),
            tlscacert: Some(path("ca.pem")),
            tlsverify: true,
            tlsdh: None,
        };
        (directory, settings)
    }

    fn refusal(settings: &TlsSettings) -> String {
        settings.load().unwrap_err().to_string()
    }

    #[test]
    fn certificate_and_key_may_be_in_one_file() {
        let (directory, mut settings) = complete();
        let mut text = fs::read_to_string(&settings.tlscert).unwrap();
        text += &fs::read_to_string(directory.path().join("server-key.pem")).unwrap();
        fs::write(&settings.tlscert, text).unwrap();
        settings.tlskey = None;
        assert!(settings.load().is_ok());
    }

    #[test]
    fn each_missing_file_is_named_with_its_key() {
        let missing = PathBuf::from("/nonexistent/file.pem");
        let (_directory, complete) = complete();
        assert!(complete.load().is_ok());
        for key in ["tlscert", "tlskey", "tlscacert"] {
            let mut settings = complete.clone();
            match key {
                "tlscert" => settings.tlscert.clone_from(&missing),
                "tlskey" => settings.tlskey = Some(missing.clone()),
                _ => settings.tlscacert = Some(missing.clone()),
            }
            let expected = format!("file in '{key}' does not exist. It is given as /nonexistent/file.pem");
            assert_eq!(refusal(&settings), expected);
        }
    }

    #[test]
    fn a_key_that_is_nowhere_is_asked_for() {
        let (_directory, mut settings) = complete();
        settings.tlskey = None;
        let message = refusal(&settings);
        assert!(
            message.ends_with("holds no private key: add it, or name its file with 'tlskey'"),
            "{message}"
        );
    }

    #[test]
    fn a_key_of_another_certificate_is_refused() {
        let (directory, mut settings) = complete();
        settings.tlskey = Some(directory.path().join("client-key.pem"));
        let message = refusal(&settings);
        assert!(
            message.ends_with("holds a certificate of another key than the given one"),
            "{message}"
        );
    }

    #[test]
    fn verifying_clients_needs_an_authority() {
        let (_directory, mut settings) = complete();
        settings.tlscacert = None;
        assert!(refusal(&settings).starts_with("'tlsverify' needs 'tlscacert'"));
    }

    #[test]
    fn what_is_no_certificate_is_refused_with_its_key() {
        let (directory, mut settings) = complete();
        settings.tlscacert = Some(directory.path().join("ca-key.pem"));
        let message = refusal(&settings);
        assert!(message.starts_with("file in 'tlscacert', "), "{message}");
        assert!(message.ends_with("holds no certificate in PEM form"), "{message}");
    }
}
