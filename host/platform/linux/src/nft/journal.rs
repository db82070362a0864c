//! What the firewall was told, written down beside the supervisors' files, so that the next daemon knows what the kernel
//! holds and can load all of it again. Lost with a reboot, as the kernel's rules are.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use kleene_plan::{Owner, Rule};
use serde::{Deserialize, Serialize};

use super::compile::Addresses;
use super::ruleset::Token;
use crate::draft;
use crate::failure::absent_is_fine;

/// What one owner was given: its rules, and the addresses that interfaces named in them had.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Entry {
    pub(crate) rules: Vec<Rule>,
    pub(crate) addresses: Addresses,
}

/// The directory of entries.
#[derive(Debug)]
pub(crate) struct Journal {
    directory: PathBuf,
}

#[derive(Serialize, Deserialize)]
struct Loaded {
    boot: String,
    token: u32,
}

impl Journal {
    /// Opens it; what was written before the last reboot is forgotten.
    pub(crate) fn open(directory: PathBuf) -> io::Result<(Self, Option<Token>)> {
        fs::create_dir_all(&directory)?;
        let journal = Self { directory };
        let loaded = fs::read(journal.loaded())
            .ok()
            .and_then(|text| serde_json::from_slice::<Loaded>(&text).ok());
        match loaded {
            Some(loaded) if loaded.boot == boot()? => {
                draft::remove_all(&journal.directory)?;
                Ok((journal, Some(Token(loaded.token))))
            }
            _ => {
                fs::remove_dir_all(&journal.directory)?;
                fs::create_dir(&journal.directory)?;
                Ok((journal, None))
            }
        }
    }

    pub(crate) fn entries(&self) -> io::Result<BTreeMap<Owner, Entry>> {
        let mut entries = BTreeMap::new();
        for file in fs::read_dir(&self.directory)? {
            let path = file?.path();
            let owner = path
                .file_name()
                .and_then(|name| name.to_str()?.strip_suffix(".json")?.parse::<Owner>().ok());
            let Some(owner) = owner else { continue };
            match serde_json::from_slice(&fs::read(&path)?) {
                Ok(entry) => {
                    entries.insert(owner, entry);
                }
                // Its owner's rules are set again by whoever compares what is with what should be.
                Err(error) => tracing::warn!("{} is damaged: {error}", path.display()),
            }
        }
        Ok(entries)
    }

    pub(crate) fn write(&self, owner: &Owner, entry: &Entry) -> io::Result<()> {
        write(&self.entry(owner), entry)
    }

    pub(crate) fn forget(&self, owner: &Owner) -> io::Result<()> {
        absent_is_fine(fs::remove_file(self.entry(owner)))
    }

    pub(crate) fn write_token(&self, token: Token) -> io::Result<()> {
        write(
            &self.loaded(),
            &Loaded {
                boot: boot()?,
                token: token.0,
            },
        )
    }

    fn entry(&self, owner: &Owner) -> PathBuf {
        self.directory.join(format!("{owner}.json"))
    }

    fn loaded(&self) -> PathBuf {
        self.directory.join("loaded")
    }
}

fn write(path: &Path, content: &impl Serialize) -> io::Result<()> {
    draft::write(path, &serde_json::to_vec(content)?)
}

fn boot() -> io::Result<String> {
    fs::read_to_string("/proc/sys/kernel/random/boot_id")
}
