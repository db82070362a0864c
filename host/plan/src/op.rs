//! The operations a plan is made of, and how each is taken back.
//!
//! Each says what shall *be*, not what to do: applying one twice is the same as once, and taking away what is not
//! there succeeds. What exists under the wanted name and is not Kleene's is a conflict, never taken over.

use std::fmt;
use std::net::IpAddr;

use ipnet::IpNet;
use serde::{Deserialize, Serialize};

use crate::capability::Capability;
use crate::facts::Family;
use crate::firewall::Rule;
use crate::from_host::FromHost;
use crate::names::{DatasetName, Id, InterfaceName, MacAddress, Owner, SnapshotName};

/// A bridge of the host, up, with these addresses.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Bridge {
    /// Its name.
    pub name: InterfaceName,
    /// Whose it is; becomes its mark.
    pub owner: Owner,
    /// The host's addresses on it.
    pub addresses: Vec<IpNet>,
}

/// A loopback interface of the host, up, for addresses that never leave it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Loopback {
    /// Its name.
    pub name: InterfaceName,
    /// Whose it is; becomes its mark.
    pub owner: Owner,
}

/// A pair of interfaces (epair, veth): what enters one leaves the other. The host's side is up and a member of the
/// bridge; the jail's side waits on the host until a jail takes it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pair {
    /// The side that stays with the host.
    pub host: InterfaceName,
    /// The side that goes into the jail.
    pub jail: InterfaceName,
    /// The bridge which the host's side joins.
    pub bridge: InterfaceName,
    /// The hardware address of the jail's side.
    pub mac: MacAddress,
    /// Whether the host's side may only talk to the bridge itself and not to other isolated members.
    pub isolated: bool,
    /// Whose it is; becomes its mark.
    pub owner: Owner,
}

/// One change of the host.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Op {
    /// An empty dataset.
    CreateDataset(DatasetName),
    /// A dataset whose content is a snapshot's until it is written to.
    CloneDataset {
        /// What is cloned.
        snapshot: SnapshotName,
        /// The clone.
        dataset: DatasetName,
    },
    /// The content of a dataset at this moment, kept.
    CreateSnapshot(SnapshotName),
    /// A dataset under another name, its snapshots and clones with it.
    RenameDataset {
        /// The name it has.
        from: DatasetName,
        /// The name it gets.
        to: DatasetName,
    },
    /// A clone in the place of what it is a clone of: the snapshots up to the one that it was made from are its own,
    /// and the other is a clone of that. Where the other is not there, there is nothing to do.
    PromoteDataset {
        /// The clone.
        dataset: DatasetName,
        /// What it is a clone of.
        over: DatasetName,
    },
    /// No dataset of this name and none of its snapshots. Refused while clones of it exist or something is mounted
    /// beneath it.
    DestroyDataset(DatasetName),
    /// No snapshot of this name. Refused while clones of it exist.
    DestroySnapshot(SnapshotName),
    /// What an image from a dataset of the host takes.
    FromHost(FromHost),
    /// The dataset's files visible at its mount point.
    MountDataset(DatasetName),
    /// The dataset's mount point empty; its files safe.
    UnmountDataset(DatasetName),
    /// At most this many bytes in a dataset; `None`: no limit.
    SetQuota {
        /// The dataset.
        dataset: DatasetName,
        /// Bytes.
        bytes: Option<u64>,
    },
    /// A bridge.
    EnsureBridge(Bridge),
    /// A loopback interface.
    EnsureLoopback(Loopback),
    /// A pair of interfaces.
    EnsurePair(Pair),
    /// No interface of this name, if it is the owner's; where it is half of a pair, the other half goes with it.
    RemoveInterface {
        /// Its name.
        name: InterfaceName,
        /// Whose it must be.
        owner: Owner,
    },
    /// An interface that is the host's own counts as one of Kleene's networks while a network uses it. Nothing of the
    /// interface itself is changed.
    UseInterface {
        /// Its name.
        name: InterfaceName,
        /// Who uses it.
        owner: Owner,
    },
    /// The owner uses the interface no more; others may.
    ReleaseInterface {
        /// Its name.
        name: InterfaceName,
        /// Who used it.
        owner: Owner,
    },
    /// One more address on an interface.
    EnsureAlias {
        /// The interface.
        interface: InterfaceName,
        /// The address.
        address: IpNet,
    },
    /// An address no longer on an interface.
    RemoveAlias {
        /// The interface.
        interface: InterfaceName,
        /// The address.
        address: IpNet,
    },
    /// One more address of the host's that a running jail may use. A jail that starts is told its addresses.
    AllowAddress {
        /// The jail.
        jail: Id,
        /// The address.
        address: IpAddr,
    },
    /// An address that a running jail may no longer use. One that does not run uses none.
    DenyAddress {
        /// The jail.
        jail: Id,
        /// The address.
        address: IpAddr,
    },
    /// The host forwards packets of this family. Never taken back: others may rely on it by then.
    EnsureForwarding(Family),
    /// These are all the firewall rules of the owner.
    SetRules {
        /// Whose corner of the firewall.
        owner: Owner,
        /// The rules, in order.
        rules: Vec<Rule>,
    },
    /// The owner has no firewall rules.
    ClearRules(Owner),
}

