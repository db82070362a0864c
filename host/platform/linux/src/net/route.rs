//! What the routing table tells.

use std::collections::BTreeSet;
use std::net::IpAddr;

use futures_util::TryStreamExt;
use kleene_plan::InterfaceName;
use kleene_platform::{Gateways, Result};
use rtnetlink::packet_route::AddressFamily;
use rtnetlink::packet_route::route::{
    RouteAddress, RouteAttribute, RouteHeader, RouteMessage, RouteType, RouteVia,
};
use rustix::io::Errno;

use super::{Network, sysctl};
use crate::failure::OrFailed;

impl Network {
    /// The interfaces of the default routes; of several routes, that of the preferred one.
    pub(crate) fn gateways(&self) -> Result<Gateways> {
        Ok(Gateways {
            inet: self.gateway(AddressFamily::Inet)?,
            inet6: self.gateway(AddressFamily::Inet6)?,
        })
    }

    /// Next hops of all routes, in whichever table.
    pub(crate) fn next_hops(&self) -> Result<Vec<IpAddr>> {
        let mut hops = BTreeSet::new();
        for family in [AddressFamily::Inet, AddressFamily::Inet6] {
            for route in self.routes(family, RouteHeader::RT_TABLE_UNSPEC)? {
                hops.extend(route.attributes.iter().flat_map(next_hops));
            }
        }
        Ok(hops.into_iter().collect())
    }

    /// The unicast routes of a table; of all tables if it is not specified. Each address of the host has others.
    fn routes(&self, family: AddressFamily, table: u8) -> Result<Vec<RouteMessage>> {
        let mut request = RouteMessage::default();
        request.header.address_family = family;
        request.header.table = table;
        request.header.kind = RouteType::Unicast;
        match self.wait(|| self.handle.route().get(request).execute().try_collect()) {
            // A table that nobody ever wrote to does not exist.
            Err(said) if said.is(Errno::NOENT) => Ok(Vec::new()),
            routes => routes.or_failed(|| "read the routing table".to_owned()),
        }
    }

    fn gateway(&self, family: AddressFamily) -> Result<Option<InterfaceName>> {
        let routes = self.routes(family, RouteHeader::RT_TABLE_MAIN)?;
        let best = routes
            .iter()
            .filter(|route| {
                route.header.destination_prefix_length == 0
                    && route.header.table == RouteHeader::RT_TABLE_MAIN
                    && route.header.kind == RouteType::Unicast
            })
            .filter_map(|route| Some((priority(route), interface(route)?)))
            .min();
        let Some((_, index)) = best else { return Ok(None) };
        Ok(self.link_of_index(index)?.and_then(|link| link.name.parse().ok()))
    }

    /// The way to an address; `None` if there is none.
    fn way_to(&self, address: IpAddr) -> Result<Option<RouteMessage>> {
        let action = || format!("find the route to {address}");
        let mut request = RouteMessage::default();
        (
            request.header.address_family,
            request.header.destination_prefix_length,
        ) = match address {
            IpAddr::V4(_) => (AddressFamily::Inet, 32),
            IpAddr::V6(_) => (AddressFamily::Inet6, 128),
        };
        request
            .attributes
            .push(RouteAttribute::Destination(address.into()));
        let request = self.handle.route().get(request);
        match self.wait(|| async move { std::pin::pin!(request.execute()).try_next().await }) {
            Err(said)
                if said.is(Errno::NETUNREACH) || said.is(Errno::HOSTUNREACH) || said.is(Errno::NETDOWN) =>
            {
                Ok(None)
            }
            answer => answer.or_failed(action),
        }
    }

    /// Whether an address is the host's own.
    pub(crate) fn is_local(&self, address: IpAddr) -> Result<bool> {
        Ok(self
            .way_to(address)?
            .is_some_and(|route| route.header.kind == RouteType::Local))
    }

    /// Lets the host itself reach these containers from 127.0.0.1, as users of published ports expect: the bridges they
    /// are behind accept packets from there. The firewall lets no other such packet pass in either direction.
    pub(crate) fn open_loopback_way_to(&self, containers: &BTreeSet<IpAddr>) -> Result<()> {
        for address in containers.iter().filter(|address| address.is_ipv4()) {
            let Some(index) = self.way_to(*address)?.as_ref().and_then(interface) else {
                continue;
            };
            let Some(link) = self.link_of_index(index)?.filter(|link| link.owner.is_some()) else {
                continue;
            };
            let name = link
                .name
                .parse()
                .or_failed(|| format!("understand the name of interface {}", link.name))?;
            sysctl::write(&sysctl::ipv4(&name, "route_localnet"), "1")
                .or_failed(|| format!("let the host reach published ports behind {name} from 127.0.0.1"))?;
        }
        Ok(())
    }
}

/// A route has one, or several that share its traffic; that of IPv4 may be an address of IPv6.
fn next_hops(attribute: &RouteAttribute) -> Vec<IpAddr> {
    let address = |address: &RouteAddress| match address {
        RouteAddress::Inet(address) => Some(IpAddr::from(*address)),
        RouteAddress::Inet6(address) => Some(IpAddr::from(*address)),
        _ => None,
    };
    match attribute {
        RouteAttribute::Gateway(gateway) => address(gateway).into_iter().collect(),
        RouteAttribute::Via(RouteVia::Inet6(address)) => vec![(*address).into()],
        RouteAttribute::MultiPath(hops) => hops
            .iter()
            .flat_map(|hop| hop.attributes.iter().flat_map(next_hops))
            .collect(),
        _ => Vec::new(),
    }
}

fn priority(route: &RouteMessage) -> u32 {
    let found = route.attributes.iter().find_map(|attribute| match attribute {
        RouteAttribute::Priority(priority) => Some(*priority),
        _ => None,
    });
    found.unwrap_or(0)
}

fn interface(route: &RouteMessage) -> Option<u32> {
    route.attributes.iter().find_map(|attribute| match attribute {
        RouteAttribute::Oif(index) => Some(*index),
        RouteAttribute::MultiPath(hops) => hops.first().map(|hop| hop.interface_index),
        _ => None,
    })
}
