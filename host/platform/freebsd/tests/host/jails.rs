//! Jails with real processes: their start, their end, and what is left.

use std::fs;
use std::thread;
use std::time::{Duration, Instant};

use kleene_plan::{DatasetName, JailInterface, JailMount, JailNetwork, LaunchMode, Op, WindowSize};
use kleene_platform::Platform;
use kleene_supervisor::Input;

use crate::world::{CONTAINER, World, bridge, finish, id, pair};

const GRACE: Duration = Duration::from_millis(3500);
/// How long a client of 0.1.1 waits for an answer.
const PATIENCE: Duration = Duration::from_secs(5);

#[test]
fn a_process_runs_in_its_root_and_leaves_nothing_mounted() {
    let world = World::new();
    world.container();
    let (printed, status) = world.run(&world.launch("echo A is $A; ls /; test -c /dev/null && echo devices"));
    assert_eq!(status, 0, "{printed}");
    assert!(
        printed.starts_with("A is 1\n") && printed.ends_with("devices\n"),
        "{printed}"
    );
    assert_eq!(world.views(), [""; 0]);
    assert_eq!(world.platform.jail(&id(CONTAINER)).unwrap(), None);
    world
        .apply(Op::UnmountDataset(DatasetName::container(&id(CONTAINER))))
        .unwrap();
}

#[test]
fn a_failure_is_told_as_jail_tells_it() {
    let world = World::new();
    world.container();
    let (printed, status) = world.run(&world.launch("echo out; exit 7"));
    assert_eq!(
        (printed.as_str(), status),
        (
            "out\njail: /usr/bin/env A=1 /bin/sh -c echo out; exit 7: failed\n",
            1
        )
    );
}

#[test]
fn a_jail_that_cannot_be_made_leaves_nothing() {
    let world = World::new();
    world.container();
    let mut launch = world.launch("true");
    launch.jail.parameters = vec!["nosuch.param=1".to_owned()];
    let reason = world.start(&launch).unwrap_err();
    assert_eq!(reason, "jail(8) refused: unknown parameter: nosuch.param");
    launch.jail.parameters = Vec::new();
    launch.process.user = "nobody".to_owned();
    let reason = world.start(&launch).unwrap_err();
    assert_eq!(
        reason,
        "user 'nobody' does not exist in the container: neither /etc/passwd nor the database of pwd_mkdb(8) has it"
    );
    launch.process.user = String::new();
    launch.jail.mounts = vec![JailMount {
        source: "/nosuch".into(),
        target: "/mnt".into(),
        read_only: false,
    }];
    let reason = world.start(&launch).unwrap_err();
    assert!(
        reason.starts_with("could not mount '/nosuch' at /mnt in the container"),
        "{reason}"
    );
    assert_eq!(world.views(), [""; 0]);
    assert_eq!(world.platform.jails().unwrap(), []);
}

#[test]
fn parameters_that_are_ours_are_refused_by_name() {
    let world = World::new();
    world.container();
    let mut launch = world.launch("true");
    launch.jail.parameters = vec!["path=/".to_owned()];
    let reason = world.start(&launch).unwrap_err();
    assert!(reason.contains("with the parameter 'path'"), "{reason}");
}

#[test]
fn one_that_the_kernel_holds_on_to_is_no_hindrance() {
    let world = World::new();
    world.container();
    world.tool("sysctl fake.jails.die_slowly=1");
    let (mut events, _inputs) = world.start(&world.launch("exec sleep 100")).unwrap();
    let began = Instant::now();
    world.platform.stop_jail(&id(CONTAINER), None, GRACE).unwrap();
    assert!(began.elapsed() < GRACE, "{:?}", began.elapsed());
    finish(&mut events);
    let dying = world.tool(&format!("jls --libxo json -v -d -j {CONTAINER}"));
    assert!(dying.contains("DYING"), "{dying}");
    assert_eq!(world.platform.jail(&id(CONTAINER)).unwrap(), None);
    assert_eq!(world.views(), [""; 0]);
    // Another of its name is another jail.
    let (printed, _) = world.run(&world.launch("echo again"));
    assert_eq!(printed, "again\n");
    // What they hold goes from under them; nobody else uses it.
    let dataset: DatasetName = format!("container/{CONTAINER}").parse().unwrap();
    world.apply(Op::UnmountDataset(dataset)).unwrap();
    assert!(
        world
            .transcript()
            .contains(&format!("zfs unmount -f tank/kleene/container/{CONTAINER}\n"))
    );
}

