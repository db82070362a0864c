//! What registries and the way to them say, in words that name what to try.

use kleene_fetch::in_words;
use oci_client::errors::{OciDistributionError, OciErrorCode};

use crate::error::OciError;
use crate::reference::Reference;

/// Whether trying again could help.
pub(super) fn is_passing(error: &OciDistributionError) -> bool {
    match error {
        OciDistributionError::RequestError(error) => !error.is_builder(),
        OciDistributionError::ServerError { code, .. } => *code >= 500 || *code == 429,
        OciDistributionError::RegistryError { envelope, .. } => envelope
            .errors
            .iter()
            .any(|error| error.code == OciErrorCode::Toomanyrequests),
        OciDistributionError::IoError(_) => true,
        _ => false,
    }
}

pub(super) fn explain(reference: &Reference, error: &OciDistributionError) -> OciError {
    OciError::Registry {
        reference: reference.to_string(),
        reason: words(reference, error),
    }
}

fn words(reference: &Reference, error: &OciDistributionError) -> String {
    let registry = reference.registry();
    match error {
        OciDistributionError::RequestError(error) => {
            let mut words = in_words(error);
            if words.contains("is not secure: ") && !words.contains("certificate") {
                words += "; if it is an insecure registry, add it to the daemon's insecure_registries";
            }
            words
        }
        OciDistributionError::AuthenticationFailure(_) => {
            format!("{registry} does not know this user and password")
        }
        OciDistributionError::UnauthorizedError { .. } => refused(registry),
        OciDistributionError::RegistryError { envelope, .. } => match envelope.errors.first() {
            Some(first) => said(registry, &first.code, &first.message),
            None => format!("{registry} refuses it without a word"),
        },
        OciDistributionError::ServerError { code: 401 | 403, .. } => refused(registry),
        OciDistributionError::ServerError { code: 404, .. } => absent(registry),
        OciDistributionError::ServerError { code, message, .. } => {
            let line = message.lines().next().unwrap_or_default();
            let line: String = line.chars().take(200).collect();
            format!("{registry} answers {code} {line}")
        }
        OciDistributionError::IoError(error) => format!("the connection to {registry} broke: {error}"),
        other => other.to_string(),
    }
}

fn said(registry: &str, code: &OciErrorCode, message: &str) -> String {
    match code {
        OciErrorCode::ManifestUnknown | OciErrorCode::NameUnknown | OciErrorCode::NotFound => {
            absent(registry)
        }
        OciErrorCode::Unauthorized | OciErrorCode::Denied => refused(registry),
        OciErrorCode::Toomanyrequests => {
            format!(
                "{registry} has had too many requests ({message}); try again later, or with a user and password"
            )
        }
        _ => format!("{registry} says: {message}"),
    }
}

fn absent(registry: &str) -> String {
    format!("{registry} has no such image; check name and tag")
}

fn refused(registry: &str) -> String {
    format!("{registry} does not let us: the image may not exist, or it wants a user and password (--creds)")
}
