//! What an image is called in a registry: `[host[:port]/]name[:tag][@digest]`.

use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

use crate::error::{OciError, Result};

/// The name of an image in a registry. Without a registry it is one of Docker Hub's, as everywhere.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reference(oci_client::Reference);

impl Reference {
    /// What precedes references where paths could be meant.
    pub const SCHEME: &'static str = "docker://";

    /// `name[:tag]` for an image that is made of it: the last part of its name and its tag. Nothing for one that is
    /// named by its digest alone, since a tag would promise what nobody said.
    #[must_use]
    pub fn nametag(&self) -> Option<String> {
        let name = self.0.repository().rsplit('/').next()?;
        Some(format!("{name}:{}", self.0.tag()?))
    }

    /// The registry as users write it: `docker.io`, `127.0.0.1:5000`.
    #[must_use]
    pub fn registry(&self) -> &str {
        self.0.registry()
    }

    /// Whether the registry is on this host, where nobody can listen in or stand between.
    #[must_use]
    pub fn is_on_this_host(&self) -> bool {
        let registry = self.0.resolve_registry();
        let host = match registry.strip_prefix('[') {
            Some(rest) => rest.split(']').next().unwrap_or_default(),
            None => registry.split(':').next().unwrap_or_default(),
        };
        host == "localhost" || host.parse().is_ok_and(|address: IpAddr| address.is_loopback())
    }

    /// The same image, by the digest of its manifest.
    #[must_use]
    pub(crate) fn at(&self, digest: &crate::Digest) -> Self {
        Self(self.0.clone_with_digest(digest.to_string()))
    }

    /// Whether it names exactly one image for all time.
    #[must_use]
    pub fn has_digest(&self) -> bool {
        self.0.digest().is_some()
    }

    pub(crate) fn inner(&self) -> &oci_client::Reference {
        &self.0
    }
}

impl FromStr for Reference {
    type Err = OciError;

    fn from_str(text: &str) -> Result<Self> {
        let plain = text.strip_prefix(Self::SCHEME).unwrap_or(text);
        let bad = |reason: String| OciError::BadReference {
            given: plain.to_owned(),
            reason,
        };
        let reference: oci_client::Reference = plain
            .parse()
            .map_err(|error: oci_client::ParseError| bad(error.to_string()))?;
        if let Some(digest) = reference.digest() {
            digest
                .parse::<crate::Digest>()
                .map_err(|error| bad(error.to_string()))?;
        }
        Ok(Self(reference))
    }
}

impl fmt::Display for Reference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.whole())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DIGEST: &str = "sha256:2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824";

    #[test]
    fn a_name_alone_is_one_of_docker_hubs() {
        let reference: Reference = "alpine".parse().unwrap();
        assert_eq!(reference.to_string(), "docker.io/library/alpine:latest");
        assert_eq!(reference.nametag().as_deref(), Some("alpine:latest"));
        assert_eq!("docker://alpine".parse::<Reference>().unwrap(), reference);
    }

    #[test]
    fn an_image_is_named_by_the_last_part_of_its_name() {
        let cases = [
            ("127.0.0.1:5000/team/app:1.2", Some("app:1.2")),
            ("ghcr.io/org/app", Some("app:latest")),
            (&format!("ghcr.io/org/app@{DIGEST}"), None),
            (&format!("ghcr.io/org/app:3@{DIGEST}"), Some("app:3")),
        ];
        for (text, expected) in cases {
            let reference: Reference = text.parse().unwrap();
            assert_eq!(reference.nametag().as_deref(), expected, "{text}");
            assert_eq!(reference.has_digest(), text.contains('@'));
        }
    }

    #[test]
    fn registries_of_this_host_are_told_from_others() {
        for (text, expected) in [
            ("localhost/x", true),
            ("localhost:5000/x", true),
            ("127.0.0.1:5000/x", true),
            ("127.9.9.9/x", true),
            ("10.0.0.1:5000/x", false),
            ("localhost.example.org/x", false),
            ("127.0.0.1.example.org/x", false),
            ("x", false),
        ] {
            let reference: Reference = text.parse().unwrap();
            assert_eq!(reference.is_on_this_host(), expected, "{text}");
        }
    }

    #[test]
    fn what_names_no_image_is_refused_by_name() {
        let cut = &format!("app@{}", &DIGEST[..60]);
        for text in [
            "",
            "/x",
            "UPPER",
            "a b",
            "x:y:z",
            "x@sha256:zz",
            cut,
            "http://host/x",
            "ü",
        ] {
            let refused = text.parse::<Reference>().unwrap_err().to_string();
            assert!(refused.contains(&format!("'{text}' names no image")), "{refused}");
        }
    }
}
