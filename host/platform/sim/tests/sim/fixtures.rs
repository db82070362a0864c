//! Operations and jails to begin with.

use std::path::Path;

use kleene_plan::{
    Bridge, DatasetName, Id, InterfaceName, JailNetwork, JailSpec, Launch, LaunchMode, Loopback, MacAddress,
    Op, Owner, Pair, ProcessSpec, SnapshotName,
};
use kleene_platform::Platform;
use kleene_sim::Sim;

pub fn id(text: &str) -> Id {
    text.parse().unwrap()
}

pub fn interface(text: &str) -> InterfaceName {
    text.parse().unwrap()
}

pub fn dataset(text: &str) -> DatasetName {
    text.parse().unwrap()
}

pub fn snapshot(text: &str) -> SnapshotName {
    text.parse().unwrap()
}

pub fn network() -> Owner {
    Owner::Network(id("aaaaaaaaaaaa"))
}

pub fn other_network() -> Owner {
    Owner::Network(id("bbbbbbbbbbbb"))
}

pub fn create(name: &str) -> Op {
    Op::CreateDataset(dataset(name))
}

pub fn clone(from: &str, to: &str) -> Op {
    Op::CloneDataset {
        snapshot: snapshot(from),
        dataset: dataset(to),
    }
}

pub fn take(name: &str) -> Op {
    Op::CreateSnapshot(snapshot(name))
}

pub fn rename(from: &str, to: &str) -> Op {
    Op::RenameDataset {
        from: dataset(from),
        to: dataset(to),
    }
}

pub fn destroy(name: &str) -> Op {
    Op::DestroyDataset(dataset(name))
}

pub fn mount(name: &str) -> Op {
    Op::MountDataset(dataset(name))
}

pub fn unmount(name: &str) -> Op {
    Op::UnmountDataset(dataset(name))
}

pub fn bridge(name: &str, owner: Owner, addresses: &[&str]) -> Op {
    let addresses = addresses.iter().map(|address| address.parse().unwrap()).collect();
    Op::EnsureBridge(Bridge {
        name: interface(name),
        owner,
        addresses,
    })
}

pub fn loopback(name: &str, owner: Owner) -> Op {
    Op::EnsureLoopback(Loopback {
        name: interface(name),
        owner,
    })
}

pub fn pair(host: &str, jail: &str, bridge: &str) -> Op {
    Op::EnsurePair(Pair {
        host: interface(host),
        jail: interface(jail),
        bridge: interface(bridge),
        mac: MacAddress([2, 0, 0, 0, 0, 1]),
        isolated: false,
        owner: network(),
    })
}

pub fn remove(name: &str, owner: Owner) -> Op {
    Op::RemoveInterface {
        name: interface(name),
        owner,
    }
}

pub fn alias(name: &str, address: &str) -> Op {
    Op::EnsureAlias {
        interface: interface(name),
        address: address.parse().unwrap(),
    }
}

/// A host on which these operations have succeeded.
pub fn after(ops: &[Op]) -> Sim {
    let sim = Sim::new().unwrap();
    for op in ops {
        sim.apply(op).unwrap();
    }
    sim
}

pub fn refusal(sim: &Sim, op: &Op) -> String {
    let before = sim.inventory();
    let message = sim.apply(op).unwrap_err().to_string();
    assert_eq!(
        sim.inventory().since(&before),
        "",
        "a refused operation changes nothing"
    );
    message
}

/// A process that makes jail `cccccccccccc`, whose root is an existing directory.
pub fn launch(root: &Path, argv: &[&str]) -> Launch {
    Launch {
        jail: JailSpec {
            id: id("cccccccccccc"),
            root: root.to_owned(),
            network: JailNetwork::Disabled,
            mounts: Vec::new(),
            parameters: Vec::new(),
        },
        process: ProcessSpec {
            argv: argv.iter().map(ToString::to_string).collect(),
            env: Vec::new(),
            user: String::new(),
            directory: None,
            terminal: None,
        },
        mode: LaunchMode::Start,
        log: None,
    }
}
