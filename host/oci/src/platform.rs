//! What an image runs on, and which image of several suits a host.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::error::{OciError, Result};

/// An operating system and a processor, in Go's words: `linux/amd64`, `freebsd/arm64`, `linux/arm/v7`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Platform {
    /// `linux`, `freebsd`.
    #[serde(default)]
    pub os: String,
    /// `amd64`, `arm64`.
    #[serde(default)]
    pub architecture: String,
    /// Of processors that come in several; empty if it says nothing.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub variant: String,
}

impl Platform {
    /// That of this host.
    #[must_use]
    pub fn of_this_host() -> Self {
        let architecture = match std::env::consts::ARCH {
            "x86_64" => "amd64",
            "x86" => "386",
            "aarch64" => "arm64",
            "powerpc64" if cfg!(target_endian = "little") => "ppc64le",
            "powerpc64" => "ppc64",
            "loongarch64" => "loong64",
            other => other,
        };
        Self {
            os: std::env::consts::OS.to_owned(),
            architecture: architecture.to_owned(),
            variant: String::new(),
        }
    }

    /// Whether an image for `offered` is one for this platform.
    pub(crate) fn suits(&self, offered: &Self) -> bool {
        let usual = |platform: &Self| match (platform.architecture.as_str(), platform.variant.as_str()) {
            // What is said of it says nothing more than the architecture.
            ("arm64", "v8") | ("amd64", "v1") => String::new(),
            (_, variant) => variant.to_owned(),
        };
        let variants = (usual(self), usual(offered));
        self.os == offered.os
            && self.architecture == offered.architecture
            && (variants.0.is_empty() || variants.0 == variants.1)
    }

    /// The one of several that suits best: the same, or else the first that will do.
    pub(crate) fn choose<'a, T>(
        &self,
        offers: &'a [T],
        platform: impl Fn(&T) -> Option<&Self>,
    ) -> Option<&'a T> {
        let same = offers.iter().find(|offer| platform(offer) == Some(self));
        same.or_else(|| {
            offers
                .iter()
                .find(|offer| platform(offer).is_some_and(|offered| self.suits(offered)))
        })
    }
}

impl FromStr for Platform {
    type Err = OciError;

    fn from_str(text: &str) -> Result<Self> {
        let is_word = |word: &&str| {
            !word.is_empty()
                && word
                    .bytes()
                    .all(|byte| byte.is_ascii_alphanumeric() || b"._-".contains(&byte))
        };
        let words: Vec<&str> = text.split('/').collect();
        match words.as_slice() {
            [os, architecture, variant @ ..] if variant.len() < 2 && words.iter().all(is_word) => Ok(Self {
                os: (*os).to_owned(),
                architecture: (*architecture).to_owned(),
                variant: variant.first().copied().unwrap_or_default().to_owned(),
            }),
            _ => Err(OciError::BadPlatform {
                given: text.to_owned(),
            }),
        }
    }
}

impl fmt::Display for Platform {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.os, self.architecture)?;
        match self.variant.as_str() {
            "" => Ok(()),
            variant => write!(f, "/{variant}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn platform(text: &str) -> Platform {
        text.parse().unwrap()
    }

    #[test]
    fn platforms_are_written_as_they_are_read() {
        for text in ["linux/amd64", "freebsd/arm64", "linux/arm/v7"] {
            assert_eq!(platform(text).to_string(), text);
        }
        for text in ["", "linux", "linux/", "/amd64", "a/b/c/d", "linux/amd 64"] {
            assert!(text.parse::<Platform>().is_err(), "{text}");
        }
    }

    #[test]
    fn the_best_of_several_is_chosen() {
        let offers = [
            "linux/arm/v6",
            "linux/arm/v7",
            "linux/arm64/v8",
            "linux/amd64",
            "linux/amd64/v3",
            "freebsd/amd64",
        ]
        .map(platform);
        let cases = [
            ("linux/arm", Some("linux/arm/v6")),
            ("linux/arm/v7", Some("linux/arm/v7")),
            ("linux/arm/v5", None),
            ("linux/arm64", Some("linux/arm64/v8")),
            ("linux/amd64", Some("linux/amd64")),
            ("linux/amd64/v3", Some("linux/amd64/v3")),
            ("linux/amd64/v4", None),
            ("freebsd/amd64", Some("freebsd/amd64")),
            ("freebsd/arm64", None),
        ];
        for (wanted, expected) in cases {
            let chosen = platform(wanted).choose(&offers, |offer| Some(offer));
            assert_eq!(chosen.map(ToString::to_string).as_deref(), expected, "{wanted}");
        }
    }
}
