//! Measures one warm plan of a plugin, with everything that belongs to a call: a fresh store, facts in, a checked plan
//! out. `cargo run --release -p kleene-plugins --example plan_time <directory of plugins> <directory of compiled ones>`
//! prints microseconds: the median, and the slowest of a hundred.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use kleene_plan::{EndpointFacts, NetworkFacts, NetworkKind, Protocol, PublishedPort, Subnet};
use kleene_plugins::{Plugins, PluginsConfig};

type Result<T = ()> = std::result::Result<T, Box<dyn std::error::Error>>;

const WARM_UP: usize = 200;
const CALLS: usize = 5000;

fn main() -> Result {
    let mut directories = std::env::args_os().skip(1).map(PathBuf::from);
    let (Some(plugins), Some(cache)) = (directories.next(), directories.next()) else {
        return Err("name the directory of plugins and that of compiled ones".into());
    };
    let plugins = Plugins::open(PluginsConfig::new(plugins, cache))?;
    let (network, endpoint) = (network()?, endpoint()?);
    let driver = plugins.network_driver("bridge")?;
    let mut times = Vec::with_capacity(CALLS);
    for call in 0..WARM_UP + CALLS {
        let start = Instant::now();
        let plan = driver.plan_endpoint(&network, &endpoint)?;
        let time = start.elapsed();
        if plan.ops.is_empty() {
            return Err("the plan is empty".into());
        }
        if call >= WARM_UP {
            times.push(time);
        }
    }
    times.sort_unstable();
    let microseconds = |time: Option<&Duration>| time.map_or(0.0, |time| time.as_secs_f64() * 1e6);
    println!(
        "{:.1} {:.1}",
        microseconds(times.get(CALLS / 2)),
        microseconds(times.get(CALLS * 99 / 100))
    );
    Ok(())
}

/// A bridge network with two families, hidden behind the host.
fn network() -> Result<NetworkFacts> {
    let subnet = |net: &str, gateway: &str| -> Result<Subnet> {
        Ok(Subnet {
            net: net.parse()?,
            gateway: Some(gateway.parse()?),
            host_is_gateway: true,
        })
    };
    Ok(NetworkFacts {
        id: "bbbbbbbbbbbb".parse()?,
        name: "lan".parse()?,
        kind: NetworkKind("bridge".parse()?),
        interface: "kleene0".parse()?,
        subnets: vec![
            subnet("10.0.2.0/24", "10.0.2.1")?,
            subnet("fd00::/64", "fd00::1")?,
        ],
        nat: Some("eth0".parse()?),
        icc: true,
        internal: false,
        host_gateway: Some("eth0".parse()?),
    })
}

/// A vnet container in it with a published port.
fn endpoint() -> Result<EndpointFacts> {
    Ok(EndpointFacts {
        id: "0a1b2c3d4e5f".parse()?,
        container: "cccccccccccc".parse()?,
        vnet: true,
        addresses: vec!["10.0.2.2/24".parse()?, "fd00::2/64".parse()?],
        default_routes: vec!["10.0.2.1".parse()?, "fd00::1".parse()?],
        host_interface: "kv0a1b2c3d4e".parse()?,
        jail_interface: "kj0a1b2c3d4e".parse()?,
        mac: "0a:1b:2c:3d:4e:5f".parse()?,
        ports: vec![PublishedPort {
            protocol: Protocol::Tcp,
            interfaces: vec!["eth0".parse()?],
            host_ports: "8080".parse()?,
            container_ports: "80".parse()?,
        }],
    })
}
