//! Which address an endpoint gets. The lease itself is the store's.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipnet::IpNet;
use kleene_api::{AUTO, NetworkType};
use kleene_plan::{Family, Id, NetworkFacts};
use kleene_platform::Platform;
use kleene_store::{Network, Read};

use crate::error::{EngineError, Result};
use crate::parse;

/// The addresses of a network, of which some are no endpoint's to have: the gateways, whatever the host has, and the next
/// hops of its routes.
pub(crate) struct Pool<'e> {
    platform: &'e dyn Platform,
    network: &'e Network,
    gateways: Vec<IpAddr>,
    next_hops: Vec<IpAddr>,
}

impl<'e> Pool<'e> {
    pub(crate) fn new(
        platform: &'e dyn Platform,
        network: &'e Network,
        facts: &NetworkFacts,
    ) -> Result<Self> {
        Ok(Self {
            platform,
            network,
            gateways: facts.subnets.iter().filter_map(|subnet| subnet.gateway).collect(),
            next_hops: platform.next_hops()?,
        })
    }

    /// What is never chosen for an endpoint.
    fn reserved(&self) -> impl Iterator<Item = &IpAddr> {
        self.gateways.iter().chain(&self.next_hops)
    }

    /// Whose addresses they are.
    pub(super) fn network(&self) -> &Id {
        &self.network.id
    }

    /// The IPv4 address that a request asks for: none, any that is free, or this one.
    pub(super) fn choose4(&self, read: &Read<'_>, wanted: &str) -> Result<Option<Ipv4Addr>> {
        match (wanted, self.network.subnet) {
            ("", _) | (AUTO, None) => Ok(None),
            (AUTO, Some(net)) => {
                let mut reserved: Vec<_> = self.reserved().filter_map(v4).collect();
                while let Some(free) = read.allocate4(&self.network.id, net, &reserved)? {
                    if !self.platform.has_address(free.into())? {
                        return Ok(Some(free));
                    }
                    reserved.push(free);
                }
                Err(EngineError::conflict("no more inet IP's left in the network"))
            }
            (_, None) => Err(no_subnet(Family::Inet)),
            (text, Some(net)) => {
                let address = parse::address4(text)?;
                self.refuse_unusable(read, address.into(), net.into())?;
                Ok(Some(address))
            }
        }
    }

    /// As [`choose4`](Self::choose4), for IPv6.
    pub(super) fn choose6(&self, read: &Read<'_>, wanted: &str) -> Result<Option<Ipv6Addr>> {
        match (wanted, self.network.subnet6) {
            ("", _) | (AUTO, None) => Ok(None),
            (AUTO, Some(net)) => {
                let mut reserved: Vec<_> = self.reserved().filter_map(v6).collect();
                while let Some(free) = read.allocate6(&self.network.id, net, &reserved)? {
                    if !self.platform.has_address(free.into())? {
                        return Ok(Some(free));
                    }
                    reserved.push(free);
                }
                Err(EngineError::conflict("no more inet6 IP's left in the network"))
            }
            (_, None) => Err(no_subnet(Family::Inet6)),
            (text, Some(net)) => {
                let address = parse::address6(text)?;
                self.refuse_unusable(read, address.into(), net.into())?;
                Ok(Some(address))
            }
        }
    }

    fn refuse_unusable(&self, read: &Read<'_>, address: IpAddr, net: IpNet) -> Result<()> {
        let name = &self.network.name;
        if !net.contains(&address) {
            return Err(EngineError::conflict(format!(
                "address {address} is not in the subnet {net} of network '{name}'"
            )));
        }
        if is_end(net, address) {
            return Err(EngineError::conflict(format!(
                "address {address} is the network or broadcast address of {net}"
            )));
        }
        if read.address_holder(&self.network.id, address)?.is_some() {
            // The lease is refused by the name of the container that has it.
            return Ok(());
        }
        if self.gateways.contains(&address) || self.platform.has_address(address)? {
            return Err(EngineError::conflict(format!(
                "address {address} of network '{name}' is its gateway or belongs to the host; choose another one"
            )));
        }
        // On a network of its own, a container may be meant to be the router.
        let is_among_others = self.network.kind.0.as_str() == NetworkType::Custom.as_str();
        if is_among_others && self.next_hops.contains(&address) {
            return Err(EngineError::conflict(format!(
                "address {address} of network '{name}' is a router's: routes of the host lead there, and would end if a \
                 container had it; choose another one"
            )));
        }
        Ok(())
    }
}

fn no_subnet(family: Family) -> EngineError {
    EngineError::conflict(format!(
        "cannot set ip address because there is no {family} subnet defined for this network"
    ))
}

/// Whether an address is one of the two of its subnet that no host has. In a /31 or /127 both addresses are hosts (RFC
/// 3021, RFC 6164), in a /32 or /128 the only one is.
pub(super) fn is_end(net: IpNet, address: IpAddr) -> bool {
    let has_ends = net.prefix_len() + 1 < net.max_prefix_len();
    let is_broadcast = net.addr().is_ipv4() && address == net.broadcast();
    has_ends && (address == net.network() || is_broadcast)
}

fn v4(address: &IpAddr) -> Option<Ipv4Addr> {
    match address {
        IpAddr::V4(address) => Some(*address),
        IpAddr::V6(_) => None,
    }
}

fn v6(address: &IpAddr) -> Option<Ipv6Addr> {
    match address {
        IpAddr::V4(_) => None,
        IpAddr::V6(address) => Some(*address),
    }
}
