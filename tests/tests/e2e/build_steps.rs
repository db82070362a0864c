//! Dockerfiles that 0.1.1 would not understand: instructions of plugins, here-documents.

use kleene_tests::{Host, Outcome, write};

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
fn pkg_takes_no_options() {
    let host = Host::with_minimal_image();
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
