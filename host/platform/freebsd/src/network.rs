//! Interfaces and addresses of the host, as ifconfig(8) has them.
//!
//! What Kleene makes is in the group `kleene` and says in its description whose it is; nothing else is ever taken over
//! or removed. An address on an interface that is not ours bears no mark, so we remember those that we put there.

use std::net::IpAddr;

use ipnet::IpNet;
use kleene_plan::{Bridge, Family, InterfaceName, Loopback, Owner, Pair};
use kleene_platform::{Gateways, InterfaceInfo, Listener, PlatformError, Result};

use crate::aliases::Aliases;
use crate::command::{Command, Parsed, ToolError, Tools};
use crate::failure::OrFailed;
use crate::ifconfig::{self, Interface, Kind};
use crate::netstat::{self, InterfaceAddress};
use crate::system;

/// The host's network stack.
#[derive(Debug)]
pub(crate) struct Network {
    tools: Tools,
    aliases: Aliases,
}

impl Network {
    pub(crate) fn new(tools: Tools, aliases: Aliases) -> Self {
        Self { tools, aliases }
    }

    fn look(&self, name: &str) -> Result<Option<Interface>> {
        let found = match self.tools.read(&ifconfig::show(Some(name)), ifconfig::parse_show) {
            Err(error) if ifconfig::is_absence(&error) => return Ok(None),
            found => found.or_failed(|| format!("look at interface {name}"))?,
        };
        Ok(found.into_iter().next())
    }

    /// An interface that is the owner's, if there is one.
    ///
    /// # Errors
    /// [`PlatformError::Conflict`] if it is somebody else's.
    fn own(&self, name: &InterfaceName, owner: &Owner) -> Result<Option<Interface>> {
        match self.look(name.as_str())? {
            Some(found) if found.owner().as_ref() != Some(owner) => Err(conflict(name)),
            found => Ok(found),
        }
    }

    fn own_of_kind(&self, name: &InterfaceName, owner: &Owner, kind: Kind) -> Result<Option<Interface>> {
        match self.own(name, owner)? {
            Some(found) if !found.is(kind) => Err(conflict(name)),
            found => Ok(found),
        }
    }

    // Bridges and loopback interfaces

    pub(crate) fn would_change_bridge(&self, bridge: &Bridge) -> Result<bool> {
        match self.own_of_kind(&bridge.name, &bridge.owner, Kind::Bridge)? {
            Some(found) => Ok(!found.up || !self.lacks(&bridge.name, &bridge.addresses)?.is_empty()),
            None => Ok(true),
        }
    }

    pub(crate) fn ensure_bridge(&self, bridge: &Bridge) -> Result<()> {
        self.ensure(&bridge.name, &bridge.owner, Kind::Bridge)?;
        for address in self.lacks(&bridge.name, &bridge.addresses)? {
            self.put(&bridge.name, address)?;
        }
        Ok(())
    }

    pub(crate) fn would_change_loopback(&self, loopback: &Loopback) -> Result<bool> {
        let found = self.own_of_kind(&loopback.name, &loopback.owner, Kind::Loopback)?;
        Ok(found.is_none_or(|found| !found.up))
    }

    pub(crate) fn ensure_loopback(&self, loopback: &Loopback) -> Result<()> {
        self.ensure(&loopback.name, &loopback.owner, Kind::Loopback)
    }

    /// An interface of this kind, marked and up.
    fn ensure(&self, name: &InterfaceName, owner: &Owner, kind: Kind) -> Result<()> {
        let action = || format!("create interface {name}");
        let up = match self.own_of_kind(name, owner, kind)? {
            Some(found) => found.up,
            None => {
                let create = ifconfig::create(kind, owner);
                let draft = self.tools.read(&create, ifconfig::parse_created);
                let draft = draft.or_failed(action)?;
                let named = self.tools.run(&ifconfig::rename(&draft, name));
                if let Err(error) = named {
                    return Err(self.destroy_draft(&draft, refused(error, name, action())));
                }
                false
            }
        };
        if up {
            return Ok(());
        }
        self.run(&ifconfig::up(name.as_str()), action)
    }

    /// What could not be finished must not stay; of two errors the first is the cause.
    fn destroy_draft(&self, draft: &str, cause: PlatformError) -> PlatformError {
        if let Err(error) = self.tools.run(&ifconfig::destroy(draft))
            && !ifconfig::is_absence(&error)
        {
            tracing::error!(
                "an unfinished interface is left over, remove it with 'ifconfig {draft} destroy': {error}"
            );
        }
        cause
    }

    // Interfaces of the host's that networks use

