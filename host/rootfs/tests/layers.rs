//! Layers of images: whiteouts, and that hostile layers never reach a path outside the root. And packing a tree, which is
//! the way back.

#![allow(clippy::unwrap_used, reason = "tests")]

mod support;

use std::{
    fs,
    io::Write,
    os::unix::fs::{MetadataExt, PermissionsExt, symlink},
    path::Path,
};

use kleene_rootfs::{
    Error,
    archive::{Layers, Limits, Unpacked, pack},
};
use support::{Place, Tar};
use tar::EntryType;

fn apply(place: &Place, layers: &[Vec<u8>]) -> Result<Unpacked, Error> {
    apply_within(place, layers, &Limits::default())
}

fn apply_within(place: &Place, layers: &[Vec<u8>], limits: &Limits) -> Result<Unpacked, Error> {
    let mut applied = Layers::new(&place.root, limits.clone());
    for layer in layers {
        applied.apply(&layer[..], &mut |_| {}, &mut |_| {})?;
    }
    Ok(applied.unpacked())
}

/// All paths beneath a root, directories with a slash, sorted.
fn tree(place: &Place) -> Vec<String> {
    fn visit(directory: &Path, prefix: &str, found: &mut Vec<String>) {
        for entry in fs::read_dir(directory).unwrap() {
            let entry = entry.unwrap();
            let name = format!("{prefix}{}", entry.file_name().to_str().unwrap());
            if entry.file_type().unwrap().is_dir() {
                found.push(format!("{name}/"));
                visit(&entry.path(), &format!("{name}/"), found);
            } else {
                found.push(name);
            }
        }
    }
    let mut found = Vec::new();
    visit(place.root.host_path(), "", &mut found);
    found.sort();
    found
}

fn base() -> Vec<u8> {
    Tar::new()
        .dir("etc/", 0o755)
        .file("etc/passwd", b"root")
        .file("etc/hosts", b"localhost")
        .dir("opt/app/lib/", 0o755)
        .file("opt/app/lib/a", b"a")
        .file("opt/app/lib/b", b"b")
        .symlink("var/run", "/run")
        .bytes()
}

#[test]
fn an_upper_layer_adds_replaces_and_takes_away() {
    let place = Place::new();
    let upper = Tar::new()
        .file("etc/hosts", b"other")
        .file("etc/.wh.passwd", b"")
        .file("opt/app/.wh.lib", b"")
        .file("opt/new", b"new")
        .bytes();
    apply(&place, &[base(), upper]).unwrap();
    assert_eq!(
        tree(&place),
        [
            "etc/",
            "etc/hosts",
            "opt/",
            "opt/app/",
            "opt/new",
            "var/",
            "var/run"
        ]
    );
    assert_eq!(fs::read(place.path("etc/hosts")).unwrap(), b"other");
}

#[test]
fn an_opaque_directory_holds_only_what_its_own_layer_brings_whatever_the_order() {
    for first in [true, false] {
        let place = Place::new();
        let mut upper = Tar::new().dir("opt/app/", 0o700);
        if first {
            upper = upper.file("opt/app/.wh..wh..opq", b"");
        }
        upper = upper.file("opt/app/lib/c", b"c");
        if !first {
            upper = upper.file("opt/app/.wh..wh..opq", b"");
        }
        apply(&place, &[base(), upper.bytes()]).unwrap();
        let found = tree(&place);
        let below: Vec<_> = found.iter().filter(|path| path.starts_with("opt/")).collect();
        assert_eq!(
            below,
            ["opt/", "opt/app/", "opt/app/lib/", "opt/app/lib/c"],
            "first: {first}"
        );
        assert_eq!(fs::metadata(place.path("opt/app")).unwrap().mode() & 0o777, 0o700);
    }
}

#[test]
fn a_whiteout_does_not_take_away_what_its_own_layer_brings() {
    for first in [true, false] {
        let place = Place::new();
        let mut upper = Tar::new();
        if first {
            upper = upper.file("etc/.wh.passwd", b"");
        }
        upper = upper.file("etc/passwd", b"mine");
        if !first {
            upper = upper.file("etc/.wh.passwd", b"");
        }
        apply(&place, &[base(), upper.bytes()]).unwrap();
        assert_eq!(
            fs::read(place.path("etc/passwd")).unwrap(),
            b"mine",
            "first: {first}"
        );
    }
}

