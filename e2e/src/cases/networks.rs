//! Networks: who reaches whom.

use std::net::SocketAddr;

use crate::cases::{Case, needing};
use crate::host::Need;
use crate::probe;
use crate::world::World;

/// What is needed for packets to flow.
const TRAFFIC: &[Need] = &[Need::Networks, Need::Real];
/// And for the firewall to judge them.
const JUDGED: &[Need] = &[Need::Networks, Need::Real, Need::Rules];
/// And for others to be there.
const PUBLISHED: &[Need] = &[Need::Networks, Need::Real, Need::Rules, Need::Egress];
/// What is needed for networks to be there.
const PRESENT: &[Need] = &[Need::Networks];

pub fn cases() -> Vec<Case> {
    vec![
        needing(
            PRESENT,
            "networks: a dry run shows a plan and does nothing",
            dry_run,
        ),
        needing(
            PRESENT,
            "networks: addresses are given, wanted and never given twice",
            addresses,
        ),
        needing(
            PRESENT,
            "networks: running ipnet containers are connected and disconnected",
            running_connect,
        ),
        needing(TRAFFIC, "networks: a vnet container is reached by the host", vnet),
        needing(TRAFFIC, "networks: vnet containers reach each other", neighbours),
        needing(
            TRAFFIC,
            "networks: an ipnet container is reached at its address of a bridge",
            ipnet,
        ),
        needing(
            TRAFFIC,
            "networks: an ipnet container is reached at its address of a loopback network",
            loopback,
        ),
        needing(
            TRAFFIC,
            "networks: a container connected to two reaches both",
            two_networks,
        ),
        needing(
            JUDGED,
            "networks: another network's containers are not reached",
            closed,
        ),
        needing(
            JUDGED,
            "networks: without icc containers do not reach each other",
            no_icc,
        ),
        needing(
            PUBLISHED,
            "networks: a published port is reached from the host at its own address",
            published_to_host,
        ),
        needing(
            PUBLISHED,
            "networks: a vnet container's published port, asked by the host itself",
            published_by_vnet_to_host,
        ),
        needing(
            PUBLISHED,
            "networks: a published port is reached from containers at the host's address",
            published_to_containers,
        ),
        needing(
            &[Need::Networks, Need::Egress],
            "networks: a port is published once",
            conflict,
        ),
    ]
}

fn bridge(world: &World, name: &str, subnet: &str) {
    world
        .klee(&format!("network create -t bridge --subnet {subnet} {name}"))
        .ok();
}

/// A container that answers at port 80 with its name.
fn server(world: &World, options: &str, name: &str) {
    world
        .klee(&format!(
            "run -d --name {name} {options} minimal {}",
            world.serve(80, name)
        ))
        .ok();
}

/// A container of its own with these options is answered with this.
#[track_caller]
fn assert_answers_container(world: &World, options: &str, at: SocketAddr, name: &str) {
    let shown = world
        .klee(&format!("run {options} minimal {}", world.ask(at)))
        .ok();
    assert!(shown.lines().any(|line| line == name), "{shown}");
}

#[track_caller]
fn assert_answers(at: SocketAddr, name: &str) {
    match probe::ask(at) {
        Ok(answer) => assert_eq!(answer, name),
        Err(error) => panic!("{at} does not answer: {error}"),
    }
}

fn dry_run(world: &mut World) {
    let plan = world
        .klee("network create --dry-run -t bridge --subnet 10.213.1.0/24 lan")
        .ok();
    assert!(plan.contains("10.213.1.1/24"), "{plan}");
    assert!(world.list("network").is_empty());
}

fn addresses(world: &mut World) {
    bridge(world, "lan", "10.213.1.0/29");
    world
        .klee("create --name wanted -l vnet -n lan --ip 10.213.1.5 minimal")
        .ok();
    world.klee("create --name given -l vnet -n lan minimal").ok();
    assert_eq!(world.at("wanted", 80).ip().to_string(), "10.213.1.5");
    assert_eq!(world.at("given", 80).ip().to_string(), "10.213.1.2");
    let refusal = world
        .klee("create --name third -l vnet -n lan --ip 10.213.1.5 minimal")
        .refused();
    assert!(refusal.contains("10.213.1.5"), "{refusal}");
}

fn running_connect(world: &mut World) {
    bridge(world, "lan", "10.213.1.0/24");
    bridge(world, "other", "10.213.2.0/24");
    world
        .klee("run -d --name sleeper -l ipnet -n lan minimal /bin/sleep 1000")
        .ok();
    world.klee("network connect other sleeper").ok();
    let count = |world: &World| {
        let endpoints = &world.inspect("container", "sleeper")["container_endpoints"];
        endpoints.as_array().map_or(0, Vec::len)
    };
    assert_eq!(count(world), 2);
    world.klee("network disconnect other sleeper").ok();
    assert_eq!(count(world), 1);
    assert!(world.runs("sleeper"));
}

