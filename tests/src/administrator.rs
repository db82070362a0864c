//! What an administrator does on a throw-away host, and sees there.

use std::process::Command;

use crate::ground::Ground;
use crate::host::Host;
use crate::outcome::Outcome;
use crate::words::words;

impl Host {
    /// Runs a program on the host.
    ///
    /// # Panics
    /// If it cannot be run at all.
    #[track_caller]
    pub fn run(&self, line: &str) -> Outcome {
        outcome(line, |program| self.sandbox().command(program))
    }

    /// Runs a program on another machine of the network that the host is in.
    ///
    /// # Panics
    /// If it cannot be run at all.
    #[track_caller]
    pub fn run_outside(&self, line: &str) -> Outcome {
        outcome(line, |program| self.sandbox().outside(program))
    }

    /// Runs a tool of the host's, as its administrator would.
    ///
    /// # Panics
    /// If it cannot be run at all.
    #[track_caller]
    pub fn tool(&self, line: &str) -> Outcome {
        let path = |tool: &str| self.ground().tool(self.sandbox(), tool);
        outcome(line, |tool| self.sandbox().command(path(tool)))
    }

    /// What the host tells of its interfaces.
    ///
    /// # Panics
    /// If it does not tell.
    #[must_use]
    #[track_caller]
    pub fn interfaces(&self) -> String {
        self.tool(match self.ground() {
            Ground::Linux => "ip -oneline link show",
            Ground::FreeBsd => "ifconfig -a",
        })
        .ok()
    }

    /// What the host tells of one interface, if it has it.
    ///
    /// # Panics
    /// If it cannot be asked.
    #[must_use]
    #[track_caller]
    pub fn interface(&self, name: &str) -> Option<String> {
        let outcome = self.tool(&match self.ground() {
            Ground::Linux => format!("ip -oneline link show {name}"),
            Ground::FreeBsd => format!("ifconfig {name}"),
        });
        outcome.succeeded().then_some(outcome.stdout)
    }

    /// Makes a bridge that is none of the daemon's.
    ///
    /// # Panics
    /// If the host does not.
    #[track_caller]
    pub fn add_bridge(&self, name: &str) {
        self.tool(&match self.ground() {
            Ground::Linux => format!("ip link add {name} type bridge"),
            Ground::FreeBsd => format!("ifconfig bridge create name {name}"),
        })
        .ok();
    }

    /// Removes an interface.
    ///
    /// # Panics
    /// If the host does not.
    #[track_caller]
    pub fn remove_interface(&self, name: &str) {
        self.tool(&match self.ground() {
            Ground::Linux => format!("ip link del {name}"),
            Ground::FreeBsd => format!("ifconfig {name} destroy"),
        })
        .ok();
    }
}

/// Runs a command of these words, which may be quoted by `'`.
#[track_caller]
fn outcome(line: &str, command: impl FnOnce(&str) -> Command) -> Outcome {
    match words(line).split_first() {
        Some((program, arguments)) => Outcome::of(line, command(program).args(arguments)),
        None => panic!("there is nothing to run"),
    }
}
