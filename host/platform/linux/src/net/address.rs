//! Addresses on interfaces. An address that the host had before us stays the host's: it is neither taken nor removed
//! (BastilleBSD #567: a jail with the host's address took it away when it stopped).

use std::collections::HashMap;
use std::net::IpAddr;

use futures_util::TryStreamExt;
use ipnet::IpNet;
use kleene_plan::InterfaceName;
use kleene_platform::{PlatformError, Result};
use rtnetlink::packet_route::address::{
    AddressAttribute, AddressFlags, AddressHeaderFlags, AddressMessage, AddressProtocol, CacheInfo,
};

use super::{Link, Network};
use crate::failure::OrFailed;

/// The protocol number of addresses that are ours: a `k`.
const OURS: AddressProtocol = AddressProtocol::Other(0x6b);

/// An address as the kernel describes it.
pub(crate) struct Found {
    pub(crate) net: IpNet,
    is_marked: bool,
    message: AddressMessage,
}

impl Network {
    /// Whether [`ensure_address`](Self::ensure_address) would change anything.
    pub(crate) fn would_add_address(&self, interface: &InterfaceName, address: IpNet) -> Result<bool> {
        let link = self.existing_link(interface)?;
        Ok(!self.has_own_address(&link, interface, address)?)
    }

    /// An address on an interface.
    pub(crate) fn ensure_address(&self, interface: &InterfaceName, address: IpNet) -> Result<()> {
        let link = self.existing_link(interface)?;
        self.ensure_address_on(&link, interface, address)
    }

    pub(crate) fn ensure_address_on(
        &self,
        link: &Link,
        interface: &InterfaceName,
        address: IpNet,
    ) -> Result<()> {
        if self.has_own_address(link, interface, address)? {
            return Ok(());
        }
        let mut request = self
            .handle
            .address()
            .add(link.index, address.addr(), address.prefix_len());
        let message = request.message_mut();
        message.attributes.push(AddressAttribute::Protocol(OURS));
        if address.addr().is_ipv6() {
            // Usable at once: what it could clash with is not of this host's making.
            message.header.flags |= AddressHeaderFlags::Nodad;
            let mut flags = AddressFlags::Nodad;
            if address.prefix_len() == address.max_prefix_len() {
                // Nobody else is behind it: a route beside that of the address itself would say nothing.
                flags |= AddressFlags::Noprefixroute;
                // Nor does the host speak from it by itself, as it would from the latest of its addresses.
                let mut lifetimes = CacheInfo::default();
                lifetimes.ifa_valid = u32::MAX;
                message.attributes.push(AddressAttribute::CacheInfo(lifetimes));
            }
            message.attributes.push(AddressAttribute::Flags(flags));
        }
        self.wait(|| request.execute())
            .or_failed(|| format!("put address {address} on interface {interface}"))
    }

    /// Whether [`remove_address`](Self::remove_address) would find something to remove.
    pub(crate) fn would_remove_address(&self, interface: &InterfaceName, address: IpNet) -> Result<bool> {
        let Some(link) = self.link(interface.as_str())? else {
            return Ok(false);
        };
        Ok(self.own_address(&link, address.addr())?.is_some())
    }

    /// Takes an address from an interface if it is there and ours.
    pub(crate) fn remove_address(&self, interface: &InterfaceName, address: IpNet) -> Result<()> {
        let Some(link) = self.link(interface.as_str())? else {
            return Ok(());
        };
        let Some(found) = self.own_address(&link, address.addr())? else {
            return Ok(());
        };
        match self.wait(|| self.handle.address().del(found.message).execute()) {
            Err(said) if said.is(rustix::io::Errno::ADDRNOTAVAIL) => Ok(()),
            result => result.or_failed(|| format!("take address {address} from interface {interface}")),
        }
    }

    pub(crate) fn existing_link(&self, interface: &InterfaceName) -> Result<Link> {
        self.link(interface.as_str())?
            .ok_or_else(|| PlatformError::NotFound {
                object: format!("interface {interface}"),
            })
    }

