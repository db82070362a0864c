//! The workspace and running cargo in it.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, ensure};

use crate::freebsd;

/// The workspace that this program is a member of.
#[derive(Debug)]
pub struct Workspace {
    root: PathBuf,
}

/// How programs are compiled.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Profile {
    /// Quickly.
    Dev,
    /// As for users.
    Release,
}

impl Profile {
    fn directory(self) -> &'static str {
        match self {
            Self::Dev => "debug",
            Self::Release => "release",
        }
    }
}

impl Workspace {
    /// The one this program was compiled in.
    #[must_use]
    pub fn of_this_program() -> Self {
        let root = Path::new(env!("CARGO_MANIFEST_DIR"))
            .parent()
            .unwrap_or(Path::new("."));
        Self {
            root: root.to_owned(),
        }
    }

    /// Its directory.
    #[must_use]
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// Where cargo puts what it builds.
    #[must_use]
    pub fn target(&self) -> PathBuf {
        let directory = std::env::var_os("CARGO_TARGET_DIR").unwrap_or_else(|| "target".into());
        self.root.join(directory)
    }

    /// Where programs of a profile are.
    #[must_use]
    pub fn programs(&self, profile: Profile) -> PathBuf {
        self.target().join(profile.directory())
    }

    /// Where programs for another system are.
    #[must_use]
    pub fn programs_for(&self, target: &str, profile: Profile) -> PathBuf {
        self.target().join(target).join(profile.directory())
    }

    /// `cargo` in the workspace, with the compiler that the user chose.
    #[must_use]
    pub fn cargo(&self, arguments: impl IntoIterator<Item = impl AsRef<OsStr>>) -> Command {
        let mut cargo = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
        cargo.args(arguments).current_dir(&self.root);
        cargo
    }

    /// The packages that this system can compile, as options of cargo.
    #[must_use]
    pub fn packages() -> Vec<&'static str> {
        let mut options = vec!["--workspace"];
        if cfg!(target_os = "freebsd") {
            options.extend(
                freebsd::LINUX_ONLY
                    .iter()
                    .flat_map(|package| ["--exclude", package]),
            );
        }
        options
    }

    /// Builds daemon, command line and the tests that can be copied.
    ///
    /// # Errors
    /// If they do not compile.
    pub fn build_programs(&self, profile: Profile) -> Result<()> {
        let mut cargo = match profile {
            Profile::Release => {
                let packages = freebsd::PROGRAMS
                    .iter()
                    .flat_map(|package| ["--package", package]);
                self.cargo(["build", "--release"].into_iter().chain(packages))
            }
            // With all that the tests need: packages built apart have other features, and would be built twice.
            Profile::Dev => {
                let packages = Self::packages();
                self.cargo(["build", "--all-targets"].into_iter().chain(packages))
            }
        };
        let status = cargo.status().context("cannot run cargo")?;
        ensure!(status.success(), "the programs do not compile");
        Ok(())
    }
}
