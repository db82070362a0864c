//! Which module does what: the platform trait, operation by operation.

use std::ffi::OsString;
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use kleene_plan::{DatasetName, HostDataset, Id, Launch, Op, SnapshotName, StopSignal};
use kleene_platform::{
    DatasetInfo, Gateways, InterfaceInfo, JailInfo, Listener, Platform, PlatformError, Result, System, Usage,
    Watch, host_signal,
};
use kleene_supervisor::Connection;

use crate::aliases::Aliases;
use crate::command::Tools;
use crate::datasets::Datasets;
use crate::failure::OrFailed;
use crate::firewall::{Firewall, FirewallWatch};
use crate::jls::{self, Jail};
use crate::network::Network;
use crate::parameters::Parameters;
use crate::{jail_change, pf, render, stop, system, update, work_lock};

/// Parameters that say which jail it is and what runs in it: those are Kleene's.
const OURS: [&str; 4] = ["name", "jid", "path", "command"];

/// Where a [`FreeBsdPlatform`] keeps things.
#[derive(Debug, Clone)]
pub struct FreeBsdConfig {
    /// The dataset that holds all others, such as `zroot/kleene`.
    pub root: String,
    /// The directory of what lasts until the next reboot, such as `/var/run/kleene`: a directory per jail, and what we
    /// remember of firewall and addresses.
    pub run_dir: PathBuf,
    /// The program that supervises a process, with its arguments, such as `/usr/local/sbin/kleened supervise`.
    pub supervisor: Vec<OsString>,
    /// The tools of the host.
    pub tools: Tools,
}

/// A FreeBSD host.
#[derive(Debug)]
pub struct FreeBsdPlatform {
    run_dir: PathBuf,
    supervisor: Vec<OsString>,
    tools: Tools,
    datasets: Datasets,
    network: Network,
    firewall: Arc<Firewall>,
}

impl FreeBsdPlatform {
    /// Looks the root dataset up and makes those that hold images, containers and volumes. Nothing else of the host is
    /// changed.
    ///
    /// # Errors
    /// If the root dataset does not exist, or a directory cannot be used.
    pub fn open(config: FreeBsdConfig) -> Result<Self> {
        let FreeBsdConfig {
            root,
            run_dir,
            supervisor,
            tools,
        } = config;
        let tools = tools.holding(work_lock::take(&run_dir)?);
        let datasets = Datasets::open(tools.clone(), &root)?;
        let aliases = Aliases::open(run_dir.join("addresses"))?;
        let firewall = Firewall::open(tools.clone(), run_dir.join("firewall"))?;
        Ok(Self {
            network: Network::new(tools.clone(), aliases),
            firewall: Arc::new(firewall),
            datasets,
            run_dir,
            supervisor,
            tools,
        })
    }
}

