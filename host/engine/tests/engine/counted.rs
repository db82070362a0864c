//! A platform that counts the changes which it is asked for, as the simulated host counts them, and can let a second
//! fault follow a first one.

use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use kleene_plan::{DatasetName, HostDataset, Id, Launch, Op, SnapshotName, StopSignal};
use kleene_platform::{
    DatasetInfo, Gateways, InterfaceInfo, JailInfo, Listener, Platform, Result, Usage, Watch,
};
use kleene_sim::{Fault, Sim};
use kleene_supervisor::Connection;

#[derive(Debug)]
pub struct Counted {
    sim: Sim,
    changes: AtomicU32,
    /// Strikes at the first change after an error.
    after_an_error: Mutex<Option<Fault>>,
}

impl Counted {
    pub fn new(sim: Sim) -> Self {
        Self {
            sim,
            changes: AtomicU32::new(0),
            after_an_error: Mutex::default(),
        }
    }

    /// How many changes were asked for so far.
    pub fn changes(&self) -> u32 {
        self.changes.load(Ordering::SeqCst)
    }

    /// Orders a fault for the first change after the next one that is answered by an error.
    pub fn after_an_error(&self, fault: Option<Fault>) {
        *self.after_an_error.lock().unwrap() = fault;
    }

    fn change<T>(&self, change: impl FnOnce() -> Result<T>) -> Result<T> {
        self.changes.fetch_add(1, Ordering::SeqCst);
        let result = change();
        if result.is_err()
            && let Some(fault) = self.after_an_error.lock().unwrap().take()
        {
            self.sim.fail_nth(1, fault);
        }
        result
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
        self.change(|| self.sim.apply(op))
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

    fn written(&self, snapshot: &SnapshotName) -> Result<u64> {
        self.sim.written(snapshot)
    }

    fn origin(&self, dataset: &DatasetName) -> Result<Option<SnapshotName>> {
        self.sim.origin(dataset)
    }

    fn has_host_dataset(&self, dataset: &HostDataset) -> Result<bool> {
        self.sim.has_host_dataset(dataset)
    }

    fn interfaces(&self) -> Result<Vec<InterfaceInfo>> {
        self.sim.interfaces()
    }

    fn gateways(&self) -> Result<Gateways> {
        self.sim.gateways()
    }

    fn next_hops(&self) -> Result<Vec<IpAddr>> {
        self.sim.next_hops()
    }

    fn listeners(&self) -> Result<Vec<Listener>> {
        self.sim.listeners()
    }

    fn watch(&self) -> Result<Option<Box<dyn Watch>>> {
        self.sim.watch()
    }

    fn jails(&self) -> Result<Vec<JailInfo>> {
        self.sim.jails()
    }

    fn launch(&self, run_dir: &Path, launch: &Launch) -> Result<Connection> {
        self.change(|| self.sim.launch(run_dir, launch))
    }

    fn stop_jail(&self, id: &Id, signal: Option<StopSignal>, grace: Duration) -> Result<()> {
        self.change(|| self.sim.stop_jail(id, signal, grace))
    }
}
