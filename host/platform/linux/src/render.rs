//! Operations as an administrator of a Linux host would type them. For people; nothing runs this text.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::net::IpAddr;

use kleene_plan::{Bridge, Family, InterfaceName, Loopback, Op, Owner, Pair, Rule};

use crate::layers::LayerStore;
use crate::{net, nft};

/// The commands of an operation, one per line.
pub(crate) fn render(
    op: &Op,
    layers: &LayerStore,
    addresses: impl FnOnce(&[Rule]) -> BTreeMap<InterfaceName, Vec<IpAddr>>,
) -> String {
    let at = |dataset| layers.mountpoint(dataset).display().to_string();
    let layer = "the layer store";
    match op {
        Op::CreateDataset(dataset) => format!("mkdir -p {}", at(dataset)),
        Op::CloneDataset { snapshot, dataset } => {
            format!("# {layer}: a layer for {} over those of {snapshot}", at(dataset))
        }
        Op::CreateSnapshot(snapshot) => {
            format!(
                "# {layer}: the layer written to at {} is kept as {snapshot}",
                at(snapshot.dataset())
            )
        }
        Op::RenameDataset { from, to } => format!("mv {} {}", at(from), at(to)),
        Op::PromoteDataset { dataset, over } => {
            format!("# {layer}: {dataset} takes the place of {over}")
        }
        Op::DestroyDataset(dataset) => format!("rm -r --one-file-system {}", at(dataset)),
        Op::DestroySnapshot(snapshot) => format!("# {layer}: the layers of {snapshot} alone are removed"),
        Op::FromHost(op) => format!("# {op}: not on this host"),
        Op::MountDataset(dataset) => layers.mount_command(dataset).unwrap_or_else(|| {
            format!(
                "mount -t overlay -o lowerdir=…,upperdir=…,workdir=… {dataset} {}",
                at(dataset)
            )
        }),
        Op::UnmountDataset(dataset) => format!("umount {}", at(dataset)),
        Op::SetQuota { .. } => format!("# {layer} knows no limits"),
        Op::EnsureBridge(Bridge {
            name,
            owner,
            addresses,
        }) => {
            let mut text = bridge(name, owner);
            for address in addresses {
                let _ = write!(text, "\nip address add {address} dev {name} proto 0x6b");
            }
            text
        }
        Op::EnsureLoopback(Loopback { name, owner }) => bridge(name, owner),
        Op::EnsurePair(Pair {
            host,
            jail,
            bridge,
            mac,
            isolated,
            owner,
        }) => {
            let mark = net::mark(owner);
            let isolated = if *isolated { "on" } else { "off" };
            format!(
                "ip link add {host} type veth peer name {jail} address {mac}\n\
                 ip link set {jail} alias {mark}\n\
                 ip link set {host} alias {mark} master {bridge}\n\
                 ip link set {host} type bridge_slave isolated {isolated}\n\
                 ip link set {host} up"
            )
        }
        Op::RemoveInterface { name, .. } => format!("ip link delete {name}"),
        Op::UseInterface { name, .. } => {
            format!(
                "nft add element inet kleene networks {{ {name:?} }}",
                name = name.as_str()
            )
        }
        Op::ReleaseInterface { name, .. } => {
            format!(
                "nft delete element inet kleene networks {{ {name:?} }}",
                name = name.as_str()
            )
        }
        Op::EnsureAlias { interface, address } => {
            format!("ip address add {address} dev {interface} proto 0x6b")
        }
        Op::RemoveAlias { interface, address } => format!("ip address del {address} dev {interface}"),
        Op::AllowAddress { jail, address } => {
            format!("# the address filter of cgroup kleene/{jail}: {address} may be used")
        }
        Op::DenyAddress { jail, address } => {
            format!("# the address filter of cgroup kleene/{jail}: {address} may not be used")
        }
        Op::EnsureForwarding(Family::Inet) => "sysctl -w net.ipv4.ip_forward=1".to_owned(),
        Op::EnsureForwarding(Family::Inet6) => "sysctl -w net.ipv6.conf.all.forwarding=1".to_owned(),
        Op::SetRules { owner, rules } => {
            let text = nft::render(owner, rules, &addresses(rules));
            format!("nft -f - <<'END'\n{text}END")
        }
        Op::ClearRules(owner) => {
            format!("# nft delete element inet kleene …: those with comment \"{owner}\"")
        }
    }
}

fn bridge(name: &InterfaceName, owner: &Owner) -> String {
    let mark = net::mark(owner);
    format!(
        "ip link add {name} type bridge\n\
         ip link set {name} alias {mark}\n\
         sysctl -w net.ipv6.conf.{name}.accept_dad=0\n\
         ip link set {name} up"
    )
}
