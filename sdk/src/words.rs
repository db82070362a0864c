//! The kit's types as a site's configuration spells them: `"192.0.2.0/24"`, `"any"`, `"tcp"`, `8080`, `"8000:8010"`.

use std::fmt;
use std::str::FromStr;

use serde::de::{Deserialize, Deserializer, Error, SeqAccess, Visitor};

use crate::{AddressMatch, IpAddress, IpNet, PortRange, Protocol};

impl<'de> Deserialize<'de> for IpNet {
    /// A subnet, or an address, which stands for itself alone.
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        subnet(&text).map_err(D::Error::custom)
    }
}

impl<'de> Deserialize<'de> for AddressMatch {
    /// `any`, or as [`IpNet`].
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        match text.as_str() {
            "any" => Ok(Self::Any),
            text => subnet(text).map(Self::Net).map_err(D::Error::custom),
        }
    }
}

fn subnet(text: &str) -> Result<IpNet, String> {
    if let Ok(address) = text.parse::<IpAddress>() {
        return Ok(address.alone());
    }
    let net: IpNet = text.parse().map_err(|_| {
        format!("'{text}' is neither an address nor a subnet such as 192.0.2.0/24; names of hosts are not looked up")
    })?;
    if net.network() != net {
        return Err(format!("{net} is no subnet: write {}", net.network()));
    }
    Ok(net)
}

impl<'de> Deserialize<'de> for Protocol {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        match String::deserialize(deserializer)?.as_str() {
            "tcp" => Ok(Self::Tcp),
            "udp" => Ok(Self::Udp),
            "icmp" => Ok(Self::Icmp),
            other => Err(D::Error::custom(format!(
                "'{other}' is no protocol: write tcp, udp or icmp"
            ))),
        }
    }
}

impl FromStr for PortRange {
    type Err = String;

    /// `P` or `P:P`.
    fn from_str(text: &str) -> Result<Self, String> {
        let port = |text: &str| text.parse::<u16>().ok();
        let (first, last) = text.split_once(':').unwrap_or((text, text));
        match (port(first), port(last)) {
            (Some(first), Some(last)) if first <= last => Ok(Self { first, last }),
            _ => Err(format!(
                "'{text}' is neither a port nor a range of ports such as 8000:8010"
            )),
        }
    }
}

/// One or more ranges of ports: `8080`, `"8000:8010"`, or a list of such.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ports(pub Vec<PortRange>);

impl<'de> Deserialize<'de> for Ports {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(PortsVisitor)
    }
}

struct PortsVisitor;

impl<'de> Visitor<'de> for PortsVisitor {
    type Value = Ports;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a port, a range of ports such as \"8000:8010\", or a list of such")
    }

    fn visit_u64<E: Error>(self, port: u64) -> Result<Ports, E> {
        self.visit_str(&port.to_string())
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Ports, E> {
        text.parse().map(|range| Ports(vec![range])).map_err(E::custom)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Ports, A::Error> {
        let mut all = Vec::new();
        while let Some(Ports(ranges)) = list.next_element()? {
            all.extend(ranges);
        }
        if all.is_empty() {
            return Err(A::Error::custom(
                "an empty list of ports is none: leave it out for all ports",
            ));
        }
        Ok(Ports(all))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::settings::parse;

    #[test]
    fn ports_are_numbers_ranges_or_lists() {
        let ports = |json| {
            parse::<Ports>(json)
                .unwrap()
                .0
                .into_iter()
                .map(|range| range.to_string())
        };
        assert!(ports("80").eq(["80"]));
        assert!(ports(r#""80:90""#).eq(["80:90"]));
        assert!(ports(r#"[80, "90:99"]"#).eq(["80", "90:99"]));
        for wrong in ["-1", "70000", r#""90:80""#, r#""http""#, "[]", "true"] {
            assert!(parse::<Ports>(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_destination_is_any_an_address_or_a_subnet() {
        let printed = |json| parse::<AddressMatch>(json).map(|peer| peer.to_string());
        assert_eq!(printed(r#""any""#).unwrap(), "any");
        assert_eq!(printed(r#""192.0.2.1""#).unwrap(), "192.0.2.1/32");
        assert_eq!(printed(r#""fd00::/8""#).unwrap(), "fd00::/8");
        assert_eq!(
            printed(r#""192.0.2.1/24""#).unwrap_err().message,
            "192.0.2.1/24 is no subnet: write 192.0.2.0/24"
        );
        assert!(printed(r#""example.org""#).is_err());
    }
}
