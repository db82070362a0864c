//! Objects of any kind, as the journal speaks of them.

use std::fmt;
use std::str::FromStr;

use kleene_plan::{Id, NameError, ObjectName};

/// An object of Kleene's. Printed, it is the kind and the id: `container 0a1b2c3d4e5f`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Object {
    /// An image.
    Image(Id),
    /// A container.
    Container(Id),
    /// A network.
    Network(Id),
    /// A container's connection to a network.
    Endpoint(Id),
    /// A volume.
    Volume(ObjectName),
}

/// Why a text does not name an object.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ParseObjectError {
    /// The first word is no kind of object.
    #[error("'{0}' does not begin with a kind of object (image, container, network, endpoint, volume)")]
    Kind(String),
    /// The rest is no name of that kind.
    #[error(transparent)]
    Name(#[from] NameError),
}

impl fmt::Display for Object {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Image(id) => write!(f, "image {id}"),
            Self::Container(id) => write!(f, "container {id}"),
            Self::Network(id) => write!(f, "network {id}"),
            Self::Endpoint(id) => write!(f, "endpoint {id}"),
            Self::Volume(name) => write!(f, "volume {name}"),
        }
    }
}

impl FromStr for Object {
    type Err = ParseObjectError;

    fn from_str(text: &str) -> Result<Self, ParseObjectError> {
        match text.split_once(' ') {
            Some(("image", id)) => Ok(Self::Image(id.parse()?)),
            Some(("container", id)) => Ok(Self::Container(id.parse()?)),
            Some(("network", id)) => Ok(Self::Network(id.parse()?)),
            Some(("endpoint", id)) => Ok(Self::Endpoint(id.parse()?)),
            Some(("volume", name)) => Ok(Self::Volume(name.parse()?)),
            _ => Err(ParseObjectError::Kind(text.to_owned())),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_object_survives_print_and_parse() {
        for text in [
            "image 0a1b2c3d4e5f",
            "container 0a1b2c3d4e5f",
            "network 0a1b2c3d4e5f",
            "endpoint 0a1b2c3d4e5f",
            "volume data-1",
        ] {
            assert_eq!(text.parse::<Object>().unwrap().to_string(), text);
        }
    }

    #[test]
    fn other_texts_name_no_object() {
        for text in ["", "volume", "jail 0a1b2c3d4e5f", "container web", "volume ../x"] {
            assert!(text.parse::<Object>().is_err(), "{text:?}");
        }
    }
}
