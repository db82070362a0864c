//! `klee network`: networks and what is connected to them.

use clap::builder::NonEmptyStringValueParser;
use clap::{Args, Subcommand};
use kleene_api::{AUTO, EndPointConfig, HOST_GATEWAY, IdResponse, Network, NetworkConfig, NetworkType};

use crate::client::Route;
use crate::dry_run::DryRun;
use crate::failure::{Exit, Failure, Outcome};
use crate::format::Inspection;
use crate::listing::Listing;
use crate::screen;
use crate::session::Session;
use crate::table::{Cell, Column};
use crate::values;

/// Manage networks.
#[derive(Debug, Subcommand)]
pub enum NetworkCommand {
    Connect(Connect),
    Create(Create),
    Disconnect(Disconnect),
    Inspect(Inspect),
    Ls(Ls),
    Prune(Prune),
    Rm(Rm),
}

impl NetworkCommand {
    /// Does what the user asked for.
    pub async fn run(self, session: &Session) -> Outcome {
        match self {
            Self::Connect(command) => command.run(session).await,
            Self::Create(command) => command.run(session).await,
            Self::Disconnect(command) => command.run(session).await,
            Self::Inspect(command) => command.run(session).await,
            Self::Ls(command) => command.run(session).await,
            Self::Prune(command) => command.run(session).await,
            Self::Rm(command) => command.run(session).await,
        }
    }
}

/// Connect a container to a network
#[derive(Debug, Args)]
#[command(arg_required_else_help = true)]
pub struct Connect {
    /// IPv4 address (default: chosen by the daemon)
    #[arg(long, value_name = "ADDRESS")]
    ip: Option<String>,
    /// IPv6 address (default: chosen by the daemon)
    #[arg(long, value_name = "ADDRESS")]
    ip6: Option<String>,
    #[command(flatten)]
    dry_run: DryRun,
    /// Name, id, or beginning of an id
    network: String,
    /// Name, id, or beginning of an id
    container: String,
}

impl Connect {
    async fn run(self, session: &Session) -> Outcome {
        let or_auto = |address: Option<String>| address.unwrap_or_else(|| AUTO.to_owned());
        let endpoint = EndPointConfig {
            container: self.container,
            ip_address: or_auto(self.ip),
            ip_address6: or_auto(self.ip6),
            network: self.network,
        };
        if self.dry_run.is_wanted() {
            return self.dry_run.show(session, "connect", &endpoint).await;
        }
        session
            .client
            .tell(Route::new(["networks", "connect"]), &endpoint)
            .await?;
        Ok(Exit::SUCCESS)
    }
}

/// Create a network
#[derive(Debug, Args)]
#[command(arg_required_else_help = true)]
pub struct Create {
    /// What the network is made of: bridge, loopback or custom
    #[arg(short = 't', long = "type", value_name = "TYPE", default_value = "loopback")]
    kind: String,
    /// Interface of the host (default: chosen by the daemon)
    #[arg(short, long, default_value = "", hide_default_value = true)]
    interface: String,
    /// IPv4 subnet in CIDR notation, such as 10.1.0.0/24
    #[arg(long, default_value = "", hide_default_value = true)]
    subnet: String,
    /// IPv6 subnet in CIDR notation, such as fd00:1::/64
    #[arg(long, default_value = "", hide_default_value = true)]
    subnet6: String,
    /// IPv4 gateway of a bridge: an address, auto, or an empty text for none
    #[arg(long, value_name = "ADDRESS", default_value = "auto")]
    gw: String,
    /// IPv6 gateway of a bridge: an address, auto, or an empty text for none
    #[arg(long, value_name = "ADDRESS", default_value = "auto")]
    gw6: String,
    /// Whether outgoing traffic takes the host's address (default: true; --no-nat: false)
    #[arg(
        long, value_name = "BOOL", value_parser = values::boolean, overrides_with = "no_nat",
        num_args = 0..=1, require_equals = true, default_value = "true", default_missing_value = "true",
        hide_default_value = true
    )]
    nat: bool,
    #[arg(long, hide = true, overrides_with = "nat")]
    no_nat: bool,
    /// Interface whose address outgoing traffic takes (default: the one with the default route)
    #[arg(long, value_name = "INTERFACE")]
    nat_if: Option<String>,
    /// Whether containers may talk to each other (default: true; --no-icc: false)
    #[arg(
        long, value_name = "BOOL", value_parser = values::boolean, overrides_with = "no_icc",
        num_args = 0..=1, require_equals = true, default_value = "true", default_missing_value = "true",
        hide_default_value = true
    )]
    icc: bool,
    #[arg(long, hide = true, overrides_with = "icc")]
    no_icc: bool,
    /// Cut containers off from everything outside
    #[arg(long)]
    internal: bool,
    #[command(flatten)]
    dry_run: DryRun,
    /// Name of the network
    name: String,
}

