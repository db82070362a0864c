//! The daemon's configuration: defaults, laid over by a file, laid over by command line options.
//!
//! The file is TOML, or the YAML of Kleene 0.1.1. Values are checked for form here. Whether directories exist or ports
//! are free shows when they are used.

mod listener;
mod yaml;

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::{env, fs, io};

use kleene_plan::Capability;
use kleene_plugins::{EngineKind, PluginsConfig};
use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize};

use crate::address::ListenAddress;
use crate::tls::TlsSettings;

pub use listener::{Listener, ListenerError};

/// Read when the command line names no file; it may be absent.
#[cfg(target_os = "freebsd")]
pub const DEFAULT_PATH: &str = "/usr/local/etc/kleened/kleened.toml";
/// Read when the command line names no file; it may be absent.
#[cfg(not(target_os = "freebsd"))]
pub const DEFAULT_PATH: &str = "/etc/kleene/kleened.toml";

/// The file of Kleene 0.1.1. Read when the command line names none and there is none at [`DEFAULT_PATH`].
#[cfg(target_os = "freebsd")]
pub const YAML_PATH: &str = "/usr/local/etc/kleened/config.yaml";
/// The file of Kleene 0.1.1. Read when the command line names none and there is none at [`DEFAULT_PATH`].
#[cfg(not(target_os = "freebsd"))]
pub const YAML_PATH: &str = "/etc/kleened/config.yaml";

#[cfg(target_os = "freebsd")]
const DEFAULT_ROOT: &str = "zroot/kleene";
#[cfg(not(target_os = "freebsd"))]
const DEFAULT_ROOT: &str = "/var/lib/kleene";
#[cfg(target_os = "freebsd")]
const DEFAULT_RUN_DIR: &str = "/var/run/kleene";
#[cfg(not(target_os = "freebsd"))]
const DEFAULT_RUN_DIR: &str = "/run/kleene";

/// Larger than any build context that is not a mistake, and smaller than most disks.
const UPLOAD_LIMIT: u64 = 10_000_000_000;

/// What the daemon was told, complete.
#[derive(Debug, Clone, PartialEq, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// Where everything lasts: datasets, database, logs of containers. On Linux a directory, on FreeBSD a dataset such
    /// as `zroot/kleene`.
    pub kleene_root: PathBuf,
    /// Directory of everything that ends with a reboot: pid file, sockets of supervisors.
    pub run_dir: PathBuf,
    /// For tests: another platform than this system's, with tools in `tools` that stand in for its own.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub platform: Option<PlatformKind>,
    /// For tests: a directory of programs that are run in place of FreeBSD's own.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tools: Option<PathBuf>,
    /// Where clients connect.
    pub listen: Vec<Listener>,
    /// Registries (`host[:port]`) that are spoken to without TLS, besides those on this host.
    #[serde(skip_serializing_if = "Vec::is_empty", deserialize_with = "registries")]
    pub insecure_registries: Vec<String>,
    /// How much is logged.
    pub log_level: LogLevel,
    /// Where the log goes; standard error if absent.
    pub log_file: Option<PathBuf>,
    /// Whether builds may fetch files (`ADD` of a URL): from wherever this host gets them.
    pub add_urls: bool,
    /// How many bytes a build context may have that a client sends, when unpacked.
    pub upload_limit: u64,
    /// Plugins.
    pub plugins: PluginConfig,
}

fn registries<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<String>, D::Error> {
    let names = Vec::<String>::deserialize(deserializer)?;
    let is_other = |name: &&String| name.is_empty() || name.contains(['/', '@', '?', '#', ' ']);
    match names.iter().find(is_other) {
        Some(name) => Err(D::Error::custom(format!(
            "'{name}' is not a registry: write host[:port], as in the names of its images"
        ))),
        None => Ok(names),
    }
}

/// What containers are made of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum PlatformKind {
    /// Namespaces, overlayfs, nftables.
    Linux,
    /// Jails, ZFS, pf.
    #[serde(rename = "freebsd")]
    FreeBsd,
}

/// Which plugins to load, and how.
#[derive(Debug, Clone, Default, PartialEq, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct PluginConfig {
    /// Directory of `.wasm` files; `../lib/kleene/plugins` as seen from the daemon's program if absent.
    pub directory: Option<PathBuf>,
    /// Directory of compiled plugins; `plugin-cache` below `kleene_root` if absent.
    pub cache: Option<PathBuf>,
    /// What runs them.
    pub engine: PluginEngine,
    /// By plugin, what it may plan of what its manifest asks for. A plugin without an entry gets what it asks for.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub allow: BTreeMap<String, BTreeSet<Capability>>,
    /// By plugin, what the site wants of it; what there is to say is the plugin's matter.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub config: BTreeMap<String, toml::Table>,
}

