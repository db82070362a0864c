//! What Kleene asks of an operating system: one trait, with an implementation per platform beside it.
//!
//! The trait is blocking: its callers are transactions, which run on threads of their own. It deals in single
//! operations and plain facts; what they are for is the engine's business.

#![cfg_attr(test, allow(clippy::unwrap_used, reason = "a panic is how a test fails"))]

mod bound;
mod error;
mod facts;
mod signal;
mod watch;

use std::fmt::Debug;
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

pub use bound::end_with_starter;
pub use error::PlatformError;
pub use facts::{DatasetInfo, Gateways, InterfaceInfo, JailInfo, Listener, System, Usage};
use kleene_plan::{DatasetName, HostDataset, Id, InterfaceName, Launch, Op, SnapshotName, StopSignal};
use kleene_supervisor::Connection;
pub use signal::host_signal;
pub use watch::Watch;

/// The result of what a platform does.
pub type Result<T> = std::result::Result<T, PlatformError>;

/// A host.
pub trait Platform: Debug + Send + Sync {
    /// `linux`, `freebsd` or `sim`.
    fn name(&self) -> &'static str;

    // Operations

    /// Whether [`apply`](Self::apply) would change anything: the journal records an undo only if it would. Reads
    /// and nothing more.
    ///
    /// # Errors
    /// [`PlatformError::Conflict`] where something exists under the name that is not ours, as `apply` would say.
    fn would_change(&self, op: &Op) -> Result<bool>;

    /// Makes it so. What is so already stays untouched; what is to be absent and is so already is a success.
    ///
    /// # Errors
    /// By kind: what is in the way, and what the host's tools said.
    fn apply(&self, op: &Op) -> Result<()>;

    /// The operation as the commands or the ruleset text an administrator of this host would write; for dry runs.
    fn render(&self, op: &Op) -> String;

    // Storage

    /// The full name of a dataset as users see it: Kleene's root, `/`, and the name.
    fn full_name(&self, dataset: &DatasetName) -> String;

    /// Where a dataset is mounted, or will be.
    ///
    /// # Errors
    /// If the platform must ask and gets no answer.
    fn mountpoint(&self, dataset: &DatasetName) -> Result<PathBuf>;

    /// Every dataset below Kleene's root, with its snapshots. Costs a scan: never on a read path.
    ///
    /// # Errors
    /// If the storage cannot be read.
    fn datasets(&self) -> Result<Vec<DatasetInfo>>;

    /// Datasets that are clones of any snapshot of this one, directly or through others.
    ///
    /// # Errors
    /// [`PlatformError::NotFound`] if there is no such dataset.
    fn dependents(&self, dataset: &DatasetName) -> Result<Vec<DatasetName>>;

    /// How much a dataset holds.
    ///
    /// # Errors
    /// [`PlatformError::NotFound`] if there is no such dataset.
    fn usage(&self, dataset: &DatasetName) -> Result<Usage>;

    /// Bytes that a snapshot has and the one before it in its dataset has not; of the first, what the dataset has and
    /// its origin has not.
    ///
    /// # Errors
    /// [`PlatformError::NotFound`] if there is no such snapshot.
    fn written(&self, snapshot: &SnapshotName) -> Result<u64>;

    /// The snapshot that a dataset is a clone of.
    ///
    /// # Errors
    /// [`PlatformError::NotFound`] if there is no such dataset.
    fn origin(&self, dataset: &DatasetName) -> Result<Option<SnapshotName>>;

    /// Whether the host has a dataset of this name, which need not be Kleene's: images can be made of it.
    ///
    /// # Errors
    /// [`PlatformError::NotSupported`] on a host without ZFS.
    fn has_host_dataset(&self, dataset: &HostDataset) -> Result<bool> {
        Err(PlatformError::NotSupported {
            what: format!("dataset {dataset} of the host"),
            reason: "it keeps files in no datasets of ZFS".to_owned(),
        })
    }

    // Network

    /// The host's interfaces.
    ///
    /// # Errors
    /// If the host does not tell.
    fn interfaces(&self) -> Result<Vec<InterfaceInfo>>;

    /// Whether there is an interface of this name. A platform that can answer without listing them all does.
    ///
    /// # Errors
    /// If the host does not tell.
    fn has_interface(&self, name: &InterfaceName) -> Result<bool> {
        Ok(self.interfaces()?.iter().any(|interface| interface.name == *name))
    }

    /// The addresses of one interface; none if it does not exist. As with [`has_interface`](Self::has_interface).
    ///
    /// # Errors
    /// If the host does not tell.
    fn addresses_of(&self, name: &InterfaceName) -> Result<Vec<IpAddr>> {
        let interfaces = self.interfaces()?.into_iter();
        let addresses = interfaces
            .filter(|interface| interface.name == *name)
            .flat_map(|interface| interface.addresses);
        Ok(addresses.map(|net| net.addr()).collect())
    }

