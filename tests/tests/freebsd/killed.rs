//! A daemon that is killed at a command, at each in turn that a job of a user's makes it run, before the tool has done
//! anything and after it has done everything: the next daemon leaves whole objects or none, and nothing else on the host.
//! The same with supervisors, whose daemon lives on.

use std::thread;
use std::time::{Duration, Instant};

use kleene_tests::{Outcome, Traces, write};
use serde_json::Value;

use crate::host::FreeBsdHost;

/// How long it takes at most until the host is in order again.
const PATIENCE: Duration = Duration::from_secs(5);

/// What a user does.
#[derive(Clone, Copy)]
struct Job {
    /// `klee` with these words first.
    given: &'static [&'static str],
    /// And then with these, in whose midst somebody is killed.
    when: &'static [&'static str],
}

/// Who is killed.
#[derive(Clone, Copy, PartialEq)]
enum Victim {
    Daemon,
    Supervisor,
}

/// What is done then with the objects that are there. What is used is also made anew, so that what was left behind could
/// go unseen.
#[derive(Clone, Copy, PartialEq)]
enum Then {
    Use,
    Remove,
}

impl Job {
    /// Does it once for each command and moment.
    #[track_caller]
    fn ends_well_without(self, victim: Victim) {
        let mut host = FreeBsdHost::with_minimal_image();
        write(host.directory("context").join("Dockerfile"), DOCKERFILE);
        let before = state(&host);
        for moment in ["before", "after"] {
            for then in [Then::Use, Then::Remove] {
                let mut command = 1;
                while self.is_cut_short(victim, &format!("{moment}:{command}"), then, &mut host) {
                    assert_eq!(
                        settled(&host, &before),
                        before,
                        "killed {moment} command {command}"
                    );
                    command += 1;
                }
                println!("killed {moment} each of {} commands", command - 1);
                assert!(command > 1, "the job changes nothing");
            }
        }
    }

    /// Whether there is a command at which the victim is to be killed.
    #[track_caller]
    fn is_cut_short(self, victim: Victim, at: &str, then: Then, host: &mut FreeBsdHost) -> bool {
        for line in self.given {
            host.klee(line).ok();
        }
        let who = match victim {
            Victim::Daemon => "daemon",
            Victim::Supervisor => "supervisor",
        };
        host.tool(&format!("sysctl fake.death={who}:{at}")).ok();
        let outcomes = self.when.iter().map(|line| host.klee(line));
        let outcomes: Vec<Outcome> = outcomes.collect();
        let is_killed = host.tool("sysctl fake.death").ok() == "None\n";
        if !is_killed {
            host.tool("sysctl fake.death=none").ok();
            for outcome in outcomes {
                outcome.ok();
            }
        } else if victim == Victim::Daemon {
            host.await_daemon_end().unwrap();
            host.start_daemon().unwrap();
        }
        if then == Then::Use {
            use_all(host);
        }
        remove_all(host);
        is_killed
    }
}

/// All objects, and everything on the host but processes, among which is the daemon.
type State = (Vec<Vec<Value>>, Traces);

fn state(host: &FreeBsdHost) -> State {
    let (objects, traces) = host.state();
    (objects, traces.without("processes"))
}

/// The state as soon as it is the expected one, or what it is after a while: what a supervisor leaves is put in order
/// beside requests.
fn settled(host: &FreeBsdHost, expected: &State) -> State {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let present = state(host);
        if present == *expected || Instant::now() > deadline {
            return present;
        }
        thread::sleep(Duration::from_millis(20));
    }
}

fn name(object: &Value) -> &str {
    object["name"].as_str().unwrap()
}

/// Every object does what it is for.
#[track_caller]
fn use_all(host: &FreeBsdHost) {
    for container in host.list("container") {
        let name = name(&container);
        // It may run already.
        let _ = host.klee(&format!("stop {name}"));
        host.klee(&format!("start -d {name}")).ok();
    }
    for network in host.list("network") {
        let driver = if network["type"] == "bridge" {
            "vnet"
        } else {
            "ipnet"
        };
        host.klee(&format!(
            "run -l {driver} -n {} minimal /bin/true",
            name(&network)
        ))
        .ok();
    }
    for volume in host.list("volume") {
        host.klee(&format!("run -m {}:/data minimal /bin/true", name(&volume)))
            .ok();
    }
    for image in host.list("image") {
        host.klee(&format!("run {} /bin/true", image["id"].as_str().unwrap()))
            .ok();
    }
}

