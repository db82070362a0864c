//! Interfaces, their addresses and owners, and the rules of the firewall.

use std::collections::{BTreeMap, BTreeSet};

use ipnet::IpNet;
use kleene_plan::{
    Bridge, Family, Id, InterfaceName, JailInterface, Loopback, MacAddress, Op, Owner, Pair, Rule,
};
use kleene_platform::{InterfaceInfo, PlatformError, Result};

/// The network stack of the host.
#[derive(Debug, Default)]
pub(crate) struct Network {
    interfaces: BTreeMap<InterfaceName, Interface>,
    forwarding: BTreeSet<Family>,
    rules: BTreeMap<Owner, Vec<Rule>>,
    /// Interfaces of the host's own that networks use.
    used: BTreeSet<(InterfaceName, Owner)>,
}

#[derive(Debug)]
struct Interface {
    kind: Kind,
    owner: Option<Owner>,
    addresses: BTreeSet<IpNet>,
}

#[derive(Debug, PartialEq, Eq)]
enum Kind {
    /// Not Kleene's.
    Foreign,
    Bridge,
    Loopback,
    /// The host's side of a pair, and the bridge it is a member of.
    HostSide {
        jail: InterfaceName,
        bridge: Option<InterfaceName>,
        isolated: bool,
    },
    /// The jail's side of a pair, and the jail that has it.
    JailSide {
        host: InterfaceName,
        mac: MacAddress,
        jail: Option<Id>,
    },
}

/// The interface to the outside of a new host.
pub(crate) fn uplink() -> InterfaceName {
    constant("em0")
}

#[allow(
    clippy::expect_used,
    reason = "called with valid names only, as each test of this crate shows"
)]
fn constant<T: std::str::FromStr<Err: std::fmt::Debug>>(text: &str) -> T {
    text.parse().expect("valid")
}

impl Network {
    /// What a host has before Kleene comes. 192.0.2.0/24 is for documentation (RFC 5737).
    pub(crate) fn of_new_host() -> Self {
        let mut network = Self::default();
        network.plant(constant("lo0"), [constant("127.0.0.1/8"), constant("::1/128")]);
        network.plant(uplink(), [constant("192.0.2.2/24")]);
        network
    }

    /// An interface that is not Kleene's.
    pub(crate) fn plant(&mut self, name: InterfaceName, addresses: impl IntoIterator<Item = IpNet>) {
        let addresses = addresses.into_iter().collect();
        self.interfaces.insert(
            name,
            Interface {
                kind: Kind::Foreign,
                owner: None,
                addresses,
            },
        );
    }

    /// What a reboot of the host does; what is not Kleene's comes back.
    pub(crate) fn reboot(&mut self) {
        self.interfaces
            .retain(|_, interface| interface.kind == Kind::Foreign);
        self.forwarding.clear();
        self.rules.clear();
        self.used.clear();
    }

    /// Returns how many owners had rules.
    pub(crate) fn flush_rules(&mut self) -> usize {
        std::mem::take(&mut self.rules).len()
    }

    pub(crate) fn lose(&mut self, name: &InterfaceName) {
        self.remove(name);
    }

    pub(crate) fn rules(&self, owner: &Owner) -> &[Rule] {
        self.rules.get(owner).map_or(&[], Vec::as_slice)
    }

    pub(crate) fn infos(&self) -> Vec<InterfaceInfo> {
        let on_host = self.interfaces.iter().filter(|(_, interface)| {
            // A jail's interface is not seen from the host.
            !matches!(interface.kind, Kind::JailSide { jail: Some(_), .. })
        });
        let info = |(name, interface): (&InterfaceName, &Interface)| InterfaceInfo {
            name: name.clone(),
            addresses: interface.addresses.iter().copied().collect(),
            owner: interface.owner.clone(),
        };
        on_host.map(info).collect()
    }

    /// Whether an address is on some interface of the host.
    pub(crate) fn has_address(&self, address: std::net::IpAddr) -> bool {
        self.interfaces
            .values()
            .any(|interface| interface.addresses.iter().any(|net| net.addr() == address))
    }

    /// Gives the jail's side of a pair to a jail.
    pub(crate) fn move_into(&mut self, wanted: &JailInterface, id: &Id) -> std::result::Result<(), String> {
        let name = &wanted.name;
        match self.interfaces.get_mut(name).map(|interface| &mut interface.kind) {
            None => Err(format!("interface {name} does not exist")),
            Some(Kind::JailSide {
                jail: Some(other), ..
            }) => Err(format!("interface {name} is in jail {other}")),
            Some(Kind::JailSide { jail, .. }) => {
                *jail = Some(id.clone());
                Ok(())
            }
            Some(_) => Err(format!("interface {name} is not a jail's side of a pair")),
        }
    }

