//! Build contexts that are sent to the daemon: when, what, and what is said about it.

use std::fs;

use insta::assert_snapshot;
use tempfile::TempDir;

use crate::daemon::{Daemon, Rehearsal, Step, close, starting, text};

const IMAGE: &str = "aaaaaaaaaaaa";

/// A context with a file of five bytes, one that is ignored, and a Dockerfile.
fn context() -> TempDir {
    let directory = TempDir::new().unwrap();
    for (name, content) in [
        ("Dockerfile", "FROM base\nCOPY . /\n"),
        (".dockerignore", "*\n!kept\n"),
        ("kept", "12345"),
        ("secret", "never to be sent"),
    ] {
        fs::write(directory.path().join(name), content).unwrap();
    }
    directory
}

fn succeeding(frames: usize) -> Rehearsal {
    let awaited = std::iter::repeat_n(Step::Await, frames);
    let rest = [starting(IMAGE), close(1000, "closing", IMAGE, "image created")];
    Daemon::rehearse().converse("/images/build", awaited.chain(rest))
}

fn path(context: &TempDir) -> &str {
    context.path().to_str().unwrap()
}

/// The JSON of the opening in what a daemon was asked.
fn opening(requests: &str) -> serde_json::Value {
    let line = requests.lines().next().unwrap();
    serde_json::from_str(line.strip_prefix("/images/build text ").unwrap()).unwrap()
}

