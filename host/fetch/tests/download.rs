//! Downloads from servers that behave well and badly.

#![allow(clippy::unwrap_used, reason = "tests")]

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use kleene_fetch::{Download, FetchError, Patience};
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use tokio_rustls::rustls::{ServerConfig, ServerConnection, Stream};

const IMPATIENCE: Patience = Patience {
    connect: Duration::from_millis(500),
    silence: Duration::from_millis(300),
};

/// A server on a port of its own, which hands every connection, with its request read, to `answer`.
fn server(answer: impl Fn(TcpStream, &str) + Send + 'static) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    thread::spawn(move || {
        for connection in listener.incoming() {
            let mut connection = connection.unwrap();
            let mut request = Vec::new();
            let mut byte = [0];
            while !request.ends_with(b"\r\n\r\n") && connection.read(&mut byte).unwrap_or(0) == 1 {
                request.push(byte[0]);
            }
            answer(connection, &String::from_utf8_lossy(&request));
        }
    });
    format!("http://{address}")
}

fn answers(head: &'static str, body: &'static [u8]) -> String {
    server(move |mut connection, _| {
        let _ = connection.write_all(format!("HTTP/1.1 {head}\r\nConnection: close\r\n\r\n").as_bytes());
        let _ = connection.write_all(body);
    })
}

fn fetch(url: &str) -> Result<Vec<u8>, String> {
    let mut content = Vec::new();
    let mut download = Download::open(url, IMPATIENCE, &|| false).map_err(|error| error.to_string())?;
    download
        .read_to_end(&mut content)
        .map_err(|error| error.to_string())?;
    Ok(content)
}

#[track_caller]
fn refusal(url: &str) -> String {
    fetch(url).unwrap_err()
}

#[test]
fn content_comes_whole_and_its_length_is_known() {
    let url = answers("200 OK\r\nContent-Length: 5", b"hello");
    let mut download = Download::open(&format!("{url}/base.txz"), IMPATIENCE, &|| false).unwrap();
    assert_eq!(download.length(), Some(5));
    let mut content = String::new();
    download.read_to_string(&mut content).unwrap();
    assert_eq!((content.as_str(), download.received()), ("hello", 5));
}

#[test]
fn content_of_unknown_length_comes_whole() {
    assert_eq!(fetch(&answers("200 OK", b"hello")).unwrap(), b"hello");
}

#[test]
fn redirections_are_followed_but_not_for_ever() {
    let target = answers("200 OK\r\nContent-Length: 2", b"ok");
    let detour = server(move |mut connection, _| {
        let _ = write!(
            connection,
            "HTTP/1.1 302 Found\r\nLocation: {target}/x\r\nContent-Length: 0\r\n\r\n"
        );
    });
    assert_eq!(fetch(&detour).unwrap(), b"ok");
    let round = answers("302 Found\r\nLocation: /again\r\nContent-Length: 0", b"");
    let refused = refusal(&round);
    assert!(
        refused.contains("leads from one address to the next"),
        "{refused}"
    );
}

#[test]
fn every_failure_says_what_is_wrong() {
    let closed = {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        format!("http://{}/x", listener.local_addr().unwrap())
    };
    let silent = server(|connection, _| {
        thread::sleep(Duration::from_secs(5));
        drop(connection);
    });
    let cases = [
        (
            answers("404 Not Found\r\nContent-Length: 0", b""),
            "the server answers 404 Not Found; check the URL",
        ),
        (
            answers("503 Service Unavailable\r\nContent-Length: 0", b""),
            "try again later",
        ),
        (
            answers("200 OK\r\nContent-Length: 100", b"hello"),
            "too soon, after",
        ),
        (closed, "no connection to 127.0.0.1: Connection refused"),
        (
            "http://nothing.invalid/base.txz".to_owned(),
            "the name nothing.invalid cannot be resolved",
        ),
        (
            "ftp://localhost/base.txz".to_owned(),
            "only http and https can be fetched, not 'ftp'",
        ),
        ("http://".to_owned(), "it is no URL"),
        ("not a url".to_owned(), "it is no URL"),
        (silent, "127.0.0.1 sends nothing any more"),
    ];
    for (url, expected) in cases {
        let refused = refusal(&url);
        assert!(refused.contains(expected), "{url}: {refused}");
        assert!(
            refused.contains(url.trim_end_matches('/')),
            "{refused} does not name {url}"
        );
    }
}

#[test]
fn content_that_stops_coming_is_not_waited_for() {
    let url = server(|mut connection, _| {
        let _ = connection.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhello");
        thread::sleep(Duration::from_secs(5));
    });
    let refused = refusal(&url);
    assert!(refused.contains("after 5 bytes"), "{refused}");
}

#[test]
fn a_certificate_of_nobodys_is_refused() {
    let generated = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(generated.signing_key.serialize_der()));
    let config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![generated.cert.der().clone()], key)
        .unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let mut connection = ServerConnection::new(Arc::new(config)).unwrap();
        let _ = Stream::new(&mut connection, &mut stream).read(&mut [0; 64]);
    });
    let refused = refusal(&format!("https://localhost:{port}/x"));
    assert!(
        refused.contains("is not secure: its certificate is by an authority that this system does not trust"),
        "{refused}"
    );
}

#[test]
fn passwords_are_sent_but_not_told() {
    let url = server(|mut connection, request| {
        let known = request.contains("authorization: Basic bWU6c2VjcmV0");
        let status = if known { "403 Forbidden" } else { "500 Unknown" };
        let _ = write!(connection, "HTTP/1.1 {status}\r\nContent-Length: 0\r\n\r\n");
    });
    let refused = refusal(&url.replace("http://", "http://me:secret@"));
    assert!(
        refused.contains("403 Forbidden") && !refused.contains("secret"),
        "{refused}"
    );
}

#[test]
fn a_download_that_nobody_waits_for_ends_soon() {
    let silent = server(|connection, _| {
        thread::sleep(Duration::from_secs(60));
        drop(connection);
    });
    let began = Instant::now();
    let given_up = || began.elapsed() > Duration::from_millis(100);
    let error = Download::open(&silent, Patience::default(), &given_up);
    assert!(matches!(error, Err(FetchError::GivenUp { .. })), "{error:?}");
    assert!(began.elapsed() < Duration::from_secs(5));
}
