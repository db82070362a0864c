//! What an image says about its containers, in Kleene's record and in the configurations of Docker and OCI.

use kleene_oci::{HealthConfig, History, ImageConfig, Platform, RootFs, RunConfig};
use kleene_store::{Healthcheck, Image, ImageSettings};

use crate::error::{EngineError, Result};

/// What becomes of the record of a base image, besides its files.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Recipe {
    pub(super) cmd: Vec<String>,
    pub(super) env: Vec<String>,
    pub(super) user: String,
    pub(super) settings: ImageSettings,
}

impl Default for Recipe {
    /// The contract's for base images, which boot as FreeBSD does.
    fn default() -> Self {
        Self {
            cmd: vec!["/bin/sh".to_owned(), "/etc/rc".to_owned()],
            env: Vec::new(),
            user: "root".to_owned(),
            settings: ImageSettings::default(),
        }
    }
}

impl From<&ImageConfig> for Recipe {
    /// A group behind the user is left out: a container's processes have the groups that its user has.
    fn from(image: &ImageConfig) -> Self {
        let some = |text: &str| (!text.is_empty()).then(|| text.to_owned());
        let config = &image.config;
        let user = config.user.split(':').next().unwrap_or_default();
        let named = |platform: &&Platform| !platform.os.is_empty() && **platform != Platform::of_this_host();
        Self {
            cmd: config.cmd.clone().unwrap_or_default(),
            // A variable without a value would be one that the contract does not know.
            env: config
                .env
                .iter()
                .filter(|variable| variable.contains('='))
                .cloned()
                .collect(),
            user: some(user).unwrap_or_else(|| "root".to_owned()),
            settings: ImageSettings {
                entrypoint: config.entrypoint.clone().unwrap_or_default(),
                working_dir: some(&config.working_dir),
                labels: config.labels.clone(),
                exposed_ports: config.exposed_ports.iter().cloned().collect(),
                volumes: config.volumes.iter().cloned().collect(),
                healthcheck: config.healthcheck.as_ref().and_then(healthcheck),
                shell: config.shell.clone(),
                stop_signal: some(&config.stop_signal),
                platform: Some(&image.platform).filter(named).map(ToString::to_string),
            },
        }
    }
}

fn healthcheck(config: &HealthConfig) -> Option<Healthcheck> {
    // Zero means the default, as absence does; nothing means negative durations.
    let duration =
        |nanoseconds: Option<i64>| nanoseconds.and_then(|n| u64::try_from(n).ok()).filter(|n| *n > 0);
    (!config.test.is_empty()).then(|| Healthcheck {
        test: config.test.clone(),
        interval: duration(config.interval),
        timeout: duration(config.timeout),
        start_period: duration(config.start_period),
        retries: duration(config.retries).and_then(|retries| u32::try_from(retries).ok()),
    })
}

/// The configuration of an image without its layers, which whoever packs them knows.
///
/// # Errors
/// If the record names a platform that is none.
pub(super) fn config_of(image: &Image) -> Result<ImageConfig> {
    let settings = &image.settings;
    let list = |list: &[String]| (!list.is_empty()).then(|| list.to_vec());
    let platform = match &settings.platform {
        Some(text) => text
            .parse()
            .map_err(|error: kleene_oci::OciError| EngineError::invalid(error.to_string()))?,
        None => Platform::of_this_host(),
    };
    let number = |number: u64| i64::try_from(number).ok();
    let created = Some(image.created.to_string());
    let by = |line: &str| History {
        created: created.clone(),
        created_by: line.to_owned(),
        empty_layer: true,
    };
    let mut history: Vec<_> = image.instructions.iter().map(|(line, _)| by(line)).collect();
    // All files are in one layer, whichever instruction they are from.
    history.push(History {
        empty_layer: false,
        ..by("kleene: all files of the image")
    });
    Ok(ImageConfig {
        platform,
        config: RunConfig {
            user: image.user.clone(),
            exposed_ports: settings.exposed_ports.iter().cloned().collect(),
            env: image.env.clone(),
            entrypoint: list(&settings.entrypoint),
            cmd: list(&image.cmd),
            volumes: settings.volumes.iter().cloned().collect(),
            working_dir: settings.working_dir.clone().unwrap_or_default(),
            labels: settings.labels.clone(),
            stop_signal: settings.stop_signal.clone().unwrap_or_default(),
            healthcheck: settings.healthcheck.as_ref().map(|check| HealthConfig {
                test: check.test.clone(),
                interval: check.interval.and_then(number),
                timeout: check.timeout.and_then(number),
                start_period: check.start_period.and_then(number),
                retries: check.retries.map(i64::from),
            }),
            shell: settings.shell.clone(),
        },
        rootfs: RootFs::default(),
        history,
        created,
    })
}

#[cfg(test)]
mod tests {
    use kleene_plan::Id;

    use super::*;

    fn texts(texts: &[&str]) -> Vec<String> {
        texts.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn all_that_an_image_says_goes_there_and_back() {
        let recipe = Recipe {
            cmd: texts(&["-g", "daemon off;"]),
            env: texts(&["PATH=/bin", "EMPTY="]),
            user: "www".to_owned(),
            settings: ImageSettings {
                entrypoint: texts(&["nginx"]),
                working_dir: Some("/srv".to_owned()),
                labels: [("a".to_owned(), "b".to_owned())].into(),
                exposed_ports: ["80/tcp".to_owned()].into(),
                volumes: ["/data".to_owned()].into(),
                healthcheck: Some(Healthcheck {
                    test: texts(&["CMD", "true"]),
                    interval: Some(1_000_000_000),
                    timeout: None,
                    start_period: Some(5),
                    retries: Some(3),
                }),
                shell: texts(&["/bin/bash", "-c"]),
                stop_signal: Some("SIGQUIT".to_owned()),
                platform: Some("plan9/mips".to_owned()),
            },
        };
        let image = Image {
            id: Id::generate(),
            name: String::new(),
            tag: String::new(),
            created: kleene_store::now(),
            cmd: recipe.cmd.clone(),
            env: recipe.env.clone(),
            user: recipe.user.clone(),
            instructions: vec![("FROM x".to_owned(), String::new())],
            settings: recipe.settings.clone(),
            snapshots: Vec::new(),
            origin: None,
            size: None,
        };
        let config = config_of(&image).unwrap();
        assert_eq!(Recipe::from(&config), recipe);
        assert_eq!(config.history.len(), 2);
        assert_eq!(
            config
                .history
                .iter()
                .filter(|history| !history.empty_layer)
                .count(),
            1
        );
    }

    #[test]
    fn what_an_image_leaves_open_has_the_defaults() {
        let mut config = ImageConfig {
            platform: Platform::of_this_host(),
            ..ImageConfig::default()
        };
        config.config.user = "1000:1000".to_owned();
        config.config.env = texts(&["A=1", "NOVALUE"]);
        config.config.healthcheck = Some(HealthConfig {
            test: texts(&["NONE"]),
            interval: Some(-1),
            timeout: Some(0),
            ..HealthConfig::default()
        });
        let recipe = Recipe::from(&config);
        assert_eq!(
            (recipe.user.as_str(), recipe.env.as_slice()),
            ("1000", &texts(&["A=1"])[..])
        );
        assert_eq!(recipe.settings.platform, None);
        let check = recipe.settings.healthcheck.unwrap();
        assert_eq!((check.interval, check.timeout), (None, None));
        assert_eq!(Recipe::from(&ImageConfig::default()).user, "root");
    }
}
