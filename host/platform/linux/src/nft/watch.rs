//! Notices when somebody else changes our table: a flushed ruleset, a deleted table, a deleted element. A change of our
//! own is told apart by its generation, and changes of other tables are nobody's business.

use std::collections::VecDeque;
use std::sync::Arc;

use kleene_platform::{Result, Watch};

use super::Firewall;
use super::monitor::{Heard, Monitor};
use crate::failure::OrFailed;

/// How many generations of our own are remembered: as many as can be waiting to be heard of.
const REMEMBERED: usize = 1 << 14;

/// The generations that are our own changes, the oldest first.
#[derive(Debug, Default)]
pub(crate) struct Own(VecDeque<u32>);

impl Own {
    /// Remembers a change of ours that took place between two looks at the generation. If somebody else's came between
    /// them it is unknown which is which, and both count as somebody else's.
    pub(crate) fn remember(&mut self, before: u32, after: u32) {
        if after != before.wrapping_add(1) {
            return;
        }
        if self.0.len() == REMEMBERED {
            self.0.pop_front();
        }
        self.0.push_back(after);
    }

    pub(crate) fn latest(&self) -> Option<u32> {
        self.0.back().copied()
    }

    /// Whether nobody else changed anything after `seen` and up to `present`.
    fn are_all_between(&self, seen: u32, present: u32) -> bool {
        let changes = present.wrapping_sub(seen) as usize;
        let ours = self
            .0
            .iter()
            .filter(|own| own.wrapping_sub(seen) as usize <= changes);
        ours.filter(|own| **own != seen).count() == changes
    }

    /// Forgets what has been heard of, but the latest.
    fn forget_up_to(&mut self, generation: u32) {
        while self.0.len() > 1 && self.0.front().is_some_and(|own| is_up_to(*own, generation)) {
            self.0.pop_front();
        }
    }
}

/// Generations are numbers that start again.
fn is_up_to(one: u32, other: u32) -> bool {
    other.wrapping_sub(one) < u32::MAX / 2
}

/// Waits for others to change the table.
#[derive(Debug)]
pub(crate) struct FirewallWatch {
    firewall: Arc<Firewall>,
    monitor: Monitor,
    /// The latest generation that was judged.
    seen: u32,
    /// Whether what happened before the first wait was judged.
    has_begun: bool,
}

impl FirewallWatch {
    /// Listens in the network namespace of this thread, which must be the firewall's.
    pub(crate) fn open(firewall: Arc<Firewall>) -> Result<Self> {
        let action = || "listen for changes of the firewall".to_owned();
        let monitor = Monitor::open().or_failed(action)?;
        let seen = {
            let state = firewall.state();
            let present = state.generations.present().or_failed(action)?;
            state.own.latest().unwrap_or(present)
        };
        Ok(Self {
            firewall,
            monitor,
            seen,
            has_begun: false,
        })
    }

    /// Whether what was heard is a change of our table by somebody else.
    fn is_foreign(&mut self, heard: Heard) -> Result<bool> {
        let mut state = self.firewall.state();
        let (foreign, generation) = match heard {
            Heard::Transaction {
                generation,
                is_about_us,
            } => {
                // One that was judged already, together with some that were missed.
                if is_up_to(generation, self.seen) {
                    return Ok(false);
                }
                let is_own = state.own.0.contains(&generation);
                let missed_others = !state.own.are_all_between(self.seen, generation.wrapping_sub(1));
                ((is_about_us && !is_own) || missed_others, generation)
            }
            Heard::TooMuch => {
                let present = state
                    .generations
                    .present()
                    .or_failed(|| "ask for the generation of the firewall".to_owned())?;
                (!state.own.are_all_between(self.seen, present), present)
            }
        };
        self.seen = generation;
        state.own.forget_up_to(generation);
        let is_foreign = foreign && !state.ruleset.is_empty();
        state.is_suspect |= is_foreign;
        Ok(is_foreign)
    }
}

impl Watch for FirewallWatch {
    fn wait(&mut self) -> Result<()> {
        // What happened between our last change and the opening of the socket was not heard.
        if !std::mem::replace(&mut self.has_begun, true) && self.is_foreign(Heard::TooMuch)? {
            return Ok(());
        }
        loop {
            let heard = self
                .monitor
                .next()
                .or_failed(|| "hear of changes of the firewall".to_owned())?;
            if self.is_foreign(heard)? {
                return Ok(());
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn own(generations: &[u32]) -> Own {
        let mut own = Own::default();
        for &generation in generations {
            own.remember(generation.wrapping_sub(1), generation);
        }
        own
    }

    #[test]
    fn a_change_with_somebody_elses_in_between_is_not_taken_for_ours() {
        let mut own = Own::default();
        own.remember(4, 6);
        assert_eq!(own.latest(), None);
    }

    #[test]
    fn a_gap_in_what_is_ours_is_somebody_else() {
        assert!(own(&[5, 6, 7]).are_all_between(4, 7));
        assert!(own(&[5, 6, 7]).are_all_between(7, 7));
        assert!(!own(&[5, 7]).are_all_between(4, 7));
        assert!(!own(&[5, 6]).are_all_between(4, 7));
        assert!(own(&[u32::MAX, 0]).are_all_between(u32::MAX - 1, 0));
    }

    #[test]
    fn what_was_heard_of_is_forgotten_but_the_latest() {
        let mut own = own(&[5, 6, 7]);
        own.forget_up_to(6);
        assert_eq!(own.0, [7]);
        own.forget_up_to(9);
        assert_eq!(own.latest(), Some(7));
    }
}