    pub(crate) fn would_use(&self, name: &InterfaceName, owner: &Owner) -> Result<bool> {
        let groups = self.existing(name)?.groups;
        Ok(!groups.contains(ifconfig::GROUP) || !groups.contains(&ifconfig::user_group(owner)))
    }

    /// An interface that is not ours in the group of our networks, where rules look for it.
    pub(crate) fn use_interface(&self, name: &InterfaceName, owner: &Owner) -> Result<()> {
        if !self.would_use(name, owner)? {
            return Ok(());
        }
        let command = ifconfig::enter_groups(name.as_str(), &ifconfig::user_group(owner));
        self.run(&command, || {
            format!("put interface {name} into the groups of its networks")
        })
    }

    pub(crate) fn is_used(&self, name: &InterfaceName, owner: &Owner) -> Result<bool> {
        let found = self.look(name.as_str())?;
        Ok(found.is_some_and(|found| found.groups.contains(&ifconfig::user_group(owner))))
    }

    /// Out of the groups again; out of that of all networks with the last that uses it.
    pub(crate) fn release_interface(&self, name: &InterfaceName, owner: &Owner) -> Result<()> {
        let user = ifconfig::user_group(owner);
        let Some(found) = self
            .look(name.as_str())?
            .filter(|found| found.groups.contains(&user))
        else {
            return Ok(());
        };
        let action = || format!("take interface {name} out of the groups of its networks");
        if found.users() == 1 {
            self.run(&ifconfig::leave_group(name.as_str(), ifconfig::GROUP), action)?;
        }
        self.run(&ifconfig::leave_group(name.as_str(), &user), action)
    }

    fn existing(&self, name: &InterfaceName) -> Result<Interface> {
        self.look(name.as_str())?.ok_or_else(|| PlatformError::NotFound {
            object: format!("interface {name}"),
        })
    }

    // Pairs

    pub(crate) fn would_change_pair(&self, pair: &Pair) -> Result<bool> {
        let Some(host) = self.own_of_kind(&pair.host, &pair.owner, Kind::Pair)? else {
            self.check_jail_side_is_free(pair)?;
            return Ok(true);
        };
        let bridge = self.look(pair.bridge.as_str())?;
        let member = bridge.as_ref().and_then(|bridge| bridge.member(&pair.host));
        Ok(!host.up || member.is_none_or(|member| member.private != pair.isolated))
    }

    /// A pair whose host side is a member of the bridge and up. The jail side is not looked at if the pair is there:
    /// it may be in its jail.
    pub(crate) fn ensure_pair(&self, pair: &Pair) -> Result<()> {
        let bridge = self
            .look(pair.bridge.as_str())?
            .ok_or_else(|| PlatformError::NotFound {
                object: format!("bridge {}", pair.bridge),
            })?;
        let is_new = self.own_of_kind(&pair.host, &pair.owner, Kind::Pair)?.is_none();
        if is_new {
            self.check_jail_side_is_free(pair)?;
            self.create_pair(pair)?;
        }
        let action = || format!("make interface {} a member of bridge {}", pair.host, pair.bridge);
        let member = bridge.member(&pair.host);
        let joined = member.map_or_else(
            || self.run(&ifconfig::add_member(&pair.bridge, &pair.host), action),
            |_| Ok(()),
        );
        let separated = joined.and_then(|()| {
            // A new member is not private.
            if member.is_some_and(|member| member.private) == pair.isolated {
                Ok(())
            } else {
                self.run(
                    &ifconfig::set_private(&pair.bridge, &pair.host, pair.isolated),
                    action,
                )
            }
        });
        let finished = separated.and_then(|()| self.run(&ifconfig::up(pair.host.as_str()), action));
        match finished {
            // One that was there may be a running jail's.
            Err(cause) if is_new => Err(self.destroy_draft(pair.host.as_str(), cause)),
            finished => finished,
        }
    }

    fn check_jail_side_is_free(&self, pair: &Pair) -> Result<()> {
        match self.look(pair.jail.as_str())? {
            Some(_) => Err(conflict(&pair.jail)),
            None => Ok(()),
        }
    }

