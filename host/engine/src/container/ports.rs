//! Published ports: what a request says, who holds a port, and what a network driver is told.

use std::collections::BTreeSet;
use std::net::IpAddr;

use kleene_api::{ContainerConfig, NetworkDriver, PublishedPortConfig};
use kleene_plan::{InterfaceName, ParsePortRangeError, PublishedPort};
use kleene_platform::Listener;
use kleene_store::{Container, ContainerPorts, Endpoint, Port, PortLease};

use crate::Engine;
use crate::error::{EngineError, Result};
use crate::wire;

impl Engine {
    /// Checks the ports of a request.
    pub(super) fn parse_ports(&self, config: &ContainerConfig) -> Result<Vec<Port>> {
        if config.public_ports.is_empty() {
            return Ok(Vec::new());
        }
        let driver = config.network_driver;
        if matches!(driver, NetworkDriver::Host | NetworkDriver::Disabled) {
            return Err(EngineError::invalid(format!(
                "cannot publish ports of a container using the '{driver}' network driver"
            )));
        }
        let egress = self.platform.egress()?;
        config
            .public_ports
            .iter()
            .map(|port| parse_port(port, egress.as_ref()))
            .collect()
    }

    /// Takes the container's ports for itself while it runs.
    pub(super) fn lease_ports(&self, container: &Container) -> Result<()> {
        let leases = self.port_leases(container)?;
        if leases.is_empty() {
            return Ok(());
        }
        Ok(self
            .store
            .write(|write| write.lease_ports(&container.id, &leases))?)
    }

    /// What the container takes for itself while it runs, if no process of the host is in the way.
    pub(crate) fn port_leases(&self, container: &Container) -> Result<Vec<PortLease>> {
        if container.ports.is_empty() {
            return Ok(Vec::new());
        }
        let listeners = self.platform.listeners()?;
        let mut leases = Vec::new();
        let mut found = BTreeSet::new();
        for port in &container.ports {
            let interfaces = self.interfaces_of(port)?;
            for interface in &interfaces {
                if found.insert(interface.clone()) {
                    self.refuse_missing(interface, port)?;
                }
            }
            for listener in listeners.iter().filter(|listener| has_port(listener, port)) {
                if self.is_in_the_way(listener, &interfaces)? {
                    return Err(EngineError::conflict(format!(
                        "port {}/{} of the host is in use by a process that listens on {}; stop it or publish another port",
                        listener.port, listener.protocol, listener.address
                    )));
                }
            }
            leases.extend(port.leases(&interfaces));
        }
        Ok(leases)
    }

    /// What a network driver is told of the ports that are offered through one of a container's endpoints: those of a
    /// family lead to the first endpoint, in the order in which it was connected, that has an address of the family.
    pub(crate) fn published(
        &self,
        container: &Container,
        endpoints: &[Endpoint],
        through: &Endpoint,
    ) -> Result<Vec<PublishedPort>> {
        let targets = targets(endpoints, through);
        if targets.is_empty() {
            return Ok(Vec::new());
        }
        let port = |port: &Port| {
            let opposite = port.container_ports.opposite(port.host_ports);
            Ok(PublishedPort {
                protocol: port.protocol,
                interfaces: self.interfaces_of(port)?,
                host_ports: port.host_ports,
                container_ports: opposite.map_err(|error| EngineError::invalid(error.to_string()))?,
                targets: targets.clone(),
            })
        };
        container.ports.iter().map(port).collect()
    }

    /// Where a port is published; empty: everywhere. What is published on the host's way out is published on its
    /// loopback interface as well, so that `localhost` works.
    fn interfaces_of(&self, port: &Port) -> Result<Vec<InterfaceName>> {
        let mut interfaces = port.interfaces.clone();
        if let (Some(egress), Some(loopback)) = (self.platform.egress()?, self.platform.loopback())
            && interfaces.contains(&egress)
            && !interfaces.contains(&loopback)
        {
            interfaces.push(loopback);
        }
        Ok(interfaces)
    }

    /// On an interface that is not there, nobody would reach what is published.
    fn refuse_missing(&self, interface: &InterfaceName, port: &Port) -> Result<()> {
        if self.platform.has_interface(interface)? {
            return Ok(());
        }
        let interfaces = self.platform.interfaces()?.into_iter();
        let names: Vec<_> = interfaces
            .filter(|interface| interface.owner.is_none())
            .map(|interface| interface.name.to_string())
            .collect();
        Err(EngineError::conflict(format!(
            "port {}/{} cannot be published on interface '{interface}', which this host does not have; there are: {}",
            port.host_ports,
            port.protocol,
            names.join(", ")
        )))
    }

    /// Whether redirected packets would never reach a socket, which is bound to an address at which the port would be
    /// published. One that listens on a container's address is the container's own.
    fn is_in_the_way(&self, listener: &Listener, interfaces: &[InterfaceName]) -> Result<bool> {
        let address = listener.address.to_canonical();
        if address.is_unspecified() {
            return Ok(true);
        }
        if self.store.read(|read| read.is_leased(address))? {
            return Ok(false);
        }
        if interfaces.is_empty() {
            return Ok(true);
        }
        for interface in interfaces {
            if self.platform.addresses_of(interface)?.contains(&address) {
                return Ok(true);
            }
        }
        Ok(false)
    }
}

fn has_port(listener: &Listener, port: &Port) -> bool {
    let ports = port.host_ports;
    listener.protocol == port.protocol && (ports.first()..=ports.last()).contains(&listener.port)
}

/// The addresses of an endpoint to which published ports lead.
fn targets(endpoints: &[Endpoint], through: &Endpoint) -> Vec<IpAddr> {
    let first4 = endpoints.iter().find(|endpoint| endpoint.ip4.is_some());
    let first6 = endpoints.iter().find(|endpoint| endpoint.ip6.is_some());
    let is_it = |first: &&Endpoint| first.id == through.id;
    let ip4 = first4.filter(is_it).and_then(|endpoint| endpoint.ip4);
    let ip6 = first6.filter(is_it).and_then(|endpoint| endpoint.ip6);
    ip4.map(IpAddr::from)
        .into_iter()
        .chain(ip6.map(IpAddr::from))
        .collect()
}

fn parse_port(port: &PublishedPortConfig, egress: Option<&InterfaceName>) -> Result<Port> {
    let invalid = |error: ParsePortRangeError| EngineError::invalid(error.to_string());
    let host_ports = port.host_port.parse().map_err(invalid)?;
    let container_ports: ContainerPorts = port.container_port.parse().map_err(invalid)?;
    let opposite = container_ports.opposite(host_ports).map_err(invalid)?;
    if opposite.count() != 1 && opposite.count() != host_ports.count() {
        return Err(EngineError::invalid(format!(
            "cannot publish ports {} as {}: give as many ports of the host as of the container, or one port of the container",
            port.container_port, port.host_port
        )));
    }
    let name = |name: &String| {
        name.parse::<InterfaceName>()
            .map_err(|error| EngineError::invalid(error.to_string()))
    };
    let mut interfaces = port.interfaces.iter().map(name).collect::<Result<Vec<_>>>()?;
    if interfaces.is_empty() {
        interfaces.extend(egress.cloned());
    }
    Ok(Port {
        protocol: wire::protocol_from(port.protocol),
        interfaces,
        host_ports,
        container_ports,
    })
}
