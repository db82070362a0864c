//! What one container's network costs beside others: beside one that runs, and beside a thousand.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use anyhow::{Result, ensure};
use kleene_tests::{Host, Programs};

use super::requests::Connecting;
use super::{Line, RUNS, median, milliseconds, timed};

/// How many others there are in the end.
const OTHERS: usize = 1000;
/// How many of them are started at a time.
const AT_A_TIME: usize = 3;
/// The first port of the host that one of them publishes.
const FIRST_PORT: usize = 20_000;
/// All the files that a container of this has.
const PROGRAM: &str = "/bin/busybox";

/// Beside so many others.
struct Beside {
    others: usize,
    connecting: Connecting,
    run: Duration,
}

/// Measures on a host of its own.
///
/// # Errors
/// If something cannot be run.
pub fn measure(programs: &Programs) -> Result<Vec<Line>> {
    let host = Host::with(programs.clone())?;
    for line in [
        &format!("image create -t sleeper host --bin {PROGRAM}"),
        "network create -t bridge --subnet 10.1.0.0/16 lan",
        &format!("run -d --name wanderer -l ipnet -p 8080:80 sleeper {PROGRAM} sleep 1000000"),
    ] {
        host.klee(line).ok();
    }
    let mut lines = Vec::new();
    let mut running = 0;
    for wanted in [1, OTHERS] {
        let (present, refusal) = start_others(&host, running, wanted);
        running = present;
        if let Some(refusal) = refusal {
            lines.push(Line::new(
                format!("containers that run at once, then: {refusal}"),
                running.to_string(),
            ));
        }
        let beside = Beside {
            others: running,
            connecting: Connecting::measure(&host, "wanderer", "lan")?,
            run: run(&host)?,
        };
        lines.extend(beside.lines());
    }
    host.clear()?;
    Ok(lines)
}

impl Beside {
    fn lines(&self) -> [Line; 3] {
        let others = match self.others {
            1 => "1 running container".to_owned(),
            others => format!("{others} running containers"),
        };
        [
            Line::new(
                format!("connect and publish a port, beside {others}"),
                milliseconds(self.connecting.connect),
            ),
            Line::new(
                format!("disconnect, beside {others}"),
                milliseconds(self.connecting.disconnect),
            ),
            Line::new(format!("klee run -d -p, beside {others}"), milliseconds(self.run)),
        ]
    }
}

/// Starts containers with a network stack and a published port each, until `wanted` of them run. Says how many do, and why
/// not all if that is so.
fn start_others(host: &Host, running: usize, wanted: usize) -> (usize, Option<String>) {
    let (next, started) = (AtomicUsize::new(running), AtomicUsize::new(running));
    let start = || -> Option<String> {
        loop {
            let number = next.fetch_add(1, Ordering::Relaxed);
            if number >= wanted {
                return None;
            }
            let port = FIRST_PORT + number;
            let outcome = host.klee(&format!(
                "run -d --name other-{number} -l vnet -n lan -p {port}:80 sleeper {PROGRAM} sleep 1000000"
            ));
            if !outcome.succeeded() {
                return Some(outcome.stderr.trim().to_owned());
            }
            started.fetch_add(1, Ordering::Relaxed);
        }
    };
    let refusals: Vec<_> = thread::scope(|scope| {
        let threads = [(); AT_A_TIME].map(|()| scope.spawn(start));
        threads
            .into_iter()
            .filter_map(|thread| thread.join().ok().flatten())
            .collect()
    });
    (started.into_inner(), refusals.into_iter().next())
}

/// How long one more container takes to be made, connected, published and started.
fn run(host: &Host) -> Result<Duration> {
    let mut times = Vec::new();
    for _ in 0..RUNS {
        let mut command = host.klee_command(&format!(
            "run -d --name one-more -l vnet -n lan -p 8081:80 sleeper {PROGRAM} sleep 1000000"
        ));
        times.push(timed(&mut command)?);
        let removed = host.klee("container rm -f one-more");
        ensure!(removed.succeeded(), "{removed}");
    }
    Ok(median(times))
}
