//! Waiting for what happens by itself.

use std::thread;
use std::time::{Duration, Instant};

/// How long anything may take that happens by itself, on a machine that is busy with other tests.
const PATIENCE: Duration = Duration::from_secs(10);

/// Waits until it is so; `what` is what the test waits for.
///
/// # Panics
/// If it takes longer than ten seconds.
#[track_caller]
pub fn eventually(what: &str, mut is_so: impl FnMut() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !is_so() {
        assert!(Instant::now() < deadline, "{what}: not after {PATIENCE:?}");
        thread::sleep(Duration::from_millis(20));
    }
}
