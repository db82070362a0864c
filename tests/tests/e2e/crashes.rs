//! A daemon that is killed in the middle of something: the next one takes it back.

use std::fs::OpenOptions;
use std::io::Write;
use std::process::Stdio;
use std::thread;
use std::time::Duration;

use kleene_tests::{Host, eventually, write};

#[test]
fn a_build_that_a_crash_interrupted_leaves_nothing() {
    let mut host = Host::with_minimal_image();
    write(
        host.directory("context").join("Dockerfile"),
        "FROM minimal\nRUN exec /bin/busybox sleep 1000\n",
    );
    let before = host.state();
    let mut klee = host
        .klee_command("build -t built context")
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    eventually("the command runs", || {
        host.run("ps -e -o args").ok().contains("sleep 1000")
    });

    host.kill_daemon().unwrap();
    klee.wait().unwrap();
    host.start_daemon().unwrap();

    assert!(!host.run("ps -e -o args").ok().contains("sleep 1000"));
    let after = host.state();
    assert_eq!(after.0, before.0);
    let left = after.1.since(&before.1).to_string();
    assert!(
        left.contains("datasets: none") && left.contains("mounts: none"),
        "{left}"
    );
}

#[test]
fn a_base_image_whose_unpacking_a_crash_interrupted_leaves_nothing() {
    let mut host = Host::start();
    let archive = host.directory("").join("endless.tar");
    host.run(&format!("mkfifo {}", archive.display())).ok();
    let datasets = |host: &Host| host.traces().unwrap().to_string().contains("datasets: none");
    assert!(datasets(&host));
    let mut klee = host
        .klee_command(&format!("image create -t box fetch file://{}", archive.display()))
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let mut pipe = OpenOptions::new().write(true).open(&archive).unwrap();
    pipe.write_all(b"some").unwrap();
    eventually("the image is begun", || !datasets(&host));

    host.kill_daemon().unwrap();
    klee.wait().unwrap();
    drop(pipe);
    host.start_daemon().unwrap();

    assert!(host.list("image").is_empty());
    assert!(datasets(&host), "{}", host.traces().unwrap());
}

#[test]
fn a_daemon_that_is_killed_again_and_again_loses_and_leaks_nothing() {
    let mut host = Host::with_minimal_image();
    host.klee("network create -t bridge --subnet 10.13.37.0/24 testnet")
        .ok();
    host.klee("create --name keep -l vnet -n testnet minimal").ok();
    for delay in [0, 3, 6, 10, 15, 21, 28, 36] {
        let mut klee = host
            .klee_command("run -l vnet -n testnet -m scratch:/data minimal /bin/true")
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        thread::sleep(Duration::from_millis(delay));
        host.kill_daemon().unwrap();
        klee.wait().unwrap();
        host.start_daemon().unwrap();
    }
    assert_eq!(
        host.inspect("container", "keep")["container_endpoints"][0]["ip_address"],
        "10.13.37.2"
    );
    let mut names = host.list("container").len();
    assert!(names >= 1);
    for container in host.list("container") {
        let name = container["name"].as_str().unwrap().to_owned();
        host.klee(&format!("rmc -f {name}"));
        names -= 1;
    }
    assert_eq!(names, 0);
}
