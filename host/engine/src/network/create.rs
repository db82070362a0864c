//! `POST /networks/create`.

use std::net::IpAddr;

use ipnet::IpNet;
use kleene_api::{NetworkConfig, NetworkType};
use kleene_plan::{Family, Id, InterfaceName, NetworkFacts, NetworkKind, ObjectName, Plan, Subnet};
use kleene_store::{Network, Object};

use super::address::is_end;
use crate::Engine;
use crate::error::{EngineError, Result};
use crate::locks::unpoisoned;
use crate::parse;

impl Engine {
    /// Makes a network: its driver's plan is applied, then it exists.
    ///
    /// # Errors
    /// A subnet, gateway, name or interface that is wrong or taken, in the order of the contract; what the driver or
    /// the host says. Nothing is left of the network then.
    pub fn create_network(&self, config: &NetworkConfig) -> Result<Id> {
        let _one_at_a_time = unpoisoned(&self.networks);
        let (network, plan) = self.new_network(config)?;
        self.transact_and_keep(
            "create network",
            &Object::Network(network.id.clone()),
            |transaction| plan.ops.into_iter().try_for_each(|op| transaction.apply(op)),
            |write, ()| Ok(write.insert_network(&network)?),
        )?;
        Ok(network.id)
    }

    /// A network as it would be, and what it would be made of. The caller holds the lock.
    pub(crate) fn new_network(&self, config: &NetworkConfig) -> Result<(Network, Plan)> {
        let subnet = parse::subnet4("subnet", &config.subnet)?;
        let subnet6 = parse::subnet6("subnet6", &config.subnet6)?;
        let gateway = parse::gateway("gateway", &config.gateway, Family::Inet)?;
        let gateway6 = parse::gateway("gateway6", &config.gateway6, Family::Inet6)?;
        if self
            .store
            .read(|read| read.network_named(&config.name))?
            .is_some()
        {
            return Err(EngineError::conflict("network name is already taken"));
        }
        let name: ObjectName = config
            .name
            .parse()
            .map_err(|error| EngineError::conflict(format!("{error}")))?;
        let network = Network {
            id: Id::generate(),
            name,
            kind: NetworkKind(
                config
                    .kind
                    .as_str()
                    .parse()
                    .map_err(|error| EngineError::conflict(format!("{error}")))?,
            ),
            interface: self.network_interface(config)?,
            subnet,
            subnet6,
            gateway,
            gateway6,
            nat: self.nat_interface(config)?,
            icc: config.icc,
            internal: config.internal,
        };
        self.refuse_overlap(&network)?;
        let facts = self.network_facts(&network)?;
        refuse_gateway(&facts)?;
        self.refuse_own_gateway(&facts)?;
        let plan = self.plan_network(&facts)?;
        Ok((network, plan))
    }

    /// The interface of a new network: the one named, or `kleene<N>` with the smallest number that is free.
    fn network_interface(&self, config: &NetworkConfig) -> Result<InterfaceName> {
        if config.interface.is_empty() {
            if config.kind == NetworkType::Custom {
                return Err(EngineError::conflict(
                    "a custom network needs the name of an existing interface",
                ));
            }
            return self.free_interface();
        }
        let name: InterfaceName = config
            .interface
            .parse()
            .map_err(|error| EngineError::conflict(format!("{error}")))?;
        match (config.kind, self.platform.has_interface(&name)?) {
            (NetworkType::Custom, false) => Err(EngineError::conflict(format!(
                "there is no interface '{name}' on this host for a custom network"
            ))),
            (NetworkType::Custom, true) | (_, false) => Ok(name),
            (_, true) => Err(EngineError::conflict(format!(
                "interface {name} exists already and does not belong to this network; choose another name"
            ))),
        }
    }

    fn free_interface(&self) -> Result<InterfaceName> {
        for number in 0_u32.. {
            let name: InterfaceName = format!("kleene{number}")
                .parse()
                .map_err(|error| EngineError::conflict(format!("no interface name is free: {error}")))?;
            let is_used = self.store.read(|read| read.network_on(&name))?.is_some();
            if !is_used && !self.platform.has_interface(&name)? {
                return Ok(name);
            }
        }
        Err(EngineError::conflict("no interface name is free: name one"))
    }

    /// The interface behind which the network hides. A custom network on the gateway's own interface does not hide:
    /// that would cut the host off.
    fn nat_interface(&self, config: &NetworkConfig) -> Result<Option<InterfaceName>> {
        let interface = match config.nat.as_str() {
            "" => None,
            kleene_api::HOST_GATEWAY => self.platform.egress()?,
            name => Some(
                name.parse()
                    .map_err(|error| EngineError::conflict(format!("{error}")))?,
            ),
        };
        Ok(interface.filter(|name| name.as_str() != config.interface))
    }

    /// Two networks with common addresses could not be routed.
    fn refuse_overlap(&self, network: &Network) -> Result<()> {
        let subnets = [network.subnet.map(IpNet::from), network.subnet6.map(IpNet::from)];
        for subnet in subnets.into_iter().flatten() {
            if let Some(other) = self.store.read(|read| read.network_overlapping(subnet))? {
                return Err(EngineError::conflict(format!(
                    "the subnet of network '{}' overlaps with that of network '{}'; choose another one",
                    network.name, other.name
                )));
            }
        }
        Ok(())
    }

    /// The host would have the address twice.
    fn refuse_own_gateway(&self, network: &NetworkFacts) -> Result<()> {
        let of_network = |address: IpAddr| {
            let is_it = |subnet: &&Subnet| subnet.host_is_gateway && subnet.gateway == Some(address);
            network.subnets.iter().find(is_it)
        };
        for interface in self.platform.interfaces()? {
            for address in interface.addresses.iter().map(IpNet::addr) {
                if let Some(subnet) = of_network(address) {
                    return Err(EngineError::conflict(format!(
                        "the subnet {} of network '{}' is in use on this host: its gateway {address} is the address of \
                         interface {}; choose another subnet",
                        subnet.net, network.name, interface.name
                    )));
                }
            }
        }
        Ok(())
    }
}

/// A gateway that containers could not reach would keep them from starting.
fn refuse_gateway(network: &NetworkFacts) -> Result<()> {
    for subnet in &network.subnets {
        let Some(gateway) = subnet.gateway else { continue };
        if !subnet.net.contains(&gateway) || is_end(subnet.net, gateway) {
            return Err(EngineError::conflict(format!(
                "gateway {gateway} of network '{}' is no address of a host in its subnet {}; choose another one",
                network.name, subnet.net
            )));
        }
    }
    Ok(())
}
