//! Addresses, families, protocols and ports.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipnet::IpNet;
use kleene_plan::{Family, PortRange, Protocol};

use crate::bindings::types;

pub(crate) fn address_to_wit(address: IpAddr) -> types::IpAddress {
    match address {
        IpAddr::V4(v4) => types::IpAddress::V4(v4.octets().into()),
        IpAddr::V6(v6) => types::IpAddress::V6(v6.segments().into()),
    }
}

pub(crate) fn address_from_wit(address: types::IpAddress) -> IpAddr {
    match address {
        types::IpAddress::V4(v4) => Ipv4Addr::from(<[u8; 4]>::from(v4)).into(),
        types::IpAddress::V6(v6) => Ipv6Addr::from(<[u16; 8]>::from(v6)).into(),
    }
}

pub(crate) fn net_to_wit(net: IpNet) -> types::IpNet {
    types::IpNet {
        address: address_to_wit(net.addr()),
        prefix: net.prefix_len(),
    }
}

pub(crate) fn net_from_wit(net: types::IpNet) -> Result<IpNet, String> {
    let address = address_from_wit(net.address);
    IpNet::new(address, net.prefix).map_err(|_| format!("{address}/{} has no such prefix length", net.prefix))
}

pub(crate) fn nets_from_wit(nets: Vec<types::IpNet>) -> Result<Vec<IpNet>, String> {
    nets.into_iter().map(net_from_wit).collect()
}

pub(crate) fn family_from_wit(family: types::Family) -> Family {
    match family {
        types::Family::Inet => Family::Inet,
        types::Family::Inet6 => Family::Inet6,
    }
}

pub(crate) fn family_to_wit(family: Family) -> types::Family {
    match family {
        Family::Inet => types::Family::Inet,
        Family::Inet6 => types::Family::Inet6,
    }
}

pub(crate) fn protocol_to_wit(protocol: Protocol) -> types::Protocol {
    match protocol {
        Protocol::Tcp => types::Protocol::Tcp,
        Protocol::Udp => types::Protocol::Udp,
        Protocol::Icmp => types::Protocol::Icmp,
    }
}

pub(crate) fn protocol_from_wit(protocol: types::Protocol) -> Protocol {
    match protocol {
        types::Protocol::Tcp => Protocol::Tcp,
        types::Protocol::Udp => Protocol::Udp,
        types::Protocol::Icmp => Protocol::Icmp,
    }
}

pub(crate) fn ports_to_wit(ports: PortRange) -> types::PortRange {
    types::PortRange {
        first: ports.first(),
        last: ports.last(),
    }
}

pub(crate) fn ports_from_wit(ports: types::PortRange) -> Result<PortRange, String> {
    PortRange::new(ports.first, ports.last)
        .map_err(|_| format!("ports {}:{} are in the wrong order", ports.first, ports.last))
}
