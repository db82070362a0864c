//! Images from datasets of the host: operations on datasets that are not Kleene's. Nothing of those is changed but for a
//! snapshot, named after the image, which is taken and released.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::names::{DatasetName, Id, NameError};

/// The longest name that ZFS takes, snapshot included, is 255 bytes.
const MAX_LENGTH: usize = 200;

/// A dataset of the host by its full name, pool first, such as `zroot/jails/base`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct HostDataset(String);

impl HostDataset {
    /// The name as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for HostDataset {
    type Err = NameError;

    /// zfs(8), "ZFS component names".
    fn from_str(text: &str) -> Result<Self, NameError> {
        let is_byte = |byte: u8| byte.is_ascii_alphanumeric() || b"_-.:".contains(&byte);
        let is_part = |part: &str| {
            !part.is_empty()
                && part != "."
                && part != ".."
                && !part.starts_with('-')
                && part.bytes().all(is_byte)
        };
        if text.len() < MAX_LENGTH && text.split('/').all(is_part) {
            Ok(Self(text.to_owned()))
        } else {
            Err(NameError {
                kind: "dataset of the host",
                text: text.to_owned(),
                rule: "a pool, and parts of letters, digits, '_', '.', ':', '-' joined by '/'",
            })
        }
    }
}

impl TryFrom<String> for HostDataset {
    type Error = NameError;

    fn try_from(text: String) -> Result<Self, NameError> {
        text.parse()
    }
}

impl From<HostDataset> for String {
    fn from(name: HostDataset) -> String {
        name.0
    }
}

impl fmt::Display for HostDataset {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The snapshot of a dataset of the host that an image is made from.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct HostSnapshot {
    /// Whose content it is.
    pub dataset: HostDataset,
    /// The image; its id is the snapshot's name.
    pub image: Id,
}

impl fmt::Display for HostSnapshot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}@{}", self.dataset, self.image)
    }
}

/// One change with regard to datasets of the host.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum FromHost {
    /// The content of the host's dataset at this moment, kept.
    Take(HostSnapshot),
    /// No such snapshot, at once or as soon as no clone of it is left.
    Release(HostSnapshot),
    /// A dataset with the snapshot's content, which needs the snapshot no more.
    Copy {
        /// What is copied.
        snapshot: HostSnapshot,
        /// The copy.
        dataset: DatasetName,
    },
    /// A dataset whose content is the snapshot's until it is written to.
    Base {
        /// What it is a clone of.
        snapshot: HostSnapshot,
        /// The clone.
        dataset: DatasetName,
    },
}

impl fmt::Display for FromHost {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Take(snapshot) => write!(f, "take snapshot {snapshot} of the host"),
            Self::Release(snapshot) => write!(f, "release snapshot {snapshot} of the host"),
            Self::Copy { snapshot, dataset } => write!(f, "copy {snapshot} of the host to dataset {dataset}"),
            Self::Base { snapshot, dataset } => write!(f, "base dataset {dataset} on {snapshot} of the host"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_zfs_takes_are_taken() {
        for text in ["tank", "zroot/jails/14.1-base", "tank/a:b/c_d"] {
            assert_eq!(text.parse::<HostDataset>().unwrap().as_str(), text);
        }
    }

    #[test]
    fn what_could_be_an_option_a_snapshot_or_a_path_is_not() {
        let long = "a".repeat(MAX_LENGTH);
        for text in [
            "",
            "/tank/a",
            "tank//a",
            "tank/",
            "-r",
            "tank/-r",
            "tank@now",
            "tank/../a",
            "a b",
            &long,
        ] {
            assert!(text.parse::<HostDataset>().is_err(), "{text}");
        }
    }
}
