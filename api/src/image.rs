//! Images: what the daemon shows of them, how they are built and how base images are made.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::container::ContainerConfig;
use crate::lenient;
use crate::network::EndPointConfig;
use crate::wire_enum::wire_enum;

/// An image.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Image {
    /// Command of containers that do not bring their own.
    pub cmd: Vec<String>,
    /// When it was created: UTC with microseconds, `2024-02-29T14:54:05.317207Z`.
    pub created: String,
    /// Its dataset, `<kleene_root>/image/<id>`.
    pub dataset: String,
    /// Environment as `VAR=value`.
    pub env: Vec<String>,
    /// 12 lowercase hexadecimal digits.
    pub id: String,
    /// The Dockerfile that it was built from; empty for base images.
    pub instructions: Vec<Instruction>,
    /// Its name; empty when untagged.
    pub name: String,
    /// Its tag; empty when untagged.
    pub tag: String,
    /// User of containers that do not bring their own.
    pub user: String,
}

/// A line of a Dockerfile and the snapshot taken after it (`@` and 12 hexadecimal digits, or empty when none
/// was taken). A list of two strings on the wire.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Instruction(
    /// The line.
    pub String,
    /// The snapshot.
    pub String,
);

/// The first frame of `/images/build`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct ImageBuildConfig {
    /// Values for the Dockerfile's ARG instructions.
    #[serde(default)]
    pub buildargs: BTreeMap<String, String>,
    /// Whether to remove the image of a failed build.
    #[serde(default = "lenient::yes", deserialize_with = "lenient::bool")]
    pub cleanup: bool,
    /// The container that steps run in; its `image` replaces the one of FROM, `name` and `cmd` are ignored.
    pub container_config: ContainerConfig,
    /// Directory of the build context: an absolute path on the daemon's host.
    pub context: String,
    /// Path of the Dockerfile, relative to the context.
    #[serde(default = "default_dockerfile")]
    pub dockerfile: String,
    /// Networks that the build container is connected to; their `container` is ignored.
    #[serde(default)]
    pub networks: Vec<EndPointConfig>,
    /// Whether to leave out the steps and their output.
    #[serde(default, deserialize_with = "lenient::bool")]
    pub quiet: bool,
    /// `name[:tag]` of the new image; empty for none.
    #[serde(default)]
    pub tag: String,
}

fn default_dockerfile() -> String {
    "Dockerfile".to_owned()
}

wire_enum! {
    /// Where a base image comes from.
    ImageCreateMethod {
        /// An archive at a URL.
        Fetch = "fetch",
        /// The FreeBSD release that fits the host.
        FetchAuto = "fetch-auto",
        /// A copy of a dataset.
        ZfsCopy = "zfs-copy",
        /// A clone of a dataset.
        ZfsClone = "zfs-clone",
        /// Ours: programs of the host with the libraries that they need.
        Host = "host",
    }
}

/// The first frame of `/images/create`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct ImageCreateConfig {
    /// Whether to derive the tag from the release (`fetch-auto`).
    #[serde(default, deserialize_with = "lenient::bool")]
    pub autotag: bool,
    /// Whether to copy the host's `/etc/resolv.conf`.
    #[serde(default = "lenient::yes", deserialize_with = "lenient::bool")]
    pub dns: bool,
    /// Whether to copy the host's `/etc/localtime`.
    #[serde(default = "lenient::yes", deserialize_with = "lenient::bool")]
    pub localtime: bool,
    /// Where the image comes from.
    pub method: ImageCreateMethod,
    /// Ours, for the method `host`: absolute paths of programs on the daemon's host.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub programs: Vec<String>,
    /// `name[:tag]` of the new image; empty for none.
    #[serde(default)]
    pub tag: String,
    /// Whether to bring the new image up to date (FreeBSD).
    #[serde(default, deserialize_with = "lenient::bool")]
    pub update: bool,
    /// Where the archive is, for the method `fetch`.
    #[serde(default)]
    pub url: String,
    /// The dataset, for the methods `zfs-copy` and `zfs-clone`.
    #[serde(default)]
    pub zfs_dataset: String,
}

impl ImageCreateConfig {
    /// The contract's defaults for a method.
    #[must_use]
    pub fn new(method: ImageCreateMethod) -> Self {
        Self {
            autotag: false,
            dns: true,
            localtime: true,
            method,
            programs: Vec::new(),
            tag: String::new(),
            update: false,
            url: String::new(),
            zfs_dataset: String::new(),
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_build_needs_a_context_and_a_container_configuration() {
        let config: ImageBuildConfig =
            serde_json::from_value(json!({"context": "/src", "container_config": {}})).unwrap();
        assert_eq!(config.dockerfile, "Dockerfile");
        assert!(config.cleanup);
        assert!(!config.quiet);
        assert!(serde_json::from_value::<ImageBuildConfig>(json!({"context": "/src"})).is_err());
        assert!(serde_json::from_value::<ImageBuildConfig>(json!({"container_config": {}})).is_err());
    }

    #[test]
    fn the_build_message_of_an_original_client_is_understood() {
        let config: ImageBuildConfig = serde_json::from_value(json!({
            "context": "/ctx", "dockerfile": "Df", "tag": "", "quiet": "true", "cleanup": true,
            "buildargs": {"A": "1"},
            "container_config": {"name": null, "cmd": null, "image": "img", "user": "", "env": [],
                "mounts": [], "jail_param": [], "network_driver": "ipnet"},
            "networks": [{"container": "", "network": "net", "ip_address": "<auto>", "ip_address6": "<auto>"}],
        }))
        .unwrap();
        assert!(config.quiet);
        assert_eq!(config.buildargs["A"], "1");
        assert_eq!(config.container_config.image.as_deref(), Some("img"));
        assert_eq!(config.networks[0].network, "net");
    }

    #[test]
    fn a_method_alone_has_the_contracts_defaults() {
        let config: ImageCreateConfig = serde_json::from_value(json!({"method": "zfs-clone"})).unwrap();
        assert_eq!(config, ImageCreateConfig::new(ImageCreateMethod::ZfsClone));
    }

    #[test]
    fn an_instruction_is_a_list_of_two_strings() {
        let text = serde_json::to_string(&Instruction("FROM base".into(), String::new())).unwrap();
        assert_eq!(text, r#"["FROM base",""]"#);
    }
}
