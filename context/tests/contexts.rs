//! Listing and packing on real directories.
#![allow(clippy::expect_used, clippy::unwrap_used, reason = "tests")]

use std::collections::BTreeSet;
use std::fs;
use std::io::{self, Read, Write};
use std::os::unix::fs::{PermissionsExt, symlink};
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};

use kleene_context::{Error, Ignore, Kind, Listing, pack};
use proptest::prelude::*;
use tar::EntryType;
use tempfile::TempDir;

fn context(files: &[&str]) -> TempDir {
    let directory = tempfile::tempdir().unwrap();
    for file in files {
        write(directory.path(), file, file);
    }
    directory
}

fn write(context: &Path, file: &str, content: &str) {
    let path = context.join(file);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, content).unwrap();
}

fn rules(text: &str) -> Ignore {
    Ignore::parse(Path::new(".dockerignore"), text).unwrap()
}

fn names(listing: &Listing) -> Vec<&str> {
    listing
        .entries
        .iter()
        .map(|entry| entry.path.to_str().unwrap())
        .collect()
}

#[test]
fn everything_is_listed_in_the_order_of_names() {
    let context = context(&["b/z", "b/a", "a", "c.d", "c/x", ".hidden"]);
    let listing = Listing::of(context.path(), &Ignore::default()).unwrap();
    assert_eq!(
        names(&listing),
        [".hidden", "a", "b", "b/a", "b/z", "c", "c/x", "c.d"]
    );
    assert_eq!((listing.files, listing.bytes), (6, 7 + 1 + 3 + 3 + 3 + 3));
}

#[test]
fn an_ignored_directory_is_listed_only_with_what_is_brought_back() {
    let context = context(&["a/b/c", "a/b/d", "a/e/f", "g/h", "i"]);
    fs::create_dir(context.path().join("empty")).unwrap();
    let listing = Listing::of(context.path(), &rules("*\n!a/b/c\n!i\n")).unwrap();
    assert_eq!(names(&listing), ["a", "a/b", "a/b/c", "i"]);
    let listing = Listing::of(context.path(), &rules("*/*\n")).unwrap();
    assert_eq!(names(&listing), ["a", "empty", "g", "i"]);
}

#[test]
fn what_is_ignored_need_not_be_readable_and_is_not_looked_at() {
    let context = context(&["data/x", "a"]);
    // A directory that is a link into itself would be walked for ever.
    symlink(".", context.path().join("data/loop")).unwrap();
    symlink("..", context.path().join("up")).unwrap();
    let listing = Listing::of(context.path(), &rules("data\n")).unwrap();
    assert_eq!(names(&listing), ["a", "up"]);
    assert_eq!(listing.entries[1].kind, Kind::Link);
}

#[test]
fn sockets_are_skipped_and_named() {
    let context = context(&["a"]);
    let _socket = UnixListener::bind(context.path().join("s")).unwrap();
    let listing = Listing::of(context.path(), &Ignore::default()).unwrap();
    assert_eq!(names(&listing), ["a"]);
    assert_eq!(listing.skipped, [Path::new("s")]);
}

#[test]
fn what_is_no_directory_is_no_context() {
    let context = context(&["a"]);
    for name in ["a", "missing"] {
        let error = Listing::of(&context.path().join(name), &Ignore::default()).unwrap_err();
        let expected = format!(
            "cannot open the build context {}/{name}: ",
            context.path().display()
        );
        assert!(error.to_string().starts_with(&expected), "{error}");
    }
}

/// A context as an archive, and the last progress.
fn packed(context: &Path) -> (Vec<u8>, u64) {
    let listing = Listing::of(context, &Ignore::default()).unwrap();
    let mut archive = Vec::new();
    let mut told = 0;
    pack(context, &listing, &mut archive, &mut |bytes| told = bytes).unwrap();
    (archive, told)
}

#[test]
fn an_archive_keeps_kinds_modes_and_times_but_no_owners() {
    let context = context(&["d/program"]);
    let program = context.path().join("d/program");
    fs::set_permissions(&program, fs::Permissions::from_mode(0o750)).unwrap();
    let time = std::time::UNIX_EPOCH + std::time::Duration::from_secs(1_000_000_000);
    fs::File::open(&program).unwrap().set_modified(time).unwrap();
    symlink("/etc/passwd", context.path().join("link")).unwrap();
    let long = format!("{}/{}", "n".repeat(200), "m".repeat(200));
    write(context.path(), &long, "long");
    symlink("t".repeat(300), context.path().join("longlink")).unwrap();

    let (archive, told) = packed(context.path());
    assert_eq!(told, 9 + 4);
    let mut reader = tar::Archive::new(archive.as_slice());
    let mut seen = BTreeSet::new();
    for entry in reader.entries().unwrap() {
        let mut entry = entry.unwrap();
        let header = entry.header();
        assert_eq!((header.uid().unwrap(), header.gid().unwrap()), (0, 0));
        let path = entry.path().unwrap().to_str().unwrap().to_owned();
        let kind = header.entry_type();
        match path.as_str() {
            "d" => assert_eq!(kind, EntryType::Directory),
            "d/program" => {
                assert_eq!(header.mode().unwrap(), 0o750);
                assert_eq!(header.mtime().unwrap(), 1_000_000_000);
                let mut text = String::new();
                entry.read_to_string(&mut text).unwrap();
                assert_eq!(text, "d/program");
            }
            "link" => {
                assert_eq!(kind, EntryType::Symlink);
                assert_eq!(entry.link_name().unwrap().unwrap(), Path::new("/etc/passwd"));
            }
            "longlink" => assert_eq!(entry.link_name().unwrap().unwrap().as_os_str().len(), 300),
            _ => {}
        }
        seen.insert(path);
    }
    assert!(seen.contains(&long), "{seen:?}");
    assert_eq!(seen.len(), 6);
}

