//! A small userland of Debian with a compiler, Python and nginx, from its packages: what Dockerfiles that people write
//! are built on in tests. Made once, and kept beside what is built.

use std::fs;
use std::process::Command;

use anyhow::{Context, Result, ensure};

use crate::workspace::Workspace;

/// Its release. The tests know the archive by this name, too.
const RELEASE: &str = "bookworm";
const PACKAGES: &str = "gcc,libc6-dev,make,python3-minimal,nginx-light";
/// What nobody reads in a test.
const LEFT_OUT: [&str; 3] = ["man", "doc", "locale"];

/// Makes the archive if it is not there.
///
/// # Errors
/// If mmdebstrap fails, with the end of what it said.
pub fn make(workspace: &Workspace) -> Result<()> {
    let directory = workspace.target().join("userland");
    let archive = directory.join(format!("{RELEASE}.tar"));
    if archive.is_file() {
        return Ok(());
    }
    fs::create_dir_all(&directory)?;
    let draft = directory.join(format!("{RELEASE}.draft.tar"));
    println!("setup: a userland of Debian for tests, {}", archive.display());
    // A mount namespace of its own: what it mounts goes with it, even if it is killed.
    let mut mmdebstrap = Command::new("unshare");
    mmdebstrap.args(["--mount", "mmdebstrap", "--quiet", "--variant=minbase"]);
    mmdebstrap.arg(format!("--include={PACKAGES}"));
    mmdebstrap.arg("--aptopt=Apt::Install-Recommends \"false\"");
    // Device nodes are the container's business; archives with some are refused.
    mmdebstrap.arg("--skip=output/dev");
    for share in LEFT_OUT {
        mmdebstrap.arg(format!("--dpkgopt=path-exclude=/usr/share/{share}/*"));
    }
    let made = mmdebstrap
        .arg(RELEASE)
        .arg(&draft)
        .output()
        .context("cannot run mmdebstrap")?;
    let said = String::from_utf8_lossy(&made.stderr);
    let end: Vec<_> = said.lines().rev().take(10).collect();
    ensure!(
        made.status.success(),
        "mmdebstrap could not make a userland:\n{}",
        end.into_iter().rev().collect::<Vec<_>>().join("\n")
    );
    fs::rename(draft, archive)?;
    Ok(())
}
