//! `cargo xtask setup`: what tasks need of this machine; installed where a package manager that we know can do it, else
//! named in one line.

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail, ensure};

use crate::toolchain::Toolchain;

/// Something that tasks need.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Need {
    /// To be root.
    Root,
    /// A compiler for plugins.
    PluginCompiler,
    /// A program of this name.
    Program {
        /// Its name.
        name: &'static str,
        /// The package of Debian that has it.
        debian: &'static str,
        /// What for.
        purpose: &'static str,
    },
    /// Namespaces of every kind that a jail is made of.
    Namespaces,
    /// The overlay file system.
    Overlay,
}

const fn program(name: &'static str, debian: &'static str, purpose: &'static str) -> Need {
    Need::Program {
        name,
        debian,
        purpose,
    }
}

/// What it takes to run containers on a throw-away host.
pub const HOST: [Need; 7] = [
    Need::Root,
    program("unshare", "util-linux", "namespaces for a throw-away host"),
    program("ip", "iproute2", "interfaces of a throw-away host"),
    program("nft", "nftables", "the firewall (with libnftables)"),
    program("busybox", "busybox-static", "programs for the first image"),
    Need::Namespaces,
    Need::Overlay,
];
/// What jails and their start-up time are compared with.
pub const CRUN: Need = program(
    "crun",
    "crun",
    "the container runtime that tests and benchmarks compare with",
);
/// Everything.
pub const ALL: [Need; 9] = [
    HOST[0],
    Need::PluginCompiler,
    HOST[1],
    HOST[2],
    HOST[3],
    HOST[4],
    CRUN,
    HOST[5],
    HOST[6],
];

/// Sees to it that these needs are met, in this order.
///
/// # Errors
/// One line on the first that is not and cannot be.
pub fn run(needs: &[Need]) -> Result<()> {
    let missing: Vec<_> = needs.iter().filter_map(|need| need.missing_package()).collect();
    if needs.contains(&Need::Root) {
        root()?;
    }
    install(&missing)?;
    needs.iter().try_for_each(Need::check)
}

/// A package that is to be installed, and what for.
struct Missing {
    program: &'static str,
    debian: &'static str,
    purpose: &'static str,
}

impl Need {
    fn missing_package(&self) -> Option<Missing> {
        match *self {
            Self::Program {
                name,
                debian,
                purpose,
            } if !exists(name) => Some(Missing {
                program: name,
                debian,
                purpose,
            }),
            _ => None,
        }
    }

    fn check(&self) -> Result<()> {
        match *self {
            Self::Root | Self::Program { .. } => Ok(()),
            Self::PluginCompiler => Toolchain::find_or_install().map(|_| ()),
            Self::Namespaces => namespaces(),
            Self::Overlay => overlay(),
        }
    }
}

fn root() -> Result<()> {
    ensure!(
        rustix::process::geteuid().is_root(),
        "not root: containers need namespaces, mounts and interfaces; try `sudo -E env PATH=\"$PATH\" cargo xtask …`"
    );
    Ok(())
}

/// Whether there is such a program, also where only administrators look.
fn exists(program: &str) -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let administrators = ["/usr/sbin", "/sbin"].map(Into::into);
    std::env::split_paths(&path)
        .chain(administrators)
        .any(|directory| directory.join(program).is_file())
}

fn install(missing: &[Missing]) -> Result<()> {
    if missing.is_empty() {
        return Ok(());
    }
    for Missing { program, purpose, .. } in missing {
        println!("setup: {program} is missing: {purpose}");
    }
    let packages: Vec<_> = missing.iter().map(|missing| missing.debian).collect();
    let list = packages.join(" ");
    ensure!(
        cfg!(target_os = "linux") && exists("apt-get"),
        "no apt-get here: install these programs by hand: {}",
        missing
            .iter()
            .map(|missing| missing.program)
            .collect::<Vec<_>>()
            .join(", ")
    );
    println!("setup: apt-get install {list}");
    if apt_get(&["install"], &packages)? {
        return Ok(());
    }
    // The package lists may be old or absent.
    println!("setup: apt-get update");
    if apt_get(&["update"], &[])? && apt_get(&["install"], &packages)? {
        return Ok(());
    }
    bail!("apt-get could not install {list}: install them by hand");
}

fn apt_get(verb: &[&str], packages: &[&str]) -> Result<bool> {
    let status = Command::new("apt-get")
        .args(verb)
        .args(["-y", "-qq"])
        .args((verb == ["install"]).then_some("--no-install-recommends"))
        .args(packages)
        .env("DEBIAN_FRONTEND", "noninteractive")
        .stdout(Stdio::null())
        .status()
        .context("cannot run apt-get")?;
    Ok(status.success())
}

/// Makes namespaces, since a kernel that has them may still not let us.
fn namespaces() -> Result<()> {
    let kinds = [
        "--net", "--mount", "--pid", "--ipc", "--uts", "--cgroup", "--fork",
    ];
    let output = Command::new("unshare")
        .args(kinds)
        .arg("true")
        .output()
        .context("cannot run unshare")?;
    let complaint = String::from_utf8_lossy(&output.stderr);
    ensure!(
        output.status.success(),
        "no namespaces here ({}): a container in which this runs must be a privileged one",
        complaint.trim()
    );
    Ok(())
}

fn overlay() -> Result<()> {
    let is_known = || -> Result<bool> {
        let known = fs::read_to_string(Path::new("/proc/filesystems"))?;
        Ok(known
            .lines()
            .any(|line| line.split_whitespace().last() == Some("overlay")))
    };
    if is_known()? {
        return Ok(());
    }
    // Where modprobe is missing or fails, the file system stays unknown, which the next look shows.
    let loaded = Command::new("modprobe")
        .arg("overlay")
        .stderr(Stdio::null())
        .status();
    ensure!(
        loaded.is_ok_and(|status| status.success()) && is_known()?,
        "no overlay file system in this kernel: containers' files cannot be layered; use a kernel with CONFIG_OVERLAY_FS"
    );
    Ok(())
}
