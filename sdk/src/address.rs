//! Addresses: to and from the standard library's, to and from text.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::str::FromStr;

use crate::{Family, IpAddress, IpNet, Subnet};

impl From<IpAddr> for IpAddress {
    fn from(address: IpAddr) -> Self {
        match address {
            IpAddr::V4(v4) => Self::V4(v4.octets().into()),
            IpAddr::V6(v6) => Self::V6(v6.segments().into()),
        }
    }
}

impl From<IpAddress> for IpAddr {
    fn from(address: IpAddress) -> Self {
        match address {
            IpAddress::V4(v4) => Ipv4Addr::from(<[u8; 4]>::from(v4)).into(),
            IpAddress::V6(v6) => Ipv6Addr::from(<[u16; 8]>::from(v6)).into(),
        }
    }
}

impl IpAddress {
    /// Its family.
    #[must_use]
    pub fn family(self) -> Family {
        match self {
            Self::V4(_) => Family::Inet,
            Self::V6(_) => Family::Inet6,
        }
    }

    /// The address alone as a net: /32 or /128.
    #[must_use]
    pub fn alone(self) -> IpNet {
        let prefix = match self {
            Self::V4(_) => 32,
            Self::V6(_) => 128,
        };
        IpNet {
            address: self,
            prefix,
        }
    }
}

impl fmt::Display for IpAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        IpAddr::from(*self).fmt(f)
    }
}

impl FromStr for IpAddress {
    type Err = std::net::AddrParseError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        text.parse().map(IpAddr::into)
    }
}

/// The text is no `address/prefix`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NotANet(String);

impl fmt::Display for NotANet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "'{}' is not an address with a prefix length, such as 10.0.0.0/24",
            self.0
        )
    }
}

impl std::error::Error for NotANet {}

impl fmt::Display for IpNet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.address, self.prefix)
    }
}

impl FromStr for IpNet {
    type Err = NotANet;

    fn from_str(text: &str) -> Result<Self, NotANet> {
        let parsed = text.split_once('/').and_then(|(address, prefix)| {
            let address: IpAddress = address.parse().ok()?;
            let prefix: u8 = prefix.parse().ok()?;
            (prefix <= address.alone().prefix).then_some(Self { address, prefix })
        });
        parsed.ok_or_else(|| NotANet(text.to_owned()))
    }
}

impl IpNet {
    /// The subnet that the address lies in.
    #[must_use]
    pub fn network(self) -> Self {
        let host_bits = u32::from(self.address.alone().prefix - self.prefix);
        let address = match IpAddr::from(self.address) {
            IpAddr::V4(v4) => {
                Ipv4Addr::from_bits(v4.to_bits() & u32::MAX.checked_shl(host_bits).unwrap_or(0)).into()
            }
            IpAddr::V6(v6) => {
                Ipv6Addr::from_bits(v6.to_bits() & u128::MAX.checked_shl(host_bits).unwrap_or(0)).into()
            }
        };
        Self {
            address: IpAddr::into(address),
            prefix: self.prefix,
        }
    }
}

impl Subnet {
    /// The host's address on the network's interface, with the subnet's prefix length; where it is the gateway.
    #[must_use]
    pub fn host_address(&self) -> Option<IpNet> {
        let address = self.gateway.filter(|_| self.host_is_gateway)?;
        Some(IpNet {
            address,
            prefix: self.net.prefix,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_net_survives_print_and_parse() {
        for text in ["10.0.0.1/24", "0.0.0.0/0", "fd00::1/64", "::/0"] {
            assert_eq!(text.parse::<IpNet>().unwrap().to_string(), text);
        }
    }

    #[test]
    fn the_network_of_an_address_has_no_host_bits() {
        for (text, network) in [
            ("10.1.2.3/24", "10.1.2.0/24"),
            ("10.1.2.3/32", "10.1.2.3/32"),
            ("10.1.2.3/0", "0.0.0.0/0"),
            ("fd00::1:2/112", "fd00::1:0/112"),
            ("fd00::1/0", "::/0"),
        ] {
            assert_eq!(text.parse::<IpNet>().unwrap().network().to_string(), network);
        }
    }

    #[test]
    fn what_is_no_net_is_refused() {
        for text in [
            "10.0.0.1",
            "10.0.0.1/33",
            "fd00::/129",
            "10.0.0/8",
            "x/8",
            "10.0.0.1/",
        ] {
            assert!(text.parse::<IpNet>().is_err(), "{text}");
        }
    }
}
