//! The vocabulary of change: names of host objects, the typed operations a plan is made of, how each is taken
//! back, which capability it needs, and how it reads in print.
//!
//! Everything here is pure. Nothing in this crate touches the host; that is the platform's work, and it speaks
//! in these types. Plugins return [`Plan`]s (through the WIT interface), the engine journals [`Op`]s, the
//! supervisor starts what a [`JailSpec`] says.

mod capability;
mod facts;
mod firewall;
mod from_host;
mod grant;
mod jail;
mod names;
mod op;
mod plan;
mod stop_signal;

pub use capability::Capability;
pub use facts::{EndpointFacts, Family, NetworkFacts, NetworkKind, PublishedPort, Subnet, VolumeFacts};
pub use firewall::{
    Action, Address, Admission, Direction, FilterRule, Guard, GuardLine, Guarded, HairpinRule,
    InterfaceMatch, NatRule, ParsePortRangeError, PortRange, Protocol, RdrRule, Rule,
};
pub use from_host::{FromHost, HostDataset, HostSnapshot};
pub use grant::{Denied, Grant, Scope};
pub use jail::{
    DEFAULT_PATH, ExitStatus, JailInterface, JailMount, JailNetwork, JailSpec, Launch, LaunchMode,
    ProcessSpec, WindowSize,
};
pub use names::{DatasetName, Id, InterfaceName, MacAddress, NameError, ObjectName, Owner, SnapshotName};
pub use op::{Bridge, Loopback, Op, Pair};
pub use plan::{JailSetting, Plan};
pub use stop_signal::StopSignal;
