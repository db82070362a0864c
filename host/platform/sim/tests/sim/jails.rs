//! Jails: their processes speak the supervisor's protocol and leave the supervisor's files.

use std::fs;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use kleene_plan::{ExitStatus, JailInterface, JailMount, JailNetwork, Launch, LaunchMode, MacAddress};
use kleene_platform::Platform;
use kleene_sim::{Fault, Sim, When};
use kleene_supervisor::{Connection, Event, Input};

use crate::fixtures::*;

const NO_GRACE: Duration = Duration::ZERO;

/// A host with a mounted container, and a place for run directories.
struct Place {
    sim: Sim,
    root: PathBuf,
    run: PathBuf,
}

fn place() -> Place {
    let sim = after(&[create("container/c"), mount("container/c")]);
    let root = sim.mountpoint(&dataset("container/c")).unwrap();
    // Beside the simulated host's own directories, so that it goes with them.
    let run = root.ancestors().nth(3).unwrap().join("run");
    Place { sim, root, run }
}

impl Place {
    fn start(&self, argv: &[&str]) -> Connection {
        self.sim
            .launch(&self.run.join("first"), &launch(&self.root, argv))
            .unwrap()
    }

    fn join(&self, argv: &[&str]) -> Connection {
        let joining = Launch {
            mode: LaunchMode::Join,
            ..launch(&self.root, argv)
        };
        self.sim.launch(&self.run.join("second"), &joining).unwrap()
    }
}

/// All that a supervisor says, to the end of the line.
fn all(connection: Connection) -> Vec<Event> {
    let (mut events, _inputs) = connection.split();
    std::iter::from_fn(|| events.next().unwrap())
        .filter(|event| !matches!(event, Event::Started { .. }))
        .collect()
}

#[test]
fn a_process_prints_and_ends_and_its_jail_with_it() {
    let place = place();
    let events = all(place.start(&["echo", "a", "b"]));
    assert_eq!(
        events,
        [
            Event::Output(b"a b\n".to_vec()),
            Event::Exited(ExitStatus::Code(0))
        ]
    );
    assert_eq!(place.sim.jails().unwrap(), []);
    let record = kleene_supervisor::exit_record(&place.run.join("first"))
        .unwrap()
        .unwrap();
    assert_eq!(record.status, ExitStatus::Code(0));
}

#[test]
fn exit_statuses_and_signals_arrive() {
    let place = place();
    assert_eq!(
        all(place.start(&["exit", "7"])),
        [Event::Exited(ExitStatus::Code(7))]
    );
    fs::remove_dir_all(&place.run).unwrap();
    assert_eq!(
        all(place.start(&["crash", "11"])),
        [Event::Exited(ExitStatus::Signal(11))]
    );
}

#[test]
fn a_program_that_does_not_exist_is_told_and_leaves_no_jail() {
    let place = place();
    let events = all(place.start(&["/bin/nginx"]));
    assert_eq!(events, [Event::Failed("'/bin/nginx' was not found".to_owned())]);
    assert_eq!(place.sim.jails().unwrap(), []);
}

#[test]
fn cat_prints_what_it_reads_until_its_input_ends() {
    let place = place();
    let (mut events, inputs) = place.start(&["cat"]).split();
    assert!(matches!(events.next().unwrap(), Some(Event::Started { .. })));
    inputs.send(&Input::Stdin(b"hello".to_vec())).unwrap();
    assert_eq!(events.next().unwrap(), Some(Event::Output(b"hello".to_vec())));
    inputs.send(&Input::CloseStdin).unwrap();
    assert_eq!(events.next().unwrap(), Some(Event::Exited(ExitStatus::Code(0))));
}

#[test]
fn a_signal_ends_a_process() {
    let place = place();
    let (mut events, inputs) = place.start(&["sleep"]).split();
    assert!(matches!(events.next().unwrap(), Some(Event::Started { .. })));
    inputs.send(&Input::Signal(15)).unwrap();
    assert_eq!(
        events.next().unwrap(),
        Some(Event::Exited(ExitStatus::Signal(15)))
    );
}

