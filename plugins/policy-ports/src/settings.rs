//! What the site writes below `[plugins.config.policy-ports]`.

use std::collections::BTreeMap;

use kleene_sdk::{Pattern, PortRange, Ports, Protocol};
use serde::Deserialize;

/// All of it.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    /// What holds for a port that no rule decides.
    #[serde(default)]
    pub(crate) default: Action,
    /// Asked in order.
    #[serde(default)]
    pub(crate) rules: Vec<SiteRule>,
}

/// Yes or no.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Action {
    /// The port may be published.
    Allow,
    /// It may not.
    #[default]
    Deny,
}

/// A rule of the site. It speaks of what all of its conditions hold for; those left out always do.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(try_from = "Words")]
pub struct SiteRule {
    name: Option<String>,
    pub(crate) action: Action,
    pub(crate) containers: Option<Pattern>,
    pub(crate) networks: Option<Pattern>,
    pub(crate) labels: BTreeMap<String, Pattern>,
    pub(crate) interfaces: Option<Vec<String>>,
    pub(crate) protocol: Option<Protocol>,
    ports: Option<Ports>,
    reason: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Words {
    name: Option<String>,
    action: Action,
    containers: Option<Pattern>,
    networks: Option<Pattern>,
    #[serde(default)]
    labels: BTreeMap<String, Pattern>,
    interfaces: Option<Vec<String>>,
    protocol: Option<Protocol>,
    ports: Option<Ports>,
    reason: Option<String>,
}

impl TryFrom<Words> for SiteRule {
    type Error = &'static str;

    fn try_from(words: Words) -> Result<Self, Self::Error> {
        if words.protocol == Some(Protocol::Icmp) {
            return Err("icmp has no ports that could be published: write tcp or udp, or leave it out");
        }
        if words.interfaces.as_ref().is_some_and(Vec::is_empty) {
            return Err("an empty list of interfaces is none: leave it out for all");
        }
        Ok(Self {
            name: words.name,
            action: words.action,
            containers: words.containers,
            networks: words.networks,
            labels: words.labels,
            interfaces: words.interfaces,
            protocol: words.protocol,
            ports: words.ports,
            reason: words.reason,
        })
    }
}

impl SiteRule {
    /// The ports of the host it speaks of.
    pub(crate) fn ports(&self) -> impl Iterator<Item = PortRange> {
        const ALL: PortRange = PortRange {
            first: 0,
            last: u16::MAX,
        };
        let ranges = self.ports.as_ref().map(|Ports(ranges)| ranges.as_slice());
        ranges.unwrap_or(&[ALL]).iter().copied()
    }

    /// How it is named to users; `number` is its place, from 0.
    pub(crate) fn words(&self, number: usize) -> String {
        let name = match &self.name {
            Some(name) => format!("rule '{name}' of this site"),
            None => format!("rule {} of this site", number + 1),
        };
        match &self.reason {
            Some(reason) => format!("{name}: {reason}"),
            None => format!("{name} denies it"),
        }
    }
}
