//! Which module does what: the platform trait, operation by operation.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsString;
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use ipnet::IpNet;
use kleene_plan::{
    Bridge, DatasetName, FromHost, Id, InterfaceName, Launch, Loopback, Op, Owner, Rule, SnapshotName,
    StopSignal,
};
use kleene_platform::{
    DatasetInfo, Gateways, InterfaceInfo, JailInfo, Listener, Platform, PlatformError, Result, Usage, Watch,
    host_signal,
};
use kleene_supervisor::Connection;

use crate::failure::OrFailed;
use crate::layers::LayerStore;
use crate::net::{self, Network};
use crate::nft::{self, Firewall, FirewallWatch};
use crate::render;

/// Where a [`LinuxPlatform`] keeps things.
#[derive(Debug, Clone)]
pub struct LinuxConfig {
    /// The directory that holds all datasets, such as `/var/lib/kleene`; on a file system that overlayfs takes as its
    /// upper layer (ext4, xfs, btrfs, tmpfs; not overlayfs itself).
    pub root: PathBuf,
    /// The directory of what lasts until the next reboot, such as `/run/kleene`: a directory per jail, in it one per
    /// process, and what the firewall was told.
    pub run_dir: PathBuf,
    /// The program that supervises a process, with its arguments, such as `/proc/self/exe supervise`.
    pub supervisor: Vec<OsString>,
}

/// A Linux host.
#[derive(Debug)]
pub struct LinuxPlatform {
    config: LinuxConfig,
    layers: LayerStore,
    network: Network,
    firewall: Arc<Firewall>,
}

impl LinuxPlatform {
    /// Opens the layer store, and the network stack of the calling thread's network namespace. Nothing of the host is
    /// changed but that what an earlier crash left half done is finished or removed.
    ///
    /// # Errors
    /// If a directory cannot be used, another daemon uses it, or the caller is not root.
    pub fn open(config: LinuxConfig) -> Result<Self> {
        let layers = LayerStore::open(&config.root)?;
        let network = Network::open()?;
        let networks = network.networks()?.into_iter().collect();
        let firewall = Firewall::open(config.run_dir.join("firewall"), &networks)?;
        Ok(Self {
            config,
            layers,
            network,
            firewall: Arc::new(firewall),
        })
    }

    /// The addresses on which the meaning of rules depends.
    fn addresses_for(&self, rules: &[Rule]) -> Result<BTreeMap<InterfaceName, Vec<IpAddr>>> {
        nft::interfaces_of_redirections(rules)
            .into_iter()
            .map(|name| {
                let addresses = self.network.own_addresses(&name)?;
                Ok((name, addresses))
            })
            .collect()
    }

    /// # Errors
    /// [`PlatformError::NotFound`] if no jail of this name runs that shares the host's network stack.
    fn addresses_of_jail(&self, jail: &Id) -> Result<Vec<IpAddr>> {
        kleene_linux_jail::addresses(&self.config.run_dir, jail)
            .or_failed(|| format!("read the addresses of jail {jail}"))?
            .ok_or_else(|| PlatformError::NotFound {
                object: format!("a running jail {jail} with addresses of the host"),
            })
    }

    fn set_rules(&self, owner: &Owner, rules: &[Rule]) -> Result<()> {
        self.firewall.set(owner, rules, self.addresses_for(rules)?)?;
        let containers: BTreeSet<IpAddr> = rules
            .iter()
            .filter_map(|rule| {
                if let Rule::Rdr(rule) = rule {
                    Some(rule.to)
                } else {
                    None
                }
            })
            .collect();
        // After the rules: they keep packets for 127.0.0.1 from coming in once a bridge would accept them.
        self.network.open_loopback_way_to(&containers)
    }

    fn ensure_network(&self, name: &InterfaceName, owner: &Owner, addresses: &[IpNet]) -> Result<()> {
        // A stranger's interface is refused before the firewall hears of it.
        self.network.is_there(name, owner)?;
        self.firewall.add_network(name)?;
        self.network
            .ensure_bridge(name, owner, addresses)
            .inspect_err(|_| {
                if self.network.is_there(name, owner).is_ok_and(|is_there| !is_there)
                    && let Err(error) = self.firewall.remove_network(name)
                {
                    tracing::error!("after a failure: {error}");
                }
            })
    }
}

/// Datasets of the host are ZFS's.
fn no_zfs(op: &FromHost) -> PlatformError {
    PlatformError::NotSupported {
        what: op.to_string(),
        reason: "containers' files are layers of overlayfs here, not datasets of ZFS".to_owned(),
    }
}

fn no_quota() -> PlatformError {
    PlatformError::NotSupported {
        what: "a limit on the size of a dataset".to_owned(),
        reason: "the overlayfs layer store has none; put the data on a file system of its own".to_owned(),
    }
}