/// Only the image that was there before stays. Unlike [`Host::clear`](kleene_tests::Host::clear) it asks once: what a
/// death left may not be in the way of anything.
#[track_caller]
fn remove_all(host: &FreeBsdHost) {
    for container in host.list("container") {
        host.klee(&format!("rmc -f {}", name(&container))).ok();
    }
    for image in host.list("image").iter().filter(|image| name(image) != "minimal") {
        host.klee(&format!("rmi {}", image["id"].as_str().unwrap())).ok();
    }
    for network in host.list("network") {
        host.klee(&format!("rmn {}", name(&network))).ok();
    }
    for volume in host.list("volume") {
        host.klee(&format!("rmv {}", name(&volume))).ok();
    }
}

const DOCKERFILE: &str = "FROM minimal\nCOPY Dockerfile /copied\nRUN /bin/busybox touch /made\nENV A=1\n";
const BRIDGE: &str = "network create -t bridge --subnet 10.13.37.0/24 --subnet6 fd00:13::/64 lan";
const LOOPBACK: &str = "network create -t loopback --subnet 10.13.38.0/24 local";
const WEB: &str = "run -d --name web -l vnet -n lan -p 8080:80 minimal /bin/busybox sleep 1000";
const OTHER: &str = "run -d --name other -l ipnet -n local minimal /bin/busybox sleep 1000";

#[test]
fn while_it_makes_networks() {
    Job {
        given: &[],
        when: &[BRIDGE, LOOPBACK],
    }
    .ends_well_without(Victim::Daemon);
}

#[test]
fn while_it_removes_networks() {
    Job {
        given: &[BRIDGE, LOOPBACK],
        when: &["rmn lan", "rmn local"],
    }
    .ends_well_without(Victim::Daemon);
}

#[test]
fn while_it_starts_a_container_with_an_interface() {
    Job {
        given: &[BRIDGE, "volume create data"],
        when: &["run -d --name web -l vnet -n lan -p 8080:80 -m data:/data minimal /bin/busybox sleep 1000"],
    }
    .ends_well_without(Victim::Daemon);
}

#[test]
fn while_it_starts_a_container_with_an_address() {
    Job {
        given: &[LOOPBACK],
        when: &[OTHER],
    }
    .ends_well_without(Victim::Daemon);
}

#[test]
fn while_it_stops_a_container_with_an_interface() {
    Job {
        given: &[BRIDGE, WEB],
        when: &["stop web"],
    }
    .ends_well_without(Victim::Daemon);
}

#[test]
fn while_it_removes_a_running_container() {
    Job {
        given: &[LOOPBACK, OTHER],
        when: &["rmc -f other"],
    }
    .ends_well_without(Victim::Daemon);
}

#[test]
fn while_it_restarts_a_container() {
    Job {
        given: &["run -d --name sleeper -m scratch:/data minimal /bin/busybox sleep 1000"],
        when: &["restart sleeper"],
    }
    .ends_well_without(Victim::Daemon);
}

#[test]
fn while_it_connects_and_disconnects() {
    Job {
        given: &[
            LOOPBACK,
            "create --name other -l ipnet minimal /bin/busybox sleep 1000",
        ],
        when: &[
            "network connect local other",
            "start -d other",
            "stop other",
            "network disconnect local other",
        ],
    }
    .ends_well_without(Victim::Daemon);
}

#[test]
fn while_it_builds_an_image() {
    Job {
        given: &[],
        when: &["build -t built context"],
    }
    .ends_well_without(Victim::Daemon);
}

#[test]
fn while_it_makes_and_removes_images_and_volumes() {
    Job {
        given: &[],
        when: &[
            "image create -t made host --bin /bin/sh --bin /bin/true",
            "volume create data",
            "rmi made",
            "rmv data",
        ],
    }
    .ends_well_without(Victim::Daemon);
}

#[test]
fn while_a_container_becomes_an_image() {
    Job {
        given: &["create --name base minimal /bin/true"],
        when: &["commit base committed"],
    }
    .ends_well_without(Victim::Daemon);
}

#[test]
fn while_it_prunes() {
    Job {
        given: &[
            LOOPBACK,
            "create --name old -l ipnet -n local minimal /bin/true",
            "volume create data",
        ],
        when: &[
            "container prune -f",
            "image prune -f",
            "network prune -f",
            "volume prune -f",
        ],
    }
    .ends_well_without(Victim::Daemon);
}

#[test]
fn while_a_supervisor_starts_a_container() {
    Job {
        given: &[BRIDGE, "volume create data"],
        when: &["run -d --name web -l vnet -n lan -m data:/data minimal /bin/busybox sleep 1000"],
    }
    .ends_well_without(Victim::Supervisor);
}

#[test]
fn while_a_supervisor_sees_a_container_end() {
    Job {
        given: &[BRIDGE],
        when: &["run --name web -l vnet -n lan -m data:/data minimal /bin/busybox sleep 0.1"],
    }
    .ends_well_without(Victim::Supervisor);
}

#[test]
fn while_a_supervisor_builds() {
    Job {
        given: &[],
        when: &["build -t built context"],
    }
    .ends_well_without(Victim::Supervisor);
}
