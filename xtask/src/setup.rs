//! `cargo xtask setup`: what tasks need of this machine; installed where a package manager that we know can do it, else
//! named in one line.

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail, ensure};

use crate::toolchain::{self, Toolchain};
use crate::userland;
use crate::workspace::Workspace;

/// A program that tasks need.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Program {
    name: &'static str,
    /// The package of Debian that has it.
    debian: &'static str,
    purpose: &'static str,
}

const fn program(name: &'static str, debian: &'static str, purpose: &'static str) -> Program {
    Program {
        name,
        debian,
        purpose,
    }
}

/// What it takes to run containers on a throw-away host.
const HOST: [Program; 4] = [
    program("unshare", "util-linux", "namespaces for a throw-away host"),
    program("ip", "iproute2", "interfaces of a throw-away host"),
    program("nft", "nftables", "the firewall (with libnftables)"),
    program("busybox", "busybox-static", "programs for the first image"),
];
/// What jails are compared with.
const CRUN: Program = program(
    "crun",
    "crun",
    "the container runtime that jails are compared with",
);

/// What builds are measured beside.
#[cfg(target_os = "linux")]
const PODMAN: Program = program("podman", "podman", "builds that ours are compared with");
/// Makes a userland for images.
const MMDEBSTRAP: Program = program(
    "mmdebstrap",
    "mmdebstrap",
    "a userland of Debian, on which real Dockerfiles are built",
);
/// What images are exchanged with.
const REGISTRY: [Program; 2] = [
    program(
        "docker-registry",
        "docker-registry",
        "the registry that images are pushed to and pulled from",
    ),
    program(
        "skopeo",
        "skopeo",
        "the tool that reads and writes images beside us",
    ),
];

/// Sees to it that this machine can build everything and run containers on a throw-away host.
///
/// # Errors
/// One line on the first thing that is missing and cannot be installed.
#[cfg(target_os = "linux")]
pub fn for_demo() -> Result<()> {
    set_up(&HOST)
}

/// Sees to it that this machine can do all tasks.
///
/// # Errors
/// As [`for_demo`].
pub fn for_all(workspace: &Workspace) -> Result<()> {
    set_up(&[&HOST[..], &[CRUN, MMDEBSTRAP], &REGISTRY[..]].concat())?;
    if let Err(error) = toolchain::with_source_or_install() {
        println!("setup: types for FreeBSD cannot be checked: {error:#}");
    }
    // It is for the tests in Linux's namespaces.
    if cfg!(target_os = "linux") {
        userland::make(workspace)?;
    }
    Ok(())
}

/// Sees to it that this machine has the peers that measurements are beside of, too.
///
/// # Errors
/// As [`for_demo`].
#[cfg(target_os = "linux")]
pub fn for_bench(workspace: &Workspace) -> Result<()> {
    for_all(workspace)?;
    set_up(&[PODMAN])
}

/// What cannot be installed is looked for first.
fn set_up(programs: &[Program]) -> Result<()> {
    root()?;
    if cfg!(not(target_os = "linux")) {
        Toolchain::find_or_install()?;
        return Ok(());
    }
    namespaces()?;
    overlay()?;
    let is_missing = |program: &&Program| !exists(program.name);
    install(&programs.iter().filter(is_missing).copied().collect::<Vec<_>>())?;
    if let Some(Program { name, debian, .. }) = programs.iter().find(is_missing) {
        bail!("{name} is still missing, though the package {debian} was installed");
    }
    Toolchain::find_or_install()?;
    println!("setup: this machine has all that is needed");
    Ok(())
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

fn install(missing: &[Program]) -> Result<()> {
    if missing.is_empty() {
        return Ok(());
    }
    for Program { name, purpose, .. } in missing {
        println!("setup: {name} is missing: {purpose}");
    }
    let packages: Vec<_> = missing.iter().map(|program| program.debian).collect();
    let list = packages.join(" ");
    ensure!(
        cfg!(target_os = "linux") && exists("apt-get"),
        "no apt-get here: install these programs by hand: {}",
        missing
            .iter()
            .map(|program| program.name)
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
