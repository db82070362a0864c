//! Images: building, creating, listing, removing.

use std::process::Stdio;

use insta::assert_snapshot;
use serde_json::json;

use crate::daemon::{Daemon, Step, close, run, starting, text};

const IMAGE: &str = "aaaaaaaaaaaa";

#[test]
fn a_build_shows_its_log_and_the_new_image() {
    let daemon = Daemon::rehearse()
        .converse(
            "/images/build",
            [
                starting(IMAGE),
                text("Step 1/2 : FROM base"),
                text("Step 2/2 : RUN date"),
                text("Thu Feb 29\n"),
                text("--> Snapshot created: @0123456789ab"),
                close(1000, "closing", IMAGE, "image created"),
            ],
        )
        .start();
    assert_snapshot!(daemon.run(&["build", "-t", "a:b", "/ctx"]), @r"
    exit: 0
    ----- stdout -----
    Started to build image with ID aaaaaaaaaaaa
    Step 1/2 : FROM base
    Step 2/2 : RUN date
    Thu Feb 29
    --> Snapshot created: @0123456789ab

    image created
    aaaaaaaaaaaa
    ----- stderr -----
    ");
    assert_snapshot!(daemon.requests(), @r#"/images/build text {"buildargs":{},"cache":true,"cleanup":false,"container_config":{"cmd":[],"env":[],"image":null,"jail_param":[],"mounts":[],"name":null,"network_driver":"host","persist":false,"public_ports":[],"restart_policy":"no","user":""},"context":"/ctx","diagnostics":true,"dockerfile":"Dockerfile","networks":[],"quiet":false,"tag":"a:b"}"#);
}

#[test]
fn a_quiet_build_shows_no_steps_and_its_failure() {
    let daemon = Daemon::rehearse()
        .converse(
            "/images/build",
            [
                starting(IMAGE),
                text("Using user-supplied parent image: base"),
                text("--> Using cache: @0123456789ab"),
                text("--> Snapshot created: @0123456789ab"),
                text("executing instruction resulted in failure\n"),
                close(1011, "error", "", "image build failed"),
            ],
        )
        .start();
    assert_snapshot!(daemon.run(&["build", "-q", "/ctx"]), @r"
    exit: 1
    ----- stdout -----
    Started to build image with ID aaaaaaaaaaaa
    executing instruction resulted in failure
    ----- stderr -----
    Failed to build image aaaaaaaaaaaa.
    ");
}

#[test]
fn a_build_sends_its_options() {
    let daemon = Daemon::rehearse()
        .converse(
            "/images/build",
            [starting(IMAGE), close(1000, "closing", IMAGE, "image created")],
        )
        .start();
    let mut command = daemon.klee(&[
        "build",
        "-q",
        "--rm",
        "--target",
        "tools",
        "--build-arg",
        "A=1",
        "--build-arg",
        "HOME",
        "--from",
        "img",
        "-n",
        "net",
        "-f",
        "Df",
        "../ctx",
    ]);
    command
        .env("HOME", "/home/me")
        .current_dir("/usr/bin")
        .output()
        .unwrap();
    let requests = daemon.requests();
    for part in [
        r#""buildargs":{"A":"1","HOME":"/home/me"}"#,
        r#""cleanup":true"#,
        r#""context":"/usr/ctx""#,
        r#""dockerfile":"Df""#,
        r#""image":"img""#,
        r#""network_driver":"ipnet""#,
        r#""networks":[{"container":"","ip_address":"<auto>","ip_address6":"<auto>","network":"net"}]"#,
        r#""quiet":true"#,
        r#""cache":true"#,
        r#""target":"tools""#,
    ] {
        assert!(requests.contains(part), "{part} in {requests}");
    }
}

#[test]
fn a_failed_build_names_the_snapshot_to_go_on_from() {
    let daemon = Daemon::rehearse()
        .converse(
            "/images/build",
            [
                starting(IMAGE),
                text("Step 2/2 : RUN false"),
                text("executable and container exited with exit-code 1"),
                close(1011, "error", "@0123456789ab", "image build failed"),
            ],
        )
        .start();
    assert_snapshot!(daemon.run(&["image", "build", "."]), @r"
    exit: 1
    ----- stdout -----
    Started to build image with ID aaaaaaaaaaaa
    Step 2/2 : RUN false
    executable and container exited with exit-code 1
    ----- stderr -----
    Failed to build image aaaaaaaaaaaa. Most recent snapshot is @0123456789ab
    ");
}

#[test]
fn a_dockerfile_that_cannot_be_used_is_told_with_the_reason() {
    let daemon = Daemon::rehearse()
        .converse(
            "/images/build",
            [
                starting(""),
                text("could not open /ctx/Dockerfile: no such file"),
                close(1011, "error", "", "failed to process Dockerfile"),
            ],
        )
        .start();
    assert_snapshot!(daemon.run(&["build", "/ctx"]), @r"
    exit: 1
    ----- stdout -----
    could not open /ctx/Dockerfile: no such file
    ----- stderr -----
    failed to process Dockerfile
    ");
}

#[test]
fn what_is_wrong_with_a_dockerfile_is_shown_where_it_stands() {
    let diagnostic = json!({"diagnostic": {
        "column": 1, "hint": "did you mean RUN?", "line": 3, "message": "unknown instruction",
        "source": "RUNN apt-get update", "words": "RUNN",
    }});
    let daemon = Daemon::rehearse()
        .converse(
            "/images/build",
            [
                starting(""),
                text(&diagnostic.to_string()),
                close(1011, "error", "", "failed to process Dockerfile"),
            ],
        )
        .start();
    assert_snapshot!(daemon.run(&["build", "-f", "web.df", "/ctx"]), @r"
    exit: 1
    ----- stdout -----
    ----- stderr -----
    web.df:3: RUNN apt-get update
              ^^^^ unknown instruction
    hint: did you mean RUN?
    ");
}

#[test]
fn a_step_that_cannot_be_done_is_shown_after_its_output() {
    let diagnostic = json!({"diagnostic": {
        "column": 0, "line": 2, "message": "The command '/bin/sh -c make' returned a non-zero code: 2",
        "source": "RUN make", "words": "",
    }});
    let daemon = Daemon::rehearse()
        .converse(
            "/images/build",
            [
                starting(IMAGE),
                text("Step 2/2 : RUN make"),
                text("no rule"),
                text(&diagnostic.to_string()),
                close(1011, "error", "", "image build failed"),
            ],
        )
        .start();
    assert_snapshot!(daemon.run(&["build", "."]), @r"
    exit: 1
    ----- stdout -----
    Started to build image with ID aaaaaaaaaaaa
    Step 2/2 : RUN make
    no rule
    ----- stderr -----
    Dockerfile:2: RUN make
    The command '/bin/sh -c make' returned a non-zero code: 2
    Failed to build image aaaaaaaaaaaa.
    ");
}

#[test]
fn a_daemon_that_knows_no_diagnostics_is_not_asked_for_them() {
    let daemon = Daemon::rehearse()
        .of_0_1_1()
        .converse(
            "/images/build",
            [starting(IMAGE), close(1000, "closing", IMAGE, "image created")],
        )
        .start();
    daemon.run(&["build", "."]);
    assert!(
        !daemon.requests().contains("diagnostics"),
        "{}",
        daemon.requests()
    );
}

#[test]
fn invalid_build_parameters_are_told_with_the_detail() {
    let daemon = Daemon::rehearse()
        .converse(
            "/images/build",
            [
                text("Missing field: context"),
                close(1002, "error", "", "invalid parameters"),
            ],
        )
        .start();
    let ending = daemon.run(&["build", "/ctx"]);
    assert_eq!(
        (ending.code, ending.stderr.as_str()),
        (Some(1), "Missing field: context\n")
    );
}

#[test]
fn a_build_whose_connection_is_lost_fails() {
    let daemon = Daemon::rehearse()
        .converse("/images/build", [starting(IMAGE), Step::HangUp])
        .start();
    let ending = daemon.run(&["build", "/ctx"]);
    assert_eq!(
        (ending.code, ending.stderr.as_str()),
        (Some(1), "ERROR! Connection closed unexpectedly.\n")
    );
}

#[test]
fn a_build_argument_without_a_value_anywhere_is_refused() {
    assert_snapshot!(run(&["build", "--build-arg", "X", "/ctx"]), @r"
    exit: 1
    ----- stdout -----
    ----- stderr -----
    build argument 'X' has no value: write 'X=value', or set X in the environment
    ");
}

#[test]
fn an_image_of_host_programs_is_created() {
    let daemon = Daemon::rehearse()
        .converse(
            "/images/create",
            [
                starting(""),
                text("copied /bin/sh\n"),
                close(1000, "closing", IMAGE, "image created"),
            ],
        )
        .start();
    assert_snapshot!(daemon.run(&["image", "create", "-t", "minimal", "host", "--bin", "/bin/sh", "--bin", "/bin/ls"]), @r"
    exit: 0
    ----- stdout -----
    copied /bin/sh

    image created
    aaaaaaaaaaaa
    ----- stderr -----
    ");
    assert_snapshot!(daemon.requests(), @r#"/images/create text {"autotag":true,"dns":true,"localtime":true,"method":"host","programs":["/bin/sh","/bin/ls"],"tag":"minimal","update":false,"url":"","zfs_dataset":""}"#);
}

#[test]
fn a_source_goes_where_its_method_wants_it() {
    let script =
        || Daemon::rehearse().converse("/images/create", [close(1000, "closing", IMAGE, "image created")]);
    let daemon = script().start();
    daemon.run(&["image", "create", "-t", "a", "zfs-clone", "p/d"]);
    assert_snapshot!(daemon.requests(), @r#"/images/create text {"autotag":true,"dns":true,"localtime":true,"method":"zfs-clone","tag":"a","update":false,"url":"","zfs_dataset":"p/d"}"#);
    let daemon = script().start();
    daemon.run(&[
        "image",
        "create",
        "--no-dns",
        "--update",
        "fetch",
        "file:///base.txz",
    ]);
    assert_snapshot!(daemon.requests(), @r#"/images/create text {"autotag":true,"dns":false,"localtime":true,"method":"fetch","tag":"","update":true,"url":"file:///base.txz","zfs_dataset":""}"#);
}

#[test]
fn pull_and_push_say_who_asks_and_what_for() {
    let daemon = Daemon::rehearse()
        .converse(
            "/images/create",
            [
                starting(""),
                text("Layer sha256:0123456789ab: unpacked\n"),
                close(1000, "closing", IMAGE, "image created"),
            ],
        )
        .converse(
            "/images/push",
            [close(1000, "closing", "sha256:01", "image pushed")],
        )
        .start();
    let pull = [
        "image",
        "pull",
        "--no-dns",
        "-t",
        "a",
        "--creds",
        "me:pw",
        "host:5000/x:1",
    ];
    assert_snapshot!(daemon.run(&pull), @r"
    exit: 0
    ----- stdout -----
    Layer sha256:0123456789ab: unpacked

    image created
    aaaaaaaaaaaa
    ----- stderr -----
    ");
    daemon.run(&["image", "push", "--creds", "me:pw", "a", "host:5000/x:1"]);
    assert_snapshot!(daemon.requests(), @r#"
    /images/create text {"autotag":false,"credentials":{"password":"pw","username":"me"},"dns":false,"localtime":true,"method":"oci","tag":"a","update":false,"url":"docker://host:5000/x:1","zfs_dataset":""}
    /images/push text {"credentials":{"password":"pw","username":"me"},"image":"a","reference":"host:5000/x:1"}
    "#);
}

#[test]
fn save_writes_only_whole_archives() {
    let directory = tempfile::TempDir::new().unwrap();
    let file = directory.path().join("a.tar");
    let path = file.to_str().unwrap();
    let daemon = Daemon::rehearse()
        .answer(
            "GET /images/nope/export",
            404,
            json!({"message": "image not found"}),
        )
        .answer("GET /images/a/export", 200, json!("content"))
        .start();
    let refused = daemon.run(&["image", "save", "-o", path, "nope"]);
    assert_eq!(
        (refused.code, refused.stderr.as_str()),
        (Some(1), "image not found\n")
    );
    assert_eq!(std::fs::read_dir(directory.path()).unwrap().count(), 0);
    assert_eq!(daemon.run(&["image", "save", "-o", path, "a"]).code, Some(0));
    assert_eq!(std::fs::read_to_string(&file).unwrap(), "\"content\"");
    assert_eq!(std::fs::read_dir(directory.path()).unwrap().count(), 1);
}

#[test]
fn an_archive_that_is_cut_off_is_a_failure() {
    let daemon = Daemon::rehearse()
        .answer("GET /images/a/export", 200, json!("content".repeat(100_000)))
        .start();
    let full = daemon.run(&["image", "save", "-o", "/dev/full", "a"]);
    assert_eq!(full.code, Some(1));
    assert_eq!(
        full.stderr,
        "cannot write '/dev/full': No space left on device (os error 28)\n"
    );
    let mut child = daemon
        .klee(&["image", "save", "a"])
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    drop(child.stdout.take());
    assert_eq!(child.wait().unwrap().code(), Some(141));
}

#[test]
fn the_last_of_two_opposite_switches_counts() {
    let script =
        || Daemon::rehearse().converse("/images/create", [close(1000, "closing", IMAGE, "image created")]);
    let daemon = script().start();
    daemon.run(&[
        "image",
        "create",
        "--no-dns",
        "--dns",
        "--update",
        "--no-update",
        "--no-autotag",
        "fetch-auto",
    ]);
    let requests = daemon.requests();
    assert!(requests.contains(r#""autotag":false,"dns":true"#), "{requests}");
    assert!(requests.contains(r#""update":false"#), "{requests}");
}

#[test]
fn a_chosen_tag_turns_automatic_tags_off() {
    let daemon = Daemon::rehearse()
        .converse("/images/create", [close(1000, "closing", IMAGE, "image created")])
        .start();
    daemon.run(&["image", "create", "-t", "mine", "-a", "fetch-auto"]);
    assert!(
        daemon.requests().contains(r#""autotag":false"#),
        "{}",
        daemon.requests()
    );
}

#[test]
fn a_failed_creation_is_told_with_the_reason() {
    let daemon = Daemon::rehearse()
        .converse(
            "/images/create",
            [
                starting(""),
                text("no such file: /bin/nope\n"),
                close(
                    1011,
                    "error",
                    "",
                    "image creation failed: no such file: /bin/nope",
                ),
            ],
        )
        .start();
    assert_snapshot!(daemon.run(&["image", "create", "host", "--bin", "/bin/nope"]), @r"
    exit: 1
    ----- stdout -----

    ----- stderr -----
    image creation failed: no such file: /bin/nope
    ");
}

#[test]
fn a_reason_that_is_too_long_for_the_end_is_told_once_and_whole() {
    let reason = format!(
        "the archive is damaged: its checksum is sha256:{}",
        "0".repeat(64)
    );
    let end = || {
        close(
            1011,
            "error",
            "",
            "image creation failed: the archive is damaged: its checksum is sha",
        )
    };
    let pull = |steps: Vec<Step>| {
        let daemon = Daemon::rehearse().converse("/images/create", steps).start();
        let ending = daemon.run(&["image", "pull", "a"]);
        (ending.stdout, ending.stderr)
    };
    assert_eq!(
        pull(vec![starting(""), text("Fetching...\n"), text(&reason), end()]),
        (
            "Fetching...\n\n".to_owned(),
            format!("image creation failed: {reason}\n")
        )
    );
    // A daemon of which nothing but the end is heard.
    assert_eq!(
        pull(vec![starting(""), text("Fetching...\n"), end()]),
        (
            "Fetching...\n\n".to_owned(),
            "image creation failed: the archive is damaged: its checksum is sha\n".to_owned()
        )
    );
}

#[test]
fn arguments_that_do_not_fit_the_method_are_refused() {
    for (arguments, message) in [
        (
            &["fetch"] as &[&str],
            "The SOURCE argument is needed when creating images using the 'fetch' method.\n",
        ),
        (&["fetch", "a", "b", "c"], "too many arguments: b c\n"),
        (&["host", "/bin/sh"], "too many arguments: /bin/sh\n"),
        (
            &["host"],
            "At least one '--bin PROGRAM' is needed when creating images using the 'host' method.\n",
        ),
        (
            &["fetch", "x", "--bin", "/bin/sh"],
            "The 'fetch' method has no '--bin' option.\n",
        ),
        (
            &["docker", "x"],
            "unknown method 'docker'. Possible methods are: fetch, fetch-auto, zfs-copy, zfs-clone, host, oci.\n",
        ),
    ] {
        let ending = run(&[&["image", "create"], arguments].concat());
        assert_eq!((ending.code, ending.stderr.as_str()), (Some(1), message));
    }
}

#[test]
fn ls_shows_name_and_tag() {
    let image = |name: &str, tag: &str| {
        json!({"cmd": [], "created": "2020-02-29T14:54:05.317207Z", "dataset": "d", "env": [], "id": IMAGE,
            "instructions": [["FROM x", ""]], "name": name, "tag": tag, "user": "root"})
    };
    let daemon = Daemon::rehearse()
        .answer(
            "GET /images/list",
            200,
            json!([image("FreeBSD", "13.2"), image("", "")]),
        )
        .start();
    let listing = daemon.run(&["lsi"]).stdout;
    let lines: Vec<&str> = listing.lines().collect();
    assert!(
        lines[0].starts_with(" ID             NAME      TAG    CREATED "),
        "{listing}"
    );
    assert!(
        lines[2].starts_with(" aaaaaaaaaaaa   FreeBSD   13.2   "),
        "{listing}"
    );
    assert!(
        lines[3].starts_with(" aaaaaaaaaaaa                    "),
        "{listing}"
    );
}

#[test]
fn rm_prints_the_identifier_and_refusals_in_full() {
    let daemon = Daemon::rehearse()
        .answer("DELETE /images/FreeBSD:13.2", 200, json!({"id": "FreeBSD:13.2"}))
        .answer(
            "DELETE /images/nope",
            404,
            json!({"message": "Error: No such image: nope\n"}),
        )
        .start();
    assert_snapshot!(daemon.run(&["rmi", "FreeBSD:13.2", "nope"]), @r"
    exit: 1
    ----- stdout -----
    FreeBSD:13.2
    ----- stderr -----
    Error: No such image: nope
    ");
}

#[test]
fn tag_and_prune_send_their_parameters() {
    let daemon = Daemon::rehearse()
        .answer("POST /images/x/tag?nametag=y:z", 200, json!({"id": IMAGE}))
        .answer("POST /images/prune?all=true", 200, json!([]))
        .start();
    assert_eq!(daemon.run(&["image", "tag", "x", "y:z"]).stdout, "aaaaaaaaaaaa\n");
    assert_eq!(daemon.run(&["image", "prune", "-af"]).stdout, "\n");
}

#[test]
fn a_refused_tag_is_told_in_the_daemons_words() {
    let daemon = Daemon::rehearse()
        .answer(
            "POST /images/x/tag?nametag=y",
            404,
            json!({"message": "image not found"}),
        )
        .answer(
            "GET /images/x/inspect",
            404,
            json!({"message": "image not found"}),
        )
        .start();
    for arguments in [&["image", "tag", "x", "y"] as &[&str], &["isi", "x"]] {
        let ending = daemon.run(arguments);
        assert_eq!(
            (ending.code, ending.stdout.as_str(), ending.stderr.as_str()),
            (Some(1), "", "image not found\n")
        );
    }
}

#[test]
fn a_build_that_ends_without_a_message_of_the_interface_fails() {
    let daemon = Daemon::rehearse()
        .converse(
            "/images/build",
            [starting(IMAGE), Step::Close(1011, String::new())],
        )
        .start();
    assert_snapshot!(daemon.run(&["build", "/ctx"]), @r"
    exit: 1
    ----- stdout -----
    Started to build image with ID aaaaaaaaaaaa

    ----- stderr -----
    ERROR! Some unexpected error occured
    ");
}

#[test]
fn a_creation_that_ends_without_a_message_of_the_interface_fails() {
    let daemon = Daemon::rehearse()
        .converse("/images/create", [starting(""), Step::Close(1011, String::new())])
        .start();
    assert_snapshot!(daemon.run(&["image", "create", "fetch-auto"]), @r"
    exit: 1
    ----- stdout -----

    ----- stderr -----
    Kleened returned an unknown error
    ");
}

#[test]
fn a_creation_whose_connection_is_lost_fails() {
    let daemon = Daemon::rehearse()
        .converse(
            "/images/create",
            [starting(""), text("Unpacking...\n"), Step::HangUp],
        )
        .start();
    assert_snapshot!(daemon.run(&["image", "create", "fetch-auto"]), @r"
    exit: 1
    ----- stdout -----
    Unpacking...
    ----- stderr -----
    ERROR! Connection closed unexpectedly.
    ");
}

#[test]
fn a_step_begins_on_a_line_of_its_own() {
    let daemon = Daemon::rehearse()
        .converse(
            "/images/build",
            [
                starting(IMAGE),
                text("no newline"),
                text("Step 2/2 : RUN date"),
                close(1000, "closing", IMAGE, "image created"),
            ],
        )
        .start();
    let ending = daemon.run(&["build", "/ctx"]);
    assert!(
        ending.stdout.contains("\nno newline\nStep 2/2 : RUN date\n"),
        "{ending}"
    );
}

#[test]
fn in_a_pipe_progress_is_plain_lines() {
    let daemon = Daemon::rehearse()
        .converse(
            "/images/create",
            [
                starting(""),
                text("Unpacking contents and creating image...\n"),
                text("Extracted 100 files...\n"),
                text("Extracted 200 files...\n"),
                close(1000, "closing", IMAGE, "image created"),
            ],
        )
        .start();
    assert_snapshot!(daemon.run(&["image", "create", "fetch", "file:///base.txz"]), @r"
    exit: 0
    ----- stdout -----
    Unpacking contents and creating image...
    Extracted 100 files...
    Extracted 200 files...

    image created
    aaaaaaaaaaaa
    ----- stderr -----
    ");
}

#[test]
fn a_build_without_the_cache_does_not_ask_for_it() {
    let daemon = Daemon::rehearse()
        .converse(
            "/images/build",
            [starting(IMAGE), close(1000, "closing", IMAGE, "image created")],
        )
        .start();
    daemon.run(&["build", "--no-cache", "/ctx"]);
    assert!(!daemon.requests().contains("cache"), "{}", daemon.requests());
}

#[test]
fn an_older_daemon_is_asked_for_neither_cache_nor_stage() {
    let daemon = Daemon::rehearse()
        .of_0_1_1()
        .converse(
            "/images/build",
            [starting(IMAGE), close(1000, "closing", IMAGE, "image created")],
        )
        .start();
    daemon.run(&["build", "/ctx"]);
    assert!(!daemon.requests().contains("cache"), "{}", daemon.requests());
    let refused = daemon.run(&["build", "--target", "x", "/ctx"]);
    assert_ne!(refused.code, Some(0));
    assert!(refused.stderr.contains("build without --target"), "{refused}");
}