#[test]
fn a_context_is_sent_to_a_daemon_elsewhere_without_what_is_ignored() {
    let context = context();
    let daemon = succeeding(2).start_on_tcp();
    assert_snapshot!(daemon.run(&["build", "-t", "a", path(&context)]), @r"
    exit: 0
    ----- stdout -----
    Started to build image with ID aaaaaaaaaaaa

    image created
    aaaaaaaaaaaa
    ----- stderr -----
    Sending build context: 5 B, 1 file
    ");
    let requests = daemon.requests();
    assert_eq!(
        opening(&requests)["upload"],
        serde_json::json!({"dockerfile": "FROM base\nCOPY . /\n"})
    );
    assert!(
        requests.contains("kept") && requests.contains("12345"),
        "{requests}"
    );
    assert!(!requests.contains("never to be sent"), "{requests}");
    assert!(requests.ends_with("text {\"end\":true}"), "{requests}");
}

#[test]
fn a_daemon_on_this_host_is_told_the_path_unless_the_context_is_to_be_sent() {
    let context = context();
    let daemon = succeeding(0).start();
    daemon.run(&["build", path(&context)]);
    let opening_of_a_path = opening(&daemon.requests());
    assert_eq!(opening_of_a_path["context"], path(&context));
    assert_eq!(opening_of_a_path.get("upload"), None);

    let daemon = succeeding(2).start();
    let ending = daemon.run(&["build", "--upload", "-q", path(&context)]);
    assert_eq!((ending.code, ending.stderr.as_str()), (Some(0), ""));
    assert!(opening(&daemon.requests()).get("upload").is_some());
}

#[test]
fn a_directory_that_only_the_daemon_has_is_named_to_it() {
    let daemon = succeeding(0).start_on_tcp();
    let ending = daemon.run(&["build", "/nonexistent/ctx"]);
    assert_eq!(
        ending.stderr,
        "There is no /nonexistent/ctx on this host: building from the one on the daemon's host.\n"
    );
    assert_eq!(opening(&daemon.requests())["context"], "/nonexistent/ctx");
}

#[test]
fn a_daemon_of_0_1_1_is_told_the_path_and_the_user_what_that_means() {
    let context = context();
    let daemon = succeeding(0).of_0_1_1().start_on_tcp();
    let ending = daemon.run(&["build", path(&context)]);
    assert_eq!(ending.code, Some(0));
    assert_eq!(
        ending.stderr,
        format!(
            "This daemon takes no build contexts from elsewhere: {} must be a directory on its host, too.\n",
            path(&context)
        )
    );
    assert_eq!(opening(&daemon.requests()).get("upload"), None);
}

#[test]
fn a_daemon_of_0_1_1_cannot_be_sent_what_must_be_sent() {
    let context = context();
    for arguments in [&["build", "--upload", path(&context)][..], &["build", "-"]] {
        let daemon = succeeding(0).of_0_1_1().start();
        let ending = daemon.run_with_input(arguments, "FROM base\n");
        assert_eq!(ending.code, Some(1));
        let refusal = "this daemon takes no build contexts from elsewhere";
        assert!(ending.stderr.starts_with(refusal), "{ending}");
        assert!(!daemon.requests().contains("context"), "{}", daemon.requests());
    }
}

#[test]
fn a_dockerfile_on_standard_input_needs_no_files() {
    let daemon = succeeding(1).start();
    let ending = daemon.run_with_input(&["build", "-"], "FROM base\n");
    assert_eq!(ending.code, Some(0));
    assert_eq!(ending.stderr, "Sending build context: 0 B, 0 files\n");
    let requests = daemon.requests();
    assert_eq!(opening(&requests)["upload"]["dockerfile"], "FROM base\n");
    assert_eq!(requests.lines().nth(1), Some("text {\"end\":true}"));
}

#[test]
fn a_dockerfile_on_standard_input_goes_with_a_directory() {
    let context = context();
    let daemon = succeeding(2).start_on_tcp();
    daemon.run_with_input(&["build", "-f", "-", path(&context)], "FROM other\n");
    assert_eq!(
        opening(&daemon.requests())["upload"]["dockerfile"],
        "FROM other\n"
    );
    let ending = daemon.run(&["build", "-f", "-", "-"]);
    assert_eq!(
        ending.stderr,
        "the Dockerfile and the build context cannot both be read from standard input\n"
    );
}

#[test]
fn a_dockerfile_outside_of_the_context_has_its_own_ignore_file() {
    let context = context();
    let elsewhere = TempDir::new().unwrap();
    let dockerfile = elsewhere.path().join("Df");
    fs::write(&dockerfile, "FROM elsewhere\n").unwrap();
    fs::write(elsewhere.path().join("Df.dockerignore"), "kept\nDockerfile\n").unwrap();
    let daemon = succeeding(2).start_on_tcp();
    daemon.run(&["build", "-f", dockerfile.to_str().unwrap(), path(&context)]);
    let requests = daemon.requests();
    assert_eq!(opening(&requests)["upload"]["dockerfile"], "FROM elsewhere\n");
    assert!(requests.contains("never to be sent"), "{requests}");
    assert!(!requests.contains("12345"), "{requests}");
}

#[test]
fn an_archive_is_sent_as_it_is() {
    let directory = TempDir::new().unwrap();
    let archive = directory.path().join("context.tar");
    let mut block = [b'.'; 1024];
    block[257..262].copy_from_slice(b"ustar");
    fs::write(&archive, block).unwrap();
    let daemon = succeeding(2).start();
    let ending = daemon.run(&["build", archive.to_str().unwrap()]);
    assert_eq!(ending.stderr, "Sending build context: 1.0 kB, an archive\n");
    let requests = daemon.requests();
    assert_eq!(
        opening(&requests)["upload"]["dockerfile"],
        serde_json::Value::Null
    );
    assert_eq!(opening(&requests)["dockerfile"], "Dockerfile");
    let frame = requests.lines().nth(1).unwrap();
    assert_eq!(frame.matches('.').count(), 1024 - 5, "{frame}");
}

#[test]
fn a_compressed_context_is_gzip() {
    let context = context();
    let daemon = succeeding(2).start_on_tcp();
    daemon.run(&["build", "--compress", path(&context)]);
    let requests = daemon.requests();
    let frame = requests.lines().nth(1).unwrap();
    assert!(frame.starts_with(r#"binary "\\x1f\\x8b"#), "{frame}");
}

#[test]
fn a_daemon_that_takes_no_more_is_heard_out() {
    let context = context();
    fs::write(context.path().join("kept"), vec![b'x'; 4 << 20]).unwrap();
    let daemon = Daemon::rehearse()
        .converse(
            "/images/build",
            [
                Step::Await,
                starting(""),
                text("the build context is larger than 1 bytes"),
                close(1011, "error", "", "failed to receive the build context"),
            ],
        )
        .start_on_tcp();
    assert_snapshot!(daemon.run(&["build", path(&context)]), @r"
    exit: 1
    ----- stdout -----
    the build context is larger than 1 bytes
    ----- stderr -----
    Sending build context: 4.2 MB, 1 file
    failed to receive the build context
    ");
}

#[test]
fn what_cannot_be_sent_is_told_before_the_daemon_is_asked_anything() {
    let context = context();
    let daemon = succeeding(0).start_on_tcp();
    fs::write(context.path().join(".dockerignore"), "a\n[b\n").unwrap();
    let ending = daemon.run(&["build", path(&context)]);
    assert_eq!(ending.code, Some(1));
    let refusal = format!(
        "{}/.dockerignore, line 2: '[b' is not a valid pattern: a [ is not closed\n",
        path(&context)
    );
    assert_eq!(ending.stderr, refusal);
    fs::remove_file(context.path().join("Dockerfile")).unwrap();
    let ending = daemon.run(&["build", path(&context)]);
    assert!(ending.stderr.starts_with("cannot use "), "{ending}");
    assert!(
        ending
            .stderr
            .contains("/Dockerfile as the Dockerfile: No such file"),
        "{ending}"
    );
    let file = context.path().join("kept");
    let ending = daemon.run(&["build", file.to_str().unwrap()]);
    assert!(
        ending.stderr.contains("neither a directory nor a tar archive"),
        "{ending}"
    );
    assert_eq!(daemon.requests(), "");
}
