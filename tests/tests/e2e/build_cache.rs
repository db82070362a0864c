//! Builds from the cache and in stages, with real programs.

use std::fs::create_dir_all;
use std::os::unix::fs::symlink;
use std::time::{Duration, Instant};

use kleene_tests::{Host, Outcome, write};

fn build(host: &Host, dockerfile: &str, options: &str) -> Outcome {
    write(host.directory("context").join("Dockerfile"), dockerfile);
    host.klee(&format!("build -t built {options} context"))
}

fn hits(log: &str) -> usize {
    log.matches("--> Using cache: @").count()
}

const STEPS: &str = "FROM minimal\nRUN echo one > /one\nCOPY file /file\nRUN /bin/busybox cat /one /file > /both\nCMD /bin/busybox cat /both\n";

#[test]
fn an_unchanged_build_does_nothing_again_and_a_changed_file_only_what_follows() {
    let host = Host::with_minimal_image();
    let file = host.directory("context").join("file");
    write(&file, "first\n");
    let log = build(&host, STEPS, "").ok();
    assert_eq!(hits(&log), 0, "{log}");
    let begun = Instant::now();
    let log = build(&host, STEPS, "").ok();
    println!("fully cached build: {:?}", begun.elapsed());
    assert_eq!(hits(&log), 3, "{log}");
    assert!(host.klee("run built").ok().contains("one\nfirst\n"));

    write(&file, "second\n");
    let log = build(&host, STEPS, "").ok();
    assert_eq!(hits(&log), 1, "{log}");
    assert!(host.klee("run built").ok().contains("one\nsecond\n"));

    let log = build(&host, STEPS, "--no-cache").ok();
    assert_eq!(hits(&log), 0, "{log}");
    assert!(log.contains("--> Snapshot created: @"), "{log}");
}

#[test]
fn a_failed_build_goes_on_where_it_failed() {
    let host = Host::with_minimal_image();
    build(&host, "FROM minimal\nRUN echo one > /one\nRUN exit 1\n", "").refused();
    let log = build(&host, "FROM minimal\nRUN echo one > /one\nRUN echo two\n", "").ok();
    assert_eq!(hits(&log), 1, "{log}");
}

#[test]
fn an_image_keeps_the_one_that_did_its_steps() {
    let host = Host::with_minimal_image();
    build(
        &host,
        STEPS
            .replace("COPY file /file\n", "")
            .replace(" /file", "")
            .as_str(),
        "",
    )
    .ok();
    let older = host.inspect("image", "built")["id"].as_str().unwrap().to_owned();
    build(
        &host,
        STEPS
            .replace("COPY file /file\n", "")
            .replace(" /file", "")
            .as_str(),
        "",
    )
    .ok();
    let newer = host.inspect("image", "built")["id"].as_str().unwrap().to_owned();
    let refusal = host.klee(&format!("image rm {older}")).refused();
    assert!(refusal.contains(&newer), "{refusal}");
}

#[test]
fn stages_give_files_to_each_other() {
    let host = Host::with_minimal_image();
    let dockerfile = r#"FROM minimal AS tools
WORKDIR /out
RUN echo 'made by a stage' > result
FROM scratch AS files
COPY --from=tools /out/result /result
FROM minimal
COPY --from=files /result /shown
COPY --from=minimal /bin/busybox /opt/busybox
CMD ["/opt/busybox", "cat", "/shown"]
"#;
    for _ in 0..2 {
        build(&host, dockerfile, "").ok();
        let shown = host.klee("run built").ok();
        assert!(shown.contains("made by a stage\n"), "{shown}");
    }
    let log = build(&host, dockerfile, "--target tools").ok();
    assert!(!log.contains("FROM scratch"), "{log}");
    assert!(
        host.klee("run built /bin/busybox cat /out/result")
            .ok()
            .contains("made by a stage")
    );
    let refusal = build(&host, dockerfile, "--target nope").refused();
    assert!(refusal.contains("its stages are tools, files"), "{refusal}");
}

#[test]
fn independent_stages_take_their_time_together() {
    let host = Host::with_minimal_image();
    if std::thread::available_parallelism().map_or(1, usize::from) < 2 {
        return;
    }
    // Each waits until it sees the other: one after the other, they would for ever.
    let shared = host.directory("shared");
    let dockerfile = "FROM minimal AS one\nRUN /bin/busybox touch /shared/one; while ! [ -e /shared/two ]; do /bin/busybox sleep 0.1; done; echo one > /x\n\
        FROM minimal AS two\nRUN /bin/busybox touch /shared/two; while ! [ -e /shared/one ]; do /bin/busybox sleep 0.1; done; echo two > /x\n\
        FROM minimal\nCOPY --from=one /x /1\nCOPY --from=two /x /2\n";
    let log = build(&host, dockerfile, &format!("-m {}:/shared", shared.display())).ok();
    let place = |text: &str| log.find(text).unwrap_or_else(|| panic!("{text}: {log}"));
    assert!(
        place("Step 2/7") < place("Step 3/7") && place("Step 4/7") < place("Step 5/7"),
        "{log}"
    );
    let shown = host.klee("run built /bin/busybox cat /1 /2").ok();
    assert!(shown.contains("one\ntwo\n"), "{shown}");
}

