//! Bridges of networks.

use ipnet::IpNet;
use kleene_plan::{Id, InterfaceName, MacAddress, Owner};
use kleene_platform::Result;
use rtnetlink::{LinkBridge, LinkUnspec};
use rustix::io::Errno;

use super::link::mark;
use super::{Network, conflict, sysctl};
use crate::failure::OrFailed;

impl Network {
    /// Whether [`ensure_bridge`](Self::ensure_bridge) would change anything.
    pub(crate) fn would_change_bridge(
        &self,
        name: &InterfaceName,
        owner: &Owner,
        addresses: &[IpNet],
    ) -> Result<bool> {
        let Some(link) = self.own_link(name, owner)? else {
            return Ok(true);
        };
        if !link.is_bridge {
            return Err(conflict(name));
        }
        let present = self.addresses_of(link.index)?;
        Ok(!link.is_up
            || !addresses
                .iter()
                .all(|address| present.iter().any(|found| found.net == *address)))
    }

    /// A bridge, up, with these addresses at least.
    pub(crate) fn ensure_bridge(
        &self,
        name: &InterfaceName,
        owner: &Owner,
        addresses: &[IpNet],
    ) -> Result<()> {
        let link = match self.own_link(name, owner)? {
            Some(link) if !link.is_bridge => return Err(conflict(name)),
            Some(link) => link,
            None => self.create_bridge(name, owner)?,
        };
        let action = || format!("set up bridge {name}");
        // Without members there is nobody to detect a duplicate among; the wait would only delay its addresses.
        sysctl::write(&sysctl::ipv6(name, "accept_dad"), "0").or_failed(action)?;
        if !link.is_up {
            self.change(LinkUnspec::new_with_index(link.index).up().build())
                .or_failed(action)?;
        }
        addresses
            .iter()
            .try_for_each(|address| self.ensure_address_on(&link, name, *address))
    }

    /// Makes a bridge under a name that cannot clash, then gives it its name and mark in one message: so an interface
    /// of the name never exists without the mark. Its hardware address is its own and does not follow its members'.
    fn create_bridge(&self, name: &InterfaceName, owner: &Owner) -> Result<super::Link> {
        let action = || format!("create bridge {name}");
        let draft = self.unfinished_name();
        let message = LinkBridge::new(&draft)
            .address(MacAddress::of_endpoint(id(owner)).0.to_vec())
            .build();
        self.create(message).or_failed(action)?;
        let mut link = self.link(&draft)?.ok_or("it vanished").or_failed(action)?;
        let message = LinkUnspec::new_with_index(link.index)
            .name(name.as_str())
            .alias(mark(owner))
            .build();
        if let Err(said) = self.change(message) {
            self.delete(link.index)
                .or_failed(|| format!("remove the unfinished bridge {draft}"))?;
            return if said.is(Errno::EXIST) {
                Err(conflict(name))
            } else {
                Err(said).or_failed(action)
            };
        }
        link.name = name.to_string();
        link.owner = Some(owner.clone());
        Ok(link)
    }
}

fn id(owner: &Owner) -> &Id {
    match owner {
        Owner::Network(id) | Owner::Endpoint(id) => id,
    }
}
