//! Contexts: daemons that the user has given names, in `~/.klee/contexts.json`.
//!
//! The file is replaced as a whole and under a lock, so that two commands at once lose nothing and a reader never sees
//! half of it. It may name places of private keys, so it is its owner's alone.

use std::collections::BTreeMap;
use std::fmt;
use std::fs::{DirBuilder, File};
use std::io::{self, ErrorKind, Write};
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use rustix::fs::{FlockOperation, flock};
use serde::{Deserialize, Serialize};

use super::Parameters;
use crate::destination;
use crate::failure::Failure;

/// What the absence of a context is called.
const DEFAULT_CONTEXT: &str = "default";

const FILE: &str = "contexts.json";

/// The name of a context: letters, digits, `_`, `.`, `-`, beginning with a letter or digit.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct ContextName(String);

/// A name that no context can have.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("'{0}' is no name for a context: letters, digits, '_', '.' and '-', a letter or digit first")]
pub struct BadContextName(String);

impl ContextName {
    /// Whether it stands for the absence of a context.
    pub fn is_default(&self) -> bool {
        self.0 == DEFAULT_CONTEXT
    }
}

impl Default for ContextName {
    fn default() -> Self {
        Self(DEFAULT_CONTEXT.to_owned())
    }
}

impl FromStr for ContextName {
    type Err = BadContextName;

    fn from_str(name: &str) -> Result<Self, BadContextName> {
        let is_plain = |char: char| char.is_ascii_alphanumeric() || matches!(char, '_' | '.' | '-');
        if name.starts_with(|first: char| first.is_ascii_alphanumeric()) && name.chars().all(is_plain) {
            Ok(Self(name.to_owned()))
        } else {
            Err(BadContextName(name.to_owned()))
        }
    }
}

impl TryFrom<String> for ContextName {
    type Error = BadContextName;

    fn try_from(name: String) -> Result<Self, BadContextName> {
        name.parse()
    }
}

impl From<ContextName> for String {
    fn from(name: ContextName) -> Self {
        name.0
    }
}

impl fmt::Display for ContextName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// All contexts of the user.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Contexts {
    /// The one chosen by `klee context use`.
    #[serde(default)]
    pub current: Option<ContextName>,
    /// Their parameters.
    #[serde(default)]
    pub contexts: BTreeMap<ContextName, Parameters>,
}

impl Contexts {
    /// The user's contexts; none if there never were any.
    ///
    /// # Errors
    /// If the file cannot be read or understood.
    pub fn read() -> Result<Self, Failure> {
        match directory() {
            Some(directory) => Self::read_from(&directory.join(FILE)),
            None => Ok(Self::default()),
        }
    }

    /// Changes the contexts and keeps them, unless `change` fails.
    ///
    /// # Errors
    /// What `change` says, or if the file cannot be read or replaced.
    pub fn change<T>(change: impl FnOnce(&mut Self) -> Result<T, Failure>) -> Result<T, Failure> {
        let directory = directory().ok_or_else(|| {
            Failure::BadValue("cannot keep contexts without a home directory: set HOME".to_owned())
        })?;
        let path = directory.join(FILE);
        let _lock = lock(&directory).map_err(|error| unusable(&directory, &error))?;
        let mut contexts = Self::read_from(&path)?;
        let outcome = change(&mut contexts)?;
        contexts.write(&path).map_err(|error| unusable(&path, &error))?;
        Ok(outcome)
    }

    /// The parameters of the context `name`.
    ///
    /// # Errors
    /// If there is no such context; names those that there are.
    pub fn get(&self, name: &ContextName) -> Result<&Parameters, Failure> {
        self.contexts.get(name).ok_or_else(|| self.unknown(name))
    }

    /// That there is no context `name`, and which there are.
    pub fn unknown(&self, name: &ContextName) -> Failure {
        let known: Vec<&str> = std::iter::once(DEFAULT_CONTEXT)
            .chain(self.contexts.keys().map(|name| name.0.as_str()))
            .collect();
        Failure::Refused(format!(
            "context '{name}' not found\nThere are: {}. Add one with 'klee context add'.",
            known.join(", ")
        ))
    }

    fn read_from(path: &Path) -> Result<Self, Failure> {
        match std::fs::read(path) {
            Ok(text) => serde_json::from_slice(&text).map_err(|error| {
                Failure::BadConfig(format!(
                    "Contexts in {} are not valid: {error}\nMend the file or remove it.",
                    path.display()
                ))
            }),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(Self::default()),
            Err(error) => Err(unusable(path, &error)),
        }
    }

    fn write(&self, path: &Path) -> io::Result<()> {
        let (mut file, name) = destination::beside(path)?;
        serde_json::to_writer_pretty(&mut file, self)?;
        file.write_all(b"\n")?;
        file.as_file().sync_all()?;
        file.persist(name)?;
        Ok(())
    }
}

/// `~/.klee`, if there is a home.
fn directory() -> Option<PathBuf> {
    let home = std::env::home_dir().filter(|home| !home.as_os_str().is_empty());
    home.map(|home| home.join(".klee"))
}

/// Makes `directory` if it is absent and keeps other `klee`s from changing contexts, until the file is closed.
fn lock(directory: &Path) -> io::Result<File> {
    DirBuilder::new().recursive(true).mode(0o700).create(directory)?;
    let lock = File::open(directory)?;
    flock(&lock, FlockOperation::LockExclusive)?;
    Ok(lock)
}

fn unusable(path: &Path, error: &io::Error) -> Failure {
    Failure::BadValue(format!("cannot keep contexts in {}: {error}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_words() {
        for name in ["default", "prod", "a", "7", "eu-1.site_b"] {
            assert!(name.parse::<ContextName>().is_ok(), "{name}");
        }
        for name in ["", "-a", ".a", "a b", "a/b", "ü"] {
            assert!(name.parse::<ContextName>().is_err(), "{name}");
        }
    }

    #[test]
    fn a_link_to_a_file_elsewhere_stays() {
        let directory = tempfile::tempdir().unwrap();
        let [path, link] = ["dotfile", FILE].map(|name| directory.path().join(name));
        std::os::unix::fs::symlink("dotfile", &link).unwrap();
        Contexts::default().write(&link).unwrap();
        assert!(link.is_symlink());
        assert_eq!(Contexts::read_from(&path).unwrap(), Contexts::default());
    }

    #[test]
    fn what_is_written_is_read_again() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join(FILE);
        assert_eq!(Contexts::read_from(&path).unwrap(), Contexts::default());
        let parameters = Parameters {
            host: Some("https://a:1".into()),
            tlsverify: Some(true),
            ..Parameters::default()
        };
        let contexts = Contexts {
            current: Some("prod".parse().unwrap()),
            contexts: BTreeMap::from([("prod".parse().unwrap(), parameters)]),
        };
        contexts.write(&path).unwrap();
        assert_eq!(Contexts::read_from(&path).unwrap(), contexts);
    }
}
