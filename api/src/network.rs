//! Networks and the endpoints that connect containers to them.

use serde::{Deserialize, Serialize};

use crate::lenient;
use crate::wire_enum::wire_enum;

/// In place of an address: the daemon chooses one.
pub const AUTO: &str = "<auto>";

/// In place of an interface: the one with the host's default route.
pub const HOST_GATEWAY: &str = "<host-gateway>";

wire_enum! {
    /// What a network is made of.
    NetworkType {
        /// A bridge.
        Bridge = "bridge",
        /// Addresses on a loopback interface.
        Loopback = "loopback",
        /// An interface that exists already.
        Custom = "custom",
    }
}

/// A network.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Network {
    /// IPv4 gateway: empty, an address, or [`AUTO`].
    pub gateway: String,
    /// IPv6 gateway: empty, an address, or [`AUTO`].
    pub gateway6: String,
    /// Whether its containers may talk to each other.
    pub icc: bool,
    /// 12 lowercase hexadecimal digits.
    pub id: String,
    /// Its interface on the host.
    pub interface: String,
    /// Whether its containers are cut off from everything outside.
    pub internal: bool,
    /// Its name.
    pub name: String,
    /// Host interface whose address outgoing traffic takes; empty for no translation.
    pub nat: String,
    /// IPv4 subnet in CIDR notation, or empty.
    pub subnet: String,
    /// IPv6 subnet in CIDR notation, or empty.
    pub subnet6: String,
    /// What it is made of.
    #[serde(rename = "type")]
    pub kind: NetworkType,
}

/// A network with everything that is connected to it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct NetworkInspect {
    /// The network.
    pub network: Network,
    /// Its endpoints, oldest first.
    pub network_endpoints: Vec<EndPoint>,
}

/// One container's connection to one network.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct EndPoint {
    /// The container.
    pub container_id: String,
    /// The pair of interfaces that links a running vnet container, without the suffix of its ends.
    #[serde(default)]
    pub epair: Option<String>,
    /// 12 lowercase hexadecimal digits.
    pub id: String,
    /// IPv4 address, or empty.
    pub ip_address: String,
    /// IPv6 address, or empty.
    pub ip_address6: String,
    /// The network.
    pub network_id: String,
}

/// The body of `POST /networks/create`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct NetworkConfig {
    /// IPv4 gateway: empty for none, an address, or [`AUTO`].
    #[serde(default)]
    pub gateway: String,
    /// IPv6 gateway: empty for none, an address, or [`AUTO`].
    #[serde(default)]
    pub gateway6: String,
    /// Whether its containers may talk to each other.
    #[serde(default = "lenient::yes", deserialize_with = "lenient::bool")]
    pub icc: bool,
    /// Its interface on the host, at most 15 characters; empty to let the daemon choose.
    #[serde(default)]
    pub interface: String,
    /// Whether to cut its containers off from everything outside.
    #[serde(default, deserialize_with = "lenient::bool")]
    pub internal: bool,
    /// Its name.
    pub name: String,
    /// Host interface whose address outgoing traffic takes, [`HOST_GATEWAY`], or empty for no translation.
    #[serde(default = "default_nat")]
    pub nat: String,
    /// IPv4 subnet in CIDR notation, or empty.
    #[serde(default)]
    pub subnet: String,
    /// IPv6 subnet in CIDR notation, or empty.
    #[serde(default)]
    pub subnet6: String,
    /// What it shall be made of.
    #[serde(rename = "type")]
    pub kind: NetworkType,
}

fn default_nat() -> String {
    HOST_GATEWAY.to_owned()
}

impl NetworkConfig {
    /// The contract's defaults for a name and a type.
    #[must_use]
    pub fn new(name: impl Into<String>, kind: NetworkType) -> Self {
        Self {
            gateway: String::new(),
            gateway6: String::new(),
            icc: true,
            interface: String::new(),
            internal: false,
            name: name.into(),
            nat: default_nat(),
            subnet: String::new(),
            subnet6: String::new(),
            kind,
        }
    }
}

/// The body of `POST /networks/connect`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct EndPointConfig {
    /// Id, beginning of an id, or name of the container.
    pub container: String,
    /// IPv4 address: empty for none, or [`AUTO`].
    #[serde(default)]
    pub ip_address: String,
    /// IPv6 address: empty for none, or [`AUTO`].
    #[serde(default)]
    pub ip_address6: String,
    /// Id, beginning of an id, or name of the network.
    pub network: String,
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_name_and_a_type_have_the_contracts_defaults() {
        let config: NetworkConfig = serde_json::from_value(json!({"name": "n", "type": "bridge"})).unwrap();
        assert_eq!(config, NetworkConfig::new("n", NetworkType::Bridge));
        assert_eq!(config.nat, "<host-gateway>");
        assert!(config.icc);
    }

    #[test]
    fn name_and_type_are_required_and_nulls_are_refused() {
        assert!(serde_json::from_value::<NetworkConfig>(json!({"name": "n"})).is_err());
        assert!(serde_json::from_value::<NetworkConfig>(json!({"type": "bridge"})).is_err());
        let null = json!({"name": "n", "type": "bridge", "subnet": null});
        assert!(serde_json::from_value::<NetworkConfig>(null).is_err());
    }

    #[test]
    fn an_endpoint_has_no_address_unless_asked_for() {
        let config: EndPointConfig =
            serde_json::from_value(json!({"container": "c", "network": "n"})).unwrap();
        assert_eq!(
            (config.ip_address.as_str(), config.ip_address6.as_str()),
            ("", "")
        );
    }
}
