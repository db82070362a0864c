//! Images that lie on this host: what is read of them, and that damaged and hostile ones are refused.

#![allow(clippy::unwrap_used, reason = "tests")]

mod support;

use std::fs;
use std::path::{Path, PathBuf};

use kleene_oci::{Digest, Image, OciError, PackedImage, Packing, Place, Platform, Progress};
use kleene_rootfs::Root;
use kleene_rootfs::archive::Limits;
use serde_json::json;
use support::{Layout, files, gzip, named, tar};
use tar::EntryType;
use tempfile::TempDir;

/// A directory with `root/` to unpack into, which all else in it must survive.
struct Room(TempDir);

impl Room {
    fn new() -> Self {
        let room = Self(tempfile::tempdir().unwrap());
        fs::create_dir(room.path("root")).unwrap();
        fs::create_dir(room.path("scratch")).unwrap();
        fs::write(room.path("secret"), "untouched").unwrap();
        room
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn root(&self) -> Root {
        Root::open(self.path("root")).unwrap()
    }

    fn open(&self, place: &str, platform: &str) -> Result<Image<'static>, OciError> {
        Place::parse(place).open(
            &platform.parse().unwrap(),
            &self.path("scratch"),
            &Limits::default(),
        )
    }

    /// Writes a layout as an archive, and unpacks its image.
    fn unpack(&self, layout: &Layout) -> Result<(), OciError> {
        let archive = self.path("image.tar");
        fs::write(&archive, layout.archive()).unwrap();
        let mut image = self.open(archive.to_str().unwrap(), "linux/amd64")?;
        image
            .unpack(&self.root(), Limits::default(), &|| false, &mut |_| {})
            .map(drop)
    }

    fn read(&self, name: &str) -> String {
        fs::read_to_string(self.path("root").join(name)).unwrap()
    }

    fn assert_nothing_outside(&self) {
        assert_eq!(fs::read_to_string(self.path("secret")).unwrap(), "untouched");
        let mut names: Vec<_> = fs::read_dir(self.0.path())
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .filter(|name| !name.starts_with("image"))
            .collect();
        names.sort();
        assert_eq!(names, ["root", "scratch", "secret"]);
        assert_eq!(fs::read_dir(self.path("scratch")).unwrap().count(), 0);
    }
}

fn two_layers() -> Vec<Vec<u8>> {
    vec![
        files(&[("hello", "old"), ("gone", "x"), ("dir/a", "a")]),
        files(&[("hello", "new"), (".wh.gone", ""), ("dir/b", "b")]),
    ]
}

#[test]
fn a_layout_is_read_as_directory_as_archive_and_compressed() {
    let layout = Layout::of(&two_layers());
    let room = Room::new();
    let directory = layout.write_directory(&room.path("image"));
    let archive = room.path("image.tar");
    fs::write(&archive, layout.archive()).unwrap();
    let compressed = room.path("image.tar.gz");
    fs::write(&compressed, gzip(&layout.archive())).unwrap();
    for place in [directory, archive, compressed] {
        let room = Room::new();
        let mut image = room.open(place.to_str().unwrap(), "linux/amd64").unwrap();
        assert_eq!(image.name(), Some("app:1"));
        assert_eq!(image.config().config.env, ["A=1"]);
        let mut told = Vec::new();
        image
            .unpack(&room.root(), Limits::default(), &|| false, &mut |progress| {
                told.push(progress);
            })
            .unwrap();
        assert_eq!(
            (room.read("hello"), room.read("dir/a")),
            ("new".into(), "a".into())
        );
        assert!(!room.path("root/gone").exists());
        assert!(matches!(
            told[..],
            [
                Progress::Unpacked { entries: 3, .. },
                Progress::Unpacked { entries: 6, .. }
            ]
        ));
        room.assert_nothing_outside();
    }
}

