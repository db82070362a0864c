//! The simulated host itself, shared by every [`Sim`](crate::Sim) that is a clone of the first.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::net::IpAddr;
use std::path::PathBuf;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use kleene_plan::{DatasetName, Id, Op};
use kleene_platform::{Gateways, Listener, Result};

use crate::fault::{Faults, When};
use crate::inventory::Inventory;
use crate::jails::Jails;
use crate::network::{Network, uplink};
use crate::storage::Storage;

/// One life of the daemon, from start to death.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct DaemonLife {
    number: u64,
    is_over: bool,
}

/// The host, and who waits for something to happen on it.
#[derive(Debug)]
pub(crate) struct Shared {
    host: Mutex<Host>,
    jail_ended: Condvar,
    rules_flushed: Condvar,
}

/// All that is on the host.
#[derive(Debug)]
pub(crate) struct Host {
    pub(crate) storage: Storage,
    pub(crate) network: Network,
    pub(crate) jails: Jails,
    pub(crate) gateways: Gateways,
    pub(crate) next_hops: Vec<IpAddr>,
    pub(crate) listeners: Vec<Listener>,
    /// Datasets in which somebody's process works.
    pub(crate) occupied: BTreeSet<DatasetName>,
    pub(crate) faults: Faults,
    pub(crate) operations: Vec<Op>,
    /// How many daemons have lived on this host.
    pub(crate) daemons: u64,
    /// How often others took Kleene's rules away.
    pub(crate) flushes: u64,
}

impl Shared {
    pub(crate) fn new(place: PathBuf) -> io::Result<Self> {
        let host = Host {
            storage: Storage::new(place)?,
            network: Network::of_new_host(),
            jails: Jails::default(),
            gateways: Gateways {
                inet: Some(uplink()),
                inet6: None,
            },
            next_hops: Vec::new(),
            listeners: Vec::new(),
            occupied: BTreeSet::new(),
            faults: Faults::default(),
            operations: Vec::new(),
            daemons: 0,
            flushes: 0,
        };
        Ok(Self {
            host: Mutex::new(host),
            jail_ended: Condvar::new(),
            rules_flushed: Condvar::new(),
        })
    }

    /// The host, for this thread alone. A thread that unwound from here had changed all or nothing.
    pub(crate) fn host(&self) -> MutexGuard<'_, Host> {
        self.host.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The host, for a call that changes nothing.
    pub(crate) fn look(&self) -> Result<MutexGuard<'_, Host>> {
        let host = self.host();
        host.faults.on_call()?;
        Ok(host)
    }

    pub(crate) fn daemon_life(&self) -> DaemonLife {
        let host = self.host();
        DaemonLife {
            number: host.daemons,
            is_over: host.faults.daemon_is_dead(),
        }
    }

    pub(crate) fn process_ended(&self, jail: &Id, pid: u32) {
        let mut host = self.host();
        let Host { jails, network, .. } = &mut *host;
        if jails.leave(jail, pid, network) {
            self.jail_ended.notify_all();
        }
    }

    /// Others take Kleene's rules away.
    pub(crate) fn flush_rules(&self) -> usize {
        let mut host = self.host();
        let flushed = host.network.flush_rules();
        host.flushes += 1;
        self.rules_flushed.notify_all();
        flushed
    }

    /// Waits until rules were flushed more often than `seen`; returns how often.
    pub(crate) fn wait_for_flush(&self, seen: u64) -> u64 {
        let waited = self
            .rules_flushed
            .wait_while(self.host(), |host| host.flushes == seen);
        waited.unwrap_or_else(PoisonError::into_inner).flushes
    }

    /// Waits until a jail is gone; returns whether it is.
    pub(crate) fn wait_for_end(&self, jail: &Id, limit: Duration) -> bool {
        let until = Instant::now() + limit;
        let mut host = self.host();
        while host.jails.runs(jail) {
            let Some(left) = until
                .checked_duration_since(Instant::now())
                .filter(|left| !left.is_zero())
            else {
                return false;
            };
            let waited = self.jail_ended.wait_timeout(host, left);
            host = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
        true
    }
}

impl Host {
    pub(crate) fn would_change(&self, op: &Op) -> Result<bool> {
        // Every operation is about one of them; one that is about none would change nothing.
        self.storage
            .would_change(op)
            .or_else(|| self.jails.would_change(op))
            .or_else(|| self.network.would_change(op))
            .unwrap_or(Ok(false))
    }

    pub(crate) fn apply(&mut self, op: &Op) -> Result<()> {
        self.faults.on_call()?;
        let fault = self.faults.on_change();
        let action = op.to_string();
        self.faults.strike(fault, When::Before, &action)?;
        if self.would_change(op)? {
            self.perform(op)?;
        }
        self.operations.push(op.clone());
        self.faults.strike(fault, When::After, &action)
    }

    fn perform(&mut self, op: &Op) -> Result<()> {
        if self.jails.would_change(op).is_some() {
            return self.jails.perform(op, &self.network);
        }
        if self.storage.would_change(op).is_none() {
            return self.network.perform(op);
        }
        let in_use = match op {
            Op::DestroyDataset(name) | Op::UnmountDataset(name) | Op::RenameDataset { from: name, .. } => {
                self.in_use(name)
            }
            _ => None,
        };
        self.storage.perform(op, in_use)
    }

    /// What makes a dataset busy.
    fn in_use(&self, name: &DatasetName) -> Option<String> {
        match self.jails.user_of(&self.storage.mountpoint(name)) {
            Some(jail) => Some(format!("jail {jail} uses it")),
            None => self
                .occupied
                .contains(name)
                .then(|| "a process works in it".to_owned()),
        }
    }

    pub(crate) fn inventory(&self) -> Inventory {
        let mut lines = BTreeMap::new();
        self.storage.describe(&mut lines);
        self.network.describe(&mut lines);
        self.jails.describe(&mut lines);
        Inventory::new(lines)
    }

    /// What a power loss does: datasets stay, the rest is gone but what is not Kleene's.
    pub(crate) fn reboot(&mut self) -> Result<()> {
        self.jails = Jails::default();
        self.occupied.clear();
        self.network.reboot();
        self.storage.unmount_all()
    }
}
