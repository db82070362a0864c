//! Ports of the host that running containers hold. One port of one interface is one container's, in both address
//! families; a port on all interfaces excludes the same port on each of them. The database's constraints say so.

use std::fmt;

use kleene_plan::{Id, InterfaceName, PortRange, Protocol};
use rusqlite::params;

use crate::error::{Result, StoreError};
use crate::record::Port;
use crate::store::{Read, Write};

/// Ports of the host, to be held by a container.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PortLease {
    /// TCP or UDP; the store refuses others.
    pub protocol: Protocol,
    /// The interface; `None`: all.
    pub interface: Option<InterfaceName>,
    /// The ports.
    pub ports: PortRange,
}

impl Port {
    /// What must be leased to publish it on these interfaces (none: all), which may be more specific than its own.
    #[must_use]
    pub fn leases(&self, interfaces: &[InterfaceName]) -> Vec<PortLease> {
        let lease = |interface| PortLease {
            protocol: self.protocol,
            interface,
            ports: self.host_ports,
        };
        if interfaces.is_empty() {
            vec![lease(None)]
        } else {
            interfaces.iter().cloned().map(Some).map(lease).collect()
        }
    }
}

/// One port in messages: `port 8080/tcp on em0`.
struct OnePort<'a> {
    lease: &'a PortLease,
    port: u16,
}

impl fmt::Display for OnePort<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "port {}/{}", self.port, self.lease.protocol)?;
        match &self.lease.interface {
            Some(interface) => write!(f, " on {interface}"),
            None => Ok(()),
        }
    }
}

impl Read<'_> {
    /// Containers that hold ports, each once, by id.
    ///
    /// # Errors
    /// If the database fails or a record is damaged.
    pub fn port_holders(&self) -> Result<Vec<Id>> {
        let sql = "SELECT DISTINCT container FROM port_leases ORDER BY container";
        self.rows("port_leases", sql, [], |cells| cells.parse("container"))
    }

    fn port_holder(&self, lease: &PortLease, port: u16) -> Result<Option<Id>> {
        let sql = "SELECT container FROM port_leases WHERE protocol = ?1 AND port = ?2 \
                   AND (interface IN ('', ?3) OR ?3 = '') LIMIT 1";
        let key = params![lease.protocol.to_string(), port, interface(lease)];
        self.row("port_leases", sql, key, |cells| cells.parse("container"))
    }
}

impl Write<'_> {
    /// Holds ports of the host for a container, until [`release_ports`](Self::release_ports) or its end.
    ///
    /// # Errors
    /// [`StoreError::Taken`] naming the first port that another container holds, and that container.
    pub fn lease_ports(&mut self, container: &Id, leases: &[PortLease]) -> Result<()> {
        for lease in leases {
            for port in lease.ports.first()..=lease.ports.last() {
                self.lease_port(container, lease, port)?;
            }
        }
        Ok(())
    }

    /// Frees all ports that a container holds.
    ///
    /// # Errors
    /// If the database fails.
    pub fn release_ports(&mut self, container: &Id) -> Result<()> {
        self.execute(
            "DELETE FROM port_leases WHERE container = ?",
            [container.as_str()],
        )?;
        Ok(())
    }

    fn lease_port(&mut self, container: &Id, lease: &PortLease, port: u16) -> Result<()> {
        self.execute_or_explain(
            "INSERT INTO port_leases (protocol, port, interface, container) VALUES (?, ?, ?, ?)",
            params![
                lease.protocol.to_string(),
                port,
                interface(lease),
                container.as_str()
            ],
            |write| {
                let Some(holder) = write.port_holder(lease, port)? else {
                    return write.why_no_lease(container);
                };
                let by = if holder == *container {
                    "the container itself, which publishes it twice".to_owned()
                } else {
                    write.container_in_words(&holder)?
                };
                Ok(Some(StoreError::Taken {
                    what: OnePort { lease, port }.to_string(),
                    by,
                }))
            },
        )?;
        Ok(())
    }

    fn why_no_lease(&self, container: &Id) -> Result<Option<StoreError>> {
        let known = self.container(container)?.is_some();
        Ok((!known).then(|| StoreError::not_found(format!("container {container}"))))
    }
}

fn interface(lease: &PortLease) -> &str {
    lease
        .interface
        .as_ref()
        .map_or("", |interface| interface.as_str())
}

/// A protocol that has ports.
pub(crate) fn protocol(text: &str) -> Option<Protocol> {
    match text {
        "tcp" => Some(Protocol::Tcp),
        "udp" => Some(Protocol::Udp),
        _ => None,
    }
}