impl Platform for LinuxPlatform {
    fn name(&self) -> &'static str {
        "linux"
    }

    fn would_change(&self, op: &Op) -> Result<bool> {
        Ok(match op {
            Op::CreateDataset(name) => self.layers.would_create(name)?,
            Op::CloneDataset { snapshot, dataset } => self.layers.would_clone(snapshot, dataset)?,
            Op::CreateSnapshot(name) => !self.layers.has_snapshot(name),
            Op::RenameDataset { from, to } => self.layers.would_rename(from, to)?,
            Op::PromoteDataset { dataset, over } => self.layers.would_promote(dataset, over)?,
            Op::DestroyDataset(name) => self.layers.has_dataset(name),
            Op::DestroySnapshot(name) => self.layers.has_snapshot(name),
            Op::FromHost(op) => return Err(no_zfs(op)),
            Op::MountDataset(name) => !self.layers.is_mounted(name)?,
            Op::UnmountDataset(name) => self.layers.would_unmount(name)?,
            Op::SetQuota { bytes: None, .. } => false,
            Op::SetQuota { bytes: Some(_), .. } => return Err(no_quota()),
            Op::EnsureBridge(Bridge {
                name,
                owner,
                addresses,
            }) => self.network.would_change_bridge(name, owner, addresses)?,
            Op::EnsureLoopback(Loopback { name, owner }) => {
                self.network.would_change_bridge(name, owner, &[])?
            }
            Op::EnsurePair(pair) => self.network.would_change_pair(pair)?,
            Op::RemoveInterface { name, owner } => self.network.would_remove(name, owner)?,
            Op::UseInterface { name, owner } => {
                self.network.must_exist(name)?;
                self.firewall.would_use(name, owner)
            }
            Op::ReleaseInterface { name, owner } => self.firewall.is_used(name, owner),
            Op::EnsureAlias { interface, address } => self.network.would_add_address(interface, *address)?,
            Op::RemoveAlias { interface, address } => {
                self.network.would_remove_address(interface, *address)?
            }
            Op::AllowAddress { jail, address } => !self.addresses_of_jail(jail)?.contains(address),
            Op::DenyAddress { jail, address } => kleene_linux_jail::addresses(&self.config.run_dir, jail)
                .or_failed(|| format!("read the addresses of jail {jail}"))?
                .is_some_and(|addresses| addresses.contains(address)),
            Op::EnsureForwarding(family) => !net::forwarding_is_enabled(*family)?,
            Op::SetRules { owner, rules } => self
                .firewall
                .would_change(owner, Some((rules, &self.addresses_for(rules)?)))?,
            Op::ClearRules(owner) => self.firewall.would_change(owner, None)?,
        })
    }

    fn apply(&self, op: &Op) -> Result<()> {
        match op {
            Op::CreateDataset(name) => self.layers.create(name),
            Op::CloneDataset { snapshot, dataset } => self.layers.clone_snapshot(snapshot, dataset),
            Op::CreateSnapshot(name) => self.layers.snapshot(name),
            Op::RenameDataset { from, to } => self.layers.rename(from, to),
            Op::PromoteDataset { dataset, over } => self.layers.promote(dataset, over),
            Op::DestroyDataset(name) => self.layers.destroy(name),
            Op::DestroySnapshot(name) => self.layers.destroy_snapshot(name),
            Op::FromHost(op) => Err(no_zfs(op)),
            Op::MountDataset(name) => self.layers.mount(name),
            Op::UnmountDataset(name) => self.layers.unmount(name),
            Op::SetQuota { bytes: None, .. } => Ok(()),
            Op::SetQuota { bytes: Some(_), .. } => Err(no_quota()),
            Op::EnsureBridge(Bridge {
                name,
                owner,
                addresses,
            }) => self.ensure_network(name, owner, addresses),
            // A bridge without members: its addresses never leave the host, and unlike a dummy interface it needs no
            // kernel module of its own.
            Op::EnsureLoopback(Loopback { name, owner }) => self.ensure_network(name, owner, &[]),
            Op::EnsurePair(pair) => self.network.ensure_pair(pair),
            Op::RemoveInterface { name, owner } => {
                self.network.remove(name, owner)?;
                // Of halves of pairs the firewall knows nothing; of a stranger's interface neither.
                self.firewall.remove_network(name)
            }
            Op::UseInterface { name, owner } => {
                self.network.must_exist(name)?;
                self.firewall.use_interface(name, owner)
            }
            Op::ReleaseInterface { name, owner } => self.firewall.release_interface(name, owner),
            Op::EnsureAlias { interface, address } => self.network.ensure_address(interface, *address),
            Op::RemoveAlias { interface, address } => self.network.remove_address(interface, *address),
            Op::AllowAddress { jail, address } => {
                kleene_linux_jail::allow_address(&self.config.run_dir, jail, *address)
                    .or_failed(|| format!("let jail {jail} use address {address}"))
            }
            Op::DenyAddress { jail, address } => {
                kleene_linux_jail::deny_address(&self.config.run_dir, jail, *address)
                    .or_failed(|| format!("take address {address} from jail {jail}"))
            }
            Op::EnsureForwarding(family) => net::enable_forwarding(*family),
            Op::SetRules { owner, rules } => self.set_rules(owner, rules),
            Op::ClearRules(owner) => self.firewall.clear(owner),
        }
    }

    fn render(&self, op: &Op) -> String {
        render::render(op, &self.layers, |rules| {
            self.addresses_for(rules).unwrap_or_default()
        })
    }

    fn full_name(&self, dataset: &DatasetName) -> String {
        // Datasets have no name but their directory's; users see it without the leading slash, as a ZFS name.
        format!("{}/{dataset}", self.layers.root().display())
            .trim_start_matches('/')
            .to_owned()
    }

    fn mountpoint(&self, dataset: &DatasetName) -> Result<PathBuf> {
        Ok(self.layers.mountpoint(dataset))
    }

    fn datasets(&self) -> Result<Vec<DatasetInfo>> {
        self.layers.list()
    }

    fn dependents(&self, dataset: &DatasetName) -> Result<Vec<DatasetName>> {
        self.layers.dependents(dataset)
    }

    fn usage(&self, dataset: &DatasetName) -> Result<Usage> {
        self.layers.usage(dataset)
    }

    fn written(&self, snapshot: &SnapshotName) -> Result<u64> {
        self.layers.written(snapshot)
    }

    fn origin(&self, dataset: &DatasetName) -> Result<Option<SnapshotName>> {
        self.layers.origin(dataset)
    }

    fn interfaces(&self) -> Result<Vec<InterfaceInfo>> {
        self.network.interfaces()
    }

    fn has_interface(&self, name: &InterfaceName) -> Result<bool> {
        self.network.exists(name)
    }

    fn addresses_of(&self, name: &InterfaceName) -> Result<Vec<IpAddr>> {
        self.network.addresses(name)
    }

    fn has_address(&self, address: IpAddr) -> Result<bool> {
        self.network.is_local(address)
    }

    fn gateways(&self) -> Result<Gateways> {
        self.network.gateways()
    }

    fn next_hops(&self) -> Result<Vec<IpAddr>> {
        self.network.next_hops()
    }

    fn listeners(&self) -> Result<Vec<Listener>> {
        net::listeners()
    }

    fn watch(&self) -> Result<Option<Box<dyn Watch>>> {
        Ok(Some(Box::new(FirewallWatch::open(Arc::clone(&self.firewall))?)))
    }

    fn jails(&self) -> Result<Vec<JailInfo>> {
        let jails = kleene_linux_jail::jails(&self.config.run_dir)
            .or_failed(|| format!("find the jails of {}", self.config.run_dir.display()))?;
        jails.into_iter().map(|(id, pid)| jail_info(id, pid)).collect()
    }

    fn jail(&self, id: &Id) -> Result<Option<JailInfo>> {
        let pid =
            kleene_linux_jail::jail(&self.config.run_dir, id).or_failed(|| format!("find jail {id}"))?;
        pid.map(|pid| jail_info(id.clone(), pid)).transpose()
    }

    fn loopback(&self) -> Option<InterfaceName> {
        "lo".parse().ok()
    }

    fn launch(&self, run_dir: &Path, launch: &Launch) -> Result<Connection> {
        check_parameters(&launch.jail.id, &launch.jail.parameters)?;
        kleene_supervisor::spawn(&self.config.supervisor, run_dir, launch)
            .or_failed(|| format!("start a supervisor for jail {}", launch.jail.id))
    }

    fn modify_jail(&self, id: &Id, parameters: &[String]) -> Result<()> {
        check_parameters(id, parameters)
    }

    fn stop_jail(&self, id: &Id, signal: Option<StopSignal>, grace: Duration) -> Result<()> {
        let signal = signal.and_then(host_signal);
        kleene_linux_jail::stop(&self.config.run_dir, id, signal, grace)
            .or_failed(|| format!("stop jail {id}"))
    }
}

fn check_parameters(id: &Id, parameters: &[String]) -> Result<()> {
    kleene_linux_jail::check_parameters(parameters).map_err(|error| PlatformError::NotSupported {
        what: format!("jail {id}"),
        reason: error.to_string(),
    })
}

fn jail_info(id: Id, pid: u32) -> Result<JailInfo> {
    let jid = pid
        .try_into()
        .or_failed(|| format!("take {pid} of jail {id} for a process id"))?;
    Ok(JailInfo { id, jid })
}
