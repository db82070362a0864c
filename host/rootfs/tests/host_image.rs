//! Roots filled with programs of this host, which then run.

#![allow(clippy::unwrap_used, reason = "tests")]

use std::{
    fs,
    os::unix::fs::{PermissionsExt, symlink},
    path::{Path, PathBuf},
    process::Command,
};

use kleene_rootfs::{
    Error, Root,
    host_image::{Report, populate},
};
use tempfile::TempDir;

fn populated(programs: &[&Path]) -> (TempDir, Result<Report, Error>) {
    let dir = tempfile::tempdir().unwrap();
    let programs: Vec<PathBuf> = programs.iter().map(|path| path.to_path_buf()).collect();
    let report = populate(&Root::open(dir.path()).unwrap(), &programs);
    (dir, report)
}

fn executable(path: PathBuf, content: &[u8]) -> PathBuf {
    fs::write(&path, content).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
    path
}

/// What a command inside prints; none when this user may not change the root.
fn run(root: &Path, command: &[&str]) -> Option<String> {
    if !rustix::process::getuid().is_root() {
        return None;
    }
    let output = Command::new("chroot").arg(root).args(command).output().unwrap();
    assert!(
        output.status.success(),
        "{command:?}: {}",
        String::from_utf8_lossy(&output.stderr)
    );
    Some(String::from_utf8(output.stdout).unwrap())
}

fn inside(root: &Path, path: &Path) -> PathBuf {
    root.join(path.strip_prefix("/").unwrap())
}

#[test]
fn a_shell_runs_in_the_root() {
    let (dir, report) = populated(&[Path::new("/bin/sh")]);
    assert!(report.unwrap().files >= 2);
    if let Some(printed) = run(dir.path(), &["/bin/sh", "-c", "echo $((6 * 7)); cd /root && pwd"]) {
        assert_eq!(printed, "42\n/root\n");
    }
}

#[test]
fn dynamic_programs_find_their_libraries() {
    let (dir, report) = populated(&[
        Path::new("/bin/ls"),
        Path::new("/bin/cat"),
        Path::new("/usr/bin/id"),
    ]);
    report.unwrap();
    if let Some(printed) = run(dir.path(), &["/bin/ls", "/etc"]) {
        assert!(printed.contains("passwd\n"), "{printed}");
    }
    if let Some(printed) = run(dir.path(), &["/usr/bin/id", "-un"]) {
        assert_eq!(printed, "root\n");
    }
}

#[test]
fn links_are_what_they_are_on_the_host() {
    let (dir, report) = populated(&[Path::new("/bin/sh")]);
    report.unwrap();
    for link in ["/bin", "/bin/sh"] {
        let on_host = fs::read_link(link).ok();
        assert_eq!(
            fs::read_link(inside(dir.path(), Path::new(link))).ok(),
            on_host,
            "{link}"
        );
    }
}

#[test]
fn a_chain_of_links_is_recreated() {
    let host = tempfile::tempdir().unwrap();
    let real = host.path().join("real");
    fs::create_dir(&real).unwrap();
    executable(real.join("tool-1.2"), b"#!/bin/sh\necho tool\n");
    symlink("tool-1.2", real.join("tool-1")).unwrap();
    symlink(real.join("tool-1"), host.path().join("tool")).unwrap();
    let tool = host.path().join("tool");
    let (dir, report) = populated(&[&tool]);
    report.unwrap();
    assert_eq!(
        fs::read_link(inside(dir.path(), &tool)).unwrap(),
        real.join("tool-1")
    );
    if let Some(printed) = run(dir.path(), &[tool.to_str().unwrap()]) {
        assert_eq!(printed, "tool\n");
    }
}

#[test]
fn scripts_bring_their_interpreter() {
    let host = tempfile::tempdir().unwrap();
    let script = executable(host.path().join("script"), b"#! /bin/sh -e\necho from a script\n");
    let (dir, report) = populated(&[&script]);
    report.unwrap();
    if let Some(printed) = run(dir.path(), &[script.to_str().unwrap()]) {
        assert_eq!(printed, "from a script\n");
    }
}

#[test]
fn scripts_run_by_env_bring_both_programs() {
    let host = tempfile::tempdir().unwrap();
    let script = executable(host.path().join("script"), b"#!/usr/bin/env sh\necho by env\n");
    let (dir, report) = populated(&[&script]);
    report.unwrap();
    if let Some(printed) = run(dir.path(), &[script.to_str().unwrap()]) {
        assert_eq!(printed, "by env\n");
    }
}

