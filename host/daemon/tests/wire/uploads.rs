//! Build contexts that clients send: our extension of `/images/build`.

use std::io::Write;
use std::time::Duration;

use kleene_daemon::config::Config;
use serde_json::{Value, json};
use tar::{EntryType, Header};

use crate::client::{Close, Conversation};
use crate::daemon::Daemon;

const END: &str = r#"{"end":true}"#;

/// One entry of an archive: any name, any kind.
fn entry(name: &str, kind: EntryType, link: &str, content: &[u8]) -> Vec<u8> {
    let mut header = Header::new_ustar();
    let old = header.as_old_mut();
    old.name[..name.len()].copy_from_slice(name.as_bytes());
    old.linkname[..link.len()].copy_from_slice(link.as_bytes());
    header.set_entry_type(kind);
    header.set_size(content.len() as u64);
    header.set_mode(0o644);
    header.set_uid(0);
    header.set_gid(0);
    header.set_mtime(0);
    if kind == EntryType::Char {
        header.set_device_major(1).unwrap();
        header.set_device_minor(3).unwrap();
    }
    header.set_cksum();
    let mut bytes = header.as_bytes().to_vec();
    bytes.extend_from_slice(content);
    bytes.resize(bytes.len().next_multiple_of(512), 0);
    bytes
}

fn file(name: &str, content: &[u8]) -> Vec<u8> {
    entry(name, EntryType::Regular, "", content)
}

/// Entries as a whole archive.
fn archive(entries: &[Vec<u8>]) -> Vec<u8> {
    let mut archive = entries.concat();
    archive.resize(archive.len() + 1024, 0);
    archive
}

/// A conversation that has announced an upload.
async fn announce(daemon: &Daemon, dockerfile: Option<&str>) -> Conversation {
    let opening = json!({
        "context": "", "container_config": {"network_driver": "host"}, "tag": "built",
        "upload": {"dockerfile": dockerfile},
    });
    daemon.converse("/images/build", opening).await
}

/// What a daemon says to an archive, sent in pieces of this size.
async fn send(
    daemon: &Daemon,
    dockerfile: Option<&str>,
    archive: &[u8],
    piece: usize,
) -> (Vec<String>, Close) {
    let mut conversation = announce(daemon, dockerfile).await;
    for piece in archive.chunks(piece) {
        conversation.send(piece).await;
    }
    conversation.say(END).await;
    conversation.hear_out().await
}

/// Sends, and expects a refusal: its words.
async fn refusal(daemon: &Daemon, archive: &[u8]) -> String {
    let (texts, close) = send(daemon, Some("FROM base\n"), archive, 4096).await;
    assert_eq!(texts.len(), 2, "{texts:?}");
    let starting: Value = serde_json::from_str(&texts[0]).unwrap();
    assert_eq!(starting["data"], "");
    assert_eq!(
        close,
        Close {
            code: 1011,
            reason: json!({"data": "", "message": "failed to receive the build context", "msg_type": "error"}),
        }
    );
    assert!(daemon.uploads().is_empty(), "{:?}", daemon.uploads());
    texts[1].clone()
}

#[tokio::test]
async fn an_uploaded_context_is_built_from_and_gone_after_the_build() {
    let daemon = Daemon::start();
    daemon.image("base").await;
    let archive = archive(&[file("a", &[b'x'; 3000]), file("d/b", b"y")]);
    for piece in [700, 100_000] {
        let dockerfile = Some("FROM base\nCOPY a d/b /data/\n");
        let (texts, close) = send(&daemon, dockerfile, &archive, piece).await;
        assert_eq!(close.reason["message"], "image created", "{texts:?}");
        assert_eq!(texts[2], "Step 2/2 : COPY a d/b /data/");
        assert!(daemon.uploads().is_empty());
    }
}

#[tokio::test]
async fn no_frame_at_all_is_an_empty_context() {
    let daemon = Daemon::start();
    daemon.image("base").await;
    let (texts, close) = send(&daemon, Some("FROM base\n"), b"", 1).await;
    assert_eq!(close.reason["message"], "image created", "{texts:?}");
    let (texts, close) = send(&daemon, Some("FROM base\nCOPY a /\n"), b"", 1).await;
    assert_eq!(close.reason["message"], "image build failed", "{texts:?}");
    assert!(daemon.uploads().is_empty());
}

#[tokio::test]
async fn the_dockerfile_may_be_in_the_context() {
    let daemon = Daemon::start();
    daemon.image("base").await;
    let whole = archive(&[file("Dockerfile", b"FROM base\nCOPY Dockerfile /\n")]);
    let (texts, close) = send(&daemon, None, &whole, 512).await;
    assert_eq!(close.reason["message"], "image created", "{texts:?}");

    let without = archive(&[file("a", b"")]);
    let (texts, close) = send(&daemon, None, &without, 512).await;
    assert_eq!(close.reason["message"], "failed to receive the build context");
    assert!(
        texts[1].starts_with("cannot read 'Dockerfile' of the build context"),
        "{texts:?}"
    );
    assert!(daemon.uploads().is_empty());
}

