//! Firewall rules as data. A platform compiles them to a pf anchor or to nftables chains; no text of a user ever
//! becomes part of a ruleset.
//!
//! The meaning is pf's: within one set a later filter rule wins over an earlier one unless the earlier is `quick`;
//! a packet which is forwarded is judged when it comes in and again when it goes out; replies to what was passed
//! are passed. Translation never implies a pass (pf.conf(5), "TRANSLATION").

use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

use ipnet::IpNet;
use serde::{Deserialize, Serialize};

use crate::names::InterfaceName;

/// A transport or control protocol.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Protocol {
    /// Transmission Control Protocol.
    Tcp,
    /// User Datagram Protocol.
    Udp,
    /// ICMP, or ICMPv6 where the addresses are IPv6.
    Icmp,
}

impl fmt::Display for Protocol {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Tcp => "tcp",
            Self::Udp => "udp",
            Self::Icmp => "icmp",
        })
    }
}

/// Ports from `first` to `last`, both included.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct PortRange {
    first: u16,
    last: u16,
}

/// Why a text or a pair is not a range of ports.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ParsePortRangeError {
    /// A part is not a decimal number from 0 to 65535.
    #[error("invalid port value (should be in the range 0 - 65535)")]
    Value,
    /// More than two parts, or the first port lies behind the last.
    #[error("could not decode port publishing specification")]
    Form,
}

impl PortRange {
    /// The range from `first` to `last`.
    ///
    /// # Errors
    /// [`ParsePortRangeError::Form`] if `first` lies behind `last`.
    pub fn new(first: u16, last: u16) -> Result<Self, ParsePortRangeError> {
        if first <= last {
            Ok(Self { first, last })
        } else {
            Err(ParsePortRangeError::Form)
        }
    }

    /// The range of one port.
    #[must_use]
    pub fn single(port: u16) -> Self {
        Self {
            first: port,
            last: port,
        }
    }

    /// The lowest port.
    #[must_use]
    pub fn first(self) -> u16 {
        self.first
    }

    /// The highest port.
    #[must_use]
    pub fn last(self) -> u16 {
        self.last
    }

    /// How many ports there are: 1 to 65536.
    #[must_use]
    pub fn count(self) -> u32 {
        u32::from(self.last - self.first) + 1
    }
}

impl FromStr for PortRange {
    type Err = ParsePortRangeError;

    /// `P` or `P:P`, decimal.
    fn from_str(text: &str) -> Result<Self, ParsePortRangeError> {
        match text.split_once(':') {
            None => Ok(Self::single(parse_port(text)?)),
            Some((_, rest)) if rest.contains(':') => Err(ParsePortRangeError::Form),
            Some((first, last)) => Self::new(parse_port(first)?, parse_port(last)?),
        }
    }
}

/// A decimal port without sign. (Rust's own parser accepts a `+`.)
fn parse_port(text: &str) -> Result<u16, ParsePortRangeError> {
    if text.bytes().all(|byte| byte.is_ascii_digit()) {
        text.parse().map_err(|_| ParsePortRangeError::Value)
    } else {
        Err(ParsePortRangeError::Value)
    }
}

impl TryFrom<String> for PortRange {
    type Error = ParsePortRangeError;

    fn try_from(text: String) -> Result<Self, ParsePortRangeError> {
        text.parse()
    }
}

impl From<PortRange> for String {
    fn from(range: PortRange) -> String {
        range.to_string()
    }
}

impl fmt::Display for PortRange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.first == self.last {
            write!(f, "{}", self.first)
        } else {
            write!(f, "{}:{}", self.first, self.last)
        }
    }
}

/// What happens to a packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Action {
    /// Let it through, and the replies to it.
    Pass,
    /// Drop it silently.
    Block,
    /// Drop it and tell the sender.
    Reject,
}

/// Seen from the host: into it or out of it, through an interface.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Direction {
    /// Packets that come in.
    In,
    /// Packets that go out.
    Out,
    /// Both.
    Both,
}

/// Which interfaces a rule looks at.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum InterfaceMatch {
    /// Every interface.
    Any,
    /// One interface.
    Named(InterfaceName),
    /// The loopback interface and the interfaces of all of Kleene's networks, whichever exist when a packet comes.
    KleeneNetworks,
}

/// Which addresses a rule looks at.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Address {
    /// Every address.
    Any,
    /// A subnet, or one address as a /32 or /128.
    Net(IpNet),
}

/// Passes or blocks packets.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct FilterRule {
    /// What happens.
    pub action: Action,
    /// On the way in or out.
    pub direction: Direction,
    /// Whether a match ends the evaluation.
    pub quick: bool,
    /// Whether a match is logged.
    pub log: bool,
    /// Through which interface.
    pub interface: InterfaceMatch,
    /// `None`: all protocols.
    pub protocol: Option<Protocol>,
    /// Source addresses.
    pub from: Address,
    /// Destination addresses.
    pub to: Address,
    /// Destination ports; only with TCP or UDP. `None`: all.
    pub to_ports: Option<PortRange>,
}