/// What runs plugins.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum PluginEngine {
    /// Compiled to the processor's instructions.
    #[default]
    Native,
    /// Wasmtime's portable interpreter: slower, works on every processor.
    Pulley,
}

/// How much is logged of what the daemon does. Of the libraries it is made of, only warnings are.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
#[allow(missing_docs, reason = "the usual levels")]
pub enum LogLevel {
    Error,
    Warn,
    #[default]
    Info,
    Debug,
    Trace,
}

impl LogLevel {
    /// The word in a configuration file.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Error => "error",
            Self::Warn => "warn",
            Self::Info => "info",
            Self::Debug => "debug",
            Self::Trace => "trace",
        }
    }
}

impl Default for Config {
    fn default() -> Self {
        Self {
            kleene_root: DEFAULT_ROOT.into(),
            run_dir: DEFAULT_RUN_DIR.into(),
            platform: None,
            tools: None,
            listen: vec![Listener::plain(ListenAddress::unix("/var/run/kleened.sock"))],
            log_level: LogLevel::Info,
            insecure_registries: Vec::new(),
            log_file: None,
            add_urls: false,
            upload_limit: UPLOAD_LIMIT,
            plugins: PluginConfig::default(),
        }
    }
}

/// What the command line says; it has the last word.
#[derive(Debug, Clone, Default)]
pub struct Overrides {
    /// In place of `kleene_root`.
    pub state_dir: Option<PathBuf>,
    /// In place of `run_dir`.
    pub run_dir: Option<PathBuf>,
    /// In place of all of `listen`, unless empty.
    pub listen: Vec<ListenAddress>,
    /// What the addresses above need that speak TLS.
    pub tls: Option<TlsSettings>,
    /// In place of `plugins.directory`.
    pub plugins: Option<PathBuf>,
}

/// A configuration and where it comes from.
#[derive(Debug, Clone, PartialEq)]
pub struct Loaded {
    /// The configuration.
    pub config: Config,
    /// The file that was read; `None` if there was none.
    pub source: Option<PathBuf>,
    /// What was accepted and has no effect, a sentence each.
    pub notices: Vec<String>,
}

/// Why there is no configuration.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// The file cannot be read.
    #[error("cannot read the configuration file {}: {source}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// What the operating system said.
        source: io::Error,
    },
    /// The file says something that is not understood.
    #[error("{}, line {line}{}: {reason}", path.display(), key.as_ref().map(|k| format!(", key '{k}'")).unwrap_or_default())]
    Content {
        /// The file.
        path: PathBuf,
        /// Counted from one.
        line: usize,
        /// The key on that line.
        key: Option<String>,
        /// What is wrong with it.
        reason: String,
    },
    /// A key that 0.1.1 requires is not in its file. In the words of the contract.
    #[error("{}: configuration error: '{key}' key not set in configuration file. Exiting.", path.display())]
    MissingKey {
        /// The file.
        path: PathBuf,
        /// The key.
        key: &'static str,
    },
    /// A file of 0.1.1 names a dataset where there is no ZFS.
    #[error(
        "{}: kleene_root is the dataset '{dataset}': on this host it must be a directory, \
         such as /var/lib/kleene; images and containers of 0.1.1 stay where they are",
        path.display()
    )]
    Dataset {
        /// The file.
        path: PathBuf,
        /// The dataset.
        dataset: String,
    },
    /// An address and its certificates do not fit together.
    #[error(transparent)]
    Listener(#[from] ListenerError),
    /// A directory or file is not given by its whole path.
    #[error("{key} is '{}': give an absolute path, since the daemon has no working directory", path.display())]
    Relative {
        /// The key.
        key: &'static str,
        /// Its value.
        path: PathBuf,
    },
    /// Sockets below a directory could not be reached.
    #[error("run_dir is '{}', which is {} bytes long: sockets below it are only reached up to {longest}", path.display(), path.as_os_str().len())]
    TooLong {
        /// Its value.
        path: PathBuf,
        /// How many bytes it may have.
        longest: usize,
    },
    /// On FreeBSD everything lasts in a dataset.
    #[error("kleene_root is '{}': on FreeBSD it is a dataset, such as zroot/kleene", given.display())]
    NoDataset {
        /// What was given.
        given: PathBuf,
    },
    /// There is no address to listen at.
    #[error("listen is empty: give at least one address, such as http:///var/run/kleened.sock")]
    NoListener,
    /// Two entries for the same place.
    #[error("listen has {address} twice; remove one of the two")]
    Twice {
        /// The later one.
        address: ListenAddress,
    },
}

