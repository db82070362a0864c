//! Containers, with their mounts and published ports.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use jiff::Timestamp;
use kleene_plan::{ExitStatus, Id, InterfaceName, ObjectName, ParsePortRangeError, PortRange, Protocol};

use super::words;

/// How a container is connected, for all of its life.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NetworkDriver {
    /// Addresses of the host's network stack, lent to it.
    Ipnet,
    /// The host's network stack.
    Host,
    /// A network stack of its own.
    Vnet,
    /// Not at all.
    Disabled,
}

words!(
    NetworkDriver,
    Ipnet = "ipnet",
    Host = "host",
    Vnet = "vnet",
    Disabled = "disabled"
);

/// When a container is started without being asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RestartPolicy {
    /// Never.
    No,
    /// When the daemon starts and it does not run.
    OnStartup,
}

words!(RestartPolicy, No = "no", OnStartup = "on-startup");

/// Where a mount comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MountKind {
    /// A volume, by name.
    Volume,
    /// A path of the host.
    Nullfs,
}

words!(MountKind, Volume = "volume", Nullfs = "nullfs");

/// Something of the host's, visible in a container.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mount {
    /// What `source` is.
    pub kind: MountKind,
    /// A volume's name, or a path of the host.
    pub source: String,
    /// Where it is in the container.
    pub destination: String,
    /// Whether the container may only read.
    pub read_only: bool,
}

/// Ports of a container as the user wrote them: `P`, `P:P` or `P:*`, the latter for as many as there are on the host's
/// side. The text survives as given.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ContainerPorts {
    text: String,
    first: u16,
    last: Option<u16>,
}

impl ContainerPorts {
    /// The ports that belong to these of the host.
    ///
    /// # Errors
    /// [`ParsePortRangeError::Value`] if `P:*` would go beyond port 65535.
    pub fn opposite(&self, host: PortRange) -> Result<PortRange, ParsePortRangeError> {
        match self.last {
            Some(last) => PortRange::new(self.first, last),
            None => {
                let last = self.first.checked_add(host.last() - host.first());
                PortRange::new(self.first, last.ok_or(ParsePortRangeError::Value)?)
            }
        }
    }
}

impl FromStr for ContainerPorts {
    type Err = ParsePortRangeError;

    fn from_str(text: &str) -> Result<Self, ParsePortRangeError> {
        let (first, last) = match text.strip_suffix(":*") {
            Some(first) if first.contains(':') => return Err(ParsePortRangeError::Form),
            Some(first) => (first.parse::<PortRange>()?.first(), None),
            None => {
                let range = text.parse::<PortRange>()?;
                (range.first(), Some(range.last()))
            }
        };
        Ok(Self {
            text: text.to_owned(),
            first,
            last,
        })
    }
}

impl fmt::Display for ContainerPorts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

/// Ports of a container which the host offers to others.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Port {
    /// TCP or UDP; the store refuses others.
    pub protocol: Protocol,
    /// Interfaces of the host; empty: all.
    pub interfaces: Vec<InterfaceName>,
    /// Ports of the host.
    pub host_ports: PortRange,
    /// Ports of the container.
    pub container_ports: ContainerPorts,
}

/// A container's present run, as far as the store was told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Running {
    /// The execution that is its first process.
    pub exec: Id,
    /// Since when; kept in microseconds.
    pub since: Timestamp,
}

/// How a container's latest run ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LastExit {
    /// The status of its first process.
    pub status: ExitStatus,
    /// When; kept in microseconds.
    pub finished: Timestamp,
}

/// A container.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Container {
    /// Its id; the dataset is [`DatasetName::container`](kleene_plan::DatasetName::container) of it.
    pub id: Id,
    /// Its name; no two containers share one.
    pub name: Option<ObjectName>,
    /// The image it was made from, which cannot be removed before it.
    pub image: Id,
    /// When it was made; kept in microseconds.
    pub created: Timestamp,
    /// Program and arguments.
    pub cmd: Vec<String>,
    /// `NAME=value`.
    pub env: Vec<String>,
    /// Who runs the program; empty: root.
    pub user: String,
    /// Where its processes begin; `None`: in the home of their user.
    pub working_dir: Option<String>,
    /// The signal that asks its first process to end; `None`: TERM.
    pub stop_signal: Option<String>,
    /// Parameters in jail(8)'s form, verbatim.
    pub jail_param: Vec<String>,
    /// How it is connected.
    pub network_driver: NetworkDriver,
    /// Whether it survives a prune.
    pub persist: bool,
    /// When it is started without being asked for.
    pub restart_policy: RestartPolicy,
    /// What users note about it.
    pub labels: BTreeMap<String, String>,
    /// What is mounted in it, in order.
    pub mounts: Vec<Mount>,
    /// What the host offers of it to others, in order.
    pub ports: Vec<Port>,
    /// How often it was started: tells one run from the next, so that what belongs to an earlier one cannot touch it.
    pub generation: u64,
    /// Its present run. Changed by [`Write::mark_started`](crate::Write::mark_started) and
    /// [`Write::mark_exited`](crate::Write::mark_exited).
    pub started: Option<Running>,
    /// How its latest run ended.
    pub last_exit: Option<LastExit>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn container_ports_survive_as_given() {
        for text in ["80", "80:*", "80:90", "80:80", "0080"] {
            assert_eq!(text.parse::<ContainerPorts>().unwrap().to_string(), text);
        }
    }

    #[test]
    fn a_star_stands_for_as_many_ports_as_the_host_has() {
        let opposite = |ports: &str, host: &str| {
            let ports: ContainerPorts = ports.parse().unwrap();
            ports
                .opposite(host.parse().unwrap())
                .map(|range| range.to_string())
        };
        assert_eq!(opposite("80:*", "8080:8090"), Ok("80:90".to_owned()));
        assert_eq!(opposite("80:*", "8080"), Ok("80".to_owned()));
        assert_eq!(opposite("80:82", "8080:8082"), Ok("80:82".to_owned()));
        assert_eq!(opposite("65535:*", "1:2"), Err(ParsePortRangeError::Value));
    }

    #[test]
    fn what_is_no_range_of_ports_is_refused() {
        for text in ["", "*", ":*", "80:*:*", "80:90:*", "90:80", "x", "65536", "-1"] {
            assert!(text.parse::<ContainerPorts>().is_err(), "{text:?}");
        }
    }
}
