//! Networks in the database.

use std::net::IpAddr;

use ipnet::IpNet;
use kleene_plan::{Id, InterfaceName, NetworkKind};
use rusqlite::params;

use crate::cells::Cells;
use crate::error::{Result, StoreError};
use crate::record::Network;
use crate::store::{Read, Write};
use crate::width::{Width, number};

const COLUMNS: &str = "SELECT id, name, kind, interface, subnet, subnet6, gateway, gateway6, nat, icc, internal \
    FROM networks";

impl Read<'_> {
    /// A network.
    ///
    /// # Errors
    /// If the database fails or the record is damaged.
    pub fn network(&self, id: &Id) -> Result<Option<Network>> {
        self.row(
            "networks",
            &format!("{COLUMNS} WHERE id = ?"),
            [id.as_str()],
            decode,
        )
    }

    /// All networks, by name.
    ///
    /// # Errors
    /// If the database fails or a record is damaged.
    pub fn networks(&self) -> Result<Vec<Network>> {
        self.rows("networks", &format!("{COLUMNS} ORDER BY name"), [], decode)
    }

    /// The network of a name.
    ///
    /// # Errors
    /// If the database fails or the record is damaged.
    pub fn network_named(&self, name: &str) -> Result<Option<Id>> {
        let sql = "SELECT id FROM networks WHERE name = ?";
        self.row("networks", sql, [name], |cells| cells.parse("id"))
    }

    /// The network, other than custom ones, that has an interface for itself.
    ///
    /// # Errors
    /// If the database fails or the record is damaged.
    pub fn network_on(&self, interface: &InterfaceName) -> Result<Option<Id>> {
        let sql = "SELECT id FROM networks WHERE interface = ? AND kind <> 'custom'";
        self.row("networks", sql, [interface.as_str()], |cells| cells.parse("id"))
    }

    /// A network that has addresses in common with a subnet.
    ///
    /// # Errors
    /// If the database fails or the record is damaged.
    pub fn network_overlapping(&self, subnet: IpNet) -> Result<Option<Network>> {
        let (width, first, last) = bounds(subnet);
        let sql = "SELECT network, last >= ?2 AS overlaps FROM subnets WHERE family = ?1 AND first <= ?3 \
                   ORDER BY first DESC LIMIT 1";
        let found = self.row(
            "subnets",
            sql,
            params![width.family(), first, last],
            |cells| match cells.get("overlaps")? {
                true => cells.parse::<Id>("network").map(Some),
                false => Ok(None),
            },
        )?;
        match found.flatten() {
            Some(id) => self.network(&id),
            None => Ok(None),
        }
    }

    /// A network as messages speak of it.
    pub(crate) fn network_in_words(&self, id: &Id) -> Result<String> {
        let sql = "SELECT id, name FROM networks WHERE id = ?";
        let name: Option<String> = self.row("networks", sql, [id.as_str()], |cells| cells.get("name"))?;
        Ok(match name {
            Some(name) => format!("network '{name}' ({id})"),
            None => format!("network {id}"),
        })
    }
}

impl Write<'_> {
    /// Adds a network.
    ///
    /// # Errors
    /// [`StoreError::Taken`] if another has its name, some of its addresses or, unless it is custom, its interface.
    pub fn insert_network(&mut self, network: &Network) -> Result<()> {
        self.execute_or_explain(
            "INSERT INTO networks (id, name, kind, interface, subnet, subnet6, gateway, gateway6, nat, icc, internal) \
             VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            params![
                network.id.as_str(),
                network.name.as_str(),
                network.kind.0.as_str(),
                network.interface.as_str(),
                network.subnet.map(|net| net.to_string()),
                network.subnet6.map(|net| net.to_string()),
                network.gateway.to_string(),
                network.gateway6.to_string(),
                network.nat.as_ref().map_or("", |nat| nat.as_str()),
                network.icc,
                network.internal,
            ],
            |write| write.why_no_network(network),
        )?;
        let subnets = [network.subnet.map(IpNet::from), network.subnet6.map(IpNet::from)];
        subnets
            .into_iter()
            .flatten()
            .try_for_each(|subnet| self.insert_subnet(network, subnet))
    }

    fn insert_subnet(&mut self, network: &Network, subnet: IpNet) -> Result<()> {
        let (width, first, last) = bounds(subnet);
        self.execute_or_explain(
            "INSERT INTO subnets (network, family, first, last) VALUES (?, ?, ?, ?)",
            params![network.id.as_str(), width.family(), first, last],
            |write| {
                let Some(other) = write.network_overlapping(subnet)? else {
                    return Ok(None);
                };
                Ok(Some(StoreError::Taken {
                    what: format!("the subnet {subnet}, or a part of it,"),
                    by: write.network_in_words(&other.id)?,
                }))
            },
        )?;
        Ok(())
    }

    /// Removes a network's record; returns whether there was one.
    ///
    /// # Errors
    /// [`StoreError::InUse`] if containers are connected to it.
    pub fn remove_network(&mut self, id: &Id) -> Result<bool> {
        let removed =
            self.execute_or_explain("DELETE FROM networks WHERE id = ?", [id.as_str()], |write| {
                let mut by = Vec::new();
                for endpoint in write.endpoints_of_network(id)? {
                    by.push(write.container_in_words(&endpoint.container)?);
                }
                Ok(Some(StoreError::InUse {
                    what: write.network_in_words(id)?,
                    by,
                }))
            })?;
        Ok(removed > 0)
    }

    /// Why the database refuses a network's row.
    fn why_no_network(&self, network: &Network) -> Result<Option<StoreError>> {
        let probes = [
            (
                "SELECT id FROM networks WHERE name = ?",
                network.name.as_str(),
                "the network name",
            ),
            (
                "SELECT id FROM networks WHERE interface = ? AND kind <> 'custom'",
                network.interface.as_str(),
                "the interface",
            ),
            (
                "SELECT id FROM networks WHERE id = ?",
                network.id.as_str(),
                "the id",
            ),
        ];
        for (sql, value, what) in probes {
            let holder: Option<Id> = self.row("networks", sql, [value], |cells| cells.parse("id"))?;
            if let Some(holder) = holder {
                let by = self.network_in_words(&holder)?;
                return Ok(Some(StoreError::Taken {
                    what: format!("{what} '{value}'"),
                    by,
                }));
            }
        }
        Ok(None)
    }
}

/// The first and the last address of a subnet as the database keeps them.
fn bounds(subnet: IpNet) -> (Width, Vec<u8>, Vec<u8>) {
    let key = |address: IpAddr| {
        let (width, number) = number(address);
        width.key(number)
    };
    let (width, _) = number(subnet.addr());
    (width, key(subnet.network()), key(subnet.broadcast()))
}

fn decode(cells: &Cells<'_>) -> Result<Network> {
    Ok(Network {
        id: cells.parse("id")?,
        name: cells.parse("name")?,
        kind: NetworkKind(cells.parse("kind")?),
        interface: cells.parse("interface")?,
        subnet: cells.parse_optional("subnet")?,
        subnet6: cells.parse_optional("subnet6")?,
        gateway: cells.parse("gateway")?,
        gateway6: cells.parse("gateway6")?,
        nat: cells.parse_nonempty("nat")?,
        icc: cells.get("icc")?,
        internal: cells.get("internal")?,
    })
}
