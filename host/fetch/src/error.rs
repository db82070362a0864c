//! Why something could not be fetched.

use std::error::Error;
use std::io;

use tokio_rustls::rustls;

/// Something could not be fetched. Passwords in URLs are not repeated.
#[derive(Debug, thiserror::Error)]
pub enum FetchError {
    /// The text is no URL that can be fetched.
    #[error("'{url}' cannot be fetched: {reason}")]
    BadUrl {
        /// As it was given.
        url: String,
        /// Why not.
        reason: String,
    },
    /// There was no connection, or no answer.
    #[error("'{url}' cannot be fetched: {reason}")]
    Unreachable {
        /// The URL.
        url: String,
        /// Why not: the name, the connection, the certificate.
        reason: String,
    },
    /// The server answered, but not with what was asked for.
    #[error("'{url}' cannot be fetched: the server answers {status}{}", hint(*.status))]
    Status {
        /// The URL, after redirections.
        url: String,
        /// The status, with its name.
        status: reqwest::StatusCode,
    },
    /// The content stopped coming.
    #[error("'{url}' came to an end too soon, after {received} bytes: {reason}")]
    Broken {
        /// The URL.
        url: String,
        /// How many bytes had come.
        received: u64,
        /// Why.
        reason: String,
    },
    /// Nobody waits for it any more.
    #[error("fetching '{url}' was given up")]
    GivenUp {
        /// The URL.
        url: String,
    },
    /// This process cannot be a client.
    #[error("nothing can be fetched on this host: {reason}")]
    Unusable {
        /// Why not.
        reason: String,
    },
}

fn hint(status: reqwest::StatusCode) -> &'static str {
    match status.as_u16() {
        401 | 403 => "; it wants a user and password, or the URL is wrong",
        404 | 410 => "; check the URL",
        407 => "; the proxy wants a user and password",
        429 | 500..=599 => "; try again later",
        _ => "",
    }
}

impl From<FetchError> for io::Error {
    fn from(error: FetchError) -> Self {
        Self::other(error)
    }
}

/// What went wrong with a request, from the error's innermost cause, which is where the client says it.
#[must_use]
pub fn in_words(error: &reqwest::Error) -> String {
    let host = error.url().and_then(|url| url.host_str()).unwrap_or("the server");
    let mut innermost: &dyn Error = error;
    let mut is_about_names = false;
    while let Some(cause) = innermost.source() {
        // The client's own name for it; there is no type.
        is_about_names |= cause.to_string().starts_with("dns error");
        innermost = cause;
    }
    if is_about_names {
        return format!(
            "the name {host} cannot be resolved ({innermost}); check it, and the host's /etc/resolv.conf"
        );
    }
    if let Some(tls) = tls_error(error) {
        return format!("the connection to {host} is not secure: {tls}");
    }
    if error.is_timeout() && error.is_connect() {
        return format!("{host} does not answer");
    }
    if error.is_timeout() {
        return format!("{host} sends nothing any more");
    }
    if error.is_redirect() {
        return format!("it leads from one address to the next ({innermost})");
    }
    if error.is_connect() {
        return format!("no connection to {host}: {innermost}");
    }
    innermost.to_string()
}

fn tls_error(error: &reqwest::Error) -> Option<String> {
    let mut cause: Option<&(dyn Error + 'static)> = error.source();
    while let Some(here) = cause {
        if let Some(error) = here.downcast_ref::<rustls::Error>() {
            return Some(match error {
                rustls::Error::InvalidCertificate(rustls::CertificateError::UnknownIssuer) => {
                    "its certificate is by an authority that this system does not trust".to_owned()
                }
                other => other.to_string(),
            });
        }
        // An io::Error hides what it wraps from `source`.
        let wrapped = here.downcast_ref::<io::Error>().and_then(io::Error::get_ref);
        cause = wrapped.map_or_else(|| here.source(), |inner| Some(inner as &(dyn Error + 'static)));
    }
    None
}
