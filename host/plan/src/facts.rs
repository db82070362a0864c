//! What a plugin is told when it is asked for a plan. Everything a plan needs is reserved before the plugin is
//! called, so that the plan is a pure function of these facts.

use std::collections::BTreeMap;
use std::fmt;
use std::net::IpAddr;

use ipnet::IpNet;
use serde::{Deserialize, Serialize};

use crate::firewall::{PortRange, Protocol};
use crate::names::{DatasetName, Id, InterfaceName, MacAddress, ObjectName};

/// A family of addresses.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Family {
    /// IPv4.
    Inet,
    /// IPv6.
    Inet6,
}

impl Family {
    /// The family of an address.
    #[must_use]
    pub fn of(address: IpAddr) -> Self {
        if address.is_ipv4() {
            Self::Inet
        } else {
            Self::Inet6
        }
    }
}

impl fmt::Display for Family {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Inet => "IPv4",
            Self::Inet6 => "IPv6",
        })
    }
}

/// The kind of a network; a plugin says in its manifest which kinds it serves.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct NetworkKind(pub ObjectName);

impl fmt::Display for NetworkKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// A subnet of a network.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Subnet {
    /// Network address and prefix length.
    pub net: IpNet,
    /// Where containers send what lies outside of the subnet.
    pub gateway: Option<IpAddr>,
    /// Whether the gateway is the host itself, which then has this address on the network's interface.
    pub host_is_gateway: bool,
}

/// A network.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NetworkFacts {
    /// Its id.
    pub id: Id,
    /// Its name.
    pub name: ObjectName,
    /// Its kind, such as `bridge`.
    pub kind: NetworkKind,
    /// The interface reserved for it; of a custom network, an interface of the host's that exists.
    pub interface: InterfaceName,
    /// At most one of each family.
    pub subnets: Vec<Subnet>,
    /// The interface behind which the network's traffic hides; `None`: it does not.
    pub nat: Option<InterfaceName>,
    /// Whether containers may talk to each other.
    pub icc: bool,
    /// Whether nothing leaves the network.
    pub internal: bool,
    /// The interface of the host's default route, where it has one: the way out that an internal network is denied.
    pub host_gateway: Option<InterfaceName>,
}

/// A port of a container that the host offers to others.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PublishedPort {
    /// TCP or UDP.
    pub protocol: Protocol,
    /// Interfaces of the host; empty: all.
    pub interfaces: Vec<InterfaceName>,
    /// Ports of the host.
    pub host_ports: PortRange,
    /// Ports of the container: as many as of the host, or one for all.
    pub container_ports: PortRange,
    /// Addresses of the endpoint that they lead to; at most one of each family. A port of a family is offered through
    /// one of a container's endpoints only.
    pub targets: Vec<IpAddr>,
}

/// A container's connection to a network.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct EndpointFacts {
    /// Its id.
    pub id: Id,
    /// The container's id.
    pub container: Id,
    /// The container's name.
    pub container_name: Option<ObjectName>,
    /// What users note about the container.
    pub labels: BTreeMap<String, String>,
    /// Whether the container has a network stack of its own (vnet) or borrows addresses of the host's (ipnet).
    pub vnet: bool,
    /// The container's addresses in this network with the subnet's prefix length; at most one of each family.
    pub addresses: Vec<IpNet>,
    /// Gateways the container's default routes shall use; at most one of each family, and only of the one network
    /// that provides it.
    pub default_routes: Vec<IpAddr>,
    /// Reserved for the host's side of a pair.
    pub host_interface: InterfaceName,
    /// Reserved for the jail's side of a pair.
    pub jail_interface: InterfaceName,
    /// Reserved for the jail's side of a pair.
    pub mac: MacAddress,
    /// What the host offers to others through this endpoint.
    pub ports: Vec<PublishedPort>,
}

/// A volume.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct VolumeFacts {
    /// Its name.
    pub name: ObjectName,
    /// The dataset reserved for it.
    pub dataset: DatasetName,
}
