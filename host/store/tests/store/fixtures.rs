//! Records to begin with.

use std::collections::BTreeMap;

use jiff::Timestamp;
use kleene_plan::{Id, MacAddress, NetworkKind};
use kleene_store::{
    Container, Endpoint, Gateway, Image, ImageSettings, Network, NetworkDriver, Read, RestartPolicy, Result,
    Store, StoreError, Write,
};

/// The id that ends in this number.
pub fn id(number: u64) -> Id {
    format!("a{number:011x}").parse().unwrap()
}

pub fn time(second: i64) -> Timestamp {
    Timestamp::from_second(second).unwrap()
}

pub fn texts(texts: &[&str]) -> Vec<String> {
    texts.iter().map(ToString::to_string).collect()
}

pub fn image(number: u64) -> Image {
    Image {
        id: id(number),
        name: String::new(),
        tag: String::new(),
        created: time(0),
        cmd: texts(&["/bin/sh", "-c", "echo \"a b\""]),
        env: texts(&["PATH=/bin"]),
        user: String::new(),
        instructions: Vec::new(),
        settings: ImageSettings::default(),
        snapshots: vec![format!("image/{}@image", id(number)).parse().unwrap()],
        origin: None,
        size: None,
    }
}

pub fn named(number: u64, name: &str, tag: &str) -> Image {
    Image {
        name: name.to_owned(),
        tag: tag.to_owned(),
        ..image(number)
    }
}

/// A container of image 1.
pub fn container(number: u64) -> Container {
    Container {
        id: id(number),
        name: None,
        image: id(1),
        created: time(0),
        cmd: Vec::new(),
        env: Vec::new(),
        user: String::new(),
        working_dir: None,
        stop_signal: None,
        jail_param: Vec::new(),
        network_driver: NetworkDriver::Ipnet,
        persist: false,
        restart_policy: RestartPolicy::No,
        labels: BTreeMap::new(),
        mounts: Vec::new(),
        ports: Vec::new(),
        generation: 0,
        started: None,
        last_exit: None,
    }
}

/// A network of its own subnets: 10.0.0.0/16 and fd00::/64 is 3's, 10.1.0.0/16 and fd00:0:0:1::/64 is 4's, and so on.
pub fn network(number: u64) -> Network {
    let subnet = number - 3;
    Network {
        id: id(number),
        name: format!("net{number}").parse().unwrap(),
        kind: NetworkKind("bridge".parse().unwrap()),
        interface: format!("kleene{number}").parse().unwrap(),
        subnet: Some(format!("10.{subnet}.0.0/16").parse().unwrap()),
        subnet6: Some(format!("fd00:0:0:{subnet:x}::/64").parse().unwrap()),
        gateway: Gateway::Auto,
        gateway6: Gateway::None,
        nat: None,
        icc: true,
        internal: false,
    }
}

/// An endpoint of a container in network 3, without addresses.
pub fn endpoint(number: u64, container: u64) -> Endpoint {
    Endpoint {
        id: id(number),
        container: id(container),
        network: id(3),
        ip4: None,
        ip6: None,
        host_interface: format!("kv{number}").parse().unwrap(),
        jail_interface: format!("kj{number}").parse().unwrap(),
        mac: MacAddress::of_endpoint(&id(number)),
    }
}

/// Image 1, container 2 of it, network 3.
pub fn furnished() -> Store {
    let store = Store::in_memory().unwrap();
    change(&store, |write| {
        write.insert_image(&image(1))?;
        write.insert_container(&container(2))?;
        write.insert_network(&network(3))
    })
    .unwrap();
    store
}

/// [`Store::write`] with this crate's errors.
pub fn change<T>(store: &Store, f: impl FnOnce(&mut Write<'_>) -> Result<T>) -> Result<T> {
    store.write::<T, StoreError>(f)
}

/// [`Store::read`] where nothing can go wrong.
pub fn look<T>(store: &Store, f: impl FnOnce(&Read<'_>) -> Result<T>) -> T {
    store.read::<T, StoreError>(f).unwrap()
}

/// The message of a change that is refused.
pub fn refusal<T: std::fmt::Debug>(store: &Store, f: impl FnOnce(&mut Write<'_>) -> Result<T>) -> String {
    change(store, f).unwrap_err().to_string()
}