#[test]
fn the_same_context_is_the_same_archive() {
    let context = context(&["b", "a/x", "c"]);
    assert_eq!(packed(context.path()), packed(context.path()));
}

#[test]
fn nothing_is_packed_as_nothing() {
    let context = context(&[]);
    assert_eq!(packed(context.path()), (Vec::new(), 0));
}

#[test]
fn a_file_that_is_no_longer_what_it_was_is_named() {
    let context = context(&["a", "b"]);
    let listing = Listing::of(context.path(), &Ignore::default()).unwrap();
    fs::remove_file(context.path().join("b")).unwrap();
    let error = pack(context.path(), &listing, io::sink(), &mut |_| {}).unwrap_err();
    assert!(
        error.to_string().contains("cannot read b of the build context"),
        "{error}"
    );
    fs::create_dir(context.path().join("b")).unwrap();
    let error = pack(context.path(), &listing, io::sink(), &mut |_| {}).unwrap_err();
    assert!(
        matches!(&error, Error::Changed { path } if path == Path::new("b")),
        "{error}"
    );
}

#[test]
fn who_takes_no_more_ends_the_packing() {
    struct Full;
    impl Write for Full {
        fn write(&mut self, _: &[u8]) -> io::Result<usize> {
            Err(io::Error::other("full"))
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }
    let context = context(&["a"]);
    let listing = Listing::of(context.path(), &Ignore::default()).unwrap();
    let error = pack(context.path(), &listing, Full, &mut |_| {}).unwrap_err();
    assert!(matches!(error, Error::Write(_)), "{error}");
}

/// Paths and patterns over few names, so that they often have to do with one another.
fn path() -> impl Strategy<Value = String> {
    prop::collection::vec(prop::sample::select(vec!["a", "b", "ab", "c"]), 1..4)
        .prop_map(|parts| parts.join("/"))
}

fn rule() -> impl Strategy<Value = String> {
    let part = prop::sample::select(vec!["a", "b", "ab", "c", "*", "?", "**", "[ab]", "a*"]);
    (any::<bool>(), prop::collection::vec(part, 1..4))
        .prop_map(|(back, parts)| format!("{}{}", if back { "!" } else { "" }, parts.join("/")))
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    /// No directory is passed over that holds a file which the rules leave.
    #[test]
    fn exactly_the_files_that_the_rules_leave_are_listed(
        files in prop::collection::btree_set(path(), 1..10),
        lines in prop::collection::vec(rule(), 0..6),
    ) {
        let context = tempfile::tempdir().unwrap();
        for file in &files {
            // A name may be taken for a directory already.
            let path = context.path().join(file).join("file");
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, "").unwrap();
        }
        let ignore = rules(&lines.join("\n"));
        let listing = Listing::of(context.path(), &ignore).unwrap();
        let listed: BTreeSet<PathBuf> = listing
            .entries
            .iter()
            .filter(|entry| entry.kind == Kind::File)
            .map(|entry| entry.path.clone())
            .collect();
        let expected: BTreeSet<PathBuf> = files
            .iter()
            .map(|file| Path::new(file).join("file"))
            .filter(|path| !ignore.excludes(path))
            .collect();
        prop_assert_eq!(listed, expected);
    }

    /// Whatever an ignore file holds, it is understood or refused in words.
    #[test]
    fn no_text_is_a_panic(text in "\\PC{0,60}", path in "\\PC{1,30}") {
        if let Ok(ignore) = Ignore::parse(Path::new("x"), &text) {
            let _ = ignore.excludes(Path::new(&path));
            let _ = ignore.excludes_all_below(Path::new(&path));
        }
    }

    /// The pattern language's own characters, more densely.
    #[test]
    fn no_pattern_is_a_panic(text in "[!*?\\[\\]\\\\^/.a-c\n-]{0,30}", path in "[a-c/]{1,10}") {
        if let Ok(ignore) = Ignore::parse(Path::new("x"), &text) {
            let _ = ignore.excludes(Path::new(&path));
            let _ = ignore.excludes_all_below(Path::new(&path));
        }
    }
}
