//! A daemon or a supervisor that is killed at one of its commands: tests say at which, and look at what becomes of the
//! host.

use std::fs;

use rustix::process::{Pid, Signal};
use serde::{Deserialize, Serialize};

use crate::state::{Host, changes};

/// Who runs commands. Both are the same program.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
enum Caller {
    Daemon,
    Supervisor,
}

/// Whether the command has changed the host when its caller is killed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Moment {
    Before,
    After,
}

/// When a caller is killed: at the how-manieth of its commands that change something, counted from one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Death {
    caller: Caller,
    moment: Moment,
    command: u32,
}

impl Death {
    /// `daemon:before:3`, `supervisor:after:1`; anything else is none.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let words: Vec<&str> = text.split(':').collect();
        let [caller, moment, command] = words[..] else {
            return None;
        };
        Some(Self {
            caller: match caller {
                "daemon" => Caller::Daemon,
                "supervisor" => Caller::Supervisor,
                _ => return None,
            },
            moment: match moment {
                "before" => Moment::Before,
                "after" => Moment::After,
                _ => return None,
            },
            command: command.parse().ok()?,
        })
    }
}

/// Counts a command, and says when whoever runs it is to be killed if this is the one.
pub(crate) fn drawn(host: &Host, tool: &str, words: &[&str]) -> Option<Moment> {
    if !changes(tool, words) {
        return None;
    }
    let caller = caller(rustix::process::getppid()?)?;
    host.change(|state| {
        let death = state.death.as_mut().filter(|death| death.caller == caller)?;
        death.command = death.command.saturating_sub(1);
        if death.command > 0 {
            return None;
        }
        state.death.take().map(|death| death.moment)
    })
}

/// Kills whoever runs this command.
pub(crate) fn kill_caller() {
    if let Some(caller) = rustix::process::getppid() {
        // It may have ended by itself.
        let _ = rustix::process::kill_process(caller, Signal::KILL);
    }
}

fn caller(process: Pid) -> Option<Caller> {
    let line = fs::read(format!("/proc/{process}/cmdline")).ok()?;
    let mut words = line.split(|byte| *byte == 0);
    if !words.next()?.ends_with(b"kleened") {
        return None;
    }
    Some(if words.any(|word| word == b"supervise") {
        Caller::Supervisor
    } else {
        Caller::Daemon
    })
}