#[test]
fn an_archive_of_docker_is_read_with_layers_that_are_links() {
    let layers = two_layers();
    let config = json!({"architecture": "amd64", "os": "linux", "config": {"Cmd": ["/hello"]},
        "rootfs": {"type": "layers", "diff_ids": [Digest::of(&layers[0]), Digest::of(&layers[1])]}})
    .to_string();
    let config_name = format!("{}.json", Digest::of(config.as_bytes()).hex());
    let manifest =
        json!([{"Config": config_name, "RepoTags": ["site:2"], "Layers": ["a/layer.tar", "b/layer.tar"]}]);
    let manifest = manifest.to_string();
    let archive = tar(&[
        ("./0/layer.tar", EntryType::Regular, "", &layers[0]),
        ("a/layer.tar", EntryType::Symlink, "../0/layer.tar", b""),
        ("b/layer.tar", EntryType::Regular, "", &layers[1]),
        (&config_name, EntryType::Regular, "", config.as_bytes()),
        ("manifest.json", EntryType::Regular, "", manifest.as_bytes()),
    ]);
    let room = Room::new();
    fs::write(room.path("image.tar"), archive).unwrap();
    let place = room.path("image.tar").display().to_string();
    let mut image = room.open(&place, "linux/amd64").unwrap();
    assert_eq!(image.name(), Some("site:2"));
    image
        .unpack(&room.root(), Limits::default(), &|| false, &mut |_| {})
        .unwrap();
    assert_eq!(room.read("hello"), "new");
    let refused = room.open(&place, "freebsd/amd64").unwrap_err().to_string();
    assert!(
        refused.contains("has no image for freebsd/amd64, but for linux/amd64"),
        "{refused}"
    );
}

#[test]
fn the_image_of_several_is_chosen_by_platform_and_by_name() {
    let mut layout = Layout::default();
    let amd = layout.image("amd64", &[files(&[("arch", "amd64")])]);
    let arm = layout.image("arm64", &[files(&[("arch", "arm64")])]);
    let attestation = json!({"mediaType": "application/vnd.oci.image.manifest.v1+json", "digest": Digest::of(b"x"),
        "size": 1, "platform": {"os": "unknown", "architecture": "unknown"}});
    let both = json!({"schemaVersion": 2, "manifests": [amd, arm, attestation]}).to_string();
    let (digest, size) = layout.blob(both.as_bytes());
    let both =
        json!({"mediaType": "application/vnd.oci.image.index.v1+json", "digest": digest, "size": size});
    let other = layout.image("amd64", &[files(&[("arch", "other")])]);
    layout.index(&[named(both, "app:1"), named(other, "app:2")]);
    let room = Room::new();
    let place = layout.write_directory(&room.path("image")).display().to_string();
    let label = |place: &str, platform: &str| {
        let image = room.open(place, platform).map_err(|error| error.to_string())?;
        Ok::<_, String>(image.config().config.labels["architecture"].clone())
    };
    assert_eq!(label(&format!("{place}:app:1"), "linux/amd64").unwrap(), "amd64");
    assert_eq!(
        label(&format!("{place}:app:1"), "linux/arm64/v8").unwrap(),
        "arm64"
    );
    let refused = label(&format!("{place}:app:1"), "freebsd/amd64").unwrap_err();
    assert!(
        refused.ends_with(
            "has no image for freebsd/amd64, but for linux/amd64, linux/arm64; choose one of them as platform"
        ),
        "{refused}"
    );
    let refused = label(&place, "linux/amd64").unwrap_err();
    assert!(
        refused.contains("holds several images (app:1, app:2)"),
        "{refused}"
    );
    let refused = label(&format!("{place}:nope"), "linux/amd64").unwrap_err();
    assert!(
        refused.contains("it holds no image 'nope', but: app:1, app:2"),
        "{refused}"
    );
}

