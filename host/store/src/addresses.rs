//! Addresses that endpoints hold. One address of a network is one endpoint's: a key of the database says so.
//!
//! The smallest free address is found in logarithmic time: the database keeps, for each lease, whether the address
//! behind it is free (`gap`, by triggers), so that the end of a run of leases is one look into an index.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipnet::{Ipv4Net, Ipv6Net};
use kleene_plan::Id;
use rusqlite::params;

use crate::error::{Result, StoreError};
use crate::record::Endpoint;
use crate::store::{Read, Write};
use crate::width::{Width, number, number4};

impl Read<'_> {
    /// The smallest address of a subnet that no endpoint of the network holds and that is not reserved (such as the
    /// gateway's). Never the address of the subnet itself nor its broadcast address, where it has them, that is, in
    /// subnets larger than a /31 (RFC 3021). `None`: there is none left.
    ///
    /// It is held only once an endpoint has it: call this in the [`Write`] that inserts the endpoint.
    ///
    /// # Errors
    /// If the database fails.
    pub fn allocate4(
        &self,
        network: &Id,
        subnet: Ipv4Net,
        reserved: &[Ipv4Addr],
    ) -> Result<Option<Ipv4Addr>> {
        let (first, last) = (number4(subnet.network()), number4(subnet.broadcast()));
        let (first, last) = if subnet.prefix_len() < 31 {
            (first + 1, last - 1)
        } else {
            (first, last)
        };
        let reserved: Vec<_> = reserved.iter().copied().map(number4).collect();
        let found = self.smallest_free(network, Width::V4, first, last, &reserved)?;
        Ok(found
            .and_then(|number| u32::try_from(number).ok())
            .map(Ipv4Addr::from))
    }

    /// As [`allocate4`](Self::allocate4). IPv6 has no broadcast addresses; the first address of a subnet larger than a
    /// /127 is that of its routers (RFC 4291, 2.6.1; RFC 6164).
    ///
    /// # Errors
    /// If the database fails.
    pub fn allocate6(
        &self,
        network: &Id,
        subnet: Ipv6Net,
        reserved: &[Ipv6Addr],
    ) -> Result<Option<Ipv6Addr>> {
        let (first, last) = (u128::from(subnet.network()), u128::from(subnet.broadcast()));
        let first = if subnet.prefix_len() < 127 {
            first + 1
        } else {
            first
        };
        let reserved: Vec<_> = reserved.iter().copied().map(u128::from).collect();
        let found = self.smallest_free(network, Width::V6, first, last, &reserved)?;
        Ok(found.map(Ipv6Addr::from))
    }

    /// The endpoint that holds an address of a network.
    ///
    /// # Errors
    /// If the database fails or the record is damaged.
    pub fn address_holder(&self, network: &Id, address: IpAddr) -> Result<Option<Endpoint>> {
        let (width, number) = number(address);
        let sql =
            "SELECT network, endpoint FROM address_leases WHERE network = ? AND family = ? AND address = ?";
        let key = params![network.as_str(), width.family(), width.key(number)];
        match self.row("address_leases", sql, key, |cells| cells.parse::<Id>("endpoint"))? {
            Some(endpoint) => self.endpoint_by_id(&endpoint),
            None => Ok(None),
        }
    }

    /// Whether an endpoint of any network holds an address.
    ///
    /// # Errors
    /// If the database fails.
    pub fn is_leased(&self, address: IpAddr) -> Result<bool> {
        let (width, number) = number(address);
        // Through the subnets, of which one at most contains it.
        let sql = "SELECT leased.network FROM address_leases AS leased WHERE family = ?1 AND address = ?2 AND network = \
                   (SELECT network FROM subnets WHERE family = ?1 AND first <= ?2 ORDER BY first DESC LIMIT 1)";
        let key = params![width.family(), width.key(number)];
        Ok(self.row("address_leases", sql, key, |_| Ok(()))?.is_some())
    }

    fn smallest_free(
        &self,
        network: &Id,
        width: Width,
        first: u128,
        last: u128,
        reserved: &[u128],
    ) -> Result<Option<u128>> {
        let mut from = first;
        while let Some(candidate) = self.not_leased_from(network, width, from)? {
            if candidate > last {
                break;
            }
            if !reserved.contains(&candidate) {
                return Ok(Some(candidate));
            }
            match width.next(candidate) {
                Some(next) => from = next,
                None => break,
            }
        }
        Ok(None)
    }

    /// The smallest address, from this one on, that is not leased: itself, or what follows the run of leases that it
    /// is part of.
    fn not_leased_from(&self, network: &Id, width: Width, from: u128) -> Result<Option<u128>> {
        let key = params![network.as_str(), width.family(), width.key(from)];
        let leased = self.row(
            "address_leases",
            "SELECT network FROM address_leases WHERE network = ? AND family = ? AND address = ?",
            key,
            |_| Ok(()),
        )?;
        if leased.is_none() {
            return Ok(Some(from));
        }
        let end = self.row(
            "address_leases",
            // Named, because the planner would take the key, which fits as well, and walk through the whole run.
            "SELECT network, next FROM address_leases INDEXED BY address_leases_gaps \
             WHERE network = ? AND family = ? AND address >= ? AND gap = 1 ORDER BY address LIMIT 1",
            key,
            |cells| cells.get::<Option<Vec<u8>>>("next"),
        )?;
        Ok(end.flatten().map(|next| Width::number(&next)))
    }
}

impl Write<'_> {
    /// Gives an address to an endpoint that is in the database.
    pub(crate) fn lease_address(&mut self, endpoint: &Endpoint, address: IpAddr) -> Result<()> {
        let (width, number) = number(address);
        self.execute_or_explain(
            "INSERT INTO address_leases (network, family, address, endpoint, shown, next) VALUES (?, ?, ?, ?, ?, ?)",
            params![
                endpoint.network.as_str(),
                width.family(),
                width.key(number),
                endpoint.id.as_str(),
                address.to_string(),
                width.next(number).map(|next| width.key(next)),
            ],
            |write| {
                let Some(holder) = write.address_holder(&endpoint.network, address)? else {
                    return Ok(None);
                };
                let what = format!("the address {address} of {}", write.network_in_words(&endpoint.network)?);
                Ok(Some(StoreError::Taken { what, by: write.container_in_words(&holder.container)? }))
            },
        )?;
        Ok(())
    }
}
