//! Finding a compiler for `wasm32-unknown-unknown`, and installing one where that is a matter of one command.
//!
//! In this order: a toolchain that has the target's library; one that has the library's source, from which it is
//! built; Debian's packages of the latter; else one line that says what to type.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};

/// The target of plugins: no system interface at all.
pub const TARGET: &str = "wasm32-unknown-unknown";

/// Debian's compiler with the library's source, and a linker. They lie beside a rustup toolchain without hiding it.
const DEBIAN_PACKAGES: [&str; 3] = ["rustc-web", "rust-web-src", "lld"];
/// The compiler in them.
const DEBIAN_RUSTC: &str = "/usr/bin/rustc";

/// A way to compile plugins.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Toolchain {
    /// The compiler has the target's library.
    Ready {
        /// The compiler.
        rustc: PathBuf,
    },
    /// The compiler has the library's source; it is built along with the plugins.
    FromSource {
        /// The compiler.
        rustc: PathBuf,
        /// A linker for WebAssembly.
        linker: PathBuf,
    },
}

impl Toolchain {
    /// A toolchain of this machine, after installing one if need be.
    ///
    /// # Errors
    /// What to type, where there is none and none can be installed.
    pub fn find_or_install() -> Result<Self> {
        if let Some(toolchain) = Self::find() {
            return Ok(toolchain);
        }
        if !installs_packages() {
            bail!("no compiler for plugins: type `rustup target add {TARGET}`");
        }
        install_debian_packages()?;
        Self::find().context("Debian's packages are installed, but their compiler cannot build plugins")
    }

    /// A toolchain that this machine has.
    #[must_use]
    pub fn find() -> Option<Self> {
        let own = std::env::var_os("RUSTC").unwrap_or_else(|| "rustc".into());
        let candidates = [PathBuf::from(own), PathBuf::from(DEBIAN_RUSTC)];
        let sysroots: Vec<_> = candidates
            .iter()
            .filter_map(|rustc| Some((rustc.clone(), sysroot(rustc)?)))
            .collect();
        let ready = sysroots.iter().find(|(_, sysroot)| has_target(sysroot));
        if let Some((rustc, _)) = ready {
            return Some(Self::Ready { rustc: rustc.clone() });
        }
        let (rustc, _) = sysroots.iter().find(|(_, sysroot)| has_source(sysroot))?;
        let linker = sysroots
            .iter()
            .find_map(|(_, sysroot)| rust_lld(sysroot))
            .or_else(wasm_ld)?;
        Some(Self::FromSource {
            rustc: rustc.clone(),
            linker,
        })
    }

    /// `cargo` with `arguments`, set up to compile for [`TARGET`].
    #[must_use]
    pub fn cargo(&self, arguments: &[&str]) -> Command {
        let mut cargo = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
        cargo.args(arguments).args(["--target", TARGET]);
        // Set by the cargo that runs xtask, and wrong for another compiler.
        cargo.env_remove("RUSTUP_TOOLCHAIN");
        match self {
            Self::Ready { rustc } => {
                cargo.env("RUSTC", rustc);
            }
            Self::FromSource { rustc, linker } => {
                cargo
                    .arg("-Zbuild-std=std,panic_abort")
                    .env("RUSTC", rustc)
                    // The flag is unstable, the compiler a stable release: both of a distribution, made for each other.
                    .env("RUSTC_BOOTSTRAP", "1")
                    .env("CARGO_TARGET_WASM32_UNKNOWN_UNKNOWN_LINKER", linker);
            }
        }
        cargo
    }
}

/// A compiler that has the library's source, for targets whose library nobody ships.
#[must_use]
pub fn with_source() -> Option<PathBuf> {
    let own = std::env::var_os("RUSTC").unwrap_or_else(|| "rustc".into());
    let mut candidates = [PathBuf::from(own), PathBuf::from(DEBIAN_RUSTC)].into_iter();
    candidates.find(|rustc| sysroot(rustc).is_some_and(|sysroot| has_source(&sysroot)))
}

/// As [`with_source`], after installing one if need be and possible.
///
/// # Errors
/// If there is none and none can be installed.
pub fn with_source_or_install() -> Result<PathBuf> {
    if let Some(rustc) = with_source() {
        return Ok(rustc);
    }
    if !installs_packages() {
        bail!("no compiler with the library's source: type `rustup component add rust-src`");
    }
    install_debian_packages()?;
    with_source().context("Debian's packages are installed, but have no source of the library")
}

fn sysroot(rustc: &Path) -> Option<PathBuf> {
    let output = Command::new(rustc).args(["--print", "sysroot"]).output().ok()?;
    let text = String::from_utf8(output.stdout).ok()?;
    output.status.success().then(|| PathBuf::from(text.trim()))
}

fn has_target(sysroot: &Path) -> bool {
    sysroot.join("lib/rustlib").join(TARGET).join("lib").is_dir()
}

fn has_source(sysroot: &Path) -> bool {
    sysroot.join("lib/rustlib/src/rust/library/Cargo.lock").is_file()
}

/// The linker that rustup ships, below the host's own target.
fn rust_lld(sysroot: &Path) -> Option<PathBuf> {
    let entries = std::fs::read_dir(sysroot.join("lib/rustlib")).ok()?;
    entries
        .filter_map(Result::ok)
        .map(|entry| entry.path().join("bin/rust-lld"))
        .find(|linker| linker.is_file())
}

/// LLVM's own linker; Debian puts the version into its name.
fn wasm_ld() -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    let mut found: Vec<_> = std::env::split_paths(&path)
        .filter_map(|directory| std::fs::read_dir(directory).ok())
        .flatten()
        .filter_map(Result::ok)
        .map(|entry| entry.path())
        .filter(|file| {
            let name = file.file_name().unwrap_or_default().to_string_lossy();
            name == "wasm-ld"
                || name
                    .strip_prefix("wasm-ld-")
                    .is_some_and(|version| version.parse::<u32>().is_ok())
        })
        .collect();
    found.sort_unstable();
    found.pop()
}

/// Whether this is a Debian on which we may install packages.
fn installs_packages() -> bool {
    Path::new("/usr/bin/apt-get").exists() && rustix::process::geteuid().is_root()
}

fn install_debian_packages() -> Result<()> {
    eprintln!(
        "no compiler for plugins or for FreeBSD here: installing {}",
        DEBIAN_PACKAGES.join(", ")
    );
    let install = || {
        Command::new("apt-get")
            .args(["install", "-y", "-qq", "--no-install-recommends"])
            .args(DEBIAN_PACKAGES)
            .env("DEBIAN_FRONTEND", "noninteractive")
            .stdout(std::process::Stdio::null())
            .status()
            .context("cannot run apt-get")
    };
    if install()?.success() {
        return Ok(());
    }
    // The package lists may be old or absent.
    let updated = Command::new("apt-get").args(["update", "-qq"]).status()?;
    if updated.success() && install()?.success() {
        return Ok(());
    }
    bail!(
        "apt-get could not install {}; type `rustup target add {TARGET}` or install them by hand",
        DEBIAN_PACKAGES.join(", ")
    )
}
