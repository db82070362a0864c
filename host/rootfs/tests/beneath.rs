//! Files and directories beneath a root which is full of links to elsewhere.

#![allow(clippy::unwrap_used, reason = "tests")]

use std::{
    fs,
    os::unix::fs::{MetadataExt, PermissionsExt, symlink},
    path::{Path, PathBuf},
};

use kleene_rootfs::{Error, Root};
use tempfile::TempDir;

/// `outside/` must stay as it is; `root/` is worked in.
fn place() -> (TempDir, Root) {
    let dir = tempfile::tempdir().unwrap();
    for name in ["root", "root/etc", "outside"] {
        fs::create_dir(dir.path().join(name)).unwrap();
    }
    fs::write(dir.path().join("outside/secret"), "untouched").unwrap();
    let root = Root::open(dir.path().join("root")).unwrap();
    (dir, root)
}

fn names(path: impl AsRef<Path>) -> Vec<String> {
    let mut names: Vec<_> = fs::read_dir(path)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}

#[test]
fn opening_a_root_that_is_missing_names_it() {
    let error = Root::open("/nonexistent/root").unwrap_err();
    assert!(error.to_string().contains("/nonexistent/root"), "{error}");
}

#[test]
fn directories_are_made_with_all_above_them() {
    let (_dir, root) = place();
    assert_eq!(
        root.make_dir_all("/srv/www/data").unwrap(),
        Path::new("srv/www/data")
    );
    assert_eq!(
        fs::metadata(root.host_path().join("srv/www"))
            .unwrap()
            .permissions()
            .mode()
            & 0o7777,
        0o755
    );
    root.make_dir_all("srv/www/data").unwrap();
}

#[test]
fn an_absolute_link_means_the_roots_own_directory() {
    let (dir, root) = place();
    symlink("/etc", root.host_path().join("a")).unwrap();
    root.write_file("a/hosts", b"127.0.0.1 localhost\n", 0o640)
        .unwrap();
    let written = dir.path().join("root/etc/hosts");
    assert_eq!(fs::read_to_string(&written).unwrap(), "127.0.0.1 localhost\n");
    assert_eq!(
        fs::metadata(written).unwrap().permissions().mode() & 0o7777,
        0o640
    );
}

#[test]
fn the_returned_path_has_no_links_left() {
    let (dir, root) = place();
    symlink(dir.path().join("outside"), root.host_path().join("data")).unwrap();
    let path = root.make_dir_all("data/db").unwrap();
    assert_eq!(root.host_path().join(path).canonicalize().unwrap(), {
        let inside = dir.path().join("outside/db");
        root.host_path()
            .join(inside.strip_prefix("/").unwrap())
            .canonicalize()
            .unwrap()
    });
    assert_eq!(names(dir.path().join("outside")), ["secret"]);
}

#[test]
fn a_link_that_climbs_ends_at_the_root_as_in_a_chroot() {
    let (dir, root) = place();
    symlink("../../../../outside", root.host_path().join("up")).unwrap();
    root.write_file("up/secret", b"inside", 0o644).unwrap();
    assert_eq!(
        fs::read_to_string(dir.path().join("outside/secret")).unwrap(),
        "untouched"
    );
    assert_eq!(
        fs::read_to_string(dir.path().join("root/outside/secret")).unwrap(),
        "inside"
    );
}

#[test]
fn a_path_that_climbs_above_the_root_is_refused() {
    let (dir, root) = place();
    for path in ["../outside/new", "etc/../../outside/new", ".."] {
        assert!(
            matches!(root.make_dir_all(path), Err(Error::Escapes { .. })),
            "{path}"
        );
        assert!(matches!(root.touch(path), Err(Error::Escapes { .. })), "{path}");
        assert!(
            matches!(root.read_file(path, 10), Err(Error::Escapes { .. })),
            "{path}"
        );
    }
    assert_eq!(names(dir.path().join("outside")), ["secret"]);
}

#[test]
fn dot_dot_inside_is_walked() {
    let (_dir, root) = place();
    root.write_file("etc/../var/x", b"x", 0o644).unwrap();
    assert_eq!(root.read_file("/var/x", 10).unwrap(), b"x");
}

