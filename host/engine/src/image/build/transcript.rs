//! What a stage tells, kept until it is the stage's turn: stages run beside each other, and the log reads in the order
//! of the file.

use std::collections::VecDeque;
use std::sync::{Condvar, Mutex};

use super::event::BuildEvent;
use crate::locks::unpoisoned;

/// How many bytes of output are kept of a stage whose turn has not come.
const KEPT: usize = 1 << 20;

/// The events of one stage.
#[derive(Default)]
pub(super) struct Transcript {
    held: Mutex<Held>,
    changed: Condvar,
}

#[derive(Default)]
struct Held {
    events: VecDeque<BuildEvent>,
    /// Bytes of output among them.
    output: usize,
    /// Bytes of output that were left out since the last event that was not.
    left_out: usize,
    /// Somebody reads along.
    is_live: bool,
    has_ended: bool,
}

impl Transcript {
    /// Adds an event. Output waits for who reads along; before that, what is too much is left out, and a line says so.
    pub fn tell(&self, event: BuildEvent) {
        let mut held = unpoisoned(&self.held);
        if let BuildEvent::Output(bytes) = &event {
            while held.is_live && held.output >= KEPT {
                held = self
                    .changed
                    .wait(held)
                    .unwrap_or_else(std::sync::PoisonError::into_inner);
            }
            if held.output >= KEPT {
                held.left_out += bytes.len();
                return;
            }
            held.output += bytes.len();
        }
        held.admit_gap();
        held.events.push_back(event);
        self.changed.notify_all();
    }

    /// Nothing follows.
    pub fn end(&self) {
        let mut held = unpoisoned(&self.held);
        held.admit_gap();
        held.has_ended = true;
        self.changed.notify_all();
    }

    /// Passes everything on until the end.
    pub fn read_to_end(&self, mut tell: impl FnMut(BuildEvent)) {
        let mut held = unpoisoned(&self.held);
        held.is_live = true;
        loop {
            let events = std::mem::take(&mut held.events);
            held.output = 0;
            let has_ended = held.has_ended;
            if events.is_empty() {
                if has_ended {
                    return;
                }
                held = self
                    .changed
                    .wait(held)
                    .unwrap_or_else(std::sync::PoisonError::into_inner);
                continue;
            }
            drop(held);
            self.changed.notify_all();
            events.into_iter().for_each(&mut tell);
            held = unpoisoned(&self.held);
        }
    }
}

impl Held {
    fn admit_gap(&mut self) {
        if self.left_out > 0 {
            let line = format!(
                "\n[{} bytes of output are left out here: they came before it was this stage's turn]\n",
                self.left_out
            );
            self.left_out = 0;
            self.events.push_back(BuildEvent::Output(line.into_bytes()));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn output(length: usize) -> BuildEvent {
        BuildEvent::Output(vec![b'x'; length])
    }

    fn read(transcript: &Transcript) -> Vec<BuildEvent> {
        let mut events = Vec::new();
        transcript.read_to_end(|event| events.push(event));
        events
    }

    #[test]
    fn events_come_in_order_whether_kept_or_live() {
        let transcript = Transcript::default();
        transcript.tell(BuildEvent::Note("1".to_owned()));
        let events = std::thread::scope(|scope| {
            scope.spawn(|| {
                transcript.tell(output(1));
                transcript.tell(BuildEvent::Note("2".to_owned()));
                transcript.end();
            });
            read(&transcript)
        });
        assert_eq!(
            events,
            [
                BuildEvent::Note("1".to_owned()),
                output(1),
                BuildEvent::Note("2".to_owned())
            ]
        );
    }

    #[test]
    fn what_is_too_much_before_its_turn_is_left_out_and_told() {
        let transcript = Transcript::default();
        transcript.tell(output(KEPT));
        transcript.tell(output(700));
        transcript.tell(output(77));
        transcript.tell(BuildEvent::Error("no".to_owned().into()));
        transcript.end();
        let events = read(&transcript);
        assert_eq!(events.len(), 3);
        let BuildEvent::Output(line) = &events[1] else {
            panic!("{:?}", events[1]);
        };
        assert!(String::from_utf8_lossy(line).contains("[777 bytes of output are left out here"));
    }

    #[test]
    fn who_is_read_along_waits_and_loses_nothing() {
        let transcript = Transcript::default();
        let total = std::thread::scope(|scope| {
            scope.spawn(|| {
                // Its turn has come once the first event is read.
                transcript.tell(output(1));
                while !unpoisoned(&transcript.held).is_live {
                    std::thread::yield_now();
                }
                for _ in 0..40 {
                    transcript.tell(output(KEPT / 10));
                }
                transcript.end();
            });
            let mut total = 0;
            transcript.read_to_end(|event| {
                if let BuildEvent::Output(bytes) = event {
                    total += bytes.len();
                }
            });
            total
        });
        assert_eq!(total, 1 + 40 * (KEPT / 10));
    }
}