    /// Makes a pair by the names that the kernel chooses. The jail side gets its name first: as long as the host side
    /// has none, nothing is found under it.
    fn create_pair(&self, pair: &Pair) -> Result<()> {
        let action = || format!("create the pair of interfaces {} and {}", pair.host, pair.jail);
        let draft = self.tools.read(
            &ifconfig::create(Kind::Pair, &pair.owner),
            ifconfig::parse_created,
        );
        let draft = draft.or_failed(action)?;
        let number = draft.strip_suffix('a').ok_or_else(|| {
            let cause = PlatformError::failed(action(), format!("'{draft}' is not the first half of a pair"));
            self.destroy_draft(&draft, cause)
        })?;
        let other = format!("{number}b");
        let made = self
            .tools
            .run(&ifconfig::set_mac(&other, pair.mac))
            .and_then(|_| {
                self.tools
                    .run(&ifconfig::mark_and_rename(&other, &pair.owner, &pair.jail))
            })
            .map_err(|error| refused(error, &pair.jail, action()))
            .and_then(|_| {
                let named = self.tools.run(&ifconfig::rename(&draft, &pair.host));
                named.map_err(|error| refused(error, &pair.host, action()))
            });
        made.map(drop).map_err(|cause| self.destroy_draft(&draft, cause))
    }

    // Removal

    pub(crate) fn would_remove(&self, name: &InterfaceName, owner: &Owner) -> Result<bool> {
        let found = self.look(name.as_str())?;
        Ok(found.is_some_and(|found| found.owner().as_ref() == Some(owner)))
    }

    /// Removes an interface if it is the owner's, and the other half of a pair with it, even out of a jail.
    pub(crate) fn remove(&self, name: &InterfaceName, owner: &Owner) -> Result<()> {
        match self.look(name.as_str())? {
            Some(found) if found.owner().as_ref() == Some(owner) => {
                match self.tools.run(&ifconfig::destroy(name.as_str())) {
                    Err(error) if !ifconfig::is_absence(&error) => {
                        Err(PlatformError::failed(format!("remove interface {name}"), error))
                    }
                    _ => Ok(()),
                }
            }
            Some(_) => {
                tracing::warn!("interface {name} is not removed: it does not belong to {owner}");
                Ok(())
            }
            None => self.remove_drafts(owner),
        }
    }

    /// Removes what was made for an owner and did not get its name, because we ended in the middle.
    fn remove_drafts(&self, owner: &Owner) -> Result<()> {
        let action = || format!("remove unfinished interfaces of {owner}");
        let all = self.tools.read(&ifconfig::show(None), ifconfig::parse_show);
        for found in all.or_failed(action)? {
            if ifconfig::is_draft(&found.name) && found.owner().as_ref() == Some(owner) {
                match self.tools.run(&ifconfig::destroy(&found.name)) {
                    Err(error) if !ifconfig::is_absence(&error) => {
                        return Err(PlatformError::failed(action(), error));
                    }
                    _ => {}
                }
            }
        }
        Ok(())
    }

    // Addresses

    fn addresses(&self) -> Result<Vec<InterfaceAddress>> {
        let addresses = self.tools.read(&netstat::addresses(), netstat::parse_addresses);
        addresses.or_failed(|| "list the addresses of the host".to_owned())
    }

    /// Which of these addresses are not on an interface.
    fn lacks(&self, name: &InterfaceName, wanted: &[IpNet]) -> Result<Vec<IpNet>> {
        if wanted.is_empty() {
            return Ok(Vec::new());
        }
        let present = self.addresses()?;
        let is_there = |address: &&IpNet| {
            let mut of_interface = present.iter().filter(|found| found.interface == name.as_str());
            !of_interface.any(|found| found.address == **address)
        };
        Ok(wanted.iter().filter(is_there).copied().collect())
    }

    /// Whether the address is to be put on the interface.
    ///
    /// # Errors
    /// [`PlatformError::Conflict`] if the host has it, there or elsewhere.
    pub(crate) fn would_add_address(&self, interface: &InterfaceName, address: IpNet) -> Result<bool> {
        let found = self.found_address(address.addr())?;
        match found {
            None => Ok(true),
            Some(found) if found.interface != interface.as_str() => Err(PlatformError::Conflict {
                object: format!("address {} of interface {}", address.addr(), found.interface),
            }),
            Some(found) if found.address == address && self.is_ours(interface, address)? => Ok(false),
            Some(found) => Err(PlatformError::Conflict {
                object: format!("address {} on interface {interface}", found.address),
            }),
        }
    }

    pub(crate) fn ensure_address(&self, interface: &InterfaceName, address: IpNet) -> Result<()> {
        if !self.would_add_address(interface, address)? {
            return Ok(());
        }
        self.aliases.add(interface, address)?;
        self.put(interface, address).inspect_err(|_| {
            if let Err(error) = self.aliases.forget(interface, address) {
                tracing::warn!("after a failure: {error}");
            }
        })
    }