#[test]
fn one_whose_jail_8_was_killed_ends_with_its_last_process() {
    let world = World::new();
    world.container();
    let (mut events, _inputs) = world.start(&world.launch("sleep 0.5 & exec sleep 0.5")).unwrap();
    kill_maker(&world);
    finish(&mut events);
    let deadline = Instant::now() + Duration::from_secs(5);
    while world.platform.jail(&id(CONTAINER)).unwrap().is_some() {
        assert!(Instant::now() < deadline, "it stays without processes");
        thread::sleep(Duration::from_millis(20));
    }
}

/// Kills the jail(8) that made the container's jail.
fn kill_maker(world: &World) {
    let list = std::process::Command::new("pgrep")
        .args([
            "-f",
            &format!("jail -c path={}", world.container_root().display()),
        ])
        .output()
        .unwrap();
    let pid = String::from_utf8(list.stdout).unwrap();
    let killed = std::process::Command::new("kill")
        .args(["-s", "KILL", pid.split_whitespace().next().unwrap()])
        .status();
    assert!(killed.unwrap().success());
}

#[test]
fn whoever_kills_the_tool_that_made_a_jail_ends_neither_jail_nor_process() {
    let world = World::new();
    world.container();
    let (mut events, _inputs) = world.start(&world.launch("exec sleep 100")).unwrap();
    kill_maker(&world);
    finish(&mut events);
    assert!(world.platform.jail(&id(CONTAINER)).unwrap().is_some());
    world.platform.stop_jail(&id(CONTAINER), None, GRACE).unwrap();
    assert_eq!(world.platform.jail(&id(CONTAINER)).unwrap(), None);
    assert_eq!(world.views(), [""; 0]);
}

#[test]
fn a_second_start_of_a_jail_that_runs_is_refused_and_does_not_disturb_it() {
    let world = World::new();
    world.container();
    let (_events, _inputs) = world.start(&world.launch("exec sleep 100")).unwrap();
    let reason = world.start(&world.launch("true")).unwrap_err();
    assert_eq!(reason, format!("jail '{CONTAINER}' runs already; stop it first"));
    assert_eq!(world.views(), ["devfs"]);
    world.platform.stop_jail(&id(CONTAINER), None, GRACE).unwrap();
}

#[test]
fn directories_of_the_host_are_mounted_where_links_of_the_image_lead_inside() {
    let world = World::new();
    let root = world.container();
    let data = world.path("data");
    fs::create_dir(&data).unwrap();
    fs::write(data.join("file"), "content").unwrap();
    std::os::unix::fs::symlink("/etc", root.join("way")).unwrap();
    let mut launch = world.launch("cat /way/data/file; echo x > /etc/data/file; echo $?");
    launch.jail.mounts = vec![JailMount {
        source: data.clone(),
        target: "/way/data".into(),
        read_only: true,
    }];
    let (printed, _) = world.run(&launch);
    assert!(
        printed.starts_with("content") && !printed.ends_with("\n0\n"),
        "{printed}"
    );
    assert_eq!(fs::read_to_string(data.join("file")).unwrap(), "content");
    assert_eq!(world.views(), [""; 0]);
}

#[test]
fn a_file_is_mounted_from_freebsd_14_on() {
    let world = World::new();
    world.container();
    let file = world.path("file");
    fs::write(&file, "content").unwrap();
    let mut launch = world.launch("cat /etc/file");
    launch.jail.mounts = vec![JailMount {
        source: file,
        target: "/etc/file".into(),
        read_only: false,
    }];
    assert_eq!(world.run(&launch), ("content".to_owned(), 0));
    world.set_release("13.2-RELEASE");
    let reason = world.start(&launch).unwrap_err();
    assert!(
        reason.contains("FreeBSD 13.2-RELEASE cannot mount single files"),
        "{reason}"
    );
}

#[test]
fn a_further_process_joins_and_tells_its_own_status() {
    let world = World::new();
    world.container();
    let (mut first, _inputs) = world.start(&world.launch("exec sleep 100")).unwrap();
    let mut join = world.launch("echo joined; exit 7");
    join.mode = LaunchMode::Join;
    assert_eq!(world.run(&join), ("joined\n".to_owned(), 7));
    join.process.directory = Some("/etc".into());
    join.process.argv = vec!["/bin/cat".to_owned(), "passwd".to_owned()];
    let (printed, status) = world.run(&join);
    assert_eq!(status, 0, "{printed}");
    world.platform.stop_jail(&id(CONTAINER), None, GRACE).unwrap();
    assert_eq!(finish(&mut first).1, 1);
}

