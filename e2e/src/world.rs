//! What a test works with: a daemon on this host, the image `minimal`, and whatever it asks `klee` for.

use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use kleene_tests::Outcome;
use serde_json::Value;

use crate::daemon::Daemon;
use crate::host::Host;
use crate::site::Site;
use crate::storage::Storage;
use crate::traces::Traces;

/// How long processes and interfaces may take to vanish after they were told to.
const SETTLE_LIMIT: Duration = Duration::from_secs(10);

/// Programs of the image `minimal`, as far as the host has them.
const PROGRAMS: [&str; 5] = ["/bin/sh", "/bin/cat", "/bin/ls", "/bin/sleep", "/usr/bin/id"];

/// A daemon on this host and all that belongs to it.
#[derive(Debug)]
pub struct World {
    pub host: Arc<Host>,
    pub daemon: Daemon,
    directory: PathBuf,
    probe: PathBuf,
    root: String,
}

impl World {
    /// A world whose daemon is not started yet.
    ///
    /// # Errors
    /// If its files cannot be written.
    pub fn new(host: Arc<Host>, site: Site, storage: &Storage, log: Option<PathBuf>) -> Result<Self> {
        let log = log.unwrap_or_else(|| site.directory.join("kleened.log"));
        let root = storage.root();
        Ok(Self {
            daemon: Daemon::configure(&host, site.programs, &site.directory, &root, log)?,
            host,
            directory: site.directory,
            probe: site.probe,
            root,
        })
    }

    /// The dataset or directory of what lasts.
    pub fn root(&self) -> &str {
        &self.root
    }

    /// A directory for whatever a test needs, made if need be, and empty.
    pub fn directory(&self, name: &str) -> PathBuf {
        let directory = self.directory.join("files").join(name);
        if directory.exists() {
            expect(fs::remove_dir_all(&directory), "remove", &directory);
        }
        expect(fs::create_dir_all(&directory), "make", &directory);
        directory
    }

    /// A build context of these files.
    pub fn context(&self, files: &[(&str, &str)]) -> String {
        let directory = self.directory("context");
        for (name, content) in files {
            write(&directory.join(name), content);
        }
        directory.display().to_string()
    }

    // Commands

    /// Runs `klee` with these words, which may be quoted by `'`.
    #[track_caller]
    pub fn klee(&self, line: &str) -> Outcome {
        Outcome::of(&format!("klee {line}"), &mut self.daemon.klee_command(line))
    }

    /// Starts `klee` and does not wait for it.
    #[track_caller]
    pub fn begin(&self, line: &str) -> std::process::Child {
        let mut command = self.daemon.klee_command(line);
        command
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        match command.spawn() {
            Ok(child) => child,
            Err(error) => panic!("cannot run klee: {error}"),
        }
    }

    /// The options of `klee image create` for programs of the host that containers of tests run.
    pub fn programs(&self) -> String {
        let present = PROGRAMS.into_iter().filter(|path| Path::new(path).exists());
        let options: Vec<String> = present.map(|path| format!("--bin {path}")).collect();
        format!("{} --bin {}", options.join(" "), self.probe.display())
    }

    /// Makes the image `minimal` unless it is there.
    #[track_caller]
    pub fn minimal(&self) {
        if !self.klee("image inspect minimal").succeeded() {
            self.klee(&format!("image create -t minimal host {}", self.programs()))
                .ok();
        }
    }

    /// A command for containers: a server that answers with a line.
    pub fn serve(&self, port: u16, answer: &str) -> String {
        format!("{} serve {port} {answer}", self.probe.display())
    }

    /// A command for containers: prints what is answered there.
    pub fn ask(&self, at: SocketAddr) -> String {
        format!("{} ask {at}", self.probe.display())
    }

    /// `klee <kind> ls`, all of them.
    #[track_caller]
    pub fn list(&self, kind: &str) -> Vec<Value> {
        let all = if kind == "container" { " -a" } else { "" };
        let text = self.klee(&format!("{kind} ls{all} --format json")).ok();
        match serde_json::from_str(&text) {
            Ok(Value::Array(objects)) => objects,
            other => panic!("klee {kind} ls --format json is not a list: {other:?}"),
        }
    }

