//! What a plugin says about itself before any of its code is looked at: `plugin.toml`, embedded in the component.

use std::fmt;

use kleene_plan::{Capability, ObjectName};
use serde::Deserialize;

use crate::section;

/// The custom section of the component that holds the manifest.
pub const SECTION: &str = "kleene:manifest";

/// A plugin's manifest.
///
/// ```toml
/// name = "network-bridge"
/// version = "0.2.0"
/// kind = "network"
/// serves = ["bridge"]
/// grant = ["bridge", "pair", "filter"]
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Manifest {
    /// Its name, by which operators refer to it.
    pub name: ObjectName,
    /// Its version.
    pub version: String,
    /// What it is.
    pub kind: PluginKind,
    /// The network kinds, volume drivers or instructions it serves.
    #[serde(default)]
    pub serves: Vec<ObjectName>,
    /// What it asks to be allowed to plan.
    #[serde(default)]
    pub grant: Vec<Capability>,
    /// What becomes of a plan when a policy cannot be asked; only for policies.
    #[serde(default, rename = "on-failure")]
    pub on_failure: Option<OnFailure>,
}

/// What becomes of a plan when a policy cannot be asked: it is broken, rests, traps, takes too long or gives an answer
/// that makes none.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum OnFailure {
    /// It is refused: a policy that was not asked has not agreed. So it is where the manifest says nothing.
    Refuse,
    /// It is applied as if the policy were not there, with a warning in the log.
    Allow,
}

/// What a plugin is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum PluginKind {
    /// Plans networks.
    Network,
    /// Plans volumes.
    Volume,
    /// Reads Dockerfiles.
    Build,
    /// Serves further instructions of Dockerfiles.
    Step,
    /// Judges plans of others.
    Policy,
}

impl fmt::Display for PluginKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Network => "network",
            Self::Volume => "volume",
            Self::Build => "build",
            Self::Step => "step",
            Self::Policy => "policy",
        })
    }
}

/// Why a file has no usable manifest.
#[derive(Debug, thiserror::Error)]
pub enum ManifestError {
    /// The file is not a component.
    #[error("{0}")]
    Component(&'static str),
    /// It has no manifest.
    #[error("it has no manifest; build it with `cargo xtask plugins`, which embeds plugin.toml")]
    Missing,
    /// The manifest is not text.
    #[error("its manifest is not UTF-8")]
    Encoding,
    /// The manifest says what cannot be.
    #[error("its manifest is wrong: {0}")]
    Content(String),
}

impl Manifest {
    /// The manifest of a component.
    ///
    /// # Errors
    /// If there is none or it is malformed.
    pub fn of_component(bytes: &[u8]) -> Result<Self, ManifestError> {
        let section = section::custom(bytes, SECTION)
            .map_err(ManifestError::Component)?
            .ok_or(ManifestError::Missing)?;
        let text = std::str::from_utf8(section).map_err(|_| ManifestError::Encoding)?;
        Self::parse(text)
    }

    /// A manifest from the text of `plugin.toml`.
    ///
    /// # Errors
    /// If it is malformed, or a driver serves nothing.
    pub fn parse(text: &str) -> Result<Self, ManifestError> {
        let wrong = |error: &toml::de::Error| ManifestError::Content(error.message().to_owned());
        let manifest: Self = toml::from_str(text).map_err(|error| wrong(&error))?;
        if manifest.kind != PluginKind::Policy && manifest.serves.is_empty() {
            return Err(ManifestError::Content(format!(
                "a {} plugin must serve something",
                manifest.kind
            )));
        }
        if manifest.kind != PluginKind::Policy && manifest.on_failure.is_some() {
            return Err(ManifestError::Content(format!(
                "'on-failure' is for policies: a {} plugin that fails has no plan",
                manifest.kind
            )));
        }
        if manifest.kind == PluginKind::Step
            && let Some(served) = manifest.serves.iter().find(|served| !is_keyword(served.as_str()))
        {
            return Err(ManifestError::Content(format!(
                "'{served}' is no keyword: instructions are upper-case letters, such as PKG"
            )));
        }
        Ok(manifest)
    }
}

/// Whether instructions may be called so.
fn is_keyword(word: &str) -> bool {
    word.bytes().all(|b| b.is_ascii_uppercase())
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str =
        "name = 'x'\nversion = '1'\nkind = 'network'\nserves = ['bridge']\ngrant = ['bridge']\n";

    #[test]
    fn a_manifest_is_read() {
        let manifest = Manifest::parse(GOOD).unwrap();
        assert_eq!(
            (manifest.name.as_str(), manifest.kind, manifest.grant),
            ("x", PluginKind::Network, vec![Capability::Bridge])
        );
    }

    #[test]
    fn what_is_wrong_with_a_manifest_is_said() {
        let cases = [
            (GOOD.replace("'x'", "'../x'"), "'../x' is not a valid name"),
            (
                GOOD.replace("['bridge']\ngrant", "[]\ngrant"),
                "a network plugin must serve something",
            ),
            (
                GOOD.replace("grant = ['bridge']", "grant = ['root']"),
                "unknown variant `root`",
            ),
            (format!("{GOOD}extra = 1\n"), "unknown field `extra`"),
            (
                format!("{GOOD}on-failure = 'allow'\n"),
                "'on-failure' is for policies: a network plugin that fails has no plan",
            ),
            (GOOD.replace("version = '1'\n", ""), "missing field `version`"),
            (
                GOOD.replace("network", "step").replacen("'bridge'", "'Pkg'", 1),
                "'Pkg' is no keyword: instructions are upper-case letters, such as PKG",
            ),
        ];
        for (text, expected) in cases {
            let message = Manifest::parse(&text).unwrap_err().to_string();
            assert!(message.contains(expected), "{message}");
        }
    }
}
