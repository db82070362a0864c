//! The content of a URL as a blocking reader.

use std::fmt;
use std::io::{self, Cursor, Read};
use std::time::Duration;

use reqwest::redirect::Policy;
use reqwest::{Certificate, Client, Response, Url};

use crate::error::{FetchError, in_words};
use crate::online::{authorities, prepare_tls, wait};

/// How often a server may send us on.
const REDIRECTIONS: usize = 10;

/// How long silence is borne.
#[derive(Debug, Clone, Copy)]
pub struct Patience {
    /// Until there is a connection.
    pub connect: Duration,
    /// Until something comes, at the beginning and from then on.
    pub silence: Duration,
}

impl Default for Patience {
    fn default() -> Self {
        Self {
            connect: Duration::from_secs(30),
            silence: Duration::from_secs(60),
        }
    }
}

/// A download under way. Reading waits for what comes; errors of reading hold a [`FetchError`].
pub struct Download<'a> {
    url: String,
    response: Response,
    length: Option<u64>,
    received: u64,
    /// What came and was not read yet.
    chunk: Cursor<Vec<u8>>,
    given_up: &'a dyn Fn() -> bool,
}

impl fmt::Debug for Download<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Download")
            .field("url", &self.url)
            .field("length", &self.length)
            .field("received", &self.received)
            .finish_non_exhaustive()
    }
}

impl<'a> Download<'a> {
    /// Asks for the content of a URL of the scheme `http` or `https`, and waits for the answer. `given_up` is looked at
    /// while waiting, now and later.
    ///
    /// # Errors
    /// [`FetchError`], by what is wrong: the URL, the server's name, the connection, TLS, or the server's answer.
    pub fn open(url: &str, patience: Patience, given_up: &'a dyn Fn() -> bool) -> Result<Self, FetchError> {
        let url = parse(url)?;
        let shown = shown(&url);
        let client = client(patience)?;
        let answer = waited(given_up, &shown, async { client.get(url).send().await })?;
        let response = answer.map_err(|error| FetchError::Unreachable {
            url: shown.clone(),
            reason: in_words(&error),
        })?;
        if !response.status().is_success() {
            return Err(FetchError::Status {
                url: crate::download::shown(response.url()),
                status: response.status(),
            });
        }
        Ok(Self {
            url: shown,
            length: response.content_length(),
            response,
            received: 0,
            chunk: Cursor::default(),
            given_up,
        })
    }

    /// How many bytes there are in all, if the server says so.
    #[must_use]
    pub fn length(&self) -> Option<u64> {
        self.length
    }

    /// How many bytes have come.
    #[must_use]
    pub fn received(&self) -> u64 {
        self.received
    }

    /// Waits for the next bytes; false at the end.
    fn advance(&mut self) -> Result<bool, FetchError> {
        let broken = |received, reason| FetchError::Broken {
            url: self.url.clone(),
            received,
            reason,
        };
        match waited(self.given_up, &self.url, self.response.chunk())? {
            Ok(Some(chunk)) => {
                self.received += chunk.len() as u64;
                self.chunk = Cursor::new(chunk.into());
                Ok(true)
            }
            Ok(None) => match self.length {
                Some(length) if length != self.received => {
                    Err(broken(self.received, format!("it has {length} bytes")))
                }
                _ => Ok(false),
            },
            Err(error) => Err(broken(self.received, in_words(&error))),
        }
    }
}

impl Read for Download<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        loop {
            let read = self.chunk.read(buffer)?;
            if read > 0 || buffer.is_empty() || !self.advance()? {
                return Ok(read);
            }
        }
    }
}

fn parse(text: &str) -> Result<Url, FetchError> {
    let bad = |reason: String| FetchError::BadUrl {
        url: text.to_owned(),
        reason,
    };
    let url = Url::parse(text).map_err(|error| bad(format!("it is no URL ({error})")))?;
    match url.scheme() {
        "http" | "https" if url.has_host() => Ok(url),
        other => Err(bad(format!("only http and https can be fetched, not '{other}'"))),
    }
}

/// A URL as it may be told: without a password.
fn shown(url: &Url) -> String {
    let mut url = url.clone();
    if url.password().is_some() {
        // Only URLs without a host cannot have a password set.
        let _ = url.set_password(Some("***"));
    }
    url.to_string()
}

fn client(patience: Patience) -> Result<Client, FetchError> {
    prepare_tls();
    let trusted = authorities();
    // One that this program does not understand is no reason to trust nobody.
    let trusted = trusted.iter().filter_map(|der| Certificate::from_der(der).ok());
    Client::builder()
        .user_agent(concat!("kleened/", env!("CARGO_PKG_VERSION")))
        .connect_timeout(patience.connect)
        .read_timeout(patience.silence)
        .redirect(Policy::limited(REDIRECTIONS))
        .tls_certs_only(trusted)
        .build()
        .map_err(|error| FetchError::Unusable {
            reason: in_words(&error),
        })
}

fn waited<T>(given_up: &dyn Fn() -> bool, url: &str, work: impl Future<Output = T>) -> Result<T, FetchError> {
    match wait(given_up, work) {
        Ok(Some(value)) => Ok(value),
        Ok(None) => Err(FetchError::GivenUp { url: url.to_owned() }),
        Err(error) => Err(FetchError::Unusable {
            reason: error.to_string(),
        }),
    }
}