    /// `klee <kind> inspect <name>`.
    #[track_caller]
    pub fn inspect(&self, kind: &str, name: &str) -> Value {
        let text = self.klee(&format!("{kind} inspect {name}")).ok();
        match serde_json::from_str(&text) {
            Ok(object) => object,
            Err(error) => panic!("klee {kind} inspect {name} is not JSON: {error}\n{text}"),
        }
    }

    /// The id of a container.
    #[track_caller]
    pub fn id_of(&self, container: &str) -> String {
        let id = &self.inspect("container", container)["container"]["id"];
        id.as_str().unwrap_or_default().to_owned()
    }

    /// Whether a container runs.
    #[track_caller]
    pub fn runs(&self, container: &str) -> bool {
        self.inspect("container", container)["container"]["running"] == true
    }

    /// Where a port of a container is, at its first address.
    #[track_caller]
    pub fn at(&self, container: &str, port: u16) -> SocketAddr {
        let endpoints = &self.inspect("container", container)["container_endpoints"];
        let address = endpoints[0]["ip_address"].as_str().unwrap_or_default();
        match address.parse() {
            Ok(address) => SocketAddr::new(address, port),
            Err(error) => panic!("container {container} has no address: '{address}': {error}"),
        }
    }

    // The end of a test

    /// What is on the host now.
    ///
    /// # Errors
    /// If the host does not tell.
    pub fn traces(&self) -> Result<Traces> {
        Traces::of(&self.host, &self.directory)
    }

    /// What is on the host, once it does not differ from `wanted`, or after some time if it still does.
    ///
    /// # Errors
    /// If the host does not tell.
    pub fn settled(&self, wanted: &Traces) -> Result<Traces> {
        settled(&self.host, &self.directory, wanted)
    }

    /// Removes every object but the image `minimal`.
    ///
    /// # Errors
    /// With what could not be removed.
    pub fn clear(&self) -> Result<()> {
        for (kind, key, options) in [
            ("container", "id", "-f "),
            ("image", "id", ""),
            ("network", "id", ""),
            ("volume", "name", ""),
        ] {
            let mut complaints = String::new();
            // Images that others were built from go after those.
            loop {
                let objects = self.list(kind);
                let names: Vec<&str> = objects
                    .iter()
                    .filter(|object| kind != "image" || object["name"] != "minimal")
                    .filter_map(|object| object[key].as_str())
                    .collect();
                let mut removed = 0;
                for name in &names {
                    let outcome = self.klee(&format!("{kind} rm {options}{name}"));
                    removed += usize::from(outcome.succeeded());
                    complaints = format!("{complaints}{outcome}\n");
                }
                if removed == names.len() {
                    break;
                }
                ensure!(removed > 0, "could not remove every {kind}:\n{complaints}");
            }
        }
        Ok(())
    }
}

/// What is on a host, once it does not differ from `wanted`, or after some time if it still does.
///
/// # Errors
/// If the host does not tell.
pub fn settled(host: &Host, directory: &Path, wanted: &Traces) -> Result<Traces> {
    let deadline = Instant::now() + SETTLE_LIMIT;
    loop {
        let traces = Traces::of(host, directory)?;
        if traces.changes_since(wanted).is_empty() || Instant::now() > deadline {
            return Ok(traces);
        }
        thread::sleep(Duration::from_millis(50));
    }
}

/// Waits until something is so.
#[track_caller]
pub fn eventually(what: &str, mut is_so: impl FnMut() -> bool) {
    let deadline = Instant::now() + SETTLE_LIMIT;
    while !is_so() {
        assert!(Instant::now() < deadline, "{what}: not within {SETTLE_LIMIT:?}");
        thread::sleep(Duration::from_millis(20));
    }
}

/// Writes a file.
#[track_caller]
pub fn write(path: &Path, content: &str) {
    expect(fs::write(path, content), "write", path);
}

/// Reads a file.
#[track_caller]
pub fn read(path: &Path) -> String {
    match fs::read_to_string(path) {
        Ok(text) => text,
        Err(error) => panic!("cannot read {}: {error}", path.display()),
    }
}

#[track_caller]
fn expect(result: std::io::Result<()>, verb: &str, path: &Path) {
    if let Err(error) = result {
        panic!("cannot {verb} {}: {error}", path.display());
    }
}
