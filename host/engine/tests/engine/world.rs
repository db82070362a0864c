//! A host, the state of a daemon on it, and short ways to ask for things.

use std::fs::{self, File};
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{self, Receiver};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use kleene_api::{
    AUTO, ContainerConfig, EndPointConfig, ExecConfig, ImageCreateConfig, ImageCreateMethod,
    MountPointConfig, MountType, NetworkConfig, NetworkDriver, NetworkType, Protocol, PublishedPortConfig,
    VolumeConfig,
};
use kleene_engine::{Cancel, Engine, EngineConfig, EngineError, ProcessEvent, Subscriber};
use kleene_plan::{ExitStatus, Id};
use kleene_platform::{Gateways, Platform};
use kleene_plugins::{Plugins, PluginsConfig};
use kleene_sim::Sim;
use kleene_store::Store;
use tempfile::TempDir;

use crate::counted::Counted;

/// Long enough for a loaded machine; nothing waits this long when all is well.
const PATIENCE: Duration = Duration::from_secs(10);

/// A simulated host with a way out, `em0`, and the directories of a daemon.
pub struct World {
    pub sim: Sim,
    pub platform: Arc<Counted>,
    directory: TempDir,
}

impl World {
    pub fn new() -> Self {
        let sim = Sim::new().unwrap();
        let egress = "em0".parse().unwrap();
        sim.plant_interface(&egress, ["192.0.2.10/24".parse().unwrap()]);
        sim.set_gateways(Gateways {
            inet: Some(egress),
            inet6: None,
        });
        Self {
            platform: Arc::new(Counted::new(sim.clone())),
            sim,
            directory: tempfile::tempdir().unwrap(),
        }
    }

    /// A daemon starts.
    pub fn open(&self) -> Engine {
        self.open_with(&plugins())
    }

    /// A daemon with these plugins starts.
    pub fn open_with(&self, plugins: &Arc<Plugins>) -> Engine {
        let config = EngineConfig {
            state_dir: self.state_dir(),
            run_dir: self.run_dir(),
            insecure_registries: Vec::new(),
            add_urls: false,
        };
        Engine::open(
            config,
            Arc::clone(&self.platform) as Arc<dyn Platform>,
            Arc::clone(plugins),
        )
        .unwrap()
    }

    /// The daemon that ran until now is dead, and another one starts.
    pub fn restart(&self) -> Engine {
        self.sim.reboot_daemon();
        self.open()
    }

    /// The daemon's database, by a connection of its own.
    pub fn store(&self) -> Store {
        Store::open(self.state_dir().join("kleene.sqlite")).unwrap()
    }

    /// Where everything of this world is, but the contents of its datasets.
    pub fn directory(&self) -> &Path {
        self.directory.path()
    }

    pub fn state_dir(&self) -> PathBuf {
        self.directory.path().join("state")
    }

    pub fn run_dir(&self) -> PathBuf {
        self.directory.path().join("run")
    }

    /// A fresh directory for whatever a test needs.
    pub fn scratch(&self, name: &str) -> PathBuf {
        let path = self.directory.path().join(name);
        fs::create_dir_all(&path).unwrap();
        path
    }

    /// Makes the image `base`: `/etc/passwd`, and two files in `/data`, one of them hidden.
    pub fn base(&self, engine: &Engine) -> Id {
        engine
            .create_image(&self.base_config(), &Cancel::new(), &mut |_| {})
            .unwrap()
    }