    /// Takes back what a jail had.
    pub(crate) fn move_out_of(&mut self, id: &Id) {
        for interface in self.interfaces.values_mut() {
            if let Kind::JailSide { jail, .. } = &mut interface.kind
                && jail.as_ref() == Some(id)
            {
                *jail = None;
            }
        }
    }

    /// A line about each interface, address and rule.
    pub(crate) fn describe(&self, lines: &mut BTreeMap<String, String>) {
        for (name, interface) in &self.interfaces {
            let owner = interface
                .owner
                .as_ref()
                .map_or_else(|| "not ours".to_owned(), ToString::to_string);
            let kind = match &interface.kind {
                Kind::Foreign => "interface".to_owned(),
                Kind::Bridge => "bridge".to_owned(),
                Kind::Loopback => "loopback".to_owned(),
                Kind::HostSide {
                    jail,
                    bridge,
                    isolated,
                } => {
                    let bridge = bridge.as_ref().map_or("no bridge", InterfaceName::as_str);
                    format!(
                        "pair with {jail} on {bridge}{}",
                        if *isolated { " isolated" } else { "" }
                    )
                }
                Kind::JailSide { host, mac, jail } => {
                    let place = jail
                        .as_ref()
                        .map_or_else(|| "the host".to_owned(), |id| format!("jail {id}"));
                    format!("pair with {host} ({mac}) in {place}")
                }
            };
            lines.insert(format!("interface {name}"), format!("{kind}, {owner}"));
            for address in &interface.addresses {
                lines.insert(format!("address {address} on {name}"), String::new());
            }
        }
        for (name, owner) in &self.used {
            lines.insert(format!("use of interface {name} by {owner}"), String::new());
        }
        for family in &self.forwarding {
            lines.insert(format!("forwarding {family}"), String::new());
        }
        for (owner, rules) in &self.rules {
            for (number, rule) in rules.iter().enumerate() {
                lines.insert(format!("rule {number:04} of {owner}"), rule.to_string());
            }
        }
    }

    /// Whether an operation on the network would change anything; `None`: it is about something else.
    pub(crate) fn would_change(&self, op: &Op) -> Option<Result<bool>> {
        Some(match op {
            Op::EnsureBridge(bridge) => self.would_change_bridge(bridge),
            Op::EnsureLoopback(Loopback { name, owner }) => match self.interfaces.get(name) {
                Some(there) if there.kind == Kind::Loopback && there.owner.as_ref() == Some(owner) => {
                    Ok(false)
                }
                Some(_) => Err(conflict(name)),
                None => Ok(true),
            },
            Op::EnsurePair(pair) => self.would_change_pair(pair),
            Op::RemoveInterface { name, owner } => match self.interfaces.get(name) {
                Some(there) if there.owner.as_ref() == Some(owner) => Ok(true),
                Some(_) => Err(conflict(name)),
                None => Ok(false),
            },
            Op::UseInterface { name, owner } => match self.interfaces.contains_key(name) {
                true => Ok(!self.used.contains(&(name.clone(), owner.clone()))),
                false => Err(absent(name)),
            },
            Op::ReleaseInterface { name, owner } => Ok(self.used.contains(&(name.clone(), owner.clone()))),
            Op::EnsureAlias { interface, address } => self.would_add(interface, *address),
            Op::RemoveAlias { interface, address } => Ok(self
                .interfaces
                .get(interface)
                .is_some_and(|there| there.addresses.contains(address))),
            Op::EnsureForwarding(family) => Ok(!self.forwarding.contains(family)),
            Op::SetRules { owner, rules } => Ok(self.rules(owner) != rules.as_slice()),
            Op::ClearRules(owner) => Ok(!self.rules(owner).is_empty()),
            _ => return None,
        })
    }

    /// Carries out an operation that would change something.
    pub(crate) fn perform(&mut self, op: &Op) -> Result<()> {
        match op {
            Op::EnsureBridge(Bridge {
                name,
                owner,
                addresses,
            }) => {
                self.interface(name, Kind::Bridge, owner)
                    .addresses
                    .extend(addresses);
            }
            Op::EnsureLoopback(Loopback { name, owner }) => {
                self.interface(name, Kind::Loopback, owner);
            }
            Op::EnsurePair(pair) => self.join(pair)?,
            Op::RemoveInterface { name, .. } => self.remove(name),
            Op::UseInterface { name, owner } => {
                self.used.insert((name.clone(), owner.clone()));
            }
            Op::ReleaseInterface { name, owner } => {
                self.used.remove(&(name.clone(), owner.clone()));
            }
            Op::EnsureAlias { interface, address } => {
                self.existing(interface)?.addresses.insert(*address);
            }
            Op::RemoveAlias { interface, address } => {
                self.existing(interface)?.addresses.remove(address);
            }
            Op::EnsureForwarding(family) => {
                self.forwarding.insert(*family);
            }
            Op::SetRules { owner, rules } if !rules.is_empty() => {
                self.rules.insert(owner.clone(), rules.clone());
            }
            Op::SetRules { owner, .. } | Op::ClearRules(owner) => {
                self.rules.remove(owner);
            }
            _ => {}
        }
        Ok(())
    }

