//! What plugins cost: `cargo run --release -p kleene-plugins --example measure_plugins [<directory with components>]`.
//!
//! Prints the time to compile all of a directory's plugins, to start with compiled ones, and to ask one for a plan.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use kleene_plan::{EndpointFacts, NetworkFacts, NetworkKind, PortRange, Protocol, PublishedPort, Subnet};
use kleene_plugins::{EngineKind, Plugins, PluginsConfig};

type Failure = Box<dyn std::error::Error>;

const CALLS: u32 = 5000;

fn main() -> Result<(), Failure> {
    let directory = std::env::args().nth(1).map_or_else(
        || PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../../target/plugins")),
        PathBuf::from,
    );
    let cache = std::env::temp_dir().join(format!("kleene-measure-{}", std::process::id()));
    let result = [EngineKind::Cranelift, EngineKind::Pulley]
        .into_iter()
        .try_for_each(|engine| measure(&directory, &cache, engine));
    std::fs::remove_dir_all(&cache)?;
    result
}

fn measure(directory: &PathBuf, cache: &PathBuf, engine: EngineKind) -> Result<(), Failure> {
    let open = || {
        Plugins::open(PluginsConfig {
            engine,
            ..PluginsConfig::new(directory, cache)
        })
    };
    let (cold, plugins) = time(open);
    let count = plugins?.list().len();
    let starts: Vec<_> = (0..20).map(|_| time(open).0).collect();
    let plugins = open()?;
    let driver = plugins.network_driver("bridge")?;
    let (network, endpoint) = (network()?, endpoint()?);
    let mut plans = Vec::new();
    for _ in 0..CALLS {
        let (took, plan) = time(|| driver.plan_endpoint(&network, &endpoint));
        plan?;
        plans.push(took);
    }
    println!(
        "{engine:?}: {count} plugins compiled in {cold:.1?}, started from the cache in {:.1?}",
        median(starts)
    );
    println!(
        "{engine:?}: one plan of an endpoint in {:.1?} (median of {CALLS})",
        median(plans)
    );
    Ok(())
}

fn time<T>(work: impl FnOnce() -> T) -> (Duration, T) {
    let begin = Instant::now();
    let result = work();
    (begin.elapsed(), result)
}

fn median(mut times: Vec<Duration>) -> Duration {
    times.sort_unstable();
    times[times.len() / 2]
}

fn network() -> Result<NetworkFacts, Failure> {
    Ok(NetworkFacts {
        id: "bbbbbbbbbbbb".parse()?,
        name: "b".parse()?,
        kind: NetworkKind("bridge".parse()?),
        interface: "kleene1".parse()?,
        subnets: vec![Subnet {
            net: "10.0.2.0/24".parse()?,
            gateway: Some("10.0.2.1".parse()?),
            host_is_gateway: true,
        }],
        nat: Some("em0".parse()?),
        icc: true,
        internal: false,
        host_gateway: Some("em0".parse()?),
    })
}

fn endpoint() -> Result<EndpointFacts, Failure> {
    Ok(EndpointFacts {
        id: "0a1b2c3d4e5f".parse()?,
        container: "cccccccccccc".parse()?,
        container_name: Some("web".parse()?),
        labels: BTreeMap::new(),
        vnet: true,
        addresses: vec!["10.0.2.2/24".parse()?],
        default_routes: vec!["10.0.2.1".parse()?],
        host_interface: "kv0a1b2c3d4e".parse()?,
        jail_interface: "kj0a1b2c3d4e".parse()?,
        mac: "0a:1b:2c:3d:4e:5f".parse()?,
        ports: vec![PublishedPort {
            protocol: Protocol::Tcp,
            interfaces: vec!["em0".parse()?],
            host_ports: PortRange::single(8080),
            container_ports: PortRange::single(80),
            targets: vec!["10.0.2.2".parse()?, "fd00::2".parse()?],
        }],
    })
}