#[test]
fn whiteouts_of_what_is_not_there_take_nothing_away() {
    let place = Place::new();
    let upper = Tar::new()
        .file("no/such/.wh.file", b"")
        .file("etc/passwd/.wh.x", b"")
        .file("none/.wh..wh..opq", b"")
        .file(".wh..wh.plnk", b"")
        .bytes();
    let before = {
        apply(&place, &[base()]).unwrap();
        tree(&place)
    };
    apply(&place, &[upper]).unwrap();
    assert_eq!(tree(&place), before);
}

#[test]
fn files_take_the_place_of_directories_and_directories_that_of_links() {
    let place = Place::new();
    let upper = Tar::new()
        .file("opt/app", b"now a file")
        .dir("var/run/", 0o755)
        .file("var/run/pid", b"1")
        .bytes();
    apply(&place, &[base(), upper]).unwrap();
    assert!(place.path("opt/app").is_file());
    assert!(fs::symlink_metadata(place.path("var/run")).unwrap().is_dir());
}

#[test]
fn an_absolute_link_below_means_the_root_of_the_image() {
    let place = Place::new();
    let upper = Tar::new().file("var/run/pid", b"1").bytes();
    apply(&place, &[base(), upper]).unwrap();
    assert_eq!(fs::read(place.path("run/pid")).unwrap(), b"1");
    place.assert_outside_untouched();
}

#[test]
fn a_hard_link_may_lead_to_a_file_of_a_layer_below() {
    let place = Place::new();
    let upper = Tar::new().hard_link("etc/again", "etc/passwd").bytes();
    apply(&place, &[base(), upper]).unwrap();
    let (first, again) = (place.path("etc/passwd"), place.path("etc/again"));
    assert_eq!(first.metadata().unwrap().ino(), again.metadata().unwrap().ino());
}

#[test]
fn a_layer_without_entries_changes_nothing() {
    let place = Place::new();
    apply(&place, &[base(), Tar::new().bytes()]).unwrap();
    assert!(place.path("etc/passwd").exists());
}

#[test]
fn hostile_layers_are_refused_and_reach_nothing_outside() {
    let outside = Place::new().outside();
    let hostile: [(&str, Tar); 14] = [
        ("absolute", Tar::new().file("/etc/passwd", b"x")),
        ("upwards", Tar::new().file("../outside/x", b"x")),
        (
            "by a link upwards",
            Tar::new().symlink("a", "../outside").file("a/x", b"x"),
        ),
        (
            "by a chain of links",
            Tar::new()
                .symlink("a", "b/..")
                .symlink("b", "../../outside")
                .file("a/x", b"x"),
        ),
        (
            "hard link upwards",
            Tar::new().hard_link("x", "../outside/secret"),
        ),
        (
            "hard link absolute",
            Tar::new().hard_link("x", &format!("{outside}/secret")),
        ),
        (
            "hard link by a link",
            Tar::new().symlink("a", "../outside").hard_link("x", "a/secret"),
        ),
        (
            "device",
            Tar::new().entry("null", EntryType::Char, "", 0o666, b""),
        ),
        ("whiteout of the parent", Tar::new().file("a/.wh...", b"")),
        ("whiteout of itself", Tar::new().file("a/.wh..", b"")),
        ("whiteout without a name", Tar::new().file(".wh.", b"")),
        ("below a whiteout", Tar::new().file(".wh.a/b", b"")),
        (
            "whiteout by a link upwards",
            Tar::new().symlink("a", "../outside").file("a/.wh.secret", b""),
        ),
        (
            "opaque by a link upwards",
            Tar::new().symlink("a", "../outside").file("a/.wh..wh..opq", b""),
        ),
    ];
    for (name, layer) in hostile {
        let place = Place::new();
        let refused = apply(&place, &[base(), layer.bytes()]);
        assert!(
            matches!(refused, Err(Error::EntryRefused { .. } | Error::Escapes { .. })),
            "{name}: {refused:?}"
        );
        place.assert_outside_untouched();
    }
}

