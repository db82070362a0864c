//! Names of objects, parsed once at the border: inside the house there are no strings to check again.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// Why a text is not a name of the wanted kind.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("'{text}' is not a valid {kind}: {rule}")]
pub struct NameError {
    /// What was wanted, in the user's words.
    pub kind: &'static str,
    /// What was given.
    pub text: String,
    /// The rule it breaks.
    pub rule: &'static str,
}

/// Gives a validated string type its conversions, so that each name below is only its rule.
macro_rules! name {
    ($(#[$doc:meta])* $name:ident, $kind:literal, $rule:literal, $valid:expr) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(try_from = "String", into = "String")]
        pub struct $name(String);

        impl $name {
            /// The name as text.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl FromStr for $name {
            type Err = NameError;

            fn from_str(text: &str) -> Result<Self, NameError> {
                let valid: fn(&str) -> bool = $valid;
                if valid(text) {
                    Ok(Self(text.to_owned()))
                } else {
                    Err(NameError { kind: $kind, text: text.to_owned(), rule: $rule })
                }
            }
        }

        impl TryFrom<String> for $name {
            type Error = NameError;

            fn try_from(text: String) -> Result<Self, NameError> {
                text.parse()
            }
        }

        impl From<$name> for String {
            fn from(name: $name) -> String {
                name.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
    };
}

name!(
    /// Identifier of a container, image, network, endpoint, execution instance or snapshot: 12 lower-case hexadecimal
    /// digits, never all decimal, so that jail(8) cannot take it for a jail number.
    Id,
    "id",
    "an id is 12 hexadecimal digits, of which one is a letter",
    |text| text.len() == 12
        && text.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b))
        && text.bytes().any(|b| !b.is_ascii_digit())
);

impl Id {
    /// A new random id.
    ///
    /// # Panics
    /// If the operating system has no random numbers to give, which no later step could survive either.
    #[must_use]
    pub fn generate() -> Self {
        loop {
            let mut bytes = [0u8; 6];
            #[allow(clippy::expect_used, reason = "a host without randomness cannot run a daemon")]
            getrandom::fill(&mut bytes).expect("the operating system's random number source failed");
            let text: String = bytes.iter().map(|b| format!("{b:02x}")).collect();
            // Texts such as 123456789012 or 1234567890e5 read as numbers: drawn again.
            if text.parse::<f64>().is_err() {
                return Self(text);
            }
        }
    }
}

name!(
    /// A dataset relative to Kleene's root, such as `container/3f0c…`: one or more parts joined by `/`.
    DatasetName,
    "dataset name",
    "parts of letters, digits, '_', '.', '-' joined by '/', none of them '.' or '..'",
    |text| !text.is_empty() && text.len() < 200 && text.split('/').all(is_path_part)
);

impl DatasetName {
    /// The dataset of a container's root file system.
    #[must_use]
    pub fn container(id: &Id) -> Self {
        Self(format!("container/{id}"))
    }

    /// The dataset of an image.
    #[must_use]
    pub fn image(id: &Id) -> Self {
        Self(format!("image/{id}"))
    }

    /// The dataset of a volume.
    #[must_use]
    pub fn volume(name: &ObjectName) -> Self {
        Self(format!("volumes/{name}"))
    }

    /// The snapshot `name` of this dataset.
    ///
    /// # Errors
    /// If `name` is not a single path part.
    pub fn snapshot(&self, name: &str) -> Result<SnapshotName, NameError> {
        format!("{self}@{name}").parse()
    }
}

/// A snapshot: `dataset@name`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct SnapshotName {
    dataset: DatasetName,
    name: String,
}

impl SnapshotName {
    /// The dataset it was taken of.
    #[must_use]
    pub fn dataset(&self) -> &DatasetName {
        &self.dataset
    }

    /// The part behind the `@`.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }
}

impl FromStr for SnapshotName {
    type Err = NameError;

    fn from_str(text: &str) -> Result<Self, NameError> {
        let wrong = || NameError {
            kind: "snapshot name",
            text: text.to_owned(),
            rule: "dataset@name",
        };
        let (dataset, name) = text.split_once('@').ok_or_else(wrong)?;
        if !is_path_part(name) {
            return Err(wrong());
        }
        Ok(Self {
            dataset: dataset.parse()?,
            name: name.to_owned(),
        })
    }
}

impl TryFrom<String> for SnapshotName {
    type Error = NameError;

    fn try_from(text: String) -> Result<Self, NameError> {
        text.parse()
    }
}

impl From<SnapshotName> for String {
    fn from(name: SnapshotName) -> String {
        name.to_string()
    }
}

impl fmt::Display for SnapshotName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}@{}", self.dataset, self.name)
    }
}

name!(
    /// A network interface of the host or of a jail. At most 15 bytes: `IFNAMSIZ` less the terminating zero on both
    /// platforms.
    InterfaceName,
    "interface name",
    "1 to 15 letters, digits, '_', '.', '-', beginning with a letter or digit",
    |text| text.len() <= 15 && is_word(text)
);

name!(
    /// A name that users give to containers, networks, volumes and images.
    ObjectName,
    "name",
    "letters, digits, '_', '.', '-', beginning with a letter or digit",
    |text| text.len() <= 128 && is_word(text)
);

/// Letters, digits, `_`, `.`, `-`, beginning with a letter or digit; this excludes `.` and `..`.
fn is_word(text: &str) -> bool {
    text.starts_with(|c: char| c.is_ascii_alphanumeric()) && text.bytes().all(is_name_byte)
}