#[test]
fn a_process_can_have_a_terminal() {
    let world = World::new();
    world.container();
    let mut launch = world.launch("read line; echo got $line; test -t 0 && echo $TERM > /dev/tty");
    launch.process.terminal = Some(WindowSize::default());
    let (mut events, inputs) = world.start(&launch).unwrap();
    inputs.send(&Input::Stdin(b"word\n".to_vec())).unwrap();
    let (printed, status) = finish(&mut events);
    assert_eq!(status, 0, "{printed}");
    assert!(printed.ends_with("got word\nxterm\n"), "{printed}");
}

#[test]
fn a_jail_that_is_told_to_end_does_so_at_once() {
    let world = World::new();
    world.container();
    let (mut events, _inputs) = world.start(&world.launch("exec sleep 100")).unwrap();
    let began = Instant::now();
    world.platform.stop_jail(&id(CONTAINER), None, GRACE).unwrap();
    assert!(began.elapsed() < Duration::from_secs(3), "{:?}", began.elapsed());
    let (printed, _) = finish(&mut events);
    assert!(printed.contains("exited on signal 15"), "{printed}");
    assert_eq!(world.views(), [""; 0]);
    world.platform.stop_jail(&id(CONTAINER), None, GRACE).unwrap();
}

#[test]
fn one_that_does_not_listen_is_killed_within_the_time_a_client_waits() {
    let world = World::new();
    world.container();
    let script = "trap '' TERM; echo ready; while true; do sleep 1; done";
    let (mut events, _inputs) = world.start(&world.launch(script)).unwrap();
    events.next().unwrap();
    let began = Instant::now();
    world.platform.stop_jail(&id(CONTAINER), None, GRACE).unwrap();
    assert!(
        began.elapsed() >= GRACE - Duration::from_millis(200),
        "{:?}",
        began.elapsed()
    );
    assert!(began.elapsed() < PATIENCE, "{:?}", began.elapsed());
    assert_eq!(world.platform.jails().unwrap(), []);
}

#[test]
fn stop_commands_run_inside_before_anything_is_signalled_and_have_a_limit() {
    let world = World::new();
    let root = world.container();
    let mut launch = world.launch("exec sleep 100");
    launch.jail.parameters = vec![
        "exec.stop=echo stopped > /stopped".to_owned(),
        format!("exec.poststop=echo gone > {}", world.path("gone").display()),
        format!(
            "exec.release=grep -c ' {}/' /proc/mounts > {}",
            root.display(),
            world.path("released").display()
        ),
    ];
    let (_events, _inputs) = world.start(&launch).unwrap();
    world.platform.stop_jail(&id(CONTAINER), None, GRACE).unwrap();
    assert_eq!(fs::read_to_string(root.join("stopped")).unwrap(), "stopped\n");
    assert!(world.path("gone").exists());
    let mounted = fs::read_to_string(world.path("released")).unwrap();
    assert_eq!(mounted, "0\n", "nothing is mounted in it any more");

    launch.jail.parameters = vec!["exec.stop=sleep 60".to_owned()];
    let (_events, _inputs) = world.start(&launch).unwrap();
    let began = Instant::now();
    world.platform.stop_jail(&id(CONTAINER), None, GRACE).unwrap();
    assert!(began.elapsed() < PATIENCE, "{:?}", began.elapsed());
}

#[test]
fn stop_commands_and_processes_have_a_limit_that_users_may_shorten() {
    let world = World::new();
    world.container();
    let grace = Duration::from_secs(30);
    for (script, parameters) in [
        (
            "trap '' TERM; echo ready; while :; do sleep 0.1; done",
            ["stop.timeout=1", "exec.nostop"],
        ),
        (
            "echo ready; exec sleep 100",
            ["exec.stop=sleep 60", "exec.timeout=1"],
        ),
    ] {
        let mut launch = world.launch(script);
        launch.jail.parameters = parameters.map(str::to_owned).to_vec();
        let (mut events, _inputs) = world.start(&launch).unwrap();
        events.next().unwrap();
        let began = Instant::now();
        world.platform.stop_jail(&id(CONTAINER), None, grace).unwrap();
        assert!(
            began.elapsed() < Duration::from_secs(6),
            "{parameters:?}: {:?}",
            began.elapsed()
        );
    }
}

