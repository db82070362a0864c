//! `cargo xtask dist`: everything an installation on FreeBSD consists of, as a tree of files below a prefix.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

use crate::plugins;
use crate::workspace::{Profile, Workspace};

/// Where FreeBSD keeps what is not of its base system.
const PREFIX: &str = "/usr/local";

/// Makes the tree in `dist` of the target directory, of programs in `programs` or else of those that are built for this
/// system. Returns its directory.
///
/// # Errors
/// If something does not compile or cannot be written.
pub fn run(workspace: &Workspace, programs: Option<PathBuf>) -> Result<PathBuf> {
    let programs = match programs {
        Some(directory) => directory,
        None => {
            workspace.build_programs(Profile::Release)?;
            workspace.programs(Profile::Release)
        }
    };
    let plugins = plugins::build_all(workspace.root())?;
    let tree = workspace.target().join("dist");
    if tree.exists() {
        fs::remove_dir_all(&tree)?;
    }
    let prefix = tree.join(PREFIX.trim_start_matches('/'));
    let packaging = workspace.root().join("packaging/freebsd");
    copy(&programs.join("kleened"), &prefix.join("sbin/kleened"), 0o755)?;
    copy(&programs.join("klee"), &prefix.join("bin/klee"), 0o755)?;
    for entry in fs::read_dir(&plugins)? {
        let path = entry?.path();
        if path.extension().is_some_and(|extension| extension == "wasm") {
            let name = path.file_name().unwrap_or_default();
            copy(&path, &prefix.join("lib/kleene/plugins").join(name), 0o644)?;
        }
    }
    copy(
        &packaging.join("kleened.toml.sample"),
        &prefix.join("etc/kleened/kleened.toml.sample"),
        0o644,
    )?;
    copy(
        &packaging.join("newsyslog.conf"),
        &prefix.join("etc/newsyslog.conf.d/kleened.conf"),
        0o644,
    )?;
    let script = fs::read_to_string(packaging.join("kleened.in"))?.replace("%%PREFIX%%", PREFIX);
    write(&prefix.join("etc/rc.d/kleened"), script.as_bytes(), 0o755)?;
    Ok(tree)
}

fn copy(from: &Path, to: &Path, mode: u32) -> Result<()> {
    let content = fs::read(from).with_context(|| format!("cannot read {}", from.display()))?;
    write(to, &content, mode)
}

fn write(to: &Path, content: &[u8], mode: u32) -> Result<()> {
    if let Some(parent) = to.parent() {
        fs::create_dir_all(parent)?;
    }
    fs::write(to, content).with_context(|| format!("cannot write {}", to.display()))?;
    Ok(fs::set_permissions(to, fs::Permissions::from_mode(mode))?)
}
