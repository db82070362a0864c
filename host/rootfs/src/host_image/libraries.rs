//! Where the host's loader looks for shared libraries, without its cache: ld.so(8), ldconfig(8), rtld(1).

use std::{
    fs,
    path::{Path, PathBuf},
};

use super::elf::Object;
use crate::error::{Error, Result};

/// The lists of configured directories as the loaders of glibc and FreeBSD read them.
pub(super) const LOADER_CACHES: [&str; 2] = ["/etc/ld.so.cache", "/var/run/ld-elf.so.hints"];

/// Directories that loaders know without being told. Those for another kind of system do not exist, and a library for
/// another machine is never taken, so one list does for all.
const BUILT_IN: [&str; 4] = ["/lib", "/usr/lib", "/lib64", "/usr/lib64"];

/// Where files with further directories are on FreeBSD (the rc.d script `ldconfig`), and where its packages install.
const FREEBSD_LISTS: &str = "/usr/local/libdata/ldconfig";
const FREEBSD_PACKAGES: &str = "/usr/local/lib";

/// How deep `include` lines may lead.
const MAX_INCLUDES: u32 = 8;

/// The search path of this host.
pub(super) struct Search {
    configured: Vec<PathBuf>,
    built_in: Vec<PathBuf>,
    used_configured: bool,
}

impl Search {
    /// Reads the host's configuration. Files that do not exist configure nothing.
    pub fn of_host() -> Self {
        let mut configured = Vec::new();
        read_configuration(Path::new("/etc/ld.so.conf"), MAX_INCLUDES, &mut configured);
        for list in sorted_entries(Path::new(FREEBSD_LISTS)) {
            let text = fs::read_to_string(list).unwrap_or_default();
            configured.extend(text.split_whitespace().map(PathBuf::from));
        }
        if cfg!(target_os = "freebsd") {
            configured.push(PathBuf::from(FREEBSD_PACKAGES));
        }
        let mut built_in = Vec::new();
        for directory in BUILT_IN.map(PathBuf::from) {
            built_in.extend(
                sorted_entries(&directory)
                    .into_iter()
                    .filter(|path| is_multiarch(path)),
            );
            built_in.push(directory);
        }
        Self {
            configured,
            built_in,
            used_configured: false,
        }
    }

    /// Finds a library that `object` (known as `needed_by`) needs.
    pub fn find(
        &mut self,
        library: &str,
        object: &Object,
        inherited: &[PathBuf],
        needed_by: &Path,
    ) -> Result<PathBuf> {
        let fits = |path: &PathBuf| {
            fs::read(path)
                .ok()
                .and_then(|content| Object::parse(&content, path).ok())
                .is_some_and(|found| found.machine == object.machine)
        };
        let missing = || Error::LibraryMissing {
            library: library.to_owned(),
            needed_by: needed_by.to_owned(),
        };
        if library.contains('/') {
            return Some(PathBuf::from(library))
                .filter(|path| path.is_absolute() && fits(path))
                .ok_or_else(missing);
        }
        let in_any = |directories: &[PathBuf]| directories.iter().map(|dir| dir.join(library)).find(fits);
        if let Some(path) = in_any(&object.rpaths(inherited)).or_else(|| in_any(&object.runpaths)) {
            return Ok(path);
        }
        // Built-in ones first, other than the loader: what is in both needs no cache in the image.
        if let Some(path) = in_any(&self.built_in) {
            return Ok(path);
        }
        let path = in_any(&self.configured).ok_or_else(missing)?;
        self.used_configured = true;
        Ok(path)
    }

    /// Whether a library was found where only a loader with its cache looks.
    pub fn needs_loader_cache(&self) -> bool {
        self.used_configured
    }
}

/// Whether a directory is one of Debian's per machine, such as `/usr/lib/x86_64-linux-gnu`, which its loader has built in.
fn is_multiarch(path: &Path) -> bool {
    path.file_name()
        .and_then(|name| name.to_str())
        .is_some_and(|name| name.contains("-linux-gnu") || name.contains("-linux-musl"))
}

/// Adds the directories of an ld.so.conf and of the files it includes.
fn read_configuration(file: &Path, includes: u32, directories: &mut Vec<PathBuf>) {
    let Ok(text) = fs::read_to_string(file) else {
        return;
    };
    for line in text
        .lines()
        .map(|line| line.split('#').next().unwrap_or_default().trim())
    {
        if let Some(pattern) = line
            .strip_prefix("include")
            .filter(|rest| rest.starts_with([' ', '\t']))
        {
            if includes > 0 {
                for included in matching(pattern.trim(), file) {
                    read_configuration(&included, includes - 1, directories);
                }
            }
        } else if line.starts_with('/') {
            directories.push(PathBuf::from(line));
        }
    }
}

/// The files an `include` line names; wildcards are only used in the last component.
fn matching(pattern: &str, file: &Path) -> Vec<PathBuf> {
    let pattern = file.parent().unwrap_or(Path::new("/")).join(pattern);
    let (Some(directory), Some(name)) = (
        pattern.parent(),
        pattern.file_name().and_then(|name| name.to_str()),
    ) else {
        return Vec::new();
    };
    let Ok(glob) = globset::Glob::new(name) else {
        return Vec::new();
    };
    let matcher = glob.compile_matcher();
    let mut files = sorted_entries(directory);
    files.retain(|path| {
        path.file_name()
            .is_some_and(|name| matcher.is_match(Path::new(name)))
    });
    files
}

fn sorted_entries(directory: &Path) -> Vec<PathBuf> {
    let Ok(entries) = fs::read_dir(directory) else {
        return Vec::new();
    };
    let mut paths: Vec<PathBuf> = entries.filter_map(|entry| Some(entry.ok()?.path())).collect();
    paths.sort();
    paths
}
