//! `cargo xtask dist`: everything an installation on FreeBSD consists of, as a tree of files below a prefix; and beside it
//! `kleene-e2e`, one file that tests Kleene on any host of the system that it is for.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

use crate::plugins;
use crate::workspace::{Profile, Workspace};

/// Where FreeBSD keeps what is not of its base system.
const PREFIX: &str = "/usr/local";

/// What was made.
#[derive(Debug)]
pub struct Dist {
    /// The directory that is `/` of an installation.
    pub tree: PathBuf,
    /// The tests.
    pub tests: PathBuf,
}

/// Makes both in `dist` of the target directory, of programs in `programs` or else of those that are built for this
/// system.
///
/// # Errors
/// If something does not compile or cannot be written.
pub fn run(workspace: &Workspace, programs: Option<PathBuf>) -> Result<Dist> {
    let programs = match programs {
        Some(directory) => directory,
        None => {
            workspace.build_programs(Profile::Release)?;
            workspace.programs(Profile::Release)
        }
    };
    let plugins = plugins::build_all(workspace.root())?;
    let dist = workspace.target().join("dist");
    if dist.exists() {
        fs::remove_dir_all(&dist)?;
    }
    let (tree, tests) = (dist.join("root"), dist.join("kleene-e2e"));
    let prefix = tree.join(PREFIX.trim_start_matches('/'));
    let packaging = workspace.root().join("packaging/freebsd");
    copy(&programs.join("kleened"), &prefix.join("sbin/kleened"), 0o755)?;
    copy(&programs.join("klee"), &prefix.join("bin/klee"), 0o755)?;
    let plugins = components_in(&plugins)?;
    for (name, path) in &plugins {
        copy(path, &prefix.join("lib/kleene/plugins").join(name), 0o644)?;
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
    make_tests(&programs, &plugins, &tests)?;
    Ok(Dist { tree, tests })
}

/// The tests with the programs under test at their end.
fn make_tests(programs: &Path, plugins: &[(String, PathBuf)], out: &Path) -> Result<()> {
    let (kleened, klee) = (programs.join("kleened"), programs.join("klee"));
    let names: Vec<String> = plugins
        .iter()
        .map(|(name, _)| format!("plugins/{name}"))
        .collect();
    let mut files = vec![
        ("kleened", kleened.as_path(), 0o755),
        ("klee", klee.as_path(), 0o755),
    ];
    let plugins = plugins.iter().map(|(_, path)| path.as_path());
    files.extend(
        names
            .iter()
            .zip(plugins)
            .map(|(name, path)| (name.as_str(), path, 0o644)),
    );
    kleene_e2e::payload::append(&programs.join("kleene-e2e"), files, out)
}

/// The components in a directory, by name.
fn components_in(directory: &Path) -> Result<Vec<(String, PathBuf)>> {
    let mut components = Vec::new();
    for entry in fs::read_dir(directory)? {
        let path = entry?.path();
        if path.extension().is_some_and(|extension| extension == "wasm") {
            let name = path.file_name().unwrap_or_default().to_string_lossy();
            components.push((name.into_owned(), path));
        }
    }
    components.sort();
    Ok(components)
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