#[test]
fn a_dangling_link_gets_its_target() {
    let (_dir, root) = place();
    symlink(
        "../run/resolvconf/resolv.conf",
        root.host_path().join("etc/resolv.conf"),
    )
    .unwrap();
    root.write_file("etc/resolv.conf", b"nameserver 9.9.9.9\n", 0o644)
        .unwrap();
    assert_eq!(
        root.read_file("run/resolvconf/resolv.conf", 100).unwrap(),
        b"nameserver 9.9.9.9\n"
    );
}

#[test]
fn hosts_are_provided_where_there_are_none() {
    let (dir, root) = place();
    let hosts = root.host_path().join("etc/hosts");
    root.provide_hosts().unwrap();
    assert_eq!(
        fs::read_to_string(&hosts).unwrap(),
        "127.0.0.1\tlocalhost\n::1\tlocalhost\n"
    );
    fs::write(&hosts, "own").unwrap();
    root.provide_hosts().unwrap();
    assert_eq!(fs::read_to_string(&hosts).unwrap(), "own");
    // A link is something, wherever it leads.
    fs::remove_file(&hosts).unwrap();
    symlink("/run/hosts", &hosts).unwrap();
    root.provide_hosts().unwrap();
    assert!(hosts.is_symlink() && !root.host_path().join("run").exists());
    // A directory elsewhere gets none.
    fs::remove_dir_all(root.host_path().join("etc")).unwrap();
    symlink(dir.path().join("outside"), root.host_path().join("etc")).unwrap();
    let _ = root.provide_hosts();
    assert_eq!(names(dir.path().join("outside")), ["secret"]);
}

#[test]
fn a_loop_of_links_is_reported() {
    let (_dir, root) = place();
    symlink("b", root.host_path().join("a")).unwrap();
    symlink("a", root.host_path().join("b")).unwrap();
    assert!(matches!(root.make_dir_all("a/x"), Err(Error::LinkLoop { .. })));
}

#[test]
fn touch_leaves_an_existing_file_alone() {
    let (_dir, root) = place();
    root.write_file("f", b"content", 0o600).unwrap();
    assert_eq!(root.touch("f").unwrap(), PathBuf::from("f"));
    assert_eq!(root.read_file("f", 100).unwrap(), b"content");
    root.touch("new/file").unwrap();
    assert_eq!(root.read_file("new/file", 100).unwrap(), b"");
}

#[test]
fn a_directory_in_the_way_of_a_file_is_named() {
    let (_dir, root) = place();
    let error = root.write_file("etc", b"", 0o644).unwrap_err();
    assert_eq!(
        error.to_string(),
        "etc is a directory, not a regular file: choose another path"
    );
    assert!(matches!(root.touch("etc"), Err(Error::NotAFile { .. })));
}

#[test]
fn a_file_in_the_way_of_a_directory_is_named() {
    let (_dir, root) = place();
    root.touch("etc/file").unwrap();
    let error = root.make_dir_all("etc/file/x").unwrap_err();
    assert!(
        error.to_string().starts_with("/etc/file is not a directory"),
        "{error}"
    );
    assert!(matches!(
        root.make_dir_all("etc/file"),
        Err(Error::NotADirectory { .. })
    ));
}

#[test]
fn pipes_are_refused_without_waiting_for_them() {
    let (_dir, root) = place();
    let pipe = root.host_path().join("pipe");
    rustix::fs::mknodat(
        rustix::fs::CWD,
        &pipe,
        rustix::fs::FileType::Fifo,
        0o644.into(),
        0,
    )
    .unwrap();
    assert!(matches!(
        root.read_file("pipe", 10),
        Err(Error::NotAFile {
            found: "a named pipe",
            ..
        })
    ));
    assert!(matches!(
        root.write_file("pipe", b"", 0o644),
        Err(Error::NotAFile { .. })
    ));
}

#[test]
fn a_file_larger_than_asked_for_is_not_read() {
    let (_dir, root) = place();
    root.write_file("f", b"12345", 0o644).unwrap();
    assert_eq!(root.read_file("f", 5).unwrap(), b"12345");
    assert!(matches!(
        root.read_file("f", 4),
        Err(Error::TooLarge { max: 4, .. })
    ));
}

#[test]
fn writing_replaces_the_name_and_not_the_content_other_names_share() {
    let (dir, root) = place();
    root.write_file("a", b"old", 0o644).unwrap();
    fs::hard_link(dir.path().join("root/a"), dir.path().join("root/b")).unwrap();
    root.write_file("a", b"new", 0o644).unwrap();
    assert_eq!(root.read_file("b", 10).unwrap(), b"old");
    assert_eq!(names(dir.path().join("root")), ["a", "b", "etc"]);
}