#[test]
fn a_signal_that_is_asked_for_goes_to_the_first_process_alone_after_the_stop_commands() {
    let world = World::new();
    let root = world.container();
    let script = "(trap 'echo asked >> /told' TERM QUIT; while true; do sleep 0.1; done) & \
        trap 'echo quit >> /told; exit 6' QUIT; trap 'echo term >> /told' TERM; \
        echo ready; while true; do sleep 0.1; done";
    let mut launch = world.launch(script);
    launch.jail.parameters = vec!["exec.stop=echo command >> /told".to_owned()];
    let (mut events, _inputs) = world.start(&launch).unwrap();
    events.next().unwrap();
    let quit = Some("SIGQUIT".parse().unwrap());
    world.platform.stop_jail(&id(CONTAINER), quit, GRACE).unwrap();
    assert_eq!(fs::read_to_string(root.join("told")).unwrap(), "command\nquit\n");
    assert_eq!(world.platform.jails().unwrap(), []);
}

#[test]
fn a_jail_lives_on_with_what_its_first_process_left_running() {
    let world = World::new();
    world.container();
    let launch = world.launch("sleep 100 < /dev/null > /dev/null 2>&1 & exit 0");
    let (_, status) = world.run(&launch);
    assert_eq!(status, 0);
    assert!(world.platform.jail(&id(CONTAINER)).unwrap().is_some());
    assert_eq!(world.views(), ["devfs"]);
    world.platform.stop_jail(&id(CONTAINER), None, GRACE).unwrap();
    assert_eq!(world.platform.jail(&id(CONTAINER)).unwrap(), None);
    assert_eq!(world.views(), [""; 0]);
}

#[test]
fn a_jail_of_its_own_network_takes_its_half_of_a_pair_and_the_pair_goes_at_once() {
    let world = World::new();
    world.container();
    world.apply(Op::EnsureBridge(bridge())).unwrap();
    world.apply(Op::EnsurePair(pair())).unwrap();
    let mut launch = world.launch("exec sleep 100");
    launch.jail.network = JailNetwork::Vnet {
        interfaces: vec![JailInterface {
            name: pair().jail,
            mac: pair().mac,
            addresses: vec!["10.13.37.2/24".parse().unwrap()],
        }],
        default_routes: vec!["10.13.37.1".parse().unwrap()],
    };
    let (_events, _inputs) = world.start(&launch).unwrap();
    assert!(
        world
            .tool(&format!("ifconfig {}", pair().jail))
            .contains("does not exist")
    );
    assert!(
        !world.platform.would_change(&Op::EnsurePair(pair())).unwrap(),
        "it is in its jail"
    );
    world.platform.stop_jail(&id(CONTAINER), None, GRACE).unwrap();
    let remove = Op::RemoveInterface {
        name: pair().host,
        owner: pair().owner,
    };
    world.apply(remove).unwrap();
    assert!(
        world
            .tool(&format!("ifconfig {}", pair().jail))
            .contains("does not exist")
    );
}

#[test]
fn a_running_jail_is_given_addresses_and_they_are_taken_again() {
    let world = World::new();
    world.container();
    let mut launch = world.launch("exec sleep 100");
    launch.jail.network = JailNetwork::Addresses(vec!["10.9.0.5".parse().unwrap()]);
    let (_events, _inputs) = world.start(&launch).unwrap();
    let change = |address: &str, allow: bool| {
        let (jail, address) = (id(CONTAINER), address.parse().unwrap());
        if allow {
            Op::AllowAddress { jail, address }
        } else {
            Op::DenyAddress { jail, address }
        }
    };
    assert!(!world.platform.would_change(&change("10.9.0.5", true)).unwrap());
    for op in [
        change("10.9.0.6", true),
        change("fd00::6", true),
        change("10.9.0.5", false),
        change("fd00::6", false),
    ] {
        assert!(world.platform.would_change(&op).unwrap(), "{op}");
        world.platform.apply(&op).unwrap();
        assert!(!world.platform.would_change(&op).unwrap(), "{op}");
        world.platform.apply(&op).unwrap();
    }
    assert!(
        world
            .tool(&format!("jls --libxo json -v -j {CONTAINER}"))
            .contains(r#""ipv4_addrs":["10.9.0.6"],"ipv6_addrs":[]"#)
    );
    world.platform.stop_jail(&id(CONTAINER), None, GRACE).unwrap();
    assert!(!world.platform.would_change(&change("10.9.0.6", false)).unwrap());
}
