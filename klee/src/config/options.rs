//! The options of the root command.

use std::path::PathBuf;

use clap::Args;

use super::{ContextName, Parameters, Theme};

// Options that come before the command.
#[derive(Debug, Args)]
pub struct RootOptions {
    /// Configuration file to read instead of those at the usual places [env: KLEE_CONFIG]
    #[arg(long, value_name = "PATH", overrides_with = "config")]
    pub config: Option<PathBuf>,
    /// Lines of Unicode and colours (fancy), or ASCII and no colours (simple) [env: KLEE_THEME]
    #[arg(
        long,
        value_enum,
        hide_possible_values = true,
        value_name = "NAME",
        overrides_with = "theme"
    )]
    pub theme: Option<Theme>,
    /// Use the daemon of this context, see 'klee context' [env: KLEE_CONTEXT]
    #[arg(
        long,
        value_name = "NAME",
        conflicts_with = "host",
        overrides_with = "context"
    )]
    pub context: Option<ContextName>,
    #[command(flatten)]
    pub daemon: DaemonOptions,
}

// Where a daemon is; for the root command and for `klee context add`.
#[derive(Debug, Args)]
pub struct DaemonOptions {
    /// Where the daemon listens: http[s]:///path/to/socket or http[s]://HOST:PORT [env: KLEE_HOST]
    #[arg(long, value_name = "URL", overrides_with = "host")]
    host: Option<String>,
    /// Trust only certificates that the system trusts [env: KLEE_TLS_VERIFY]
    #[arg(long, overrides_with_all = ["tlsverify", "no_tlsverify"])]
    tlsverify: bool,
    /// Trust any certificate, the default
    #[arg(long, overrides_with_all = ["tlsverify", "no_tlsverify"])]
    no_tlsverify: bool,
    /// Client certificate (PEM) [env: KLEE_TLS_CERT]
    #[arg(long, value_name = "PATH", overrides_with = "tlscert")]
    tlscert: Option<PathBuf>,
    /// Key of the client certificate (PEM) [env: KLEE_TLS_KEY]
    #[arg(long, value_name = "PATH", overrides_with = "tlskey")]
    tlskey: Option<PathBuf>,
    /// Trust only certificates signed by these authorities (PEM) [env: KLEE_TLS_CACERT]
    #[arg(long, value_name = "PATH", overrides_with = "tlscacert")]
    tlscacert: Option<PathBuf>,
}

impl DaemonOptions {
    /// What the options say.
    pub fn parameters(self) -> Parameters {
        let tlsverify = (self.tlsverify || self.no_tlsverify).then_some(self.tlsverify);
        Parameters {
            host: self.host,
            tlsverify,
            tlscert: self.tlscert,
            tlskey: self.tlskey,
            tlscacert: self.tlscacert,
        }
    }
}
