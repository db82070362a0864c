//! Whether a plugin may plan what it planned: one pure decision.
//!
//! Two questions are asked of every operation. Is its kind granted to the plugin? And does it stay with what the
//! host reserved for this very request? A network driver with every capability still cannot touch the next
//! network's bridge.

use std::collections::BTreeSet;
use std::fmt;
use std::net::IpAddr;

use ipnet::IpNet;

use crate::capability::Capability;
use crate::firewall::{Guard, Guarded, InterfaceMatch, Rule};
use crate::names::{DatasetName, InterfaceName, Owner};
use crate::op::{Bridge, Loopback, Op};
use crate::plan::{JailSetting, Plan};

/// What the host reserved for one request.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Scope {
    /// Interfaces the plan may create, remove or put addresses on.
    pub interfaces: Vec<InterfaceName>,
    /// Interfaces of the host that rules may name besides those.
    pub rule_interfaces: Vec<InterfaceName>,
    /// Addresses the plan may give to interfaces and jails, hide, or redirect to: subnets, and single addresses.
    pub addresses: Vec<IpNet>,
    /// Datasets the plan may create; snapshots of them as well.
    pub datasets: Vec<DatasetName>,
    /// On whose behalf: the mark of interfaces and the owner of rules.
    pub owner: Option<Owner>,
}

/// Why a plan is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Denied {
    /// The plugin was not granted the capability.
    #[error("'{step}' needs the capability '{capability}', which is not granted")]
    Capability {
        /// The first line of what it planned.
        step: String,
        /// What it lacks.
        capability: Capability,
    },
    /// The operation touches what was not reserved for this request.
    #[error("'{step}' touches '{object}', which is not part of this request")]
    Scope {
        /// The first line of what it planned.
        step: String,
        /// What it must leave alone.
        object: String,
    },
    /// The operation is the host's alone.
    #[error("'{step}' is for the host alone: a plugin's plan cannot hold it")]
    HostOnly {
        /// What it planned.
        step: String,
    },
}

/// What a plugin may plan: what its manifest asks for and the operator allows.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Grant {
    capabilities: BTreeSet<Capability>,
}

impl FromIterator<Capability> for Grant {
    fn from_iter<I: IntoIterator<Item = Capability>>(capabilities: I) -> Self {
        Self {
            capabilities: capabilities.into_iter().collect(),
        }
    }
}

impl Grant {
    /// Decides on a whole plan.
    ///
    /// # Errors
    /// The first step that is not allowed, and why.
    pub fn check(&self, plan: &Plan, scope: &Scope) -> Result<(), Denied> {
        for op in &plan.ops {
            let needed = op.capabilities();
            if needed.is_empty() {
                return Err(Denied::HostOnly { step: first_line(op) });
            }
            self.holds(&needed, op)?;
            scope.check(op)?;
        }
        for setting in &plan.jail {
            self.holds(&[setting.capability()], setting)?;
            scope.check_setting(setting)?;
        }
        Ok(())
    }

    /// Decides on one step by its kind alone.
    ///
    /// # Errors
    /// The first capability that is needed and not granted.
    pub fn holds(&self, needed: &[Capability], step: &impl fmt::Display) -> Result<(), Denied> {
        match needed
            .iter()
            .find(|capability| !self.capabilities.contains(capability))
        {
            Some(capability) => Err(Denied::Capability {
                step: first_line(step),
                capability: *capability,
            }),
            None => Ok(()),
        }
    }
}

impl Scope {
    fn check(&self, op: &Op) -> Result<(), Denied> {
        match op {
            Op::CreateDataset(dataset) | Op::SetQuota { dataset, .. } => self.dataset(dataset, op),
            // What is cloned must be reserved as well: a clone reads all of it.
            Op::CloneDataset { snapshot, dataset } => {
                self.dataset(snapshot.dataset(), op)?;
                self.dataset(dataset, op)
            }
            Op::CreateSnapshot(snapshot) => self.dataset(snapshot.dataset(), op),
            Op::EnsureBridge(Bridge {
                name,
                owner,
                addresses,
            }) => {
                self.interface(name, op)?;
                self.owner(owner, op)?;
                addresses.iter().try_for_each(|net| self.address(net.addr(), op))
            }
            Op::EnsureLoopback(Loopback { name, owner }) | Op::UseInterface { name, owner } => {
                self.interface(name, op)?;
                self.owner(owner, op)
            }
            Op::EnsurePair(pair) => {
                self.interface(&pair.host, op)?;
                self.interface(&pair.jail, op)?;
                self.interface(&pair.bridge, op)?;
                self.owner(&pair.owner, op)
            }
            Op::EnsureAlias { interface, address } => {
                self.interface(interface, op)?;
                self.address(address.addr(), op)
            }
            Op::EnsureForwarding(_) => Ok(()),
            Op::SetRules { owner, rules } => {
                self.owner(owner, op)?;
                rules.iter().try_for_each(|rule| self.rule(rule))
            }
            Op::RenameDataset { .. }
            | Op::PromoteDataset { .. }
            | Op::DestroyDataset(_)
            | Op::DestroySnapshot(_)
            | Op::FromHost(_)
            | Op::MountDataset(_)
            | Op::UnmountDataset(_)
            | Op::RemoveInterface { .. }
            | Op::ReleaseInterface { .. }
            | Op::RemoveAlias { .. }
            | Op::AllowAddress { .. }
            | Op::DenyAddress { .. }
            | Op::ClearRules(_) => Err(Denied::HostOnly { step: first_line(op) }),
        }
    }

