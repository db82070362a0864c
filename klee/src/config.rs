//! Where the daemon is, whom to trust there, and how output looks: what the command line, the environment, contexts and
//! configuration files say of it, and who of them is heard.
//!
//! The host decides: it comes from the command line, else from the environment, else from a context, else from a
//! file, else it is [`DEFAULT_HOST`]. The TLS parameters follow the same order one by one, except that a context is a
//! whole: sources below it are not looked at, because their certificates are for another daemon.

mod address;
mod contexts;
mod environment;
mod file;
mod host;
mod options;

use std::path::{Path, PathBuf};

use clap::ValueEnum;
use serde::{Deserialize, Serialize};

use crate::failure::Failure;
use environment::Environment;

pub use address::{DaemonAddress, Identity, Tls, Trust};
pub use contexts::{ContextName, Contexts};
pub use host::{DEFAULT_HOST, Host, Place};
pub use options::{DaemonOptions, RootOptions};

/// How tables and colours look.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
pub enum Theme {
    /// Lines of Unicode, and colours on terminals.
    #[default]
    Fancy,
    /// ASCII only, no colours.
    Simple,
}

impl Theme {
    /// The theme called `word`, which `source` asked for.
    fn named(word: &str, source: &str) -> Result<Self, Failure> {
        Self::from_str(word, false).map_err(|_| {
            Failure::Usage(format!(
                "Invalid value for {source}: '{word}' is not one of fancy, simple."
            ))
        })
    }
}

/// What one source says about the daemon. Absent: nothing.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Parameters {
    /// Where it listens, as a URL.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub host: Option<String>,
    /// Whether its certificate must be trusted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tlsverify: Option<bool>,
    /// PEM file of the client certificate.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tlscert: Option<PathBuf>,
    /// PEM file of its key.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tlskey: Option<PathBuf>,
    /// PEM file of the authorities that are trusted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tlscacert: Option<PathBuf>,
}

impl Parameters {
    /// These, and those of `below` where these say nothing.
    fn over(self, below: Self) -> Self {
        Self {
            host: self.host.or(below.host),
            tlsverify: self.tlsverify.or(below.tlsverify),
            tlscert: self.tlscert.or(below.tlscert),
            tlskey: self.tlskey.or(below.tlskey),
            tlscacert: self.tlscacert.or(below.tlscacert),
        }
    }
}

/// Everything that was said, before anybody asked where the daemon is.
#[derive(Debug)]
pub struct Settings {
    /// How output looks.
    pub theme: Theme,
    /// Files that were passed over, and why: to be shown before anything else.
    pub notices: Vec<String>,
    command_line: Parameters,
    named_context: Option<ContextName>,
    environment: Environment,
    file: Parameters,
}

impl Settings {
    /// Listens to all sources but contexts, which are looked up when they are needed.
    ///
    /// # Errors
    /// If a variable or a file says something that cannot be meant.
    pub fn read(options: RootOptions) -> Result<Self, Failure> {
        let environment = Environment::read(environment::variable)?;
        let named = options.config.or_else(|| environment.config.clone());
        let found = file::find(named.as_deref())?;
        let file = found.file.unwrap_or_default();
        let theme = match (options.theme, &environment.theme, &file.theme) {
            (Some(theme), ..) => theme,
            (None, Some(word), _) => Theme::named(word, "'KLEE_THEME'")?,
            (None, None, Some(word)) => Theme::named(word, &format!("'theme' in {}", file.path.display()))?,
            (None, None, None) => Theme::default(),
        };
        Ok(Self {
            theme,
            notices: found.notices,
            command_line: options.daemon.parameters(),
            named_context: options.context,
            environment,
            file: file.parameters,
        })
    }

    /// Where the daemon is.
    ///
    /// # Errors
    /// If the context that was asked for does not exist, or what was said makes no address.
    pub fn daemon(&self) -> Result<DaemonAddress, Failure> {
        DaemonAddress::resolve(self.parameters()?)
    }

