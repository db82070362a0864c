//! Images of others: imported, exported, and refused without leaving anything.

use std::fs::{self, File};
use std::io::Cursor;
use std::path::{Path, PathBuf};

use kleene_api::{ImageCreateConfig, ImageCreateMethod};
use kleene_engine::{Cancel, Engine, EngineError};
use kleene_plan::Id;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use crate::faults::{Promise, UseCase};
use crate::world::{World, refusal, texts};

/// That of this host, as images call it.
fn architecture() -> &'static str {
    match std::env::consts::ARCH {
        "x86_64" => "amd64",
        "aarch64" => "arm64",
        other => other,
    }
}

/// A layout in the making.
struct Layout(PathBuf);

impl Layout {
    fn blob(&self, content: &[u8]) -> Value {
        let hex: String = Sha256::digest(content)
            .iter()
            .map(|byte| format!("{byte:02x}"))
            .collect();
        let directory = self.0.join("blobs/sha256");
        fs::create_dir_all(&directory).unwrap();
        fs::write(directory.join(&hex), content).unwrap();
        json!({"mediaType": "", "digest": format!("sha256:{hex}"), "size": content.len()})
    }

    /// An image of one layer, which holds `name` with the content `hello`.
    fn write(directory: &Path, name: &str) -> Self {
        let layout = Self(directory.to_owned());
        let mut tar = tar::Builder::new(Vec::new());
        let mut header = tar::Header::new_ustar();
        header.as_mut_bytes()[..name.len()].copy_from_slice(name.as_bytes());
        header.set_size(5);
        header.set_mode(0o644);
        header.set_uid(0);
        header.set_gid(0);
        header.set_mtime(0);
        header.set_cksum();
        tar.append(&header, &b"hello"[..]).unwrap();
        let layer = layout.blob(&tar.into_inner().unwrap());
        let config = json!({
            "architecture": architecture(), "os": std::env::consts::OS,
            "config": {"Entrypoint": ["/serve"], "Cmd": ["-v"], "Env": ["A=1"], "User": "www:www", "WorkingDir": "/srv",
                "ExposedPorts": {"80/tcp": {}}, "Volumes": {"/data": {}}, "Labels": {"a": "b"}, "StopSignal": "SIGQUIT",
                "Healthcheck": {"Test": ["CMD", "/check"], "Retries": 3}},
            "rootfs": {"type": "layers", "diff_ids": [layer["digest"]]},
        });
        let config = layout.blob(config.to_string().as_bytes());
        let manifest = json!({"schemaVersion": 2, "config": config, "layers": [layer]}).to_string();
        let mut entry = layout.blob(manifest.as_bytes());
        entry["annotations"] = json!({"org.opencontainers.image.ref.name": "example.org/team/site:2"});
        let index = json!({"schemaVersion": 2, "manifests": [entry]}).to_string();
        fs::write(directory.join("index.json"), index).unwrap();
        layout
    }
}

fn import(engine: &Engine, source: &str) -> Result<Id, EngineError> {
    let config = ImageCreateConfig {
        dns: false,
        localtime: false,
        url: source.to_owned(),
        ..ImageCreateConfig::new(ImageCreateMethod::Oci)
    };
    engine.create_image(&config, &Cancel::new(), &mut |_| {})
}

#[test]
fn an_image_of_others_brings_its_name_and_what_it_says_of_its_containers() {
    let world = World::new();
    let engine = world.open();
    let directory = world.scratch("layout");
    Layout::write(&directory, "hello");
    let id = import(&engine, directory.to_str().unwrap()).unwrap();
    let image = engine.inspect_image("site:2").unwrap();
    assert_eq!(image.id, id.to_string());
    assert_eq!((image.cmd, image.env), (texts(&["-v"]), texts(&["A=1"])));
    assert_eq!(image.user, "www");
    assert_eq!(image.settings.entrypoint, texts(&["/serve"]));
    assert_eq!(image.settings.working_dir.as_deref(), Some("/srv"));
    assert_eq!(image.settings.stop_signal.as_deref(), Some("SIGQUIT"));
    assert_eq!(image.settings.platform, None);
    assert_eq!(image.settings.healthcheck.unwrap().retries, Some(3));
    assert_eq!(world.listing(&format!("image/{id}"), ""), ["hello"]);
}

#[test]
fn an_exported_image_is_loaded_again_as_it_was() {
    let world = World::new();
    let engine = world.open();
    let directory = world.scratch("layout");
    Layout::write(&directory, "hello");
    let first = import(&engine, directory.to_str().unwrap()).unwrap();
    let before = engine.inspect_image("site:2").unwrap();
    let archive = world.scratch("out").join("site.tar");
    engine
        .export_image("site:2", &Cancel::new())
        .unwrap()
        .write(File::create(&archive).unwrap())
        .unwrap();
    engine.remove_image(first.as_str()).unwrap();
    let config = ImageCreateConfig {
        dns: false,
        localtime: false,
        ..ImageCreateConfig::new(ImageCreateMethod::Oci)
    };
    let file = File::open(&archive).unwrap();
    let second = engine
        .load_image(file, &config, &Cancel::new(), &mut |_| {})
        .unwrap();
    let after = engine.inspect_image("site:2").unwrap();
    assert_eq!(after.id, second.to_string());
    assert_eq!(
        (after.cmd, after.env, after.settings),
        (before.cmd, before.env, before.settings)
    );
    assert_eq!(world.listing(&format!("image/{second}"), ""), ["hello"]);
    assert_eq!(
        refusal(engine.export_image("nope", &Cancel::new())),
        "image not found"
    );
}