    /// Whether an address is the host's own, on whichever interface. As with [`has_interface`](Self::has_interface).
    ///
    /// # Errors
    /// If the host does not tell.
    fn has_address(&self, address: IpAddr) -> Result<bool> {
        let interfaces = self.interfaces()?;
        Ok(interfaces
            .iter()
            .flat_map(|interface| &interface.addresses)
            .any(|net| net.addr() == address))
    }

    /// The interfaces of the host's default routes.
    ///
    /// # Errors
    /// If the host does not tell.
    fn gateways(&self) -> Result<Gateways>;

    /// Next hops of all routes of the host: addresses of other machines, which cut the host off where it takes them.
    ///
    /// # Errors
    /// If the host does not tell.
    fn next_hops(&self) -> Result<Vec<IpAddr>>;

    /// The interface of the host's own loopback addresses, if what is published can be redirected there too: then
    /// `localhost` works, as users expect.
    fn loopback(&self) -> Option<InterfaceName> {
        None
    }

    /// Ports on which processes of the host itself listen; with them, nothing of a container can be published.
    ///
    /// # Errors
    /// If the host does not tell.
    fn listeners(&self) -> Result<Vec<Listener>>;

    /// Keeps an eye on the firewall from now on, for whoever applies rules again when others took them away.
    /// `None`: this host cannot be watched.
    ///
    /// # Errors
    /// If the host does not tell.
    fn watch(&self) -> Result<Option<Box<dyn Watch>>> {
        Ok(None)
    }

    // The system

    /// What the host runs.
    ///
    /// # Errors
    /// If the host does not tell.
    fn system(&self) -> Result<System> {
        Ok(System::of_this_kernel())
    }

    /// Programs of the system without which a container does not start. An image of programs of the host has those that
    /// the host has.
    fn programs_of_images(&self) -> &'static [&'static str] {
        &[]
    }

    /// Brings the base system below `root`, of which nothing runs, up to date with the patches of its release.
    /// `scratch` is an empty directory for what is needed meanwhile; `given_up` is asked from time to time.
    ///
    /// # Errors
    /// [`PlatformError::NotSupported`] on a host that has no tool for this; what the tool said; or that it was given up.
    fn update_base(&self, root: &Path, _scratch: &Path, _given_up: &dyn Fn() -> bool) -> Result<()> {
        Err(PlatformError::NotSupported {
            what: format!("bringing the base system in '{}' up to date", root.display()),
            reason: "freebsd-update(8) is a tool of FreeBSD".to_owned(),
        })
    }

    // Jails

    /// Jails of Kleene's that run.
    ///
    /// # Errors
    /// If the host does not tell.
    fn jails(&self) -> Result<Vec<JailInfo>>;

    /// One jail, if it runs. A platform that can answer without listing them all does.
    ///
    /// # Errors
    /// If the host does not tell.
    fn jail(&self, id: &Id) -> Result<Option<JailInfo>> {
        Ok(self.jails()?.into_iter().find(|jail| jail.id == *id))
    }

    /// Starts a process under a supervisor of its own, which outlives the daemon. `run_dir` is the supervisor's
    /// directory and does not exist yet.
    ///
    /// What goes wrong later, up to the first instruction of the process, arrives as
    /// [`Event::Failed`](kleene_supervisor::Event) on the connection.
    ///
    /// # Errors
    /// If no supervisor can be started, or a jail parameter has no meaning on this platform.
    fn launch(&self, run_dir: &Path, launch: &Launch) -> Result<Connection>;

    /// Has a running jail take on other parameters. Where a host can apply them only at the next start, it says now
    /// whether it will. A jail that does not run is a success.
    ///
    /// # Errors
    /// [`PlatformError::NotSupported`] if a parameter has no meaning on this platform, [`PlatformError::Refused`] if the
    /// host's tool does not take it.
    fn modify_jail(&self, _id: &Id, _parameters: &[String]) -> Result<()> {
        Ok(())
    }

    /// Ends a jail: asks its processes with the TERM signal, or its first process alone with another one, and kills what is
    /// left after `grace`. Returns when the jail is gone. A jail that does not run is a success; a signal that the host does
    /// not have is as none.
    ///
    /// # Errors
    /// If it will not go away.
    fn stop_jail(&self, id: &Id, signal: Option<StopSignal>, grace: Duration) -> Result<()>;

    /// The interface for traffic to the outside, if the host has a default route.
    ///
    /// # Errors
    /// If the host does not tell.
    fn egress(&self) -> Result<Option<InterfaceName>> {
        let gateways = self.gateways()?;
        Ok(gateways.inet.or(gateways.inet6))
    }
}
