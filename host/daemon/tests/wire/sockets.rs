//! Contract §1: the interface is the same over TCP and UNIX sockets, plain and within TLS, several at once.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};

use kleene_daemon::address::ListenAddress;
use kleene_daemon::config::Listener;
use kleene_daemon::tls::TlsSettings;
use kleene_daemon::tls_init::{self, Identities};
use serde_json::json;
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::rustls::{ClientConfig, RootCertStore};

use crate::client::{Client, Conversation, Place, Server, failure};
use crate::daemon::Daemon;

/// An address of this host that no other test uses, nor another process that runs the same tests.
fn loopback() -> SocketAddr {
    static USED: AtomicU8 = AtomicU8::new(1);
    let [.., high, low] = std::process::id().to_be_bytes();
    let ip = Ipv4Addr::new(127, high, low, USED.fetch_add(1, Ordering::Relaxed));
    SocketAddr::from((ip, 8443))
}

/// An authority with certificates.
struct Authority(TempDir);

impl Authority {
    fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        tls_init::write(directory.path(), &Identities::default()).unwrap();
        Self(directory)
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn settings(&self) -> TlsSettings {
        TlsSettings {
            tlscert: self.path("server.pem"),
            tlskey: Some(self.path("server-key.pem")),
            ..TlsSettings::default()
        }
    }

    /// Lets only clients of this authority in.
    fn verifying(&self) -> TlsSettings {
        TlsSettings {
            tlscacert: Some(self.path("ca.pem")),
            tlsverify: true,
            ..self.settings()
        }
    }

    /// A client that trusts this authority, and shows the certificate of `own` if there is one.
    fn client(&self, own: Option<&Authority>) -> Arc<ClientConfig> {
        let mut roots = RootCertStore::empty();
        roots.add(certificate(&self.path("ca.pem"))).unwrap();
        let builder = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(roots);
        let config = match own {
            Some(own) => {
                let key = PrivateKeyDer::from_pem_file(own.path("client-key.pem")).unwrap();
                builder
                    .with_client_auth_cert(vec![certificate(&own.path("client.pem"))], key)
                    .unwrap()
            }
            None => builder.with_no_client_auth(),
        };
        Arc::new(config)
    }
}

fn certificate(path: &Path) -> CertificateDer<'static> {
    CertificateDer::from_pem_file(path).unwrap()
}

fn secure(address: &str, settings: TlsSettings) -> Listener {
    Listener::new(address.parse().unwrap(), Some(settings)).unwrap()
}

/// A daemon at one TCP socket within TLS, and how clients of the authority find it.
fn at_tcp(settings: TlsSettings, tls: Arc<ClientConfig>) -> (Daemon, Server) {
    let address = loopback();
    let daemon = Daemon::bare_at(vec![secure(&format!("https://{address}"), settings)]);
    let place = Place::Tcp(address);
    (
        daemon,
        Server {
            place,
            tls: Some(tls),
        },
    )
}

/// Whether a request comes through.
async fn is_served(server: &Server) -> bool {
    let Ok(stream) = server.connect().await else {
        return false;
    };
    // In TLS 1.3 a client learns only from the first answer that its certificate was refused.
    let mut client = Client::over(stream).await;
    client.try_request("GET", "/containers/list", None).await.is_ok()
}

