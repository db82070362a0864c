//! Types of networks × drivers of containers × options: the table of each. How to read one is said in `scene.rs`.
//!
//! Each is looked at with everything fresh, after the firewall was flushed, after it was flushed and another daemon
//! started, after the container was disconnected, and after its end, when the host has to be as it was before it.

use super::scene::{Cell, Family, Scene};

/// A network that nobody shares with the host: `web` comes, stays, and goes.
fn check(cell: Cell, table: &str) {
    let mut scene = Scene::new(cell);
    let before = scene.host.traces().unwrap();
    scene.start_web();
    scene.expect("at first", table);

    scene.host.run("nft flush ruleset").ok();
    scene.expect("after a flush of the firewall", table);

    scene.host.run("nft flush ruleset").ok();
    scene.host.stop_daemon().unwrap();
    scene.host.start_daemon().unwrap();
    scene.expect("after a flush of the firewall and with another daemon", table);

    scene.host.klee("network disconnect net web").ok();
    scene.expect_nobody_reaches_web("after it was disconnected");
    scene.host.klee("container rm -f web").ok();
    // The daemon is another one, which `Host` looks after.
    let left = scene.host.traces().unwrap().since(&before).without("processes");
    assert!(left.is_empty(), "left after `web` was removed:\n{left}");
}

#[test]
fn bridge_vnet() {
    check(
        Cell::new("-t bridge", "vnet"),
        "
                   own  secret  published  world
        web        TUI  TU      TU         TUI as the host
        neighbour  TUI  TU      TU         TUI as the host
        stranger   TU-  --      TU         TUI as the host
        host       TUI  TU      TU
        outside    TU-  --      TU
        ",
    );
}

#[test]
fn bridge_vnet_of_ipv4_alone() {
    let cell = Cell {
        families: &[Family::V4],
        ..Cell::new("-t bridge", "vnet")
    };
    check(
        cell,
        "
                   own  secret  published  world
        web        TUI  TU      TU         TUI as the host
        neighbour  TUI  TU      TU         TUI as the host
        stranger   TU-  --      TU         TUI as the host
        host       TUI  TU      TU
        outside    TU-  --      TU
        ",
    );
}

#[test]
fn bridge_vnet_of_ipv6_alone() {
    let cell = Cell {
        families: &[Family::V6],
        ..Cell::new("-t bridge", "vnet")
    };
    check(
        cell,
        "
                   own  secret  published  world
        web        TUI  TU      TU         TUI as the host
        neighbour  TUI  TU      TU         TUI as the host
        stranger   TU-  --      TU         TUI as the host
        host       TUI  TU      TU
        outside    TU-  --      TU
        ",
    );
}

#[test]
fn bridge_vnet_without_icc() {
    check(
        Cell::new("-t bridge --no-icc", "vnet"),
        "
                   own  secret  published  world
        web        TUI  TU      TU         TUI as the host
        neighbour  ---  --      TU         TUI as the host
        stranger   TU-  --      TU         TUI as the host
        host       TUI  TU      TU
        outside    TU-  --      TU
        ",
    );
}

#[test]
fn bridge_vnet_without_nat() {
    check(
        Cell::new("-t bridge --no-nat", "vnet"),
        "
                   own  secret  published  world
        web        TUI  TU      TU         TUI as itself
        neighbour  TUI  TU      TU         TUI as itself
        stranger   TU-  --      TU         TUI as the host
        host       TUI  TU      TU
        outside    TU-  --      TU
        ",
    );
}

#[test]
fn bridge_vnet_internal() {
    check(
        Cell::new("-t bridge --internal", "vnet"),
        "
                   own  secret  published  world
        web        TUI  TU      TU         ---
        neighbour  TUI  TU      TU         ---
        stranger   TU-  --      TU         TUI as the host
        host       TUI  TU      TU
        outside    TU-  --      TU
        ",
    );
}

#[test]
fn bridge_vnet_internal_without_icc() {
    check(
        Cell::new("-t bridge --internal --no-icc", "vnet"),
        "
                   own  secret  published  world
        web        TUI  TU      --         ---
        neighbour  ---  --      --         ---
        stranger   TU-  --      TU         TUI as the host
        host       ---  --      TU
        outside    TU-  --      TU
        ",
    );
}

/// A network on a host that filters bridged frames, where it makes no difference.
const fn filtered(options: &'static str) -> Cell {
    Cell {
        bridged_frames_are_filtered: true,
        ..Cell::new(options, "vnet")
    }
}

