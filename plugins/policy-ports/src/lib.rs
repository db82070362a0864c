//! A policy: which ports of the host may be published, on which interfaces and by which containers.
//!
//! The site's rules are asked in order, and the first that fits a port decides; what none decides is as `default`
//! says. A refusal tells the user the port and the site's rule. How it is configured: `docs/firewall.md`.

mod settings;

use kleene_sdk::policy::{Connection, Plugin, Policy, Subject, Verdict};
use kleene_sdk::{Mistake, Plan, PluginError, PluginInfo, PortRange, PublishedPort, log};
pub use settings::Settings;
use settings::{Action, SiteRule};

/// Loopback interfaces. What is published on the host's way out is at the same time on these, for the host alone.
const LOOPBACK: [&str; 2] = ["lo", "lo0"];

/// The plugin.
pub struct PolicyPorts;

kleene_sdk::export_policy_plugin!(PolicyPorts);

impl Plugin for PolicyPorts {
    fn describe() -> PluginInfo {
        PluginInfo {
            name: env!("CARGO_PKG_NAME").to_owned(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            serves: vec![],
        }
    }
}

impl Policy for PolicyPorts {
    fn check_settings() -> Result<(), Mistake> {
        if kleene_sdk::settings::read::<Settings>()?.is_none() {
            log::warn(
                "inactive: the configuration has no [plugins.config.policy-ports]; every port may be published",
            );
        }
        Ok(())
    }

    fn review(subject: Subject, _proposed: Plan) -> Result<Verdict, PluginError> {
        match kleene_sdk::settings::read::<Settings>() {
            Ok(None) => Ok(Verdict::Allow),
            Ok(Some(settings)) => Ok(judge(&settings, &subject)),
            // The daemon does not start with it; without it nothing is known to be allowed.
            Err(mistake) => Err(PluginError::invalid(format!(
                "policy-ports cannot judge: its configuration is wrong at '{}': {}",
                mistake.key, mistake.message
            ))),
        }
    }
}

/// What the settings say about a container's connection.
#[must_use]
pub fn judge(settings: &Settings, subject: &Subject) -> Verdict {
    let Subject::Connection(connection) = subject else {
        return Verdict::Allow;
    };
    let refused = connection.endpoint.ports.iter().find_map(|port| {
        places(port)
            .into_iter()
            .find_map(|place| refuse(settings, connection, port, place))
    });
    refused.map_or(Verdict::Allow, Verdict::Deny)
}

/// Where a port is published: one interface after the other, `None` for all at once.
fn places(port: &PublishedPort) -> Vec<Option<&str>> {
    let is_loopback = |name: &str| LOOPBACK.contains(&name);
    let everywhere_is_loopback = port.interfaces.iter().all(|name| is_loopback(name));
    if port.interfaces.is_empty() {
        return vec![None];
    }
    port.interfaces
        .iter()
        .map(String::as_str)
        .filter(|name| everywhere_is_loopback || !is_loopback(name))
        .map(Some)
        .collect()
}

/// Why these ports may not be published there, if they may not.
fn refuse(
    settings: &Settings,
    connection: &Connection,
    port: &PublishedPort,
    place: Option<&str>,
) -> Option<String> {
    let mut undecided = vec![port.host_ports];
    for (number, rule) in settings.rules.iter().enumerate() {
        if !rule.is_about(connection, port.protocol, place) {
            continue;
        }
        let decided = |range: &PortRange| rule.ports().find_map(|ports| common(*range, ports));
        if rule.action == Action::Deny
            && let Some(denied) = undecided.iter().find_map(decided)
        {
            return Some(format!(
                "{}: {}",
                what(connection, port, denied, place),
                rule.words(number)
            ));
        }
        for ports in rule.ports() {
            undecided = undecided
                .into_iter()
                .flat_map(|range| without(range, ports))
                .collect();
        }
    }
    match (settings.default, undecided.first()) {
        (Action::Deny, Some(left)) => Some(format!(
            "{}: no rule of this site allows it",
            what(connection, port, *left, place)
        )),
        _ => None,
    }
}

fn what(connection: &Connection, port: &PublishedPort, ports: PortRange, place: Option<&str>) -> String {
    let Connection { network, endpoint } = connection;
    let name = endpoint.container_name.as_deref().unwrap_or(&endpoint.container);
    let place = place.map_or_else(|| "all interfaces".to_owned(), |name| format!("interface {name}"));
    format!(
        "container '{name}' in network '{}' may not publish port {ports}/{} of the host on {place}",
        network.name, port.protocol
    )
}

fn common(one: PortRange, other: PortRange) -> Option<PortRange> {
    let (first, last) = (one.first.max(other.first), one.last.min(other.last));
    (first <= last).then_some(PortRange { first, last })
}

/// What is left of a range without those ports: nothing, one part or two.
fn without(range: PortRange, ports: PortRange) -> Vec<PortRange> {
    let Some(middle) = common(range, ports) else {
        return vec![range];
    };
    let below = middle
        .first
        .checked_sub(1)
        .filter(|last| *last >= range.first && middle.first > range.first);
    let above = middle.last.checked_add(1).filter(|first| *first <= range.last);
    let below = below.map(|last| PortRange {
        first: range.first,
        last,
    });
    let above = above.map(|first| PortRange {
        first,
        last: range.last,
    });
    below.into_iter().chain(above).collect()
}

impl SiteRule {
    /// Whether the rule speaks of this container's ports there.
    fn is_about(&self, connection: &Connection, protocol: kleene_sdk::Protocol, place: Option<&str>) -> bool {
        let Connection { network, endpoint } = connection;
        let name = endpoint.container_name.as_deref().unwrap_or(&endpoint.container);
        let is_labelled = |(key, value): (&String, &kleene_sdk::Pattern)| {
            endpoint
                .labels
                .iter()
                .any(|label| label.key == *key && value.matches(&label.value))
        };
        let is_there = match (&self.interfaces, place) {
            (None, _) => true,
            (Some(interfaces), Some(place)) => interfaces.iter().any(|name| name == place),
            // All interfaces are more than may be allowed here, and among them is what is denied.
            (Some(_), None) => self.action == Action::Deny,
        };
        is_there
            && self
                .containers
                .as_ref()
                .is_none_or(|pattern| pattern.matches(name))
            && self
                .networks
                .as_ref()
                .is_none_or(|pattern| pattern.matches(&network.name))
            && self.labels.iter().all(is_labelled)
            && self.protocol.is_none_or(|only| only == protocol)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_range_without_another_is_what_is_left_of_it() {
        let range = |text: &str| text.parse::<PortRange>().unwrap();
        let left = |from: &str, what: &str| {
            let parts = without(range(from), range(what));
            parts
                .iter()
                .map(ToString::to_string)
                .collect::<Vec<_>>()
                .join(" ")
        };
        assert_eq!(left("10:20", "12:15"), "10:11 16:20");
        assert_eq!(left("10:20", "1:15"), "16:20");
        assert_eq!(left("10:20", "15:99"), "10:14");
        assert_eq!(left("10:20", "10:20"), "");
        assert_eq!(left("10:20", "21"), "10:20");
        assert_eq!(left("0:65535", "0:65535"), "");
        assert_eq!(left("0:65535", "0"), "1:65535");
        assert_eq!(left("0:65535", "65535"), "0:65534");
    }
}
