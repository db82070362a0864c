//! What an administrator sees Kleene do: every command that changes the host, in order, for whole operations.

use crate::host::FreeBsdHost;

/// Runs `klee` and notes what was done to the host.
fn step(host: &FreeBsdHost, text: &mut String, line: &str) {
    host.transcript();
    host.klee(line).ok();
    note(host, text, &format!("klee {line}"));
}

/// Notes what was done to the host since it was looked at last.
fn note(host: &FreeBsdHost, text: &mut String, heading: &str) {
    text.push_str(&format!("== {heading}\n{}\n", without_races(&host.transcript())));
}

#[test]
fn a_container_on_a_network_with_a_published_port() {
    let host = FreeBsdHost::with_minimal_image();
    let mut text = String::new();
    let mut step = |line: &str| step(&host, &mut text, line);
    step("network create -t bridge --subnet 10.13.37.0/24 lan");
    step("volume create data");
    step(
        "create --name web -l vnet -n lan --ip 10.13.37.80 -m data:/data -p 8080:80 minimal /bin/busybox sleep 1000",
    );
    step("start -d web");
    step("exec web /bin/true");
    step("container stop web");
    step("container rm web");
    step("network rm lan");
    insta::assert_snapshot!(text);
}

#[test]
fn a_running_container_is_connected_and_disconnected() {
    let host = FreeBsdHost::with_minimal_image();
    let mut text = String::new();
    let mut step = |line: &str| step(&host, &mut text, line);
    step("network create -t loopback --subnet 10.1.0.0/24 services");
    step("network create -t bridge --subnet 10.2.0.0/24 --subnet6 fd00:2::/64 lan");
    step("run -d --name web -l ipnet -n services minimal /bin/busybox sleep 1000");
    step("network connect lan web");
    step("network disconnect lan web");
    step("container rm -f web");
    insta::assert_snapshot!(text);
}

#[test]
fn a_base_system_is_fetched_and_brought_up_to_date() {
    let host = FreeBsdHost::start();
    let mirror = crate::images::mirror(&host, "14.1-RELEASE-p2");
    let mut text = String::new();
    host.transcript();
    host.klee(&format!("image create --update --mirror {mirror} fetch-auto"))
        .ok();
    note(&host, &mut text, "klee image create --update fetch-auto");
    insta::assert_snapshot!(text);
}

#[test]
fn a_running_container_is_updated() {
    let host = FreeBsdHost::with_minimal_image();
    let mut text = String::new();
    host.klee("run -d --name web minimal /bin/busybox sleep 1000")
        .ok();
    let mut step = |line: &str| step(&host, &mut text, line);
    step("container update -J allow.raw_sockets=1 -J children.max=2 web");
    step("container rename web site");
    step("container stop site");
    insta::assert_snapshot!(text);
}

#[test]
fn what_an_administrator_removed_is_repaired() {
    let host = FreeBsdHost::with_minimal_image();
    let mut text = String::new();
    host.klee("network create -t bridge --subnet 10.13.37.0/24 lan")
        .ok();
    host.klee("run -d --name web -l ipnet -n lan -p 8080:80 minimal /bin/busybox sleep 1000")
        .ok();
    host.transcript();
    host.tool("ifconfig kleene0 inet 10.13.37.2 -alias").ok();
    note(&host, &mut text, "an administrator");
    step(&host, &mut text, "system repair");
    step(&host, &mut text, "system repair");
    insta::assert_snapshot!(text);
}

#[test]
fn a_daemon_recovers_from_the_end_of_another() {
    let mut host = FreeBsdHost::with_minimal_image();
    let mut text = String::new();
    host.klee("network create -t bridge --subnet 10.13.37.0/24 lan")
        .ok();
    host.klee("run -d --name web -l vnet -n lan -p 8080:80 minimal /bin/busybox sleep 1000")
        .ok();
    let context = host.path("site");
    std::fs::create_dir(&context).unwrap();
    std::fs::write(
        context.join("Dockerfile"),
        "FROM minimal\nRUN exec /bin/busybox sleep 2000\n",
    )
    .unwrap();
    host.transcript();
    let mut build = host.begin("build -t site site");
    host.await_command("jail -c", "sleep 2000");
    host.kill_daemon().unwrap();
    build.wait().unwrap();
    note(
        &host,
        &mut text,
        "klee build -t site site, whose daemon is killed in the second step",
    );
    host.start_daemon().unwrap();
    note(
        &host,
        &mut text,
        "the next daemon: the build is taken back, web runs on",
    );
    step(&host, &mut text, "exec web /bin/true");
    insta::assert_snapshot!(text);
}

#[test]
fn a_build() {
    let host = FreeBsdHost::with_minimal_image();
    let context = host.path("site");
    std::fs::create_dir(&context).unwrap();
    std::fs::write(context.join("Dockerfile"), "FROM minimal\nRUN /bin/true\n").unwrap();
    host.transcript();
    host.klee("build -t site site").ok();
    insta::assert_snapshot!(without_races(&host.transcript()));
}

/// At the end of a jail its supervisor and whoever stops it both unmount what is left in it, whoever comes first; and
/// the jail may have ended with its last process before it is removed.
fn without_races(transcript: &str) -> String {
    let is_race = |line: &&str| line.starts_with("umount ") || line.starts_with("jail -R ");
    let lines = transcript.lines().filter(|line| !is_race(line));
    let ended = transcript.lines().any(|line| line.starts_with("umount "));
    let note = ended.then_some("# jail -R and umount of what is mounted in the jail");
    lines.chain(note).map(|line| format!("{line}\n")).collect()
}
