//! `kleened init`: is this host able to run containers, and are the daemon's directories there? One line per answer.
//!
//! On Linux it only looks, except for the directories: loading kernel modules or installing packages is the
//! administrator's, and the line says what to type. On FreeBSD it loads modules, sets variables of rc.conf(5) and makes
//! the root dataset; lines in `/etc/pf.conf` it adds only if whoever sits at the terminal agrees.

use std::fs;
use std::io::{self, IsTerminal, Write};
use std::path::{Path, PathBuf};

use kleene_api::HostCheck;
use kleene_freebsd::Check;

use crate::config::{Config, PlatformKind};

/// Where shared libraries are on the distributions we know of, besides a directory named after the architecture.
const LIBRARY_DIRECTORIES: &[&str] = &["/lib", "/lib64", "/usr/lib", "/usr/lib64", "/usr/local/lib"];
/// The namespaces that a jail is made of.
const NAMESPACES: &[&str] = &["cgroup", "ipc", "mnt", "net", "pid", "uts"];

/// What a check found.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Finding {
    Ok,
    /// It has been done, or with a dry run would be.
    Done(String),
    /// What is missing and what to do about it.
    Missing(String),
}

/// Checks the host and makes the directories of `config`, or with `dry_run` says which it would make. `Ok(false)`:
/// something is missing.
///
/// # Errors
/// If `output` cannot be written.
pub fn run(config: &Config, dry_run: bool, output: &mut dyn Write) -> io::Result<bool> {
    let mut is_complete = true;
    for (what, finding) in findings(config, dry_run) {
        match finding {
            Finding::Ok => writeln!(output, "{what}: OK")?,
            Finding::Done(done) => writeln!(output, "{what}: {done}")?,
            Finding::Missing(advice) => {
                is_complete = false;
                writeln!(output, "{what}: MISSING - {advice}")?;
            }
        }
    }
    Ok(is_complete)
}

/// What `klee system doctor` shows: everything `init` looks at, with nothing changed.
#[must_use]
pub fn diagnose(config: &Config) -> Vec<HostCheck> {
    let check = |(what, finding)| {
        let problem = match finding {
            Finding::Ok => None,
            Finding::Done(_) => Some("it does not exist; try: kleened init".to_owned()),
            Finding::Missing(advice) => Some(advice),
        };
        HostCheck { what, problem }
    };
    findings(config, true).into_iter().map(check).collect()
}

fn findings(config: &Config, dry_run: bool) -> Vec<(String, Finding)> {
    let mut all = vec![("running as root".to_owned(), root())];
    match config.platform() {
        PlatformKind::Linux => all.extend([
            (
                "overlay file system".to_owned(),
                overlay(Path::new("/proc/filesystems")),
            ),
            ("namespaces".to_owned(), namespaces(Path::new("/proc/self/ns"))),
            ("nftables".to_owned(), nftables()),
            (
                format!("directory {}", config.kleene_root.display()),
                directory(&config.kleene_root, dry_run),
            ),
        ]),
        PlatformKind::FreeBsd => {
            let dataset = config.dataset().unwrap_or_default();
            let tools = config.tools();
            let checks = kleene_freebsd::check_host(&tools, dataset);
            all.extend(checks.map(|check| freebsd(config, check, dry_run)));
        }
    }
    all.push((
        format!("directory {}", config.run_dir.display()),
        directory(&config.run_dir, dry_run),
    ));
    all.push(("plugins".to_owned(), plugins(config)));
    all
}

/// What was found on a FreeBSD host, and mended unless it is only looked at.
fn freebsd(config: &Config, check: Check, dry_run: bool) -> (String, Finding) {
    let Check { what, problem } = check;
    let Some(problem) = problem else {
        return (what, Finding::Ok);
    };
    let missing = || Finding::Missing(format!("{}; {}", problem.reason, problem.advice));
    let finding = if dry_run {
        missing()
    } else if problem.can_be_mended() {
        match problem.mend(&config.tools()) {
            Ok(()) => Finding::Done(format!("done ({})", problem.advice)),
            Err(error) => Finding::Missing(error.to_string()),
        }
    } else if problem.is_about_the_ruleset() && agrees(&problem.advice) {
        match kleene_freebsd::add_anchor_lines(&config.tools()) {
            Ok(()) => Finding::Done("added".to_owned()),
            Err(error) => Finding::Missing(error.to_string()),
        }
    } else {
        missing()
    };
    (what, finding)
}

/// Asks whoever sits at the terminal; where nobody does, nothing is agreed to.
fn agrees(offer: &str) -> bool {
    if !io::stdin().is_terminal() {
        return false;
    }
    eprint!("{offer}\nShall this be done now? [y/N] ");
    let mut answer = String::new();
    let read = io::stdin().read_line(&mut answer);
    read.is_ok() && matches!(answer.trim(), "y" | "Y" | "yes")
}

fn root() -> Finding {
    if rustix::process::geteuid().is_root() {
        Finding::Ok
    } else {
        Finding::Missing("kleened makes namespaces, mounts and interfaces; run it as root".to_owned())
    }
}

