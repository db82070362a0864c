//! `POST /networks/connect` and `…/disconnect/…`.

use std::net::IpAddr;

use kleene_api::EndPointConfig;
use kleene_plan::{Id, InterfaceName, MacAddress, Op, Owner};
use kleene_store::{Applied, Container, Endpoint, Network, NetworkDriver, Object, Read, Write};

use super::address::Pool;
use super::rules::Replacement;
use crate::Engine;
use crate::error::{EngineError, Result};
use crate::locks::unpoisoned;
use crate::transaction::Transaction;

impl Engine {
    /// Connects a container to a network: it has an address there from now on, and uses it when it runs.
    ///
    /// # Errors
    /// In the order of the contract; nothing is changed then.
    pub fn connect(&self, config: &EndPointConfig) -> Result<()> {
        let container = self.find_container(&config.container)?;
        let network = self.find_network(&config.network)?;
        let _one_at_a_time = unpoisoned(&self.networks);
        self.locks.hold(&container, || {
            let container = self.present_container(&container)?;
            let network = self.network_by_id(&network)?;
            self.connect_found(&container, &network, config)
        })
    }

    fn connect_found(&self, container: &Container, network: &Network, config: &EndPointConfig) -> Result<()> {
        self.refuse_connection(container, network)?;
        let facts = self.network_facts(network)?;
        let pool = Pool::new(&*self.platform, network, &facts)?;
        if container.started.is_some() {
            let endpoint = self
                .store
                .read(|read| new_endpoint(read, &pool, container, config))?;
            return self.connect_running(container, network, &facts, &endpoint);
        }
        self.store.write(|write| -> Result<()> {
            let endpoint = new_endpoint(write, &pool, container, config)?;
            write.insert_endpoint(&endpoint)?;
            // Asked now, so that a refusal comes with the request and not with the next start.
            let endpoints = write.endpoints_of_container(&container.id)?;
            let mut about = self.endpoint_facts(container, network, &endpoint);
            about.ports = self.published(container, &endpoints, &endpoint)?;
            self.plan_endpoint(&facts, &about)?;
            Ok(())
        })
    }

    /// Whether the container can be connected to the network at all, in the order of the contract.
    pub(crate) fn refuse_connection(&self, container: &Container, network: &Network) -> Result<()> {
        let endpoints = self
            .store
            .read(|read| read.endpoints_of_container(&container.id))?;
        if endpoints.iter().any(|endpoint| endpoint.network == network.id) {
            return Err(EngineError::AlreadyConnected);
        }
        refuse_driver(container, network)
    }

    /// Disconnects a container from a network, also while it runs; its address is free from then on. Published ports
    /// that led there lead to its next endpoint at once.
    ///
    /// # Errors
    /// [`EngineError::ContainerNotFound`], [`EngineError::NetworkNotFound`], [`EngineError::NotConnected`], what a
    /// policy says about ports that would move, or what the host says.
    pub fn disconnect(&self, network: &str, container: &str) -> Result<()> {
        let container = self.find_container(container)?;
        let network = self.find_network(network)?;
        let _one_at_a_time = unpoisoned(&self.networks);
        self.locks
            .hold(&container, || self.disconnect_found(&network, &container))
    }

    /// Disconnects a container from all its networks.
    pub(crate) fn disconnect_all(&self, container: &Id) -> Result<()> {
        let _one_at_a_time = unpoisoned(&self.networks);
        self.locks.hold(container, || {
            let endpoints = self.store.read(|read| read.endpoints_of_container(container))?;
            endpoints
                .iter()
                .try_for_each(|endpoint| self.disconnect_found(&endpoint.network, container))
        })
    }

    /// The caller holds the locks.
    pub(crate) fn disconnect_found(&self, network: &Id, container: &Id) -> Result<()> {
        let endpoints = self.store.read(|read| read.endpoints_of_container(container))?;
        let endpoint = endpoints
            .into_iter()
            .find(|endpoint| endpoint.network == *network);
        let endpoint = endpoint.ok_or(EngineError::NotConnected)?;
        // What was applied for the endpoint when its container started goes now, and not once more at its end.
        let object = Object::Container(container.clone());
        let applied = self.store.read(|read| read.applied(&object))?;
        let network = self.network_by_id(network)?;
        let of_endpoint: Vec<_> = applied
            .into_iter()
            .filter(|applied| concerns(&applied.op, &endpoint, &network.interface))
            .collect();
        let denials = self.denials(container, &endpoint)?;
        let moved = self.ports_moved_from(container, &endpoint)?;
        let forget = |write: &mut Write<'_>| -> Result<()> {
            for applied in &of_endpoint {
                write.remove_applied(&object, applied.seq)?;
            }
            write.remove_endpoint(&endpoint.id)?;
            Ok(())
        };
        if !moved.is_empty() {
            self.settle(&Object::Endpoint(endpoint.id.clone()))?;
            return self.transact(
                "disconnect",
                &object,
                |transaction| leave(transaction, denials, &of_endpoint, &moved),
                |write, ()| {
                    forget(write)?;
                    moved.iter().try_for_each(|rules| rules.record(write, &object))
                },
            );
        }
        let mut undo = denials;
        undo.extend(
            of_endpoint
                .iter()
                .rev()
                .filter_map(|applied| applied.undo.clone()),
        );
        self.remove(
            "disconnect",
            &Object::Endpoint(endpoint.id.clone()),
            &undo,
            forget,
        )
    }
}