    /// How `base` is made: from an archive.
    pub fn base_config(&self) -> ImageCreateConfig {
        let archive = self.directory.path().join("base.tar");
        let mut tar = tar::Builder::new(File::create(&archive).unwrap());
        for (path, content) in [
            ("etc/passwd", "root:*:0:0::/root:/bin/sh\n"),
            ("data/hello", "hello\n"),
            ("data/.hidden", "hidden\n"),
        ] {
            let mut header = tar::Header::new_gnu();
            header.set_size(content.len() as u64);
            header.set_mode(0o644);
            header.set_uid(0);
            header.set_gid(0);
            header.set_mtime(0);
            tar.append_data(&mut header, path, content.as_bytes()).unwrap();
        }
        tar.finish().unwrap();
        ImageCreateConfig {
            dns: false,
            localtime: false,
            tag: "base".to_owned(),
            url: format!("file://{}", archive.display()),
            ..ImageCreateConfig::new(ImageCreateMethod::Fetch)
        }
    }

    /// The files of a container's or image's dataset.
    pub fn files_of(&self, dataset: &str) -> PathBuf {
        self.sim
            .files_of(&dataset.parse().unwrap())
            .unwrap_or_else(|| panic!("there is no dataset {dataset}"))
    }

    /// The names in a directory of a dataset, sorted.
    pub fn listing(&self, dataset: &str, directory: &str) -> Vec<String> {
        names_in(&self.files_of(dataset).join(directory))
    }
}

impl Drop for World {
    /// Ends what still runs, so that no thread of this test works on when its directories go.
    fn drop(&mut self) {
        self.sim.reboot_daemon();
        let _ = self.sim.reboot_host();
        if let Ok(mountpoint) = self.sim.mountpoint(&"x".parse().unwrap())
            && let Some(place) = mountpoint.parent().and_then(Path::parent)
        {
            // Threads of daemons that died in a test hold on to the host, and would to its directory.
            let _ = fs::remove_dir_all(place);
        }
    }
}

/// The first-party plugins, loaded once per process.
pub fn plugins() -> Arc<Plugins> {
    static PLUGINS: OnceLock<Arc<Plugins>> = OnceLock::new();
    Arc::clone(PLUGINS.get_or_init(|| plugins_with(serde_json::json!({}))))
}

/// The first-party plugins, configured by name.
pub fn plugins_with(settings: serde_json::Value) -> Arc<Plugins> {
    let target = target_directory();
    let directory = target.join("plugins");
    for name in ["builder", "network-bridge", "network-loopback", "volume-zfs"] {
        let component = directory.join(name).with_extension("wasm");
        assert!(
            component.is_file(),
            "{} is missing: build the plugins with `cargo xtask plugins`",
            component.display()
        );
    }
    let cache = Path::new(env!("CARGO_TARGET_TMPDIR")).join("plugin-cache");
    let mut config = PluginsConfig::new(directory, cache);
    config.settings = serde_json::from_value(settings).unwrap();
    Arc::new(Plugins::open(config).unwrap())
}

/// Cargo's directory for temporary files of tests is right below it.
fn target_directory() -> &'static Path {
    Path::new(env!("CARGO_TARGET_TMPDIR")).parent().unwrap()
}

pub fn names_in(directory: &Path) -> Vec<String> {
    let mut names: Vec<_> = fs::read_dir(directory)
        .unwrap_or_else(|error| panic!("{}: {error}", directory.display()))
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}

/// What a refused or failed use case says.
#[track_caller]
pub fn refusal<T: std::fmt::Debug>(result: Result<T, EngineError>) -> String {
    result.unwrap_err().to_string()
}

/// Waits until something is so.
#[track_caller]
pub fn eventually(what: &str, mut is_so: impl FnMut() -> bool) {
    let until = Instant::now() + PATIENCE;
    while !is_so() {
        assert!(Instant::now() < until, "{what}: still not so after {PATIENCE:?}");
        std::thread::sleep(Duration::from_millis(2));
    }
}

pub fn texts(texts: &[&str]) -> Vec<String> {
    texts.iter().map(ToString::to_string).collect()
}

/// A container of `base` that sleeps, without a network of its own.
pub fn sleeper(name: &str) -> ContainerConfig {
    ContainerConfig {
        name: Some(name.to_owned()),
        image: Some("base".to_owned()),
        cmd: texts(&["sleep"]),
        network_driver: NetworkDriver::Host,
        ..ContainerConfig::default()
    }
}

