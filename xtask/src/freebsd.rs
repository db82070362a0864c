//! `cargo xtask freebsd`: does it compile for FreeBSD? On another system, with a compiler that has the library's source.
//!
//! Checking types takes nothing but that compiler. Linking takes a C compiler and libraries for FreeBSD, which Zig is and
//! has (`pip install ziglang`).

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Instant;

use anyhow::{Context, Result, bail, ensure};

use crate::style;
use crate::toolchain;
use crate::workspace::Workspace;

/// What FreeBSD runs on.
const TARGETS: [&str; 2] = ["x86_64-unknown-freebsd", "aarch64-unknown-freebsd"];
/// The one that is linked too.
const LINKED: &str = TARGETS[0];
/// The release whose libraries are linked against, in Zig's words.
const ZIG_TARGET: &str = "x86_64-freebsd.14.2";
/// The other platform, which is of no use there.
const LINUX_ONLY: [&str; 3] = ["kleene-linux", "kleene-linux-jail", "kleene-tests"];
/// Libraries that the linker is told of and that nothing needs.
const NOT_NEEDED: [&str; 4] = ["-lkvm", "-lmemstat", "-lprocstat", "-ldevstat"];

/// Checks the types for all targets, and links the programs for one.
///
/// # Errors
/// What does not compile, or what is missing here.
pub fn run(workspace: &Workspace) -> Result<()> {
    for target in TARGETS {
        check(workspace, target)?;
    }
    let zig = zig()?;
    link(workspace, &zig)
}

fn check(workspace: &Workspace, target: &str) -> Result<()> {
    println!("{}", style::heading(&format!("== types for {target}")));
    let began = Instant::now();
    let mut cargo = cargo(workspace, "check", target)?;
    cargo.args(["--workspace", "--quiet"]);
    for package in LINUX_ONLY {
        cargo.args(["--exclude", package]);
    }
    // The C parts are compiled for this system: their objects are never looked at.
    cargo.env(format!("CC_{}", target.replace('-', "_")), "cc");
    ensure!(
        cargo.status()?.success(),
        "the workspace does not compile for {target}"
    );
    println!("{target}: OK ({} s)", began.elapsed().as_secs());
    Ok(())
}

fn link(workspace: &Workspace, zig: &[String]) -> Result<()> {
    println!("{}", style::heading(&format!("== programs for {LINKED}")));
    let began = Instant::now();
    let directory = workspace.target().join("freebsd");
    fs::create_dir_all(&directory)?;
    let mut cargo = cargo(workspace, "build", LINKED)?;
    cargo.args(["--package", "kleened", "--package", "klee", "--quiet"]);
    let names = LINKED.replace('-', "_");
    let compiler = script(&directory.join("cc"), &compiler_script(zig))?;
    let archiver = script(
        &directory.join("ar"),
        &format!("exec {} ar \"$@\"\n", zig.join(" ")),
    )?;
    cargo
        .env(format!("CARGO_TARGET_{}_LINKER", names.to_uppercase()), &compiler)
        .env(format!("CC_{names}"), &compiler)
        .env(format!("AR_{names}"), &archiver);
    ensure!(
        cargo.status()?.success(),
        "kleened and klee do not link for {LINKED}"
    );
    let programs = workspace.target().join(LINKED).join("debug");
    println!(
        "{LINKED}: programs are in {} ({} s)",
        programs.display(),
        began.elapsed().as_secs()
    );
    Ok(())
}

/// `cargo` with a compiler that builds the standard library along.
fn cargo(workspace: &Workspace, verb: &str, target: &str) -> Result<Command> {
    let rustc = toolchain::with_source().context(
        "no compiler with the library's source: type `rustup component add rust-src --toolchain nightly`, \
         or on Debian `apt-get install rustc-web rust-web-src`",
    )?;
    let mut cargo = workspace.cargo([verb, "--target", target]);
    cargo
        .arg("-Zbuild-std=std,panic_abort,panic_unwind")
        .env_remove("RUSTUP_TOOLCHAIN")
        .env("RUSTC", rustc)
        // The flag is unstable, the compiler a stable release: both of a distribution, made for each other.
        .env("RUSTC_BOOTSTRAP", "1");
    Ok(cargo)
}

/// The words by which Zig is called here.
fn zig() -> Result<Vec<String>> {
    let own: &[&str] = &["zig"];
    let of_python: &[&str] = &["python3", "-m", "ziglang"];
    let named = std::env::var("ZIG").ok();
    let named: Vec<&str> = named.iter().flat_map(|words| words.split_whitespace()).collect();
    for words in [named.as_slice(), own, of_python] {
        let Some((program, arguments)) = words.split_first() else {
            continue;
        };
        let version = Command::new(program)
            .args(arguments)
            .arg("version")
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .status();
        if version.is_ok_and(|status| status.success()) {
            return Ok(words.iter().map(|&word| word.to_owned()).collect());
        }
    }
    bail!(
        "types are fine; linking needs a C compiler for FreeBSD: type `pip install ziglang`, \
         or name one that is installed elsewhere, as in ZIG='/opt/venv/bin/python -m ziglang'"
    )
}

fn compiler_script(zig: &[String]) -> String {
    let not_needed = NOT_NEEDED.join("|");
    format!(
        "for argument; do\n  shift\n  case \"$argument\" in\n    {not_needed}|--target=*) ;;\n    *) set -- \"$@\" \"$argument\" ;;\n  esac\ndone\nexec {} cc -target {ZIG_TARGET} \"$@\"\n",
        zig.join(" ")
    )
}

/// Writes a program of a few lines.
fn script(path: &Path, text: &str) -> Result<PathBuf> {
    fs::write(path, format!("#!/bin/sh\n{text}"))?;
    fs::set_permissions(path, fs::Permissions::from_mode(0o755))?;
    Ok(std::path::absolute(path)?)
}
