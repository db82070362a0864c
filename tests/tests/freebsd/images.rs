//! Base systems: found by the release of the host, fetched, brought up to date.

use std::fs;
use std::process::Command;

use crate::host::FreeBsdHost;

/// A mirror of FreeBSD's site with the base system of the host's release, which says that it is `release`; its URL.
pub fn mirror(host: &FreeBsdHost, release: &str) -> String {
    let files = host.path("base");
    for directory in ["bin", "etc"] {
        fs::create_dir_all(files.join(directory)).unwrap();
    }
    let script = format!("#!/bin/sh\nset -e\nUSERLAND_VERSION=\"{release}\"\n");
    fs::write(files.join("bin/freebsd-version"), script).unwrap();
    let place = host.path("mirror/releases/amd64/14.1-RELEASE");
    fs::create_dir_all(&place).unwrap();
    let packed = Command::new("tar")
        .args(["-cf", "base.txz", "-C"])
        .arg(&files)
        .arg(".")
        .current_dir(&place)
        .status();
    assert!(packed.unwrap().success());
    format!("file://{}", host.path("mirror").display())
}

/// The version that an image says it is.
fn version(host: &FreeBsdHost, image: &str) -> String {
    let images: serde_json::Value =
        serde_json::from_str(&host.klee(&format!("image inspect {image}")).ok()).unwrap();
    let id = images["id"].as_str().unwrap().to_owned();
    // Files of a dataset that is not mounted; that an image stays so is what an administrator expects.
    let dataset = format!("tank/kleene/image/{id}");
    host.tool(&format!("zfs mount {dataset}")).ok();
    let file = host.path("host").join(&dataset).join("bin/freebsd-version");
    let script = fs::read_to_string(file).unwrap();
    host.tool(&format!("zfs unmount {dataset}")).ok();
    let line = script
        .lines()
        .find_map(|line| line.strip_prefix("USERLAND_VERSION="));
    line.unwrap().trim_matches('"').to_owned()
}

#[test]
fn the_release_of_the_host_is_fetched_and_named_after_itself() {
    let host = FreeBsdHost::start();
    let mirror = mirror(&host, "14.1-RELEASE");
    let told = host
        .klee(&format!("image create --mirror {mirror} fetch-auto"))
        .ok();
    let line = "Created image from the automatically detected version: FreeBSD-14.1-RELEASE amd64.\n";
    assert!(told.contains(line), "{told}");
    assert_eq!(version(&host, "FreeBSD-14.1-RELEASE"), "14.1-RELEASE");
    let told = host
        .klee(&format!("image create -t base:1 --mirror {mirror} fetch-auto"))
        .ok();
    assert!(told.contains(line), "{told}");
    assert_eq!(version(&host, "base:1"), "14.1-RELEASE");
}

#[test]
fn a_base_system_is_brought_up_to_date() {
    let host = FreeBsdHost::start();
    let mirror = mirror(&host, "14.1-RELEASE-p2");
    host.klee(&format!(
        "image create -t base --update --mirror {mirror} fetch-auto"
    ))
    .ok();
    assert_eq!(version(&host, "base"), "14.1-RELEASE-p9");
    // One that has all patches is as good.
    host.klee("image create -t again --update zfs-copy tank/kleene/image/none")
        .refused();
    let archive = host.path("new.tar");
    fs::write(
        host.path("base/bin/freebsd-version"),
        "USERLAND_VERSION=\"14.1-RELEASE-p9\"\n",
    )
    .unwrap();
    let packed = Command::new("tar")
        .arg("-cf")
        .arg(&archive)
        .arg("-C")
        .arg(host.path("base"))
        .arg(".")
        .status();
    assert!(packed.unwrap().success());
    host.klee(&format!(
        "image create -t new --update fetch {}",
        archive.display()
    ))
    .ok();
    assert_eq!(version(&host, "new"), "14.1-RELEASE-p9");
    assert_eq!(uploads(&host), 0);
}

/// What is left of downloads.
fn uploads(host: &FreeBsdHost) -> usize {
    fs::read_dir(host.path("host/tank/kleene/uploads")).map_or(0, Iterator::count)
}

#[test]
fn what_cannot_be_updated_leaves_nothing() {
    let host = FreeBsdHost::start();
    let before = host.klee("image ls").ok();
    let mirror = mirror(&host, "14.1-STABLE");
    let told = host
        .klee(&format!(
            "image create -t base --update --mirror {mirror} fetch-auto"
        ))
        .refused();
    assert!(
        told.contains("could update base image with 'freebsd-update': ")
            && told.contains("Cannot upgrade from a version that is not a release"),
        "{told}"
    );
    let absent = host
        .klee("image create -t base --mirror file:///nosuch fetch-auto")
        .refused();
    assert!(absent.contains("could not fetch file from url"), "{absent}");
    let programs = host
        .klee("image create -t base --update host --bin /bin/sh")
        .refused();
    assert!(
        programs.contains("only a base system of FreeBSD can be updated"),
        "{programs}"
    );
    assert_eq!(uploads(&host), 0);
    let datasets = host
        .tool("zfs list -H -o name -r -t filesystem tank/kleene/image")
        .ok();
    assert_eq!(datasets, "tank/kleene/image\n");
    assert_eq!(host.klee("image ls").ok(), before);
}
