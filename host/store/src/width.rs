//! Addresses as numbers and as keys of the database, by family.

use std::net::{IpAddr, Ipv4Addr};

/// A family of addresses, as numbers with a fixed width.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Width {
    V4,
    V6,
}

impl Width {
    /// The column `family`.
    pub(crate) fn family(self) -> u8 {
        match self {
            Self::V4 => 4,
            Self::V6 => 6,
        }
    }

    /// The column `address`: compares as the number does. A number that is too large cannot come here: it was made
    /// from an address, or is at most the last of a subnet.
    pub(crate) fn key(self, number: u128) -> Vec<u8> {
        let bytes = number.to_be_bytes();
        match self {
            Self::V4 => bytes[12..].to_vec(),
            Self::V6 => bytes.to_vec(),
        }
    }

    pub(crate) fn number(key: &[u8]) -> u128 {
        key.iter().fold(0, |sum, byte| sum << 8 | u128::from(*byte))
    }

    /// The number behind this one, if it is an address.
    pub(crate) fn next(self, number: u128) -> Option<u128> {
        let last = match self {
            Self::V4 => u128::from(u32::MAX),
            Self::V6 => u128::MAX,
        };
        (number < last).then(|| number + 1)
    }
}

/// An address as a number.
pub(crate) fn number(address: IpAddr) -> (Width, u128) {
    match address {
        IpAddr::V4(address) => (Width::V4, number4(address)),
        IpAddr::V6(address) => (Width::V6, u128::from(address)),
    }
}

/// An IPv4 address as a number.
pub(crate) fn number4(address: Ipv4Addr) -> u128 {
    u128::from(u32::from(address))
}
