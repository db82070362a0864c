//! Runs tests one after the other, says a line about each, and puts the host back to what it was.

use std::fs;
use std::panic::{self, AssertUnwindSafe};
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, anyhow, ensure};

use crate::Arguments;
use crate::cases::Case;
use crate::daemon::last_lines;
use crate::host::Host;
use crate::site::Site;
use crate::storage::Storage;
use crate::traces::Traces;
use crate::world::{self, World};

/// The name of the test that comes last.
const AS_BEFORE: &str = "host: it is as it was before";
/// How much of the daemon's log is shown for a test that failed.
const LOG_LINES: usize = 25;

/// What became of the tests.
#[derive(Debug, Default)]
struct Report {
    passed: usize,
    failed: usize,
    skipped: usize,
}

impl Report {
    fn passed(&mut self, name: &str, took: Duration) {
        self.passed += 1;
        println!("ok       {name} ({:.2} s)", took.as_secs_f64());
    }

    fn skipped(&mut self, name: &str, reason: &str) {
        self.skipped += 1;
        println!("skipped  {name}: {reason}");
    }

    fn failed(&mut self, name: &str, reason: &str, log: &str) {
        self.failed += 1;
        println!("FAILED   {name}");
        for line in reason.lines() {
            println!("    {line}");
        }
        if !log.is_empty() {
            println!("    --- the daemon's log:");
            last_lines(log, LOG_LINES)
                .lines()
                .for_each(|line| println!("    {line}"));
        }
    }
}

/// Runs tests on this host. Whether none failed.
///
/// # Errors
/// If the tests could not begin: what is missing. The host is as it was then, too, as far as that is possible.
pub fn run(arguments: &Arguments, cases: &[Case]) -> Result<bool> {
    let mut host = Host::look(arguments.stand_ins.clone())?;
    println!(
        "kleene-e2e {} on {}",
        env!("CARGO_PKG_VERSION"),
        host.description()
    );
    // Mount tables have real paths.
    let parent = fs::canonicalize(&arguments.directory)
        .with_context(|| format!("cannot use {}", arguments.directory.display()))?;
    let directory = tempfile::Builder::new()
        .prefix("kleene-e2e-")
        .tempdir_in(parent)?
        .keep();
    let before = Traces::of(&host, &directory)?;
    println!("# before: {before}");
    ensure!(
        !before.mention_kleene(),
        "there are interfaces, rules or anchors of Kleene's on this host: remove its containers and networks first, \
         two daemons would be in each other's way"
    );
    for line in host.prepare() {
        println!("# {line}");
    }
    let host = Arc::new(host);
    let run = Run {
        host: &host,
        arguments,
        directory: &directory,
        interrupted: watch_for_interrupts()?,
    };
    let mut report = Report::default();
    let mut reasons: Vec<String> = run
        .tests(cases, &mut report)
        .err()
        .map(|error| format!("{error:#}"))
        .into_iter()
        .collect();
    let could_begin = report.passed + report.failed + report.skipped > 0;
    reasons.extend(host.restore());
    if let Err(error) = fs::remove_dir_all(&directory) {
        reasons.push(format!("{}: {error}", directory.display()));
    }
    reasons.extend(world::settled(&host, &directory, &before)?.changes_since(&before));
    ensure!(could_begin || reasons.is_empty(), "{}", reasons.join("\n"));
    if reasons.is_empty() {
        report.passed(AS_BEFORE, Duration::ZERO);
    } else {
        report.failed(AS_BEFORE, &reasons.join("\n"), "");
    }
    println!(
        "{} passed, {} failed, {} skipped",
        report.passed, report.failed, report.skipped
    );
    ensure!(
        !run.interrupted.load(Ordering::Relaxed),
        "interrupted: not every test was run"
    );
    Ok(report.failed == 0)
}

/// What a run is about.
struct Run<'a> {
    host: &'a Arc<Host>,
    arguments: &'a Arguments,
    directory: &'a Path,
    interrupted: Arc<AtomicBool>,
}

