//! `cargo xtask openapi`: writes the description of the interface, as the daemon gives it, to where it is committed.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};

/// Builds the daemon and has it print the description; returns where it was written.
pub fn write(root: &Path) -> Result<PathBuf> {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let output = Command::new(cargo)
        .current_dir(root)
        .args(["run", "--quiet", "--package", "kleened", "--", "openapi"])
        .stderr(std::process::Stdio::inherit())
        .output()
        .context("cannot run cargo")?;
    if !output.status.success() {
        bail!("`cargo run -p kleened -- openapi` failed: {}", output.status);
    }
    let path = root.join("api/openapi.json");
    std::fs::write(&path, output.stdout).with_context(|| format!("cannot write {}", path.display()))?;
    Ok(path)
}
