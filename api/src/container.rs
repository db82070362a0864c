//! Containers: what the daemon shows of them and what it is asked to make of them.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::lenient;
use crate::network::EndPoint;
use crate::wire_enum::wire_enum;

wire_enum! {
    /// How a container takes part in networks.
    #[derive(Default)]
    NetworkDriver {
        /// The container uses addresses of the host's interfaces.
        #[default]
        Ipnet = "ipnet",
        /// The container shares the host's network.
        Host = "host",
        /// The container has a network stack of its own.
        Vnet = "vnet",
        /// The container has no network.
        Disabled = "disabled",
    }
}

wire_enum! {
    /// When the daemon starts a container without being asked.
    #[derive(Default)]
    RestartPolicy {
        /// Never.
        #[default]
        No = "no",
        /// When the daemon itself starts.
        OnStartup = "on-startup",
    }
}

wire_enum! {
    /// Transport protocol of a published port.
    #[derive(Default)]
    Protocol {
        /// TCP.
        #[default]
        Tcp = "tcp",
        /// UDP.
        Udp = "udp",
    }
}

wire_enum! {
    /// What is mounted into a container.
    MountType {
        /// A Kleene volume.
        Volume = "volume",
        /// A path of the host.
        Nullfs = "nullfs",
    }
}

/// A container as `inspect` shows it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Container {
    /// The command, as an argument vector.
    pub cmd: Vec<String>,
    /// When it was created: UTC with microseconds, `2024-02-29T14:54:05.317207Z`.
    pub created: String,
    /// Its dataset, `<kleene_root>/container/<id>`.
    pub dataset: String,
    /// Environment as `VAR=value`, sorted by name.
    pub env: Vec<String>,
    /// 12 lowercase hexadecimal digits.
    pub id: String,
    /// The image that it was created from.
    pub image_id: String,
    /// Parameters of jail(8), as the user gave them.
    pub jail_param: Vec<String>,
    /// Ours: what users note about it, its image's labels among them; absent where there is nothing.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub labels: BTreeMap<String, String>,
    /// Its name, if it has one.
    pub name: Option<String>,
    /// How it takes part in networks.
    pub network_driver: NetworkDriver,
    /// Whether `container prune` spares it.
    #[serde(default, deserialize_with = "lenient::bool_or_null")]
    pub persist: bool,
    /// Ports that are reachable from outside.
    #[serde(default)]
    pub public_ports: Vec<PublishedPort>,
    /// When the daemon starts it by itself.
    #[serde(default, deserialize_with = "lenient::null_as_default")]
    pub restart_policy: RestartPolicy,
    /// Whether its jail exists at the time of the answer.
    pub running: bool,
    /// Ours: the signal that asks it to end; absent for SIGTERM.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stop_signal: Option<String>,
    /// The user that commands run as.
    pub user: String,
    /// Ours: where its processes begin; absent for the home of their user.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub working_dir: Option<String>,
}

/// A container as `ls` shows it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct ContainerSummary {
    /// The container itself; its fields stand beside the ones below.
    #[serde(flatten)]
    pub container: Container,
    /// Name of its image; empty when the image is untagged or gone.
    #[serde(default)]
    pub image_name: String,
    /// Tag of its image; empty when the image is untagged or gone.
    #[serde(default)]
    pub image_tag: String,
    /// Number of its running jail (on Linux the process id of its init).
    #[serde(default)]
    pub jid: Option<i64>,
}

/// A container with everything that is attached to it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct ContainerInspect {
    /// The container.
    pub container: Container,
    /// Its endpoints, ordered by network id.
    pub container_endpoints: Vec<EndPoint>,
    /// Its mounts, in the order in which they were asked for.
    pub container_mountpoints: Vec<MountPoint>,
}

/// A port, or range of ports, of a container that is reachable from outside.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct PublishedPort {
    /// Port or range `a:b` inside the container.
    pub container_port: String,
    /// Port or range `a:b` on the host.
    pub host_port: String,
    /// Host interfaces on which the port is published.
    pub interfaces: Vec<String>,
    /// Address that traffic is sent to; empty until the container has one.
    pub ip_address: String,
    /// IPv6 address that traffic is sent to; empty until the container has one.
    pub ip_address6: String,
    /// Transport protocol.
    pub protocol: Protocol,
}

