//! Finding a free address in a network that is empty, and in one that is nearly full.

use std::net::Ipv4Addr;

use anyhow::{Context, Result};
use kleene_plan::{Id, MacAddress};
use kleene_store::{Container, Endpoint, Store, StoreError};
use kleene_tests::{Host, Programs};

use super::requests::Connecting;
use super::{Line, milliseconds};

/// How many addresses of the /16 are somebody's.
const LEASES: u32 = 60_000;
const SUBNET: Ipv4Addr = Ipv4Addr::new(10, 1, 0, 0);

/// Measures on a host of its own.
///
/// # Errors
/// If something cannot be run.
pub fn measure(programs: &Programs) -> Result<Vec<Line>> {
    let mut host = Host::with(programs.clone())?;
    for line in [
        "image create -t sleeper host --bin /bin/busybox",
        &format!("network create -t bridge --subnet {SUBNET}/16 lan"),
        "create --name wanderer -l vnet sleeper /bin/busybox true",
    ] {
        host.klee(line).ok();
    }
    let empty = Connecting::measure(&host, "wanderer", "lan")?;
    host.stop_daemon()?;
    lease(&host)?;
    host.start_daemon()?;
    let full = Connecting::measure(&host, "wanderer", "lan")?;
    Ok(lines("0", empty)
        .into_iter()
        .chain(lines("60,000", full))
        .collect())
}

fn lines(leases: &str, connecting: Connecting) -> [Line; 2] {
    [
        ("connect", connecting.connect),
        ("disconnect", connecting.disconnect),
    ]
    .map(|(what, took)| {
        Line::new(
            format!("an address of a /16 with {leases} leases, {what}"),
            milliseconds(took),
        )
    })
}

/// Gives the first addresses to containers that have nothing else: files would take long to make, and nobody looks.
fn lease(host: &Host) -> Result<()> {
    let store = Store::open(host.state_dir().join("kleene.sqlite"))?;
    let (containers, networks) =
        store.read(|read| -> Result<_, StoreError> { Ok((read.containers()?, read.networks()?)) })?;
    let model = containers.into_iter().next().context("there is no container")?;
    let network = networks.into_iter().next().context("there is no network")?.id;
    store.write(|write| -> Result<()> {
        // After the address of the network and that of its gateway.
        for number in 2..2 + LEASES {
            let (container, id) = (Id::generate(), Id::generate());
            write.insert_container(&Container {
                id: container.clone(),
                name: None,
                ..model.clone()
            })?;
            write.insert_endpoint(&Endpoint {
                container,
                network: network.clone(),
                ip4: Some(Ipv4Addr::from_bits(SUBNET.to_bits() + number)),
                ip6: None,
                host_interface: format!("k{id}a").parse()?,
                jail_interface: format!("k{id}b").parse()?,
                mac: MacAddress::of_endpoint(&id),
                id,
            })?;
        }
        Ok(())
    })
}
