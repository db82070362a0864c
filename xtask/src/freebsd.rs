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
use crate::workspace::{Profile, Workspace};

/// What FreeBSD runs on.
const TARGETS: [&str; 2] = ["x86_64-unknown-freebsd", "aarch64-unknown-freebsd"];
/// The one that is linked too.
const LINKED: &str = TARGETS[0];
/// The oldest release that programs run on, whose libraries are linked against, in Zig's words.
const ZIG_TARGET: &str = "x86_64-freebsd.13.2";
/// Zig's start-up code is that of FreeBSD 14, which calls a function of that release's library; programs that ask for it do
/// not start on 13. So they bring it along. The loader has run the initialisers before it.
const START: &str = r#"#include <stdlib.h>
#include <string.h>
extern char **environ;
extern const char *__progname;
void __libc_start1(int argc, char **argv, char **env, void (*cleanup)(void), int (*mainX)(int, char **, char **))
{
    if (environ == NULL)
        environ = env;
    if (argc > 0 && argv[0] != NULL) {
        const char *slash = strrchr(argv[0], '/');
        __progname = slash == NULL ? argv[0] : slash + 1;
    }
    if (cleanup != NULL)
        atexit(cleanup);
    exit(mainX(argc, argv, env));
}
"#;
/// The other platform, which is of no use there.
pub const LINUX_ONLY: [&str; 2] = ["kleene-linux", "kleene-linux-jail"];
/// What runs there: the daemon, the command line, and the tests that can be copied to any host.
pub const PROGRAMS: [&str; 3] = ["kleened", "klee", "kleene-e2e"];
/// Libraries that the linker is told of and that nothing needs.
const NOT_NEEDED: [&str; 4] = ["-lkvm", "-lmemstat", "-lprocstat", "-ldevstat"];

/// Checks the types for all targets, and links the programs for one.
///
/// # Errors
/// What does not compile, or what is missing here.
pub fn run(workspace: &Workspace, profile: Profile) -> Result<()> {
    println!(
        "{}",
        style::heading(&format!("== types for {}", TARGETS.join(" and ")))
    );
    check(workspace)?;
    let zig = zig()?;
    link(workspace, &zig, profile)
}

/// Whether types can be checked here; else what is missing.
///
/// # Errors
/// What to type.
pub fn can_check() -> Result<()> {
    compiler().map(drop)
}

/// Checks the types of the whole workspace for all targets at once.
///
/// # Errors
/// What does not compile, or that there is no compiler for it.
pub fn check(workspace: &Workspace) -> Result<()> {
    let began = Instant::now();
    let mut cargo = cargo(workspace, "check", &TARGETS)?;
    cargo.args(["--workspace", "--quiet"]);
    for package in LINUX_ONLY {
        cargo.args(["--exclude", package]);
    }
    for target in TARGETS {
        // The C parts are compiled for this system: their objects are never looked at.
        cargo.env(format!("CC_{}", target.replace('-', "_")), "cc");
    }
    ensure!(
        cargo.status()?.success(),
        "the workspace does not compile for FreeBSD"
    );
    println!("{}: OK ({} s)", TARGETS.join(", "), began.elapsed().as_secs());
    Ok(())
}

fn link(workspace: &Workspace, zig: &[String], profile: Profile) -> Result<()> {
    println!("{}", style::heading(&format!("== programs for {LINKED}")));
    let began = Instant::now();
    let directory = workspace.target().join("freebsd");
    fs::create_dir_all(&directory)?;
    let mut cargo = cargo(workspace, "build", &[LINKED])?;
    cargo.arg("--quiet");
    for program in PROGRAMS {
        cargo.args(["--package", program]);
    }
    if profile == Profile::Release {
        cargo.arg("--release");
    }
    let names = LINKED.replace('-', "_");
    let start = compile_start(zig, &directory)?;
    let compiler = script(&directory.join("cc"), &compiler_script(zig, &start))?;
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
        "{} do not link for {LINKED}",
        PROGRAMS.join(", ")
    );
    let programs = workspace.programs_for(LINKED, profile);
    for program in PROGRAMS {
        check_release(&programs.join(program))?;
    }
    println!(
        "{LINKED}: programs are in {} ({} s)",
        programs.display(),
        began.elapsed().as_secs()
    );
    Ok(())
}

fn compiler() -> Result<PathBuf> {
    toolchain::with_source().context(
        "no compiler with the library's source: type `rustup component add rust-src --toolchain nightly`, \
         or on Debian `apt-get install rustc-web rust-web-src`",
    )
}

/// `cargo` with a compiler that builds the standard library along.
fn cargo(workspace: &Workspace, verb: &str, targets: &[&str]) -> Result<Command> {
    let rustc = compiler()?;
    let mut cargo = workspace.cargo([verb]);
    for target in targets {
        cargo.args(["--target", target]);
    }
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

/// A script that compiles C and links programs. What is linked starts with `start`.
fn compiler_script(zig: &[String], start: &Path) -> String {
    let not_needed = NOT_NEEDED.join("|");
    format!(
        "start='{}'\nfor argument; do\n  shift\n  case \"$argument\" in\n    -c|-E|-S|-shared|--version) start= ;;\n  esac\n  \
         case \"$argument\" in\n    {not_needed}|--target=*) ;;\n    *) set -- \"$@\" \"$argument\" ;;\n  esac\ndone\n\
         exec {} cc -target {ZIG_TARGET} \"$@\" $start\n",
        start.display(),
        zig.join(" ")
    )
}

/// Compiles [`START`].
fn compile_start(zig: &[String], directory: &Path) -> Result<PathBuf> {
    let (source, object) = (directory.join("start.c"), directory.join("start.o"));
    fs::write(&source, START)?;
    let (program, arguments) = zig.split_first().context("no Zig")?;
    let compiled = Command::new(program)
        .args(arguments)
        .args(["cc", "-target", ZIG_TARGET, "-O2", "-c", "-o"])
        .args([&object, &source])
        .status()?;
    ensure!(compiled.success(), "{} does not compile", source.display());
    Ok(std::path::absolute(object)?)
}

/// A version of FreeBSD's libraries that came with 14.0.
const TOO_NEW: &[u8] = b"FBSD_1.7";

/// Programs that ask for what is new in a later release do not start on the oldest.
fn check_release(program: &Path) -> Result<()> {
    let content = fs::read(program).with_context(|| format!("cannot read {}", program.display()))?;
    ensure!(
        !content.windows(TOO_NEW.len()).any(|window| window == TOO_NEW),
        "{} asks for version {} of a library, which FreeBSD 13 has not",
        program.display(),
        String::from_utf8_lossy(TOO_NEW)
    );
    Ok(())
}

/// Writes a program of a few lines.
fn script(path: &Path, text: &str) -> Result<PathBuf> {
    fs::write(path, format!("#!/bin/sh\n{text}"))?;
    fs::set_permissions(path, fs::Permissions::from_mode(0o755))?;
    Ok(std::path::absolute(path)?)
}
