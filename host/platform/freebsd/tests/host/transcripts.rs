//! What an administrator sees Kleene do: every command that changes the host, in order.

use std::time::Duration;

use kleene_plan::{DatasetName, Family, JailInterface, JailMount, JailNetwork, Op};
use kleene_platform::Platform;

use crate::world::{CONTAINER, World, bridge, endpoint, id, network, pair};

#[test]
fn a_container_with_a_network_stack_of_its_own_from_beginning_to_end() {
    let world = World::new();
    world.container();
    std::fs::write(world.container_root().join("etc/rc.shutdown"), "exit 0\n").unwrap();
    let data = world.path("data");
    std::fs::create_dir(&data).unwrap();
    let mut ops = vec![
        Op::EnsureBridge(bridge()),
        Op::EnsureForwarding(Family::Inet),
        Op::EnsurePair(pair()),
    ];
    ops.drain(..).for_each(|op| world.apply(op).unwrap());
    let mut launch = world.launch("exec sleep 100");
    launch.jail.network = JailNetwork::Vnet {
        interfaces: vec![JailInterface {
            name: pair().jail,
            mac: pair().mac,
            addresses: vec!["10.13.37.2/24".parse().unwrap()],
        }],
        default_routes: vec!["10.13.37.1".parse().unwrap()],
    };
    launch.jail.mounts = vec![JailMount {
        source: data,
        target: "/data".into(),
        read_only: true,
    }];
    let (mut events, _inputs) = world.start(&launch).unwrap();
    world
        .platform
        .stop_jail(&id(CONTAINER), None, Duration::from_secs(3))
        .unwrap();
    crate::world::finish(&mut events);
    let dataset = DatasetName::container(&id(CONTAINER));
    for op in [
        Op::RemoveInterface {
            name: pair().host,
            owner: endpoint(),
        },
        Op::RemoveInterface {
            name: bridge().name,
            owner: network(),
        },
        Op::UnmountDataset(dataset.clone()),
        Op::DestroyDataset(dataset),
    ] {
        world.apply(op).unwrap();
    }
    // Both the supervisor and whoever stops a jail remove it and unmount what is left, whoever comes first.
    let mut lines: Vec<String> = world.transcript().lines().map(str::to_owned).collect();
    let is_late = |line: &String| {
        line.ends_with("=> 1") && ["umount ", "jail -R "].iter().any(|what| line.starts_with(what))
    };
    lines.retain(|line| !is_late(line));
    insta::assert_snapshot!(lines.join("\n"));
}