/// Something mounted into a container.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct MountPoint {
    /// The container.
    pub container_id: String,
    /// Path inside the container.
    pub destination: String,
    /// Whether the container may not write to it.
    pub read_only: bool,
    /// Name of the volume or path on the host.
    pub source: String,
    /// Which of the two `source` is.
    #[serde(rename = "type")]
    pub kind: MountType,
}

/// What a container shall be: the body of `POST /containers/create`, and part of a build's configuration.
///
/// An absent field and null both mean the default.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(default)]
pub struct ContainerConfig {
    /// The command; empty for the image's.
    #[serde(deserialize_with = "lenient::null_as_default")]
    pub cmd: Vec<String>,
    /// Ours: what stands before the command, instead of the image's entrypoint and command.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub entrypoint: Option<Vec<String>>,
    /// `VAR=value`, laid over the image's environment.
    #[serde(deserialize_with = "lenient::null_as_default")]
    pub env: Vec<String>,
    /// `<id>[@snapshot]` or `<name>[:tag][@snapshot]`.
    pub image: Option<String>,
    /// Parameters of jail(8).
    #[serde(deserialize_with = "lenient::null_as_default")]
    pub jail_param: Vec<String>,
    /// Ours: what to note about it, laid over the image's labels.
    #[serde(
        deserialize_with = "lenient::null_as_default",
        skip_serializing_if = "BTreeMap::is_empty"
    )]
    pub labels: BTreeMap<String, String>,
    /// What to mount.
    #[serde(deserialize_with = "lenient::null_as_default")]
    pub mounts: Vec<MountPointConfig>,
    /// Its name.
    pub name: Option<String>,
    /// How it takes part in networks.
    pub network_driver: NetworkDriver,
    /// Whether `container prune` spares it.
    #[serde(deserialize_with = "lenient::bool_or_null")]
    pub persist: bool,
    /// Ports to publish.
    #[serde(deserialize_with = "lenient::null_as_default")]
    pub public_ports: Vec<PublishedPortConfig>,
    /// When the daemon starts it by itself.
    #[serde(deserialize_with = "lenient::null_as_default")]
    pub restart_policy: RestartPolicy,
    /// Ours: the signal that asks it to end, `SIGQUIT`, `QUIT` or a number; absent for the image's.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stop_signal: Option<String>,
    /// The user that commands run as; empty for the image's.
    #[serde(deserialize_with = "lenient::null_as_default")]
    pub user: String,
    /// Ours: where its processes begin, an absolute path; absent for the image's.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub working_dir: Option<String>,
}

/// What shall change: the body of `POST /containers/{id}/update`. What is null or absent stays as it is.
///
/// Send null for it: 0.1.1 understands that, while it takes an absent key for the default.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(default)]
pub struct ContainerUpdate {
    /// New command.
    pub cmd: Option<Vec<String>>,
    /// New environment; replaces the old one as a whole.
    pub env: Option<Vec<String>>,
    /// New parameters of jail(8); replace the old ones as a whole.
    pub jail_param: Option<Vec<String>>,
    /// New name.
    pub name: Option<String>,
    /// Whether `container prune` spares it.
    #[serde(deserialize_with = "lenient::optional_bool")]
    pub persist: Option<bool>,
    /// When the daemon starts it by itself.
    pub restart_policy: Option<RestartPolicy>,
    /// New user.
    pub user: Option<String>,
}

/// Something to mount into a container.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct MountPointConfig {
    /// Path inside the container.
    pub destination: String,
    /// Whether the container may not write to it.
    #[serde(default, deserialize_with = "lenient::bool")]
    pub read_only: bool,
    /// Name of the volume or path on the host.
    pub source: String,
    /// Which of the two `source` is.
    #[serde(rename = "type")]
    pub kind: MountType,
}