impl Run<'_> {
    /// All tests on a storage of their own, which is removed in the end.
    fn tests(&self, cases: &[Case], report: &mut Report) -> Result<()> {
        let storage = Storage::make(self.host, self.directory, self.arguments.root.as_deref())?;
        let tested = self.tests_on(&storage, cases, report);
        match (tested, storage.remove(self.host)) {
            (Err(error), Err(more)) => Err(error.context(format!("and then: {more:#}"))),
            (tested, removed) => tested.and(removed),
        }
    }

    fn tests_on(&self, storage: &Storage, cases: &[Case], report: &mut Report) -> Result<()> {
        let named = self
            .arguments
            .programs
            .as_deref()
            .zip(self.arguments.plugins.as_deref());
        let site = Site::fill(self.directory, named)?;
        let log = self.arguments.log.as_ref().map(std::path::absolute).transpose()?;
        let mut world = World::new(Arc::clone(self.host), site, storage, log)?;
        world.daemon.start()?;
        let complaint = hear_panics();
        for case in cases {
            if self.interrupted.load(Ordering::Relaxed) {
                break;
            }
            if let Some(reason) = self.host.missing(case.needs) {
                report.skipped(case.name, reason);
                continue;
            }
            let (began, logged) = (Instant::now(), world.daemon.log_length());
            match one(&mut world, case, &complaint) {
                Ok(()) => report.passed(case.name, began.elapsed()),
                Err(reason) => report.failed(case.name, &reason, &world.daemon.log_since(logged)),
            }
        }
        // What is still there goes with the storage, but for what is mounted.
        let cleared = panic::catch_unwind(AssertUnwindSafe(|| {
            world.clear()?;
            world.klee("image rm minimal");
            anyhow::Ok(())
        }));
        drop(panic::take_hook());
        let stopped = world.daemon.stop();
        cleared.unwrap_or_else(|_| Err(anyhow!(heard(&complaint))))?;
        stopped
    }
}

/// One test, and that it left nothing behind. The image that all others use is there before.
fn one(world: &mut World, case: &Case, complaint: &Mutex<String>) -> Result<(), String> {
    let told = |error: anyhow::Error| format!("{error:#}");
    if panic::catch_unwind(AssertUnwindSafe(|| world.minimal())).is_err() {
        return Err(heard(complaint));
    }
    let before = world.traces().map_err(told)?.without_settings();
    let outcome = panic::catch_unwind(AssertUnwindSafe(|| (case.run)(world)));
    let mut reasons = Vec::new();
    if outcome.is_err() {
        reasons.push(heard(complaint));
    }
    if !world.daemon.runs() {
        reasons.push("the daemon has ended".to_owned());
        world.daemon.start().map_err(told)?;
    }
    let cleared = panic::catch_unwind(AssertUnwindSafe(|| world.clear()));
    match cleared {
        Ok(cleared) => reasons.extend(cleared.err().map(told)),
        Err(_) => reasons.push(heard(complaint)),
    }
    let changes = world.settled(&before).map_err(told)?.changes_since(&before);
    if !changes.is_empty() {
        reasons.push(format!(
            "after everything was removed the host is not as it was:\n{}",
            changes.join("\n")
        ));
    }
    if reasons.is_empty() {
        Ok(())
    } else {
        Err(reasons.join("\n"))
    }
}

/// From now on panics, which is how tests fail, are kept instead of printed.
fn hear_panics() -> Arc<Mutex<String>> {
    let complaint = Arc::new(Mutex::new(String::new()));
    let heard = Arc::clone(&complaint);
    panic::set_hook(Box::new(move |panic| {
        let text = panic.payload_as_str().unwrap_or("it panicked");
        let place = panic
            .location()
            .map(|at| format!("\n({}:{})", at.file(), at.line()))
            .unwrap_or_default();
        *heard.lock().unwrap_or_else(PoisonError::into_inner) = format!("{text}{place}");
    }));
    complaint
}

fn heard(complaint: &Mutex<String>) -> String {
    std::mem::take(&mut *complaint.lock().unwrap_or_else(PoisonError::into_inner))
}

/// Set when somebody wants the run to end: the test that runs is finished, and the host put back.
fn watch_for_interrupts() -> Result<Arc<AtomicBool>> {
    let interrupted = Arc::new(AtomicBool::new(false));
    let flag = Arc::clone(&interrupted);
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    thread::spawn(move || {
        runtime.block_on(async {
            use tokio::signal::unix::{SignalKind, signal};
            let (Ok(mut interrupt), Ok(mut terminate)) =
                (signal(SignalKind::interrupt()), signal(SignalKind::terminate()))
            else {
                return;
            };
            loop {
                tokio::select! {
                    _ = interrupt.recv() => {}
                    _ = terminate.recv() => {}
                }
                eprintln!("kleene-e2e: ending; the host is put back first");
                flag.store(true, Ordering::Relaxed);
            }
        });
    });
    Ok(interrupted)
}
