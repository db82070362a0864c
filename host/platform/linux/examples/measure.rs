//! Measures the host's part of a container's life, in namespaces of its own; needs root.
//!
//! `cargo run --release -p kleene-linux --example measure [directory]`

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use kleene_linux::{LinuxConfig, LinuxPlatform};
use kleene_plan::{
    Action, Address, Bridge, DatasetName, Direction, Family, FilterRule, InterfaceMatch, MacAddress, Op,
    Owner, Pair, PortRange, Protocol, RdrRule, Rule,
};
use kleene_platform::Platform;
use rustix::mount::{MountPropagationFlags, mount_change};
use rustix::thread::{UnshareFlags, unshare_unsafe};

type Result<T = ()> = std::result::Result<T, Box<dyn std::error::Error>>;

const ROUNDS: usize = 200;

fn main() -> Result {
    own_namespaces()?;
    let parent = std::env::args_os()
        .nth(1)
        .map_or_else(std::env::temp_dir, PathBuf::from);
    let directory = parent.join(format!("kleene-measure-{}", std::process::id()));
    std::fs::create_dir(&directory)?;
    let result = measure(&directory);
    std::fs::remove_dir_all(&directory)?;
    result
}

#[allow(unsafe_code, reason = "unshare(2) of namespaces")]
fn own_namespaces() -> Result {
    // SAFETY: no file descriptors are unshared, and there is one thread.
    unsafe { unshare_unsafe(UnshareFlags::NEWNET | UnshareFlags::NEWNS) }?;
    Ok(mount_change(
        "/",
        MountPropagationFlags::PRIVATE | MountPropagationFlags::REC,
    )?)
}

fn measure(directory: &Path) -> Result {
    let platform = LinuxPlatform::open(LinuxConfig {
        root: directory.join("root"),
        run_dir: directory.join("run"),
        supervisor: vec!["/bin/false".into()],
    })?;
    storage(&platform)?;
    network(&platform)?;
    firewall(&platform)
}

fn storage(platform: &LinuxPlatform) -> Result {
    let image: DatasetName = "image/base".parse()?;
    platform.apply(&Op::CreateDataset(image.clone()))?;
    std::fs::write(platform.mountpoint(&image)?.join("motd"), "hello")?;
    let snapshot = image.snapshot("image")?;
    platform.apply(&Op::CreateSnapshot(snapshot.clone()))?;
    let dataset: DatasetName = "container/a".parse()?;
    let steps = [
        (
            "clone",
            Op::CloneDataset {
                snapshot,
                dataset: dataset.clone(),
            },
        ),
        ("mount", Op::MountDataset(dataset.clone())),
        ("unmount", Op::UnmountDataset(dataset.clone())),
        ("destroy", Op::DestroyDataset(dataset)),
    ];
    medians(platform, &steps)
}

fn network(platform: &LinuxPlatform) -> Result {
    let network = Owner::Network("aaaaaaaaaaaa".parse()?);
    let addresses = vec!["10.0.0.1/16".parse()?];
    platform.apply(&Op::EnsureForwarding(Family::Inet))?;
    platform.apply(&Op::EnsureBridge(Bridge {
        name: "kleene0".parse()?,
        owner: network,
        addresses,
    }))?;
    let id = "bbbbbbbbbbbb".parse()?;
    let (host, owner) = ("kv0", Owner::Endpoint(id));
    let Owner::Endpoint(id) = &owner else {
        unreachable!("made above")
    };
    let pair = Pair {
        host: host.parse()?,
        jail: "kj0".parse()?,
        bridge: "kleene0".parse()?,
        mac: MacAddress::of_endpoint(id),
        isolated: false,
        owner: owner.clone(),
    };
    let remove = Op::RemoveInterface {
        name: host.parse()?,
        owner,
    };
    medians(
        platform,
        &[("pair", Op::EnsurePair(pair)), ("remove pair", remove)],
    )
}

fn firewall(platform: &LinuxPlatform) -> Result {
    for owners in [1_u16, 1000] {
        for number in 1..owners {
            platform.apply(&publish(number)?)?;
        }
        println!("with {owners} owners:");
        let owner = Owner::Endpoint(endpoint(0).parse()?);
        medians(
            platform,
            &[("set rules", publish(0)?), ("clear rules", Op::ClearRules(owner))],
        )?;
    }
    Ok(())
}

fn endpoint(number: u16) -> String {
    format!("eeeeeeee{number:04x}")
}

fn publish(number: u16) -> Result<Op> {
    let [high, low] = (number + 2).to_be_bytes();
    let to = std::net::IpAddr::from([10, 0, high, low]);
    let ports = PortRange::single(80);
    let redirection = RdrRule {
        interface: InterfaceMatch::Any,
        protocol: Protocol::Tcp,
        ports: PortRange::single(10_000 + number),
        to,
        to_ports: ports,
    };
    let pass = FilterRule {
        action: Action::Pass,
        direction: Direction::Both,
        quick: true,
        log: false,
        interface: InterfaceMatch::Any,
        protocol: Some(Protocol::Tcp),
        from: Address::Any,
        to: Address::Net(to.into()),
        to_ports: Some(ports),
    };
    let owner = Owner::Endpoint(endpoint(number).parse()?);
    Ok(Op::SetRules {
        owner,
        rules: vec![Rule::Rdr(redirection), Rule::Filter(pass)],
    })
}

/// Applies the steps again and again and prints the median of each.
fn medians(platform: &LinuxPlatform, steps: &[(&str, Op)]) -> Result {
    let mut times: Vec<Vec<Duration>> = vec![Vec::new(); steps.len()];
    for _ in 0..ROUNDS {
        for ((_, op), times) in steps.iter().zip(&mut times) {
            let start = Instant::now();
            platform.apply(op)?;
            times.push(start.elapsed());
        }
    }
    for ((name, _), times) in steps.iter().zip(&mut times) {
        times.sort_unstable();
        println!("{name:>12}  {:>6} µs", times[ROUNDS / 2].as_micros());
    }
    Ok(())
}