    fn would_change_bridge(&self, bridge: &Bridge) -> Result<bool> {
        let there = self.interfaces.get(&bridge.name);
        if there
            .is_some_and(|there| there.kind != Kind::Bridge || there.owner.as_ref() != Some(&bridge.owner))
        {
            return Err(conflict(&bridge.name));
        }
        let mut change = there.is_none();
        for address in &bridge.addresses {
            change |= self.would_add(&bridge.name, *address)?;
        }
        Ok(change)
    }

    fn would_change_pair(&self, pair: &Pair) -> Result<bool> {
        match (self.interfaces.get(&pair.host), self.interfaces.get(&pair.jail)) {
            (None, None) => Ok(true),
            (Some(host), _) if host.owner.as_ref() != Some(&pair.owner) => Err(conflict(&pair.host)),
            (_, Some(jail)) if jail.owner.as_ref() != Some(&pair.owner) => Err(conflict(&pair.jail)),
            (
                Some(Interface {
                    kind:
                        Kind::HostSide {
                            jail,
                            bridge,
                            isolated,
                        },
                    ..
                }),
                Some(_),
            ) if *jail == pair.jail => {
                Ok(bridge.as_ref() != Some(&pair.bridge) || *isolated != pair.isolated)
            }
            (Some(_), _) => Err(conflict(&pair.host)),
            (None, Some(_)) => Err(conflict(&pair.jail)),
        }
    }

    /// An address belongs on one interface, with one prefix length.
    fn would_add(&self, interface: &InterfaceName, address: IpNet) -> Result<bool> {
        for (name, there) in &self.interfaces {
            if let Some(taken) = there
                .addresses
                .iter()
                .find(|taken| taken.addr() == address.addr())
            {
                return if name == interface && *taken == address {
                    Ok(false)
                } else {
                    Err(PlatformError::Conflict {
                        object: format!("address {taken} on interface {name}"),
                    })
                };
            }
        }
        Ok(true)
    }

    fn join(&mut self, pair: &Pair) -> Result<()> {
        if self.existing(&pair.bridge)?.kind != Kind::Bridge {
            let action = format!("add interface {} to bridge {}", pair.host, pair.bridge);
            return Err(PlatformError::failed(action, "it is not a bridge"));
        }
        let host_side = Kind::HostSide {
            jail: pair.jail.clone(),
            bridge: Some(pair.bridge.clone()),
            isolated: pair.isolated,
        };
        self.interface(&pair.host, Kind::Bridge, &pair.owner).kind = host_side;
        let jail_side = Kind::JailSide {
            host: pair.host.clone(),
            mac: pair.mac,
            jail: None,
        };
        self.interface(&pair.jail, jail_side, &pair.owner);
        Ok(())
    }

    /// An interface goes with its addresses, its other half, and its members' membership.
    fn remove(&mut self, name: &InterfaceName) {
        let other_half = match self.interfaces.remove(name).map(|interface| interface.kind) {
            Some(Kind::HostSide { jail, .. }) => Some(jail),
            Some(Kind::JailSide { host, .. }) => Some(host),
            _ => None,
        };
        if let Some(other_half) = other_half {
            self.interfaces.remove(&other_half);
        }
        for interface in self.interfaces.values_mut() {
            if let Kind::HostSide { bridge, .. } = &mut interface.kind
                && bridge.as_ref() == Some(name)
            {
                *bridge = None;
            }
        }
    }

    /// The interface of this name, made if it is not there.
    fn interface(&mut self, name: &InterfaceName, kind: Kind, owner: &Owner) -> &mut Interface {
        self.interfaces.entry(name.clone()).or_insert_with(|| Interface {
            kind,
            owner: Some(owner.clone()),
            addresses: BTreeSet::new(),
        })
    }

    fn existing(&mut self, name: &InterfaceName) -> Result<&mut Interface> {
        self.interfaces.get_mut(name).ok_or_else(|| absent(name))
    }
}

fn absent(name: &InterfaceName) -> PlatformError {
    PlatformError::NotFound {
        object: format!("interface {name}"),
    }
}

fn conflict(name: &InterfaceName) -> PlatformError {
    PlatformError::Conflict {
        object: format!("interface {name}"),
    }
}
