//! How long `/bin/true` takes from start to exit, beside crun on the same root. Needs root and crun.
//!
//! `cargo nextest run -p kleene-linux-jail --test speed --no-capture` shows the numbers; `--release` makes them fair.
#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, reason = "these are tests")]

mod support;

use std::time::{Duration, Instant};

use support::Container;
use support::crun::{crun, crun_config, surrounded};

const RUNS: usize = 15;

#[test]
fn a_jail_starts_and_ends_within_one_and_a_half_times_what_crun_needs() {
    let (mut ours, mut theirs, mut surroundings) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..RUNS {
        // Alternating, so that whatever else the machine does meets both alike.
        let mut container = Container::new();
        ours.push(timed(|| assert_eq!(container.run(&["/bin/true"]).code(), 0)));
        container = Container::new();
        let config = crun_config(&container, &["/bin/true"]);
        theirs.push(timed(|| assert!(crun(&container, &config).status.success())));
        surroundings.push(timed(|| assert!(surrounded(&["true"]).status.success())));
    }
    let (ours, theirs) = (median(ours), median(theirs).saturating_sub(median(surroundings)));
    println!("start to exit of /bin/true, medians of {RUNS}: {ours:?} here, {theirs:?} under crun");
    assert!(ours < theirs * 3 / 2, "{ours:?} here, {theirs:?} under crun");
}

fn timed(action: impl FnOnce()) -> Duration {
    let start = Instant::now();
    action();
    start.elapsed()
}

fn median(mut times: Vec<Duration>) -> Duration {
    times.sort_unstable();
    times[times.len() / 2]
}
