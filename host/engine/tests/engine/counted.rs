//! A platform that counts the changes which it is asked for, as the simulated host counts them.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use kleene_plan::{DatasetName, Id, Launch, Op};
use kleene_platform::{DatasetInfo, Gateways, InterfaceInfo, JailInfo, Listener, Platform, Result, Usage};
use kleene_sim::Sim;
use kleene_supervisor::Connection;

#[derive(Debug)]
pub struct Counted {
    sim: Sim,
    changes: AtomicU32,
}

impl Counted {
    pub fn new(sim: Sim) -> Self {
        Self {
            sim,
            changes: AtomicU32::new(0),
        }
    }

    /// How many changes were asked for so far.
    pub fn changes(&self) -> u32 {
        self.changes.load(Ordering::SeqCst)
    }

    fn count(&self) {
        self.changes.fetch_add(1, Ordering::SeqCst);
    }
}

impl Platform for Counted {
    fn name(&self) -> &'static str {
        self.sim.name()
    }

    fn would_change(&self, op: &Op) -> Result<bool> {
        self.sim.would_change(op)
    }

    fn apply(&self, op: &Op) -> Result<()> {
        self.count();
        self.sim.apply(op)
    }

    fn render(&self, op: &Op) -> String {
        self.sim.render(op)
    }

    fn full_name(&self, dataset: &DatasetName) -> String {
        self.sim.full_name(dataset)
    }

    fn mountpoint(&self, dataset: &DatasetName) -> Result<PathBuf> {
        self.sim.mountpoint(dataset)
    }

    fn datasets(&self) -> Result<Vec<DatasetInfo>> {
        self.sim.datasets()
    }

    fn dependents(&self, dataset: &DatasetName) -> Result<Vec<DatasetName>> {
        self.sim.dependents(dataset)
    }

    fn usage(&self, dataset: &DatasetName) -> Result<Usage> {
        self.sim.usage(dataset)
    }

    fn interfaces(&self) -> Result<Vec<InterfaceInfo>> {
        self.sim.interfaces()
    }

    fn gateways(&self) -> Result<Gateways> {
        self.sim.gateways()
    }

    fn listeners(&self) -> Result<Vec<Listener>> {
        self.sim.listeners()
    }

    fn jails(&self) -> Result<Vec<JailInfo>> {
        self.sim.jails()
    }

    fn launch(&self, run_dir: &Path, launch: &Launch) -> Result<Connection> {
        self.count();
        self.sim.launch(run_dir, launch)
    }

    fn stop_jail(&self, id: &Id, grace: Duration) -> Result<()> {
        self.count();
        self.sim.stop_jail(id, grace)
    }
}