    fn put(&self, interface: &InterfaceName, address: IpNet) -> Result<()> {
        let action = || format!("put address {address} on interface {interface}");
        let name = interface.as_str();
        if address.addr().is_ipv6() {
            self.run(&ifconfig::trust_addresses(name), action)?;
        }
        match self.tools.run(&ifconfig::add_address(name, address)) {
            Err(error) if ifconfig::is_absence(&error) => Err(PlatformError::NotFound {
                object: format!("interface {interface}"),
            }),
            put => put.map(drop).or_failed(action),
        }
    }

    pub(crate) fn would_remove_address(&self, interface: &InterfaceName, address: IpNet) -> Result<bool> {
        match self.found_address(address.addr())? {
            Some(found) if found.interface == interface.as_str() && found.address == address => {
                self.is_ours(interface, address)
            }
            _ => Ok(false),
        }
    }

    /// Takes an address from an interface if it is there and ours.
    pub(crate) fn remove_address(&self, interface: &InterfaceName, address: IpNet) -> Result<()> {
        if self.would_remove_address(interface, address)? {
            match self
                .tools
                .run(&ifconfig::remove_address(interface.as_str(), address))
            {
                Err(error) if !ifconfig::address_is_absent(&error) && !ifconfig::is_absence(&error) => {
                    let action = format!("take address {address} from interface {interface}");
                    return Err(PlatformError::failed(action, error));
                }
                _ => {}
            }
        }
        self.aliases.forget(interface, address)
    }

    fn found_address(&self, address: IpAddr) -> Result<Option<InterfaceAddress>> {
        let addresses = self.addresses()?;
        Ok(addresses
            .into_iter()
            .find(|found| found.address.addr() == address))
    }

    /// Everything on our interfaces is ours; on others what we remember to have put there.
    fn is_ours(&self, interface: &InterfaceName, address: IpNet) -> Result<bool> {
        if self.aliases.has(interface, address) {
            return Ok(true);
        }
        let found = self.look(interface.as_str())?;
        Ok(found.is_some_and(|found| found.owner().is_some()))
    }

    // Facts

    pub(crate) fn interfaces(&self) -> Result<Vec<InterfaceInfo>> {
        let all = self.tools.read(&ifconfig::show(None), ifconfig::parse_show);
        let all = all.or_failed(|| "list interfaces".to_owned())?;
        let addresses = self.addresses()?;
        let info = |interface: Interface| {
            let of_interface = addresses.iter().filter(|found| found.interface == interface.name);
            Some(InterfaceInfo {
                name: interface.name.parse().ok()?,
                addresses: of_interface.map(|found| found.address).collect(),
                owner: interface.owner(),
            })
        };
        Ok(all.into_iter().filter_map(info).collect())
    }

    pub(crate) fn gateways(&self) -> Result<Gateways> {
        self.routes(netstat::parse_gateways)
    }

    pub(crate) fn next_hops(&self) -> Result<Vec<IpAddr>> {
        self.routes(netstat::parse_next_hops)
    }

    fn routes<T>(&self, parse: impl Fn(&str) -> Parsed<T>) -> Result<T> {
        let routes = self.tools.read(&netstat::routes(), parse);
        routes.or_failed(|| "read the routes of the host".to_owned())
    }

    pub(crate) fn listeners(&self) -> Result<Vec<Listener>> {
        let mut listeners = Vec::new();
        for family in ["inet", "inet6"] {
            let sockets = self
                .tools
                .read(&netstat::sockets(family), netstat::parse_listeners);
            listeners.extend(sockets.or_failed(|| "list the sockets of the host".to_owned())?);
        }
        Ok(listeners)
    }

    pub(crate) fn forwards(&self, family: Family) -> Result<bool> {
        let value = self.tools.run(&system::get_sysctl(system::forwarding(family)));
        Ok(value
            .or_failed(|| format!("ask whether {family} packets are forwarded"))?
            .trim()
            != "0")
    }

    pub(crate) fn forward(&self, family: Family) -> Result<()> {
        if self.forwards(family)? {
            return Ok(());
        }
        tracing::warn!(
            "this host forwards {family} packets from now on, until {} is set to 0",
            system::forwarding(family)
        );
        self.run(&system::set_sysctl(system::forwarding(family), 1), || {
            format!("forward {family} packets")
        })
    }

    fn run(&self, command: &Command, action: impl FnOnce() -> String) -> Result<()> {
        self.tools.run(command).map(drop).or_failed(action)
    }
}

fn conflict(name: &InterfaceName) -> PlatformError {
    PlatformError::Conflict {
        object: format!("interface {name}"),
    }
}

/// A name that is taken is a conflict.
fn refused(error: ToolError, name: &InterfaceName, action: String) -> PlatformError {
    if ifconfig::is_clash(&error) {
        conflict(name)
    } else {
        PlatformError::failed(action, error)
    }
}
