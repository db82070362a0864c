//! What a process in a jail sees, may do, and how it ends. Needs root.
#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, reason = "these are tests")]

mod support;

use std::fs;
use std::os::unix::fs::symlink;

use kleene_plan::{JailMount, WindowSize};
use kleene_supervisor::{Event, Input};
use support::Container;

#[test]
fn exit_status_and_output_are_those_of_the_process() {
    let outcome = Container::new().sh("echo out; echo err >&2; exit 7");
    assert_eq!((outcome.code(), outcome.output.as_str()), (7, "out\nerr\n"));
}

#[test]
fn the_process_is_the_first_of_its_jail_and_sees_no_other() {
    let outcome = Container::new().sh("echo $$; echo /proc/[0-9]*");
    assert_eq!(outcome.output, "1\n/proc/1\n");
}

#[test]
fn nothing_of_a_jail_is_left_when_its_end_is_told() {
    let container = Container::new();
    let outcome = container.sh("sleep 1000 & echo $$ >/tmp/x");
    assert_eq!(outcome.code(), 0);
    assert!(!container.cgroup().exists());
    assert!(!container.jail_dir().join("jail.json").exists());
    let mounts = fs::read_to_string("/proc/self/mountinfo").unwrap();
    assert!(!mounts.contains(container.dir.path().to_str().unwrap()));
}

#[test]
fn the_image_gets_no_more_than_mount_points() {
    let container = Container::new();
    assert_eq!(container.run(&["true"]).code(), 0);
    let mut names: Vec<_> = fs::read_dir(container.root())
        .unwrap()
        .map(|entry| entry.unwrap().file_name())
        .collect();
    names.sort();
    assert_eq!(names, ["bin", "dev", "etc", "home", "proc", "root", "sys", "tmp"]);
    assert_eq!(fs::read_dir(container.root().join("dev")).unwrap().count(), 0);
}

#[test]
fn the_host_name_is_the_id_unless_a_parameter_says_otherwise() {
    let mut container = Container::new();
    assert_eq!(container.run(&["hostname"]).output, format!("{}\n", container.id));
    container.parameters = vec!["host.hostname=www.example.org".to_owned()];
    assert_eq!(container.run(&["hostname"]).output, "www.example.org\n");
}

#[test]
fn a_parameter_of_freebsd_is_refused_by_name() {
    let mut container = Container::new();
    container.parameters = vec!["sysvshm=new".to_owned()];
    assert_eq!(
        container.run(&["true"]).failure(),
        "jail parameter 'sysvshm' has no meaning on Linux"
    );
    assert!(!container.cgroup().exists());
}

#[test]
fn without_devfs_there_are_no_devices() {
    let mut container = Container::new();
    container.parameters = vec!["mount.nodevfs".to_owned()];
    assert_eq!(container.sh("ls /dev").code(), 1);
}

#[test]
fn a_program_that_does_not_exist_is_named() {
    let container = Container::new();
    assert_eq!(
        container.run(&["nothing"]).failure(),
        "could not find program 'nothing' in PATH"
    );
    assert!(
        container
            .run(&["/bin/nothing"])
            .failure()
            .starts_with("could not run program '/bin/nothing': ")
    );
    assert!(!container.cgroup().exists());
}

#[test]
fn a_system_that_cannot_boot_needs_a_command() {
    let container = Container::new();
    let boot = ["/bin/sh", "/etc/rc"];
    let failure = container.run(&boot);
    assert!(
        failure.failure().ends_with("give it one, such as /bin/sh"),
        "{}",
        failure.failure()
    );
    fs::write(container.root().join("etc/rc"), "echo booted\n").unwrap();
    assert_eq!(container.run(&boot).output, "booted\n");
}

#[test]
fn a_file_that_is_no_program_is_named() {
    let container = Container::new();
    let failure = container.run(&["/etc/passwd"]);
    assert!(
        failure
            .failure()
            .starts_with("could not run program '/etc/passwd': Permission denied")
    );
}

#[test]
fn a_root_that_does_not_exist_is_named() {
    let container = Container::new();
    fs::remove_dir_all(container.root()).unwrap();
    let outcome = container.run(&["true"]);
    assert!(outcome.failure().starts_with(&format!(
        "could not make '{}' the root",
        container.root().display()
    )));
}