#[tokio::test]
async fn all_four_kinds_of_sockets_serve_requests_and_conversations_at_once() {
    let authority = Authority::new();
    let directory = tempfile::tempdir().unwrap();
    let (plain_tcp, secure_tcp) = (loopback(), loopback());
    let socket = directory.path().join("secure.sock");
    let daemon = Daemon::bare_at(vec![
        Listener::plain(format!("http://{plain_tcp}").parse::<ListenAddress>().unwrap()),
        secure(&format!("https://{secure_tcp}"), authority.settings()),
        secure(&format!("https://{}", socket.display()), authority.verifying()),
    ]);
    let servers = [
        daemon.server(),
        Server {
            place: Place::Tcp(plain_tcp),
            tls: None,
        },
        Server {
            place: Place::Tcp(secure_tcp),
            tls: Some(authority.client(None)),
        },
        Server {
            place: Place::Unix(socket),
            tls: Some(authority.client(Some(&authority))),
        },
    ];
    for server in servers {
        let mut client = Client::connect(&server).await;
        let list = client.request("GET", "/containers/list", None).await;
        assert_eq!((list.status, list.text.as_str()), (200, "[]"), "{server:?}");
        let unknown = client.request("GET", "/nowhere", None).await;
        assert_eq!((unknown.status, unknown.text.as_str()), (404, "not found"));
        let broken = client
            .request("POST", "/volumes/create", Some(("application/json", "{".into())))
            .await;
        assert_eq!(broken.status, 400);
        let foreign = client
            .request("POST", "/volumes/create", Some(("text/xml", "<a/>".into())))
            .await;
        assert_eq!(foreign.status, 415);
        assert_eq!(client.request("GET", "/exec/start", None).await.status, 426);

        let large = format!(r#"{{"name":"{}"}}"#, "x".repeat(8_000_000));
        let large = Client::connect(&server)
            .await
            .request("POST", "/volumes/create", Some(("application/json", large)))
            .await;
        assert_eq!(
            large.failure(),
            failure(413, "the body is larger than 8000000 bytes")
        );

        let mut conversation = Conversation::open(&server, "/exec/start").await;
        conversation.say("{").await;
        let (_, close) = conversation.hear_out().await;
        assert_eq!(close.code, 1002);
        assert_eq!(close.reason["msg_type"], json!("error"));
    }
}

#[tokio::test]
async fn only_clients_with_a_certificate_of_the_authority_are_let_in_where_clients_are_verified() {
    let (authority, stranger) = (Authority::new(), Authority::new());
    let (_daemon, server) = at_tcp(authority.verifying(), authority.client(Some(&authority)));
    let with = |tls| Server {
        tls: Some(tls),
        ..server.clone()
    };
    assert!(is_served(&server).await);
    assert!(!is_served(&with(authority.client(None))).await);
    assert!(!is_served(&with(authority.client(Some(&stranger)))).await);
    assert!(is_served(&server).await);
}

#[tokio::test]
async fn without_verification_any_client_is_let_in_that_trusts_the_daemon() {
    let (authority, stranger) = (Authority::new(), Authority::new());
    let (_daemon, server) = at_tcp(authority.settings(), authority.client(None));
    assert!(is_served(&server).await);
    let doubting = Server {
        tls: Some(stranger.client(None)),
        ..server
    };
    assert!(!is_served(&doubting).await);
}

#[tokio::test]
async fn clients_that_say_nothing_or_nonsense_keep_nobody_waiting() {
    let authority = Authority::new();
    let (_daemon, server) = at_tcp(authority.settings(), authority.client(None));
    let Place::Tcp(address) = server.place else {
        unreachable!();
    };
    let mut others = Vec::new();
    for _ in 0..20 {
        others.push(TcpStream::connect(address).await.unwrap());
    }
    for other in others.iter_mut().take(10) {
        other.write_all(b"GET / HTTP/1.1\r\n\r\n").await.unwrap();
    }
    assert!(is_served(&server).await);
}

#[tokio::test]
async fn a_client_that_does_not_finish_its_handshake_is_sent_away() {
    let authority = Authority::new();
    let (_daemon, server) = at_tcp(authority.settings(), authority.client(None));
    let Place::Tcp(address) = server.place else {
        unreachable!();
    };
    let mut silent = TcpStream::connect(address).await.unwrap();
    // The daemon has to have taken the connection before time passes.
    assert!(is_served(&server).await);
    tokio::time::pause();
    let began = tokio::time::Instant::now();
    assert_eq!(silent.read(&mut [0; 1]).await.unwrap(), 0);
    assert!((9..=11).contains(&began.elapsed().as_secs()));
}
