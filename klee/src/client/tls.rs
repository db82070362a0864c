//! TLS: which certificates are trusted, which is shown, and what to say when it fails.

mod explanation;
mod verifier;

use std::io;
use std::path::Path;
use std::sync::Arc;

use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tokio_rustls::rustls::client::danger::ServerCertVerifier;
use tokio_rustls::rustls::crypto::{CryptoProvider, ring};
use tokio_rustls::rustls::pki_types::pem::{self, PemObject};
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use tokio_rustls::rustls::{self, ClientConfig, RootCertStore};

use super::stream::{Stream, in_words};
use crate::config::{Host, Identity, Place, Tls, Trust};
use crate::failure::Failure;

pub use explanation::words;

/// Makes streams secure.
#[derive(Debug)]
pub struct Connector {
    config: Arc<ClientConfig>,
    server_name: ServerName<'static>,
    tls: Tls,
}

impl Connector {
    /// For streams to `host`; reads certificates and keys.
    ///
    /// # Errors
    /// If a file cannot be read or holds something else, or if the system trusts nobody.
    pub fn new(host: &Host, tls: Tls) -> Result<Self, Failure> {
        let provider = Arc::new(ring::default_provider());
        let config = ClientConfig::builder_with_provider(Arc::clone(&provider))
            .with_safe_default_protocol_versions()
            .map_err(|error| unusable(&format!("TLS cannot be used: {error}")))?
            .dangerous()
            .with_custom_certificate_verifier(verifier(&tls.trust, provider)?);
        let config = match &tls.identity {
            Some(identity) => {
                let (certificates, key) = read_identity(identity)?;
                let both = config.with_client_auth_cert(certificates, key);
                both.map_err(|error| {
                    unusable(&format!(
                        "the key {} (--tlskey) cannot be used with the certificate {} (--tlscert): {error}",
                        identity.key.display(),
                        identity.certificate.display()
                    ))
                })?
            }
            None => config.with_no_client_auth(),
        };
        let server_name = host
            .server_name()
            .ok_or_else(|| unusable(&format!("no certificate can be valid for {}", host.place)))?;
        Ok(Self {
            config: Arc::new(config),
            server_name,
            tls,
        })
    }

    /// Speaks TLS over `stream` from now on.
    pub async fn secure(&self, stream: Box<dyn Stream>) -> io::Result<TlsStream<Box<dyn Stream>>> {
        let connector = TlsConnector::from(Arc::clone(&self.config));
        connector.connect(self.server_name.clone(), stream).await
    }

    /// Whether a client certificate is shown to daemons that ask for one.
    pub fn has_identity(&self) -> bool {
        self.tls.identity.is_some()
    }

    /// What went wrong at `place`, and what to try.
    pub fn explain(&self, error: &rustls::Error, place: &Place) -> String {
        format!("{}\n{}", words(error), explanation::hint(error, place, &self.tls))
    }
}

fn verifier(trust: &Trust, provider: Arc<CryptoProvider>) -> Result<Arc<dyn ServerCertVerifier>, Failure> {
    let trusted = match trust {
        Trust::Anybody => return Ok(Arc::new(verifier::Anybody::new(provider))),
        Trust::Authorities(path) => read_certificates(path, "--tlscacert")?,
        Trust::System => system_certificates()?,
    };
    let mut roots = RootCertStore::empty();
    let (usable, _) = roots.add_parsable_certificates(trusted.iter().cloned());
    if usable == 0 {
        return Err(unusable(&match trust {
            Trust::Authorities(path) => {
                format!(
                    "{} (--tlscacert) holds no certificate that can be used",
                    path.display()
                )
            }
            _ => "no authority that this system trusts can be used".to_owned(),
        }));
    }
    let verifier = verifier::Trusted::new(roots, trusted, provider)
        .map_err(|error| unusable(&format!("certificates cannot be verified: {error}")))?;
    Ok(Arc::new(verifier))
}

fn system_certificates() -> Result<Vec<CertificateDer<'static>>, Failure> {
    let found = rustls_native_certs::load_native_certs();
    if found.certs.is_empty() {
        let reason = found.errors.first().map(|error| format!(" ({error})"));
        return Err(unusable(&format!(
            "this system has no certificates of authorities to trust{}\n\
             Install them (on Debian the package ca-certificates), or give the daemon's with '--tlscacert'.",
            reason.unwrap_or_default()
        )));
    }
    Ok(found.certs)
}

type ReadIdentity = (Vec<CertificateDer<'static>>, PrivateKeyDer<'static>);

fn read_identity(identity: &Identity) -> Result<ReadIdentity, Failure> {
    let certificates = read_certificates(&identity.certificate, "--tlscert")?;
    let key = PrivateKeyDer::from_pem_file(&identity.key)
        .map_err(|error| unreadable(&identity.key, "--tlskey", "key", error))?;
    Ok((certificates, key))
}

fn read_certificates(path: &Path, option: &str) -> Result<Vec<CertificateDer<'static>>, Failure> {
    let certificates = CertificateDer::pem_file_iter(path)
        .and_then(|certificates| certificates.collect::<Result<Vec<_>, _>>())
        .and_then(|certificates| match certificates.is_empty() {
            true => Err(pem::Error::NoItemsFound),
            false => Ok(certificates),
        });
    certificates.map_err(|error| unreadable(path, option, "certificate", error))
}

fn unreadable(path: &Path, option: &str, what: &str, error: pem::Error) -> Failure {
    let reason = match error {
        pem::Error::Io(error) => in_words(&error),
        pem::Error::NoItemsFound => format!("there is no {what} in PEM form in it"),
        other => other.to_string(),
    };
    unusable(&format!("cannot read {} ({option}): {reason}", path.display()))
}

fn unusable(reason: &str) -> Failure {
    Failure::Unreachable {
        reason: reason.to_owned(),
    }
}