impl Op {
    /// What takes the operation back, provided that it changed something: a platform says whether it would before
    /// it is applied. `None`: nothing can (a destruction), or nothing should (forwarding, the loss of old rules,
    /// which the engine restores from its own records).
    #[must_use]
    pub fn inverse(&self) -> Option<Op> {
        Some(match self {
            Self::CreateDataset(dataset) | Self::CloneDataset { dataset, .. } => {
                Self::DestroyDataset(dataset.clone())
            }
            Self::CreateSnapshot(snapshot) => Self::DestroySnapshot(snapshot.clone()),
            Self::RenameDataset { from, to } => Self::RenameDataset {
                from: to.clone(),
                to: from.clone(),
            },
            Self::PromoteDataset { dataset, over } => Self::PromoteDataset {
                dataset: over.clone(),
                over: dataset.clone(),
            },
            Self::FromHost(FromHost::Take(snapshot)) => Self::FromHost(FromHost::Release(snapshot.clone())),
            Self::FromHost(FromHost::Copy { dataset, .. } | FromHost::Base { dataset, .. }) => {
                Self::DestroyDataset(dataset.clone())
            }
            Self::MountDataset(dataset) => Self::UnmountDataset(dataset.clone()),
            Self::UnmountDataset(dataset) => Self::MountDataset(dataset.clone()),
            Self::EnsureBridge(Bridge { name, owner, .. })
            | Self::EnsureLoopback(Loopback { name, owner }) => Self::RemoveInterface {
                name: name.clone(),
                owner: owner.clone(),
            },
            Self::EnsurePair(pair) => Self::RemoveInterface {
                name: pair.host.clone(),
                owner: pair.owner.clone(),
            },
            Self::UseInterface { name, owner } => Self::ReleaseInterface {
                name: name.clone(),
                owner: owner.clone(),
            },
            Self::EnsureAlias { interface, address } => Self::RemoveAlias {
                interface: interface.clone(),
                address: *address,
            },
            Self::RemoveAlias { interface, address } => Self::EnsureAlias {
                interface: interface.clone(),
                address: *address,
            },
            Self::AllowAddress { jail, address } => Self::DenyAddress {
                jail: jail.clone(),
                address: *address,
            },
            Self::DenyAddress { jail, address } => Self::AllowAddress {
                jail: jail.clone(),
                address: *address,
            },
            Self::SetRules { owner, .. } => Self::ClearRules(owner.clone()),
            Self::SetQuota { dataset, .. } => Self::SetQuota {
                dataset: dataset.clone(),
                bytes: None,
            },
            Self::DestroyDataset(_)
            | Self::DestroySnapshot(_)
            | Self::RemoveInterface { .. }
            | Self::ReleaseInterface { .. }
            | Self::EnsureForwarding(_)
            | Self::ClearRules(_)
            | Self::FromHost(FromHost::Release(_)) => return None,
        })
    }

