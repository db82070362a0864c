//! What a process in one of our jails sees beside what it sees in a container of crun with the same root: the same
//! probe in both, compared line by line. Every difference is listed here with its reason. Needs root and crun.
#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "these are tests")]

mod support;

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::process::ExitStatusExt;
use std::path::Path;

use serde_json::{Value, json};
use support::Container;
use support::crun::{crun, crun_config};

/// Prints what can be seen, one fact a line.
const PROBE: &str = r#"
for ns in cgroup ipc mnt net pid user uts; do
    echo "namespace $ns $(readlink /proc/self/ns/$ns)"
done
while read -r id parent device root target options rest; do
    fs=${rest#*- }; echo "mount $target ${fs%% *} $options"
done </proc/self/mountinfo
grep -E '^(Cap|Seccomp:|NoNewPrivs|Sig(Blk|Ign|Cgt)|Groups|Uid|Gid|Umask)' /proc/self/status | tr '\t' ' ' |
    sed 's/^/status /'
while read -r line; do echo "limit $line"; done </proc/self/limits
for path in acpi asound interrupts kcore keys latency_stats timer_list sched_debug scsi bus fs irq sys sysrq-trigger; do
    path=/proc/$path
    if test -d $path; then echo "path $path directory of $(ls $path | wc -l)"
    elif test -c $path; then echo "path $path device $(stat -c %t:%T $path)"
    elif test -e $path; then echo "path $path file"
    fi
done
for path in /sys/firmware /sys/devices/virtual/powercap; do
    test -d $path && echo "path $path directory of $(ls $path | wc -l)"
done
for file in /proc/sys/kernel/hostname /proc/sysrq-trigger /sys/kernel/uevent_seqnum /etc/new /dev/new; do
    if (echo probe >$file) 2>/dev/null; then echo "writable $file"; else echo "protected $file"; fi
done
for node in $(find /dev | sort); do echo "device $(stat -c '%F %a %u:%g %t:%T %n' $node) $(readlink $node)"; done
echo "process $$ in session $(sed 's/.*) //' /proc/self/stat | cut -d' ' -f4) at $(pwd)"
echo "oom $(cat /proc/self/oom_score_adj)"
echo "cgroup $(grep '^0:' /proc/self/cgroup)"
echo "hostname $(hostname)"
echo "descriptors" $(ls /proc/self/fd)
for try in "mount -t tmpfs x /tmp" "unshare -m true" "mknod /tmp/disk b 8 0" "chroot / true" "hostname other"; do
    if $try 2>/dev/null; then echo "can $try"; else echo "cannot $try"; fi
done
"#;

/// What we do otherwise, and why: the beginnings of lines that only our side or only crun's has.
const INTENDED: &[(Side, &str)] = &[
    // Device nodes in images do not work, and there are no set-user-id programs because there are no new privileges.
    (Side::Ours, "mount / ext4 rw,nosuid,nodev,"),
    (Side::Theirs, "mount / ext4 rw,"),
    // No view of the cgroup hierarchy: a FreeBSD jail has none either, and mounting it costs time.
    (Side::Theirs, "mount /sys/fs/cgroup"),
    // Docker covers these, crun's own default does not.
    (Side::Ours, "mount /proc/interrupts "),
    (Side::Ours, "mount /sys/devices/virtual/powercap "),
    (Side::Ours, "path /proc/interrupts device 1:3"),
    (Side::Theirs, "path /proc/interrupts file"),
    (Side::Ours, "path /sys/devices/virtual/powercap directory of 0"),
    (Side::Theirs, "path /sys/devices/virtual/powercap directory of "),
    // A read-only view keeps the other restrictions of what it is a view of; crun drops them.
    (Side::Ours, "mount /proc/bus proc ro,nosuid,nodev,noexec,"),
    (Side::Theirs, "mount /proc/bus proc ro,"),
    (Side::Ours, "mount /proc/fs proc ro,nosuid,nodev,noexec,"),
    (Side::Theirs, "mount /proc/fs proc ro,"),
    (Side::Ours, "mount /proc/irq proc ro,nosuid,nodev,noexec,"),
    (Side::Theirs, "mount /proc/irq proc ro,"),
    (Side::Ours, "mount /proc/sys proc ro,nosuid,nodev,noexec,"),
    (Side::Theirs, "mount /proc/sys proc ro,"),
];

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Side {
    Ours,
    Theirs,
}

type Facts = BTreeSet<String>;

/// Facts of one side that the other does not have, less those of the list.
fn differences(ours: &Facts, theirs: &Facts, intended: &[(Side, &str)]) -> Vec<(Side, String)> {
    let only_ours = ours.difference(theirs).map(|line| (Side::Ours, line.clone()));
    let only_theirs = theirs.difference(ours).map(|line| (Side::Theirs, line.clone()));
    let is_intended = |(side, line): &(Side, String)| {
        intended
            .iter()
            .any(|(of, beginning)| side == of && line.starts_with(beginning))
    };
    only_ours
        .chain(only_theirs)
        .filter(|difference| !is_intended(difference))
        .collect()
}

/// Makes comparable what cannot be equal: namespaces have numbers, of which only matters whether they are the host's.
fn facts(output: &str) -> Facts {
    let comparable = |line: &str| match line.strip_prefix("namespace ") {
        Some(rest) => {
            let (kind, number) = rest.split_once(' ').unwrap();
            let host = fs::read_link(format!("/proc/self/ns/{kind}")).unwrap();
            let whose = if host.to_str() == Some(number) {
                "the host's"
            } else {
                "its own"
            };
            format!("namespace {kind} {whose}")
        }
        None => line.split_ascii_whitespace().collect::<Vec<_>>().join(" "),
    };
    let facts: Facts = output.lines().map(comparable).collect();
    assert!(facts.len() > 60, "the probe did not run to its end: {output}");
    facts
}

fn container() -> Container {
    let mut container = Container::new();
    container.directory = Some("/tmp".into());
    container.parameters = vec!["host.hostname=probe".to_owned()];
    container
}

fn our_facts(container: &Container) -> Facts {
    let outcome = container.sh(PROBE);
    assert_eq!(outcome.code(), 0, "{}", outcome.output);
    facts(&outcome.output)
}

fn crun_facts(container: &Container, config: &Value) -> Facts {
    let output = crun(container, config);
    let (stdout, stderr) = (
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr),
    );
    assert!(output.status.success(), "{stdout}{stderr}");
    facts(&stdout)
}

