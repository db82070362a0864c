//! freebsd-update(8): the patches of a release, put into the base system of an image.
//!
//! What it fetches and what it keeps for a rollback lies in a directory that goes afterwards: an image needs neither, and
//! the host's own `/var/db/freebsd-update` is none of ours.

use std::path::Path;

use kleene_platform::{PlatformError, Result};
use kleene_rootfs::Root;

use crate::command::{Command, Program, ToolError, Tools};
use crate::error::Step;

const FREEBSD_UPDATE: Program = Program("/usr/sbin/freebsd-update");

/// The script that says of which release a base system is.
const VERSION_FILE: &str = "bin/freebsd-version";

/// More than that script has.
const MAX_SIZE: u64 = 1 << 20;

/// Fetches the patches. Without the release it would take the host's for the image's.
pub(crate) fn fetch(root: &Path, scratch: &Path, release: Option<&str>) -> Command {
    let release = release
        .into_iter()
        .flat_map(|release| ["--currently-running", release]);
    on(root, scratch)
        .args(release)
        .args(["fetch", "--not-running-from-cron"])
}

/// Puts in place what was fetched.
pub(crate) fn install(root: &Path, scratch: &Path) -> Command {
    on(root, scratch).args(["install", "--not-running-from-cron"])
}

fn on(root: &Path, scratch: &Path) -> Command {
    Command::new(FREEBSD_UPDATE)
        .arg("-b")
        .arg(root.display())
        .arg("-d")
        .arg(scratch.display())
}

/// Whether an error says that there is nothing to install, which it does by a status of its own (2).
fn is_up_to_date(error: &ToolError) -> bool {
    error.says("No updates are available to install")
}

/// The release of which a base system is, from the text of its [`VERSION_FILE`].
fn parse_release(script: &str) -> Option<&str> {
    let value = script
        .lines()
        .find_map(|line| line.strip_prefix("USERLAND_VERSION="))?;
    let value = value.trim().trim_matches('"');
    let is_release = value.starts_with(|first: char| first.is_ascii_digit())
        && value
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b".-".contains(&byte));
    is_release.then_some(value)
}

/// Brings the base system below `root` up to date.
pub(crate) fn update(tools: &Tools, root: &Path, scratch: &Path, given_up: &dyn Fn() -> bool) -> Result<()> {
    let failed = |error: &dyn std::fmt::Display| PlatformError::failed("update the base system", error);
    let script = read_version(root).map_err(|error| failed(&error))?;
    let release = script.as_deref().and_then(parse_release);
    let run = |command: &Command| tools.run_until(command, given_up);
    run(&fetch(root, scratch, release)).map_err(|error| failed(&error))?;
    match run(&install(root, scratch)) {
        Err(error) if !is_up_to_date(&error) => Err(failed(&error)),
        _ => Ok(()),
    }
}

fn read_version(root: &Path) -> crate::error::Result<Option<String>> {
    let step = || format!("read '{VERSION_FILE}' of the image");
    match Root::open(root).step(step)?.read_file(VERSION_FILE, MAX_SIZE) {
        Err(kleene_rootfs::Error::Io { source, .. }) if source.kind() == std::io::ErrorKind::NotFound => {
            Ok(None)
        }
        script => Ok(Some(String::from_utf8_lossy(&script.step(step)?).into_owned())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commands_are_what_an_administrator_would_type() {
        let (root, scratch) = (Path::new("/tank/image/a"), Path::new("/tank/kleene/update1"));
        assert_eq!(
            fetch(root, scratch, Some("13.2-RELEASE-p4")).to_string(),
            "freebsd-update -b /tank/image/a -d /tank/kleene/update1 --currently-running 13.2-RELEASE-p4 fetch --not-running-from-cron"
        );
        assert_eq!(
            install(root, scratch).to_string(),
            "freebsd-update -b /tank/image/a -d /tank/kleene/update1 install --not-running-from-cron"
        );
    }

    #[test]
    fn a_release_is_read_and_nothing_else_is_taken_for_one() {
        let script =
            "#!/bin/sh\n\nset -e\n\nUSERLAND_VERSION=\"13.2-RELEASE-p4\"\n\n: ${LOADER_DIR:=$ROOT/boot}\n";
        assert_eq!(parse_release(script), Some("13.2-RELEASE-p4"));
        for script in [
            "",
            "USERLAND_VERSION=\"\"",
            "USERLAND_VERSION=\"$(reboot)\"",
            "USERLAND_VERSION=-x",
        ] {
            assert_eq!(parse_release(script), None, "{script}");
        }
    }
}
