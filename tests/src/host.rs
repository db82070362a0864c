//! A host of its own with a daemon of its own: what end-to-end tests, the demo and the benchmarks work on.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use serde_json::Value;

use crate::ground::Ground;
use crate::outcome::Outcome;
use crate::programs::Programs;
use crate::sandbox::Sandbox;
use crate::traces::Traces;
use crate::words::words;

/// How long a daemon may take from its start until it listens, in a debug build on a busy machine.
const START_LIMIT: Duration = Duration::from_secs(30);
/// How long processes may take to vanish after they were told to.
const SETTLE_LIMIT: Duration = Duration::from_secs(3);

/// A throw-away host with a daemon.
///
/// When one that was made for a test by [`Host::start`] is dropped, everything is removed by `klee` and the daemon is
/// stopped; what is left then on the host fails the test. A test that has failed already shows the daemon's log instead.
#[derive(Debug)]
pub struct Host {
    ground: Ground,
    sandbox: Sandbox,
    programs: Programs,
    daemon: Option<Child>,
    before: Traces,
    is_a_tests: bool,
}

impl Host {
    /// A host with a running daemon, of the programs of this build, on the ground that the environment names.
    ///
    /// # Panics
    /// If there is no such host on this machine, saying what is missing.
    #[must_use]
    #[track_caller]
    pub fn start() -> Self {
        Self::start_on(Ground::of_environment())
    }

    /// As [`Host::start`], on this ground.
    ///
    /// # Panics
    /// As [`Host::start`].
    #[must_use]
    #[track_caller]
    pub fn start_on(ground: Ground) -> Self {
        Self::of_a_test(Programs::of_this_build().and_then(|programs| Self::on(ground, programs)))
    }

    /// As [`Host::start`], with these programs.
    ///
    /// # Panics
    /// As [`Host::start`].
    #[must_use]
    #[track_caller]
    pub fn start_with(programs: Programs) -> Self {
        Self::of_a_test(Self::on(Ground::of_environment(), programs))
    }

    #[track_caller]
    fn of_a_test(host: Result<Self>) -> Self {
        match host {
            Ok(mut host) => {
                host.is_a_tests = true;
                host
            }
            Err(error) => panic!("{error:#}"),
        }
    }

    /// A host with a running daemon and the image `minimal`: a shell and busybox.
    ///
    /// # Panics
    /// As [`Host::start`].
    #[must_use]
    #[track_caller]
    pub fn with_minimal_image() -> Self {
        let host = Self::start();
        host.create_minimal_image();
        host
    }

    /// Makes the image `minimal`: a shell and busybox.
    ///
    /// # Panics
    /// If the daemon does not make it.
    #[track_caller]
    pub fn create_minimal_image(&self) {
        self.klee("image create -t minimal host --bin /bin/sh --bin /bin/busybox --bin /bin/true")
            .ok();
    }

    /// A host on Linux with a running daemon of these programs.
    ///
    /// # Errors
    /// If this machine does not let us, or the daemon does not start.
    pub fn with(programs: Programs) -> Result<Self> {
        Self::on(Ground::Linux, programs)
    }

    fn on(ground: Ground, programs: Programs) -> Result<Self> {
        let sandbox = Sandbox::new()?;
        ground.prepare(&sandbox, &programs)?;
        fs::write(
            sandbox.directory().join("kleened.toml"),
            configuration(ground, &sandbox, &programs),
        )?;
        let before = Traces::of(ground, &sandbox)?;
        let mut host = Self {
            ground,
            sandbox,
            programs,
            daemon: None,
            before,
            is_a_tests: false,
        };
        host.start_daemon()?;
        Ok(host)
    }

    /// What it is made of.
    #[must_use]
    pub fn ground(&self) -> Ground {
        self.ground
    }

    /// The namespaces it lives in.
    #[must_use]
    pub fn sandbox(&self) -> &Sandbox {
        &self.sandbox
    }

    /// The daemon's directory of what lasts.
    #[must_use]
    pub fn state_dir(&self) -> PathBuf {
        self.ground.state_dir(&self.sandbox)
    }

    /// The daemon's directory of what ends with the host.
    #[must_use]
    pub fn run_dir(&self) -> PathBuf {
        self.ground.run_dir(&self.sandbox)
    }

    /// A directory of this name for whatever a test needs, made if need be.
    ///
    /// # Panics
    /// If it cannot be made.
    #[must_use]
    pub fn directory(&self, name: &str) -> PathBuf {
        let directory = self.sandbox.directory().join(name);
        if let Err(error) = fs::create_dir_all(&directory) {
            panic!("cannot make {}: {error}", directory.display());
        }
        directory
    }

    // The daemon

    /// The socket at which it listens.
    #[must_use]
    pub fn socket(&self) -> PathBuf {
        self.sandbox.directory().join("kleened.sock")
    }

    fn log_path(&self) -> PathBuf {
        self.sandbox.directory().join("kleened.log")
    }

    /// What clients call its address.
    #[must_use]
    pub fn url(&self) -> String {
        format!("http://{}", self.socket().display())
    }

