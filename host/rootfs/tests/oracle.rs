//! The walk through links against the kernel's own, `openat2` with `RESOLVE_IN_ROOT`, on trees full of links.

#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, reason = "tests")]

use std::{
    fs,
    os::{
        fd::AsFd,
        unix::fs::{MetadataExt, symlink},
    },
    path::Path,
};

use kleene_rootfs::{Error, Root};
use proptest::prelude::*;
use rustix::fs::{FileType, Mode, OFlags, ResolveFlags, fstat, openat2};
use rustix::io::Errno;

/// Names in the tree; few, so that links meet what exists.
const NAMES: [&str; 3] = ["a", "b", "c"];

#[derive(Debug, Clone)]
enum Node {
    File,
    Directory,
    Link(String),
}

/// What a path leads to.
#[derive(Debug, PartialEq)]
enum Found {
    File(u64),
    Directory(u64),
    Nothing,
}

fn path() -> impl Strategy<Value = String> {
    let part = prop_oneof![4 => prop::sample::select(&NAMES[..]), 1 => Just(".."), 1 => Just(".")];
    (any::<bool>(), prop::collection::vec(part, 1..5))
        .prop_map(|(absolute, parts)| format!("{}{}", if absolute { "/" } else { "" }, parts.join("/")))
}

fn node() -> impl Strategy<Value = Node> {
    prop_oneof![1 => Just(Node::File), 2 => Just(Node::Directory), 3 => path().prop_map(Node::Link)]
}

/// Makes three names in a directory and three in each directory among them, two levels deep.
fn make(at: &Path, nodes: &mut impl Iterator<Item = Node>, depth: u32) {
    for name in NAMES {
        let here = at.join(name);
        match nodes.next() {
            Some(Node::File) => fs::write(&here, "").unwrap(),
            Some(Node::Link(target)) => symlink(target, &here).unwrap(),
            Some(Node::Directory) => {
                fs::create_dir(&here).unwrap();
                if depth > 0 {
                    make(&here, nodes, depth - 1);
                }
            }
            None => {}
        }
    }
}

fn by_kernel(root: &Path, path: &str) -> Found {
    let root = fs::File::open(root).unwrap();
    let open = || {
        openat2(
            root.as_fd(),
            path,
            OFlags::PATH,
            Mode::empty(),
            ResolveFlags::IN_ROOT,
        )
    };
    let mut opened = open();
    // While anything is renamed anywhere on the machine, the kernel may not be sure where `..` leads.
    while opened.as_ref().err() == Some(&Errno::AGAIN) {
        opened = open();
    }
    match opened {
        Err(_) => Found::Nothing,
        Ok(opened) => {
            let stat = fstat(opened).unwrap();
            match FileType::from_raw_mode(stat.st_mode) {
                FileType::Directory => Found::Directory(stat.st_ino),
                _ => Found::File(stat.st_ino),
            }
        }
    }
}

/// None where we are stricter on purpose: a path that climbs above the root itself.
fn by_us(root: &Root, path: &str) -> Option<Found> {
    let inode = |path: &Path| fs::symlink_metadata(root.host_path().join(path)).unwrap().ino();
    match root.is_empty_dir(path) {
        Ok(_) => Some(Found::Directory(inode(&root.make_dir_all(path).unwrap()))),
        Err(Error::Escapes { .. }) => None,
        Err(_) => Some(match root.read_file(path, 0) {
            Ok(_) => Found::File(inode(&root.touch(path).unwrap())),
            Err(_) => Found::Nothing,
        }),
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn paths_lead_where_the_kernel_says(
        nodes in prop::collection::vec(node(), 39),
        paths in prop::collection::vec(path(), 20),
    ) {
        let dir = tempfile::tempdir().unwrap();
        make(dir.path(), &mut nodes.into_iter(), 2);
        let root = Root::open(dir.path()).unwrap();
        for path in paths {
            if let Some(found) = by_us(&root, &path) {
                prop_assert_eq!(found, by_kernel(dir.path(), &path), "{}", path);
            }
        }
    }
}