impl FilterRule {
    /// The one address that the rule closes to everybody, if it is such a rule. On behalf of an endpoint that is the
    /// address of a container among those of other machines: what is sent there is never redirected.
    #[must_use]
    pub fn closed_address(&self) -> Option<IpAddr> {
        let closes = self.action != Action::Pass
            && self.direction != Direction::Out
            && self.interface == InterfaceMatch::Any
            && self.protocol.is_none()
            && self.to_ports.is_none()
            && self.from == Address::Any;
        match &self.to {
            Address::Net(net) if closes && net.prefix_len() == net.max_prefix_len() => Some(net.addr()),
            _ => None,
        }
    }
}

/// Gives packets that leave through `interface` that interface's address as their source.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct NatRule {
    /// Where packets leave.
    pub interface: InterfaceName,
    /// Whose packets.
    pub from: IpNet,
}

/// Gives packets that a network sends to a port of one of its own containers, having been redirected there, the address of
/// the network's interface as their source. They come back the way they went then, and the answer is recognised; without
/// it a container would answer its neighbour, or itself, directly.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct HairpinRule {
    /// The network's interface.
    pub interface: InterfaceName,
    /// The network.
    pub from: IpNet,
    /// TCP or UDP.
    pub protocol: Protocol,
    /// Address of the container.
    pub to: IpAddr,
    /// Ports of the container.
    pub to_ports: PortRange,
}

/// Sends what arrives at a port of the host to a container. The address family is that of `to`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct RdrRule {
    /// Where packets arrive. The destination is any address of the host on `Any`, else an address of that interface; never
    /// one that a container has there. The host's own packets to those addresses are redirected as well.
    pub interface: InterfaceMatch,
    /// TCP or UDP.
    pub protocol: Protocol,
    /// Ports of the host.
    pub ports: PortRange,
    /// Address of the container.
    pub to: IpAddr,
    /// Ports of the container, as many as of the host, or one for all of them.
    pub to_ports: PortRange,
}

/// What a guard says about a packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Admission {
    /// No objection: other guards and the filter rules judge it as if this guard were not there.
    Admit,
    /// Drop it silently. Nothing lets it through again.
    Block,
    /// Drop it and tell the sender. Nothing lets it through again.
    Reject,
}

/// Whose packets a guard looks at. It must be the owner's own, so that guards of different owners do not meet.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Guarded {
    /// Packets that come in through an interface, whatever their source says.
    Arriving(InterfaceName),
    /// Packets from these addresses, on their way in and on their way out.
    From(IpNet),
    /// Packets to these addresses (after redirection), on their way in and on their way out.
    To(IpNet),
}

/// One line of a guard.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct GuardLine {
    /// What happens.
    pub admission: Admission,
    /// Whether a refusal is logged.
    pub log: bool,
    /// `None`: all protocols.
    pub protocol: Option<Protocol>,
    /// The other side: the destination (after redirection), or the source where packets to somebody are guarded.
    pub peer: Address,
    /// Destination ports; only with TCP or UDP. `None`: all.
    pub ports: Option<PortRange>,
}

/// A guard: its first line that matches a packet decides, and where none does it has no objection.
///
/// Guards are asked before all filter rules of all owners, and each of them must admit: they only ever restrict.
/// Answers to what was passed are passed.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Guard {
    /// Whose packets.
    pub guarded: Guarded,
    /// What may be and what not, in order.
    pub lines: Vec<GuardLine>,
}

impl Guard {
    /// The lines as quick filter rules; to admit becomes to pass.
    pub fn as_filters(&self) -> impl Iterator<Item = FilterRule> {
        self.lines.iter().map(|line| {
            let peer = line.peer.clone();
            let (direction, interface, from, to) = match &self.guarded {
                Guarded::Arriving(name) => (
                    Direction::In,
                    InterfaceMatch::Named(name.clone()),
                    Address::Any,
                    peer,
                ),
                Guarded::From(net) => (Direction::Both, InterfaceMatch::Any, Address::Net(*net), peer),
                Guarded::To(net) => (Direction::Both, InterfaceMatch::Any, peer, Address::Net(*net)),
            };
            FilterRule {
                action: match line.admission {
                    Admission::Admit => Action::Pass,
                    Admission::Block => Action::Block,
                    Admission::Reject => Action::Reject,
                },
                direction,
                quick: true,
                log: line.log && line.admission != Admission::Admit,
                interface,
                protocol: line.protocol,
                from,
                to,
                to_ports: line.ports,
            }
        })
    }
}

/// One rule.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Rule {
    /// Pass or block.
    Filter(FilterRule),
    /// Source translation.
    Nat(NatRule),
    /// Redirection.
    Rdr(RdrRule),
    /// A restriction that nothing lifts.
    Guard(Guard),
    /// Source translation of what was redirected within a network.
    Hairpin(HairpinRule),
}

