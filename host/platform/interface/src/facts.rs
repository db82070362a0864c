//! What a platform tells about its host.

use ipnet::IpNet;
use kleene_plan::{DatasetName, Id, InterfaceName, Owner, Protocol, SnapshotName};

/// A dataset.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DatasetInfo {
    /// Its name.
    pub name: DatasetName,
    /// The snapshot it is a clone of.
    pub origin: Option<SnapshotName>,
    /// Names of its snapshots, oldest first, without the dataset.
    pub snapshots: Vec<String>,
    /// Whether its files are visible at its mount point.
    pub mounted: bool,
}

/// How much a dataset holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Usage {
    /// Bytes that would be free without it: its own, not those of the snapshot it is a clone of.
    pub used: u64,
    /// Bytes of all files visible in it.
    pub referenced: u64,
}

/// An interface of the host.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InterfaceInfo {
    /// Its name.
    pub name: InterfaceName,
    /// Its addresses with their prefix lengths.
    pub addresses: Vec<IpNet>,
    /// Whose it is, by its mark; `None`: not Kleene's.
    pub owner: Option<Owner>,
}

/// Interfaces of the default routes, by family.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Gateways {
    /// IPv4.
    pub inet: Option<InterfaceName>,
    /// IPv6.
    pub inet6: Option<InterfaceName>,
}

/// A socket of the host that waits for others.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listener {
    /// TCP or UDP.
    pub protocol: Protocol,
    /// The address it is bound to; unspecified: all.
    pub address: std::net::IpAddr,
    /// Its port.
    pub port: u16,
}

/// A jail that runs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JailInfo {
    /// Its name: the container's id.
    pub id: Id,
    /// The number by which the host's own tools know it: the jid on FreeBSD, the process id of its first process
    /// on Linux.
    pub jid: i32,
}

/// What a host runs, in the words of uname(1).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct System {
    /// `FreeBSD` or `Linux`.
    pub name: String,
    /// Such as `14.2-RELEASE-p1`.
    pub release: String,
    /// Such as `amd64`.
    pub machine: String,
}

impl System {
    /// What uname(3) says.
    #[must_use]
    pub fn of_this_kernel() -> Self {
        let said = rustix::system::uname();
        let text = |part: &std::ffi::CStr| part.to_string_lossy().into_owned();
        Self {
            name: text(said.sysname()),
            release: text(said.release()),
            machine: text(said.machine()),
        }
    }
}