impl Config {
    /// Reads `path`, or else the first file there is of [`DEFAULT_PATH`] and [`YAML_PATH`], and applies `overrides`.
    ///
    /// # Errors
    /// If a named file cannot be read, or what file and options say makes no sense; see [`ConfigError`].
    pub fn load(path: Option<&Path>, overrides: Overrides) -> Result<Loaded, ConfigError> {
        let mut loaded = match path {
            Some(path) => Self::read(path)?,
            None => Self::read_first(&[DEFAULT_PATH, YAML_PATH].map(Path::new))?,
        };
        let config = &mut loaded.config;
        config.apply(overrides)?;
        config.check()?;
        loaded
            .notices
            .extend(config.listen.iter().filter_map(Listener::notice));
        Ok(loaded)
    }

    /// The first of these files that exists; the defaults if none does.
    fn read_first(paths: &[&Path]) -> Result<Loaded, ConfigError> {
        for path in paths {
            match Self::read(path) {
                Err(ConfigError::Read { source, .. }) if source.kind() == io::ErrorKind::NotFound => {}
                other => return other,
            }
        }
        Ok(Loaded {
            config: Self::default(),
            source: None,
            notices: Vec::new(),
        })
    }

    fn read(path: &Path) -> Result<Loaded, ConfigError> {
        let text = fs::read_to_string(path).map_err(|source| ConfigError::Read {
            path: path.to_owned(),
            source,
        })?;
        let (config, notices) = if yaml::is_yaml(path) {
            yaml::parse(path, &text)?
        } else {
            (Self::parse(path, &text)?, Vec::new())
        };
        Ok(Loaded {
            config,
            source: Some(path.to_owned()),
            notices,
        })
    }

    /// Understands the text of a TOML file; `path` is for messages.
    ///
    /// # Errors
    /// [`ConfigError::Content`] with the place of the first mistake.
    pub fn parse(path: &Path, text: &str) -> Result<Self, ConfigError> {
        toml::from_str(text).map_err(|error| {
            let span = error.span().unwrap_or(0..0);
            ConfigError::Content {
                path: path.to_owned(),
                line: line_of(text, &span),
                key: key_of(text, &span),
                reason: error.message().to_owned(),
            }
        })
    }

    fn apply(&mut self, overrides: Overrides) -> Result<(), ConfigError> {
        if let Some(directory) = overrides.state_dir {
            self.kleene_root = directory;
        }
        if let Some(directory) = overrides.run_dir {
            self.run_dir = directory;
        }
        if !overrides.listen.is_empty() {
            let listener = |address: ListenAddress| {
                let tls = overrides.tls.clone().filter(|_| address.is_secure());
                Listener::new(address, tls)
            };
            self.listen = overrides
                .listen
                .into_iter()
                .map(listener)
                .collect::<Result<_, _>>()?;
        }
        if let Some(directory) = overrides.plugins {
            self.plugins.directory = Some(directory);
        }
        Ok(())
    }

    fn check(&self) -> Result<(), ConfigError> {
        let directories = [
            (
                "kleene_root",
                Some(self.kleene_root.as_path()).filter(|_| self.platform() == PlatformKind::Linux),
            ),
            ("tools", self.tools.as_deref()),
            ("run_dir", Some(self.run_dir.as_path())),
            ("log_file", self.log_file.as_deref()),
            ("plugins.directory", self.plugins.directory.as_deref()),
            ("plugins.cache", self.plugins.cache.as_deref()),
        ];
        let given = directories
            .into_iter()
            .filter_map(|(key, path)| path.map(|path| (key, path)))
            .chain(self.listen.iter().flat_map(Listener::paths));
        for (key, path) in given {
            if !path.is_absolute() {
                return Err(ConfigError::Relative {
                    key,
                    path: path.to_owned(),
                });
            }
        }
        if let Some(longest) = kleene_supervisor::LONGEST_RUN_ROOT
            && self.run_dir.as_os_str().len() > longest
        {
            return Err(ConfigError::TooLong {
                path: self.run_dir.clone(),
                longest,
            });
        }
        if self.platform() == PlatformKind::FreeBsd && self.dataset().is_none() {
            return Err(ConfigError::NoDataset {
                given: self.kleene_root.clone(),
            });
        }
        if self.listen.is_empty() {
            return Err(ConfigError::NoListener);
        }
        for (number, listener) in self.listen.iter().enumerate() {
            let place = &listener.address().place;
            if self
                .listen
                .iter()
                .take(number)
                .any(|other| other.address().place == *place)
            {
                return Err(ConfigError::Twice {
                    address: listener.address().clone(),
                });
            }
        }
        Ok(())
    }

