//! Published ports: what a request says, who holds a port, and what a network driver is told.

use kleene_api::{ContainerConfig, NetworkDriver, PublishedPortConfig};
use kleene_plan::{InterfaceName, ParsePortRangeError, PublishedPort};
use kleene_platform::Listener;
use kleene_store::{Container, ContainerPorts, Port};

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
        if container.ports.is_empty() {
            return Ok(());
        }
        let listeners = self.platform.listeners()?;
        for port in &container.ports {
            if let Some(taken) = listeners.iter().find(|listener| is_in_the_way(listener, port)) {
                return Err(EngineError::conflict(format!(
                    "port {}/{} of the host is in use by a process that listens on {}; stop it or publish another port",
                    taken.port, taken.protocol, taken.address
                )));
            }
        }
        let leases: Vec<_> = container
            .ports
            .iter()
            .flat_map(|port| port.leases(&port.interfaces))
            .collect();
        Ok(self
            .store
            .write(|write| write.lease_ports(&container.id, &leases))?)
    }

    /// What a network driver is told of a container's ports. What is published on the host's way out is published on
    /// its loopback interface as well, so that `localhost` works.
    pub(crate) fn published(&self, container: &Container) -> Result<Vec<PublishedPort>> {
        if container.ports.is_empty() {
            return Ok(Vec::new());
        }
        let (egress, loopback) = (self.platform.egress()?, self.platform.loopback());
        let port = |port: &Port| {
            let opposite = port.container_ports.opposite(port.host_ports);
            let is_default = egress
                .as_ref()
                .is_some_and(|egress| port.interfaces.contains(egress));
            Ok(PublishedPort {
                protocol: port.protocol,
                interfaces: port
                    .interfaces
                    .iter()
                    .chain(loopback.as_ref().filter(|_| is_default))
                    .cloned()
                    .collect(),
                host_ports: port.host_ports,
                container_ports: opposite.map_err(|error| EngineError::invalid(error.to_string()))?,
            })
        };
        container.ports.iter().map(port).collect()
    }
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

/// Whatever address the socket is bound to: redirected packets would never reach it.
fn is_in_the_way(listener: &Listener, port: &Port) -> bool {
    let ports = port.host_ports;
    listener.protocol == port.protocol && (ports.first()..=ports.last()).contains(&listener.port)
}
