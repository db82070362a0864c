//! A policy: which destinations containers of a network reach. What the site's allow-list does not name is refused.
//!
//! It restricts by guards, which no rule of a network or container can lift: not that of a published port, nor that
//! of containers which may talk to each other. A network's own addresses are always admitted; whether containers talk
//! to each other is the network's matter (`icc`). How it is configured: `docs/firewall.md`.

mod settings;

use kleene_sdk::policy::{Connection, Plugin, Policy, Subject, Verdict};
use kleene_sdk::{
    AddressMatch, Admission, Guard, GuardLine, Guarded, IpNet, Mistake, NatRule, Network, Plan, PluginError,
    PluginInfo, Rule, log, standard_rules,
};
pub use settings::Settings;

/// The kind of network whose containers live among other machines.
const CUSTOM: &str = "custom";

/// The plugin.
pub struct PolicyEgress;

kleene_sdk::export_policy_plugin!(PolicyEgress);

impl Plugin for PolicyEgress {
    fn describe() -> PluginInfo {
        PluginInfo {
            name: env!("CARGO_PKG_NAME").to_owned(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            serves: vec![],
        }
    }
}

impl Policy for PolicyEgress {
    fn check_settings() -> Result<(), Mistake> {
        if kleene_sdk::settings::read::<Settings>()?.is_none() {
            log::warn(
                "inactive: the configuration has no [plugins.config.policy-egress]; nothing is restricted",
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
                "policy-egress cannot judge: its configuration is wrong at '{}': {}",
                mistake.key, mistake.message
            ))),
        }
    }
}

/// What the settings say about a network or a container's connection.
#[must_use]
pub fn judge(settings: &Settings, subject: &Subject) -> Verdict {
    let rules = match subject {
        // Whatever its containers send arrives through its interface, also with a forged source.
        Subject::Network(network) if network.kind != CUSTOM => {
            let own: Vec<_> = network.subnets.iter().map(|subnet| subnet.net).collect();
            let arriving = Guarded::Arriving(network.on_interface.clone());
            guard(settings, network, arriving, &own).map_or_else(Vec::new, |guard| vec![Rule::Guard(guard)])
        }
        // What borrows addresses of the host sends through no interface of its own.
        Subject::Connection(connection) if !connection.endpoint.vnet => of_addresses(settings, connection),
        _ => Vec::new(),
    };
    if rules.is_empty() {
        Verdict::Allow
    } else {
        Verdict::Add(rules)
    }
}

fn of_addresses(settings: &Settings, connection: &Connection) -> Vec<Rule> {
    let network = &connection.network;
    let mut rules = Vec::new();
    for address in connection
        .endpoint
        .addresses
        .iter()
        .map(|net| net.address.alone())
    {
        // On a custom network the subnet is that of other machines.
        let own: Vec<_> = if network.kind == CUSTOM {
            vec![address]
        } else {
            network.subnets.iter().map(|subnet| subnet.net).collect()
        };
        let Some(guard) = guard(settings, network, Guarded::Source(address), &own) else {
            continue;
        };
        // pf hides an address before it filters: the guard knows the packets by this rule.
        if let Some(interface) = standard_rules::translation(network) {
            rules.push(Rule::Nat(NatRule {
                on_interface: interface.to_owned(),
                source: address,
            }));
        }
        rules.push(Rule::Guard(guard));
    }
    rules
}

/// The guard for packets of a network; `None` where the site leaves it alone. `own` is always admitted.
fn guard(settings: &Settings, network: &Network, guarded: Guarded, own: &[IpNet]) -> Option<Guard> {
    let list = settings.of(&network.name)?;
    let family = match guarded {
        Guarded::Source(net) | Guarded::Destination(net) => Some(net.address.family()),
        Guarded::Arriving(_) => None,
    };
    let admit = |peer, protocol, ports| GuardLine {
        admission: Admission::Admit,
        log: false,
        protocol,
        peer,
        ports,
    };
    let own = own.iter().map(|net| admit(AddressMatch::Net(*net), None, None));
    let allowed = list.allow.iter().flat_map(|destination| {
        destination
            .ports()
            .map(|(protocol, ports)| admit(destination.to, protocol, ports))
    });
    let rest = GuardLine {
        admission: list.refuse.admission(),
        log: true,
        ..admit(AddressMatch::Any, None, None)
    };
    let possible = |line: &GuardLine| match (line.peer, family) {
        (AddressMatch::Net(net), Some(family)) => net.address.family() == family,
        _ => true,
    };
    Some(Guard {
        guarded,
        lines: own.chain(allowed).filter(possible).chain([rest]).collect(),
    })
}
