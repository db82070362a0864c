//! What a throw-away host is made of.

use std::path::{Path, PathBuf};

use anyhow::{Result, ensure};

use crate::programs::{GROUND_VARIABLE, Programs};
use crate::sandbox::Sandbox;

/// What a host's daemon works with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ground {
    /// Linux itself.
    Linux,
    /// Stand-ins for FreeBSD's tools: they keep state and run real processes; networks exist on paper only.
    FreeBsd,
}

impl Ground {
    /// The one that the environment names.
    ///
    /// # Panics
    /// If it names another.
    #[must_use]
    #[track_caller]
    pub fn of_environment() -> Self {
        match std::env::var(GROUND_VARIABLE).as_deref() {
            Err(_) | Ok("linux") => Self::Linux,
            Ok("freebsd") => Self::FreeBsd,
            Ok(other) => panic!("{GROUND_VARIABLE} is '{other}': it takes 'linux' or 'freebsd'"),
        }
    }

    /// Puts there what the daemon expects.
    pub(crate) fn prepare(self, sandbox: &Sandbox, programs: &Programs) -> Result<()> {
        if self == Self::FreeBsd {
            let stand_ins = programs.kleened.with_file_name("fake_freebsd");
            let status = sandbox
                .command(&stand_ins)
                .arg("install")
                .arg(host_dir(sandbox))
                .status()?;
            ensure!(status.success(), "{} cannot be installed", stand_ins.display());
        }
        Ok(())
    }

    /// The lines of the daemon's configuration that are about it.
    pub(crate) fn configuration(self, sandbox: &Sandbox) -> String {
        match self {
            Self::Linux => format!("kleene_root = \"{}\"", self.state_dir(sandbox).display()),
            Self::FreeBsd => format!(
                "platform = \"freebsd\"\ntools = \"{}\"\nkleene_root = \"tank/kleene\"",
                host_dir(sandbox).join("bin").display()
            ),
        }
    }

    /// The daemon's directory of what lasts.
    pub(crate) fn state_dir(self, sandbox: &Sandbox) -> PathBuf {
        match self {
            Self::Linux => sandbox.directory().join("state"),
            Self::FreeBsd => host_dir(sandbox).join("tank/kleene"),
        }
    }

    /// The daemon's directory of what ends with the host.
    pub(crate) fn run_dir(self, sandbox: &Sandbox) -> PathBuf {
        sandbox.directory().join("run")
    }

    /// The interface of the host's default route.
    #[must_use]
    pub fn uplink(self) -> &'static str {
        match self {
            Self::Linux => "uplink",
            Self::FreeBsd => "vtnet0",
        }
    }

    /// The interface of the host's loopback addresses.
    #[must_use]
    pub fn loopback(self) -> &'static str {
        match self {
            Self::Linux => "lo",
            Self::FreeBsd => "lo0",
        }
    }

    /// As what the end of a container's first process is told: jail(8) says only that it failed.
    #[must_use]
    pub fn status_of_first(self, status: u8) -> u8 {
        match self {
            Self::Linux => status,
            Self::FreeBsd => status.min(1),
        }
    }

    /// A tool of the host's, as its administrator would call it.
    #[must_use]
    pub fn tool(self, sandbox: &Sandbox, name: &str) -> PathBuf {
        match self {
            Self::Linux => PathBuf::from(name),
            Self::FreeBsd => host_dir(sandbox).join("bin").join(name),
        }
    }
}

/// The directory of the host that the stand-ins make up.
fn host_dir(sandbox: &Sandbox) -> PathBuf {
    Path::new(sandbox.directory()).join("host")
}
