//! Build contexts that clients send: where they are kept, for how long, and which Dockerfile and rules they come with.

use std::fs;
use std::io::Read;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;

use kleene_api::ContextUpload;
use kleene_engine::UploadError;

use crate::world::World;

const LIMIT: u64 = 1 << 20;

/// A directory as an archive.
fn archive(directory: &Path) -> Vec<u8> {
    let mut tar = tar::Builder::new(Vec::new());
    tar.follow_symlinks(false);
    tar.append_dir_all("", directory).unwrap();
    tar.into_inner().unwrap()
}

fn read(path: impl AsRef<Path>) -> String {
    fs::read_to_string(path).unwrap()
}

fn mode(path: &Path) -> u32 {
    path.metadata().unwrap().permissions().mode() & 0o777
}

#[test]
fn a_context_is_kept_privately_as_long_as_it_is_used() {
    let world = World::new();
    let engine = world.open();
    let sent = world.scratch("sent");
    fs::write(sent.join("file"), "content").unwrap();
    let upload = ContextUpload {
        dockerfile: Some("FROM base\n".to_owned()),
    };
    let uploaded = engine
        .receive_context(archive(&sent).as_slice(), &upload, "any/name", LIMIT)
        .unwrap();
    assert_eq!(read(uploaded.context().join("file")), "content");
    assert_eq!(read(uploaded.dockerfile()), "FROM base\n");
    let uploads = world.state_dir().join("uploads");
    assert_eq!(mode(&uploads), 0o700);
    assert_eq!(mode(uploaded.dockerfile().parent().unwrap()), 0o700);
    drop(uploaded);
    assert_eq!(fs::read_dir(uploads).unwrap().count(), 0);
}

#[test]
fn what_a_daemon_that_died_left_is_gone_with_the_next() {
    let world = World::new();
    let engine = world.open();
    let uploaded = engine
        .receive_context(std::io::empty(), &text("FROM base\n"), "", LIMIT)
        .unwrap();
    let context = uploaded.context();
    // A daemon that dies drops nothing.
    std::mem::forget(uploaded);
    assert!(context.is_dir());
    world.restart();
    assert!(!world.state_dir().join("uploads").exists());
}

fn text(dockerfile: &str) -> ContextUpload {
    ContextUpload {
        dockerfile: Some(dockerfile.to_owned()),
    }
}

#[test]
fn the_rules_are_those_of_the_archive_only_if_the_dockerfile_is() {
    let world = World::new();
    let engine = world.open();
    let sent = world.scratch("sent");
    fs::write(sent.join("Df"), "FROM base\n").unwrap();
    fs::write(sent.join(".dockerignore"), "general\n").unwrap();
    let rules = |upload: &ContextUpload| {
        let uploaded = engine
            .receive_context(archive(&sent).as_slice(), upload, "Df", LIMIT)
            .unwrap();
        assert_eq!(read(uploaded.dockerfile()), "FROM base\n");
        let mut name = uploaded.dockerfile().into_os_string();
        name.push(".dockerignore");
        read(name)
    };
    assert_eq!(rules(&text("FROM base\n")), "");
    assert_eq!(rules(&ContextUpload::default()), "general\n");
    fs::write(sent.join("Df.dockerignore"), "own\n").unwrap();
    assert_eq!(rules(&ContextUpload::default()), "own\n");
}

#[test]
fn neither_dockerfile_nor_rules_are_read_through_a_link_out_of_the_context() {
    let world = World::new();
    let engine = world.open();
    let secret = world.scratch("elsewhere").join("secret");
    fs::write(&secret, "of the host\n").unwrap();
    let sent = world.scratch("sent");
    symlink(&secret, sent.join("Dockerfile")).unwrap();
    for name in ["Dockerfile", "missing", "../elsewhere/secret", "/etc/passwd"] {
        let error = engine
            .receive_context(archive(&sent).as_slice(), &ContextUpload::default(), name, LIMIT)
            .unwrap_err();
        assert!(matches!(error, UploadError::Dockerfile { .. }), "{name}: {error}");
        let expected = format!("cannot read '{name}' of the build context: ");
        assert!(error.to_string().starts_with(&expected), "{error}");
    }
    fs::remove_file(sent.join("Dockerfile")).unwrap();
    fs::write(sent.join("Dockerfile"), "FROM base\n").unwrap();
    symlink(&secret, sent.join(".dockerignore")).unwrap();
    let uploaded = engine
        .receive_context(
            archive(&sent).as_slice(),
            &ContextUpload::default(),
            "Dockerfile",
            LIMIT,
        )
        .unwrap();
    let rules = uploaded.dockerfile().with_file_name("Dockerfile.dockerignore");
    assert_eq!(
        read(rules),
        "",
        "a link that leads nowhere within the context is no file"
    );
}

#[test]
fn a_sender_that_breaks_off_leaves_nothing() {
    let world = World::new();
    let engine = world.open();
    let sent = world.scratch("sent");
    fs::write(sent.join("a"), vec![b'x'; 100_000]).unwrap();
    let whole = archive(&sent);
    for length in [1, 600, 50_000, whole.len() - 1024] {
        let part = whole.as_slice().take(length as u64);
        let error = engine
            .receive_context(part, &text("FROM base\n"), "", LIMIT)
            .unwrap_err();
        assert!(
            matches!(error, UploadError::Incomplete { .. } | UploadError::Refused(_)),
            "{length}: {error}"
        );
    }
    let uploads = world.state_dir().join("uploads");
    assert_eq!(fs::read_dir(uploads).unwrap().count(), 0);
}
