//! Base images.

use kleene_tests::{Host, write};

#[test]
fn a_host_image_runs_the_programs_of_the_host() {
    let host = Host::start();
    host.klee("image create -t minimal host --bin /bin/sh --bin /bin/cat")
        .ok();
    let shown = host.klee("run minimal /bin/cat /etc/passwd").ok();
    assert!(shown.contains("root:"), "{shown}");
}

#[test]
fn a_missing_program_is_named_and_no_image_is_made() {
    let host = Host::start();
    let before = host.state();
    let refusal = host
        .klee("image create -t minimal host --bin /bin/sh --bin /bin/no-such-program")
        .refused();
    assert!(refusal.contains("/bin/no-such-program"), "{refusal}");
    assert_eq!(host.state(), before);
}

#[test]
fn an_archive_becomes_an_image() {
    let host = Host::start();
    let files = host.directory("files/bin");
    std::fs::copy("/bin/busybox", files.join("busybox")).unwrap();
    let archive = host.directory("").join("base.tar.gz");
    let (files, archive) = (host.directory("files"), archive.display().to_string());
    host.run(&format!("tar -czf {archive} -C {} .", files.display()))
        .ok();
    host.klee(&format!(
        "image create -t box fetch file://{archive} --no-dns --no-localtime"
    ))
    .ok();
    let shown = host.klee("run box /bin/busybox ls /bin").ok();
    assert!(shown.contains("busybox"), "{shown}");
}

#[test]
fn a_damaged_archive_leaves_no_image() {
    let host = Host::start();
    let archive = host.directory("").join("base.tar.gz");
    write(&archive, [0x1f, 0x8b, 8, 0, 1, 2, 3]);
    let before = host.state();
    host.klee(&format!("image create -t box fetch file://{}", archive.display()))
        .refused();
    assert_eq!(host.state(), before);
}

#[test]
fn an_image_that_others_were_built_from_is_not_removed_before_them() {
    let host = Host::with_minimal_image();
    let context = host.directory("context");
    write(context.join("Dockerfile"), "FROM minimal\nRUN true > /made\n");
    host.klee("build -t child context").ok();
    let before = host.list("image");
    host.klee("image rm minimal").refused();
    assert_eq!(host.list("image"), before);
    host.klee("image rm child").ok();
    host.klee("image rm minimal").ok();
}
