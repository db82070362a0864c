//! freebsd-update(8): knows one more patch of every release, and none of what is no release.

use std::fs;
use std::path::Path;

use crate::{Reply, no, say};

/// The patch that it has for everybody.
const PATCH: &str = "-p9";

pub(crate) fn freebsd_update(words: &[&str]) -> Reply {
    let after = |option: &str| words.iter().skip_while(|word| **word != option).nth(1).copied();
    let (Some(base), Some(work)) = (after("-b"), after("-d")) else {
        return no("usage: freebsd-update [options] command ...\n");
    };
    if !Path::new(work).is_dir() {
        return on_stdout(format!(
            "freebsd-update: Directory does not exist or is not writable: {work}\n"
        ));
    }
    let version = Path::new(base).join("bin/freebsd-version");
    let script = fs::read_to_string(&version).unwrap_or_default();
    let fetched = Path::new(work).join("install");
    if words.contains(&"fetch") {
        let release = after("--currently-running").unwrap_or("14.1-RELEASE");
        let plain = release.split("-p").next().unwrap_or_default();
        if !plain.ends_with("-RELEASE") {
            return on_stdout(format!(
                "freebsd-update: Cannot upgrade from a version that is not a release\nCurrently running: {plain}\n"
            ));
        }
        let newest = format!("{plain}{PATCH}");
        if !script.contains(&newest) {
            let _ = fs::write(fetched, newest);
        }
        return say("Looking up update.FreeBSD.org mirrors... 2 mirrors found.\n");
    }
    match fs::read_to_string(&fetched) {
        Ok(newest) => {
            let script = format!("#!/bin/sh\nUSERLAND_VERSION=\"{newest}\"\n");
            match fs::write(version, script) {
                Ok(()) => say("Installing updates... done.\n"),
                Err(error) => no(format!("install: {error}\n")),
            }
        }
        Err(_) => Reply {
            code: 2,
            ..say("No updates are available to install.\nRun 'freebsd-update [options] fetch' first.\n")
        },
    }
}

/// It complains where it prints everything else.
fn on_stdout(complaint: String) -> Reply {
    Reply {
        code: 1,
        ..say(complaint)
    }
}