    /// What containers are made of.
    #[must_use]
    pub fn platform(&self) -> PlatformKind {
        let own = if cfg!(target_os = "freebsd") {
            PlatformKind::FreeBsd
        } else {
            PlatformKind::Linux
        };
        self.platform.unwrap_or(own)
    }

    /// The dataset that holds all others, where there are datasets.
    #[must_use]
    pub fn dataset(&self) -> Option<&str> {
        let name = self.kleene_root.to_str().filter(|name| !name.is_empty())?;
        let is_word = |byte: u8| byte.is_ascii_alphanumeric() || b"_-.:".contains(&byte);
        let mut parts = name.split('/');
        parts
            .all(|part| !part.is_empty() && !part.starts_with('-') && part.bytes().all(is_word))
            .then_some(name)
    }

    /// The tools of a FreeBSD host.
    #[must_use]
    pub fn tools(&self) -> kleene_freebsd::Tools {
        match &self.tools {
            Some(directory) => kleene_freebsd::Tools::with_in_front(directory),
            None => kleene_freebsd::Tools::of_the_host(),
        }
    }

    /// Where plugins lie.
    ///
    /// # Errors
    /// If the configuration does not say and the path of the daemon's own program is unknown.
    pub fn plugin_directory(&self) -> io::Result<PathBuf> {
        match &self.plugins.directory {
            Some(directory) => Ok(directory.clone()),
            None => Ok(beside(&env::current_exe()?, "lib/kleene/plugins")),
        }
    }

    /// Where compiled plugins are kept.
    #[must_use]
    pub fn plugin_cache(&self) -> PathBuf {
        let default = || self.kleene_root.join("plugin-cache");
        self.plugins.cache.clone().unwrap_or_else(default)
    }

    /// What the plugin host is told.
    ///
    /// # Errors
    /// As [`Config::plugin_directory`], or if what is configured for a plugin cannot be told it.
    pub fn plugins(&self) -> io::Result<PluginsConfig> {
        let mut config = PluginsConfig::new(self.plugin_directory()?, self.plugin_cache());
        config.engine = match self.plugins.engine {
            PluginEngine::Native => EngineKind::Cranelift,
            PluginEngine::Pulley => EngineKind::Pulley,
        };
        config.allow.clone_from(&self.plugins.allow);
        for (plugin, settings) in &self.plugins.config {
            let settings = serde_json::to_value(settings).map_err(io::Error::other)?;
            config.settings.insert(plugin.clone(), settings);
        }
        Ok(config)
    }

    /// The configuration in effect, defaults included, as a file would have it.
    ///
    /// # Errors
    /// If a path is not UTF-8, or as [`Config::plugin_directory`].
    pub fn to_toml(&self) -> io::Result<String> {
        let mut complete = self.clone();
        complete.plugins.directory = Some(self.plugin_directory()?);
        if self.kleene_root.is_absolute() {
            complete.plugins.cache = Some(self.plugin_cache());
        }
        toml::to_string(&complete).map_err(io::Error::other)
    }
}

/// `<prefix>/<relative>` for a program at `<prefix>/bin/kleened` or `<prefix>/sbin/kleened`.
fn beside(program: &Path, relative: &str) -> PathBuf {
    let prefix = program.parent().and_then(Path::parent);
    prefix.unwrap_or(Path::new("/")).join(relative)
}

fn line_of(text: &str, span: &Range<usize>) -> usize {
    let before = text.as_bytes().iter().take(span.start);
    before.filter(|&&byte| byte == b'\n').count() + 1
}

/// The key whose value the span lies in: what stands before the first `=` of its line or a line above, or else the name
/// of the table.
fn key_of(text: &str, span: &Range<usize>) -> Option<String> {
    let line_end = text
        .get(span.start..)?
        .find('\n')
        .map_or(text.len(), |at| span.start + at);
    text.get(..line_end)?
        .lines()
        .rev()
        .map(str::trim)
        .find_map(|line| {
            let name = match line.split_once('=') {
                Some((key, _)) => key.trim_start_matches('{'),
                None if line.starts_with('[') => line.trim_matches(['[', ']']),
                None => return None,
            };
            Some(name.trim().to_owned())
        })
}

#[cfg(test)]
mod tests;
