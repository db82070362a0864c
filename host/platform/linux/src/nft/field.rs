//! What a rule looks at in a packet, one field at a time, as nft(8) expressions and set types.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipnet::IpNet;
use kleene_plan::{Family, InterfaceName, PortRange, Protocol};

/// Which way a packet goes, seen from the host.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Way {
    In,
    Out,
}

impl Way {
    /// Its part of names.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::In => "in",
            Self::Out => "out",
        }
    }

    /// The interface a packet takes that way.
    pub(crate) fn interface(self) -> &'static str {
        match self {
            Self::In => "iifname",
            Self::Out => "oifname",
        }
    }
}

/// A part of the key of a set. Addresses and ports are looked at with as many of their leading bits as the value has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Field {
    Interface,
    Family,
    Source(Family, u8),
    Destination(Family, u8),
    Protocol,
    Port(u8),
}

impl Field {
    /// The expression that takes it from a packet.
    pub(crate) fn expression(self, way: Way) -> String {
        match self {
            Self::Interface => way.interface().to_owned(),
            Self::Family => "meta nfproto".to_owned(),
            Self::Source(family, bits) => masked(&format!("{} saddr", header(family)), family, bits),
            Self::Destination(family, bits) => masked(&format!("{} daddr", header(family)), family, bits),
            Self::Protocol => "meta l4proto".to_owned(),
            Self::Port(16) => "th dport".to_owned(),
            Self::Port(bits) => format!("th dport & {:#06x}", port_mask(bits)),
        }
    }

    pub(crate) fn data_type(self) -> &'static str {
        match self {
            Self::Interface => "ifname",
            Self::Family => "nf_proto",
            Self::Source(Family::Inet, _) | Self::Destination(Family::Inet, _) => "ipv4_addr",
            Self::Source(Family::Inet6, _) | Self::Destination(Family::Inet6, _) => "ipv6_addr",
            Self::Protocol => "inet_proto",
            Self::Port(_) => "inet_service",
        }
    }

    /// Its part of a set's name.
    pub(crate) fn name(self) -> String {
        match self {
            Self::Interface => "if".to_owned(),
            Self::Family => "family".to_owned(),
            Self::Source(family, bits) => format!("from{}x{bits}", digit(family)),
            Self::Destination(family, bits) => format!("to{}x{bits}", digit(family)),
            Self::Protocol => "proto".to_owned(),
            Self::Port(bits) => format!("port{bits}"),
        }
    }
}

/// `4` or `6`, as names of sets have it.
pub(crate) fn digit(family: Family) -> char {
    match family {
        Family::Inet => '4',
        Family::Inet6 => '6',
    }
}

/// `ip` or `ip6`, as nft has it.
pub(crate) fn header(family: Family) -> &'static str {
    match family {
        Family::Inet => "ip",
        Family::Inet6 => "ip6",
    }
}

fn masked(expression: &str, family: Family, bits: u8) -> String {
    let mask: IpAddr = match family {
        Family::Inet if bits == 32 => return expression.to_owned(),
        Family::Inet6 if bits == 128 => return expression.to_owned(),
        Family::Inet => Ipv4Addr::from_bits(u32::MAX.checked_shl(32 - u32::from(bits)).unwrap_or(0)).into(),
        Family::Inet6 => {
            Ipv6Addr::from_bits(u128::MAX.checked_shl(128 - u32::from(bits)).unwrap_or(0)).into()
        }
    };
    format!("{expression} & {mask}")
}

fn port_mask(bits: u8) -> u16 {
    u16::MAX.checked_shl(16 - u32::from(bits)).unwrap_or(0)
}

/// Joins the expressions of several fields to one key.
pub(crate) fn concatenated(fields: &[Field], part: impl Fn(Field) -> String) -> String {
    fields
        .iter()
        .map(|field| part(*field))
        .collect::<Vec<_>>()
        .join(" . ")
}

/// A field with its value.
pub(crate) type Condition = (Field, String);

pub(crate) fn interface(name: &InterfaceName) -> Condition {
    (Field::Interface, quoted(name))
}

/// An interface's name in nft's quotes; it cannot hold one itself.
pub(crate) fn quoted(name: &InterfaceName) -> String {
    format!("\"{name}\"")
}

pub(crate) fn family(family: Family) -> Condition {
    (Field::Family, format!("ipv{}", digit(family)))
}

pub(crate) fn source(net: &IpNet) -> Condition {
    (
        Field::Source(Family::of(net.addr()), net.prefix_len()),
        net.network().to_string(),
    )
}

pub(crate) fn destination(net: &IpNet) -> Condition {
    (
        Field::Destination(Family::of(net.addr()), net.prefix_len()),
        net.network().to_string(),
    )
}

/// A protocol; ICMP has a number of its own for IPv6.
pub(crate) fn protocol(protocol: Protocol, family: Family) -> Condition {
    let name = match (protocol, family) {
        (Protocol::Tcp, _) => "tcp",
        (Protocol::Udp, _) => "udp",
        (Protocol::Icmp, Family::Inet) => "icmp",
        (Protocol::Icmp, Family::Inet6) => "ipv6-icmp",
    };
    (Field::Protocol, name.to_owned())
}

/// A range of ports as the fewest blocks that share their leading bits; at most 30.
pub(crate) fn port_blocks(range: PortRange) -> Vec<Condition> {
    let mut blocks = Vec::new();
    let (mut next, end) = (u32::from(range.first()), u32::from(range.last()) + 1);
    while next < end {
        // The largest block that begins here and does not reach beyond the end.
        let aligned = if next == 0 { 16 } else { next.trailing_zeros() };
        let fitting = (end - next).ilog2();
        let size = aligned.min(fitting);
        #[allow(clippy::cast_possible_truncation, reason = "0 to 16")]
        blocks.push((Field::Port((16 - size) as u8), next.to_string()));
        next += 1 << size;
    }
    blocks
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_port_range_is_covered_exactly() {
        for (first, last) in [
            (80, 80),
            (0, 65535),
            (8080, 8090),
            (1, 65534),
            (1024, 2047),
            (65535, 65535),
            (0, 0),
        ] {
            let mut ports = Vec::new();
            for (field, value) in port_blocks(PortRange::new(first, last).unwrap()) {
                let Field::Port(bits) = field else { unreachable!() };
                let start: u32 = value.parse().unwrap();
                assert_eq!(start & !u32::from(port_mask(bits)) & 0xffff, 0, "aligned");
                ports.extend(start..start + (1 << (16 - bits)));
            }
            let expected: Vec<u32> = (u32::from(first)..=u32::from(last)).collect();
            assert_eq!(ports, expected);
        }
    }

    #[test]
    fn an_address_is_masked_to_its_prefix() {
        assert_eq!(
            Field::Source(Family::Inet, 24).expression(Way::In),
            "ip saddr & 255.255.255.0"
        );
        assert_eq!(
            Field::Destination(Family::Inet, 32).expression(Way::In),
            "ip daddr"
        );
        assert_eq!(
            Field::Destination(Family::Inet6, 64).expression(Way::Out),
            "ip6 daddr & ffff:ffff:ffff:ffff::"
        );
        assert_eq!(Field::Port(13).expression(Way::In), "th dport & 0xfff8");
    }
}