fn vnet(world: &mut World) {
    bridge(world, "lan", "10.213.1.0/24");
    server(world, "-l vnet -n lan", "web");
    assert_answers(world.at("web", 80), "web");
    world.klee("stop web").ok();
    world.klee("start -d web").ok();
    assert_answers(world.at("web", 80), "web");
}

fn neighbours(world: &mut World) {
    bridge(world, "lan", "10.213.1.0/24");
    server(world, "-l vnet -n lan", "web");
    assert_answers_container(world, "-l vnet -n lan", world.at("web", 80), "web");
}

fn ipnet(world: &mut World) {
    bridge(world, "lan", "10.213.1.0/24");
    server(world, "-l ipnet -n lan", "web");
    assert_answers(world.at("web", 80), "web");
    assert_answers_container(world, "-l ipnet -n lan", world.at("web", 80), "web");
    assert_answers_container(world, "-l vnet -n lan", world.at("web", 80), "web");
}

fn loopback(world: &mut World) {
    world
        .klee("network create -t loopback --subnet 10.213.3.0/24 local")
        .ok();
    server(world, "-n local", "web");
    assert_answers(world.at("web", 80), "web");
    assert_answers_container(world, "-n local", world.at("web", 80), "web");
}

fn two_networks(world: &mut World) {
    for (name, subnet) in [("left", "10.213.1.0/24"), ("right", "10.213.2.0/24")] {
        bridge(world, name, subnet);
        server(world, &format!("-l vnet -n {name}"), &format!("in-{name}"));
    }
    for name in ["in-left", "in-right"] {
        let ask = world.ask(world.at(name, 80));
        let both = format!("both-{name}");
        world
            .klee(&format!("create --name {both} -l vnet minimal {ask}"))
            .ok();
        world.klee(&format!("network connect left {both}")).ok();
        world.klee(&format!("network connect right {both}")).ok();
        let shown = world.klee(&format!("start {both}")).ok();
        assert!(shown.contains(name), "{shown}");
    }
}

fn closed(world: &mut World) {
    bridge(world, "left", "10.213.1.0/24");
    bridge(world, "right", "10.213.2.0/24");
    server(world, "-l vnet -n left", "web");
    assert_answers(world.at("web", 80), "web");
    let ask = world.ask(world.at("web", 80));
    let outcome = world.klee(&format!("run -l vnet -n right minimal {ask}"));
    assert!(!outcome.succeeded(), "{outcome}");
}

fn no_icc(world: &mut World) {
    world
        .klee("network create -t bridge --no-icc --subnet 10.213.1.0/24 lan")
        .ok();
    server(world, "-l vnet -n lan", "web");
    assert_answers(world.at("web", 80), "web");
    let ask = world.ask(world.at("web", 80));
    let outcome = world.klee(&format!("run -l vnet -n lan minimal {ask}"));
    assert!(!outcome.succeeded(), "{outcome}");
}

/// A container whose port is published at this port of the host's.
fn publish(world: &World, driver: &str, port: u16) -> SocketAddr {
    bridge(world, "lan", "10.213.1.0/24");
    server(world, &format!("-l {driver} -n lan -p {port}:80"), "web");
    assert_answers(world.at("web", 80), "web");
    match probe::own_address() {
        Some(address) => SocketAddr::new(address, port),
        None => panic!("the host has lost its default route"),
    }
}

fn published_to_host(world: &mut World) {
    let at = publish(world, "ipnet", 28080);
    assert_answers(at, "web");
    world.klee("stop web").ok();
    assert!(probe::ask_once(at).is_err(), "{at} still answers");
}

/// pf translates on the loopback interface what comes back by it, and not what comes back from another network stack.
fn published_by_vnet_to_host(world: &mut World) {
    let at = publish(world, "vnet", 28080);
    if world.host.is_freebsd() {
        assert!(
            probe::ask_once(at).is_err(),
            "{at} answers: docs/freebsd.md says it does not"
        );
    } else {
        assert_answers(at, "web");
    }
}

fn published_to_containers(world: &mut World) {
    let at = publish(world, "vnet", 28080);
    assert_answers_container(world, "-l vnet -n lan", at, "web");
    bridge(world, "other", "10.213.2.0/24");
    assert_answers_container(world, "-l vnet -n other", at, "web");
}

fn conflict(world: &mut World) {
    bridge(world, "lan", "10.213.1.0/24");
    let sleep = "minimal /bin/sleep 1000";
    world
        .klee(&format!("run -d --name first -l vnet -n lan -p 28080:80 {sleep}"))
        .ok();
    let refusal = world
        .klee(&format!(
            "run -d --name second -l vnet -n lan -p 28080:80 {sleep}"
        ))
        .refused();
    assert!(refusal.contains("28080"), "{refusal}");
    world.klee("container inspect second").refused();
}