#[test]
fn host_files_come_with_their_permissions() {
    let (dir, root) = place();
    let source = dir.path().join("outside/secret");
    fs::set_permissions(&source, fs::Permissions::from_mode(0o440)).unwrap();
    root.copy_host_file(&source, "etc/copy").unwrap();
    let copy = fs::metadata(dir.path().join("root/etc/copy")).unwrap();
    assert_eq!((copy.permissions().mode() & 0o7777, copy.len()), (0o440, 9));
}

#[test]
fn emptiness_counts_dot_files() {
    let (_dir, root) = place();
    assert!(root.is_empty_dir("etc").unwrap());
    root.touch("etc/.hidden").unwrap();
    assert!(!root.is_empty_dir("etc").unwrap());
}

#[test]
fn a_tree_is_copied_with_everything_it_has() {
    let (dir, root) = place();
    let www = dir.path().join("root/www");
    root.write_file("www/.config/a", b"one", 0o4750).unwrap();
    fs::hard_link(www.join(".config/a"), www.join("b")).unwrap();
    symlink("/etc/passwd", www.join("link")).unwrap();
    fs::set_permissions(&www, fs::Permissions::from_mode(0o2775)).unwrap();
    filetime(&www.join("b"), 1_000_000_000);
    let volume_path = dir.path().join("volume");
    fs::create_dir(&volume_path).unwrap();
    let volume = Root::open(&volume_path).unwrap();

    let report = root.copy_tree("/www", &volume).unwrap();

    assert_eq!(
        (
            report.files,
            report.directories,
            report.links_and_pipes,
            report.bytes
        ),
        (1, 1, 1, 3)
    );
    assert_eq!(names(&volume_path), [".config", "b", "link"]);
    let copy = fs::metadata(volume_path.join("b")).unwrap();
    assert_eq!(
        (copy.permissions().mode() & 0o7777, copy.nlink(), copy.mtime()),
        (0o4750, 2, 1_000_000_000)
    );
    assert_eq!(
        fs::read_link(volume_path.join("link")).unwrap(),
        Path::new("/etc/passwd")
    );
    assert_eq!(
        fs::metadata(&volume_path).unwrap().permissions().mode() & 0o7777,
        0o2775
    );
}

#[test]
fn a_tree_keeps_its_owners() {
    if !rustix::process::getuid().is_root() {
        return;
    }
    let (dir, root) = place();
    root.touch("www/file").unwrap();
    std::os::unix::fs::chown(dir.path().join("root/www/file"), Some(70), Some(71)).unwrap();
    fs::create_dir(dir.path().join("volume")).unwrap();
    root.copy_tree("www", &Root::open(dir.path().join("volume")).unwrap())
        .unwrap();
    let copy = fs::metadata(dir.path().join("volume/file")).unwrap();
    assert_eq!((copy.uid(), copy.gid()), (70, 71));
}

#[test]
fn a_volume_with_content_is_left_alone() {
    let (dir, root) = place();
    root.touch("www/new").unwrap();
    fs::create_dir(dir.path().join("volume")).unwrap();
    fs::write(dir.path().join("volume/.kept"), "").unwrap();
    let volume = Root::open(dir.path().join("volume")).unwrap();
    assert!(matches!(
        root.copy_tree("www", &volume),
        Err(Error::NotEmpty { .. })
    ));
    assert_eq!(names(dir.path().join("volume")), [".kept"]);
}

#[test]
fn a_tree_is_not_copied_into_itself() {
    let (_dir, root) = place();
    let inner = root.host_path().join("etc");
    assert!(matches!(
        root.copy_tree("/", &Root::open(inner).unwrap()),
        Err(Error::Uncopyable { .. })
    ));
}

fn filetime(path: &Path, seconds: i64) {
    let time = rustix::fs::Timespec {
        tv_sec: seconds,
        tv_nsec: 0,
    };
    let times = rustix::fs::Timestamps {
        last_access: time,
        last_modification: time,
    };
    rustix::fs::utimensat(rustix::fs::CWD, path, &times, rustix::fs::AtFlags::empty()).unwrap();
}
