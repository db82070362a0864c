//! Operations as an administrator would type them. For people; what is run is made of the same commands.

use kleene_plan::{Bridge, InterfaceName, Loopback, Op, Owner, Pair};

use crate::command::Command;
use crate::datasets::Datasets;
use crate::ifconfig::{self, Kind};
use crate::{firewall, from_host, jail_addresses, pf, pfctl, system, zfs};

/// The commands of an operation, one per line.
pub(crate) fn render(op: &Op, datasets: &Datasets) -> String {
    let full = |name: &dyn std::fmt::Display| datasets.full(name);
    let commands = match op {
        Op::CreateDataset(name) => vec![zfs::create(&full(name))],
        Op::CloneDataset { snapshot, dataset } => vec![zfs::clone(&full(snapshot), &full(dataset))],
        Op::CreateSnapshot(snapshot) => vec![zfs::snapshot(&full(snapshot))],
        Op::RenameDataset { from, to } => vec![zfs::rename(&full(from), &full(to))],
        Op::PromoteDataset { dataset, .. } => vec![zfs::promote(&full(dataset))],
        Op::DestroyDataset(name) => vec![zfs::destroy(&full(name))],
        Op::DestroySnapshot(snapshot) => vec![zfs::destroy_snapshot(&full(snapshot))],
        Op::FromHost(op) => return from_host::render(op, datasets),
        Op::MountDataset(name) => vec![zfs::mount(&full(name))],
        Op::UnmountDataset(name) => vec![zfs::unmount(&full(name))],
        Op::SetQuota { dataset, bytes } => vec![zfs::set_quota(&full(dataset), *bytes)],
        Op::EnsureBridge(Bridge {
            name,
            owner,
            addresses,
        }) => {
            let mut commands = interface(Kind::Bridge, name, owner);
            for address in addresses {
                commands.extend(put(name, *address));
            }
            commands
        }
        Op::EnsureLoopback(Loopback { name, owner }) => interface(Kind::Loopback, name, owner),
        Op::EnsurePair(pair) => pair_commands(pair),
        Op::RemoveInterface { name, .. } => vec![ifconfig::destroy(name.as_str())],
        Op::UseInterface { name, owner } => {
            vec![ifconfig::enter_groups(
                name.as_str(),
                &ifconfig::user_group(owner),
            )]
        }
        Op::ReleaseInterface { name, owner } => {
            vec![ifconfig::leave_group(name.as_str(), &ifconfig::user_group(owner))]
        }
        Op::EnsureAlias { interface, address } => put(interface, *address),
        Op::RemoveAlias { interface, address } => {
            vec![ifconfig::remove_address(interface.as_str(), *address)]
        }
        Op::AllowAddress { jail, address } => {
            return format!(
                "{}   # behind those it has",
                jail_addresses::allow(jail, &[], *address)
            );
        }
        Op::DenyAddress { jail, address } => {
            return format!(
                "{}   # those it keeps",
                jail_addresses::of_family(jail, &[], *address)
            );
        }
        Op::EnsureForwarding(family) => vec![system::set_sysctl(system::forwarding(*family), 1)],
        Op::SetRules { owner, rules } => match pf::compile(owner, rules) {
            Ok(anchors) => anchors
                .iter()
                .filter(|anchor| !anchor.text.is_empty())
                .map(firewall::load)
                .collect(),
            Err(error) => return format!("# {error}"),
        },
        Op::ClearRules(owner) => pf::anchors(owner)
            .iter()
            .map(|anchor| pfctl::clear(anchor))
            .collect(),
    };
    let lines: Vec<String> = commands.iter().map(ToString::to_string).collect();
    lines.join("\n")
}

/// The name that the kernel chooses stands for the first free one.
fn draft(kind: Kind) -> String {
    format!("{}0", kind.word())
}

fn interface(kind: Kind, name: &InterfaceName, owner: &Owner) -> Vec<Command> {
    vec![
        ifconfig::create(kind, owner),
        ifconfig::rename(&draft(kind), name),
        ifconfig::up(name.as_str()),
    ]
}

fn put(interface: &InterfaceName, address: ipnet::IpNet) -> Vec<Command> {
    let trust = address
        .addr()
        .is_ipv6()
        .then(|| ifconfig::trust_addresses(interface.as_str()));
    let add = ifconfig::add_address(interface.as_str(), address);
    trust.into_iter().chain([add]).collect()
}

fn pair_commands(pair: &Pair) -> Vec<Command> {
    let draft = draft(Kind::Pair);
    let (host, jail) = (format!("{draft}a"), format!("{draft}b"));
    let private = pair
        .isolated
        .then(|| ifconfig::set_private(&pair.bridge, &pair.host, true));
    let mut commands = vec![
        ifconfig::create(Kind::Pair, &pair.owner),
        ifconfig::set_mac(&jail, pair.mac),
        ifconfig::mark_and_rename(&jail, &pair.owner, &pair.jail),
        ifconfig::rename(&host, &pair.host),
        ifconfig::add_member(&pair.bridge, &pair.host),
    ];
    commands.extend(private);
    commands.push(ifconfig::up(pair.host.as_str()));
    commands
}