#[test]
fn the_environment_is_that_of_a_login_with_the_containers_on_top() {
    let mut container = Container::new();
    (container.user, container.directory) = ("anna".to_owned(), None);
    container.env = vec!["A=1".to_owned(), "SHELL=/bin/zsh".to_owned()];
    let outcome = container.run(&["env"]);
    let path = kleene_plan::DEFAULT_PATH;
    let expected = format!("HOME=/home/anna\nSHELL=/bin/zsh\nUSER=anna\nPATH={path}\nPWD=/home/anna\nA=1\n");
    assert_eq!(outcome.output, expected);
}

#[test]
fn a_user_has_its_groups_and_no_capabilities() {
    let mut container = Container::new();
    container.user = "anna".to_owned();
    let outcome = container.sh("id; grep CapEff /proc/self/status");
    let expected = "uid=1000(anna) gid=1000(anna) groups=50(staff)\nCapEff:\t0000000000000000\n";
    assert_eq!(outcome.output, expected);
}

#[test]
fn a_user_may_open_its_standard_output_again() {
    let mut container = Container::new();
    container.user = "anna".to_owned();
    assert_eq!(container.sh("echo hello >/dev/stdout").output, "hello\n");
}

#[test]
fn an_unknown_user_is_named() {
    let mut container = Container::new();
    container.user = "bob".to_owned();
    let outcome = container.run(&["true"]);
    assert_eq!(
        outcome.failure(),
        "user 'bob' does not exist in the container's /etc/passwd"
    );
}

#[test]
fn the_parameter_for_the_user_wins() {
    let mut container = Container::new();
    container.user = "root".to_owned();
    container.parameters = vec!["exec.jail_user=anna".to_owned()];
    assert_eq!(container.run(&["id", "-un"]).output, "anna\n");
}

#[test]
fn a_password_file_of_the_host_is_not_reached_by_a_link() {
    let container = Container::new();
    let outside = container.dir.path().join("passwd");
    fs::write(&outside, "mallory:x:7:7::/:/bin/sh\n").unwrap();
    fs::remove_file(container.root().join("etc/passwd")).unwrap();
    symlink(&outside, container.root().join("etc/passwd")).unwrap();
    let mut container = container;
    container.user = "mallory".to_owned();
    assert!(
        container
            .run(&["true"])
            .failure()
            .starts_with("user 'mallory' does not exist")
    );
}

#[test]
fn a_directory_that_does_not_exist_is_named_and_a_missing_home_is_not_needed() {
    let mut container = Container::new();
    container.directory = Some("/nowhere".into());
    let outcome = container.run(&["pwd"]);
    assert!(
        outcome
            .failure()
            .starts_with("could not enter directory '/nowhere' of the container: ")
    );
    fs::remove_dir(container.root().join("root")).unwrap();
    container.directory = None;
    assert_eq!(container.run(&["pwd"]).output, "/\n");
}

#[test]
fn a_mount_is_visible_and_read_only_if_it_is_to_be() {
    let mut container = Container::new();
    let source = container.dir.path().join("volume");
    fs::create_dir(&source).unwrap();
    fs::write(source.join("file"), "content\n").unwrap();
    for (target, read_only) in [("/data/rw", false), ("/data/ro", true)] {
        container.mounts.push(JailMount {
            source: source.clone(),
            target: target.into(),
            read_only,
        });
    }
    container.mounts.push(JailMount {
        source: source.join("file"),
        target: "/etc/file".into(),
        read_only: true,
    });
    let outcome = container.sh("cat /data/ro/file /etc/file; touch /data/rw/new; touch /data/ro/other");
    assert!(
        outcome.output.starts_with("content\ncontent\n"),
        "{}",
        outcome.output
    );
    assert!(
        outcome.output.contains("Read-only file system"),
        "{}",
        outcome.output
    );
    assert!(source.join("new").exists());
}

#[test]
fn a_mount_over_a_link_stays_within_the_root() {
    let mut container = Container::new();
    let (source, outside) = (
        container.dir.path().join("volume"),
        container.dir.path().join("outside"),
    );
    fs::create_dir(&source).unwrap();
    fs::create_dir(&outside).unwrap();
    fs::write(source.join("file"), "").unwrap();
    symlink(&outside, container.root().join("link")).unwrap();
    fs::create_dir_all(container.root().join(outside.strip_prefix("/").unwrap())).unwrap();
    container.mounts.push(JailMount {
        source,
        target: "/link".into(),
        read_only: false,
    });
    assert_eq!(container.run(&["ls", outside.to_str().unwrap()]).output, "file\n");
    assert_eq!(fs::read_dir(outside).unwrap().count(), 0);
}

