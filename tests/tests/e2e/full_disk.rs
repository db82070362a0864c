//! A container that fills the disk hurts nobody but itself.

use kleene_tests::{Host, eventually};

/// A host whose state has little room, and the image `minimal` in it.
fn with_little_room() -> Host {
    let mut host = Host::start();
    host.stop_daemon().unwrap();
    let state = host.state_dir();
    host.run(&format!("mount -t tmpfs -o size=64m small {}", state.display()))
        .ok();
    host.start_daemon().unwrap();
    host.create_minimal_image();
    host
}

#[test]
fn what_fills_it_is_stopped_and_removed_also_by_a_new_daemon() {
    let mut host = with_little_room();
    let fill = "/bin/busybox dd if=/dev/zero of=/big bs=64k; exec /bin/busybox sleep 1000";
    let stays: fn(&mut Host) = |_| {};
    let is_killed: fn(&mut Host) = |host| {
        host.kill_daemon().unwrap();
        host.start_daemon().unwrap();
    };
    let is_stopped: fn(&mut Host) = |host| {
        host.stop_daemon().unwrap();
        host.start_daemon().unwrap();
    };
    for daemon in [stays, is_killed, is_stopped] {
        host.klee(&format!("run -d --name big minimal /bin/sh -c '{fill}'"))
            .ok();
        let free = || {
            host.run(&format!("stat -f -c %a {}", host.state_dir().display()))
                .ok()
        };
        eventually("the disk is full", || free() == "0\n");
        daemon(&mut host);
        host.klee("stop big").ok();
        assert_eq!(host.inspect("container", "big")["container"]["running"], false);
        host.klee("rmc big").ok();
        host.klee("run minimal /bin/true").ok();
    }
    host.clear().unwrap();
    host.stop_daemon().unwrap();
    host.run(&format!("umount {}", host.state_dir().display())).ok();
}
