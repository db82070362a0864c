//! Errors of TLS in the words of OpenSSL, which users of 0.1.1 know and search engines too, and what to try.

use tokio_rustls::rustls::{AlertDescription, CertificateError, Error, InvalidMessage, PeerIncompatible};

use crate::config::{Place, Tls, Trust};

/// `[SSL: CERTIFICATE_VERIFY_FAILED] certificate verify failed: certificate has expired`
pub fn words(error: &Error) -> String {
    match error {
        Error::InvalidCertificate(reason) => format!(
            "[SSL: CERTIFICATE_VERIFY_FAILED] certificate verify failed: {}",
            certificate_words(reason)
        ),
        Error::AlertReceived(alert) => {
            let (code, words) = alert_words(*alert);
            format!("[SSL: {code}] {words}")
        }
        Error::InvalidMessage(_) => "[SSL: WRONG_VERSION_NUMBER] wrong version number".to_owned(),
        Error::PeerIncompatible(
            PeerIncompatible::ServerDoesNotSupportTls12Or13
            | PeerIncompatible::ServerTlsVersionIsDisabledByOurConfig,
        ) => "[SSL: UNSUPPORTED_PROTOCOL] unsupported protocol".to_owned(),
        other => format!("[SSL] {other}"),
    }
}

fn certificate_words(reason: &CertificateError) -> String {
    match reason {
        CertificateError::Expired | CertificateError::ExpiredContext { .. } => {
            "certificate has expired".to_owned()
        }
        CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => {
            "certificate is not yet valid".to_owned()
        }
        CertificateError::UnknownIssuer => "unable to get local issuer certificate".to_owned(),
        CertificateError::NotValidForName => "Hostname mismatch".to_owned(),
        CertificateError::NotValidForNameContext { expected, .. } => format!(
            "Hostname mismatch, certificate is not valid for '{}'.",
            expected.to_str()
        ),
        CertificateError::BadSignature => "certificate signature failure".to_owned(),
        CertificateError::Revoked => "certificate revoked".to_owned(),
        other => other.to_string(),
    }
}

fn alert_words(alert: AlertDescription) -> (&'static str, String) {
    let (code, words) = match alert {
        AlertDescription::CertificateRequired => (
            "TLSV13_ALERT_CERTIFICATE_REQUIRED",
            "tlsv13 alert certificate required",
        ),
        AlertDescription::UnknownCA => ("TLSV1_ALERT_UNKNOWN_CA", "tlsv1 alert unknown ca"),
        AlertDescription::BadCertificate => ("SSLV3_ALERT_BAD_CERTIFICATE", "sslv3 alert bad certificate"),
        AlertDescription::CertificateExpired => (
            "SSLV3_ALERT_CERTIFICATE_EXPIRED",
            "sslv3 alert certificate expired",
        ),
        AlertDescription::CertificateUnknown => (
            "SSLV3_ALERT_CERTIFICATE_UNKNOWN",
            "sslv3 alert certificate unknown",
        ),
        AlertDescription::DecryptError => ("TLSV1_ALERT_DECRYPT_ERROR", "tlsv1 alert decrypt error"),
        AlertDescription::HandshakeFailure => {
            ("SSLV3_ALERT_HANDSHAKE_FAILURE", "sslv3 alert handshake failure")
        }
        AlertDescription::ProtocolVersion => ("TLSV1_ALERT_PROTOCOL_VERSION", "tlsv1 alert protocol version"),
        other => return ("ALERT", format!("alert {other:?}")),
    };
    (code, words.to_owned())
}

/// What to try where the daemon at `place` was to be spoken to by `tls`.
pub fn hint(error: &Error, place: &Place, tls: &Tls) -> String {
    match error {
        Error::InvalidCertificate(reason) => certificate_hint(reason, place, &tls.trust),
        Error::AlertReceived(alert) => alert_hint(*alert, place, tls),
        Error::InvalidMessage(InvalidMessage::InvalidContentType) => format!(
            "What listens at {place} does not speak TLS: if it is kleened, its address begins with http://."
        ),
        _ => format!("The trouble is between klee and {place}."),
    }
}

fn certificate_hint(reason: &CertificateError, place: &Place, trust: &Trust) -> String {
    match reason {
        CertificateError::UnknownIssuer => match trust {
            Trust::Authorities(path) => format!(
                "The certificate of {place} is not signed by an authority in {}: \
                 is it the right daemon, and the right '--tlscacert'?",
                path.display()
            ),
            _ => format!(
                "The certificate of {place} is not signed by an authority that this system trusts: \
                 give its own with '--tlscacert'."
            ),
        },
        CertificateError::NotValidForNameContext { presented, .. } if !presented.is_empty() => format!(
            "The certificate of {place} is valid for: {}. Use such a name in '--host'.",
            presented.join(", ")
        ),
        CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => {
            format!("The certificate of {place} names no host: it needs a subject alternative name.")
        }
        CertificateError::Expired
        | CertificateError::ExpiredContext { .. }
        | CertificateError::NotValidYet
        | CertificateError::NotValidYetContext { .. } => {
            format!("Renew the certificate of {place}, unless it is the clock of one side that is wrong.")
        }
        _ => format!("The certificate of {place} cannot be trusted: the daemon needs another."),
    }
}

fn alert_hint(alert: AlertDescription, place: &Place, tls: &Tls) -> String {
    let about_our_certificate = matches!(
        alert,
        AlertDescription::CertificateRequired
            | AlertDescription::UnknownCA
            | AlertDescription::BadCertificate
            | AlertDescription::CertificateExpired
            | AlertDescription::CertificateUnknown
            | AlertDescription::DecryptError
            | AlertDescription::HandshakeFailure
    );
    match &tls.identity {
        None if about_our_certificate => format!(
            "The daemon at {place} wants a client certificate: give one with '--tlscert' and '--tlskey'."
        ),
        Some(identity) if about_our_certificate => format!(
            "The daemon at {place} refuses the client certificate {}: \
             is it signed by the authority that the daemon trusts, and still valid?",
            identity.certificate.display()
        ),
        _ => format!("The daemon at {place} has ended the conversation."),
    }
}