    /// A daemon on this host's directories, not started yet.
    #[must_use]
    pub fn daemon_command(&self) -> Command {
        let mut command = self.sandbox.service(&self.programs.kleened);
        command
            .arg("--config")
            .arg(self.sandbox.directory().join("kleened.toml"));
        command
    }

    /// Adds to the daemon's configuration and starts it anew.
    ///
    /// # Errors
    /// What it says if it does not start.
    pub fn configure(&mut self, more: &str) -> Result<()> {
        self.reconfigure(|text| text + more)
    }

    /// Changes the daemon's configuration and starts it anew.
    ///
    /// # Errors
    /// What it says if it does not start.
    pub fn reconfigure(&mut self, change: impl FnOnce(String) -> String) -> Result<()> {
        if self.daemon.is_some() {
            self.stop_daemon()?;
        }
        let path = self.sandbox.directory().join("kleened.toml");
        let text = fs::read_to_string(&path)?;
        fs::write(path, change(text))?;
        self.start_daemon()
    }

    /// Starts the daemon and waits until it answers.
    ///
    /// # Errors
    /// What it says if it ends instead.
    pub fn start_daemon(&mut self) -> Result<()> {
        let log = OpenOptions::new()
            .create(true)
            .append(true)
            .open(self.log_path())?;
        let mut daemon = self
            .daemon_command()
            .stdout(log.try_clone()?)
            .stderr(log)
            .spawn()?;
        let deadline = Instant::now() + START_LIMIT;
        while !self.answers() {
            if let Some(status) = daemon.try_wait()? {
                bail!(
                    "kleened ended as soon as it started ({status}):\n{}",
                    self.daemon_log()
                );
            }
            if Instant::now() > deadline {
                self.daemon = Some(daemon);
                bail!(
                    "kleened does not listen after {START_LIMIT:?}:\n{}",
                    self.daemon_log()
                );
            }
            thread::sleep(Duration::from_millis(2));
        }
        self.daemon = Some(daemon);
        Ok(())
    }

    /// Whether the daemon answers a request: it takes connections before it has recovered from the last one's end.
    fn answers(&self) -> bool {
        const REQUEST: &[u8] = b"GET /volumes/list HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";
        let ask = || -> io::Result<usize> {
            let mut connection = UnixStream::connect(self.socket())?;
            connection.set_read_timeout(Some(START_LIMIT))?;
            connection.write_all(REQUEST)?;
            connection.read(&mut [0; 64])
        };
        ask().is_ok_and(|count| count > 0)
    }

    /// Ends the daemon as administrators do, and waits for its end.
    ///
    /// # Errors
    /// If it does not run, or ends by a failure.
    pub fn stop_daemon(&mut self) -> Result<()> {
        self.signal_daemon("TERM")?;
        if let Some(mut daemon) = self.daemon.take() {
            let status = daemon.wait()?;
            ensure!(
                status.success(),
                "kleened ended with {status}:\n{}",
                self.daemon_log()
            );
        }
        Ok(())
    }

    /// Ends the daemon as a crash would.
    ///
    /// # Errors
    /// If it does not run.
    pub fn kill_daemon(&mut self) -> Result<()> {
        self.signal_daemon("KILL")?;
        self.await_daemon_end()
    }

    /// Waits for the end of a daemon that was killed by others.
    ///
    /// # Errors
    /// If it cannot be waited for.
    pub fn await_daemon_end(&mut self) -> Result<()> {
        if let Some(mut daemon) = self.daemon.take() {
            daemon.wait()?;
        }
        Ok(())
    }

    /// The daemon's process id, as processes on its host see it.
    ///
    /// # Errors
    /// If it does not run.
    pub fn daemon_pid(&self) -> Result<u32> {
        let pid = fs::read_to_string(self.run_dir().join("kleened.pid")).context("kleened does not run")?;
        Ok(pid.trim().parse()?)
    }

    fn signal_daemon(&self, signal: &str) -> Result<()> {
        let pid = self.daemon_pid()?.to_string();
        let status = self.sandbox.command("kill").args(["-s", signal, &pid]).status()?;
        ensure!(status.success(), "kill -s {signal} {pid} of kleened failed");
        Ok(())
    }

    /// What the daemons of this host have said.
    #[must_use]
    pub fn daemon_log(&self) -> String {
        fs::read_to_string(self.log_path()).unwrap_or_default()
    }

    // Commands

    /// `klee` with these words, which may be quoted by `'`.
    #[must_use]
    pub fn klee_command(&self, line: &str) -> Command {
        let mut command = Command::new(&self.programs.klee);
        command
            .args(words(line))
            .env("KLEE_HOST", self.url())
            .current_dir(self.sandbox.directory());
        command
    }

    /// Runs `klee` with these words, which may be quoted by `'`.
    ///
    /// # Panics
    /// If it cannot be run at all.
    #[track_caller]
    pub fn klee(&self, line: &str) -> Outcome {
        Outcome::of(&format!("klee {line}"), &mut self.klee_command(line))
    }

