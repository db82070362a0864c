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
    host.kill_daemon().unwrap();
    host.start_daemon().unwrap();
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
fn a_container_on_two_networks_has_one_way_out_for_each_family() {
    let host = FreeBsdHost::with_minimal_image();
    for (name, number) in [("lan", 1), ("dmz", 2)] {
        host.klee(&format!(
            "network create -t bridge --subnet 10.13.{number}.0/24 --subnet6 fd00:{number}::/64 {name}"
        ))
        .ok();
    }
    host.klee("create --name web -l vnet -n lan -p 8080:80 minimal /bin/busybox sleep 1000")
        .ok();
    host.klee("network connect dmz web").ok();
    host.transcript();
    host.klee("start -d web").ok();
    let started = host.transcript();
    let routes: Vec<&str> = started
        .split("exec.start=")
        .filter_map(|line| line.strip_prefix("/sbin/route "))
        .map(|line| line.split(" default").next().unwrap())
        .collect();
    assert_eq!(routes, ["-q add -inet", "-q add -inet6"], "{started}");
    // What a process needs is there before it: interfaces, rules, then the jail.
    let at = |words: &str| {
        started
            .find(words)
            .unwrap_or_else(|| panic!("no '{words}' in {started}"))
    };
    assert!(at("addm") < at("jail -c") && at("ifconfig epair create") < at("addm"));
    assert!(at("pfctl -a kleene/3-endpoint") < at("jail -c"));
    // And rules are judged before they are loaded.
    let log = host.daemon_log();
    let first = log.lines().find(|line| line.contains("-f - <<")).unwrap();
    assert!(first.contains("-n -f - <<"), "{first}");
}

#[test]
fn who_is_not_root_has_a_network_too() {
    let host = FreeBsdHost::with_minimal_image();
    let context = host.path("site");
    std::fs::create_dir(&context).unwrap();
    let users = "root:*:0:0::/root:/bin/sh\nwww:*:80:80::/nonexistent:/bin/sh\n";
    std::fs::write(context.join("passwd"), users).unwrap();
    std::fs::write(
        context.join("Dockerfile"),
        "FROM minimal\nCOPY passwd /etc/passwd\n",
    )
    .unwrap();
    host.klee("build -t site site").ok();
    host.klee("network create -t bridge --subnet 10.13.37.0/24 lan")
        .ok();
    let outcome = host.klee("run -u www -l vnet -n lan site /bin/sh -c 'echo started'");
    assert!(outcome.ok().contains("\nstarted\n"));
}

#[test]
fn a_running_container_takes_on_parameters_or_says_why_not() {
    let host = FreeBsdHost::with_minimal_image();
    host.klee("run -d --name web -J allow.raw_sockets=1 minimal /bin/busybox sleep 1000")
        .ok();
    let parameters = || {
        let shown = host.klee("container inspect web").ok();
        let shown: serde_json::Value = serde_json::from_str(&shown).unwrap();
        shown["container"]["jail_param"].to_string()
    };
    host.transcript();
    host.klee("container update -J allow.raw_sockets=0 -J exec.stop=/bin/bye web")
        .ok();
    assert_eq!(
        host.transcript(),
        "jail -m name=<1> allow.raw_sockets=0 exec.stop=/bin/bye\n"
    );
    for (given, refused) in [
        (
            "allow.raw_sockets=maybe",
            "'/usr/sbin/jail' returned non-zero exitcode 1 when attempting to modify the container 'jail: \
             allow.raw_sockets: unknown boolean value \"maybe\"'",
        ),
        ("vnet", "jail: vnet cannot be changed after creation"),
        ("name=other", "Kleene sets it itself"),
    ] {
        let told = host.klee(&format!("container update -J {given} web")).refused();
        assert!(
            told.contains("an error ocurred while updating the container") && told.contains(refused),
            "{told}"
        );
        assert_eq!(parameters(), r#"["allow.raw_sockets=0","exec.stop=/bin/bye"]"#);
    }
    // The commands of the stop are those of the update.
    host.transcript();
    host.klee("container stop web").ok();
    assert!(
        host.transcript().contains("jexec <1> /bin/sh -c /bin/bye"),
        "{}",
        host.daemon_log()
    );
    host.transcript();
    host.klee("container update -J allow.raw_sockets=1 web").ok();
    assert_eq!(
        host.transcript(),
        "",
        "a jail that does not run is not there to be changed"
    );
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
