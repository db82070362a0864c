//! Large numbers stay fast. Limits are generous: they tell a search from a scan, not one machine from another.

use std::net::Ipv4Addr;
use std::time::{Duration, Instant};

use ipnet::Ipv4Net;
use kleene_store::{Container, Endpoint, Port};

use crate::fixtures::*;

#[test]
fn an_address_is_leased_and_freed_as_fast_among_sixty_thousand_leases() {
    const LEASES: u32 = 60_000;
    let store = furnished();
    let base = u32::from(Ipv4Addr::new(10, 0, 0, 0));
    let subnet: Ipv4Net = "10.0.0.0/16".parse().unwrap();
    let connection = |number: u32| Endpoint {
        ip4: Some((base + number).into()),
        ..endpoint(u64::from(number) + 100_000, u64::from(number) + 1000)
    };
    let next = LEASES + 1;
    change(&store, |write| {
        for number in 1..=next {
            write.insert_container(&container(u64::from(number) + 1000))?;
            if number != next {
                write.insert_endpoint(&connection(number))?;
            }
        }
        Ok(())
    })
    .unwrap();

    let connection = connection(next);
    let rounds = [(); 100].map(|()| {
        let began = Instant::now();
        let free = look(&store, |read| read.allocate4(&id(3), subnet, &[]));
        assert_eq!(free, connection.ip4);
        let allocated = began.elapsed();
        change(&store, |write| write.insert_endpoint(&connection)).unwrap();
        assert!(change(&store, |write| write.remove_endpoint(&connection.id)).unwrap());
        (allocated, began.elapsed() - allocated)
    });
    let median = |mut times: [Duration; 100]| {
        times.sort();
        times[times.len() / 2]
    };
    let allocated = median(rounds.map(|(allocated, _)| allocated));
    assert!(allocated < Duration::from_millis(1), "{allocated:?}");
    // Leasing and freeing; a walk through all leases takes more than 10 ms.
    let changed = median(rounds.map(|(_, changed)| changed));
    assert!(changed < Duration::from_millis(2), "{changed:?}");
}

#[test]
fn ten_thousand_containers_are_listed_within_a_moment() {
    let directory = tempfile::tempdir().unwrap();
    let store = kleene_store::Store::open(directory.path().join("metadata.sqlite")).unwrap();
    change(&store, |write| {
        write.insert_image(&image(1))?;
        for number in 0..10_000 {
            let port = Port {
                protocol: kleene_plan::Protocol::Tcp,
                interfaces: Vec::new(),
                host_ports: kleene_plan::PortRange::single(80),
                container_ports: "80".parse().unwrap(),
            };
            write.insert_container(&Container {
                ports: vec![port],
                ..container(1000 + number)
            })?;
        }
        Ok(())
    })
    .unwrap();
    let began = Instant::now();
    assert_eq!(look(&store, |read| read.containers()).len(), 10_000);
    let elapsed = began.elapsed();
    // Without optimisation, beside other tests.
    assert!(elapsed < Duration::from_millis(1500), "{elapsed:?}");
}