impl Create {
    async fn run(self, session: &Session) -> Outcome {
        let config = self.config()?;
        if self.dry_run.is_wanted() {
            return self.dry_run.show(session, "network", &config).await;
        }
        let answer: IdResponse = session
            .client
            .send(Route::new(["networks", "create"]), &config)
            .await?;
        session.screen.styled_line(&answer.id, screen::ID)?;
        Ok(Exit::SUCCESS)
    }

    fn config(&self) -> Result<NetworkConfig, Failure> {
        let kind = self.kind.parse().map_err(|_| {
            Failure::BadValue(format!(
                "unknown network type '{}'. Possible types are: {}.",
                self.kind,
                NetworkType::WORDS.join(", ")
            ))
        })?;
        let gateway = |given: &str| match (kind, given) {
            (NetworkType::Bridge, "auto") => AUTO.to_owned(),
            (NetworkType::Bridge, _) => given.to_owned(),
            (NetworkType::Loopback | NetworkType::Custom, _) => String::new(),
        };
        let nat = match self.nat && !self.no_nat {
            true => self.nat_if.clone().unwrap_or_else(|| HOST_GATEWAY.to_owned()),
            false => String::new(),
        };
        Ok(NetworkConfig {
            gateway: gateway(&self.gw),
            gateway6: gateway(&self.gw6),
            icc: self.icc && !self.no_icc,
            interface: self.interface.clone(),
            internal: self.internal,
            nat,
            subnet: values::subnet(&self.subnet)?,
            subnet6: values::subnet(&self.subnet6)?,
            ..NetworkConfig::new(self.name.clone(), kind)
        })
    }
}

/// Disconnect a container from a network
#[derive(Debug, Args)]
#[command(arg_required_else_help = true)]
pub struct Disconnect {
    /// Name, id, or beginning of an id
    #[arg(value_parser = NonEmptyStringValueParser::new())]
    network: String,
    /// Name, id, or beginning of an id
    #[arg(value_parser = NonEmptyStringValueParser::new())]
    container: String,
}

impl Disconnect {
    async fn run(self, session: &Session) -> Outcome {
        let route = Route::new(["networks", &self.network, "disconnect", &self.container]);
        session.client.poke(route).await?;
        Ok(Exit::SUCCESS)
    }
}

/// Show everything about a network
#[derive(Debug, Args)]
#[command(arg_required_else_help = true, mut_arg("format", |format| {
    format.help("json, or a template such as '{{.network.subnet}}' or '{{json .network_endpoints}}'")
}))]
pub struct Inspect {
    #[command(flatten)]
    inspection: Inspection,
    /// Name, id, or beginning of an id
    #[arg(value_parser = NonEmptyStringValueParser::new())]
    network: String,
}

impl Inspect {
    async fn run(self, session: &Session) -> Outcome {
        session
            .inspect(
                Route::new(["networks", &self.network, "inspect"]),
                &self.inspection,
            )
            .await
    }
}

/// List networks
#[derive(Debug, Args)]
pub struct Ls {
    #[command(flatten)]
    listing: Listing,
}

const COLUMNS: &[Column] = &[
    Column::new("ID"),
    Column::new("NAME").giving_way_last(),
    Column::new("TYPE"),
    Column::new("SUBNET"),
];

impl Ls {
    async fn run(self, session: &Session) -> Outcome {
        let row = |network: Network| {
            vec![
                Cell::new(network.id, screen::ID),
                Cell::new(network.name, screen::NAME),
                Cell::plain(network.kind.as_str()),
                Cell::plain(network.subnet),
            ]
        };
        self.listing
            .show(session, Route::new(["networks", "list"]), COLUMNS, row)
            .await
    }
}

/// Remove networks that no container is connected to
#[derive(Debug, Args)]
pub struct Prune {
    /// Do not ask
    #[arg(short, long)]
    force: bool,
}

impl Prune {
    async fn run(self, session: &Session) -> Outcome {
        session
            .prune(
                "all unused networks",
                self.force,
                Route::new(["networks", "prune"]),
            )
            .await
    }
}

/// Remove networks, after disconnecting their containers
#[derive(Debug, Args)]
#[command(arg_required_else_help = true)]
pub struct Rm {
    /// Name, id, or beginning of an id
    #[arg(required = true, value_parser = NonEmptyStringValueParser::new())]
    networks: Vec<String>,
}

impl Rm {
    async fn run(self, session: &Session) -> Outcome {
        session
            .remove(&self.networks, |network| Route::new(["networks", network]))
            .await
    }
}