    /// The context that is in force, if one is: the one named on the command line or in the environment, else the
    /// one chosen by `klee context use`.
    pub fn context(&self, contexts: &Contexts) -> Option<ContextName> {
        let named = self.named_context.as_ref().or(self.environment.context.as_ref());
        let context = named.or(contexts.current.as_ref())?;
        (!context.is_default()).then(|| context.clone())
    }

    /// What overrules every context that is not named on the command line, if anything does.
    pub fn overruling_host(&self) -> Option<&str> {
        self.environment.parameters.host.as_deref()
    }

    /// What holds where no context is in force.
    pub fn without_context(&self) -> Parameters {
        let above = self.environment.parameters.clone().over(self.file.clone());
        above.over(Parameters {
            host: Some(DEFAULT_HOST.to_owned()),
            ..Parameters::default()
        })
    }

    fn parameters(&self) -> Result<Parameters, Failure> {
        let command_line = self.command_line.clone();
        if command_line.host.is_some() {
            return Ok(command_line.over(self.without_context()));
        }
        if let Some(name) = &self.named_context {
            return Ok(match name.is_default() {
                true => command_line.over(self.without_context()),
                false => command_line.over(Contexts::read()?.get(name)?.clone()),
            });
        }
        if self.environment.parameters.host.is_some() {
            return Ok(command_line.over(self.without_context()));
        }
        let contexts = Contexts::read()?;
        Ok(match self.context(&contexts) {
            Some(name) => {
                let context = contexts.get(&name)?.clone();
                command_line
                    .over(self.environment.parameters.clone())
                    .over(context)
            }
            None => command_line.over(self.without_context()),
        })
    }
}

/// `path` with a leading `~` replaced by the home directory, if there is one.
fn expand_home(path: &Path) -> PathBuf {
    match (path.strip_prefix("~"), std::env::home_dir()) {
        (Ok(rest), Some(home)) if rest.as_os_str().is_empty() => home,
        (Ok(rest), Some(home)) => home.join(rest),
        _ => path.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn host(url: &str) -> Parameters {
        Parameters {
            host: Some(url.to_owned()),
            ..Parameters::default()
        }
    }

    fn settings() -> Settings {
        Settings {
            theme: Theme::Fancy,
            notices: Vec::new(),
            command_line: Parameters::default(),
            named_context: None,
            environment: Environment::default(),
            file: Parameters::default(),
        }
    }

    #[test]
    fn what_is_said_above_wins_parameter_by_parameter() {
        let above = Parameters {
            tlsverify: Some(false),
            ..host("http:///above")
        };
        let below = Parameters {
            tlsverify: Some(true),
            tlscacert: Some("/ca.pem".into()),
            ..host("http:///below")
        };
        assert_eq!(
            above.over(below),
            Parameters {
                tlsverify: Some(false),
                tlscacert: Some("/ca.pem".into()),
                ..host("http:///above")
            }
        );
    }

    #[test]
    fn command_line_beats_environment_beats_file_beats_default() {
        let mut settings = settings();
        assert_eq!(settings.without_context().host.as_deref(), Some(DEFAULT_HOST));
        settings.file = host("http:///file");
        assert_eq!(settings.without_context(), host("http:///file"));
        settings.environment.parameters = host("http:///environment");
        assert_eq!(settings.parameters().unwrap(), host("http:///environment"));
        settings.command_line = host("http:///line");
        assert_eq!(settings.parameters().unwrap(), host("http:///line"));
    }

    #[test]
    fn the_named_context_is_the_one_in_force_and_default_is_none() {
        let mut settings = settings();
        let mut contexts = Contexts::default();
        assert_eq!(settings.context(&contexts), None);
        contexts.current = Some("chosen".parse().unwrap());
        assert_eq!(settings.context(&contexts), Some("chosen".parse().unwrap()));
        settings.environment.context = Some("variable".parse().unwrap());
        assert_eq!(settings.context(&contexts), Some("variable".parse().unwrap()));
        settings.named_context = Some(ContextName::default());
        assert_eq!(settings.context(&contexts), None);
    }
}
