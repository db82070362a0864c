//! Networks, and the endpoints by which containers are connected to them.

use std::fmt;
use std::net::{AddrParseError, IpAddr, Ipv4Addr, Ipv6Addr};
use std::str::FromStr;

use ipnet::{Ipv4Net, Ipv6Net};
use kleene_plan::{Id, InterfaceName, MacAddress, NetworkKind, ObjectName};

/// Where the containers of a network send what lies outside of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Gateway {
    /// Nowhere. As text: empty.
    None,
    /// To the host, at the first usable address of the subnet. As text: `<auto>`.
    Auto,
    /// To this address.
    Address(IpAddr),
}

impl fmt::Display for Gateway {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::None => Ok(()),
            Self::Auto => f.write_str("<auto>"),
            Self::Address(address) => address.fmt(f),
        }
    }
}

impl FromStr for Gateway {
    type Err = AddrParseError;

    fn from_str(text: &str) -> Result<Self, AddrParseError> {
        Ok(match text {
            "" => Self::None,
            "<auto>" => Self::Auto,
            address => Self::Address(address.parse()?),
        })
    }
}

/// A network.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Network {
    /// Its id.
    pub id: Id,
    /// Its name; no two networks share one.
    pub name: ObjectName,
    /// Its kind: `bridge`, `loopback`, `custom`, or what a plugin serves.
    pub kind: NetworkKind,
    /// Its interface; no two networks share one, except custom ones.
    pub interface: InterfaceName,
    /// Its IPv4 addresses.
    pub subnet: Option<Ipv4Net>,
    /// Its IPv6 addresses.
    pub subnet6: Option<Ipv6Net>,
    /// Its IPv4 gateway.
    pub gateway: Gateway,
    /// Its IPv6 gateway.
    pub gateway6: Gateway,
    /// The interface behind which its traffic hides.
    pub nat: Option<InterfaceName>,
    /// Whether its containers may talk to each other.
    pub icc: bool,
    /// Whether nothing leaves it.
    pub internal: bool,
}

/// A container's connection to a network; at most one for each pair of them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Endpoint {
    /// Its id.
    pub id: Id,
    /// The container.
    pub container: Id,
    /// The network.
    pub network: Id,
    /// The container's IPv4 address in the network; no other endpoint of the network has it.
    pub ip4: Option<Ipv4Addr>,
    /// The container's IPv6 address in the network; no other endpoint of the network has it.
    pub ip6: Option<Ipv6Addr>,
    /// Reserved for the host's side of a pair.
    pub host_interface: InterfaceName,
    /// Reserved for the jail's side of a pair.
    pub jail_interface: InterfaceName,
    /// The hardware address of the jail's side.
    pub mac: MacAddress,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_gateway_survives_print_and_parse() {
        for text in ["", "<auto>", "10.0.0.254", "fd00::1"] {
            assert_eq!(text.parse::<Gateway>().unwrap().to_string(), text);
        }
        assert!("10.1".parse::<Gateway>().is_err());
    }
}