#[test]
fn a_mount_over_a_process_link_is_refused() {
    let mut container = Container::new();
    symlink("/proc/self/fd/0/x", container.root().join("link")).unwrap();
    container.mounts.push(JailMount {
        source: "/tmp".into(),
        target: "/link".into(),
        read_only: false,
    });
    assert!(
        container
            .run(&["true"])
            .failure()
            .starts_with("could not mount '/tmp' at '/link' in the jail")
    );
}

#[test]
fn a_root_whose_proc_is_a_link_is_refused() {
    let container = Container::new();
    symlink("/tmp", container.root().join("proc")).unwrap();
    assert!(
        container
            .run(&["true"])
            .failure()
            .starts_with("could not mount '/proc' in the jail")
    );
}

#[test]
fn neither_device_nodes_nor_mounts_nor_namespaces_can_be_made() {
    let container = Container::new();
    for script in [
        "mknod /tmp/sda b 8 0",
        "mount -t tmpfs x /tmp",
        "unshare -m true",
        "umount /proc",
    ] {
        let outcome = container.sh(script);
        assert_ne!(outcome.code(), 0, "{script}");
        let denied = ["Operation not permitted", "permission denied"];
        assert!(
            denied.iter().any(|text| outcome.output.contains(text)),
            "{script}: {}",
            outcome.output
        );
    }
}

#[test]
fn a_device_node_of_the_image_does_not_work() {
    let container = Container::new();
    rustix::fs::mknodat(
        rustix::fs::CWD,
        container.root().join("null"),
        rustix::fs::FileType::CharacterDevice,
        rustix::fs::Mode::from_raw_mode(0o666),
        rustix::fs::makedev(1, 3),
    )
    .unwrap();
    assert_ne!(container.sh("echo x >/null").code(), 0);
    assert_eq!(container.sh("echo x >/dev/null").code(), 0);
}

#[test]
fn a_terminal_has_a_name_a_size_and_plain_line_ends() {
    let mut container = Container::new();
    container.terminal = Some(WindowSize { rows: 33, cols: 101 });
    let outcome = container.sh("tty; stty size; test -c /dev/console && echo console; echo $TERM");
    assert_eq!(outcome.output, "/dev/pts/0\n33 101\nconsole\nxterm\n");
}

#[test]
fn a_terminal_is_resized_and_typed_into() {
    let mut container = Container::new();
    container.terminal = Some(WindowSize::default());
    let started = container.start("echo ready; read line; stty size; echo got $line");
    started
        .inputs
        .send(&Input::Resize(WindowSize { rows: 50, cols: 132 }))
        .unwrap();
    started.inputs.send(&Input::Stdin(b"hello\n".to_vec())).unwrap();
    assert_eq!(started.end().output.trim_start(), "hello\n50 132\ngot hello\n");
}

#[test]
fn a_key_pressed_in_a_terminal_is_a_signal() {
    let mut container = Container::new();
    container.terminal = Some(WindowSize::default());
    let started = container.start("trap 'echo caught; exit 3' INT; echo ready; while :; do sleep 0.01; done");
    started.inputs.send(&Input::Stdin(b"\x03".to_vec())).unwrap();
    let outcome = started.end();
    assert_eq!(outcome.code(), 3);
    assert!(outcome.output.contains("caught"), "{}", outcome.output);
}

#[test]
fn a_signal_that_is_handled_is_delivered() {
    let container = Container::new();
    let started = container.start("trap 'exit 5' TERM; echo ready; while :; do sleep 0.01; done");
    started.inputs.send(&Input::Signal(15)).unwrap();
    assert_eq!(started.end().code(), 5);
}

#[test]
fn a_signal_that_is_not_handled_ends_the_first_process_all_the_same() {
    let container = Container::new();
    let started = container.start("echo ready; sleep 1000; true");
    started.inputs.send(&Input::Signal(15)).unwrap();
    assert_eq!(started.end().end, support::TERMINATED);
}

#[test]
fn the_jail_ends_with_its_supervisor() {
    let container = Container::new();
    let mut started = container.start("echo ready; sleep 1000; true");
    let text = fs::read_to_string(started.run_dir.join("supervisor.lock")).unwrap();
    let pid = rustix::process::Pid::from_raw(text.trim().parse().unwrap()).unwrap();
    rustix::process::kill_process(pid, rustix::process::Signal::KILL).unwrap();
    assert_eq!(started.events.next().unwrap(), None::<Event>);
    let jails = || kleene_linux_jail::jails(&container.run_root()).unwrap();
    support::eventually("the jail's end", || jails().is_empty());
    container.stop(std::time::Duration::ZERO);
    assert!(!container.cgroup().exists());
}
