//! Images: what the daemon shows of them, how they are built and how base images are made.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use serde::{Deserialize, Serialize};

use crate::container::ContainerConfig;
use crate::lenient;
use crate::network::EndPointConfig;
use crate::upload::ContextUpload;
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
    /// What else it says about its containers; these fields stand beside the others, where they say something.
    #[serde(flatten)]
    pub settings: ImageSettings,
    /// Ours: how much it holds, once that was measured.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub size: Option<ImageSize>,
    /// Its tag; empty when untagged.
    pub tag: String,
    /// User of containers that do not bring their own.
    pub user: String,
}

/// What an image says about containers made from it, in the words of OCI image configurations. All of it is ours:
/// images of 0.1.1 say nothing of the kind.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(default)]
pub struct ImageSettings {
    /// What stands before the command.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub entrypoint: Vec<String>,
    /// Ports on which its containers listen, `80/tcp`.
    #[serde(skip_serializing_if = "BTreeSet::is_empty")]
    pub exposed_ports: BTreeSet<String>,
    /// How to find out whether a container works.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub healthcheck: Option<Healthcheck>,
    /// What its author notes about it.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub labels: BTreeMap<String, String>,
    /// What it was made for, such as `linux/amd64`; absent for this host.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub platform: Option<String>,
    /// The shell of its build's commands; absent for `/bin/sh -c`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub shell: Vec<String>,
    /// The signal that asks a container to end; absent for TERM.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stop_signal: Option<String>,
    /// Directories whose content shall outlive a container.
    #[serde(skip_serializing_if = "BTreeSet::is_empty")]
    pub volumes: BTreeSet<String>,
    /// Where processes begin; absent for the home of their user.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub working_dir: Option<String>,
}

/// A command that tells whether a container works.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(default)]
pub struct Healthcheck {
    /// Nanoseconds between two checks.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub interval: Option<u64>,
    /// Failures in a row until the container does not work.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub retries: Option<u32>,
    /// Nanoseconds in which failures do not count.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub start_period: Option<u64>,
    /// `["NONE"]`, `["CMD", program, …]` or `["CMD-SHELL", text]`.
    pub test: Vec<String>,
    /// Nanoseconds that a check may take.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub timeout: Option<u64>,
}

/// How much an image holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct ImageSize {
    /// Of the total, bytes that the image it was made from does not have.
    pub own: u64,
    /// Bytes of all its files.
    pub total: u64,
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

/// One step of how an image was made, as `GET /images/{id}/history` tells, the latest first.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct ImageHistoryEntry {
    /// When the image that it was done for was finished: UTC with microseconds.
    pub created: String,
    /// The line of the Dockerfile; empty for a base image.
    pub created_by: String,
    /// Id of the image that it was done for.
    pub image: String,
    /// Bytes that came with it; null where it changed no files.
    #[serde(default)]
    pub size: Option<u64>,
    /// The snapshot taken after it, with `@`; empty where none was taken.
    pub snapshot: String,
}

/// The body of `POST /images/commit`: which container becomes an image, and how.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct ImageCommitConfig {
    /// Name, id, or beginning of an id.
    pub container: String,
    /// What to note about the image, laid over the container's labels.
    #[serde(default)]
    pub labels: BTreeMap<String, String>,
    /// What it is for; shown in the image's history.
    #[serde(default)]
    pub message: String,
    /// `name[:tag]` of the image; empty for none.
    #[serde(default)]
    pub tag: String,
}

/// The first frame of `/images/build`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct ImageBuildConfig {
    /// Values for the Dockerfile's ARG instructions.
    #[serde(default)]
    pub buildargs: BTreeMap<String, String>,
    /// Ours: whether steps that an earlier build did need not be done again.
    #[serde(default, deserialize_with = "lenient::bool", skip_serializing_if = "is_no")]
    pub cache: bool,
    /// Whether to remove the image of a failed build.
    #[serde(default = "lenient::yes", deserialize_with = "lenient::bool")]
    pub cleanup: bool,
    /// The container that steps run in; its `image` replaces the one of FROM, `name` and `cmd` are ignored.
    pub container_config: ContainerConfig,
    /// Directory of the build context: an absolute path on the daemon's host. Means nothing with `upload`.
    pub context: String,
    /// Ours: whether a failure is told as a [`BuildDiagnosticFrame`] instead of a line of text.
    #[serde(default, deserialize_with = "lenient::bool", skip_serializing_if = "is_no")]
    pub diagnostics: bool,
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
    /// Ours: the stage to build, by name or number from 0; empty for the last.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub target: String,
    /// Ours: the context is not on the daemon's host but comes in the frames that follow.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub upload: Option<ContextUpload>,
}