impl Platform for FreeBsdPlatform {
    fn name(&self) -> &'static str {
        "freebsd"
    }

    fn would_change(&self, op: &Op) -> Result<bool> {
        match op {
            Op::CreateDataset(name) => self.datasets.would_create(name, None),
            Op::CloneDataset { snapshot, dataset } => self.datasets.would_create(dataset, Some(snapshot)),
            Op::CreateSnapshot(snapshot) => Ok(!self.datasets.has_snapshot(snapshot)?),
            Op::RenameDataset { from, to } => self.datasets.would_rename(from, to),
            Op::PromoteDataset { dataset, over } => self.datasets.would_promote(dataset, over),
            Op::DestroyDataset(name) => self.datasets.has_dataset(name),
            Op::DestroySnapshot(snapshot) => self.datasets.has_snapshot(snapshot),
            Op::FromHost(op) => self.datasets.would_take_from_host(op),
            Op::MountDataset(name) => Ok(!self.datasets.is_mounted(name)?),
            Op::UnmountDataset(name) => self.datasets.is_mounted(name),
            Op::SetQuota { dataset, bytes } => self.datasets.would_limit(dataset, *bytes),
            Op::EnsureBridge(bridge) => self.network.would_change_bridge(bridge),
            Op::EnsureLoopback(loopback) => self.network.would_change_loopback(loopback),
            Op::EnsurePair(pair) => self.network.would_change_pair(pair),
            Op::RemoveInterface { name, owner } => self.network.would_remove(name, owner),
            Op::UseInterface { name, owner } => self.network.would_use(name, owner),
            Op::ReleaseInterface { name, owner } => self.network.is_used(name, owner),
            Op::EnsureAlias { interface, address } => self.network.would_add_address(interface, *address),
            Op::RemoveAlias { interface, address } => self.network.would_remove_address(interface, *address),
            Op::AllowAddress { jail, address } => {
                let addresses = self.tools.addresses_of_jail(jail)?;
                Ok(addresses.is_none_or(|addresses| !addresses.contains(address)))
            }
            Op::DenyAddress { jail, address } => {
                let addresses = self.tools.addresses_of_jail(jail)?;
                Ok(addresses.is_some_and(|addresses| addresses.contains(address)))
            }
            Op::EnsureForwarding(family) => Ok(!self.network.forwards(*family)?),
            Op::SetRules { owner, rules } => self
                .firewall
                .would_change(owner, Some(&pf::compile(owner, rules)?)),
            Op::ClearRules(owner) => self.firewall.would_change(owner, None),
        }
    }

    fn apply(&self, op: &Op) -> Result<()> {
        match op {
            Op::CreateDataset(name) => self.datasets.create(name),
            Op::CloneDataset { snapshot, dataset } => self.datasets.clone_snapshot(snapshot, dataset),
            Op::CreateSnapshot(snapshot) => self.datasets.snapshot(snapshot),
            Op::RenameDataset { from, to } => self.datasets.rename(from, to),
            Op::PromoteDataset { dataset, over } => self.datasets.promote(dataset, over),
            Op::DestroyDataset(name) => self.datasets.destroy(name),
            Op::DestroySnapshot(snapshot) => self.datasets.destroy_snapshot(snapshot),
            Op::FromHost(op) => self.datasets.take_from_host(op),
            Op::MountDataset(name) => self.datasets.mount(name),
            Op::UnmountDataset(name) => self.datasets.unmount(name),
            Op::SetQuota { dataset, bytes } => self.datasets.limit(dataset, *bytes),
            Op::EnsureBridge(bridge) => self.network.ensure_bridge(bridge),
            Op::EnsureLoopback(loopback) => self.network.ensure_loopback(loopback),
            Op::EnsurePair(pair) => self.network.ensure_pair(pair),
            Op::RemoveInterface { name, owner } => self.network.remove(name, owner),
            Op::UseInterface { name, owner } => self.network.use_interface(name, owner),
            Op::ReleaseInterface { name, owner } => self.network.release_interface(name, owner),
            Op::EnsureAlias { interface, address } => self.network.ensure_address(interface, *address),
            Op::RemoveAlias { interface, address } => self.network.remove_address(interface, *address),
            Op::AllowAddress { jail, address } => self.tools.allow_address(jail, *address),
            Op::DenyAddress { jail, address } => self.tools.deny_address(jail, *address),
            Op::EnsureForwarding(family) => self.network.forward(*family),
            Op::SetRules { owner, rules } => self.firewall.set(owner, &pf::compile(owner, rules)?),
            Op::ClearRules(owner) => self.firewall.clear(owner),
        }
    }

    fn render(&self, op: &Op) -> String {
        render::render(op, &self.datasets)
    }

    fn full_name(&self, dataset: &DatasetName) -> String {
        self.datasets.full(dataset)
    }

    fn mountpoint(&self, dataset: &DatasetName) -> Result<PathBuf> {
        Ok(self.datasets.mountpoint(dataset))
    }

    fn datasets(&self) -> Result<Vec<DatasetInfo>> {
        self.datasets.list()
    }

    fn dependents(&self, dataset: &DatasetName) -> Result<Vec<DatasetName>> {
        self.datasets.dependents(dataset)
    }

    fn usage(&self, dataset: &DatasetName) -> Result<Usage> {
        self.datasets.usage(dataset)
    }

    fn written(&self, snapshot: &SnapshotName) -> Result<u64> {
        self.datasets.written(snapshot)
    }

    fn origin(&self, dataset: &DatasetName) -> Result<Option<SnapshotName>> {
        self.datasets.origin_of(dataset)
    }

    fn has_host_dataset(&self, dataset: &HostDataset) -> Result<bool> {
        self.datasets.has_host_dataset(dataset)
    }

    fn interfaces(&self) -> Result<Vec<InterfaceInfo>> {
        self.network.interfaces()
    }

    fn gateways(&self) -> Result<Gateways> {
        self.network.gateways()
    }

    fn next_hops(&self) -> Result<Vec<IpAddr>> {
        self.network.next_hops()
    }

    fn listeners(&self) -> Result<Vec<Listener>> {
        self.network.listeners()
    }

    fn watch(&self) -> Result<Option<Box<dyn Watch>>> {
        Ok(Some(Box::new(FirewallWatch(Arc::clone(&self.firewall)))))
    }

    /// What jail(8) runs there: the process by env(1), and what configures a network of its own.
    fn programs_of_images(&self) -> &'static [&'static str] {
        &["/usr/bin/env", "/sbin/ifconfig", "/sbin/route"]
    }

    fn system(&self) -> Result<System> {
        let system = self.tools.read(&system::system(), system::parse_system);
        system.or_failed(|| "ask for the release of the host".to_owned())
    }

    fn update_base(&self, root: &Path, scratch: &Path, given_up: &dyn Fn() -> bool) -> Result<()> {
        update::update(&self.tools, root, scratch, given_up)
    }

    fn jails(&self) -> Result<Vec<JailInfo>> {
        let jails = self.tools.read(&jls::list(), jls::parse_list);
        let jails = jails.or_failed(|| "list the jails of the host".to_owned())?;
        Ok(jails.into_iter().filter_map(info).collect())
    }

    fn jail(&self, id: &Id) -> Result<Option<JailInfo>> {
        let jail = self
            .tools
            .find_jail(id)
            .or_failed(|| format!("look for jail {id}"))?;
        Ok(jail.and_then(info))
    }

    fn launch(&self, run_dir: &Path, launch: &Launch) -> Result<Connection> {
        check_parameters(&launch.jail.id, &launch.jail.parameters)?;
        kleene_supervisor::spawn(&self.supervisor, run_dir, launch)
            .or_failed(|| format!("start a supervisor for jail {}", launch.jail.id))
    }

    fn modify_jail(&self, id: &Id, parameters: &[String]) -> Result<()> {
        check_parameters(id, parameters)?;
        jail_change::modify(&self.tools, &self.run_dir, id, parameters)
    }

    fn stop_jail(&self, id: &Id, signal: Option<StopSignal>, grace: Duration) -> Result<()> {
        let signal = signal.and_then(host_signal);
        stop::stop(&self.tools, &self.run_dir, id, signal, grace).or_failed(|| format!("stop jail {id}"))
    }
}

fn check_parameters(id: &Id, parameters: &[String]) -> Result<()> {
    let given = Parameters(parameters);
    match OURS.into_iter().find(|key| given.mention(&[key])) {
        Some(key) => Err(PlatformError::NotSupported {
            what: format!("jail {id} with the parameter '{key}'"),
            reason: "Kleene sets it itself; leave it out".to_owned(),
        }),
        None => Ok(()),
    }
}

/// A jail of Kleene's: its name is a container's id.
fn info(jail: Jail) -> Option<JailInfo> {
    Some(JailInfo {
        id: jail.name.parse().ok()?,
        jid: jail.jid,
    })
}
