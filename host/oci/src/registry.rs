//! Images in registries (OCI distribution specification), by `oci-client`.

mod download;
mod failure;
mod upload;

use std::fmt;
use std::future::Future;
use std::panic::AssertUnwindSafe;
use std::path::Path;
use std::time::Duration;

use futures_util::FutureExt;
use kleene_fetch::{authorities, prepare_tls, wait};
use kleene_rootfs::archive::Limits;
use oci_client::client::{Certificate, CertificateEncoding, ClientConfig, ClientProtocol};
use oci_client::errors::OciDistributionError;
use oci_client::secrets::RegistryAuth;
use oci_client::{Client, RegistryOperation};

use self::download::Downloads;
use crate::Progress;
use crate::digest::Digest;
use crate::error::{OciError, Result};
use crate::image::{Image, Layer, verify};
use crate::layout::MAX_DOCUMENT;
use crate::manifest::{DOCKER_INDEX, DOCKER_MANIFEST, Document, INDEX, MANIFEST, Manifest};
use crate::pack::PackedImage;
use crate::platform::Platform;
use crate::reference::Reference;

/// How long silence is borne while connecting, and afterwards.
const CONNECT_WITHIN: Duration = Duration::from_secs(30);
const SILENCE: Duration = Duration::from_secs(60);

/// Who asks.
#[derive(Clone, PartialEq, Eq)]
pub struct Credentials {
    /// The user.
    pub username: String,
    /// The password, or a token in its place.
    pub password: String,
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Credentials")
            .field("username", &self.username)
            .finish_non_exhaustive()
    }
}

/// The registry of a reference, as somebody who may or may not be known there.
pub struct Registry {
    client: Client,
    auth: RegistryAuth,
    reference: Reference,
}

impl fmt::Debug for Registry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Registry")
            .field("reference", &self.reference)
            .finish_non_exhaustive()
    }
}

impl Registry {
    /// The registry that `reference` names. `insecure`: registries (`host[:port]`) that are spoken to without TLS, as those
    /// on this host are.
    ///
    /// # Errors
    /// [`OciError::Registry`] if this process cannot be a client.
    pub fn new(reference: Reference, credentials: Option<Credentials>, insecure: &[String]) -> Result<Self> {
        prepare_tls();
        let is_plain =
            reference.is_on_this_host() || insecure.iter().any(|registry| registry == reference.registry());
        let protocol = if is_plain {
            ClientProtocol::Http
        } else {
            ClientProtocol::Https
        };
        let trusted = authorities().into_iter().map(|der| Certificate {
            encoding: CertificateEncoding::Der,
            data: der.to_vec(),
        });
        let config = ClientConfig {
            protocol,
            use_monolithic_push: true,
            tls_certs_only: trusted.collect(),
            platform_resolver: None,
            read_timeout: Some(SILENCE),
            connect_timeout: Some(CONNECT_WITHIN),
            user_agent: concat!("kleened/", env!("CARGO_PKG_VERSION")),
            ..ClientConfig::default()
        };
        let client = Client::try_from(config).map_err(|error| failure::explain(&reference, &error))?;
        let auth = match credentials {
            Some(Credentials { username, password }) => RegistryAuth::Basic(username, password),
            None => RegistryAuth::Anonymous,
        };
        Ok(Self {
            client,
            auth,
            reference,
        })
    }