/// Ours: where and why a build fails.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct BuildDiagnostic {
    /// Where the offending words begin in `source`: characters are counted from 1. 0 if they do not stand there as such.
    pub column: usize,
    /// What to try.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hint: Option<String>,
    /// Which line of the Dockerfile `source` is, from 1; 0 if it is about none of them.
    pub line: usize,
    /// What happened. Does not quote the line.
    pub message: String,
    /// The line, as it is written.
    pub source: String,
    /// The offending words; empty if there is no `column`.
    pub words: String,
}

/// Ours: the text frame that tells a [`BuildDiagnostic`].
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct BuildDiagnosticFrame {
    /// Where and why.
    pub diagnostic: BuildDiagnostic,
}

#[allow(clippy::trivially_copy_pass_by_ref, reason = "serde asks for it")]
fn is_no(value: &bool) -> bool {
    !value
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
        /// Ours: an image of a registry, an OCI layout, or an archive of `docker save`.
        Oci = "oci",
    }
}

/// The first frame of `/images/create`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct ImageCreateConfig {
    /// Whether to derive the tag from the release (`fetch-auto`).
    #[serde(default, deserialize_with = "lenient::bool")]
    pub autotag: bool,
    /// Ours, for the methods `fetch` and `fetch-auto`: what the archive's SHA-256 must be, `sha256:` and 64 hexadecimal
    /// digits; empty: anything.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub checksum: String,
    /// Ours, for the method `oci`: who asks a registry.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub credentials: Option<RegistryCredentials>,
    /// Whether to copy the host's `/etc/resolv.conf` and to add a missing `/etc/hosts`.
    #[serde(default = "lenient::yes", deserialize_with = "lenient::bool")]
    pub dns: bool,
    /// Whether to copy the host's `/etc/localtime`.
    #[serde(default = "lenient::yes", deserialize_with = "lenient::bool")]
    pub localtime: bool,
    /// Where the image comes from.
    pub method: ImageCreateMethod,
    /// Ours, for the method `fetch-auto`: a mirror of `https://download.freebsd.org`, as a URL; empty: that site itself.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub mirror: String,
    /// Ours, for the method `oci`: what the image shall run on, `os/architecture[/variant]`; empty: this host.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub platform: String,
    /// Ours, for the method `host`: absolute paths of programs on the daemon's host.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub programs: Vec<String>,
    /// `name[:tag]` of the new image; empty for none.
    #[serde(default)]
    pub tag: String,
    /// Whether to bring the new image up to date by `freebsd-update`.
    #[serde(default, deserialize_with = "lenient::bool")]
    pub update: bool,
    /// Where the archive is, for the method `fetch`. For `oci`, which is ours: a reference `[host[:port]/]name[:tag]` or
    /// `…@sha256:…`, or the absolute path of a layout or an archive on the daemon's host, perhaps with `:name[:tag]`.
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
            checksum: String::new(),
            credentials: None,
            dns: true,
            localtime: true,
            method,
            mirror: String::new(),
            platform: String::new(),
            programs: Vec::new(),
            tag: String::new(),
            update: false,
            url: String::new(),
            zfs_dataset: String::new(),
        }
    }
}

/// Ours: who asks a registry.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct RegistryCredentials {
    /// The password, or a token in its place.
    pub password: String,
    /// The user.
    pub username: String,
}

impl fmt::Debug for RegistryCredentials {
    /// Without the password: requests are logged.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RegistryCredentials")
            .field("username", &self.username)
            .finish_non_exhaustive()
    }
}

/// Ours: the first frame of `/images/push`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct ImagePushConfig {
    /// Who asks.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub credentials: Option<RegistryCredentials>,
    /// The image: an id, the beginning of one, or `name[:tag]`.
    pub image: String,
    /// What it shall be called: `[host[:port]/]name[:tag]`.
    pub reference: String,
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
