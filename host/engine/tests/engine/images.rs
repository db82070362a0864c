//! Base images, tags, removal.

use std::io::{Read, Write};
use std::net::TcpListener;
use std::path::Path;
use std::thread;

use kleene_api::{ImageCreateConfig, ImageCreateMethod};
use kleene_engine::{Cancel, Engine};
use kleene_plan::Id;

use crate::world::{World, refusal, sleeper};

fn create(engine: &Engine, config: &ImageCreateConfig) -> Result<Id, kleene_engine::EngineError> {
    engine.create_image(config, &Cancel::new(), &mut |_| {})
}

#[test]
fn a_program_of_the_host_makes_an_image_with_all_it_needs() {
    let world = World::new();
    let engine = world.open();
    let config = ImageCreateConfig {
        programs: vec!["/bin/true".to_owned()],
        tag: "true:1".to_owned(),
        dns: false,
        localtime: false,
        ..ImageCreateConfig::new(ImageCreateMethod::Host)
    };
    let id = create(&engine, &config).unwrap();
    let image = engine.inspect_image("true:1").unwrap();
    assert_eq!((image.id.as_str(), image.user.as_str()), (id.as_str(), "root"));
    assert_eq!(image.cmd, ["/bin/sh", "/etc/rc"]);
    assert!(image.instructions.is_empty());
    let files = world.files_of(&format!("image/{id}"));
    assert!(files.join("usr/bin/true").is_file() || files.join("bin/true").is_file());
    let snapshot = format!("snapshot image/{id}@image");
    assert!(world.sim.inventory().to_string().contains(&snapshot));
}

#[test]
fn an_archive_makes_an_image_and_tells_how_far_it_is() {
    let world = World::new();
    let engine = world.open();
    let mut lines = String::new();
    let id = engine
        .create_image(&world.base_config(), &Cancel::new(), &mut |line| {
            lines.push_str(line)
        })
        .unwrap();
    assert_eq!(world.listing(&format!("image/{id}"), "etc"), ["passwd"]);
    insta::assert_snapshot!(lines, @r"
    Succesfully fetched base system.
    Unpacking contents and creating image...
    Succesfully extracted binaries, creating image...
    ");
}

#[test]
fn an_image_knows_localhost_unless_names_are_none_of_its_business() {
    let world = World::new();
    let engine = world.open();
    for (dns, expected) in [
        (true, &["hosts", "passwd", "resolv.conf"][..]),
        (false, &["passwd"]),
    ] {
        let config = ImageCreateConfig {
            dns,
            ..world.base_config()
        };
        let id = create(&engine, &config).unwrap();
        assert_eq!(world.listing(&format!("image/{id}"), "etc"), expected);
    }
}

fn of_host_dataset(method: ImageCreateMethod, dataset: &str) -> ImageCreateConfig {
    ImageCreateConfig {
        zfs_dataset: dataset.to_owned(),
        tag: "of-host".to_owned(),
        dns: false,
        localtime: false,
        ..ImageCreateConfig::new(method)
    }
}

#[test]
fn a_dataset_of_the_host_is_copied_or_cloned_and_left_as_it_was() {
    for method in [ImageCreateMethod::ZfsCopy, ImageCreateMethod::ZfsClone] {
        let world = World::new();
        let engine = world.open();
        world
            .sim
            .plant_dataset(&"tank/base".parse().unwrap(), "file", "of the host")
            .unwrap();
        let before = world.sim.inventory();
        let mut lines = String::new();
        let config = of_host_dataset(method, "tank/base");
        let id = engine
            .create_image(&config, &Cancel::new(), &mut |line| lines.push_str(line))
            .unwrap();
        let file = world.files_of(&format!("image/{id}")).join("file");
        assert_eq!(std::fs::read_to_string(file).unwrap(), "of the host");
        let made = world.sim.inventory().since(&before);
        let has_snapshot = made.contains(&format!("snapshot tank/base@{id} of the host"));
        match method {
            ImageCreateMethod::ZfsCopy => {
                assert!(lines.starts_with("copying dataset into the new image"), "{lines}");
                assert!(!has_snapshot, "{made}");
            }
            _ => {
                assert_eq!(lines, "cloning dataset...\n");
                assert!(has_snapshot, "{made}");
            }
        }
        engine.remove_image("of-host").unwrap();
        assert_eq!(world.sim.inventory().since(&before), "");
    }
}

#[test]
fn a_dataset_that_the_host_has_not_is_refused() {
    let world = World::new();
    let engine = world.open();
    for dataset in ["tank/none", "/tank/base", "", "-r"] {
        let config = of_host_dataset(ImageCreateMethod::ZfsClone, dataset);
        let refused = refusal(create(&engine, &config));
        assert!(refused.starts_with("invalid dataset"), "{refused}");
    }
    assert!(engine.images().unwrap().is_empty());
}

#[test]
fn a_source_that_cannot_be_used_leaves_nothing() {
    let world = World::new();
    let engine = world.open();
    let before = world.sim.inventory();
    let archive = |path: &Path| ImageCreateConfig {
        url: path.display().to_string(),
        ..ImageCreateConfig::new(ImageCreateMethod::Fetch)
    };
    let refused = refusal(create(&engine, &archive(Path::new("/nowhere/base.txz"))));
    assert!(refused.starts_with("could not fetch file from url"), "{refused}");
    let damaged = world.scratch("s").join("damaged.tar");
    std::fs::write(&damaged, "not an archive at all").unwrap();
    refusal(create(&engine, &archive(&damaged)));
    let missing = ImageCreateConfig {
        programs: vec!["/nowhere/program".to_owned()],
        ..ImageCreateConfig::new(ImageCreateMethod::Host)
    };
    refusal(create(&engine, &missing));
    assert_eq!(world.sim.inventory().since(&before), "");
    assert!(engine.images().unwrap().is_empty());
}

/// A web server that answers every request so; returns its address.
fn web_server(head: String, body: Vec<u8>) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    thread::spawn(move || {
        for connection in listener.incoming() {
            let mut connection = connection.unwrap();
            let _ = connection.read(&mut [0; 1024]);
            let _ = connection.write_all(format!("HTTP/1.1 {head}\r\nConnection: close\r\n\r\n").as_bytes());
            let _ = connection.write_all(&body);
        }
    });
    format!("http://{address}/base.tar")
}