    fn check_setting(&self, setting: &JailSetting) -> Result<(), Denied> {
        match setting {
            JailSetting::Interface { name, addresses, .. } => {
                self.interface(name, setting)?;
                addresses
                    .iter()
                    .try_for_each(|net| self.address(net.addr(), setting))
            }
            JailSetting::Address(address) => self.address(*address, setting),
            // Where a jail with a network stack of its own sends its packets is nobody else's business.
            JailSetting::DefaultRoute(_) => Ok(()),
        }
    }

    fn rule(&self, rule: &Rule) -> Result<(), Denied> {
        let named: Vec<_> = match rule {
            Rule::Filter(filter) => named(&filter.interface).into_iter().collect(),
            Rule::Nat(nat) => vec![&nat.interface],
            Rule::Hairpin(hairpin) => vec![&hairpin.interface],
            Rule::Rdr(rdr) => named(&rdr.interface).into_iter().collect(),
            // Looked at below: it must be the owner's own.
            Rule::Guard(_) => Vec::new(),
        };
        for name in named {
            if !self.rule_interfaces.contains(name) {
                self.interface(name, rule)?;
            }
        }
        match rule {
            Rule::Filter(_) => Ok(()),
            Rule::Guard(guard) => self.guard(guard, rule),
            Rule::Nat(nat) => self.within(self.holds_net(&nat.from), &nat.from, rule),
            Rule::Rdr(rdr) => self.address(rdr.to, rule),
            Rule::Hairpin(hairpin) => self.address(hairpin.to, rule),
        }
    }

    /// The packets guarded are the owner's: what one guard admits must not be another's to refuse.
    fn guard(&self, guard: &Guard, rule: &Rule) -> Result<(), Denied> {
        match &guard.guarded {
            Guarded::Arriving(name) => {
                let of_network = matches!(self.owner, Some(Owner::Network(_)));
                self.within(of_network && self.interfaces.contains(name), name, rule)
            }
            Guarded::From(net) | Guarded::To(net) => self.within(self.holds_net(net), net, rule),
        }
    }

    fn address(&self, address: IpAddr, step: &impl fmt::Display) -> Result<(), Denied> {
        self.within(self.holds_net(&address.into()), &address, step)
    }

    fn holds_net(&self, net: &IpNet) -> bool {
        self.addresses.iter().any(|reserved| reserved.contains(net))
    }

    fn interface(&self, name: &InterfaceName, step: &impl fmt::Display) -> Result<(), Denied> {
        self.within(self.interfaces.contains(name), name, step)
    }

    fn dataset(&self, name: &DatasetName, step: &impl fmt::Display) -> Result<(), Denied> {
        self.within(self.datasets.contains(name), name, step)
    }

    fn owner(&self, owner: &Owner, step: &impl fmt::Display) -> Result<(), Denied> {
        self.within(self.owner.as_ref() == Some(owner), owner, step)
    }

    fn within(&self, yes: bool, object: &impl fmt::Display, step: &impl fmt::Display) -> Result<(), Denied> {
        if yes {
            Ok(())
        } else {
            Err(Denied::Scope {
                step: first_line(step),
                object: object.to_string(),
            })
        }
    }
}

fn named(interface: &InterfaceMatch) -> Option<&InterfaceName> {
    match interface {
        InterfaceMatch::Named(name) => Some(name),
        InterfaceMatch::Any | InterfaceMatch::KleeneNetworks => None,
    }
}

