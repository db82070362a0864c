//! The release of FreeBSD that the host runs, and where its files can be fetched (contract §5.1).

use std::fmt;

use crate::error::{EngineError, Result};

const BASE: &str = "https://download.freebsd.org";

/// A release, such as 14.2-RELEASE on amd64.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Release {
    version: String,
    machine: String,
}

impl Release {
    /// What uname(3) says of this host.
    ///
    /// # Errors
    /// If this is not FreeBSD.
    pub(super) fn of_this_host() -> Result<Self> {
        let name = rustix::system::uname();
        let text = |part: &std::ffi::CStr| part.to_string_lossy().into_owned();
        Self::of(
            &text(name.sysname()),
            &text(name.release()),
            &text(name.machine()),
        )
    }

    fn of(system: &str, version: &str, machine: &str) -> Result<Self> {
        if system != "FreeBSD" {
            return Err(EngineError::invalid(format!(
                "the method 'fetch-auto' needs a FreeBSD host, and this is {system}; use 'host', or 'fetch' with a URL"
            )));
        }
        Ok(Self {
            version: version.to_owned(),
            machine: machine.to_owned(),
        })
    }

    pub(super) fn machine(&self) -> &str {
        &self.machine
    }

    /// Where its base system is. Patches have no archive of their own: `freebsd-update` brings them.
    ///
    /// # Errors
    /// If it is neither a release nor a stable snapshot.
    pub(super) fn url(&self) -> Result<String> {
        let Self { version, machine } = self;
        let plain = version
            .rsplit_once("-p")
            .filter(|(_, patch)| !patch.is_empty() && patch.bytes().all(|byte| byte.is_ascii_digit()))
            .map_or(version.as_str(), |(plain, _)| plain);
        match plain.rsplit_once('-') {
            Some((_, "RELEASE")) => Ok(format!("{BASE}/releases/{machine}/{plain}/base.txz")),
            Some((_, "STABLE")) if plain == version => {
                Ok(format!("{BASE}/snapshots/{machine}/{version}/base.txz"))
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
            let release = Release::of("FreeBSD", version, "amd64").unwrap();
            match place {
                Some(place) => assert_eq!(release.url().unwrap(), format!("{BASE}/{place}")),
                None => assert_eq!(
                    release.url().unwrap_err().to_string(),
                    format!("could not deduce url from FreeBSD version {version}")
                ),
            }
        }
    }

    #[test]
    fn it_is_named_as_images_of_it_are() {
        let release = Release::of("FreeBSD", "13.2-RELEASE-p4", "arm64").unwrap();
        assert_eq!(release.to_string(), "FreeBSD-13.2-RELEASE-p4");
    }

    #[test]
    fn another_system_has_none() {
        let refused = Release::of("Linux", "6.1.0", "x86_64").unwrap_err().to_string();
        assert!(
            refused.contains("needs a FreeBSD host, and this is Linux"),
            "{refused}"
        );
    }
}