    /// The capabilities a plugin must have been granted to plan this. Empty: plugins never plan it, only the engine.
    #[must_use]
    pub fn capabilities(&self) -> Vec<Capability> {
        match self {
            Self::CreateDataset(_) | Self::CloneDataset { .. } | Self::SetQuota { .. } => {
                vec![Capability::Dataset]
            }
            Self::CreateSnapshot(_) => vec![Capability::Snapshot],
            Self::EnsureBridge(_) => vec![Capability::Bridge],
            Self::EnsureLoopback(_) => vec![Capability::Loopback],
            Self::EnsurePair(_) => vec![Capability::Pair],
            Self::EnsureAlias { .. } | Self::UseInterface { .. } => vec![Capability::Alias],
            Self::EnsureForwarding(_) => vec![Capability::Forwarding],
            Self::SetRules { rules, .. } => {
                let mut needed: Vec<_> = rules
                    .iter()
                    .map(|rule| match rule {
                        Rule::Filter(_) => Capability::Filter,
                        Rule::Guard(_) => Capability::Guard,
                        Rule::Nat(_) | Rule::Hairpin(_) => Capability::Nat,
                        Rule::Rdr(_) => Capability::Redirect,
                    })
                    .collect();
                if rules.is_empty() {
                    needed.push(Capability::Filter);
                }
                needed.sort_unstable();
                needed.dedup();
                needed
            }
            Self::RenameDataset { .. }
            | Self::PromoteDataset { .. }
            | Self::DestroyDataset(_)
            | Self::DestroySnapshot(_)
            | Self::FromHost(_)
            | Self::MountDataset(_)
            | Self::UnmountDataset(_)
            | Self::RemoveInterface { .. }
            | Self::ReleaseInterface { .. }
            | Self::RemoveAlias { .. }
            | Self::AllowAddress { .. }
            | Self::DenyAddress { .. }
            | Self::ClearRules(_) => Vec::new(),
        }
    }
}

