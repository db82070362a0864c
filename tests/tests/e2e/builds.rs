//! Building images from Dockerfiles.

use kleene_tests::{Host, Outcome, write};

fn build(host: &Host, dockerfile: &str, options: &str) -> Outcome {
    write(host.directory("context").join("Dockerfile"), dockerfile);
    host.klee(&format!("build -t built {options} context"))
}

#[test]
fn each_instruction_has_its_effect() {
    let host = Host::with_minimal_image();
    write(host.directory("context").join("file"), "content\n");
    let dockerfile = r#"FROM minimal
ARG flavour=plain
ENV TASTE="very ${flavour}"
WORKDIR /work
COPY file copied
RUN /bin/busybox cat copied > made; echo $TASTE >> made
CMD /bin/busybox cat /work/made; echo $TASTE
"#;
    build(&host, dockerfile, "--build-arg flavour=sweet").ok();
    let shown = host.klee("run built").ok();
    assert!(shown.contains("content\nvery sweet\nvery sweet\n"), "{shown}");
}

#[test]
fn a_copy_from_a_stage_keeps_modes_and_owners() {
    let host = Host::with_minimal_image();
    let dockerfile = r#"FROM minimal AS made
RUN set -e; cd /root; for program in mkdir touch chown chmod stat; do /bin/busybox ln -s busybox /bin/$program; done; \
    mkdir -p /out/shared; touch /out/tool; chown 7:8 /out/*; chmod 4755 /out/tool; chmod 2775 /out/shared
FROM minimal
COPY --from=made /out/ /opt/
COPY --from=made --chown=0:0 /out/ /own/
RUN /bin/busybox stat -c '%a %u:%g %n' /opt/* /own/*
"#;
    let log = build(&host, dockerfile, "").ok();
    for told in [
        "2775 7:8 /opt/shared",
        "4755 7:8 /opt/tool",
        "2775 0:0 /own/shared",
        "4755 0:0 /own/tool",
    ] {
        assert!(log.contains(told), "{log}");
    }
}

#[test]
fn the_default_command_and_user_are_the_images() {
    let host = Host::with_minimal_image();
    build(&host, "FROM minimal\nRUN echo 'guest:x:1000:1000::/:/bin/sh' >> /etc/passwd\nUSER guest\nCMD /bin/busybox id -u\n", "").ok();
    let shown = host.klee("run built").ok();
    assert!(shown.contains("\n1000\n"), "{shown}");
}

#[test]
fn a_failing_command_shows_its_exit_status_and_fails_the_build() {
    let host = Host::with_minimal_image();
    let log = build(&host, "FROM minimal\nRUN echo before it\nRUN exit 42\n", "--rm").refused();
    assert!(log.contains("before it"), "{log}");
    let status = host.ground().status_of_first(42);
    let told = format!("The command '/bin/sh -c exit 42' returned a non-zero code: {status}");
    assert!(log.contains(&told), "{log}");
    assert_eq!(host.list("image").len(), 1, "only the base image");
    assert!(host.list("container").is_empty());
}

#[test]
fn a_failed_build_is_kept_to_look_into_unless_told_otherwise() {
    let host = Host::with_minimal_image();
    let log = build(&host, "FROM minimal\nRUN echo kept > /state\nRUN exit 1\n", "").refused();
    assert!(log.contains("Failed to build image"), "{log}");
    let shown = host.klee("run built:failed /bin/busybox cat /state").ok();
    assert!(shown.contains("kept"), "{shown}");
}

#[test]
fn a_missing_dockerfile_is_named_and_nothing_changes() {
    let host = Host::with_minimal_image();
    let _empty = host.directory("context");
    let before = host.state();
    let refusal = host.klee("build -t built context").refused();
    assert!(
        refusal.contains("the build context has no file 'Dockerfile'"),
        "{refusal}"
    );
    assert_eq!(host.state(), before);
}

#[test]
fn an_unknown_parent_image_is_named_and_nothing_changes() {
    let host = Host::with_minimal_image();
    let before = host.state();
    let refusal = build(&host, "FROM nowhere\n", "").refused();
    assert!(refusal.contains("could not find image nowhere"), "{refusal}");
    assert_eq!(host.state(), before);
}

#[test]
fn a_wrong_instruction_is_refused_before_anything_is_done() {
    let host = Host::with_minimal_image();
    let before = host.state();
    let refusal = build(&host, "FROM minimal\nBAKE a cake\n", "").refused();
    assert!(refusal.contains("BAKE a cake"), "{refusal}");
    assert_eq!(host.state(), before);
}

#[test]
fn a_copy_cannot_leave_the_context_or_the_image() {
    let host = Host::with_minimal_image();
    write(host.directory("context").join("file"), "content\n");
    build(&host, "FROM minimal\nCOPY ../kleened.toml /\n", "--rm").refused();
    std::os::unix::fs::symlink("/etc", host.directory("context").join("link")).unwrap();
    // Inside the image the link points to the image's own /etc.
    build(
        &host,
        "FROM minimal\nCOPY link /link\nCOPY file /link/kleene-was-here\n",
        "",
    )
    .ok();
    assert!(!std::path::Path::new("/etc/kleene-was-here").exists());
}
