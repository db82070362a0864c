//! The daemon's command line.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};

use crate::address::ListenAddress;
use crate::config::{Config, ConfigError, Overrides};

/// Runs containers for klee and other clients.
#[derive(Debug, Parser)]
#[command(name = "kleened", version)]
pub struct Arguments {
    /// What to do; without a command the daemon runs until it is told to stop.
    #[command(subcommand)]
    pub command: Option<Command>,
    /// Where to find the configuration.
    #[command(flatten)]
    pub options: Options,
}

/// What the program can do besides being the daemon.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Check that this host can run containers, and make the daemon's directories
    Init {
        /// Change nothing, only say what would be done
        #[arg(long)]
        dry_run: bool,
    },
    /// Read the configuration and say what it amounts to
    CheckConfig,
}

/// Options that all commands share.
#[derive(Debug, Args)]
pub struct Options {
    /// Configuration file [default: /etc/kleene/kleened.toml if it exists]
    #[arg(long, global = true, value_name = "PATH")]
    config: Option<PathBuf>,
    /// Directory of everything that lasts (kleene_root)
    #[arg(long, global = true, value_name = "DIR")]
    state_dir: Option<PathBuf>,
    /// Directory of everything that ends with a reboot (run_dir)
    #[arg(long, global = true, value_name = "DIR")]
    run_dir: Option<PathBuf>,
    /// Where to listen, instead of what the configuration says: http://<IP>[:<port>] or http:///<path>
    #[arg(long, global = true, value_name = "ADDRESS")]
    host: Vec<ListenAddress>,
    /// Directory of plugins
    #[arg(long, global = true, value_name = "DIR")]
    plugins: Option<PathBuf>,
}

impl Options {
    /// The configuration that these options amount to.
    ///
    /// # Errors
    /// As [`Config::load`].
    pub fn load(self) -> Result<Config, ConfigError> {
        let overrides = Overrides {
            state_dir: self.state_dir,
            run_dir: self.run_dir,
            listen: self.host,
            plugins: self.plugins,
        };
        Config::load(self.config.as_deref(), overrides)
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        Arguments::command().debug_assert();
    }

    #[test]
    fn addresses_can_be_given_several_times() {
        let text = [
            "kleened",
            "--host",
            "http:///run/a.sock",
            "--host",
            "http://127.0.0.1:1",
        ];
        let arguments = Arguments::try_parse_from(text).unwrap();
        assert_eq!(arguments.options.host.len(), 2);
        assert!(arguments.command.is_none());
    }

    #[test]
    fn a_bad_address_is_explained() {
        let error = Arguments::try_parse_from(["kleened", "--host", "tcp://127.0.0.1"]).unwrap_err();
        assert!(error.to_string().contains("its scheme is not http"), "{error}");
    }

    #[test]
    fn options_may_follow_the_command() {
        let text = ["kleened", "init", "--dry-run", "--state-dir", "/srv/kleene"];
        let arguments = Arguments::try_parse_from(text).unwrap();
        assert!(matches!(arguments.command, Some(Command::Init { dry_run: true })));
        assert_eq!(arguments.options.state_dir, Some("/srv/kleene".into()));
    }
}