pub fn with_driver(name: &str, driver: NetworkDriver) -> ContainerConfig {
    ContainerConfig {
        network_driver: driver,
        ..sleeper(name)
    }
}

pub fn volume_at(source: &str, destination: &str) -> MountPointConfig {
    MountPointConfig {
        destination: destination.to_owned(),
        read_only: false,
        source: source.to_owned(),
        kind: MountType::Volume,
    }
}

pub fn nullfs_at(source: &Path, destination: &str) -> MountPointConfig {
    MountPointConfig {
        source: source.display().to_string(),
        kind: MountType::Nullfs,
        ..volume_at("", destination)
    }
}

pub fn published(host: &str, container: &str) -> PublishedPortConfig {
    PublishedPortConfig {
        container_port: container.to_owned(),
        host_port: host.to_owned(),
        interfaces: Vec::new(),
        protocol: Protocol::Tcp,
    }
}

/// A bridge with a gateway of its own.
pub fn bridge(name: &str, subnet: &str) -> NetworkConfig {
    NetworkConfig {
        gateway: AUTO.to_owned(),
        subnet: subnet.to_owned(),
        ..NetworkConfig::new(name, NetworkType::Bridge)
    }
}

pub fn loopback(name: &str, subnet: &str) -> NetworkConfig {
    NetworkConfig {
        subnet: subnet.to_owned(),
        ..NetworkConfig::new(name, NetworkType::Loopback)
    }
}

pub fn endpoint(container: &str, network: &str) -> EndPointConfig {
    EndPointConfig {
        container: container.to_owned(),
        network: network.to_owned(),
        ip_address: AUTO.to_owned(),
        ip_address6: AUTO.to_owned(),
    }
}

pub fn volume(name: &str) -> VolumeConfig {
    VolumeConfig {
        name: name.to_owned(),
    }
}

/// A command in a container; without words, the container's own.
pub fn command(container: &str, words: &[&str]) -> ExecConfig {
    ExecConfig {
        container_id: container.to_owned(),
        cmd: texts(words),
        ..ExecConfig::default()
    }
}

/// Starts a container with its own command.
pub fn start(engine: &Engine, container: &str) -> Result<Id, EngineError> {
    let exec = engine.create_exec(&command(container, &[]))?;
    engine.start_exec(exec.as_str(), true, None)?;
    Ok(exec)
}

/// Starts a command and waits for its end. Returns what it printed, how it ended, and whether the container ended.
pub fn run(engine: &Engine, config: &ExecConfig) -> Result<(String, ExitStatus, bool), EngineError> {
    let exec = engine.create_exec(config)?;
    let (subscriber, events) = subscriber();
    engine.start_exec(exec.as_str(), true, Some(subscriber))?;
    Ok(to_the_end(&events))
}

/// Somebody attached who keeps what he is told.
pub fn subscriber() -> (Subscriber, Receiver<ProcessEvent>) {
    let (sender, events) = mpsc::channel();
    let subscriber = move |event| match sender.send(event) {
        Ok(()) => ControlFlow::Continue(()),
        Err(_) => ControlFlow::Break(()),
    };
    (Box::new(subscriber), events)
}

/// All that is told of a process until it ends.
#[track_caller]
pub fn to_the_end(events: &Receiver<ProcessEvent>) -> (String, ExitStatus, bool) {
    let mut output = Vec::new();
    loop {
        match events.recv_timeout(PATIENCE).expect("the process did not end") {
            ProcessEvent::Output(bytes) => output.extend(bytes),
            ProcessEvent::Exited {
                status,
                container_ended,
            } => return (String::from_utf8(output).unwrap(), status, container_ended),
        }
    }
}

pub fn is_running(engine: &Engine, container: &str) -> bool {
    engine.inspect_container(container).unwrap().container.running
}
