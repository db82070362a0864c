//! A plan in print, for tests: the same text as the host prints.

use std::fmt::{self, Write};

use crate::{
    Action, AddressMatch, Admission, Direction, Family, FilterRule, Guard, Guarded, InterfaceMatch,
    JailSetting, Op, Plan, PortRange, Protocol, Rule,
};

impl Plan {
    /// A line per operation, rule and setting. `owner` is whose plan it is, in the host's words: `network-<id>` or
    /// `endpoint-<id>`.
    #[must_use]
    pub fn print(&self, owner: &str) -> String {
        let mut text = String::new();
        for op in &self.ops {
            // Writing to a string cannot fail.
            let _ = writeln!(text, "{}", PrintedOp { op, owner });
        }
        for setting in &self.jail {
            let _ = writeln!(text, "{setting}");
        }
        text
    }
}

struct PrintedOp<'a> {
    op: &'a Op,
    owner: &'a str,
}

impl fmt::Display for PrintedOp<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.op {
            Op::EnsureBridge(bridge) => {
                write!(f, "bridge {}", bridge.name)?;
                bridge
                    .addresses
                    .iter()
                    .try_for_each(|address| write!(f, " {address}"))
            }
            Op::EnsureLoopback(name) => write!(f, "loopback {name}"),
            Op::EnsurePair(pair) => {
                let isolated = if pair.isolated { " isolated" } else { "" };
                write!(
                    f,
                    "pair {} - {} ({}) on bridge {}{isolated}",
                    pair.host, pair.jail, pair.mac, pair.bridge
                )
            }
            Op::UseInterface(name) => write!(f, "use interface {name}"),
            Op::EnsureAlias(alias) => write!(f, "address {} on {}", alias.address, alias.on_interface),
            Op::EnsureForwarding(family) => {
                let family = match family {
                    Family::Inet => "IPv4",
                    Family::Inet6 => "IPv6",
                };
                write!(f, "forward {family} packets")
            }
            Op::SetRules(rules) => {
                write!(f, "rules of {}", self.owner)?;
                rules.iter().try_for_each(|rule| write!(f, "\n    {rule}"))
            }
            Op::CreateDataset(dataset) => write!(f, "create dataset {dataset}"),
            Op::CloneDataset(clone) => write!(f, "clone {} to dataset {}", clone.snapshot, clone.dataset),
            Op::CreateSnapshot(snapshot) => write!(f, "snapshot {snapshot}"),
            Op::SetQuota(quota) => match quota.bytes {
                Some(bytes) => write!(f, "limit dataset {} to {bytes} bytes", quota.dataset),
                None => write!(f, "lift the limit of dataset {}", quota.dataset),
            },
        }
    }
}

impl fmt::Display for JailSetting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TakeInterface(interface) => {
                write!(f, "jail: interface {}", interface.name)?;
                interface
                    .addresses
                    .iter()
                    .try_for_each(|address| write!(f, " {address}"))
            }
            Self::Address(address) => write!(f, "jail: address {address}"),
            Self::DefaultRoute(gateway) => write!(f, "jail: default route via {gateway}"),
        }
    }
}

impl fmt::Display for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Filter(rule) => rule.fmt(f),
            Self::Nat(rule) => {
                let interface = &rule.on_interface;
                write!(
                    f,
                    "nat on {interface} from {} to any -> ({interface})",
                    rule.source
                )
            }
            Self::Rdr(rule) => write!(
                f,
                "rdr on {} proto {} to (host) port {} -> {} port {}",
                rule.on_interface, rule.protocol, rule.host_ports, rule.target, rule.target_ports
            ),
            Self::Guard(guard) => guard.fmt(f),
            Self::Hairpin(rule) => {
                let interface = &rule.on_interface;
                write!(
                    f,
                    "nat on {interface} proto {} from {} to {} port {} -> ({interface})",
                    rule.protocol, rule.source, rule.target, rule.target_ports
                )
            }
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
            Guarded::Source(net) => {
                write!(f, "guard from {net}")?;
                "to"
            }
            Guarded::Destination(net) => {
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
        f.write_str(match self.action {
            Action::Pass => "pass",
            Action::Block => "block",
            Action::Reject => "block return",
        })?;
        f.write_str(match self.direction {
            Direction::In => " in",
            Direction::Out => " out",
            Direction::Both => "",
        })?;
        f.write_str(if self.quick { " quick" } else { "" })?;
        f.write_str(if self.log { " log" } else { "" })?;
        if self.on_interface != InterfaceMatch::Any {
            write!(f, " on {}", self.on_interface)?;
        }
        if let Some(protocol) = self.protocol {
            write!(f, " proto {protocol}")?;
        }
        write!(f, " from {} to {}", self.source, self.destination)?;
        self.ports.map_or(Ok(()), |ports| write!(f, " port {ports}"))
    }
}

impl fmt::Display for InterfaceMatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Any => "any",
            Self::Named(name) => name,
            Self::KleeneNetworks => "<kleene networks>",
        })
    }
}

impl fmt::Display for AddressMatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Any => f.write_str("any"),
            Self::Net(net) => net.fmt(f),
        }
    }
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

impl fmt::Display for PortRange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.first == self.last {
            write!(f, "{}", self.first)
        } else {
            write!(f, "{}:{}", self.first, self.last)
        }
    }
}