#[test]
fn directories_too_deep_are_refused() {
    let place = Place::new();
    let mut applied = Layers::new(&place.root, Limits::default());
    // A name in a header has 100 bytes at most: a link stands for the way so far.
    let deep = "d/".repeat(40);
    let mut from = deep.clone();
    let refused = (0..8).find_map(|step| {
        let link = format!("l{step}");
        let layer = Tar::new()
            .dir(&from, 0o755)
            .symlink(&link, from.trim_end_matches('/'));
        from = format!("{link}/{deep}");
        applied.apply(&layer.bytes()[..], &mut |_| {}, &mut |_| {}).err()
    });
    let reason = refused.unwrap().to_string();
    assert!(
        reason.contains("more than 256 directories inside each other"),
        "{reason}"
    );
}

#[test]
fn limits_hold_for_all_layers_together() {
    let layer = |name: &str| Tar::new().file(name, &[7; 4000]).bytes();
    let layers = [layer("a"), layer("b"), layer("c")];
    let few = Limits {
        entries: 2,
        ..Limits::default()
    };
    let refused = apply_within(&Place::new(), &layers, &few).unwrap_err();
    assert!(refused.to_string().contains("more than 2 entries"), "{refused}");
    let small = Limits {
        bytes: 12_000,
        ..Limits::default()
    };
    let refused = apply_within(&Place::new(), &layers, &small).unwrap_err();
    assert!(matches!(refused, Error::LimitReached { .. }), "{refused}");
    apply_within(&Place::new(), &layers[..1], &small).unwrap();
}

#[test]
fn the_content_of_a_compressed_layer_is_told_as_it_is_decompressed() {
    let place = Place::new();
    let plain = base();
    let mut packed = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    packed.write_all(&plain).unwrap();
    let mut told = Vec::new();
    Layers::new(&place.root, Limits::default())
        .apply(
            &packed.finish().unwrap()[..],
            &mut |bytes| told.extend_from_slice(bytes),
            &mut |_| {},
        )
        .unwrap();
    assert_eq!(told, plain);
}

fn packed(place: &Place) -> Vec<u8> {
    let mut archive = Vec::new();
    pack(&place.root, None, &mut archive, &mut |_| {}).unwrap();
    archive
}

/// A tree with one of everything.
fn furnished() -> Place {
    let place = Place::new();
    fs::create_dir_all(place.path("usr/bin")).unwrap();
    fs::write(place.path("usr/bin/tool"), "#!").unwrap();
    fs::set_permissions(place.path("usr/bin/tool"), fs::Permissions::from_mode(0o4755)).unwrap();
    fs::hard_link(place.path("usr/bin/tool"), place.path("usr/bin/alias")).unwrap();
    symlink("/usr/bin", place.path("bin")).unwrap();
    fs::create_dir(place.path("tmp")).unwrap();
    fs::set_permissions(place.path("tmp"), fs::Permissions::from_mode(0o1777)).unwrap();
    let long = "n".repeat(200);
    fs::write(place.path(&long), "long").unwrap();
    symlink(&long, place.path("to-long")).unwrap();
    std::os::unix::net::UnixListener::bind(place.path("tmp/socket")).unwrap();
    place
}

#[test]
fn a_packed_tree_unpacks_to_the_same_without_sockets() {
    let (from, to) = (furnished(), Place::new());
    let archive = packed(&from);
    apply(&to, std::slice::from_ref(&archive)).unwrap();
    let mut expected = tree(&from);
    expected.retain(|path| path != "tmp/socket");
    assert_eq!(tree(&to), expected);
    let mode = |path: &str| fs::metadata(to.path(path)).unwrap().mode() & 0o7777;
    assert_eq!((mode("usr/bin/tool"), mode("tmp")), (0o4755, 0o1777));
    let inode = |path: &str| fs::metadata(to.path(path)).unwrap().ino();
    assert_eq!(inode("usr/bin/tool"), inode("usr/bin/alias"));
    assert_eq!(fs::read_link(to.path("bin")).unwrap(), Path::new("/usr/bin"));
    // Whatever it is packed from, the same tree is the same archive.
    assert_eq!(packed(&to), archive);
}

#[test]
fn a_file_that_a_layer_would_take_for_a_whiteout_is_not_packed() {
    let place = Place::new();
    fs::write(place.path(".wh.x"), "").unwrap();
    let refused = pack(&place.root, None, Vec::new(), &mut |_| {})
        .unwrap_err()
        .to_string();
    assert!(
        refused.contains(".wh.x is named as layers name what they remove"),
        "{refused}"
    );
}