/// The archive of `base` on a web server.
fn fetched_base(world: &World) -> (ImageCreateConfig, Vec<u8>) {
    let config = world.base_config();
    let archive = std::fs::read(config.url.strip_prefix("file://").unwrap()).unwrap();
    let url = web_server(
        format!("200 OK\r\nContent-Length: {}", archive.len()),
        archive.clone(),
    );
    (ImageCreateConfig { url, ..config }, archive)
}

fn sha256(content: &[u8]) -> String {
    use sha2::{Digest, Sha256};
    let sum = Sha256::digest(content);
    let digits: String = sum.iter().map(|byte| format!("{byte:02x}")).collect();
    format!("sha256:{digits}")
}

#[test]
fn an_archive_of_a_web_server_makes_an_image_and_tells_how_far_it_is() {
    let world = World::new();
    let engine = world.open();
    let (config, archive) = fetched_base(&world);
    let config = ImageCreateConfig {
        checksum: sha256(&archive),
        ..config
    };
    let mut lines = String::new();
    let id = engine
        .create_image(&config, &Cancel::new(), &mut |line| lines.push_str(line))
        .unwrap();
    assert_eq!(world.listing(&format!("image/{id}"), "etc"), ["passwd"]);
    insta::assert_snapshot!(lines, @r"
    Fetched 4.1 kB of 4.1 kB...
    Succesfully fetched base system.
    Unpacking contents and creating image...
    Succesfully extracted binaries, creating image...
    ");
}

#[test]
fn an_archive_with_another_checksum_is_refused_and_leaves_nothing() {
    let world = World::new();
    let engine = world.open();
    let before = world.sim.inventory();
    let other = sha256(b"another");
    let (fetched, archive) = fetched_base(&world);
    for config in [world.base_config(), fetched] {
        let refused = refusal(create(
            &engine,
            &ImageCreateConfig {
                checksum: other.clone(),
                ..config.clone()
            },
        ));
        let expected = format!("its checksum is {}, and not {other}", sha256(&archive));
        assert!(refused.contains(&expected), "{refused}");
        let malformed = refusal(create(
            &engine,
            &ImageCreateConfig {
                checksum: "md5:1".to_owned(),
                ..config
            },
        ));
        assert!(malformed.contains("'md5:1' is no checksum"), "{malformed}");
    }
    assert_eq!(world.sim.inventory().since(&before), "");
    assert!(engine.images().unwrap().is_empty());
}

#[test]
fn a_download_that_fails_says_why_and_leaves_nothing() {
    let world = World::new();
    let engine = world.open();
    let before = world.sim.inventory();
    let (config, archive) = fetched_base(&world);
    let half = archive[..archive.len() / 2].to_vec();
    let cut = format!("200 OK\r\nContent-Length: {}", archive.len());
    let cases = [
        (
            web_server("404 Not Found".to_owned(), Vec::new()),
            "the server answers 404 Not Found",
        ),
        (web_server(cut, half), "came to an end too soon"),
        (
            "http://nothing.invalid/base.txz".to_owned(),
            "the name nothing.invalid cannot be resolved",
        ),
        ("gopher://x/y".to_owned(), "give http://"),
        ("base.txz".to_owned(), "give http://"),
    ];
    for (url, expected) in cases {
        let refused = refusal(create(
            &engine,
            &ImageCreateConfig {
                url,
                ..config.clone()
            },
        ));
        assert!(
            refused.starts_with("could not fetch file from url") && refused.contains(expected),
            "{refused}"
        );
    }
    assert_eq!(world.sim.inventory().since(&before), "");
}

#[test]
fn a_cancelled_download_leaves_nothing() {
    let world = World::new();
    let engine = world.open();
    let before = world.sim.inventory();
    let (config, archive) = fetched_base(&world);
    let silent = format!("200 OK\r\nContent-Length: {}", archive.len());
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let cancel = Cancel::new();
    let server = thread::spawn({
        let cancel = cancel.clone();
        move || {
            let (mut connection, _) = listener.accept().unwrap();
            let _ = write!(connection, "HTTP/1.1 {silent}\r\n\r\n");
            cancel.cancel();
            // Until the client hangs up.
            let _ = connection.read_to_end(&mut Vec::new());
        }
    });
    let url = format!("http://{address}/base.tar");
    let refused = refusal(engine.create_image(&ImageCreateConfig { url, ..config }, &cancel, &mut |_| {}));
    assert_eq!(refused, "cancelled");
    server.join().unwrap();
    assert_eq!(world.sim.inventory().since(&before), "");
}

#[test]
fn a_cancelled_creation_leaves_nothing() {
    let world = World::new();
    let engine = world.open();
    let before = world.sim.inventory();
    let cancel = Cancel::new();
    let mut give_up = |_: &str| cancel.cancel();
    let refused = refusal(engine.create_image(&world.base_config(), &cancel, &mut give_up));
    assert_eq!(refused, "cancelled");
    assert_eq!(world.sim.inventory().since(&before), "");
}

#[test]
fn a_tag_moves_to_the_image_that_takes_it() {
    let world = World::new();
    let engine = world.open();
    let first = world.base(&engine);
    let second = world.base(&engine);
    assert_eq!(engine.inspect_image("base").unwrap().id, second.to_string());
    let untagged = engine.inspect_image(first.as_str()).unwrap();
    assert_eq!((untagged.name.as_str(), untagged.tag.as_str()), ("", ""));
    assert_eq!(engine.tag_image(first.as_str(), "base:latest").unwrap(), first);
    assert_eq!(engine.inspect_image("base:latest").unwrap().id, first.to_string());
    engine.tag_image(first.as_str(), "").unwrap();
    assert_eq!(refusal(engine.inspect_image("base")), "image not found");
    assert_eq!(refusal(engine.tag_image("nope", "x")), "image not found");
    refusal(engine.tag_image(first.as_str(), "a:b:c"));
}

#[test]
fn an_image_of_a_container_cannot_be_removed() {
    let world = World::new();
    let engine = world.open();
    let image = world.base(&engine);
    let container = engine.create_container(&sleeper("web")).unwrap();
    assert_eq!(
        refusal(engine.remove_image("base")),
        format!("could not remove image {image} since it is used for containers:\n{container}")
    );
    engine.remove_container("web").unwrap();
    engine.remove_image("base").unwrap();
    assert_eq!(refusal(engine.remove_image("base")), "image not found");
}

#[test]
fn pruning_takes_untagged_images_or_all_that_nobody_uses() {
    let world = World::new();
    let engine = world.open();
    let untagged = world.base(&engine);
    let tagged = world.base(&engine);
    assert_eq!(engine.prune_images(false).unwrap(), [untagged]);
    engine.create_container(&sleeper("web")).unwrap();
    assert!(engine.prune_images(true).unwrap().is_empty());
    engine.remove_container("web").unwrap();
    assert_eq!(engine.prune_images(true).unwrap(), [tagged]);
}

#[test]
fn images_are_listed_the_newest_first() {
    let world = World::new();
    let engine = world.open();
    let first = world.base(&engine);
    let second = world.base(&engine);
    let listed: Vec<_> = engine
        .images()
        .unwrap()
        .into_iter()
        .map(|image| image.id)
        .collect();
    assert_eq!(listed, [second.to_string(), first.to_string()]);
}