fn first_line(step: &impl fmt::Display) -> String {
    let text = step.to_string();
    text.lines().next().unwrap_or_default().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::facts::Family;
    use crate::firewall::NatRule;

    fn owner() -> Owner {
        Owner::Network("0a1b2c3d4e5f".parse().unwrap())
    }

    fn scope() -> Scope {
        Scope {
            interfaces: vec!["kleene0".parse().unwrap()],
            rule_interfaces: vec!["em0".parse().unwrap()],
            addresses: vec!["10.0.0.0/24".parse().unwrap()],
            datasets: vec!["volumes/v".parse().unwrap()],
            owner: Some(owner()),
        }
    }

    fn bridge(name: &str) -> Op {
        Op::EnsureBridge(Bridge {
            name: name.parse().unwrap(),
            owner: owner(),
            addresses: Vec::new(),
        })
    }

    fn nat(on: &str) -> Op {
        let rule = NatRule {
            interface: on.parse().unwrap(),
            from: "10.0.0.0/24".parse().unwrap(),
        };
        Op::SetRules {
            owner: owner(),
            rules: vec![Rule::Nat(rule)],
        }
    }

    fn guard(on: &str) -> Op {
        Op::SetRules {
            owner: owner(),
            rules: vec![Rule::Guard(Guard {
                guarded: Guarded::Arriving(on.parse().unwrap()),
                lines: Vec::new(),
            })],
        }
    }

    fn decide(grant: &[Capability], op: Op) -> Result<(), String> {
        let grant: Grant = grant.iter().copied().collect();
        let plan = Plan {
            ops: vec![op],
            jail: Vec::new(),
        };
        grant.check(&plan, &scope()).map_err(|denied| denied.to_string())
    }

    #[test]
    fn the_decision_as_a_table() {
        use Capability::{Alias, Bridge, Dataset, Filter, Forwarding, Guard, Nat};
        let em0 = |address: &str| Op::EnsureAlias {
            interface: "em0".parse().unwrap(),
            address: address.parse().unwrap(),
        };
        let of_another = Op::SetRules {
            owner: Owner::Network("bbbbbbbbbbbb".parse().unwrap()),
            rules: Vec::new(),
        };
        let cases: Vec<(&[Capability], Op, Option<&str>)> = vec![
            (&[Bridge], bridge("kleene0"), None),
            (
                &[],
                bridge("kleene0"),
                Some("'bridge kleene0' needs the capability 'bridge', which is not granted"),
            ),
            (
                &[Bridge],
                bridge("em0"),
                Some("'bridge em0' touches 'em0', which is not part of this request"),
            ),
            (&[Filter, Nat], nat("em0"), None),
            (
                &[Filter, Nat],
                nat("em1"),
                Some(
                    "'nat on em1 from 10.0.0.0/24 to any -> (em1)' touches 'em1', which is not part of this request",
                ),
            ),
            (
                &[Filter],
                nat("em0"),
                Some("'rules of network-0a1b2c3d4e5f' needs the capability 'nat', which is not granted"),
            ),
            (&[Guard], guard("kleene0"), None),
            (
                &[Filter],
                guard("kleene0"),
                Some("'rules of network-0a1b2c3d4e5f' needs the capability 'guard', which is not granted"),
            ),
            (
                &[Guard],
                guard("em0"),
                Some("'guard in on em0' touches 'em0', which is not part of this request"),
            ),
            (
                &[Filter],
                of_another,
                Some(
                    "'rules of network-bbbbbbbbbbbb' touches 'network-bbbbbbbbbbbb', which is not part of this request",
                ),
            ),
            (
                &[Alias],
                em0("10.0.0.1/32"),
                Some("'address 10.0.0.1/32 on em0' touches 'em0', which is not part of this request"),
            ),
            (
                &[Alias],
                Op::EnsureAlias {
                    interface: "kleene0".parse().unwrap(),
                    address: "192.168.0.1/24".parse().unwrap(),
                },
                Some(
                    "'address 192.168.0.1/24 on kleene0' touches '192.168.0.1', which is not part of this request",
                ),
            ),
            (&[Forwarding], Op::EnsureForwarding(Family::Inet), None),
            (&[Dataset], Op::CreateDataset("volumes/v".parse().unwrap()), None),
            (
                &[Dataset],
                Op::CreateDataset("volumes/w".parse().unwrap()),
                Some("'create dataset volumes/w' touches 'volumes/w', which is not part of this request"),
            ),
            (
                &[Dataset],
                Op::CloneDataset {
                    snapshot: "image/a@image".parse().unwrap(),
                    dataset: "volumes/v".parse().unwrap(),
                },
                Some(
                    "'clone image/a@image to dataset volumes/v' touches 'image/a', which is not part of this request",
                ),
            ),
            (
                &[Dataset],
                Op::DestroyDataset("volumes/v".parse().unwrap()),
                Some("'destroy dataset volumes/v' is for the host alone: a plugin's plan cannot hold it"),
            ),
        ];
        for (grant, op, expected) in cases {
            let text = op.to_string();
            assert_eq!(decide(grant, op).err().as_deref(), expected, "{text}");
        }
    }

    #[test]
    fn a_jail_borrows_only_addresses_reserved_for_it() {
        let borrow = |address: &str| Plan {
            ops: Vec::new(),
            jail: vec![JailSetting::Address(address.parse().unwrap())],
        };
        let grant: Grant = [Capability::Alias].into_iter().collect();
        assert_eq!(grant.check(&borrow("10.0.0.7"), &scope()), Ok(()));
        assert!(matches!(
            grant.check(&borrow("192.168.0.1"), &scope()),
            Err(Denied::Scope { .. })
        ));
    }

    #[test]
    fn a_jail_takes_only_the_interface_reserved_for_it() {
        let take = |name: &str| Plan {
            ops: Vec::new(),
            jail: vec![JailSetting::Interface {
                name: name.parse().unwrap(),
                mac: "02:00:00:00:00:01".parse().unwrap(),
                addresses: Vec::new(),
            }],
        };
        let grant: Grant = [Capability::Pair].into_iter().collect();
        assert_eq!(grant.check(&take("kleene0"), &scope()), Ok(()));
        assert!(matches!(
            grant.check(&take("em0"), &scope()),
            Err(Denied::Scope { .. })
        ));
    }
}