fn overlay(file_systems: &Path) -> Finding {
    let known = fs::read_to_string(file_systems).unwrap_or_default();
    let is_known = known
        .lines()
        .any(|line| line.split_whitespace().last() == Some("overlay"));
    if is_known {
        Finding::Ok
    } else {
        Finding::Missing("the kernel does not know it; try: modprobe overlay".to_owned())
    }
}

fn namespaces(directory: &Path) -> Finding {
    let missing: Vec<&str> = NAMESPACES
        .iter()
        .copied()
        .filter(|name| fs::symlink_metadata(directory.join(name)).is_err())
        .collect();
    if missing.is_empty() {
        Finding::Ok
    } else {
        Finding::Missing(format!(
            "the kernel was built without namespaces of kind {}",
            missing.join(", ")
        ))
    }
}

/// Rules are loaded through libnftables, or nft(8) where that is absent.
fn nftables() -> Finding {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let program = std::env::split_paths(&path)
        .chain(["/usr/sbin".into(), "/sbin".into()])
        .any(|d| d.join("nft").exists());
    if program || library("libnftables.so.1") {
        Finding::Ok
    } else {
        Finding::Missing(
            "install libnftables1 or nftables, for example: apt-get install libnftables1".to_owned(),
        )
    }
}

fn library(name: &str) -> bool {
    let triplet = format!("{}-linux-gnu", std::env::consts::ARCH);
    LIBRARY_DIRECTORIES
        .iter()
        .map(PathBuf::from)
        .any(|directory| directory.join(name).exists() || directory.join(&triplet).join(name).exists())
}

fn directory(path: &Path, dry_run: bool) -> Finding {
    match fs::metadata(path) {
        Ok(found) if found.is_dir() => Finding::Ok,
        Ok(_) => Finding::Missing("there is something else of that name, move it away".to_owned()),
        Err(error) if error.kind() != io::ErrorKind::NotFound => Finding::Missing(error.to_string()),
        Err(_) if dry_run => Finding::Done("would be made".to_owned()),
        Err(_) => match fs::create_dir_all(path) {
            Ok(()) => Finding::Done("made".to_owned()),
            Err(error) => Finding::Missing(format!("could not be made: {error}")),
        },
    }
}

fn plugins(config: &Config) -> Finding {
    let directory = match config.plugin_directory() {
        Ok(directory) => directory,
        Err(error) => return Finding::Missing(format!("{error}; set plugins.directory")),
    };
    let advice = "install the plugins there or name another directory with --plugins";
    match fs::read_dir(&directory) {
        Err(error) => Finding::Missing(format!("{}: {error}; {advice}", directory.display())),
        Ok(entries) => {
            let is_plugin = |path: PathBuf| path.extension().is_some_and(|extension| extension == "wasm");
            match entries.flatten().filter(|entry| is_plugin(entry.path())).count() {
                0 => Finding::Missing(format!("{} holds no .wasm file; {advice}", directory.display())),
                _ => Finding::Ok,
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config(directory: &Path) -> Config {
        let mut config = Config {
            kleene_root: directory.join("state"),
            run_dir: directory.join("run"),
            ..Config::default()
        };
        config.plugins.directory = Some(directory.join("plugins"));
        config
    }

    fn lines(config: &Config, dry_run: bool) -> String {
        let mut output = Vec::new();
        run(config, dry_run, &mut output).unwrap();
        String::from_utf8(output).unwrap()
    }

    #[test]
    fn a_dry_run_makes_nothing() {
        let temporary = tempfile::tempdir().unwrap();
        let config = config(temporary.path());
        let state = config.kleene_root.display();
        assert!(lines(&config, true).contains(&format!("directory {state}: would be made\n")));
        assert!(!config.kleene_root.exists());
    }

    #[test]
    fn directories_are_made_once() {
        let temporary = tempfile::tempdir().unwrap();
        let config = config(temporary.path());
        let run = config.run_dir.display();
        assert!(lines(&config, false).contains(&format!("directory {run}: made\n")));
        assert!(lines(&config, false).contains(&format!("directory {run}: OK\n")));
    }

    #[test]
    fn absent_plugins_are_reported_with_their_directory() {
        let temporary = tempfile::tempdir().unwrap();
        let config = config(temporary.path());
        let mut output = Vec::new();
        assert!(!run(&config, true, &mut output).unwrap());
        let text = String::from_utf8(output).unwrap();
        let start = format!("plugins: MISSING - {}/plugins: ", temporary.path().display());
        assert!(text.contains(&start), "{text}");
    }

    #[test]
    fn an_unknown_file_system_is_missing() {
        let temporary = tempfile::tempdir().unwrap();
        let path = temporary.path().join("filesystems");
        fs::write(&path, "nodev\tsysfs\n\text4\n").unwrap();
        assert!(matches!(overlay(&path), Finding::Missing(_)));
        fs::write(&path, "nodev\tsysfs\nnodev\toverlay\n").unwrap();
        assert_eq!(overlay(&path), Finding::Ok);
    }

    #[test]
    fn absent_namespaces_are_named() {
        let temporary = tempfile::tempdir().unwrap();
        for name in ["cgroup", "ipc", "mnt", "pid", "uts"] {
            fs::write(temporary.path().join(name), "").unwrap();
        }
        let expected = "the kernel was built without namespaces of kind net".to_owned();
        assert_eq!(namespaces(temporary.path()), Finding::Missing(expected));
    }
}
