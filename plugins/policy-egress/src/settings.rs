//! What the site writes below `[plugins.config.policy-egress]`.

use kleene_sdk::{AddressMatch, Admission, Pattern, PortRange, Ports, Protocol};
use serde::Deserialize;

/// All of it.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    /// What holds for a network that no list names.
    #[serde(default)]
    default: Otherwise,
    /// Lists; the first whose name a network has is its own.
    #[serde(default)]
    networks: Vec<List>,
    /// What a network without a list may reach where that is nothing.
    #[serde(skip, default = "List::nothing")]
    nothing: List,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Otherwise {
    /// Everything.
    #[default]
    Allow,
    /// Nothing outside of the network.
    Block,
}

/// What networks of some names may reach.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct List {
    name: Pattern,
    /// Destinations; nothing else is reached.
    pub allow: Vec<Destination>,
    /// How the rest is refused.
    #[serde(default)]
    pub refuse: Refuse,
}

/// How packets are refused.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Refuse {
    /// The sender is told, and fails at once.
    #[default]
    Reject,
    /// The sender waits in vain.
    Drop,
}

impl Refuse {
    /// The same for a guard.
    #[must_use]
    pub fn admission(self) -> Admission {
        match self {
            Self::Reject => Admission::Reject,
            Self::Drop => Admission::Block,
        }
    }
}

/// A destination that is allowed.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(try_from = "Words")]
pub struct Destination {
    /// Its addresses.
    pub to: AddressMatch,
    protocol: Option<Protocol>,
    ports: Option<Ports>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Words {
    to: AddressMatch,
    protocol: Option<Protocol>,
    ports: Option<Ports>,
}

impl TryFrom<Words> for Destination {
    type Error = &'static str;

    fn try_from(Words { to, protocol, ports }: Words) -> Result<Self, Self::Error> {
        if ports.is_some() && protocol == Some(Protocol::Icmp) {
            return Err("icmp has no ports: leave out one of the two");
        }
        Ok(Self { to, protocol, ports })
    }
}

impl Destination {
    /// Protocols with their ports. Ports without a protocol are those of TCP and of UDP.
    pub fn ports(&self) -> impl Iterator<Item = (Option<Protocol>, Option<PortRange>)> {
        let protocols: Vec<_> = match (self.protocol, &self.ports) {
            (None, Some(_)) => vec![Some(Protocol::Tcp), Some(Protocol::Udp)],
            (protocol, _) => vec![protocol],
        };
        let ranges: Vec<_> = match &self.ports {
            Some(Ports(ranges)) => ranges.iter().copied().map(Some).collect(),
            None => vec![None],
        };
        protocols
            .into_iter()
            .flat_map(move |protocol| ranges.clone().into_iter().map(move |range| (protocol, range)))
    }
}

impl List {
    fn nothing() -> Self {
        Self {
            name: Pattern::from("*"),
            allow: Vec::new(),
            refuse: Refuse::Reject,
        }
    }
}

impl Settings {
    /// What a network of this name may reach; `None`: everything.
    #[must_use]
    pub fn of(&self, network: &str) -> Option<&List> {
        let own = self.networks.iter().find(|list| list.name.matches(network));
        match self.default {
            Otherwise::Allow => own,
            Otherwise::Block => own.or(Some(&self.nothing)),
        }
    }
}
