//! A host in memory that behaves: names clash, datasets have dependents and are busy, addresses conflict, interfaces
//! have owners, jails have processes that print and end. It can fail any chosen operation, and it can be inspected.
//!
//! It serves dry runs, the tests of plugin authors, and exhaustive fault injection:
//!
//! ```
//! use kleene_plan::Op;
//! use kleene_platform::Platform;
//! use kleene_sim::{Fault, Sim, When};
//!
//! let sim = Sim::new()?;
//! let before = sim.inventory();
//! sim.fail_nth(2, Fault::Fail(When::After));
//! sim.apply(&Op::CreateDataset("volumes/a".parse()?))?;
//! let b = Op::CreateDataset("volumes/b".parse()?);
//! assert!(sim.apply(&b).is_err());
//! assert_eq!(sim.inventory().since(&before), "+ dataset volumes/a\n+ dataset volumes/b");
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! It is never what a user's containers run on. Nothing here touches the host's network, jails or mounts; only
//! contents of datasets are real, in a temporary directory, so that an engine can write into them.

mod content;
mod fault;
mod files;
mod from_host;
mod host_datasets;
mod inventory;
mod jails;
mod message;
mod network;
mod platform;
mod program;
mod run_dir;
mod shared;
mod storage;
mod supervisor;

use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use ipnet::IpNet;
use kleene_plan::{DatasetName, HostDataset, InterfaceName, Op, Owner, Rule};
use kleene_platform::{Gateways, Listener, Result};

pub use fault::{DaemonDied, Fault, When};
pub use inventory::Inventory;
use shared::Shared;
use tempfile::TempDir;

/// A simulated host. Clones are the same host.
#[derive(Debug, Clone)]
pub struct Sim {
    shared: Arc<Shared>,
    /// The contents of datasets: gone with the last clone, whoever else still has `shared` for a moment.
    _place: Arc<TempDir>,
}

impl Sim {
    /// A host like many: a loopback interface `lo0`, and an interface `em0` with the address 192.0.2.2, through which
    /// IPv4 reaches the outside. Nothing of Kleene's.
    ///
    /// # Errors
    /// If there is no room for a temporary directory.
    pub fn new() -> std::io::Result<Self> {
        Self::new_in(std::env::temp_dir())
    }

    /// As [`Sim::new`], with the contents of datasets in a new directory below this one: for those whose threads may
    /// outlive them, and keep a clone until the program ends.
    ///
    /// # Errors
    /// If there is no room for a directory.
    pub fn new_in(parent: impl AsRef<Path>) -> std::io::Result<Self> {
        let place = tempfile::Builder::new()
            .prefix("kleene-sim-")
            .tempdir_in(parent)?;
        let shared = Arc::new(Shared::new(place.path().to_owned())?);
        Ok(Self {
            shared,
            _place: Arc::new(place),
        })
    }

    // What others do on the host

    /// An interface that is not Kleene's appears.
    pub fn plant_interface(&self, name: &InterfaceName, addresses: impl IntoIterator<Item = IpNet>) {
        self.shared.host().network.plant(name.clone(), addresses);
    }

    /// Somebody makes a dataset of the host, with one file in it: images can be made from it.
    ///
    /// # Errors
    /// If there is no room for it.
    pub fn plant_dataset(&self, dataset: &HostDataset, file: &str, text: &str) -> std::io::Result<()> {
        self.shared.host().storage.plant(dataset, file, text)
    }

    /// A process of the host listens on a port.
    pub fn plant_listener(&self, listener: Listener) {
        self.shared.host().listeners.push(listener);
    }

    /// The host gets other default routes.
    pub fn set_gateways(&self, gateways: Gateways) {
        self.shared.host().gateways = gateways;
    }

    /// Gives the host routes by way of these machines.
    pub fn set_next_hops(&self, next_hops: Vec<IpAddr>) {
        self.shared.host().next_hops = next_hops;
    }

    /// Somebody's process works in a dataset: it cannot be unmounted, renamed or destroyed until
    /// [`vacate`](Self::vacate).
    pub fn occupy(&self, dataset: &DatasetName) {
        self.shared.host().occupied.insert(dataset.clone());
    }

    /// The process that [`occupy`](Self::occupy) stands for has left the dataset.
    pub fn vacate(&self, dataset: &DatasetName) {
        self.shared.host().occupied.remove(dataset);
    }

    /// An administrator reloads the firewall: all of Kleene's rules are gone. Returns how many owners had some.
    pub fn flush_rules(&self) -> usize {
        self.shared.flush_rules()
    }

    /// Somebody deletes an interface, whoever's it is; the other half of a pair goes with it.
    pub fn remove_interface(&self, name: &InterfaceName) {
        self.shared.host().network.lose(name);
    }

    /// Power is lost and comes back: datasets are there, unmounted; jails, Kleene's interfaces and rules are gone. No
    /// process has left an exit record.
    ///
    /// # Errors
    /// If the contents of datasets cannot be moved.
    pub fn reboot_host(&self) -> Result<()> {
        self.shared.host().reboot()
    }

    // Faults

    /// The `n`th change from now on (the first is 1) goes wrong. Changes are calls of `apply`, whether they would
    /// change anything or not, of `launch` and of `stop_jail`. An earlier order that did not strike is forgotten.
    pub fn fail_nth(&self, n: u32, fault: Fault) {
        self.shared.host().faults.order(n, fault);
    }

    /// A new daemon begins: everything works again, no fault is ordered, and processes say nothing more to lines of the
    /// daemon before.
    pub fn reboot_daemon(&self) {
        let mut host = self.shared.host();
        host.faults.clear();
        host.daemons += 1;
    }

    // Inspection

    /// Operations that succeeded so far, whether they changed anything or not; with one that was applied and answered by
    /// an error.
    #[must_use]
    pub fn operations(&self) -> Vec<Op> {
        self.shared.host().operations.clone()
    }

    /// All that is on the host, but the contents of datasets.
    #[must_use]
    pub fn inventory(&self) -> Inventory {
        self.shared.host().inventory()
    }

    /// The firewall rules of an owner.
    #[must_use]
    pub fn rules(&self, owner: &Owner) -> Vec<Rule> {
        self.shared.host().network.rules(owner).to_vec()
    }

    /// Where the files of a dataset are at present, mounted or not; `None`: there is no such dataset.
    #[must_use]
    pub fn files_of(&self, dataset: &DatasetName) -> Option<PathBuf> {
        self.shared.host().storage.path(dataset)
    }
}
