//! Components for tests, and facts to ask them about.

#![allow(dead_code, reason = "each test file uses some of it")]

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use kleene_plan::{
    EndpointFacts, NetworkFacts, NetworkKind, PortRange, Protocol, PublishedPort, Subnet, VolumeFacts,
};
use kleene_plugins::{Plugins, PluginsConfig};

/// Directories of one test, gone at its end.
pub struct Home {
    directory: tempfile::TempDir,
}

impl Home {
    /// A plugin directory that holds these components.
    pub fn with(components: &[&str]) -> Self {
        let home = Self {
            directory: tempfile::tempdir().unwrap(),
        };
        fs::create_dir(home.plugins()).unwrap();
        for name in components {
            home.put(&format!("{name}.wasm"), &component(name));
        }
        home
    }

    pub fn plugins(&self) -> PathBuf {
        self.directory.path().join("plugins")
    }

    pub fn cache(&self) -> PathBuf {
        self.directory.path().join("cache")
    }

    pub fn put(&self, file: &str, content: &[u8]) {
        fs::write(self.plugins().join(file), content).unwrap();
    }

    pub fn config(&self) -> PluginsConfig {
        PluginsConfig::new(self.plugins(), self.cache())
    }

    pub fn open(&self) -> Plugins {
        Plugins::open(self.config()).unwrap()
    }
}

/// A component that `cargo xtask plugins --fixtures` built.
pub fn component(name: &str) -> Vec<u8> {
    let target = std::env::var_os("CARGO_TARGET_DIR").map_or_else(
        || Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target"),
        PathBuf::from,
    );
    let candidates =
        ["plugins", "plugin-fixtures"].map(|kind| target.join(kind).join(name).with_extension("wasm"));
    let found = candidates.iter().find_map(|file| fs::read(file).ok());
    found.unwrap_or_else(|| panic!("no component {name}: type `cargo xtask plugins --fixtures` first"))
}

/// The component with another manifest.
pub fn with_manifest(component: &[u8], manifest: &str) -> Vec<u8> {
    const NAME: &[u8] = b"kleene:manifest";
    let name = component
        .windows(NAME.len())
        .rposition(|window| window == NAME)
        .unwrap();
    // Before the name stand its length (one byte), the section's size, and the section's identifier, 0.
    let section = component[..name - 1].iter().rposition(|byte| *byte == 0).unwrap();
    let mut changed = component[..section].to_vec();
    let mut body = vec![u8::try_from(NAME.len()).unwrap()];
    body.extend_from_slice(NAME);
    body.extend_from_slice(manifest.as_bytes());
    let size = u16::try_from(body.len()).unwrap();
    changed.extend([0, (size & 0x7f) as u8 | 0x80, (size >> 7) as u8]);
    changed.extend(body);
    changed
}

pub fn subnet(net: &str, gateway: Option<&str>) -> Subnet {
    Subnet {
        net: net.parse().unwrap(),
        gateway: gateway.map(|gateway| gateway.parse().unwrap()),
        host_is_gateway: gateway.is_some(),
    }
}

/// A bridge network, dual stack, hidden behind em0.
pub fn bridge_network() -> NetworkFacts {
    NetworkFacts {
        id: "bbbbbbbbbbbb".parse().unwrap(),
        name: "b".parse().unwrap(),
        kind: NetworkKind("bridge".parse().unwrap()),
        interface: "kleene1".parse().unwrap(),
        subnets: vec![
            subnet("10.0.2.0/24", Some("10.0.2.1")),
            subnet("fd00::/64", Some("fd00::1")),
        ],
        nat: Some("em0".parse().unwrap()),
        icc: true,
        internal: false,
        host_gateway: Some("em0".parse().unwrap()),
    }
}

/// A network of another kind on another interface, IPv4 alone.
pub fn ipnet_network(kind: &str, interface: &str) -> NetworkFacts {
    NetworkFacts {
        id: "aaaaaaaaaaaa".parse().unwrap(),
        name: "a".parse().unwrap(),
        kind: NetworkKind(kind.parse().unwrap()),
        interface: interface.parse().unwrap(),
        subnets: vec![subnet("10.0.1.0/24", None)],
        ..bridge_network()
    }
}

pub fn port(protocol: Protocol, interfaces: &[&str], host: &str, container: &str) -> PublishedPort {
    let range = |text: &str| text.parse::<PortRange>().unwrap();
    PublishedPort {
        protocol,
        interfaces: interfaces.iter().map(|name| name.parse().unwrap()).collect(),
        host_ports: range(host),
        container_ports: range(container),
        targets: vec!["10.0.2.2".parse().unwrap(), "fd00::2".parse().unwrap()],
    }
}

pub fn published() -> Vec<PublishedPort> {
    vec![
        port(Protocol::Tcp, &["em0"], "8080:8090", "80:90"),
        port(Protocol::Udp, &[], "53", "53"),
    ]
}

/// A connection to [`bridge_network`].
pub fn endpoint(vnet: bool, ports: Vec<PublishedPort>) -> EndpointFacts {
    EndpointFacts {
        id: "0a1b2c3d4e5f".parse().unwrap(),
        container: "cccccccccccc".parse().unwrap(),
        container_name: Some("web".parse().unwrap()),
        labels: BTreeMap::new(),
        vnet,
        addresses: vec!["10.0.2.2/24".parse().unwrap(), "fd00::2/64".parse().unwrap()],
        default_routes: vec!["10.0.2.1".parse().unwrap(), "fd00::1".parse().unwrap()],
        host_interface: "kv0a1b2c3d4e".parse().unwrap(),
        jail_interface: "kj0a1b2c3d4e".parse().unwrap(),
        mac: "0a:1b:2c:3d:4e:5f".parse().unwrap(),
        ports,
    }
}

pub fn volume() -> VolumeFacts {
    VolumeFacts {
        name: "v".parse().unwrap(),
        dataset: "volumes/v".parse().unwrap(),
    }
}
