//! The release of FreeBSD that the host runs, and where its files can be fetched (contract §5.1).

use std::fmt;

use kleene_platform::System;

use crate::error::{EngineError, Result};

/// Where FreeBSD itself has them.
const SITE: &str = "https://download.freebsd.org";

/// A release, such as 14.2-RELEASE on amd64.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Release {
    version: String,
    machine: String,
}

impl Release {
    /// What a host runs.
    ///
    /// # Errors
    /// If it is not FreeBSD.
    pub(super) fn of(system: System) -> Result<Self> {
        if system.name != "FreeBSD" {
            return Err(EngineError::invalid(format!(
                "the method 'fetch-auto' needs a FreeBSD host, and this is {}; use 'host', or 'fetch' with a URL",
                system.name
            )));
        }
        Ok(Self {
            version: system.release,
            machine: system.machine,
        })
    }

    pub(super) fn machine(&self) -> &str {
        &self.machine
    }

    /// Where its base system is, on FreeBSD's own site or a mirror of it. Patches have no archive of their own:
    /// `freebsd-update` brings them.
    ///
    /// # Errors
    /// If it is neither a release nor a stable snapshot.
    pub(super) fn url(&self, mirror: &str) -> Result<String> {
        let Self { version, machine } = self;
        let site = match mirror.trim_end_matches('/') {
            "" => SITE,
            mirror => mirror,
        };
        let plain = version
            .rsplit_once("-p")
            .filter(|(_, patch)| !patch.is_empty() && patch.bytes().all(|byte| byte.is_ascii_digit()))
            .map_or(version.as_str(), |(plain, _)| plain);
        match plain.rsplit_once('-') {
            Some((_, "RELEASE")) => Ok(format!("{site}/releases/{machine}/{plain}/base.txz")),
            Some((_, "STABLE")) if plain == version => {
                Ok(format!("{site}/snapshots/{machine}/{version}/base.txz"))
            }
            _ => Err(EngineError::invalid(format!(
                "could not deduce url from FreeBSD version {version}"
            ))),
        }
    }
}

impl fmt::Display for Release {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "FreeBSD-{}", self.version)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn release(name: &str, version: &str, machine: &str) -> Result<Release> {
        Release::of(System {
            name: name.to_owned(),
            release: version.to_owned(),
            machine: machine.to_owned(),
        })
    }

    #[test]
    fn every_kind_of_version_has_its_place() {
        let cases = [
            ("13.2-RELEASE", Some("releases/amd64/13.2-RELEASE/base.txz")),
            ("13.2-RELEASE-p4", Some("releases/amd64/13.2-RELEASE/base.txz")),
            ("14.0-STABLE", Some("snapshots/amd64/14.0-STABLE/base.txz")),
            ("14.0-STABLE-p1", None),
            ("15.0-CURRENT", None),
            ("13.2-RELEASE-pX", None),
            ("13.2", None),
            ("", None),
        ];
        for (version, place) in cases {
            let release = release("FreeBSD", version, "amd64").unwrap();
            match place {
                Some(place) => {
                    assert_eq!(release.url("").unwrap(), format!("{SITE}/{place}"));
                    let mirror = release.url("http://mirror.example.org/FreeBSD/").unwrap();
                    assert_eq!(mirror, format!("http://mirror.example.org/FreeBSD/{place}"));
                }
                None => assert_eq!(
                    release.url("").unwrap_err().to_string(),
                    format!("could not deduce url from FreeBSD version {version}")
                ),
            }
        }
    }

    #[test]
    fn it_is_named_as_images_of_it_are() {
        let release = release("FreeBSD", "13.2-RELEASE-p4", "arm64").unwrap();
        assert_eq!(release.to_string(), "FreeBSD-13.2-RELEASE-p4");
    }

    #[test]
    fn another_system_has_none() {
        let refused = release("Linux", "6.1.0", "x86_64").unwrap_err().to_string();
        assert!(
            refused.contains("needs a FreeBSD host, and this is Linux"),
            "{refused}"
        );
    }
}
