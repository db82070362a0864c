//! The keys by which steps are found again: digests of all that a step's outcome depends on. Pure.
//!
//! A key begins with where the build stands, which is a snapshot that was taken once and never changes. So it depends on
//! all steps before it, and a step is only found if they were, too.

use std::fmt::Write as _;

use kleene_api::ImageBuildConfig;
use kleene_plugins::{CopyAction, Process};
use kleene_rootfs::copy::{Digest, Rules};
use sha2::{Digest as _, Sha256};

use super::position::Position;
use crate::image::FINAL_SNAPSHOT;

/// Part of every key: another number, another cache.
const VERSION: &str = "3";

/// What is copied.
#[derive(Debug, Clone, Copy)]
pub(super) enum Copied<'a> {
    /// By content.
    Content(&'a Digest),
    /// By where it lies in another stage or image: quicker to tell, found less often.
    Place(&'a Position),
}

/// Of a command. `surroundings`: what [`surroundings`] says.
pub(super) fn run(at: &Position, process: &Process, surroundings: &str) -> String {
    let mut sum = Sum::new("run", at);
    sum.text(surroundings);
    sum.texts(&process.argv);
    sum.number(process.env.len() as u64);
    for variable in &process.env {
        sum.text(&variable.name);
        sum.text(&variable.value);
    }
    sum.text(&process.user);
    sum.optional(process.directory.as_deref());
    sum.finish()
}

/// Of files that are copied.
pub(super) fn copy(at: &Position, action: &CopyAction, rules: Rules, copied: Copied<'_>) -> String {
    let mut sum = Sum::new("copy", at);
    sum.text(match rules {
        Rules::Classic => "classic",
        Rules::Docker => "docker",
    });
    sum.text(&action.destination);
    sum.optional(action.owner.as_deref());
    sum.optional(action.mode.map(|mode| mode.to_string()).as_deref());
    sum.number(u64::from(action.extract));
    match copied {
        Copied::Content(digest) => {
            sum.text("content");
            sum.bytes(digest);
        }
        Copied::Place(place) => {
            sum.text("place");
            sum.position(place);
            sum.texts(&action.sources);
            for file in &action.inline {
                sum.text(&file.name);
                sum.text(&file.content);
            }
        }
    }
    sum.finish()
}

/// What a command can see of the request besides its own words: how its container is made.
pub(super) fn surroundings(config: &ImageBuildConfig) -> String {
    let container = &config.container_config;
    let mut text = format!("{:?} {:?}", container.network_driver, container.jail_param);
    for mount in &container.mounts {
        let _ = write!(
            text,
            " mount {:?} {:?} {:?} {}",
            mount.kind, mount.source, mount.destination, mount.read_only
        );
    }
    for network in &config.networks {
        let _ = write!(
            text,
            " network {:?} {:?} {:?}",
            network.network, network.ip_address, network.ip_address6
        );
    }
    text
}

/// A digest of fields, each with its length before it, so that two are never taken for two others.
struct Sum(Sha256);

impl Sum {
    fn new(kind: &str, at: &Position) -> Self {
        let mut sum = Self(Sha256::new());
        sum.text(VERSION);
        sum.text(kind);
        sum.position(at);
        sum
    }

    fn position(&mut self, position: &Position) {
        // A step's snapshot has a name of its own, wherever it is; final states are all called alike.
        match position.snapshot.name() {
            FINAL_SNAPSHOT => self.text(&position.snapshot.to_string()),
            name => self.text(name),
        }
        self.texts(&position.directories);
    }

    fn texts(&mut self, texts: &[String]) {
        self.number(texts.len() as u64);
        for text in texts {
            self.text(text);
        }
    }

    fn optional(&mut self, text: Option<&str>) {
        self.number(u64::from(text.is_some()));
        self.text(text.unwrap_or_default());
    }

    fn text(&mut self, text: &str) {
        self.bytes(text.as_bytes());
    }

    fn bytes(&mut self, bytes: &[u8]) {
        self.number(bytes.len() as u64);
        self.0.update(bytes);
    }

    fn number(&mut self, number: u64) {
        self.0.update(number.to_be_bytes());
    }

    fn finish(self) -> String {
        self.0.finalize().iter().fold(String::new(), |mut text, byte| {
            let _ = write!(text, "{byte:02x}");
            text
        })
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use kleene_api::{ContainerConfig, EndPointConfig, MountPointConfig, MountType};
    use kleene_plugins::{InlineFile, Variable};

    use super::*;

    fn at(snapshot: &str, directories: &[&str]) -> Position {
        Position {
            snapshot: format!("image/aaaaaaaaaaaa@{snapshot}").parse().unwrap(),
            directories: directories.iter().map(ToString::to_string).collect(),
            image: "aaaaaaaaaaaa".parse().unwrap(),
        }
    }

    fn process(argv: &[&str]) -> Process {
        Process {
            argv: argv.iter().map(ToString::to_string).collect(),
            env: Vec::new(),
            user: String::new(),
            directory: None,
        }
    }

    /// All of them differ, and each is the same when it is made again.
    #[track_caller]
    fn all_differ(keys: impl Fn() -> Vec<String>) {
        let made = keys();
        assert_eq!(made, keys());
        let distinct: BTreeSet<_> = made.iter().collect();
        assert_eq!(distinct.len(), made.len(), "{made:#?}");
    }

    #[test]
    fn whatever_a_command_depends_on_is_in_its_key() {
        let variable = |name: &str, value: &str| Variable {
            name: name.to_owned(),
            value: value.to_owned(),
        };
        all_differ(|| {
            let here = at("image", &[]);
            let plain = process(&["a", "b"]);
            let with_env = |env: Vec<Variable>| Process { env, ..plain.clone() };
            vec![
                run(&here, &plain, ""),
                run(&at("bbbbbbbbbbbb", &[]), &plain, ""),
                run(&at("image", &["/work"]), &plain, ""),
                run(&here, &plain, "vnet"),
                run(&here, &process(&["a b"]), ""),
                run(&here, &process(&["a", "", "b"]), ""),
                run(&here, &with_env(vec![variable("A", "1")]), ""),
                run(&here, &with_env(vec![variable("A", ""), variable("1", "")]), ""),
                run(
                    &here,
                    &Process {
                        user: "www".to_owned(),
                        ..plain.clone()
                    },
                    "",
                ),
                run(
                    &here,
                    &Process {
                        directory: Some(String::new()),
                        ..plain.clone()
                    },
                    "",
                ),
            ]
        });
    }

    #[test]
    fn whatever_a_copy_depends_on_is_in_its_key() {
        all_differ(|| {
            let here = at("image", &[]);
            let plain = CopyAction {
                sources: vec!["a".to_owned()],
                destination: "/x".to_owned(),
                ..CopyAction::default()
            };
            let content = |action: &CopyAction, byte: u8| {
                copy(&here, action, Rules::Docker, Copied::Content(&[byte; 32]))
            };
            let place = |action: &CopyAction, place: &Position| {
                copy(&here, action, Rules::Docker, Copied::Place(place))
            };
            let inline = CopyAction {
                inline: vec![InlineFile {
                    name: "f".to_owned(),
                    content: "c".to_owned(),
                }],
                ..plain.clone()
            };
            let other_source = CopyAction {
                sources: vec!["b".to_owned()],
                ..plain.clone()
            };
            vec![
                content(&plain, 1),
                content(&plain, 2),
                copy(&here, &plain, Rules::Classic, Copied::Content(&[1; 32])),
                content(
                    &CopyAction {
                        destination: "/x/".to_owned(),
                        ..plain.clone()
                    },
                    1,
                ),
                content(
                    &CopyAction {
                        owner: Some("0".to_owned()),
                        ..plain.clone()
                    },
                    1,
                ),
                content(
                    &CopyAction {
                        mode: Some(0),
                        ..plain.clone()
                    },
                    1,
                ),
                content(
                    &CopyAction {
                        extract: true,
                        ..plain.clone()
                    },
                    1,
                ),
                place(&plain, &here),
                place(&plain, &at("cccccccccccc", &[])),
                place(&other_source, &here),
                place(&inline, &here),
            ]
        });
    }

    #[test]
    fn a_file_under_another_name_with_the_same_content_is_the_same_copy() {
        let action = |source: &str| CopyAction {
            sources: vec![source.to_owned()],
            destination: "/x".to_owned(),
            ..CopyAction::default()
        };
        let key = |source| {
            copy(
                &at("image", &[]),
                &action(source),
                Rules::Docker,
                Copied::Content(&[1; 32]),
            )
        };
        assert_eq!(key("a"), key("b"));
    }

    #[test]
    fn how_the_container_is_made_is_seen_by_commands() {
        let config = |container_config: ContainerConfig, networks: Vec<EndPointConfig>| ImageBuildConfig {
            buildargs: [("A".to_owned(), "1".to_owned())].into(),
            container_config,
            networks,
            ..serde_json::from_value(serde_json::json!({"context": "/", "container_config": {}})).unwrap()
        };
        let mount = MountPointConfig {
            destination: "/a".to_owned(),
            read_only: false,
            source: "b".to_owned(),
            kind: MountType::Volume,
        };
        all_differ(|| {
            let plain = ContainerConfig::default();
            vec![
                surroundings(&config(plain.clone(), Vec::new())),
                surroundings(&config(
                    ContainerConfig {
                        jail_param: vec!["allow.mount".to_owned()],
                        ..plain.clone()
                    },
                    Vec::new(),
                )),
                surroundings(&config(
                    ContainerConfig {
                        mounts: vec![mount.clone()],
                        ..plain
                    },
                    Vec::new(),
                )),
            ]
        });
    }
}