    /// As [`klee`](Self::klee), where the host's network is: a daemon is reached there by TCP, too.
    ///
    /// # Panics
    /// If it cannot be run at all.
    #[track_caller]
    pub fn klee_inside(&self, line: &str) -> Outcome {
        let mut command = self.sandbox.command(&self.programs.klee);
        Outcome::of(&format!("klee {line}"), command.args(words(line)))
    }

    /// `klee <kind> ls --format json`, all of them.
    ///
    /// # Panics
    /// If there is no such listing.
    #[must_use]
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
    ///
    /// # Panics
    /// If there is no such object.
    #[must_use]
    #[track_caller]
    pub fn inspect(&self, kind: &str, name: &str) -> Value {
        let text = self.klee(&format!("{kind} inspect {name}")).ok();
        match serde_json::from_str(&text) {
            Ok(object) => object,
            Err(error) => panic!("klee {kind} inspect {name} is not JSON: {error}\n{text}"),
        }
    }

    // What is there

    /// Everything on the host that a daemon can leave behind.
    ///
    /// # Errors
    /// If the host does not tell.
    pub fn traces(&self) -> Result<Traces> {
        Ok(Traces::of(self.ground, &self.sandbox)?.since(&self.before))
    }

    /// All objects and everything on the host: equal before and after whatever changes nothing.
    ///
    /// # Panics
    /// If daemon or host do not tell.
    #[must_use]
    #[track_caller]
    pub fn state(&self) -> (Vec<Vec<Value>>, Traces) {
        let objects = ["container", "image", "network", "volume"]
            .map(|kind| self.list(kind).into_iter().map(unmeasured).collect())
            .to_vec();
        match self.traces() {
            Ok(traces) => (objects, traces),
            Err(error) => panic!("{error:#}"),
        }
    }

    /// Removes every object through `klee`.
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
                let mut removed = 0;
                for name in objects.iter().filter_map(|object| object.get(key)?.as_str()) {
                    let outcome = self.klee(&format!("{kind} rm {options}{name}"));
                    removed += usize::from(outcome.succeeded());
                    complaints = format!("{complaints}{outcome}\n");
                }
                if removed == objects.len() {
                    break;
                }
                ensure!(
                    removed > 0,
                    "could not remove everything of kind {kind}:\n{complaints}"
                );
            }
        }
        Ok(())
    }

    /// Ends the daemon and says what it left behind, after processes had their time to end.
    ///
    /// # Errors
    /// If it does not end well, or the host does not tell.
    pub fn leftovers(&mut self) -> Result<Traces> {
        if self.daemon.is_some() {
            self.stop_daemon()?;
        }
        let deadline = Instant::now() + SETTLE_LIMIT;
        loop {
            let traces = self.traces()?;
            if traces.is_empty() || Instant::now() > deadline {
                return Ok(traces);
            }
            thread::sleep(Duration::from_millis(10));
        }
    }

    fn finish(&mut self) -> Result<()> {
        if self.daemon.is_some() {
            self.clear()?;
        }
        let left = self.leftovers()?;
        ensure!(
            left.is_empty(),
            "this was left behind after everything had been removed:\n{left}"
        );
        Ok(())
    }
}

impl Drop for Host {
    fn drop(&mut self) {
        if !self.is_a_tests {
            return;
        }
        if thread::panicking() {
            eprintln!("--- the daemon's log:\n{}---", self.daemon_log());
            return;
        }
        if let Err(error) = self.finish() {
            panic!("{error:#}\n--- the daemon's log:\n{}---", self.daemon_log());
        }
    }
}

/// The daemon's configuration file.
fn configuration(ground: Ground, sandbox: &Sandbox, programs: &Programs) -> String {
    let directory = sandbox.directory().display();
    let platform = ground.configuration(sandbox);
    let plugins = programs.plugins.display();
    let cache = programs.compiled_plugins();
    format!(
        r#"{platform}
run_dir = "{directory}/run"
listen = ["http://{directory}/kleened.sock"]
log_level = "debug"

[plugins]
directory = "{plugins}"
cache = "{}"
"#,
        cache.display()
    )
}

/// Writes a file of a test, and makes its directory if need be.
///
/// # Panics
/// If it cannot be written.
#[track_caller]
pub fn write(path: impl AsRef<Path>, content: impl AsRef<[u8]>) {
    let path = path.as_ref();
    let written = fs::create_dir_all(path.parent().unwrap_or(path))
        .and_then(|()| File::create(path))
        .and_then(|mut file| file.write_all(content.as_ref()));
    if let Err(error) = written {
        panic!("cannot write {}: {error}", path.display());
    }
}

/// Objects without what is found out some time after they were made: how much an image holds.
#[must_use]
pub fn unmeasured(mut shown: Value) -> Value {
    match &mut shown {
        Value::Object(object) => {
            object.remove("size");
        }
        Value::Array(objects) => objects
            .iter_mut()
            .for_each(|object| *object = unmeasured(object.take())),
        _ => {}
    }
    shown
}