#[test]
fn images_that_are_damaged_hostile_or_not_there_leave_nothing() {
    let world = World::new();
    let engine = world.open();
    let before = world.sim.inventory();
    let hostile = world.scratch("hostile");
    Layout::write(&hostile, "../outside");
    let damaged = world.scratch("damaged");
    let layout = Layout::write(&damaged, "hello");
    for blob in fs::read_dir(layout.0.join("blobs/sha256")).unwrap() {
        let path = blob.unwrap().path();
        if fs::metadata(&path).unwrap().len() > 1024 {
            fs::write(path, vec![0; 2048]).unwrap();
        }
    }
    let empty = world.scratch("empty");
    let cases = [
        (hostile.display().to_string(), "../outside is refused"),
        (damaged.display().to_string(), "is damaged"),
        (
            empty.display().to_string(),
            "has neither an index.json nor a manifest.json",
        ),
        (
            "/nowhere/image.tar".to_owned(),
            "could not open /nowhere/image.tar",
        ),
        ("oci:relative/path".to_owned(), "the path must be absolute"),
        ("UPPER".to_owned(), "names no image in a registry"),
        ("127.0.0.1:1/app".to_owned(), "no connection to 127.0.0.1"),
    ];
    for (source, expected) in cases {
        let refused = refusal(import(&engine, &source));
        assert!(refused.contains(expected), "{source}: {refused}");
    }
    let config = ImageCreateConfig {
        platform: "linux".to_owned(),
        url: "app".to_owned(),
        ..ImageCreateConfig::new(ImageCreateMethod::Oci)
    };
    let refused = refusal(engine.create_image(&config, &Cancel::new(), &mut |_| {}));
    assert!(refused.contains("'linux' is no platform"), "{refused}");
    assert_eq!(world.sim.inventory().since(&before), "");
    assert!(engine.images().unwrap().is_empty());
}

#[test]
fn an_export_that_nobody_waits_for_is_given_up_and_the_image_stays() {
    let world = World::new();
    let engine = world.open();
    world.base(&engine);
    let before = world.sim.inventory();
    let cancel = Cancel::new();
    cancel.cancel();
    assert_eq!(refusal(engine.export_image("base", &cancel)), "cancelled");
    assert_eq!(world.sim.inventory().since(&before), "");
    let mut archive = Cursor::new(Vec::new());
    engine
        .export_image("base", &Cancel::new())
        .unwrap()
        .write(&mut archive)
        .unwrap();
    assert!(!archive.into_inner().is_empty());
}

#[test]
fn an_import_of_a_layout_is_all_or_nothing_whatever_fails() {
    let case = UseCase {
        promise: Promise::AllOrNothing,
        prepare: |_, _| Ok(()),
        act: |world, engine| {
            let directory = world.scratch("layout");
            Layout::write(&directory, "hello");
            import(engine, directory.to_str().unwrap()).map(drop)
        },
    };
    case.endures_every_fault();
}

/// Writes what `docker save` does: a list of images, their configurations and layers.
fn docker_archive(path: &Path) {
    let mut layer = tar::Builder::new(Vec::new());
    let mut header = tar::Header::new_ustar();
    header.set_size(5);
    header.set_mode(0o644);
    header.set_uid(0);
    header.set_gid(0);
    layer.append_data(&mut header, "hello", &b"hello"[..]).unwrap();
    let layer = layer.into_inner().unwrap();
    let digest: String = Sha256::digest(&layer)
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect();
    let config = json!({
        "architecture": architecture(), "os": std::env::consts::OS, "config": {"Cmd": ["/serve"]},
        "rootfs": {"type": "layers", "diff_ids": [format!("sha256:{digest}")]},
    })
    .to_string();
    let manifest =
        json!([{"Config": "config.json", "RepoTags": ["saved:1"], "Layers": ["layer.tar"]}]).to_string();
    let mut archive = tar::Builder::new(File::create(path).unwrap());
    for (name, content) in [
        ("layer.tar", layer.as_slice()),
        ("config.json", config.as_bytes()),
        ("manifest.json", manifest.as_bytes()),
    ] {
        let mut header = tar::Header::new_ustar();
        header.set_size(content.len() as u64);
        header.set_mode(0o644);
        archive.append_data(&mut header, name, content).unwrap();
    }
    archive.finish().unwrap();
}

#[test]
fn an_import_of_an_archive_of_docker_is_all_or_nothing_whatever_fails() {
    let case = UseCase {
        promise: Promise::AllOrNothing,
        prepare: |_, _| Ok(()),
        act: |world, engine| {
            let archive = world.scratch("saved").join("image.tar");
            docker_archive(&archive);
            import(engine, archive.to_str().unwrap()).map(drop)
        },
    };
    case.endures_every_fault();
}
