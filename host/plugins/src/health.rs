//! Whether a plugin may be asked: after three failures in a row it rests, longer each time.

use std::time::{Duration, Instant};

/// Failures in a row that send a plugin to rest.
const TOLERATED: u32 = 3;
/// The first rest.
const FIRST_REST: Duration = Duration::from_secs(10);
/// The longest rest.
const LONGEST_REST: Duration = Duration::from_secs(3600);

/// How a plugin has been doing.
#[derive(Debug, Default)]
pub(crate) struct Health {
    failures: u32,
    rests_until: Option<Instant>,
    last: String,
}

/// Why a plugin is not asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Resting {
    pub(crate) failures: u32,
    pub(crate) rest: Duration,
    pub(crate) last: String,
}

impl Health {
    /// Whether it rests. After its rest it gets one try: another failure sends it to rest again, for twice as long.
    pub(crate) fn resting(&self, now: Instant) -> Option<Resting> {
        let until = self.rests_until.filter(|until| *until > now)?;
        Some(Resting {
            failures: self.failures,
            rest: until - now,
            last: self.last.clone(),
        })
    }

    /// It did as it was told.
    pub(crate) fn succeeded(&mut self) {
        *self = Self::default();
    }

    /// It misbehaved.
    pub(crate) fn failed(&mut self, what: String, now: Instant) {
        self.failures = self.failures.saturating_add(1);
        self.last = what;
        if let Some(rests) = self.failures.checked_sub(TOLERATED) {
            let rest = FIRST_REST.saturating_mul(1 << rests.min(16)).min(LONGEST_REST);
            self.rests_until = Some(now + rest);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn after(failures: u32, now: Instant) -> Health {
        let mut health = Health::default();
        for _ in 0..failures {
            health.failed("x".to_owned(), now);
        }
        health
    }

    #[test]
    fn the_third_failure_in_a_row_sends_to_rest() {
        let now = Instant::now();
        assert_eq!(after(2, now).resting(now), None);
        assert_eq!(
            after(3, now).resting(now).map(|resting| resting.rest),
            Some(FIRST_REST)
        );
    }

    #[test]
    fn each_rest_is_twice_as_long_and_none_longer_than_an_hour() {
        let now = Instant::now();
        let rest = |failures| after(failures, now).resting(now).map(|resting| resting.rest);
        assert_eq!(rest(4), Some(2 * FIRST_REST));
        assert_eq!(rest(5), Some(4 * FIRST_REST));
        assert_eq!(rest(u32::from(u8::MAX)), Some(LONGEST_REST));
    }

    #[test]
    fn a_rest_ends_and_a_success_forgives() {
        let now = Instant::now();
        let mut health = after(3, now);
        assert_eq!(health.resting(now + FIRST_REST), None);
        health.succeeded();
        health.failed("x".to_owned(), now);
        assert_eq!(health.resting(now), None);
    }
}
