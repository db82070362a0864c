//! The plugin development kit: write a network driver, a volume driver, a builder, a build step or a policy for Kleene.
//!
//! A plugin is a planner. It is given facts and returns typed operations; the host performs them, shows them, takes
//! them back. So a plugin has no state, reads nothing and touches nothing, and is tested like any function: on your
//! machine, with `cargo test`, without a daemon.
//!
//! # A complete plugin
//!
//! `plugin.toml` says what it is, what it serves and what it asks to be allowed to plan:
//!
//! ```toml
//! name = "network-plain"
//! version = "0.1.0"
//! kind = "network"
//! serves = ["plain"]
//! grant = ["bridge", "pair"]
//! ```
//!
//! `Cargo.toml` has `crate-type = ["cdylib", "rlib"]`, and `src/lib.rs` the driver:
//!
//! ```
//! use kleene_sdk::network::{Driver, Plugin};
//! use kleene_sdk::{Bridge, Endpoint, JailInterface, JailSetting, Network, Op, Pair, Plan, PluginError, PluginInfo};
//!
//! struct Plain;
//!
//! impl Plugin for Plain {
//!     fn describe() -> PluginInfo {
//!         PluginInfo { name: "network-plain".into(), version: "0.1.0".into(), serves: vec!["plain".into()] }
//!     }
//! }
//!
//! impl Driver for Plain {
//!     fn validate_network(network: Network) -> Result<(), PluginError> {
//!         if network.subnets.is_empty() {
//!             return Err(PluginError::invalid(format!("network '{}' needs a subnet", network.name))
//!                 .hint("try --subnet 10.0.0.0/24"));
//!         }
//!         Ok(())
//!     }
//!
//!     fn plan_network(network: Network) -> Result<Plan, PluginError> {
//!         let addresses = network.subnets.iter().filter_map(kleene_sdk::Subnet::host_address).collect();
//!         let bridge = Bridge { name: network.on_interface, addresses };
//!         Ok(Plan { ops: vec![Op::EnsureBridge(bridge)], jail: vec![] })
//!     }
//!
//!     fn plan_endpoint(network: Network, endpoint: Endpoint) -> Result<Plan, PluginError> {
//!         let pair = Pair {
//!             host: endpoint.host_interface,
//!             jail: endpoint.jail_interface.clone(),
//!             bridge: network.on_interface,
//!             mac: endpoint.mac.clone(),
//!             isolated: false,
//!         };
//!         let interface = JailInterface {
//!             name: endpoint.jail_interface,
//!             mac: endpoint.mac,
//!             addresses: endpoint.addresses,
//!         };
//!         Ok(Plan {
//!             ops: vec![Op::EnsurePair(pair)],
//!             jail: vec![JailSetting::TakeInterface(interface)],
//!         })
//!     }
//! }
//!
//! kleene_sdk::export_network_plugin!(Plain);
//!
//! # fn main() {
//! // A test is a call:
//! let network = Network {
//!     id: "0a1b2c3d4e5f".into(),
//!     name: "n".into(),
//!     kind: "plain".into(),
//!     on_interface: "kleene0".into(),
//!     subnets: vec![kleene_sdk::Subnet {
//!         net: "10.0.0.0/24".parse().unwrap(),
//!         gateway: Some("10.0.0.1".parse().unwrap()),
//!         host_is_gateway: true,
//!     }],
//!     nat: None,
//!     icc: true,
//!     internal: false,
//!     host_gateway: None,
//! };
//! let plan = Plain::plan_network(network).unwrap();
//! assert_eq!(plan.print("network-0a1b2c3d4e5f"), "bridge kleene0 10.0.0.1/24\n");
//! # }
//! ```
//!
//! `cargo xtask plugins` makes it a component. What each type means is written beside it in `wit/kleene.wit`, which
//! is all that a plugin in another language needs.

mod address;
#[doc(hidden)]
pub mod bindings;
mod building;
mod export;
pub mod ipnet;
pub mod log;
mod pattern;
mod print;
mod refusal;
mod rule;
pub mod settings;
pub mod standard_rules;
mod words;

pub use pattern::Pattern;
pub use words::Ports;

pub use bindings::vocabulary::kleene::plugin::facts::{
    Endpoint, Label, Network, PublishedPort, Subnet, Volume,
};
pub use bindings::vocabulary::kleene::plugin::firewall::{
    Action, AddressMatch, Admission, Direction, FilterRule, Guard, GuardLine, Guarded, HairpinRule,
    InterfaceMatch, NatRule, RdrRule, Rule,
};
pub use bindings::vocabulary::kleene::plugin::planning::{
    Alias, Bridge, DatasetClone, JailInterface, JailSetting, Op, Pair, Plan, Quota,
};
pub use bindings::vocabulary::kleene::plugin::settings::Mistake;
pub use bindings::vocabulary::kleene::plugin::types::{
    ErrorCode, Family, IpAddress, IpNet, PluginError, PluginInfo, PortRange, Protocol,
};

/// For network drivers.
pub mod network {
    pub use crate::bindings::network::Guest as Plugin;
    pub use crate::bindings::network::exports::kleene::plugin::network_driver::Guest as Driver;
}

/// For volume drivers.
pub mod volume {
    pub use crate::bindings::volume::Guest as Plugin;
    pub use crate::bindings::volume::exports::kleene::plugin::volume_driver::Guest as Driver;
}

/// For builders.
pub mod build {
    pub use crate::bindings::build::Guest as Plugin;
    pub use crate::bindings::build::exports::kleene::plugin::builder::{
        Guest as Builder, ParseError, Parsed,
    };
    pub use crate::bindings::vocabulary::kleene::plugin::building::{
        Action, Argument, Base, BuildState, Command, CopyAction, CopyFiles, Dialect, FetchAction,
        Healthcheck, HereDocument, InlineFile, Instruction, InstructionKind, Other, Process, Variable,
    };
    pub use crate::bindings::vocabulary::kleene::plugin::facts::Label;
}

/// For build steps.
pub mod step {
    pub use crate::bindings::step::Guest as Plugin;
    pub use crate::bindings::step::exports::kleene::plugin::build_step::{Guest as BuildStep, Step};
    pub use crate::build::{
        Action, BuildState, CopyAction, FetchAction, Healthcheck, InlineFile, Label, Process, Variable,
    };
}

/// For policies.
pub mod policy {
    pub use crate::bindings::policy::Guest as Plugin;
    pub use crate::bindings::policy::exports::kleene::plugin::policy::{
        Connection, Guest as Policy, Subject, Verdict,
    };
}
