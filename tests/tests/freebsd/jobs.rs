//! What users do, seen by them.

use crate::host::FreeBsdHost;

#[test]
fn a_container_runs_and_tells_how_it_ended() {
    let host = FreeBsdHost::with_minimal_image();
    let outcome = host.klee("run minimal /bin/sh -c 'echo hello; exit 0'");
    assert!(outcome.ok().contains("\nhello\n"));
    let outcome = host.klee("run minimal /bin/sh -c 'exit 7'");
    assert!(!outcome.succeeded());
    assert!(outcome.to_string().contains(": failed"), "{outcome}");
}

#[test]
fn an_image_is_built_and_run() {
    let host = FreeBsdHost::with_minimal_image();
    let context = host.path("site");
    std::fs::create_dir(&context).unwrap();
    std::fs::write(context.join("page"), "from the context\n").unwrap();
    std::fs::write(
        context.join("Dockerfile"),
        "FROM minimal\nENV A=1\nCOPY page /page\nRUN /bin/busybox cp /page /copy\nCMD [\"/bin/busybox\", \"cat\", \"/copy\"]\n",
    )
    .unwrap();
    let log = host.klee("build -t site site").ok();
    assert!(log.contains("image created"), "{log}");
    assert!(host.klee("run site").ok().contains("\nfrom the context\n"));
}

#[test]
fn volumes_keep_what_containers_write() {
    let host = FreeBsdHost::with_minimal_image();
    host.klee("volume create data").ok();
    host.klee("run -m data:/data minimal /bin/sh -c 'echo kept > /data/file'")
        .ok();
    let read = host.klee("run -m data:/data minimal /bin/busybox cat /data/file");
    assert!(read.ok().contains("\nkept\n"));
    let mounted = host.tool("mount --libxo json").ok();
    assert!(
        !mounted.contains("nullfs") && !mounted.contains("devfs"),
        "{mounted}"
    );
}

#[test]
fn a_container_outlives_the_daemon() {
    let mut host = FreeBsdHost::with_minimal_image();
    host.klee("run -d --name sleeper minimal /bin/busybox sleep 1000")
        .ok();
    host.end_daemon("KILL");
    host.start_daemon();
    let outcome = host.klee("exec sleeper /bin/sh -c 'echo inside'");
    assert!(outcome.ok().contains("\ninside\n"));
    host.klee("container stop sleeper").ok();
    assert!(!host.tool("jls --libxo json -v").ok().contains("sleep"));
    host.klee("container rm sleeper").ok();
}

#[test]
fn containers_have_networks_and_publish_ports() {
    let host = FreeBsdHost::with_minimal_image();
    host.klee("network create -t bridge --subnet 10.13.37.0/24 lan")
        .ok();
    host.klee("run -d --name web -l vnet -n lan -p 8080:80 minimal /bin/busybox sleep 1000")
        .ok();
    host.klee("run -d --name other -l ipnet -n lan minimal /bin/busybox sleep 1000")
        .ok();
    let anchors = host.tool("pfctl -s Anchors -a kleene").ok();
    assert!(
        anchors.contains("endpoint") && anchors.contains("network"),
        "{anchors}"
    );
    for name in ["web", "other"] {
        host.klee(&format!("container stop {name}")).ok();
        host.klee(&format!("container rm {name}")).ok();
    }
    host.klee("network rm lan").ok();
    assert_eq!(host.tool("pfctl -s Anchors -a kleene").ok(), "");
    let interfaces = host.tool("ifconfig -a").ok();
    assert!(!interfaces.contains("kleene"), "{interfaces}");
}

#[test]
fn the_doctor_names_what_is_wrong() {
    let host = FreeBsdHost::start();
    let outcome = host.klee("system doctor");
    assert!(!outcome.succeeded());
    let text = outcome.to_string();
    assert!(text.contains("kldload -n pf"), "{text}");
    assert!(text.contains("dataset tank/kleene"), "{text}");
}
