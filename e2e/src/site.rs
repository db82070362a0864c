//! The files of a run: a directory, and in it the programs under test.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};
use kleene_e2e::payload;
use kleene_tests::Programs;

/// Where a run keeps its files.
#[derive(Debug)]
pub struct Site {
    /// The directory; it goes with the run.
    pub directory: PathBuf,
    /// Daemon, command line and plugins.
    pub programs: Programs,
    /// This program alone: a server and a client for containers.
    pub probe: PathBuf,
}

impl Site {
    /// Puts the programs into `directory`: those at the end of this program, or else those that are named.
    ///
    /// # Errors
    /// If there are none, or they cannot be written.
    pub fn fill(directory: &Path, named: Option<(&Path, &Path)>) -> Result<Self> {
        let own = std::env::current_exe().context("cannot find this program")?;
        let probe = directory.join("kleene-e2e");
        payload::copy_without(&own, &probe)?;
        let programs = match named {
            Some((programs, plugins)) => Programs::at(programs, plugins)?,
            None => {
                let unpacked = directory.join("programs");
                fs::create_dir(&unpacked)?;
                ensure!(
                    payload::unpack(&own, &unpacked)?,
                    "this program brings no daemon with it: name the directories of one with --programs and --plugins, \
                     or make a whole one with `cargo xtask dist`"
                );
                Programs::at(&unpacked, &unpacked.join("plugins"))?
            }
        };
        Ok(Self {
            directory: directory.to_owned(),
            programs,
            probe,
        })
    }
}