impl fmt::Display for Direction {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::In => " in",
            Self::Out => " out",
            Self::Both => "",
        })
    }
}

impl fmt::Display for InterfaceMatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Any => f.write_str("any"),
            Self::Named(name) => name.fmt(f),
            Self::KleeneNetworks => f.write_str("<kleene networks>"),
        }
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Any => f.write_str("any"),
            Self::Net(net) => net.fmt(f),
        }
    }
}

impl fmt::Display for Rule {
    /// In the manner of pf.conf(5), for people: this text is never loaded.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Filter(rule) => rule.fmt(f),
            Self::Nat(rule) => write!(
                f,
                "nat on {i} from {} to any -> ({i})",
                rule.from,
                i = rule.interface
            ),
            Self::Rdr(rule) => {
                let RdrRule {
                    interface,
                    protocol,
                    ports,
                    to,
                    to_ports,
                } = rule;
                write!(
                    f,
                    "rdr on {interface} proto {protocol} to (host) port {ports} -> {to} port {to_ports}"
                )
            }
            Self::Guard(guard) => guard.fmt(f),
            Self::Hairpin(rule) => write!(
                f,
                "nat on {i} proto {} from {} to {} port {} -> ({i})",
                rule.protocol,
                rule.from,
                rule.to,
                rule.to_ports,
                i = rule.interface
            ),
        }
    }
}

impl fmt::Display for Guard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let side = match &self.guarded {
            Guarded::Arriving(name) => {
                write!(f, "guard in on {name}")?;
                "to"
            }
            Guarded::From(net) => {
                write!(f, "guard from {net}")?;
                "to"
            }
            Guarded::To(net) => {
                write!(f, "guard to {net}")?;
                "from"
            }
        };
        for line in &self.lines {
            f.write_str(match line.admission {
                Admission::Admit => "\n        admit",
                Admission::Block => "\n        block",
                Admission::Reject => "\n        block return",
            })?;
            f.write_str(if line.log { " log" } else { "" })?;
            if let Some(protocol) = line.protocol {
                write!(f, " proto {protocol}")?;
            }
            write!(f, " {side} {}", line.peer)?;
            if let Some(ports) = line.ports {
                write!(f, " port {ports}")?;
            }
        }
        Ok(())
    }
}

impl fmt::Display for FilterRule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let action = match self.action {
            Action::Pass => "pass",
            Action::Block => "block",
            Action::Reject => "block return",
        };
        write!(f, "{action}{}", self.direction)?;
        if self.quick {
            f.write_str(" quick")?;
        }
        if self.log {
            f.write_str(" log")?;
        }
        if self.interface != InterfaceMatch::Any {
            write!(f, " on {}", self.interface)?;
        }
        if let Some(protocol) = self.protocol {
            write!(f, " proto {protocol}")?;
        }
        write!(f, " from {} to {}", self.from, self.to)?;
        match self.to_ports {
            Some(ports) => write!(f, " port {ports}"),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ports_are_decimal_and_in_order() {
        assert_eq!("80".parse(), Ok(PortRange::single(80)));
        assert_eq!("80:90".parse::<PortRange>().map(PortRange::count), Ok(11));
        for text in ["", "+80", "65536", "http", "80:", ":80"] {
            assert_eq!(
                text.parse::<PortRange>(),
                Err(ParsePortRangeError::Value),
                "{text:?}"
            );
        }
        for text in ["90:80", "1:2:3"] {
            assert_eq!(
                text.parse::<PortRange>(),
                Err(ParsePortRangeError::Form),
                "{text:?}"
            );
        }
    }

    #[test]
    fn rules_read_like_pf() {
        let rule = Rule::Filter(FilterRule {
            action: Action::Block,
            direction: Direction::In,
            quick: false,
            log: true,
            interface: InterfaceMatch::Any,
            protocol: None,
            from: Address::Any,
            to: Address::Net("10.0.1.0/24".parse().unwrap()),
            to_ports: None,
        });
        assert_eq!(rule.to_string(), "block in log from any to 10.0.1.0/24");
    }

    #[test]
    fn a_guard_reads_as_its_lines() {
        let line = |admission, peer: Address, port: Option<u16>| GuardLine {
            admission,
            log: admission != Admission::Admit,
            protocol: port.map(|_| Protocol::Tcp),
            peer,
            ports: port.map(PortRange::single),
        };
        let web = Address::Net("192.0.2.0/24".parse().unwrap());
        let guard = Guard {
            guarded: Guarded::From("10.0.1.2/32".parse().unwrap()),
            lines: vec![
                line(Admission::Admit, web, Some(443)),
                line(Admission::Reject, Address::Any, None),
            ],
        };
        assert_eq!(
            guard.to_string(),
            "guard from 10.0.1.2/32\n        admit proto tcp to 192.0.2.0/24 port 443\n        block return log to any"
        );
    }
}
