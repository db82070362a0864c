//! The daemon's configuration: defaults, laid over by a TOML file, laid over by command line options.
//!
//! Values are checked for form here. Whether directories exist or ports are free shows when they are used.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::{env, fs, io};

use kleene_plan::Capability;
use kleene_plugins::{EngineKind, PluginsConfig};
use serde::{Deserialize, Serialize};

use crate::address::ListenAddress;

/// Read when the command line names no file; it may be absent.
#[cfg(target_os = "freebsd")]
pub const DEFAULT_PATH: &str = "/usr/local/etc/kleene/kleened.toml";
/// Read when the command line names no file; it may be absent.
#[cfg(not(target_os = "freebsd"))]
pub const DEFAULT_PATH: &str = "/etc/kleene/kleened.toml";

/// What the daemon was told, complete.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// Directory of everything that lasts: datasets, database, logs of containers.
    pub kleene_root: PathBuf,
    /// Directory of everything that ends with a reboot: pid file, sockets of supervisors.
    pub run_dir: PathBuf,
    /// Where clients connect.
    pub listen: Vec<ListenAddress>,
    /// How much is logged.
    pub log_level: LogLevel,
    /// Where the log goes; standard error if absent.
    pub log_file: Option<PathBuf>,
    /// Plugins.
    pub plugins: PluginConfig,
}

/// Which plugins to load, and how.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize, Serialize)]
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

