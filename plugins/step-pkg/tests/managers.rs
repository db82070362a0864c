//! The script, run by this machine's shell with package managers that only say what they were told.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::process::Command;

use step_pkg::SCRIPT;

/// What happens where these programs are all there are, and whether it went well.
fn install(programs: &[&str], packages: &[&str]) -> (String, bool) {
    let directory = tempfile::tempdir().unwrap();
    for program in programs.iter().chain(&["rm"]) {
        let file = directory.path().join(program);
        let stand_in = format!("#!/bin/sh\necho \"{program} $*\"\ncase \"$*\" in *broken*) exit 9;; esac\n");
        fs::write(&file, stand_in).unwrap();
        fs::set_permissions(&file, fs::Permissions::from_mode(0o755)).unwrap();
    }
    let output = Command::new("/bin/sh")
        .args(["-c", SCRIPT, "PKG"])
        .args(packages)
        .env_clear()
        .env("PATH", directory.path())
        .output()
        .unwrap();
    let said = [output.stdout, output.stderr].concat();
    (String::from_utf8(said).unwrap(), output.status.success())
}

#[test]
fn each_manager_installs_and_leaves_no_cache() {
    for (manager, expected) in [
        (
            "apt-get",
            "apt-get update\napt-get install --yes --no-install-recommends -- a b\napt-get clean\nrm -rf /var/lib/apt/lists/",
        ),
        ("apk", "apk add --no-cache -- a b\n"),
        ("dnf", "dnf install --assumeyes -- a b\ndnf clean all\n"),
        ("yum", "yum install --assumeyes -- a b\nyum clean all\n"),
        (
            "zypper",
            "zypper --non-interactive install -- a b\nzypper clean --all\n",
        ),
        (
            "pacman",
            "pacman -Sy --noconfirm --needed -- a b\npacman -Scc --noconfirm\n",
        ),
        (
            "pkg",
            "pkg install --yes -- a b\npkg clean --all --yes\nrm -rf /var/db/pkg/repos /var/db/pkg/repo-",
        ),
    ] {
        let (said, well) = install(&[manager], &["a", "b"]);
        assert!(well && said.starts_with(expected), "{manager}: {said}");
    }
}

#[test]
fn a_manager_that_fails_fails_the_step() {
    let (said, well) = install(&["apt-get"], &["broken"]);
    assert!(!well && !said.contains("clean"), "{said}");
}

#[test]
fn an_image_without_a_manager_is_told_so() {
    let (said, well) = install(&[], &["a"]);
    assert!(
        !well && said.starts_with("PKG: the image has no package manager"),
        "{said}"
    );
}