impl fmt::Display for Op {
    /// One line, and one more per firewall rule.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::CreateDataset(dataset) => write!(f, "create dataset {dataset}"),
            Self::CloneDataset { snapshot, dataset } => write!(f, "clone {snapshot} to dataset {dataset}"),
            Self::CreateSnapshot(snapshot) => write!(f, "snapshot {snapshot}"),
            Self::RenameDataset { from, to } => write!(f, "rename dataset {from} to {to}"),
            Self::PromoteDataset { dataset, over } => write!(f, "promote dataset {dataset} over {over}"),
            Self::DestroyDataset(dataset) => write!(f, "destroy dataset {dataset}"),
            Self::DestroySnapshot(snapshot) => write!(f, "destroy snapshot {snapshot}"),
            Self::FromHost(op) => op.fmt(f),
            Self::MountDataset(dataset) => write!(f, "mount dataset {dataset}"),
            Self::UnmountDataset(dataset) => write!(f, "unmount dataset {dataset}"),
            Self::SetQuota {
                dataset,
                bytes: Some(bytes),
            } => write!(f, "limit dataset {dataset} to {bytes} bytes"),
            Self::SetQuota { dataset, bytes: None } => write!(f, "lift the limit of dataset {dataset}"),
            Self::EnsureBridge(Bridge { name, addresses, .. }) => {
                write!(f, "bridge {name}")?;
                addresses.iter().try_for_each(|address| write!(f, " {address}"))
            }
            Self::EnsureLoopback(loopback) => write!(f, "loopback {}", loopback.name),
            Self::EnsurePair(pair) => {
                let isolated = if pair.isolated { " isolated" } else { "" };
                write!(
                    f,
                    "pair {} - {} ({}) on bridge {}{isolated}",
                    pair.host, pair.jail, pair.mac, pair.bridge
                )
            }
            Self::RemoveInterface { name, .. } => write!(f, "remove interface {name}"),
            Self::UseInterface { name, .. } => write!(f, "use interface {name}"),
            Self::ReleaseInterface { name, .. } => write!(f, "release interface {name}"),
            Self::EnsureAlias { interface, address } => write!(f, "address {address} on {interface}"),
            Self::RemoveAlias { interface, address } => {
                write!(f, "remove address {address} from {interface}")
            }
            Self::AllowAddress { jail, address } => write!(f, "allow jail {jail} the address {address}"),
            Self::DenyAddress { jail, address } => write!(f, "deny jail {jail} the address {address}"),
            Self::EnsureForwarding(family) => write!(f, "forward {family} packets"),
            Self::SetRules { owner, rules } => {
                write!(f, "rules of {owner}")?;
                rules.iter().try_for_each(|rule| write!(f, "\n    {rule}"))
            }
            Self::ClearRules(owner) => write!(f, "no rules of {owner}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::from_host::HostSnapshot;

    fn id(text: &str) -> Id {
        text.parse().unwrap()
    }

    /// One of each kind; the match makes the compiler ask for the new one when a kind is added.
    fn one_of_each() -> Vec<Op> {
        let dataset: DatasetName = "container/0a1b2c3d4e5f".parse().unwrap();
        let snapshot = dataset.snapshot("s").unwrap();
        let name: InterfaceName = "kleene0".parse().unwrap();
        let owner = Owner::Network(id("0a1b2c3d4e5f"));
        let address: IpNet = "10.0.0.1/24".parse().unwrap();
        let host = HostSnapshot {
            dataset: "tank/base".parse().unwrap(),
            image: id("0a1b2c3d4e5f"),
        };
        vec![
            Op::CreateDataset(dataset.clone()),
            Op::CloneDataset {
                snapshot: "image/a@image".parse().unwrap(),
                dataset: dataset.clone(),
            },
            Op::CreateSnapshot(snapshot.clone()),
            Op::RenameDataset {
                from: dataset.clone(),
                to: "image/0a1b2c3d4e5f".parse().unwrap(),
            },
            Op::PromoteDataset {
                dataset: "image/0a1b2c3d4e5f".parse().unwrap(),
                over: dataset.clone(),
            },
            Op::DestroyDataset(dataset.clone()),
            Op::DestroySnapshot(snapshot),
            Op::FromHost(FromHost::Take(host.clone())),
            Op::FromHost(FromHost::Release(host.clone())),
            Op::FromHost(FromHost::Copy {
                snapshot: host.clone(),
                dataset: dataset.clone(),
            }),
            Op::FromHost(FromHost::Base {
                snapshot: host,
                dataset: dataset.clone(),
            }),
            Op::MountDataset(dataset.clone()),
            Op::UnmountDataset(dataset.clone()),
            Op::SetQuota {
                dataset,
                bytes: Some(1 << 30),
            },
            Op::EnsureBridge(Bridge {
                name: name.clone(),
                owner: owner.clone(),
                addresses: vec![address],
            }),
            Op::EnsureLoopback(Loopback {
                name: name.clone(),
                owner: owner.clone(),
            }),
            Op::EnsurePair(Pair {
                host: "kv0a1b2c3d4e".parse().unwrap(),
                jail: "kj0a1b2c3d4e".parse().unwrap(),
                bridge: name.clone(),
                mac: MacAddress::of_endpoint(&id("0a1b2c3d4e5f")),
                isolated: true,
                owner: owner.clone(),
            }),
            Op::RemoveInterface {
                name: name.clone(),
                owner: owner.clone(),
            },
            Op::UseInterface {
                name: name.clone(),
                owner: owner.clone(),
            },
            Op::ReleaseInterface {
                name: name.clone(),
                owner: owner.clone(),
            },
            Op::EnsureAlias {
                interface: name.clone(),
                address,
            },
            Op::RemoveAlias {
                interface: name,
                address,
            },
            Op::AllowAddress {
                jail: id("0a1b2c3d4e5f"),
                address: address.addr(),
            },
            Op::DenyAddress {
                jail: id("0a1b2c3d4e5f"),
                address: address.addr(),
            },
            Op::EnsureForwarding(Family::Inet),
            Op::SetRules {
                owner: owner.clone(),
                rules: Vec::new(),
            },
            Op::ClearRules(owner),
        ]
    }

    #[test]
    fn every_operation_reads_well() {
        let text: Vec<_> = one_of_each()
            .iter()
            .map(|op| match op.inverse() {
                Some(inverse) => format!("{op}   |   taken back by: {inverse}"),
                None => op.to_string(),
            })
            .collect();
        insta::assert_snapshot!(text.join("\n"));
    }

    #[test]
    fn an_operation_survives_the_journal() {
        for op in one_of_each() {
            let text = serde_json::to_string(&op).unwrap();
            assert_eq!(serde_json::from_str::<Op>(&text).unwrap(), op, "{text}");
        }
    }

    #[test]
    fn what_plugins_may_not_plan_needs_no_capability() {
        for op in one_of_each() {
            let engine_only = op.capabilities().is_empty();
            let is_the_hosts = op.to_string().split(' ').next().is_some_and(|verb| {
                matches!(
                    verb,
                    "destroy"
                        | "remove"
                        | "release"
                        | "take"
                        | "copy"
                        | "base"
                        | "no"
                        | "rename"
                        | "promote"
                        | "mount"
                        | "unmount"
                        | "allow"
                        | "deny"
                )
            });
            assert_eq!(engine_only, is_the_hosts, "{op}");
        }
    }
}
