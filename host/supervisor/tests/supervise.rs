//! A real supervisor process beside a real process of the host, seen from the daemon.
#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, reason = "these are tests")]

use std::ffi::OsString;
use std::fs;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use kleene_plan::{ExitStatus, JailNetwork, JailSpec, Launch, LaunchMode, ProcessSpec};
use kleene_supervisor::{
    Connection, Event, Events, Input, LogEntry, attach, exit_record, is_alive, reap, spawn,
};

struct Run {
    dir: tempfile::TempDir,
}

impl Run {
    fn new() -> Self {
        Self {
            dir: tempfile::tempdir().unwrap(),
        }
    }

    fn run_dir(&self) -> PathBuf {
        self.dir.path().join("container/exec")
    }

    fn log(&self) -> PathBuf {
        self.dir.path().join("log")
    }

    fn start(&self, script: &str) -> Connection {
        self.start_program(&["/bin/sh", "-c", script])
    }

    fn start_program(&self, argv: &[&str]) -> Connection {
        let launch = Launch {
            jail: JailSpec {
                id: "0123456789ab".parse().unwrap(),
                root: "/".into(),
                network: JailNetwork::Inherit,
                mounts: Vec::new(),
                parameters: Vec::new(),
            },
            process: ProcessSpec {
                argv: argv.iter().map(|&word| word.to_owned()).collect(),
                env: Vec::new(),
                user: String::new(),
                directory: None,
                terminal: None,
            },
            mode: LaunchMode::Start,
            log: Some(self.log()),
        };
        spawn(&[plain_supervisor()], &self.run_dir(), &launch).unwrap()
    }

    fn logged(&self) -> String {
        let text = fs::read_to_string(self.log()).unwrap();
        text.lines()
            .map(|line| serde_json::from_str::<LogEntry>(line).unwrap().data)
            .collect()
    }
}

/// The supervisor of these tests, whose jail is none.
fn plain_supervisor() -> OsString {
    env!("CARGO_BIN_EXE_plain_supervisor").into()
}

/// All events up to the end, with output joined.
fn until_end(events: &mut Events) -> (String, Option<Event>) {
    let (mut output, mut last) = (Vec::new(), None);
    while let Some(event) = events.next().unwrap() {
        match event {
            Event::Started { .. } => {}
            Event::Output(bytes) => output.extend(bytes),
            end => last = Some(end),
        }
    }
    (String::from_utf8(output).unwrap(), last)
}