impl Default for Config {
    fn default() -> Self {
        Self {
            kleene_root: "/var/lib/kleene".into(),
            run_dir: "/run/kleene".into(),
            listen: vec![ListenAddress::Unix("/var/run/kleened.sock".into())],
            log_level: LogLevel::Info,
            log_file: None,
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
    /// In place of `plugins.directory`.
    pub plugins: Option<PathBuf>,
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
    /// A directory is not given by its whole path.
    #[error("{key} is '{}': give an absolute path, since the daemon has no working directory", path.display())]
    Relative {
        /// The key.
        key: &'static str,
        /// Its value.
        path: PathBuf,
    },
    /// There is no address to listen at.
    #[error("listen is empty: give at least one address, such as http:///var/run/kleened.sock")]
    NoListener,
}

impl Config {
    /// Reads `path`, or the file at [`DEFAULT_PATH`] if there is one, and applies `overrides`.
    ///
    /// # Errors
    /// If a named file cannot be read, or what file and options say makes no sense; see [`ConfigError`].
    pub fn load(path: Option<&Path>, overrides: Overrides) -> Result<Self, ConfigError> {
        let mut config = match path {
            Some(path) => Self::read(path)?,
            None => match Self::read(Path::new(DEFAULT_PATH)) {
                Err(ConfigError::Read { source, .. }) if source.kind() == io::ErrorKind::NotFound => {
                    Self::default()
                }
                other => other?,
            },
        };
        config.apply(overrides);
        config.check()?;
        Ok(config)
    }

    fn read(path: &Path) -> Result<Self, ConfigError> {
        let text = fs::read_to_string(path).map_err(|source| ConfigError::Read {
            path: path.to_owned(),
            source,
        })?;
        Self::parse(path, &text)
    }

    /// Understands the text of a configuration file; `path` is for messages.
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

    fn apply(&mut self, overrides: Overrides) {
        if let Some(directory) = overrides.state_dir {
            self.kleene_root = directory;
        }
        if let Some(directory) = overrides.run_dir {
            self.run_dir = directory;
        }
        if !overrides.listen.is_empty() {
            self.listen = overrides.listen;
        }
        if let Some(directory) = overrides.plugins {
            self.plugins.directory = Some(directory);
        }
    }

    fn check(&self) -> Result<(), ConfigError> {
        let directories = [
            ("kleene_root", Some(&self.kleene_root)),
            ("run_dir", Some(&self.run_dir)),
            ("log_file", self.log_file.as_ref()),
            ("plugins.directory", self.plugins.directory.as_ref()),
            ("plugins.cache", self.plugins.cache.as_ref()),
        ];
        for (key, path) in directories {
            if let Some(path) = path.filter(|path| !path.is_absolute()) {
                return Err(ConfigError::Relative {
                    key,
                    path: path.clone(),
                });
            }
        }
        if self.listen.is_empty() {
            return Err(ConfigError::NoListener);
        }
        Ok(())
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
    /// As [`Config::plugin_directory`].
    pub fn plugins(&self) -> io::Result<PluginsConfig> {
        let mut config = PluginsConfig::new(self.plugin_directory()?, self.plugin_cache());
        config.engine = match self.plugins.engine {
            PluginEngine::Native => EngineKind::Cranelift,
            PluginEngine::Pulley => EngineKind::Pulley,
        };
        config.allow.clone_from(&self.plugins.allow);
        Ok(config)
    }

    /// The configuration in effect, defaults included, as a file would have it.
    ///
    /// # Errors
    /// If a path is not UTF-8, or as [`Config::plugin_directory`].
    pub fn to_toml(&self) -> io::Result<String> {
        let mut complete = self.clone();
        complete.plugins.directory = Some(self.plugin_directory()?);
        complete.plugins.cache = Some(self.plugin_cache());
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

/// The key whose value the span lies in: what stands before the last `=` of its line or a line above.
fn key_of(text: &str, span: &Range<usize>) -> Option<String> {
    let line_end = text
        .get(span.start..)?
        .find('\n')
        .map_or(text.len(), |at| span.start + at);
    let lines = text.get(..line_end)?.lines().rev();
    let mut keys =
        lines.map_while(|line| (!line.trim_start().starts_with('[')).then_some(line.split_once('=')));
    keys.find_map(|pair| pair.map(|(key, _)| key.trim().to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<Config, ConfigError> {
        Config::parse(Path::new("/etc/kleened.toml"), text)
    }

    fn refusal(text: &str) -> String {
        parse(text).unwrap_err().to_string()
    }

    #[test]
    fn an_empty_file_is_the_default() {
        assert_eq!(parse("").unwrap(), Config::default());
    }

    #[test]
    fn every_key_can_be_set() {
        let config = parse(
            r#"
            kleene_root = "/srv/kleene"
            run_dir = "/run/k"
            listen = ["http:///run/k/sock", "http://127.0.0.1:8080"]
            log_level = "debug"
            log_file = "/var/log/kleened.log"
            [plugins]
            directory = "/opt/plugins"
            cache = "/var/cache/kleene"
            engine = "pulley"
            [plugins.allow]
            network-bridge = ["bridge", "filter"]
            "#,
        )
        .unwrap();
        assert_eq!(config.kleene_root, Path::new("/srv/kleene"));
        assert_eq!(config.run_dir, Path::new("/run/k"));
        assert_eq!(config.listen.len(), 2);
        assert_eq!(
            config.log_file.as_deref(),
            Some(Path::new("/var/log/kleened.log"))
        );
        assert_eq!(config.plugin_directory().unwrap(), Path::new("/opt/plugins"));
        assert_eq!(config.plugin_cache(), Path::new("/var/cache/kleene"));
        assert_eq!(config.plugins.engine, PluginEngine::Pulley);
        assert_eq!(config.log_level, LogLevel::Debug);
        let allowed = BTreeSet::from([Capability::Bridge, Capability::Filter]);
        assert_eq!(config.plugins.allow["network-bridge"], allowed);
    }

    #[test]
    fn what_is_shown_can_be_read_again() {
        let text =
            "listen = [\"http://[::1]:8080\"]\n[plugins]\ndirectory = \"/opt/plugins\"\ncache = \"/cache\"\n";
        let config = parse(text).unwrap();
        assert_eq!(parse(&config.to_toml().unwrap()).unwrap(), config);
    }

    #[test]
    fn an_unknown_key_is_refused_by_name_and_line() {
        let message = refusal("run_dir = \"/run/k\"\nkleene_rot = \"/x\"\n");
        assert!(
            message.starts_with("/etc/kleened.toml, line 2, key 'kleene_rot': unknown field `kleene_rot`"),
            "{message}"
        );
    }

    #[test]
    fn a_wrong_type_is_refused_with_its_key() {
        let message = refusal("\nlisten = 8080\n");
        assert!(
            message.starts_with("/etc/kleened.toml, line 2, key 'listen': invalid type: integer"),
            "{message}"
        );
    }

    #[test]
    fn a_wrong_address_in_a_list_over_several_lines_is_refused_with_its_line_and_key() {
        let message = refusal("listen = [\n  \"http://127.0.0.1\",\n  \"https://127.0.0.1\",\n]\n");
        assert!(
            message.contains("key 'listen': cannot listen at 'https://127.0.0.1'"),
            "{message}"
        );
        assert!(message.contains("http:///<path of a UNIX socket>"), "{message}");
    }

    #[test]
    fn a_key_in_a_table_is_not_mistaken_for_one_above_it() {
        let message = refusal("run_dir = \"/r\"\n[plugins]\nengine = \"jit\"\n");
        assert!(
            message.starts_with("/etc/kleened.toml, line 3, key 'engine': unknown variant `jit`"),
            "{message}"
        );
    }

    #[test]
    fn an_unknown_log_level_is_refused() {
        let message = refusal("log_level = \"chatty\"");
        assert!(
            message.contains("key 'log_level': unknown variant `chatty`, expected one of `error`"),
            "{message}"
        );
    }

    #[test]
    fn options_of_the_command_line_win() {
        let mut config = parse("kleene_root = \"/a\"\nlisten = [\"http://127.0.0.1\"]").unwrap();
        config.apply(Overrides {
            state_dir: Some("/b".into()),
            listen: vec![ListenAddress::Unix("/s".into())],
            ..Overrides::default()
        });
        assert_eq!(config.kleene_root, Path::new("/b"));
        assert_eq!(config.listen, vec![ListenAddress::Unix("/s".into())]);
        assert_eq!(config.run_dir, Config::default().run_dir);
    }

    #[test]
    fn relative_directories_are_refused() {
        let message = parse("run_dir = \"run\"")
            .unwrap()
            .check()
            .unwrap_err()
            .to_string();
        assert!(
            message.starts_with("run_dir is 'run': give an absolute path"),
            "{message}"
        );
    }

    #[test]
    fn no_address_at_all_is_refused() {
        let message = parse("listen = []").unwrap().check().unwrap_err().to_string();
        assert!(message.starts_with("listen is empty"), "{message}");
    }

    #[test]
    fn plugins_are_looked_for_beside_the_program() {
        let directory = beside(Path::new("/usr/local/sbin/kleened"), "lib/kleene/plugins");
        assert_eq!(directory, Path::new("/usr/local/lib/kleene/plugins"));
    }

    #[test]
    fn a_named_file_must_exist() {
        let message = Config::load(Some(Path::new("/nonexistent/kleened.toml")), Overrides::default())
            .unwrap_err()
            .to_string();
        assert!(
            message.starts_with("cannot read the configuration file /nonexistent/kleened.toml"),
            "{message}"
        );
    }
}