#[test]
fn the_end_of_the_first_process_kills_the_others() {
    let place = place();
    let first = place.start(&["sleep"]);
    let second = place.join(&["sleep"]);
    insta::assert_snapshot!(place.sim.inventory().since(&Sim::new().unwrap().inventory()), @r"
    + dataset container/c: mounted
    + jail cccccccccccc: no network
    + process 0 of jail cccccccccccc: sleep
    + process 1 of jail cccccccccccc: sleep
    ");
    place
        .sim
        .stop_jail(&id("cccccccccccc"), None, Duration::from_secs(10))
        .unwrap();
    assert_eq!(all(first), [Event::Exited(ExitStatus::Signal(15))]);
    assert_eq!(all(second), [Event::Exited(ExitStatus::Signal(15))]);
}

#[test]
fn a_jail_can_be_ended_by_a_signal_for_its_first_process() {
    let place = place();
    let first = place.start(&["sleep"]);
    let second = place.join(&["stubborn"]);
    place
        .sim
        .stop_jail(
            &id("cccccccccccc"),
            Some("QUIT".parse().unwrap()),
            Duration::from_secs(10),
        )
        .unwrap();
    assert_eq!(all(first), [Event::Exited(ExitStatus::Signal(3))]);
    assert_eq!(all(second), [Event::Exited(ExitStatus::Signal(9))]);
}

#[test]
fn the_end_of_another_process_leaves_the_jail_alone() {
    let place = place();
    let _first = place.start(&["sleep"]);
    assert_eq!(all(place.join(&["true"])), [Event::Exited(ExitStatus::Code(0))]);
    assert_eq!(place.sim.jails().unwrap().len(), 1);
    place.sim.stop_jail(&id("cccccccccccc"), None, NO_GRACE).unwrap();
}

#[test]
fn stopping_waits_for_the_grace_and_then_kills() {
    let place = place();
    let first = place.start(&["stubborn"]);
    let began = Instant::now();
    place
        .sim
        .stop_jail(&id("cccccccccccc"), None, Duration::from_millis(50))
        .unwrap();
    assert!(began.elapsed() >= Duration::from_millis(50));
    assert_eq!(all(first), [Event::Exited(ExitStatus::Signal(9))]);
    place.sim.stop_jail(&id("cccccccccccc"), None, NO_GRACE).unwrap();
}

#[test]
fn a_jail_starts_once_and_is_joined_only_while_it_runs() {
    let place = place();
    assert_eq!(
        all(place.join(&["true"])),
        [Event::Failed("jail cccccccccccc does not run".to_owned())]
    );
    let _first = place.start(&["sleep"]);
    let twice = place
        .sim
        .launch(&place.run.join("twice"), &launch(&place.root, &["sleep"]))
        .unwrap();
    assert_eq!(
        all(twice),
        [Event::Failed("jail cccccccccccc runs already".to_owned())]
    );
    place.sim.stop_jail(&id("cccccccccccc"), None, NO_GRACE).unwrap();
}

#[test]
fn a_running_jail_keeps_its_root_and_what_is_mounted_in_it_busy() {
    let place = place();
    for op in [create("volumes/v"), mount("volumes/v")] {
        place.sim.apply(&op).unwrap();
    }
    let mut with_volume = launch(&place.root, &["sleep"]);
    with_volume.jail.mounts.push(JailMount {
        source: place.sim.mountpoint(&dataset("volumes/v")).unwrap().join("."),
        target: "/data".into(),
        read_only: false,
    });
    let _first = place.sim.launch(&place.run.join("first"), &with_volume).unwrap();
    assert_eq!(
        refusal(&place.sim, &destroy("container/c")),
        "dataset container/c is busy: jail cccccccccccc uses it"
    );
    assert_eq!(
        refusal(&place.sim, &unmount("volumes/v")),
        "dataset volumes/v is busy: jail cccccccccccc uses it"
    );
    place.sim.stop_jail(&id("cccccccccccc"), None, NO_GRACE).unwrap();
    place.sim.apply(&destroy("container/c")).unwrap();
}

#[test]
fn a_jail_takes_its_interface_and_the_host_gets_it_back() {
    let place = place();
    for op in [bridge("kleene0", network(), &[]), pair("kv0", "kj0", "kleene0")] {
        place.sim.apply(&op).unwrap();
    }
    let wanted = |name: &str| {
        let mut launch = launch(&place.root, &["sleep"]);
        let interface = JailInterface {
            name: interface(name),
            mac: MacAddress([2, 0, 0, 0, 0, 1]),
            addresses: Vec::new(),
        };
        launch.jail.network = JailNetwork::Vnet {
            interfaces: vec![interface],
            default_routes: Vec::new(),
        };
        launch
    };
    let missing = place.sim.launch(&place.run.join("0"), &wanted("kj9")).unwrap();
    assert_eq!(
        all(missing),
        [Event::Failed("interface kj9 does not exist".to_owned())]
    );
    let before = place.sim.interfaces().unwrap();
    let _first = place.sim.launch(&place.run.join("1"), &wanted("kj0")).unwrap();
    let during = place.sim.interfaces().unwrap();
    assert!(
        !during.iter().any(|info| info.name == interface("kj0")),
        "it is in the jail"
    );
    place.sim.stop_jail(&id("cccccccccccc"), None, NO_GRACE).unwrap();
    assert_eq!(place.sim.interfaces().unwrap(), before);
}

#[test]
fn borrowed_addresses_must_be_on_the_host() {
    let place = place();
    let mut borrowing = launch(&place.root, &["true"]);
    borrowing.jail.network = JailNetwork::Addresses(vec!["10.0.0.9".parse().unwrap()]);
    let connection = place.sim.launch(&place.run.join("0"), &borrowing).unwrap();
    assert_eq!(
        all(connection),
        [Event::Failed(
            "address 10.0.0.9 is on no interface of the host".to_owned()
        )]
    );
}

#[test]
fn the_next_daemon_attaches_to_what_runs_and_reads_what_ended() {
    let place = place();
    drop(place.start(&["cat"]));
    place.sim.reboot_daemon();
    let run_dir = place.run.join("first");
    let (mut events, inputs) = kleene_supervisor::attach(&run_dir)
        .unwrap()
        .expect("it runs")
        .split();
    assert!(matches!(events.next().unwrap(), Some(Event::Started { .. })));
    inputs.send(&Input::Stdin(b"again".to_vec())).unwrap();
    assert_eq!(events.next().unwrap(), Some(Event::Output(b"again".to_vec())));
    inputs.send(&Input::CloseStdin).unwrap();
    assert_eq!(events.next().unwrap(), Some(Event::Exited(ExitStatus::Code(0))));
    assert_eq!(events.next().unwrap(), None);
    assert!(kleene_supervisor::attach(&run_dir).unwrap().is_none());
    assert!(kleene_supervisor::exit_record(&run_dir).unwrap().is_some());
}

#[test]
fn threads_of_a_dead_daemon_hear_nothing_more() {
    let place = place();
    let (mut events, _inputs) = place.start(&["sleep"]).split();
    assert!(matches!(events.next().unwrap(), Some(Event::Started { .. })));
    let (heard, hears) = std::sync::mpsc::channel();
    std::thread::spawn(move || heard.send(events.next()));
    place.sim.fail_nth(1, Fault::Die(When::Before));
    let dying = place.sim.clone();
    assert!(
        std::thread::spawn(move || dying.apply(&create("volumes/v")))
            .join()
            .is_err()
    );
    place.sim.reboot_daemon();
    place.sim.stop_jail(&id("cccccccccccc"), None, NO_GRACE).unwrap();
    assert!(hears.recv_timeout(Duration::from_millis(100)).is_err());
}

#[test]
fn what_a_process_prints_goes_to_the_log() {
    let place = place();
    let log = place.root.with_file_name("log");
    let logged = Launch {
        log: Some(log.clone()),
        ..launch(&place.root, &["echo", "hello"])
    };
    all(place.sim.launch(&place.run.join("first"), &logged).unwrap());
    let lines = fs::read_to_string(log).unwrap();
    assert!(lines.ends_with("\"data\":\"hello\\n\"}\n"), "{lines}");
}

#[test]
fn a_power_loss_leaves_neither_jail_nor_record() {
    let place = place();
    let connection = place.start(&["sleep"]);
    place.sim.reboot_host().unwrap();
    assert_eq!(all(connection), []);
    assert_eq!(place.sim.jails().unwrap(), []);
    assert_eq!(
        kleene_supervisor::exit_record(&place.run.join("first")).unwrap(),
        None
    );
}
