//! Plans, on their way from a driver and to a policy.

use kleene_plan::{Bridge, JailSetting, Loopback, Op, Owner, Pair, Plan};

use super::address::{
    address_from_wit, address_to_wit, family_from_wit, family_to_wit, net_from_wit, net_to_wit, nets_from_wit,
};
use super::name::parse;
use super::rule::{rule_from_wit, rule_to_wit};
use crate::bindings::planning;

/// How many parts a plan has: operations, the rules in them, and jail settings.
pub(crate) fn length(plan: &planning::Plan) -> usize {
    let rules: usize = plan
        .ops
        .iter()
        .map(|op| match op {
            planning::Op::SetRules(rules) => rules.len(),
            _ => 0,
        })
        .sum();
    plan.ops.len() + plan.jail.len() + rules
}

/// A plan on behalf of `owner`, which its interfaces and rules will be marked with.
///
/// # Errors
/// What in it is not well formed.
pub(crate) fn plan_from_wit(plan: planning::Plan, owner: Option<&Owner>) -> Result<Plan, String> {
    Ok(Plan {
        ops: plan
            .ops
            .into_iter()
            .map(|op| op_from_wit(op, owner))
            .collect::<Result<_, _>>()?,
        jail: plan
            .jail
            .into_iter()
            .map(setting_from_wit)
            .collect::<Result<_, _>>()?,
    })
}

fn op_from_wit(op: planning::Op, owner: Option<&Owner>) -> Result<Op, String> {
    let owner = || {
        owner
            .cloned()
            .ok_or_else(|| "a volume has neither interfaces nor rules".to_owned())
    };
    Ok(match op {
        planning::Op::EnsureBridge(bridge) => Op::EnsureBridge(Bridge {
            name: parse(&bridge.name)?,
            owner: owner()?,
            addresses: nets_from_wit(bridge.addresses)?,
        }),
        planning::Op::EnsureLoopback(name) => Op::EnsureLoopback(Loopback {
            name: parse(&name)?,
            owner: owner()?,
        }),
        planning::Op::EnsurePair(pair) => Op::EnsurePair(Pair {
            host: parse(&pair.host)?,
            jail: parse(&pair.jail)?,
            bridge: parse(&pair.bridge)?,
            mac: parse(&pair.mac)?,
            isolated: pair.isolated,
            owner: owner()?,
        }),
        planning::Op::UseInterface(name) => Op::UseInterface {
            name: parse(&name)?,
            owner: owner()?,
        },
        planning::Op::EnsureAlias(alias) => Op::EnsureAlias {
            interface: parse(&alias.on_interface)?,
            address: net_from_wit(alias.address)?,
        },
        planning::Op::EnsureForwarding(family) => Op::EnsureForwarding(family_from_wit(family)),
        planning::Op::SetRules(rules) => Op::SetRules {
            owner: owner()?,
            rules: rules.into_iter().map(rule_from_wit).collect::<Result<_, _>>()?,
        },
        planning::Op::CreateDataset(dataset) => Op::CreateDataset(parse(&dataset)?),
        planning::Op::CloneDataset(clone) => Op::CloneDataset {
            snapshot: parse(&clone.snapshot)?,
            dataset: parse(&clone.dataset)?,
        },
        planning::Op::CreateSnapshot(snapshot) => Op::CreateSnapshot(parse(&snapshot)?),
        planning::Op::SetQuota(quota) => Op::SetQuota {
            dataset: parse(&quota.dataset)?,
            bytes: quota.bytes,
        },
    })
}

fn setting_from_wit(setting: planning::JailSetting) -> Result<JailSetting, String> {
    Ok(match setting {
        planning::JailSetting::TakeInterface(interface) => JailSetting::Interface {
            name: parse(&interface.name)?,
            mac: parse(&interface.mac)?,
            addresses: nets_from_wit(interface.addresses)?,
        },
        planning::JailSetting::Address(address) => JailSetting::Address(address_from_wit(address)),
        planning::JailSetting::DefaultRoute(gateway) => JailSetting::DefaultRoute(address_from_wit(gateway)),
    })
}

/// A plan for a policy to see.
///
/// # Errors
/// The step that no plugin could have planned.
pub(crate) fn plan_to_wit(plan: &Plan) -> Result<planning::Plan, String> {
    Ok(planning::Plan {
        ops: plan.ops.iter().map(op_to_wit).collect::<Result<_, _>>()?,
        jail: plan.jail.iter().map(setting_to_wit).collect(),
    })
}

fn op_to_wit(op: &Op) -> Result<planning::Op, String> {
    Ok(match op {
        Op::EnsureBridge(bridge) => planning::Op::EnsureBridge(planning::Bridge {
            name: bridge.name.to_string(),
            addresses: bridge.addresses.iter().copied().map(net_to_wit).collect(),
        }),
        Op::EnsureLoopback(loopback) => planning::Op::EnsureLoopback(loopback.name.to_string()),
        Op::EnsurePair(pair) => planning::Op::EnsurePair(planning::Pair {
            host: pair.host.to_string(),
            jail: pair.jail.to_string(),
            bridge: pair.bridge.to_string(),
            mac: pair.mac.to_string(),
            isolated: pair.isolated,
        }),
        Op::UseInterface { name, .. } => planning::Op::UseInterface(name.to_string()),
        Op::EnsureAlias { interface, address } => planning::Op::EnsureAlias(planning::Alias {
            on_interface: interface.to_string(),
            address: net_to_wit(*address),
        }),
        Op::EnsureForwarding(family) => planning::Op::EnsureForwarding(family_to_wit(*family)),
        Op::SetRules { rules, .. } => planning::Op::SetRules(rules.iter().map(rule_to_wit).collect()),
        Op::CreateDataset(dataset) => planning::Op::CreateDataset(dataset.to_string()),
        Op::CloneDataset { snapshot, dataset } => planning::Op::CloneDataset(planning::DatasetClone {
            snapshot: snapshot.to_string(),
            dataset: dataset.to_string(),
        }),
        Op::CreateSnapshot(snapshot) => planning::Op::CreateSnapshot(snapshot.to_string()),
        Op::SetQuota { dataset, bytes } => planning::Op::SetQuota(planning::Quota {
            dataset: dataset.to_string(),
            bytes: *bytes,
        }),
        Op::RenameDataset { .. }
        | Op::PromoteDataset { .. }
        | Op::DestroyDataset(_)
        | Op::DestroySnapshot(_)
        | Op::FromHost(_)
        | Op::MountDataset(_)
        | Op::UnmountDataset(_)
        | Op::RemoveInterface { .. }
        | Op::ReleaseInterface { .. }
        | Op::RemoveAlias { .. }
        | Op::AllowAddress { .. }
        | Op::DenyAddress { .. }
        | Op::ClearRules(_) => return Err(format!("'{op}' is the host's own and not reviewed")),
    })
}

fn setting_to_wit(setting: &JailSetting) -> planning::JailSetting {
    match setting {
        JailSetting::Interface { name, mac, addresses } => {
            planning::JailSetting::TakeInterface(planning::JailInterface {
                name: name.to_string(),
                mac: mac.to_string(),
                addresses: addresses.iter().copied().map(net_to_wit).collect(),
            })
        }
        JailSetting::Address(address) => planning::JailSetting::Address(address_to_wit(*address)),
        JailSetting::DefaultRoute(gateway) => planning::JailSetting::DefaultRoute(address_to_wit(*gateway)),
    }
}