#[test]
fn hostile_layers_are_refused_and_reach_nothing_outside() {
    use EntryType as E;
    type Entries<'a> = &'a [(&'a str, E, &'a str, &'a [u8])];
    let cases: [(&str, Entries<'_>); 9] = [
        ("absolute", &[("/secret", E::Regular, "", b"x")]),
        ("upwards", &[("../secret", E::Regular, "", b"x")]),
        (
            "by a link",
            &[("a", E::Symlink, "..", b""), ("a/secret", E::Regular, "", b"x")],
        ),
        ("hard link out", &[("a", E::Link, "../secret", b"")]),
        ("hard link to nothing", &[("a", E::Link, "none", b"")]),
        ("device", &[("null", E::Char, "", b"")]),
        ("block device", &[("disk", E::Block, "", b"")]),
        ("whiteout of the parent", &[(".wh...", E::Regular, "", b"")]),
        (
            "whiteout by a link",
            &[
                ("a", E::Symlink, "..", b""),
                ("a/.wh.secret", E::Regular, "", b""),
            ],
        ),
    ];
    for (name, entries) in cases {
        let room = Room::new();
        let refused = room.unpack(&Layout::of(&[tar(entries)]));
        assert!(matches!(refused, Err(OciError::Rootfs(_))), "{name}: {refused:?}");
        room.assert_nothing_outside();
    }
}

/// A layout with one thing wrong, and what is said about it.
type Damage = (&'static str, fn(&mut Layout), &'static str);

#[test]
fn damaged_layouts_are_refused_by_what_is_wrong() {
    let cases: [Damage; 11] = [
        (
            "no index",
            |layout| drop(layout.0.remove("index.json")),
            "has neither an index.json nor a manifest.json",
        ),
        (
            "an index that is no JSON",
            |layout| drop(layout.0.insert("index.json".into(), b"{".to_vec())),
            "the manifest of",
        ),
        (
            "an old version",
            |layout| {
                drop(
                    layout
                        .0
                        .insert("index.json".into(), br#"{"schemaVersion":1}"#.to_vec()),
                )
            },
            "it is of version 1",
        ),
        (
            "an empty index",
            |layout| layout.index(&[]),
            "its index holds no image",
        ),
        (
            "a digest that names a path",
            |layout| {
                layout.index(&[json!({"mediaType": "", "digest": "sha256:../../../etc/passwd", "size": 1})]);
            },
            "is no digest that can be verified",
        ),
        (
            "a manifest that is not there",
            |layout| {
                layout.index(&[json!({"mediaType": "", "digest": Digest::of(b"none"), "size": 1})]);
            },
            "is not in it",
        ),
        (
            "a layer that is not what its digest says",
            |layout| {
                let kept = gzip(&two_layers()[0]);
                let entry = layout.image_as(
                    "amd64",
                    &[Digest::of(&two_layers()[0])],
                    std::slice::from_ref(&kept),
                );
                let name = format!("blobs/sha256/{}", Digest::of(&kept).hex());
                layout.0.insert(name, gzip(&files(&[("hello", "forged")])));
                layout.index(&[entry]);
            },
            "is damaged: its digest is",
        ),
        (
            "a layer whose content is not what the configuration says",
            |layout| {
                let entry = layout.image_as("amd64", &[Digest::of(b"else")], &[gzip(&two_layers()[0])]);
                layout.index(&[entry]);
            },
            "the content of layer",
        ),
        (
            "a layer cut off",
            |layout| {
                let kept = gzip(&two_layers()[0]);
                let entry = layout.image_as(
                    "amd64",
                    &[Digest::of(&two_layers()[0])],
                    &[kept[..kept.len() / 2].to_vec()],
                );
                layout.index(&[entry]);
            },
            "the archive cannot be read",
        ),
        (
            "fewer layers than the configuration says",
            |layout| {
                let entry = layout.image_as(
                    "amd64",
                    &[Digest::of(b"1"), Digest::of(b"2")],
                    &[gzip(&two_layers()[0])],
                );
                layout.index(&[entry]);
            },
            "it speaks of 2 layers, and there are 1",
        ),
        (
            "a configuration that is none",
            |layout| {
                let (digest, size) = layout.blob(b"[]");
                let config = json!({"mediaType": "", "digest": digest, "size": size});
                let manifest = json!({"schemaVersion": 2, "config": config, "layers": []}).to_string();
                let (digest, size) = layout.blob(manifest.as_bytes());
                layout.index(&[json!({"mediaType": "", "digest": digest, "size": size})]);
            },
            "the configuration of",
        ),
    ];
    for (name, damage, expected) in cases {
        let room = Room::new();
        let mut layout = Layout::of(&two_layers());
        damage(&mut layout);
        let refused = room.unpack(&layout).unwrap_err().to_string();
        assert!(refused.contains(expected), "{name}: {refused}");
        room.assert_nothing_outside();
    }
}

#[test]
fn what_is_no_image_at_all_is_refused() {
    let room = Room::new();
    let cut = {
        let archive = Layout::of(&two_layers()).archive();
        archive[..archive.len() / 3].to_vec()
    };
    for (content, expected) in [
        (&b"just a text"[..], "no tar archive that can be read"),
        (b"", "has neither an index.json"),
        (&gzip(b"just a text"), "has neither an index.json"),
        (&cut, "image.tar is no image"),
    ] {
        let path = room.path("image.tar");
        fs::write(&path, content).unwrap();
        let refused = room
            .open(path.to_str().unwrap(), "linux/amd64")
            .unwrap_err()
            .to_string();
        assert!(
            refused.contains("is no image") || refused.contains(expected),
            "{refused}"
        );
    }
    let refused = room.open("/dev/null", "linux/amd64").unwrap_err().to_string();
    assert!(refused.contains("neither a file nor a directory"), "{refused}");
    let refused = room.open("/nowhere/x", "linux/amd64").unwrap_err().to_string();
    assert!(
        refused.contains("could not open /nowhere/x: No such file"),
        "{refused}"
    );
}

#[test]
fn an_archive_that_grows_beyond_its_limit_is_refused_before_it_fills_the_disk() {
    let room = Room::new();
    let path = room.path("image.tar.gz");
    fs::write(&path, gzip(&vec![0; 4 << 20])).unwrap();
    let limits = Limits {
        bytes: 1 << 20,
        ..Limits::default()
    };
    let refused =
        Place::parse(path.to_str().unwrap()).open(&Platform::of_this_host(), &room.path("scratch"), &limits);
    assert!(
        refused
            .unwrap_err()
            .to_string()
            .contains("larger than 1048576 bytes")
    );
    room.assert_nothing_outside();
}

#[test]
fn unpacking_ends_when_nobody_waits_for_it() {
    let room = Room::new();
    let path = Layout::of(&two_layers()).write_directory(&room.path("image"));
    let mut image = room.open(path.to_str().unwrap(), "linux/amd64").unwrap();
    let given_up = image.unpack(&room.root(), Limits::default(), &|| true, &mut |_| {});
    assert!(matches!(given_up, Err(OciError::GivenUp)));
}

fn packed(root: &Path, packing: Packing, scratch: &Path) -> PackedImage {
    let config = kleene_oci::ImageConfig {
        platform: "linux/amd64".parse().unwrap(),
        config: kleene_oci::RunConfig {
            cmd: Some(vec!["/hello".to_owned()]),
            ..Default::default()
        },
        ..Default::default()
    };
    PackedImage::of(&Root::open(root).unwrap(), config, packing, scratch, &|| false).unwrap()
}

#[test]
fn a_tree_becomes_an_archive_that_is_read_again_and_is_always_the_same() {
    for packing in [Packing::Plain, Packing::Gzip] {
        let room = Room::new();
        fs::create_dir(room.path("image-tree")).unwrap();
        fs::write(room.path("image-tree/hello"), "hello").unwrap();
        let archive = |scratch: &Path| {
            let mut image = packed(&room.path("image-tree"), packing, scratch);
            let mut archive = Vec::new();
            image.write_archive(Some("app:3"), &mut archive).unwrap();
            archive
        };
        let first = archive(&room.path("scratch"));
        assert_eq!(first, archive(&room.path("scratch")));
        fs::write(room.path("image.tar"), first).unwrap();
        let mut image = room
            .open(room.path("image.tar").to_str().unwrap(), "linux/amd64")
            .unwrap();
        assert_eq!(image.name(), Some("app:3"));
        assert_eq!(image.config().config.cmd, Some(vec!["/hello".to_owned()]));
        image
            .unpack(&room.root(), Limits::default(), &|| false, &mut |_| {})
            .unwrap();
        assert_eq!(room.read("hello"), "hello");
        room.assert_nothing_outside();
    }
}