#[test]
fn a_stage_that_fails_ends_the_build_and_its_processes() {
    let host = Host::with_minimal_image();
    let before = host.state();
    let dockerfile = "FROM minimal AS one\nRUN /bin/busybox sleep 1000\nFROM minimal AS two\nRUN exit 9\n\
        FROM minimal\nCOPY --from=one /x /1\nCOPY --from=two /x /2\n";
    let begun = Instant::now();
    let log = build(&host, dockerfile, "--rm").refused();
    let status = host.ground().status_of_first(9);
    assert!(
        log.contains(&format!("returned a non-zero code: {status}")),
        "{log}"
    );
    assert!(
        begun.elapsed() < Duration::from_secs(60),
        "it waited for the other stage"
    );
    assert_eq!(host.state(), before);
}

#[test]
fn owners_and_modes_are_those_that_are_asked_for() {
    let host = Host::with_minimal_image();
    write(host.directory("context").join("file"), "x");
    let dockerfile = r#"FROM minimal
RUN echo 'guest:x:1000:1001::/:/bin/sh' >> /etc/passwd; echo 'team:x:77:' >> /etc/group
COPY --chown=guest file /a
COPY --chown=guest:team --chmod=4711 file /b
COPY --chown=5:6 file /c
RUN /bin/busybox stat -c '%n %u:%g %a' /a /b /c
"#;
    let log = build(&host, dockerfile, "").ok();
    assert!(
        log.contains("/a 1000:1001 644") && log.contains("/b 1000:77 4711") && log.contains("/c 5:6 644"),
        "{log}"
    );
    let refusal = build(&host, "FROM minimal\nCOPY --chown=nobody-here file /a\n", "--rm").refused();
    assert!(
        refusal.contains("the image has no such user in /etc/passwd"),
        "{refusal}"
    );
}

#[test]
fn archives_are_unpacked_by_add_and_hostile_ones_refused() {
    let host = Host::with_minimal_image();
    let context = host.directory("context");
    create_dir_all(context.join("tree/deep")).unwrap();
    write(context.join("tree/deep/file"), "from the archive\n");
    host.run(&format!("tar -C {0}/tree -czf {0}/tree.tgz .", context.display()))
        .ok();
    build(
        &host,
        "FROM minimal\nADD tree.tgz /opt\nCOPY tree.tgz /kept\nCMD /bin/busybox cat /opt/deep/file\n",
        "",
    )
    .ok();
    let shown = host.klee("run built").ok();
    assert!(shown.contains("from the archive\n"), "{shown}");
    assert!(host.klee("run built /bin/busybox ls /").ok().contains("kept"));

    host.run(&format!(
        "tar -C {0}/tree -P --transform s,^,../../evil/, -cf {0}/evil.tar deep/file",
        context.display()
    ))
    .ok();
    let before = host.state();
    let refusal = build(&host, "FROM minimal\nADD evil.tar /opt\n", "--rm").refused();
    assert!(refusal.contains("leads upwards"), "{refusal}");
    assert_eq!(host.state(), before);
}

#[test]
fn links_in_a_context_lead_nowhere_outside() {
    let host = Host::with_minimal_image();
    let context = host.directory("context");
    create_dir_all(context.join("dir")).unwrap();
    write(host.directory("outside").join("secret"), "secret");
    symlink("../outside", context.join("up")).unwrap();
    symlink("/etc", context.join("etc")).unwrap();
    for source in ["up/secret", "etc/passwd", "up/"] {
        let refusal = build(
            &host,
            &format!("FROM minimal\nCOPY --chmod=644 {source} /x/\n"),
            "--rm",
        )
        .refused();
        assert!(
            refusal.contains("leads out") || refusal.contains("outside"),
            "{source}: {refusal}"
        );
    }
    // Beneath a directory they are copied as what they are.
    write(context.join("dir/file"), "x");
    symlink("/etc/passwd", context.join("dir/link")).unwrap();
    let log = build(
        &host,
        "FROM minimal\nCOPY --chmod=755 dir /dir\nRUN /bin/busybox readlink /dir/link\n",
        "",
    )
    .ok();
    assert!(log.contains("/etc/passwd"), "{log}");
}

#[test]
fn nothing_of_the_context_is_seen_by_commands() {
    let host = Host::with_minimal_image();
    write(host.directory("context").join("file"), "x");
    let log = build(
        &host,
        "FROM minimal\nCOPY file /file\nRUN /bin/busybox mount; /bin/busybox find / -name Dockerfile -xdev\n",
        "",
    )
    .ok();
    assert!(
        !log.contains("context/Dockerfile") && !log.contains("kleene_temporary"),
        "{log}"
    );
}

#[test]
fn a_daemon_that_is_killed_in_the_middle_leaves_no_stage() {
    let mut host = Host::with_minimal_image();
    let before = host.state().0;
    let dockerfile = "FROM minimal AS one\nRUN echo 1 > /1\nFROM one\nRUN echo begun > /shared/begun; /bin/busybox sleep 1000\n";
    let shared = host.directory("shared");
    write(host.directory("context").join("Dockerfile"), dockerfile);
    let mut building = host
        .klee_command(&format!("build -t built -m {}:/shared context", shared.display()))
        .spawn()
        .unwrap();
    let until = Instant::now() + Duration::from_secs(60);
    while !shared.join("begun").exists() {
        assert!(Instant::now() < until, "the last stage never ran");
        std::thread::sleep(Duration::from_millis(20));
    }
    host.kill_daemon().unwrap();
    building.wait().unwrap();
    host.start_daemon().unwrap();
    assert_eq!(host.state().0, before);
    // And the next build is none the wiser.
    build(
        &host,
        "FROM minimal AS one\nRUN echo 1 > /1\nFROM one\nCMD true\n",
        "",
    )
    .ok();
}