#[test]
fn bridge_vnet_where_bridged_frames_are_filtered() {
    check(
        filtered("-t bridge"),
        "
                   own  secret  published  world
        web        TUI  TU      TU         TUI as the host
        neighbour  TUI  TU      TU         TUI as the host
        stranger   TU-  --      TU         TUI as the host
        host       TUI  TU      TU
        outside    TU-  --      TU
        ",
    );
}

#[test]
fn bridge_vnet_without_icc_where_bridged_frames_are_filtered() {
    check(
        filtered("-t bridge --no-icc"),
        "
                   own  secret  published  world
        web        TUI  TU      TU         TUI as the host
        neighbour  ---  --      TU         TUI as the host
        stranger   TU-  --      TU         TUI as the host
        host       TUI  TU      TU
        outside    TU-  --      TU
        ",
    );
}

#[test]
fn bridge_vnet_internal_where_bridged_frames_are_filtered() {
    check(
        filtered("-t bridge --internal"),
        "
                   own  secret  published  world
        web        TUI  TU      TU         ---
        neighbour  TUI  TU      TU         ---
        stranger   TU-  --      TU         TUI as the host
        host       TUI  TU      TU
        outside    TU-  --      TU
        ",
    );
}

#[test]
fn bridge_ipnet() {
    check(
        Cell::new("-t bridge", "ipnet"),
        "
                   own  secret  published  world
        web        TU-  TU      TU         TU- as the host
        neighbour  TU-  TU      TU         TU- as the host
        stranger   TU-  --      TU         TUI as the host
        host       TUI  TU      TU
        outside    TU-  --      TU
        ",
    );
}

#[test]
fn bridge_ipnet_without_icc() {
    check(
        Cell::new("-t bridge --no-icc", "ipnet"),
        "
                   own  secret  published  world
        web        TU-  --      TU         TU- as the host
        neighbour  TU-  --      TU         TU- as the host
        stranger   TU-  --      TU         TUI as the host
        host       TU-  --      TU
        outside    TU-  --      TU
        ",
    );
}

#[test]
fn loopback_ipnet() {
    check(
        Cell::new("-t loopback", "ipnet"),
        "
                   own  secret  published  world
        web        TU-  TU      TU         TU- as the host
        neighbour  TU-  TU      TU         TU- as the host
        stranger   TU-  --      TU         TUI as the host
        host       TUI  TU      TU
        outside    TU-  --      TU
        ",
    );
}

#[test]
fn loopback_ipnet_without_nat() {
    check(
        Cell::new("-t loopback --no-nat", "ipnet"),
        "
                   own  secret  published  world
        web        TU-  TU      TU         TU- as itself
        neighbour  TU-  TU      TU         TU- as itself
        stranger   TU-  --      TU         TUI as the host
        host       TUI  TU      TU
        outside    TU-  --      TU
        ",
    );
}

#[test]
fn loopback_ipnet_internal() {
    check(
        Cell::new("-t loopback --internal", "ipnet"),
        "
                   own  secret  published  world
        web        TU-  TU      TU         ---
        neighbour  TU-  TU      TU         ---
        stranger   TU-  --      TU         TUI as the host
        host       TUI  TU      TU
        outside    TU-  --      TU
        ",
    );
}

/// A custom network on the host's way out, in the subnet that the other machine is in, too.
const fn custom(options: &'static str) -> Cell {
    Cell {
        subnets: ("192.0.2.", "2001:db8::"),
        ..Cell::new(options, "ipnet")
    }
}

#[test]
fn custom_ipnet() {
    check(
        custom("-t custom -i uplink"),
        "
                   own  secret  published  world
        web        TU-  TU      TU         TU- as itself
        neighbour  TU-  TU      TU         TU- as itself
        stranger   TU-  --      TU         TUI as the host
        host       TUI  TU      TU
        outside    TUI  TU      TU
        ",
    );
}

#[test]
fn custom_ipnet_without_icc() {
    check(
        custom("-t custom -i uplink --no-icc"),
        "
                   own  secret  published  world
        web        TU-  --      TU         TU- as itself
        neighbour  TU-  --      TU         TU- as itself
        stranger   TU-  --      TU         TUI as the host
        host       TU-  --      TU
        outside    TU-  --      TU
        ",
    );
}

#[test]
fn custom_ipnet_internal() {
    check(
        custom("-t custom -i uplink --internal --no-icc"),
        "
                   own  secret  published  world
        web        ---  --      --         ---
        neighbour  ---  --      --         ---
        stranger   TU-  --      TU         TUI as the host
        host       ---  --      TU
        outside    TU-  --      TU
        ",
    );
}