fn eventually(what: &str, condition: impl Fn() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(10);
    while !condition() {
        assert!(Instant::now() < deadline, "never: {what}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

#[test]
fn output_and_exit_status_arrive_and_are_kept() {
    let run = Run::new();
    let (mut events, _inputs) = run.start("echo out; echo err >&2; exit 7").split();
    assert!(matches!(events.next().unwrap(), Some(Event::Started { .. })));
    let (output, end) = until_end(&mut events);
    assert_eq!(output, "out\nerr\n");
    assert_eq!(end, Some(Event::Exited(ExitStatus::Code(7))));
    assert_eq!(
        exit_record(&run.run_dir()).unwrap().unwrap().status,
        ExitStatus::Code(7)
    );
    assert_eq!(run.logged(), "out\nerr\n");
}

#[test]
fn when_the_end_is_told_it_is_recorded_and_the_jail_is_gone() {
    let run = Run::new();
    let (mut events, _inputs) = run.start("true").split();
    while !matches!(events.next().unwrap(), Some(Event::Exited(_))) {}
    assert!(exit_record(&run.run_dir()).unwrap().is_some());
    assert!(!run.run_dir().join("jail").exists());
}

#[test]
fn death_by_signal_is_told_as_such() {
    let run = Run::new();
    let (mut events, inputs) = run.start("exec sleep 100").split();
    inputs.send(&Input::Signal(15)).unwrap();
    assert_eq!(
        until_end(&mut events).1,
        Some(Event::Exited(ExitStatus::Signal(15)))
    );
}

#[test]
fn a_program_that_does_not_exist_is_told_with_its_name() {
    let run = Run::new();
    let (mut events, _inputs) = run.start_program(&["no-such-program"]).split();
    let Some(Event::Failed(reason)) = events.next().unwrap() else {
        panic!("it started")
    };
    assert!(
        reason.starts_with("could not find program 'no-such-program' in PATH"),
        "{reason}"
    );
    assert_eq!(exit_record(&run.run_dir()).unwrap(), None);
}

#[test]
fn input_goes_to_the_process_up_to_its_end() {
    let run = Run::new();
    let (mut events, inputs) = run.start("cat; echo end").split();
    inputs.send(&Input::Stdin(b"typed\n".to_vec())).unwrap();
    inputs.send(&Input::CloseStdin).unwrap();
    assert_eq!(until_end(&mut events).0, "typed\nend\n");
}

#[test]
fn much_output_reaches_a_slow_reader_whole() {
    let run = Run::new();
    let (mut events, _inputs) = run.start("head -c 5000000 /dev/zero | tr '\\0' x").split();
    std::thread::sleep(Duration::from_millis(300));
    assert!(
        exit_record(&run.run_dir()).unwrap().is_none(),
        "the process did not wait"
    );
    assert_eq!(until_end(&mut events).0.len(), 5_000_000);
    assert_eq!(run.logged().len(), 5_000_000);
}

#[test]
fn a_process_without_a_daemon_runs_on_and_is_recorded() {
    let run = Run::new();
    drop(run.start("sleep 0.1; head -c 5000000 /dev/zero | tr '\\0' x; exit 3"));
    eventually("an exit record", || {
        exit_record(&run.run_dir()).unwrap().is_some()
    });
    assert_eq!(
        exit_record(&run.run_dir()).unwrap().unwrap().status,
        ExitStatus::Code(3)
    );
    assert_eq!(run.logged().len(), 5_000_000);
}

#[test]
fn the_next_daemon_attaches_and_hears_only_what_is_new() {
    let run = Run::new();
    let (mut events, inputs) = run.start("echo first; cat").split();
    while events.next().unwrap() != Some(Event::Output(b"first\n".to_vec())) {}
    drop((events, inputs));
    let (mut events, inputs) = attach(&run.run_dir()).unwrap().unwrap().split();
    assert!(matches!(events.next().unwrap(), Some(Event::Started { .. })));
    inputs.send(&Input::Stdin(b"second\n".to_vec())).unwrap();
    inputs.send(&Input::CloseStdin).unwrap();
    assert_eq!(
        until_end(&mut events),
        ("second\n".to_owned(), Some(Event::Exited(ExitStatus::Code(0))))
    );
}

#[test]
fn who_attaches_takes_the_place_of_who_was_attached() {
    let run = Run::new();
    let (mut old_events, _old_inputs) = run.start("cat").split();
    let (mut events, inputs) = attach(&run.run_dir()).unwrap().unwrap().split();
    assert_eq!(until_end(&mut old_events).1, None);
    inputs.send(&Input::CloseStdin).unwrap();
    assert_eq!(until_end(&mut events).1, Some(Event::Exited(ExitStatus::Code(0))));
}

#[test]
fn a_path_longer_than_a_socket_address_can_be_attached_to() {
    let run = Run::new();
    let run_dir = run.dir.path().join("d".repeat(200)).join("exec");
    let short = run.run_dir();
    drop(run.start("sleep 100"));
    let order: Launch = serde_json::from_slice(&fs::read(short.join("launch.json")).unwrap()).unwrap();
    let (mut long_events, long_inputs) = spawn(&[plain_supervisor()], &run_dir, &order).unwrap().split();
    let (mut events, inputs) = attach(&run_dir).unwrap().unwrap().split();
    assert_eq!(until_end(&mut long_events).1, None);
    drop(long_inputs);
    inputs.send(&Input::Signal(9)).unwrap();
    assert_eq!(
        until_end(&mut events).1,
        Some(Event::Exited(ExitStatus::Signal(9)))
    );
    let (_events, inputs) = attach(&short).unwrap().unwrap().split();
    inputs.send(&Input::Signal(9)).unwrap();
    eventually("the other to end", || exit_record(&short).unwrap().is_some());
}

#[test]
fn a_supervisor_is_alive_until_its_process_ends() {
    let run = Run::new();
    let (mut events, inputs) = run.start("cat").split();
    assert!(is_alive(&run.run_dir()).unwrap());
    inputs.send(&Input::CloseStdin).unwrap();
    until_end(&mut events);
    eventually("the supervisor to end", || !is_alive(&run.run_dir()).unwrap());
    assert!(attach(&run.run_dir()).unwrap().is_none());
    reap();
}

#[test]
fn a_prompt_without_line_end_appears_in_the_log_while_the_process_waits() {
    let run = Run::new();
    let (_events, inputs) = run.start("printf 'name? '; read name").split();
    eventually("the prompt in the log", || {
        run.log().exists() && run.logged() == "name? "
    });
    inputs.send(&Input::CloseStdin).unwrap();
}

#[test]
fn a_run_directory_is_used_once() {
    let run = Run::new();
    let (mut events, _inputs) = run.start("true").split();
    until_end(&mut events);
    let order: Launch =
        serde_json::from_slice(&fs::read(run.run_dir().join("launch.json")).unwrap()).unwrap();
    let error = spawn(&[plain_supervisor()], &run.run_dir(), &order).unwrap_err();
    assert!(error.to_string().starts_with("could not create '"), "{error}");
}
