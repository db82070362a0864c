//! What a plugin answers.

use std::fmt;
use std::net::IpAddr;

use ipnet::IpNet;
use serde::{Deserialize, Serialize};

use crate::capability::Capability;
use crate::names::{InterfaceName, MacAddress};
use crate::op::Op;

/// Something about a jail that holds from its start, and goes with it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum JailSetting {
    /// The jail takes an interface of the host's (the jail's side of a pair), which is then up with these addresses.
    Interface {
        /// The interface.
        name: InterfaceName,
        /// Its hardware address.
        mac: MacAddress,
        /// Its addresses.
        addresses: Vec<IpNet>,
    },
    /// The jail may use this address of the host's and, with its like, no others.
    Address(IpAddr),
    /// Where the jail sends packets that no subnet of its own takes. One per family.
    DefaultRoute(IpAddr),
}

impl JailSetting {
    /// The capability a plugin must have been granted to set this.
    #[must_use]
    pub fn capability(&self) -> Capability {
        match self {
            Self::Interface { .. } => Capability::Pair,
            Self::Address(_) => Capability::Alias,
            Self::DefaultRoute(_) => Capability::Route,
        }
    }
}

impl fmt::Display for JailSetting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Interface { name, addresses, .. } => {
                write!(f, "jail: interface {name}")?;
                addresses.iter().try_for_each(|address| write!(f, " {address}"))
            }
            Self::Address(address) => write!(f, "jail: address {address}"),
            Self::DefaultRoute(gateway) => write!(f, "jail: default route via {gateway}"),
        }
    }
}

/// Operations on the host, in order, and what the jail that they are for shall have.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Plan {
    /// Changes of the host.
    pub ops: Vec<Op>,
    /// Properties of the jail; empty where the plan is not for one.
    pub jail: Vec<JailSetting>,
}

impl fmt::Display for Plan {
    /// A line per operation and setting.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.ops.iter().try_for_each(|op| writeln!(f, "{op}"))?;
        self.jail.iter().try_for_each(|setting| writeln!(f, "{setting}"))
    }
}