    /// Finds the image for a platform, by tag or digest. Its layers are fetched, several at a time, as soon as the first
    /// is wanted, into files without names in `scratch`.
    ///
    /// # Errors
    /// [`OciError::Registry`] with what the registry or the connection says; [`OciError::NoSuchPlatform`],
    /// [`OciError::WrongDigest`], [`OciError::Malformed`], [`OciError::GivenUp`].
    pub fn pull<'a>(
        &self,
        wanted: &Platform,
        scratch: &Path,
        limits: &Limits,
        given_up: &'a dyn Fn() -> bool,
    ) -> Result<Image<'a>> {
        let place = self.reference.to_string();
        self.authenticate(RegistryOperation::Pull, given_up)?;
        let manifest = self.manifest(wanted, given_up)?;
        let size: u64 = manifest
            .layers
            .iter()
            .fold(0, |sum, layer| sum.saturating_add(layer.size));
        if size > limits.bytes {
            return Err(OciError::Rootfs(kleene_rootfs::Error::LimitReached {
                excess: format!("is larger than {} bytes", limits.bytes),
            }));
        }
        let config = self.config(&manifest, given_up)?;
        let layers = manifest.layers.iter().map(|layer| Layer {
            digest: Some(layer.digest.clone()),
            size: layer.size,
        });
        let layers = layers.collect();
        let downloads = Downloads {
            client: self.client.clone(),
            reference: self.reference.clone(),
            layers: manifest.layers.clone(),
            scratch: scratch.to_owned(),
            given_up,
            under_way: None,
        };
        Image::new(
            &place,
            self.reference.nametag(),
            &config,
            layers,
            Box::new(downloads),
        )
    }

    /// Sends an image: what the registry does not have of it, and then its manifest, under the tag. Returns the digest
    /// by which it can be pulled.
    ///
    /// # Errors
    /// [`OciError::Registry`], [`OciError::GivenUp`].
    pub fn push(
        &self,
        image: &PackedImage,
        given_up: &dyn Fn() -> bool,
        progress: &mut dyn FnMut(Progress),
    ) -> Result<Digest> {
        self.authenticate(RegistryOperation::Push, given_up)?;
        upload::upload(self, image, given_up, progress)?;
        Ok(image.digest())
    }

    fn authenticate(&self, operation: RegistryOperation, given_up: &dyn Fn() -> bool) -> Result<()> {
        let work = self.client.auth(self.reference.inner(), &self.auth, operation);
        self.waited(given_up, work).map(drop)
    }

    fn manifest(&self, wanted: &Platform, given_up: &dyn Fn() -> bool) -> Result<Manifest> {
        let place = self.reference.to_string();
        match Document::parse(&self.raw_manifest(&self.reference, given_up)?, &place)? {
            Document::Manifest(manifest) => Ok(manifest),
            Document::Index(index) => {
                let chosen = index.choose(wanted, &place)?;
                let raw = self.raw_manifest(&self.reference.at(&chosen.digest), given_up)?;
                verify("the manifest", &place, &chosen.digest, Digest::of(&raw))?;
                match Document::parse(&raw, &place)? {
                    Document::Manifest(manifest) => Ok(manifest),
                    Document::Index(_) => Err(OciError::malformed(
                        "the index",
                        place,
                        "it leads to another index",
                    )),
                }
            }
        }
    }

    fn raw_manifest(&self, reference: &Reference, given_up: &dyn Fn() -> bool) -> Result<Vec<u8>> {
        let accepted = [MANIFEST, INDEX, DOCKER_MANIFEST, DOCKER_INDEX];
        let work = self
            .client
            .pull_manifest_raw(reference.inner(), &self.auth, &accepted);
        let (raw, _) = self.waited(given_up, work)?;
        if let Some(digest) = reference.inner().digest() {
            verify(
                "the manifest",
                &reference.to_string(),
                &digest.parse()?,
                Digest::of(&raw),
            )?;
        }
        Ok(raw.to_vec())
    }

    fn config(&self, manifest: &Manifest, given_up: &dyn Fn() -> bool) -> Result<Vec<u8>> {
        let place = self.reference.to_string();
        let config = &manifest.config;
        if config.size > MAX_DOCUMENT {
            return Err(OciError::malformed(
                "the configuration",
                place,
                format!("it has more than {MAX_DOCUMENT} bytes"),
            ));
        }
        let work = download::document(&self.client, &self.reference, config);
        let content = self.waited(given_up, work)?;
        verify("the configuration", &place, &config.digest, Digest::of(&content))?;
        Ok(content)
    }

    /// Waits for a request, and says in words what went wrong.
    fn waited<T>(
        &self,
        given_up: &dyn Fn() -> bool,
        work: impl Future<Output = std::result::Result<T, OciDistributionError>>,
    ) -> Result<T> {
        waited(&self.reference, given_up, work)?.map_err(|error| failure::explain(&self.reference, &error))
    }
}

/// Waits for work with a registry. The client has places that an answer against all rules makes panic.
fn waited<T>(reference: &Reference, given_up: &dyn Fn() -> bool, work: impl Future<Output = T>) -> Result<T> {
    let failed = |reason: String| OciError::Registry {
        reference: reference.to_string(),
        reason,
    };
    match wait(given_up, AssertUnwindSafe(work).catch_unwind()) {
        Ok(Some(Ok(value))) => Ok(value),
        Ok(Some(Err(_))) => Err(failed("the registry answers against all rules".to_owned())),
        Ok(None) => Err(OciError::GivenUp),
        Err(error) => Err(failed(format!("cannot make threads: {error}"))),
    }
}