/// Takes a running container off a network from which its published ports move to another one. All or nothing: the
/// ports lead to the one or to the other.
fn leave(
    transaction: &mut Transaction<'_>,
    denials: Vec<Op>,
    of_endpoint: &[Applied],
    moved: &[Replacement],
) -> Result<()> {
    for denial in denials {
        transaction.apply(denial)?;
    }
    // A jail cannot be given its interface back: that goes when nothing can fail any more.
    let is_pair = |applied: &&Applied| matches!(applied.op, Op::EnsurePair(_));
    let (pairs, others): (Vec<_>, Vec<_>) = of_endpoint.iter().rev().partition(is_pair);
    for applied in others {
        if let Some(undo) = applied.undo.clone() {
            transaction.apply_in_place_of(undo, applied.op.clone())?;
        }
    }
    moved.iter().try_for_each(|rules| rules.apply(transaction))?;
    let mut undo = pairs.iter().filter_map(|applied| applied.undo.clone());
    undo.try_for_each(|op| transaction.apply(op))
}

impl Engine {
    /// What keeps a running jail that shares the host's network stack from using an endpoint's addresses, which may soon
    /// be somebody else's. It was told them when it started, so that no operation of then is there to be undone.
    fn denials(&self, container: &Id, endpoint: &Endpoint) -> Result<Vec<Op>> {
        let container = self.container_by_id(container)?;
        if container.network_driver != NetworkDriver::Ipnet || container.started.is_none() {
            return Ok(Vec::new());
        }
        let deny = |address| Op::DenyAddress {
            jail: container.id.clone(),
            address,
        };
        Ok(addresses(endpoint).into_iter().map(deny).collect())
    }
}

/// An endpoint with addresses that are free, and everything else that its plan needs.
pub(crate) fn new_endpoint(
    read: &Read<'_>,
    pool: &Pool<'_>,
    container: &Container,
    config: &EndPointConfig,
) -> Result<Endpoint> {
    let id = Id::generate();
    Ok(Endpoint {
        ip4: pool.choose4(read, &config.ip_address)?,
        ip6: pool.choose6(read, &config.ip_address6)?,
        host_interface: pair_side(&id, 'a')?,
        jail_interface: pair_side(&id, 'b')?,
        mac: MacAddress::of_endpoint(&id),
        container: container.id.clone(),
        network: pool.network().clone(),
        id,
    })
}

/// The texts of the contract, in its order.
fn refuse_driver(container: &Container, network: &Network) -> Result<()> {
    let refuse = |message: String| Err(EngineError::Conflict(message));
    match container.network_driver {
        driver @ (NetworkDriver::Disabled | NetworkDriver::Host) => refuse(format!(
            "containers with the '{driver}' network-driver cannot connect to networks."
        )),
        NetworkDriver::Vnet if network.kind.0.as_str() != "bridge" => refuse(format!(
            "containers using the 'vnet' network-driver can't connect to {} networks",
            network.kind
        )),
        NetworkDriver::Vnet if container.started.is_some() => {
            refuse("cannot connect a running vnet container to a network".to_owned())
        }
        NetworkDriver::Vnet | NetworkDriver::Ipnet => Ok(()),
    }
}

/// The name of one side of an endpoint's pair: `k`, the endpoint's id, and `a` (host) or `b` (jail).
fn pair_side(endpoint: &Id, side: char) -> Result<InterfaceName> {
    format!("k{endpoint}{side}")
        .parse()
        .map_err(|error| EngineError::conflict(format!("{error}")))
}

/// Whether an operation of a container's start was for this endpoint.
fn concerns(op: &Op, endpoint: &Endpoint, interface: &InterfaceName) -> bool {
    let owner = Owner::Endpoint(endpoint.id.clone());
    match op {
        Op::EnsurePair(pair) => pair.owner == owner,
        Op::SetRules { owner: whose, .. } => *whose == owner,
        Op::EnsureAlias {
            interface: on,
            address,
        } => on == interface && addresses(endpoint).contains(&address.addr()),
        Op::AllowAddress { address, .. } => addresses(endpoint).contains(address),
        _ => false,
    }
}

fn addresses(endpoint: &Endpoint) -> Vec<IpAddr> {
    let ip4 = endpoint.ip4.map(IpAddr::from);
    ip4.into_iter().chain(endpoint.ip6.map(IpAddr::from)).collect()
}
