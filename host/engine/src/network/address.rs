//! Which address an endpoint gets. The lease itself is the store's.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipnet::IpNet;
use kleene_api::AUTO;
use kleene_plan::Family;
use kleene_store::{Network, Read};

use crate::Engine;
use crate::error::{EngineError, Result};
use crate::parse;

/// Addresses of a network that are no endpoint's to have, apart from the network and broadcast address.
#[derive(Debug)]
pub(super) struct Reserved {
    v4: Vec<Ipv4Addr>,
    v6: Vec<Ipv6Addr>,
}

impl Reserved {
    fn contains(&self, address: IpAddr) -> bool {
        match address {
            IpAddr::V4(address) => self.v4.contains(&address),
            IpAddr::V6(address) => self.v6.contains(&address),
        }
    }
}

impl Engine {
    /// The gateways of the network, and the addresses which the host has.
    pub(super) fn reserved_addresses(&self, network: &Network) -> Result<Reserved> {
        let facts = self.network_facts(network)?;
        let gateways = facts.subnets.iter().filter_map(|subnet| subnet.gateway);
        let interfaces = self.platform.interfaces()?;
        let own = interfaces
            .iter()
            .flat_map(|interface| interface.addresses.iter().map(IpNet::addr));
        let mut reserved = Reserved {
            v4: Vec::new(),
            v6: Vec::new(),
        };
        for address in gateways.chain(own) {
            match address {
                IpAddr::V4(address) => reserved.v4.push(address),
                IpAddr::V6(address) => reserved.v6.push(address),
            }
        }
        Ok(reserved)
    }
}

/// The IPv4 address that a request asks for: none, any that is free, or this one.
pub(super) fn choose4(
    read: &Read<'_>,
    network: &Network,
    wanted: &str,
    reserved: &Reserved,
) -> Result<Option<Ipv4Addr>> {
    match (wanted, network.subnet) {
        ("", _) | (AUTO, None) => Ok(None),
        (AUTO, Some(net)) => {
            let free = read.allocate4(&network.id, net, &reserved.v4)?;
            free.map(Some)
                .ok_or_else(|| EngineError::conflict("no more inet IP's left in the network"))
        }
        (_, None) => Err(no_subnet(Family::Inet)),
        (text, Some(net)) => {
            let address = parse::address4(text)?;
            refuse_unusable(address.into(), net.into(), network, reserved)?;
            Ok(Some(address))
        }
    }
}

/// As [`choose4`], for IPv6.
pub(super) fn choose6(
    read: &Read<'_>,
    network: &Network,
    wanted: &str,
    reserved: &Reserved,
) -> Result<Option<Ipv6Addr>> {
    match (wanted, network.subnet6) {
        ("", _) | (AUTO, None) => Ok(None),
        (AUTO, Some(net)) => {
            let free = read.allocate6(&network.id, net, &reserved.v6)?;
            free.map(Some)
                .ok_or_else(|| EngineError::conflict("no more inet6 IP's left in the network"))
        }
        (_, None) => Err(no_subnet(Family::Inet6)),
        (text, Some(net)) => {
            let address = parse::address6(text)?;
            refuse_unusable(address.into(), net.into(), network, reserved)?;
            Ok(Some(address))
        }
    }
}

fn no_subnet(family: Family) -> EngineError {
    EngineError::conflict(format!(
        "cannot set ip address because there is no {family} subnet defined for this network"
    ))
}

fn refuse_unusable(address: IpAddr, net: IpNet, network: &Network, reserved: &Reserved) -> Result<()> {
    let name = &network.name;
    if !net.contains(&address) {
        return Err(EngineError::conflict(format!(
            "address {address} is not in the subnet {net} of network '{name}'"
        )));
    }
    // In a /31 or /127 both addresses are hosts (RFC 3021, RFC 6164), in a /32 or /128 the only one is.
    let has_ends = net.prefix_len() + 1 < net.max_prefix_len();
    let is_broadcast = net.addr().is_ipv4() && address == net.broadcast();
    if has_ends && (address == net.network() || is_broadcast) {
        return Err(EngineError::conflict(format!(
            "address {address} is the network or broadcast address of {net}"
        )));
    }
    if reserved.contains(address) {
        return Err(EngineError::conflict(format!(
            "address {address} of network '{name}' is its gateway or belongs to the host; choose another one"
        )));
    }
    Ok(())
}
