//! `cargo xtask plugins`: compiles guests and makes components of them, each with its manifest inside.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail, ensure};
use wit_component::ComponentEncoder;

use crate::toolchain::{TARGET, Toolchain};

/// The custom section that holds `plugin.toml`; the host looks for it by this name.
const MANIFEST_SECTION: &str = "kleene:manifest";
/// The build profile of guests, in the workspace's `Cargo.toml`.
const PROFILE: &str = "guest";

/// Builds every first-party plugin. Returns the directory with their components.
///
/// # Errors
/// If there is no compiler for them, or one does not build.
pub fn build_all(workspace: &Path) -> Result<PathBuf> {
    let out = target_directory(workspace).join("plugins");
    build(workspace, &crates_in(&workspace.join("plugins"))?, &out)?;
    Ok(out)
}

/// Builds the plugins which the host's tests need, and which nobody else should have.
///
/// # Errors
/// As [`build_all`].
pub fn build_fixtures(workspace: &Path) -> Result<PathBuf> {
    let out = target_directory(workspace).join("plugin-fixtures");
    build(
        workspace,
        &crates_in(&workspace.join("host/plugins/tests/fixtures"))?,
        &out,
    )?;
    Ok(out)
}

/// The crates in a directory that are plugins, sorted.
fn crates_in(parent: &Path) -> Result<Vec<PathBuf>> {
    let mut crates = Vec::new();
    for entry in fs::read_dir(parent).with_context(|| format!("cannot read {}", parent.display()))? {
        let directory = entry?.path();
        if directory.join("plugin.toml").is_file() {
            crates.push(directory);
        }
    }
    crates.sort_unstable();
    ensure!(!crates.is_empty(), "there are no plugins in {}", parent.display());
    Ok(crates)
}

/// Builds these crates, members of the workspace with a `plugin.toml`, to components in `out`.
///
/// # Errors
/// If there is no compiler for them, or one does not build.
fn build(workspace: &Path, crates: &[PathBuf], out: &Path) -> Result<()> {
    let names = crates
        .iter()
        .map(|path| crate_name(path))
        .collect::<Result<Vec<_>>>()?;
    // Of its own: the compiler may be another than the workspace's, and would take turns with it in one directory.
    let target = target_directory(workspace).join("guests");
    let mut cargo = Toolchain::find_or_install()?.cargo(&["build", "--quiet", "--profile", PROFILE]);
    cargo.current_dir(workspace).env("CARGO_TARGET_DIR", &target);
    for name in &names {
        cargo.args(["--package", name]);
    }
    let status = cargo.status().context("cannot run cargo")?;
    ensure!(status.success(), "the plugins do not compile");

    fs::create_dir_all(out)?;
    for (path, name) in crates.iter().zip(&names) {
        let module = target
            .join(TARGET)
            .join(PROFILE)
            .join(name.replace('-', "_") + ".wasm");
        let component = component(&module, &path.join("plugin.toml"))?;
        write_if_changed(&out.join(format!("{name}.wasm")), &component)?;
    }
    Ok(())
}

/// The component of a core module, with its manifest.
fn component(module: &Path, manifest: &Path) -> Result<Vec<u8>> {
    let bytes = fs::read(module).with_context(|| format!("cannot read {}", module.display()))?;
    let mut component = ComponentEncoder::default()
        .validate(true)
        .module(&bytes)
        .and_then(|encoder| encoder.encode())
        .with_context(|| format!("{} does not become a component", module.display()))?;
    let manifest = fs::read(manifest).with_context(|| format!("cannot read {}", manifest.display()))?;
    append_custom_section(&mut component, MANIFEST_SECTION, &manifest);
    Ok(component)
}

/// A custom section may stand anywhere between sections, so also at the end: identifier 0, size, name, content.
fn append_custom_section(component: &mut Vec<u8>, name: &str, content: &[u8]) {
    let mut body = leb128(name.len());
    body.extend_from_slice(name.as_bytes());
    body.extend_from_slice(content);
    component.push(0);
    component.extend(leb128(body.len()));
    component.extend(body);
}

fn leb128(mut value: usize) -> Vec<u8> {
    let mut bytes = Vec::new();
    loop {
        let low = u8::try_from(value & 0x7f).unwrap_or(0x7f);
        value >>= 7;
        if value == 0 {
            bytes.push(low);
            return bytes;
        }
        bytes.push(low | 0x80);
    }
}

/// Leaves an unchanged file alone, so that what depends on its time of change is not built again.
fn write_if_changed(file: &Path, content: &[u8]) -> Result<()> {
    if fs::read(file).is_ok_and(|old| old == content) {
        return Ok(());
    }
    fs::write(file, content).with_context(|| format!("cannot write {}", file.display()))
}

/// The crate's name is that of its directory.
fn crate_name(path: &Path) -> Result<String> {
    match path.file_name().and_then(|name| name.to_str()) {
        Some(name) => Ok(name.to_owned()),
        None => bail!("{} is not the directory of a crate", path.display()),
    }
}

fn target_directory(workspace: &Path) -> PathBuf {
    match std::env::var_os("CARGO_TARGET_DIR") {
        Some(directory) => workspace.join(directory),
        None => workspace.join("target"),
    }
}