    /// Whether the interface has the address from us already.
    ///
    /// # Errors
    /// [`PlatformError::Conflict`] if the host has it, there or elsewhere.
    fn has_own_address(&self, link: &Link, interface: &InterfaceName, address: IpNet) -> Result<bool> {
        match self.own_address(link, address.addr())? {
            Some(found) if found.net.prefix_len() == address.prefix_len() => Ok(true),
            Some(found) => Err(PlatformError::Conflict {
                object: format!("address {} on interface {interface}", found.net),
            }),
            None if self.is_local(address.addr())? => Err(PlatformError::Conflict {
                object: format!("address {} of the host", address.addr()),
            }),
            None => Ok(false),
        }
    }

    /// The address on an interface if it is ours: by its mark, or because the whole interface is.
    fn own_address(&self, link: &Link, address: IpAddr) -> Result<Option<Found>> {
        let found = self
            .addresses_of(link.index)?
            .into_iter()
            .find(|found| found.net.addr() == address);
        Ok(found.filter(|found| found.is_marked || link.owner.is_some()))
    }

    pub(crate) fn addresses_of(&self, index: u32) -> Result<Vec<Found>> {
        let request = self.handle.address().get().set_link_index_filter(index);
        let messages = self
            .wait(|| request.execute().try_collect::<Vec<_>>())
            .or_failed(|| format!("list the addresses of interface number {index}"))?;
        Ok(messages.into_iter().filter_map(Found::read).collect())
    }

    /// Addresses of an interface; none if it does not exist.
    pub(crate) fn addresses(&self, interface: &InterfaceName) -> Result<Vec<IpAddr>> {
        let Some(link) = self.link(interface.as_str())? else {
            return Ok(Vec::new());
        };
        Ok(self
            .addresses_of(link.index)?
            .iter()
            .map(|found| found.net.addr())
            .collect())
    }

    /// Addresses of an interface that are the host's own, as far as the kernel knows marks; none if it does not exist.
    pub(crate) fn own_addresses(&self, interface: &InterfaceName) -> Result<Vec<IpAddr>> {
        let Some(link) = self.link(interface.as_str())? else {
            return Ok(Vec::new());
        };
        let of_containers = |found: &Found| found.is_marked && link.owner.is_none();
        Ok(self
            .addresses_of(link.index)?
            .into_iter()
            .filter(|found| !of_containers(found))
            .map(|found| found.net.addr())
            .collect())
    }

    /// All addresses of the host by the index of their interface.
    pub(crate) fn all_addresses(&self) -> Result<HashMap<u32, Vec<IpNet>>> {
        let messages = self
            .wait(|| self.handle.address().get().execute().try_collect::<Vec<_>>())
            .or_failed(|| "list addresses".to_owned())?;
        let mut addresses: HashMap<u32, Vec<IpNet>> = HashMap::new();
        for found in messages.into_iter().filter_map(Found::read) {
            addresses
                .entry(found.message.header.index)
                .or_default()
                .push(found.net);
        }
        Ok(addresses)
    }
}

impl Found {
    /// `IFA_LOCAL` is the interface's own address; `IFA_ADDRESS` is the peer's on a point-to-point link, and the only one
    /// that IPv6 has otherwise.
    fn read(message: AddressMessage) -> Option<Self> {
        let (mut own, mut other, mut is_marked) = (None, None, false);
        for attribute in &message.attributes {
            match attribute {
                AddressAttribute::Local(address) => own = Some(*address),
                AddressAttribute::Address(address) => other = Some(*address),
                AddressAttribute::Protocol(protocol) => is_marked = *protocol == OURS,
                _ => {}
            }
        }
        let net = IpNet::new(own.or(other)?, message.header.prefix_len).ok()?;
        Some(Self {
            net,
            is_marked,
            message,
        })
    }
}
