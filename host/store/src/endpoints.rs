//! Endpoints in the database, with the addresses they hold.

use std::net::{Ipv4Addr, Ipv6Addr};

use kleene_plan::Id;
use rusqlite::params;

use crate::cells::Cells;
use crate::error::{Result, StoreError};
use crate::record::Endpoint;
use crate::store::{Read, Write};

const COLUMNS: &str = "SELECT id, container, network, host_interface, jail_interface, mac, \
    (SELECT address FROM address_leases WHERE endpoint = endpoints.id AND family = 4) AS ip4, \
    (SELECT address FROM address_leases WHERE endpoint = endpoints.id AND family = 6) AS ip6 \
    FROM endpoints";

impl Read<'_> {
    /// A container's endpoint in a network.
    ///
    /// # Errors
    /// If the database fails or the record is damaged.
    pub fn endpoint(&self, container: &Id, network: &Id) -> Result<Option<Endpoint>> {
        let sql = format!("{COLUMNS} WHERE container = ? AND network = ?");
        self.row("endpoints", &sql, [container.as_str(), network.as_str()], decode)
    }

    /// An endpoint, by its own id.
    ///
    /// # Errors
    /// If the database fails or the record is damaged.
    pub fn endpoint_by_id(&self, id: &Id) -> Result<Option<Endpoint>> {
        self.row(
            "endpoints",
            &format!("{COLUMNS} WHERE id = ?"),
            [id.as_str()],
            decode,
        )
    }

    /// A container's endpoints, in the order in which it was connected.
    ///
    /// # Errors
    /// If the database fails or a record is damaged.
    pub fn endpoints_of_container(&self, container: &Id) -> Result<Vec<Endpoint>> {
        let sql = format!("{COLUMNS} WHERE container = ? ORDER BY seq");
        self.rows("endpoints", &sql, [container.as_str()], decode)
    }

    /// A network's endpoints, in the order in which they were connected.
    ///
    /// # Errors
    /// If the database fails or a record is damaged.
    pub fn endpoints_of_network(&self, network: &Id) -> Result<Vec<Endpoint>> {
        let sql = format!("{COLUMNS} WHERE network = ? ORDER BY seq");
        self.rows("endpoints", &sql, [network.as_str()], decode)
    }

    /// All endpoints, in the order in which they were connected.
    ///
    /// # Errors
    /// If the database fails or a record is damaged.
    pub fn endpoints(&self) -> Result<Vec<Endpoint>> {
        self.rows("endpoints", &format!("{COLUMNS} ORDER BY seq"), [], decode)
    }
}

impl Write<'_> {
    /// Adds an endpoint and leases its addresses.
    ///
    /// # Errors
    /// [`StoreError::Taken`] if the container is connected to the network already, or another endpoint has one of the
    /// addresses, interface names or the MAC address; [`StoreError::NotFound`] if there is no such container or network.
    pub fn insert_endpoint(&mut self, endpoint: &Endpoint) -> Result<()> {
        self.execute_or_explain(
            "INSERT INTO endpoints (id, container, network, host_interface, jail_interface, mac) \
             VALUES (?, ?, ?, ?, ?, ?)",
            params![
                endpoint.id.as_str(),
                endpoint.container.as_str(),
                endpoint.network.as_str(),
                endpoint.host_interface.as_str(),
                endpoint.jail_interface.as_str(),
                endpoint.mac.to_string(),
            ],
            |write| write.why_no_endpoint(endpoint),
        )?;
        if let Some(address) = endpoint.ip4 {
            self.lease_address(endpoint, address.into())?;
        }
        if let Some(address) = endpoint.ip6 {
            self.lease_address(endpoint, address.into())?;
        }
        Ok(())
    }

    /// Removes an endpoint's record and frees its addresses; returns whether there was one.
    ///
    /// # Errors
    /// If the database fails.
    pub fn remove_endpoint(&mut self, id: &Id) -> Result<bool> {
        Ok(self.execute("DELETE FROM endpoints WHERE id = ?", [id.as_str()])? > 0)
    }

    /// Why the database refuses an endpoint's row.
    fn why_no_endpoint(&self, endpoint: &Endpoint) -> Result<Option<StoreError>> {
        if self.endpoint(&endpoint.container, &endpoint.network)?.is_some() {
            let what = format!("the connection to {}", self.network_in_words(&endpoint.network)?);
            let by = self.container_in_words(&endpoint.container)?;
            return Ok(Some(StoreError::Taken { what, by }));
        }
        let mac = endpoint.mac.to_string();
        let probes = [
            (
                "host_interface",
                endpoint.host_interface.as_str(),
                "the interface",
            ),
            (
                "jail_interface",
                endpoint.jail_interface.as_str(),
                "the interface",
            ),
            ("mac", mac.as_str(), "the MAC address"),
            ("id", endpoint.id.as_str(), "the id"),
        ];
        for (column, value, what) in probes {
            let sql = format!("SELECT id, container FROM endpoints WHERE {column} = ?");
            let holder: Option<Id> =
                self.row("endpoints", &sql, [value], |cells| cells.parse("container"))?;
            if let Some(container) = holder {
                let by = self.container_in_words(&container)?;
                return Ok(Some(StoreError::Taken {
                    what: format!("{what} '{value}'"),
                    by,
                }));
            }
        }
        if self.container(&endpoint.container)?.is_none() {
            return Ok(Some(StoreError::not_found(format!(
                "container {}",
                endpoint.container
            ))));
        }
        if self.network(&endpoint.network)?.is_none() {
            return Ok(Some(StoreError::not_found(format!(
                "network {}",
                endpoint.network
            ))));
        }
        Ok(None)
    }
}

fn decode(cells: &Cells<'_>) -> Result<Endpoint> {
    Ok(Endpoint {
        id: cells.parse("id")?,
        container: cells.parse("container")?,
        network: cells.parse("network")?,
        ip4: cells.get::<Option<[u8; 4]>>("ip4")?.map(Ipv4Addr::from),
        ip6: cells.get::<Option<[u8; 16]>>("ip6")?.map(Ipv6Addr::from),
        host_interface: cells.parse("host_interface")?,
        jail_interface: cells.parse("jail_interface")?,
        mac: cells.parse("mac")?,
    })
}
