//! The daemon's command line.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};

use crate::address::ListenAddress;
use crate::config::{Config, ConfigError, Loaded, Overrides};
use crate::tls::TlsSettings;

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
    /// Read the configuration and the certificates that it names, and say what it amounts to
    CheckConfig,
    /// Print the description of the interface in OpenAPI form
    Openapi,
    /// Make an authority, a certificate for the daemon and one for a client, in files that are not there yet
    TlsInit {
        /// Where to write them
        directory: PathBuf,
        /// Names and IP addresses of this host besides its hostname, localhost, 127.0.0.1 and ::1
        #[arg(long = "name", value_name = "NAME")]
        names: Vec<String>,
    },
}

/// Options that all commands share.
#[derive(Debug, Args)]
pub struct Options {
    /// Configuration file, TOML or the YAML of Kleene 0.1.1 [default: /etc/kleene/kleened.toml or
    /// /etc/kleened/config.yaml if it exists]
    #[arg(long, global = true, value_name = "PATH")]
    config: Option<PathBuf>,
    /// Directory of everything that lasts (kleene_root)
    #[arg(long, global = true, value_name = "DIR")]
    state_dir: Option<PathBuf>,
    /// Directory of everything that ends with a reboot (run_dir)
    #[arg(long, global = true, value_name = "DIR")]
    run_dir: Option<PathBuf>,
    /// Where to listen, instead of what the configuration says: http[s]://<IP>[:<port>] or http[s]:///<path>
    #[arg(long, global = true, value_name = "ADDRESS")]
    host: Vec<ListenAddress>,
    /// Certificate for --host https://…; may contain the key
    #[arg(long, global = true, value_name = "PEM", requires = "host")]
    tlscert: Option<PathBuf>,
    /// Private key for --host https://…
    #[arg(long, global = true, value_name = "PEM", requires = "tlscert")]
    tlskey: Option<PathBuf>,
    /// Authorities whose clients are let in at --host https://…
    #[arg(long, global = true, value_name = "PEM", requires = "tlscert")]
    tlscacert: Option<PathBuf>,
    /// Let only clients with a certificate in at --host https://…
    #[arg(long, global = true, requires = "tlscacert")]
    tlsverify: bool,
    /// Directory of plugins
    #[arg(long, global = true, value_name = "DIR")]
    plugins: Option<PathBuf>,
}

impl Options {
    /// The configuration that these options amount to.
    ///
    /// # Errors
    /// As [`Config::load`].
    pub fn load(self) -> Result<Loaded, ConfigError> {
        let (tlskey, tlscacert, tlsverify) = (self.tlskey, self.tlscacert, self.tlsverify);
        let tls = self.tlscert.map(|tlscert| TlsSettings {
            tlscert,
            tlskey,
            tlscacert,
            tlsverify,
            tlsdh: None,
        });
        let overrides = Overrides {
            state_dir: self.state_dir,
            run_dir: self.run_dir,
            listen: self.host,
            tls,
            plugins: self.plugins,
        };
        Config::load(self.config.as_deref(), overrides)
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

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
        assert!(
            error.to_string().contains("its scheme is neither http nor https"),
            "{error}"
        );
    }

    #[test]
    fn certificates_belong_to_an_address() {
        let alone = ["kleened", "--tlscert", "/c.pem"];
        assert!(Arguments::try_parse_from(alone).is_err());
        let complete = ["kleened", "--host", "https://127.0.0.1", "--tlscert", "/c.pem"];
        let loaded = Arguments::try_parse_from(complete)
            .unwrap()
            .options
            .load()
            .unwrap();
        assert_eq!(
            loaded.config.listen[0].tls().unwrap().tlscert,
            Path::new("/c.pem")
        );
    }

    #[test]
    fn options_may_follow_the_command() {
        let text = ["kleened", "init", "--dry-run", "--state-dir", "/srv/kleene"];
        let arguments = Arguments::try_parse_from(text).unwrap();
        assert!(matches!(arguments.command, Some(Command::Init { dry_run: true })));
        assert_eq!(arguments.options.state_dir, Some("/srv/kleene".into()));
    }
}