#[test]
fn a_process_sees_what_it_sees_under_crun() {
    let container = container();
    let config = crun_config(&container, &["sh", "-c", PROBE]);
    let differences = differences(&our_facts(&container), &crun_facts(&container, &config), INTENDED);
    assert!(differences.is_empty(), "{differences:#?}");
}

#[test]
fn every_intended_difference_is_one() {
    let container = container();
    let config = crun_config(&container, &["sh", "-c", PROBE]);
    let (ours, theirs) = (our_facts(&container), crun_facts(&container, &config));
    let all = differences(&ours, &theirs, &[]);
    for (side, beginning) in INTENDED {
        // Not every kernel has these.
        if beginning.contains("powercap") && !Path::new("/sys/devices/virtual/powercap").exists() {
            continue;
        }
        assert!(
            all.iter()
                .any(|(of, line)| of == side && line.starts_with(beginning)),
            "{side:?}: {beginning}"
        );
    }
}

#[test]
fn a_container_confined_otherwise_is_told_apart() {
    let container = container();
    let ours = our_facts(&container);
    let differs = |beginning: &str, change: &dyn Fn(&mut Value)| {
        let mut config = crun_config(&container, &["sh", "-c", PROBE]);
        change(&mut config);
        let differences = differences(&ours, &crun_facts(&container, &config), INTENDED);
        assert!(
            differences.iter().any(|(_, line)| line.starts_with(beginning)),
            "the oracle does not see a difference in '{beginning}': {differences:#?}"
        );
    };
    // One less in all sets: a program that root runs has what the bounding set leaves.
    for line in ["status CapEff", "status CapPrm", "status CapBnd"] {
        differs(line, &|config| {
            for set in config["process"]["capabilities"]
                .as_object_mut()
                .unwrap()
                .values_mut()
            {
                set.as_array_mut().unwrap().pop();
            }
        });
    }
    differs("status Seccomp", &|config| {
        config["linux"]["seccomp"] = Value::Null
    });
    differs("status NoNewPrivs", &|config| {
        config["process"]["noNewPrivileges"] = json!(false)
    });
    differs("limit Max open files", &|config| {
        config["process"]["rlimits"] = json!([])
    });
    differs("path /proc/keys", &|config| {
        config["linux"]["maskedPaths"] = json!([])
    });
    differs("protected /proc/sys/kernel/hostname", &|config| {
        config["linux"]["readonlyPaths"] = json!([])
    });
    differs("namespace net", &|config| {
        config["linux"]["namespaces"]
            .as_array_mut()
            .unwrap()
            .push(json!({"type": "network"}));
    });
    differs("protected /etc/new", &|config| {
        config["root"]["readonly"] = json!(true)
    });
    differs("mount /dev/shm", &|config| {
        config["mounts"]
            .as_array_mut()
            .unwrap()
            .retain(|mount| mount["destination"] != "/dev/shm");
    });
}

#[test]
fn exit_statuses_are_those_that_crun_gives() {
    let container = container();
    for script in [
        "true",
        "exit 7",
        "nothing-of-this-name",
        "kill -9 $$; exit 3",
        "sh -c 'kill -15 $$'",
    ] {
        let config = crun_config(&container, &["sh", "-c", script]);
        let output = crun(&container, &config);
        let theirs = output
            .status
            .code()
            .or(output.status.signal().map(|signal| 128 + signal));
        assert_eq!(Some(i32::from(container.sh(script).code())), theirs, "{script}");
    }
}
