//! `kleened tls-init DIRECTORY`: an authority of one's own, a certificate for the daemon and one for a client.
//!
//! It is for people who have no authority yet. Files are for their owner alone, and none is ever overwritten.

use std::fs::{self, DirBuilder, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DnType, ExtendedKeyUsagePurpose, IsCa, KeyPair,
    KeyUsagePurpose,
};

use crate::config::Config;

/// How long certificates are valid: ten years.
const VALIDITY: Duration = Duration::from_secs(10 * 365 * 24 * 60 * 60);
/// How far the clocks of client and daemon may differ on the first day.
const CLOCK_SKEW: Duration = Duration::from_secs(24 * 60 * 60);

/// What the certificates say about whom they belong to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Identities {
    /// Names and addresses of the daemon's host, as clients write them.
    pub server: Vec<String>,
    /// Name of the client; for a person to read.
    pub client: String,
}

impl Default for Identities {
    /// The daemon as it is reached from its own host.
    fn default() -> Self {
        Self {
            server: ["localhost", "127.0.0.1", "::1"].map(str::to_owned).to_vec(),
            client: "klee".to_owned(),
        }
    }
}

impl Identities {
    /// Those of this host's name, and `more`.
    #[must_use]
    pub fn of_this_host(more: Vec<String>) -> Self {
        let mut identities = Self::default();
        let uname = rustix::system::uname();
        let hostname = uname.nodename().to_str().unwrap_or_default().to_owned();
        for name in std::iter::once(hostname).chain(more) {
            if !name.is_empty() && !identities.server.contains(&name) {
                identities.server.push(name);
            }
        }
        identities
    }
}