#[test]
fn a_missing_interpreter_is_named() {
    let host = tempfile::tempdir().unwrap();
    for (content, interpreter) in [
        (&b"#!/opt/none/perl\n"[..], "/opt/none/perl"),
        (b"#!/usr/bin/env no-such-program\n", "no-such-program"),
    ] {
        let script = executable(host.path().join("script"), content);
        let error = populated(&[&script]).1.unwrap_err();
        assert!(
            matches!(&error, Error::InterpreterMissing { interpreter: path, .. } if path == Path::new(interpreter))
        );
    }
}

#[test]
fn modes_are_kept() {
    let host = tempfile::tempdir().unwrap();
    let script = executable(host.path().join("script"), b"#!/bin/sh\n");
    fs::set_permissions(&script, fs::Permissions::from_mode(0o751)).unwrap();
    let (dir, report) = populated(&[&script]);
    report.unwrap();
    assert_eq!(
        fs::metadata(inside(dir.path(), &script))
            .unwrap()
            .permissions()
            .mode()
            & 0o7777,
        0o751
    );
}

#[test]
fn set_id_bits_stay_only_where_they_meant_root() {
    if !rustix::process::getuid().is_root() {
        return;
    }
    let host = tempfile::tempdir().unwrap();
    let script = executable(host.path().join("script"), b"#!/bin/sh\n");
    std::os::unix::fs::chown(&script, Some(1000), Some(0)).unwrap();
    fs::set_permissions(&script, fs::Permissions::from_mode(0o6755)).unwrap();
    let (dir, report) = populated(&[&script]);
    report.unwrap();
    assert_eq!(
        fs::metadata(inside(dir.path(), &script))
            .unwrap()
            .permissions()
            .mode()
            & 0o7777,
        0o2755
    );
}

#[test]
fn the_usual_files_and_directories_are_there() {
    let (dir, report) = populated(&[Path::new("/bin/sh")]);
    report.unwrap();
    let passwd = fs::read_to_string(dir.path().join("etc/passwd")).unwrap();
    assert!(
        passwd.starts_with("root:") && passwd.contains("\nnobody:"),
        "{passwd}"
    );
    assert!(
        fs::read_to_string(dir.path().join("etc/hosts"))
            .unwrap()
            .contains("localhost")
    );
    assert!(dir.path().join("etc/group").is_file());
    // Whose name servers it asks is for others to say.
    assert!(!dir.path().join("etc/resolv.conf").exists());
    let mode = |path: &str| fs::metadata(dir.path().join(path)).unwrap().permissions().mode() & 0o7777;
    assert_eq!(
        (mode("tmp"), mode("var/tmp"), mode("root"), mode("dev")),
        (0o1777, 0o1777, 0o700, 0o755)
    );
    assert!(dir.path().join("proc").is_dir());
}

#[test]
fn what_is_no_program_is_named_and_nothing_is_written() {
    let host = tempfile::tempdir().unwrap();
    let plain = host.path().join("plain");
    fs::write(&plain, "text").unwrap();
    for (path, message) in [
        (
            Path::new("/nonexistent/tool"),
            "program /nonexistent/tool does not exist",
        ),
        (
            Path::new("/etc"),
            "/etc is not a program this host can run: it is a directory",
        ),
        (&plain, "it is not executable"),
        (Path::new("bin/sh"), "bin/sh is not an absolute path"),
    ] {
        let (dir, report) = populated(&[Path::new("/bin/sh"), path]);
        let error = report.unwrap_err().to_string();
        assert!(error.contains(message), "{error}");
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 0);
    }
}

#[test]
fn a_library_that_is_missing_is_named_with_who_needs_it() {
    let host = tempfile::tempdir().unwrap();
    let library = b"libc.so.6";
    let mut content = fs::read("/bin/ls").unwrap();
    let Some(at) = content
        .windows(library.len())
        .position(|window| window == library)
    else {
        // Not a glibc program.
        return;
    };
    content[at..at + library.len()].copy_from_slice(b"libq.so.6");
    let broken = executable(host.path().join("broken"), &content);
    let error = populated(&[&broken]).1.unwrap_err();
    assert!(
        matches!(&error, Error::LibraryMissing { library, needed_by } if library == "libq.so.6" && *needed_by == broken),
        "{error}"
    );
}

#[test]
fn populating_twice_changes_nothing() {
    let (dir, report) = populated(&[Path::new("/bin/sh")]);
    let root = Root::open(dir.path()).unwrap();
    assert_eq!(
        populate(&root, &[PathBuf::from("/bin/sh")]).unwrap(),
        report.unwrap()
    );
}
