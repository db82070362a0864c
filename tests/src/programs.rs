//! Where the programs under test are.

use std::path::{Path, PathBuf};

use anyhow::{Result, ensure};

/// Names the directory of `klee` and `kleened`, where it is not the one that holds the running program.
pub const BIN_VARIABLE: &str = "KLEENE_BIN_DIR";
/// Names the directory of the plugins, where it is not `plugins` beside the build profile's.
pub const PLUGINS_VARIABLE: &str = "KLEENE_PLUGIN_DIR";
/// Names the ground of all throw-away hosts that do not choose one: `linux` (also without it) or `freebsd`.
pub const GROUND_VARIABLE: &str = "KLEENE_TEST_GROUND";

/// The programs of one build.
#[derive(Debug, Clone)]
pub struct Programs {
    /// The command line.
    pub klee: PathBuf,
    /// The daemon.
    pub kleened: PathBuf,
    /// The directory of plugins.
    pub plugins: PathBuf,
}

impl Programs {
    /// The programs in `bin`, with the plugins in `plugins`.
    ///
    /// # Errors
    /// If one is missing, with what builds it.
    pub fn at(bin: &Path, plugins: &Path) -> Result<Self> {
        let programs = Self {
            klee: bin.join("klee"),
            kleened: bin.join("kleened"),
            plugins: plugins.to_owned(),
        };
        for program in [&programs.klee, &programs.kleened] {
            ensure!(
                program.is_file(),
                "{} is missing: run `cargo xtask test`, or `cargo build -p kleened -p klee`",
                program.display()
            );
        }
        ensure!(
            plugins.is_dir(),
            "the plugins are missing at {}: run `cargo xtask plugins`",
            plugins.display()
        );
        Ok(programs)
    }

    /// Where compiled plugins are kept for all hosts of a build.
    #[must_use]
    pub fn compiled_plugins(&self) -> PathBuf {
        self.plugins.with_file_name("plugin-cache")
    }

    /// An archive with a userland of Debian, on which images can be built: gcc, make, Python, nginx.
    #[must_use]
    pub fn userland(&self) -> PathBuf {
        self.plugins.with_file_name("userland").join("bookworm.tar")
    }

    /// The programs of the build that the running test belongs to, unless the environment names others.
    ///
    /// # Errors
    /// As [`Programs::at`].
    pub fn of_this_build() -> Result<Self> {
        let test = std::env::current_exe()?;
        let deps = test.parent().unwrap_or(Path::new("."));
        let profile = deps.parent().unwrap_or(deps);
        let target = profile.parent().unwrap_or(profile);
        let named = |variable| std::env::var_os(variable).map(PathBuf::from);
        Self::at(
            &named(BIN_VARIABLE).unwrap_or_else(|| profile.to_owned()),
            &named(PLUGINS_VARIABLE).unwrap_or_else(|| target.join("plugins")),
        )
    }
}