fn is_path_part(text: &str) -> bool {
    !text.is_empty() && text != "." && text != ".." && text.bytes().all(is_name_byte)
}

fn is_name_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'.' | b'-')
}

/// The hardware address of an interface.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct MacAddress(pub [u8; 6]);

impl MacAddress {
    /// The address of an endpoint's jail side: derived from its id, so that two endpoints cannot share one and a
    /// re-created interface keeps it. Locally administered, unicast (IEEE 802, 8.2.2).
    #[must_use]
    pub fn of_endpoint(endpoint: &Id) -> Self {
        let mut bytes = [0u8; 6];
        for (byte, digits) in bytes.iter_mut().zip(endpoint.as_str().as_bytes().chunks(2)) {
            *byte = digits.iter().fold(0, |sum, digit| sum << 4 | hex_value(*digit));
        }
        bytes[0] = bytes[0] & 0xfc | 0x02;
        Self(bytes)
    }

    /// Its six bytes, in the order they are sent.
    #[must_use]
    pub fn octets(&self) -> [u8; 6] {
        self.0
    }
}

fn hex_value(digit: u8) -> u8 {
    match digit {
        b'0'..=b'9' => digit - b'0',
        _ => digit - b'a' + 10,
    }
}

impl fmt::Display for MacAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [a, b, c, d, e, g] = self.0;
        write!(f, "{a:02x}:{b:02x}:{c:02x}:{d:02x}:{e:02x}:{g:02x}")
    }
}

impl FromStr for MacAddress {
    type Err = NameError;

    fn from_str(text: &str) -> Result<Self, NameError> {
        let wrong = || NameError {
            kind: "MAC address",
            text: text.to_owned(),
            rule: "six pairs of hexadecimal digits joined by ':'",
        };
        let mut bytes = [0u8; 6];
        let mut parts = text.split(':');
        for byte in &mut bytes {
            let part = parts.next().filter(|part| part.len() == 2).ok_or_else(wrong)?;
            *byte = u8::from_str_radix(part, 16).map_err(|_| wrong())?;
        }
        if parts.next().is_some() {
            Err(wrong())
        } else {
            Ok(Self(bytes))
        }
    }
}

impl TryFrom<String> for MacAddress {
    type Error = NameError;

    fn try_from(text: String) -> Result<Self, NameError> {
        text.parse()
    }
}

impl From<MacAddress> for String {
    fn from(mac: MacAddress) -> String {
        mac.to_string()
    }
}

/// Whose an interface or a set of firewall rules is. Printed, it is the name of the pf anchor below `kleene/`, of
/// the nftables chain, and the mark on an interface.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Owner {
    /// A network.
    Network(Id),
    /// A container's connection to a network.
    Endpoint(Id),
}

impl fmt::Display for Owner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Network(id) => write!(f, "network-{id}"),
            Self::Endpoint(id) => write!(f, "endpoint-{id}"),
        }
    }
}

impl FromStr for Owner {
    type Err = NameError;

    fn from_str(text: &str) -> Result<Self, NameError> {
        match text.split_once('-') {
            Some(("network", id)) => Ok(Self::Network(id.parse()?)),
            Some(("endpoint", id)) => Ok(Self::Endpoint(id.parse()?)),
            _ => Err(NameError {
                kind: "owner",
                text: text.to_owned(),
                rule: "network-<id> or endpoint-<id>",
            }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_generated_id_parses_and_is_no_number() {
        for _ in 0..1000 {
            let id = Id::generate();
            assert_eq!(id.as_str().parse::<Id>().as_ref(), Ok(&id));
            assert!(id.as_str().parse::<f64>().is_err(), "{id}");
        }
    }

    #[test]
    fn names_that_could_leave_their_place_are_refused() {
        for text in ["", "/etc", "a//b", "..", "a/..", "a/../b", "a b", "a@b", "a\nb"] {
            assert!(text.parse::<DatasetName>().is_err(), "{text:?}");
        }
        for text in ["", "a b", "-x", "x\"y", "x;y", "0123456789abcdef"] {
            assert!(text.parse::<InterfaceName>().is_err(), "{text:?}");
        }
        for text in ["", ".", "..", "-rf", "a/b", "a b", "x\n"] {
            assert!(text.parse::<ObjectName>().is_err(), "{text:?}");
        }
    }

    #[test]
    fn a_snapshot_name_has_two_parts() {
        let snapshot: SnapshotName = "image/abc@image".parse().unwrap();
        assert_eq!(
            (snapshot.dataset().as_str(), snapshot.name()),
            ("image/abc", "image")
        );
        assert!("image/abc".parse::<SnapshotName>().is_err());
        assert!("image/abc@".parse::<SnapshotName>().is_err());
        assert!("image/abc@x@y".parse::<SnapshotName>().is_err());
    }

    #[test]
    fn an_endpoint_keeps_its_mac_address_and_it_is_local_and_unicast() {
        let mac = MacAddress::of_endpoint(&"ffa1b2c3d4e5".parse().unwrap());
        assert_eq!(mac.to_string(), "fe:a1:b2:c3:d4:e5");
        assert_eq!(mac.to_string().parse(), Ok(mac));
    }

    #[test]
    fn an_owner_survives_print_and_parse() {
        for text in ["network-0a1b2c3d4e5f", "endpoint-0a1b2c3d4e5f"] {
            assert_eq!(text.parse::<Owner>().unwrap().to_string(), text);
        }
        assert!("volume-0a1b2c3d4e5f".parse::<Owner>().is_err());
    }
}
