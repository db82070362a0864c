//! Dockerfiles that 0.1.1 would not understand: instructions of plugins, here-documents.

use std::fs;

use kleene_tests::{Host, OUTSIDE, Outcome, write};

fn build(host: &Host, dockerfile: &str) -> Outcome {
    write(host.directory("context").join("Dockerfile"), dockerfile);
    host.klee("build --rm -t built context")
}

/// Makes a package manager that only notes what it is told.
const NOTING_MANAGER: &str = r#"FROM minimal
RUN <<'SETUP'
set -e
/bin/busybox mkdir -p /tmp
for program in cat chmod mktemp rm; do /bin/busybox ln -s busybox /bin/$program; done
echo '#!/bin/sh' > /bin/apt-get
echo 'echo "$@" >> /told' >> /bin/apt-get
chmod 755 /bin/apt-get
SETUP
"#;

#[test]
fn pkg_installs_with_the_package_manager_of_the_image() {
    let host = Host::with_minimal_image();
    build(&host, &format!("{NOTING_MANAGER}PKG nginx curl\nCMD cat /told\n")).ok();
    let told = host.klee("run built").ok();
    let expected = "update\ninstall --yes --no-install-recommends -- nginx curl\nclean\n";
    assert!(told.contains(expected), "{told}");
}

#[test]
fn add_fetches_a_url_where_the_administrator_allows_it() {
    let mut host = Host::with_minimal_image();
    let served = host.directory("served");
    write(served.join("page"), "one");
    host.run_outside(&format!("/bin/busybox httpd -p 80 -h {}", served.display()))
        .ok();
    let dockerfile = format!(
        "FROM minimal\nADD http://{OUTSIDE}/page /srv/\nRUN stat -c '%a %u' /srv/page && cat /srv/page && echo\n"
    )
    .replace("stat", "/bin/busybox stat")
    .replace("cat", "/bin/busybox cat");
    let refusal = build(&host, &dockerfile).refused();
    assert!(refusal.contains("add_urls = true"), "{refusal}");

    host.reconfigure(|text| format!("add_urls = true\n{text}"))
        .unwrap();
    assert!(build(&host, &dockerfile).ok().contains("600 0\none\n"));
    // The same again is in the cache, and what has changed is not.
    assert!(!build(&host, &dockerfile).ok().contains("one\n"));
    write(served.join("page"), "two");
    assert!(build(&host, &dockerfile).ok().contains("600 0\ntwo\n"));

    let sum = "sha256:3fc4ccfe745870e2c0d99f71f30ff0656c8dedd41cc1d7d3d376b0dbe685e2f3";
    let before = host.state();
    let add = |url: &str| format!("FROM minimal\nADD --checksum={sum} http://{OUTSIDE}/{url} /srv/two\n");
    build(&host, &add("page")).ok();
    host.klee("image rm built").ok();
    write(served.join("page"), "three");
    let refusal = build(&host, &add("page")).refused();
    assert!(
        refusal.contains("is not what was expected: its checksum is"),
        "{refusal}"
    );
    let refusal = build(&host, &add("nothing")).refused();
    assert!(refusal.contains("404"), "{refusal}");
    assert_eq!(host.state().1, before.1);
    let uploads = fs::read_dir(host.state_dir().join("uploads")).unwrap();
    assert_eq!(uploads.count(), 0);
}

#[test]
fn pkg_is_told_as_it_is_written_where_it_is_wrong_and_where_it_fails() {
    let host = Host::with_minimal_image();
    let failure = build(&host, "FROM minimal\nPKG nginx\n").refused();
    assert!(
        failure.contains("The command 'PKG nginx' returned a non-zero code: "),
        "{failure}"
    );
    let refusal = build(&host, "FROM minimal\nPKG --force nginx\n").refused();
    assert!(
        refusal.contains("PKG --force nginx\n                  ^^^^^^^ invalid instruction\n"),
        "{refusal}"
    );
    assert_eq!(host.list("image").len(), 1, "only the base image");
}

#[test]
fn a_script_is_run_by_the_interpreter_of_its_first_line_and_leaves_no_file() {
    let host = Host::with_minimal_image();
    let script =
        "RUN <<'SCRIPT'\n#!/bin/busybox sh\necho \"made by $(cat /proc/$$/comm) with $1\" > /made\nSCRIPT\n";
    build(
        &host,
        &format!("{NOTING_MANAGER}{script}CMD cat /made; /bin/busybox ls -A /tmp; echo end\n"),
    )
    .ok();
    let made = host.klee("run built").ok();
    assert!(made.contains("made by busybox with \nend\n"), "{made}");
}

#[test]
fn an_instruction_that_nobody_serves_is_refused_before_anything_is_done() {
    let host = Host::with_minimal_image();
    let before = host.state();
    let refusal = build(&host, "FROM minimal\nVOLUME /data\nBAKE a cake\n").refused();
    assert!(
        refusal.contains("BAKE a cake\n              ^^^^ unknown instruction\n"),
        "{refusal}"
    );
    assert_eq!(host.state(), before);
}