/// Why there are no certificates.
#[derive(Debug, thiserror::Error)]
pub enum TlsInitError {
    /// A file is there already.
    #[error("{} exists; it was left alone and nothing was written. Choose another directory or move it away", path.display())]
    Exists {
        /// The file.
        path: PathBuf,
    },
    /// A file or directory cannot be made.
    #[error("cannot write {}: {source}", path.display())]
    Write {
        /// The file or directory.
        path: PathBuf,
        /// What the operating system said.
        source: io::Error,
    },
    /// A name cannot stand in a certificate, or keys cannot be made.
    #[error("cannot make a certificate: {0}")]
    Certificate(#[from] rcgen::Error),
}

/// Makes the certificates and writes them to `directory`, which is made if it is missing.
///
/// # Errors
/// [`TlsInitError::Exists`] before anything is written; else see [`TlsInitError`].
pub fn write(directory: &Path, identities: &Identities) -> Result<Vec<PathBuf>, TlsInitError> {
    let files = certificates(identities)?;
    let paths: Vec<PathBuf> = files.iter().map(|(name, _)| directory.join(name)).collect();
    if let Some(path) = paths.iter().find(|path| fs::symlink_metadata(path).is_ok()) {
        return Err(TlsInitError::Exists { path: path.clone() });
    }
    let failed = |path: &Path, source| TlsInitError::Write {
        path: path.to_owned(),
        source,
    };
    DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(directory)
        .map_err(|error| failed(directory, error))?;
    for (path, (_, text)) in paths.iter().zip(&files) {
        write_new(path, text).map_err(|error| failed(path, error))?;
    }
    Ok(paths)
}

/// What to do with the files, for the person who made them.
#[must_use]
pub fn advice(directory: &Path) -> String {
    let path = |name: &str| directory.join(name).display().to_string();
    let listen = Config::default().listen;
    let local = listen
        .iter()
        .map(|listener| format!("    \"{}\",\n", listener.address()));
    format!(
        "\nFor the daemon, in its configuration before the first [section], in place of 'listen' if it is there. \
         These are all addresses that it listens at, the one for this host included:\n\n\
         listen = [\n{}    {{ address = \"https://0.0.0.0:8443\", tlscert = \"{}\", tlskey = \"{}\", tlscacert = \"{}\", tlsverify = true }},\n]\n\n\
         For a client, copy ca.pem, client.pem and client-key.pem to it and give them to klee:\n\n\
         klee --host https://<this host>:8443 --tlsverify --tlscacert ca.pem --tlscert client.pem --tlskey client-key.pem container ls\n\n\
         {} makes further certificates: keep it safe.\n",
        local.collect::<String>(),
        path("server.pem"),
        path("server-key.pem"),
        path("ca.pem"),
        path("ca-key.pem"),
    )
}

fn write_new(path: &Path, text: &str) -> io::Result<()> {
    let mut file = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(path)?;
    file.write_all(text.as_bytes())?;
    file.sync_all()
}

/// Names and contents of the files.
fn certificates(identities: &Identities) -> Result<[(&'static str, String); 6], rcgen::Error> {
    let mut params = params("Kleene authority", Vec::new())?;
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    let authority = CertifiedIssuer::self_signed(params, KeyPair::generate()?)?;

    let server_name = identities.server.first().map_or("kleened", String::as_str);
    let server = signed(
        &authority,
        server_name,
        identities.server.clone(),
        ExtendedKeyUsagePurpose::ServerAuth,
    )?;
    let client = signed(
        &authority,
        &identities.client,
        Vec::new(),
        ExtendedKeyUsagePurpose::ClientAuth,
    )?;
    Ok([
        ("ca.pem", authority.pem()),
        ("ca-key.pem", authority.key().serialize_pem()),
        ("server.pem", server.0),
        ("server-key.pem", server.1),
        ("client.pem", client.0),
        ("client-key.pem", client.1),
    ])
}

/// Certificate and key.
fn signed(
    authority: &CertifiedIssuer<'_, KeyPair>,
    name: &str,
    alternative_names: Vec<String>,
    purpose: ExtendedKeyUsagePurpose,
) -> Result<(String, String), rcgen::Error> {
    let mut params = params(name, alternative_names)?;
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    params.extended_key_usages = vec![purpose];
    params.use_authority_key_identifier_extension = true;
    let key = KeyPair::generate()?;
    let certificate = params.signed_by(&key, authority)?;
    Ok((certificate.pem(), key.serialize_pem()))
}

fn params(name: &str, alternative_names: Vec<String>) -> Result<CertificateParams, rcgen::Error> {
    let mut params = CertificateParams::new(alternative_names)?;
    let now = SystemTime::now();
    params.not_before = (now - CLOCK_SKEW).into();
    params.not_after = (now + VALIDITY).into();
    params.distinguished_name.push(DnType::CommonName, name);
    Ok(params)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    fn mode(path: &Path) -> u32 {
        fs::metadata(path).unwrap().permissions().mode() & 0o777
    }

    #[test]
    fn the_files_are_for_their_owner_alone() {
        let temporary = tempfile::tempdir().unwrap();
        let directory = temporary.path().join("tls");
        let paths = write(&directory, &Identities::default()).unwrap();
        assert_eq!(mode(&directory), 0o700);
        assert_eq!(paths.len(), 6);
        for path in paths {
            assert_eq!(mode(&path), 0o600, "{}", path.display());
        }
    }

    #[test]
    fn nothing_is_overwritten_and_nothing_is_begun() {
        let temporary = tempfile::tempdir().unwrap();
        let precious = temporary.path().join("client-key.pem");
        fs::write(&precious, "precious").unwrap();
        let message = write(temporary.path(), &Identities::default())
            .unwrap_err()
            .to_string();
        assert!(
            message.starts_with(&format!("{} exists; it was left alone", precious.display())),
            "{message}"
        );
        assert_eq!(fs::read_to_string(&precious).unwrap(), "precious");
        assert_eq!(fs::read_dir(temporary.path()).unwrap().count(), 1);
    }

    #[test]
    fn the_host_is_known_by_its_name_and_by_what_was_given_once_each() {
        let given = vec!["10.0.0.1".to_owned(), "localhost".to_owned()];
        let identities = Identities::of_this_host(given);
        assert!(identities.server.contains(&"10.0.0.1".to_owned()));
        let locals = identities
            .server
            .iter()
            .filter(|name| *name == "localhost")
            .count();
        assert_eq!(locals, 1);
    }

    #[test]
    fn a_name_that_no_certificate_can_hold_is_refused() {
        let identities = Identities {
            server: vec!["höst".to_owned()],
            ..Identities::default()
        };
        let temporary = tempfile::tempdir().unwrap();
        let refused = write(temporary.path(), &identities);
        assert!(matches!(refused, Err(TlsInitError::Certificate(_))));
        assert_eq!(fs::read_dir(temporary.path()).unwrap().count(), 0);
    }
}