/// A port, or range of ports, to publish.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct PublishedPortConfig {
    /// Port or range inside the container.
    pub container_port: String,
    /// Port or range on the host.
    pub host_port: String,
    /// Host interfaces; empty for the one with the default route.
    pub interfaces: Vec<String>,
    /// Transport protocol.
    #[serde(default)]
    pub protocol: Protocol,
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn an_empty_configuration_has_the_contracts_defaults() {
        let config: ContainerConfig = serde_json::from_value(json!({})).unwrap();
        assert_eq!(config, ContainerConfig::default());
        assert_eq!(config.network_driver, NetworkDriver::Ipnet);
        assert_eq!(config.restart_policy, RestartPolicy::No);
    }

    #[test]
    fn null_in_a_configuration_is_the_default() {
        let nulls = json!({"name": null, "image": null, "cmd": null, "user": null, "env": null, "mounts": null,
            "jail_param": null, "public_ports": null, "restart_policy": null, "persist": null});
        assert_eq!(
            serde_json::from_value::<ContainerConfig>(nulls).unwrap(),
            ContainerConfig::default()
        );
    }

    #[test]
    fn a_null_network_driver_is_refused() {
        assert!(serde_json::from_value::<ContainerConfig>(json!({"network_driver": null})).is_err());
    }

    #[test]
    fn absent_and_null_fields_of_an_update_are_unchanged() {
        let rename: ContainerUpdate =
            serde_json::from_value(json!({"container": "x", "name": "y", "cmd": null, "mounts": []}))
                .unwrap();
        assert_eq!(
            rename,
            ContainerUpdate {
                name: Some("y".into()),
                ..ContainerUpdate::default()
            }
        );
    }

    #[test]
    fn an_update_can_set_empty_values() {
        let update: ContainerUpdate =
            serde_json::from_value(json!({"env": [], "persist": "false", "restart_policy": "no"})).unwrap();
        assert_eq!(update.env, Some(vec![]));
        assert_eq!(update.persist, Some(false));
        assert_eq!(update.restart_policy, Some(RestartPolicy::No));
    }

    #[test]
    fn a_mount_is_read_write_unless_it_says_otherwise() {
        let mount = json!({"type": "nullfs", "source": "/a", "destination": "/b"});
        assert!(
            !serde_json::from_value::<MountPointConfig>(mount)
                .unwrap()
                .read_only
        );
    }

    #[test]
    fn a_summary_is_flat_and_keeps_the_order_of_a_container() {
        let container = Container {
            cmd: vec!["ls".into()],
            created: "2024-02-29T14:54:05.317207Z".into(),
            dataset: "zroot/kleene/container/aaaaaaaaaaaa".into(),
            env: vec![],
            id: "aaaaaaaaaaaa".into(),
            image_id: "bbbbbbbbbbbb".into(),
            jail_param: vec![],
            labels: BTreeMap::new(),
            name: None,
            network_driver: NetworkDriver::Host,
            persist: false,
            public_ports: vec![],
            restart_policy: RestartPolicy::No,
            running: false,
            stop_signal: None,
            user: "root".into(),
            working_dir: None,
        };
        let summary = ContainerSummary {
            container,
            image_name: "FreeBSD".into(),
            image_tag: "latest".into(),
            jid: Some(7),
        };
        let text = serde_json::to_string(&summary).unwrap();
        assert_eq!(
            text,
            concat!(
                r#"{"cmd":["ls"],"created":"2024-02-29T14:54:05.317207Z","#,
                r#""dataset":"zroot/kleene/container/aaaaaaaaaaaa","env":[],"id":"aaaaaaaaaaaa","#,
                r#""image_id":"bbbbbbbbbbbb","jail_param":[],"name":null,"network_driver":"host","#,
                r#""persist":false,"public_ports":[],"restart_policy":"no","running":false,"user":"root","#,
                r#""image_name":"FreeBSD","image_tag":"latest","jid":7}"#
            )
        );
        assert_eq!(serde_json::from_str::<ContainerSummary>(&text).unwrap(), summary);
    }
}
