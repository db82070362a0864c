//! Volumes.

use kleene_tests::{Host, write};

#[test]
fn what_a_container_writes_to_a_volume_outlives_it() {
    let host = Host::with_minimal_image();
    host.klee("volume create data").ok();
    host.klee("run --name writer -m data:/data minimal /bin/sh -c 'echo kept > /data/file'")
        .ok();
    host.klee("rmc writer").ok();
    let shown = host
        .klee("run -m data:/data minimal /bin/busybox cat /data/file")
        .ok();
    assert!(shown.contains("kept"), "{shown}");
}

#[test]
fn a_volume_is_filled_from_the_image_only_when_it_is_empty() {
    let host = Host::with_minimal_image();
    write(
        host.directory("context").join("Dockerfile"),
        "FROM minimal\nRUN /bin/busybox mkdir /data; echo original > /data/file; echo hidden > /data/.dot\n",
    );
    host.klee("build -t filled context").ok();
    host.klee("volume create data").ok();
    let shown = host
        .klee("run -m data:/data filled /bin/sh -c '/bin/busybox cat /data/file /data/.dot'")
        .ok();
    assert!(shown.contains("original\nhidden\n"), "{shown}");
    host.klee("run -m data:/data filled /bin/sh -c 'echo changed > /data/file'")
        .ok();
    let shown = host
        .klee("run -m data:/data filled /bin/busybox cat /data/file")
        .ok();
    assert!(shown.contains("changed"), "{shown}");
}

#[test]
fn a_read_only_mount_cannot_be_written_to() {
    let host = Host::with_minimal_image();
    host.klee("volume create data").ok();
    let outcome = host.klee("run -m data:/data:ro minimal /bin/sh -c 'echo x > /data/file'");
    assert!(!outcome.succeeded(), "{outcome}");
    assert!(outcome.stdout.contains("Read-only"), "{outcome}");
}

#[test]
fn a_directory_of_the_host_is_mounted() {
    let host = Host::with_minimal_image();
    let shared = host.directory("shared");
    write(shared.join("file"), "of the host\n");
    let shown = host
        .klee(&format!(
            "run -m {}:/mnt minimal /bin/busybox cat /mnt/file",
            shared.display()
        ))
        .ok();
    assert!(shown.contains("of the host"), "{shown}");
}

#[test]
fn a_volume_that_a_running_container_uses_is_not_removed() {
    let host = Host::with_minimal_image();
    host.klee("volume create data").ok();
    host.klee("run -d --name box -m data:/data minimal /bin/busybox sleep 1000")
        .ok();
    host.klee("volume rm data").refused();
    host.klee("exec box /bin/sh -c 'echo still here > /data/file'")
        .ok();
}