#[tokio::test]
async fn a_wrong_dockerfile_is_told_as_always() {
    let daemon = Daemon::start();
    let (_, close) = send(&daemon, Some("NONSENSE\n"), b"", 1).await;
    assert_eq!(close.reason["message"], "failed to process Dockerfile");
    assert!(daemon.uploads().is_empty());
}

#[tokio::test]
async fn hostile_archives_are_refused_by_name() {
    let daemon = Daemon::bare();
    let outside = tempfile::tempdir().unwrap();
    let elsewhere = outside.path().to_str().unwrap();
    let absolute = outside.path().join("x");
    let table = [
        (
            vec![file(absolute.to_str().unwrap(), b"x")],
            "its name is absolute",
        ),
        (vec![file("a/../../x", b"x")], "its name leads upwards by .."),
        (
            vec![entry("l", EntryType::Symlink, elsewhere, b""), file("l/x", b"x")],
            "leads out of",
        ),
        (
            vec![entry("l", EntryType::Symlink, "..", b""), file("l/x", b"x")],
            "leads out of",
        ),
        (
            vec![entry("x", EntryType::Link, "/etc/passwd", b"")],
            "its name is absolute",
        ),
        (vec![entry("null", EntryType::Char, "", b"")], "it is a device"),
        (vec![file("", b"x")], "it has no name"),
    ];
    for (entries, reason) in table {
        let told = refusal(&daemon, &archive(&entries)).await;
        assert!(told.starts_with("the build context is refused: "), "{told}");
        assert!(told.contains(reason), "{reason}: {told}");
    }
    assert_eq!(std::fs::read_dir(outside.path()).unwrap().count(), 0);
    let told = refusal(&daemon, b"this is no archive").await;
    assert!(told.contains("this is not a tar archive"), "{told}");
}

#[tokio::test]
async fn a_truncated_archive_is_refused() {
    let daemon = Daemon::bare();
    let whole = archive(&[file("a", &[b'x'; 10_000]), file("b", b"y")]);
    for length in [512, 5_000, whole.len() - 1024] {
        let told = refusal(&daemon, &whole[..length]).await;
        assert!(
            told.starts_with("the build context cannot be read after "),
            "{told}"
        );
    }
}

#[tokio::test]
async fn what_is_larger_than_the_limit_is_refused_while_it_arrives() {
    let daemon = Daemon::configured(Config {
        upload_limit: 100_000,
        ..Config::default()
    });
    let large = archive(&[file("a", &vec![b'x'; 3_000_000])]);
    let expected = "the build context is larger than 100000 bytes: leave files out by .dockerignore, or raise \
                    upload_limit in the daemon's configuration";
    let told = refusal(&daemon, &large).await;
    // Whichever is noticed first: what the header says, or what has arrived.
    let by_header = expected.replace("is larger than", "holds files of more than");
    assert!([expected, by_header.as_str()].contains(&told.as_str()), "{told}");

    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
    encoder.write_all(&large).unwrap();
    let bomb = encoder.finish().unwrap();
    assert!(bomb.len() < 10_000);
    let told = refusal(&daemon, &bomb).await;
    assert!(told.contains("100000 bytes"), "{told}");
}

#[tokio::test]
async fn a_client_that_goes_in_the_middle_leaves_nothing() {
    let daemon = Daemon::start();
    daemon.image("base").await;
    let mut conversation = announce(&daemon, Some("FROM base\n")).await;
    let whole = archive(&[file("a", &[b'x'; 10_000])]);
    conversation.send(&whole[..5_000]).await;
    wait_until(|| daemon.uploads().len() == 1).await;
    drop(conversation);
    wait_until(|| daemon.uploads().is_empty()).await;
    assert_eq!(
        daemon.get("/images/list").await.json().as_array().unwrap().len(),
        1
    );
    assert_eq!(daemon.get("/containers/list?all=true").await.json(), json!([]));
}

async fn wait_until(condition: impl Fn() -> bool) {
    for _ in 0..500 {
        if condition() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("it did not happen within 5 s");
}

#[tokio::test]
async fn a_text_frame_that_means_nothing_ends_the_upload() {
    let daemon = Daemon::bare();
    let mut conversation = announce(&daemon, Some("FROM base\n")).await;
    conversation.say(r#"{"stop":true}"#).await;
    let (texts, close) = conversation.hear_out().await;
    assert!(
        texts[1].contains("a text frame is no message of an upload"),
        "{texts:?}"
    );
    assert_eq!(close.code, 1011);
    assert!(daemon.uploads().is_empty());
}

#[tokio::test]
async fn an_upload_that_is_described_wrongly_is_refused() {
    let daemon = Daemon::bare();
    for (upload, detail) in [
        (json!("yes"), "Invalid object. Got: string"),
        (json!({"dockerfile": 1}), "Invalid string. Got: integer"),
    ] {
        let opening = json!({"context": "", "container_config": {}, "upload": upload});
        let (texts, close) = daemon.converse("/images/build", opening).await.hear_out().await;
        assert_eq!((texts[0].as_str(), close.code), (detail, 1002));
    }
}
