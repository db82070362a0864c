//! The configuration of an image, as Docker and OCI write it (OCI image specification, "Image Configuration"; Docker's
//! `Healthcheck` and `Shell` besides).

use std::collections::BTreeMap;

use serde::{Deserialize, Deserializer, Serialize};

use crate::digest::Digest;
use crate::platform::Platform;

/// The whole document.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct ImageConfig {
    /// When the image was made, by RFC 3339.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub created: Option<String>,
    /// What it runs on.
    #[serde(flatten)]
    pub platform: Platform,
    /// How its processes start.
    #[serde(default, deserialize_with = "null_is_default")]
    pub config: RunConfig,
    /// Its layers.
    pub rootfs: RootFs,
    /// Where its layers come from, for people.
    #[serde(
        default,
        deserialize_with = "null_is_default",
        skip_serializing_if = "Vec::is_empty"
    )]
    pub history: Vec<History>,
}

/// How processes of an image start unless they say otherwise.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct RunConfig {
    /// Who runs them: `user[:group]`, names or numbers.
    #[serde(
        deserialize_with = "null_is_default",
        skip_serializing_if = "String::is_empty"
    )]
    pub user: String,
    /// Ports that they listen at: `80/tcp`.
    #[serde(
        deserialize_with = "keys",
        serialize_with = "as_keys",
        skip_serializing_if = "Vec::is_empty"
    )]
    pub exposed_ports: Vec<String>,
    /// `NAME=value`.
    #[serde(deserialize_with = "null_is_default", skip_serializing_if = "Vec::is_empty")]
    pub env: Vec<String>,
    /// What comes before the command.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub entrypoint: Option<Vec<String>>,
    /// The command, or the arguments of the entry point.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cmd: Option<Vec<String>>,
    /// Directories for volumes.
    #[serde(
        deserialize_with = "keys",
        serialize_with = "as_keys",
        skip_serializing_if = "Vec::is_empty"
    )]
    pub volumes: Vec<String>,
    /// Where they start.
    #[serde(
        deserialize_with = "null_is_default",
        skip_serializing_if = "String::is_empty"
    )]
    pub working_dir: String,
    /// Anything.
    #[serde(
        deserialize_with = "null_is_default",
        skip_serializing_if = "BTreeMap::is_empty"
    )]
    pub labels: BTreeMap<String, String>,
    /// The signal that asks them to end.
    #[serde(
        deserialize_with = "null_is_default",
        skip_serializing_if = "String::is_empty"
    )]
    pub stop_signal: String,
    /// Docker's: how to see whether they are well.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub healthcheck: Option<HealthConfig>,
    /// Docker's: what runs the shell form of instructions in a Dockerfile.
    #[serde(deserialize_with = "null_is_default", skip_serializing_if = "Vec::is_empty")]
    pub shell: Vec<String>,
}

/// How to see whether a container is well. Durations are in nanoseconds; 0 and absent mean the default.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct HealthConfig {
    /// `["NONE"]`, `["CMD", …]` or `["CMD-SHELL", text]`; empty: inherited.
    #[serde(deserialize_with = "null_is_default", skip_serializing_if = "Vec::is_empty")]
    pub test: Vec<String>,
    /// Between two looks.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub interval: Option<i64>,
    /// That a look may take.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub timeout: Option<i64>,
    /// At the beginning, when it need not be well.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub start_period: Option<i64>,
    /// Failures in a row that count.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub retries: Option<i64>,
}

/// The layers of an image by what they are when decompressed, the lowest first.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct RootFs {
    /// Always `layers`.
    #[serde(rename = "type")]
    pub kind: String,
    /// Their digests.
    pub diff_ids: Vec<Digest>,
}

/// Where a layer comes from.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct History {
    /// When, by RFC 3339.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub created: Option<String>,
    /// By which instruction.
    #[serde(
        deserialize_with = "null_is_default",
        skip_serializing_if = "String::is_empty"
    )]
    pub created_by: String,
    /// Whether no layer came of it.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub empty_layer: bool,
}

/// Docker writes null for everything that is empty.
fn null_is_default<'de, D: Deserializer<'de>, T: Default + Deserialize<'de>>(from: D) -> Result<T, D::Error> {
    Ok(Option::deserialize(from)?.unwrap_or_default())
}

/// A set is written as an object whose values mean nothing.
fn keys<'de, D: Deserializer<'de>>(from: D) -> Result<Vec<String>, D::Error> {
    let set: Option<BTreeMap<String, serde::de::IgnoredAny>> = Option::deserialize(from)?;
    Ok(set.unwrap_or_default().into_keys().collect())
}

fn as_keys<S: serde::Serializer>(keys: &[String], to: S) -> Result<S::Ok, S::Error> {
    to.collect_map(keys.iter().map(|key| (key, BTreeMap::<(), ()>::new())))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_docker_writes_is_understood_nulls_included() {
        let digest = Digest::of(b"x");
        let config: ImageConfig = serde_json::from_value(json!({
            "architecture": "amd64", "os": "linux", "container": "abc", "docker_version": "20",
            "created": "2024-02-29T14:54:05.317207Z",
            "config": {"Hostname": "", "User": "", "ExposedPorts": {"80/tcp": {}, "443/tcp": {}}, "Env": null,
                "Cmd": ["nginx"], "Entrypoint": null, "Volumes": {"/data": {}}, "OnBuild": null, "Labels": null,
                "Healthcheck": {"Test": ["CMD-SHELL", "true"], "Interval": 30000000000u64}},
            "rootfs": {"type": "layers", "diff_ids": [digest]},
            "history": [{"created_by": "x", "empty_layer": true}, {"comment": "y"}],
        }))
        .unwrap();
        assert_eq!(config.platform.to_string(), "linux/amd64");
        assert_eq!(config.config.exposed_ports, ["443/tcp", "80/tcp"]);
        assert_eq!(config.config.cmd, Some(vec!["nginx".to_owned()]));
        assert_eq!(config.config.entrypoint, None);
        assert_eq!(config.config.volumes, ["/data"]);
        assert_eq!(config.config.healthcheck.unwrap().interval, Some(30_000_000_000));
        assert!(config.history[0].empty_layer);
        let none: ImageConfig =
            serde_json::from_value(json!({"config": null, "rootfs": {"type": "layers", "diff_ids": []}}))
                .unwrap();
        assert_eq!(none.config, RunConfig::default());
    }

    #[test]
    fn a_configuration_is_written_in_the_words_of_the_specification() {
        let config = ImageConfig {
            platform: "linux/arm/v7".parse().unwrap(),
            config: RunConfig {
                exposed_ports: vec!["80/tcp".to_owned()],
                working_dir: "/srv".to_owned(),
                entrypoint: Some(Vec::new()),
                ..RunConfig::default()
            },
            rootfs: RootFs {
                kind: "layers".to_owned(),
                diff_ids: Vec::new(),
            },
            ..ImageConfig::default()
        };
        let written = serde_json::to_value(&config).unwrap();
        let expected = json!({
            "architecture": "arm", "os": "linux", "variant": "v7",
            "config": {"ExposedPorts": {"80/tcp": {}}, "WorkingDir": "/srv", "Entrypoint": []},
            "rootfs": {"type": "layers", "diff_ids": []},
        });
        assert_eq!(written, expected);
        assert_eq!(serde_json::from_value::<ImageConfig>(written).unwrap(), config);
    }
}
