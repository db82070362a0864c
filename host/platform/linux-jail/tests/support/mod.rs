//! Jails for tests: a root of busybox, a supervisor, and a daemon's view of both.
#![allow(dead_code, reason = "each test uses its part")]
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "these are tests")]

pub mod crun;

use std::ffi::OsString;
use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use kleene_plan::{
    ExitStatus, Id, JailMount, JailNetwork, JailSpec, Launch, LaunchMode, ProcessSpec, WindowSize,
};
use kleene_supervisor::{Connection, Event, Events};

/// A container in a directory of its own.
pub struct Container {
    pub dir: tempfile::TempDir,
    pub id: Id,
    pub network: JailNetwork,
    pub mounts: Vec<JailMount>,
    pub parameters: Vec<String>,
    pub user: String,
    pub directory: Option<PathBuf>,
    pub env: Vec<String>,
    pub terminal: Option<WindowSize>,
}

/// How a process ended and what it printed.
#[derive(Debug, PartialEq, Eq)]
pub struct Outcome {
    pub output: String,
    pub end: Event,
}

impl Outcome {
    pub fn code(&self) -> u8 {
        match self.end {
            Event::Exited(status) => status.code(),
            ref other => panic!("{other:?} after {:?}", self.output),
        }
    }

    pub fn failure(&self) -> &str {
        match &self.end {
            Event::Failed(reason) => reason,
            other => panic!("{other:?} after {:?}", self.output),
        }
    }
}

impl Container {
    /// With a root that holds busybox, some links to it and a user.
    pub fn new() -> Self {
        assert!(
            rustix::process::geteuid().is_root(),
            "jails need root: run these tests as root"
        );
        let dir = tempfile::tempdir().unwrap();
        make_root(&dir.path().join("root"));
        Self {
            dir,
            id: Id::generate(),
            network: JailNetwork::Inherit,
            mounts: Vec::new(),
            parameters: Vec::new(),
            user: String::new(),
            directory: Some("/".into()),
            env: Vec::new(),
            terminal: None,
        }
    }

    pub fn root(&self) -> PathBuf {
        self.dir.path().join("root")
    }

    pub fn run_root(&self) -> PathBuf {
        self.dir.path().join("run")
    }

    pub fn jail_dir(&self) -> PathBuf {
        self.run_root().join(self.id.as_str())
    }

    /// Starts a process; its run directory has a name of its own.
    pub fn launch(&self, mode: LaunchMode, argv: &[&str]) -> (Connection, PathBuf) {
        let run_dir = self.jail_dir().join(Id::generate().as_str());
        let launch = Launch {
            jail: JailSpec {
                id: self.id.clone(),
                root: self.root(),
                network: self.network.clone(),
                mounts: self.mounts.clone(),
                parameters: self.parameters.clone(),
            },
            process: ProcessSpec {
                argv: argv.iter().map(|&word| word.to_owned()).collect(),
                env: self.env.clone(),
                user: self.user.clone(),
                directory: self.directory.clone(),
                terminal: self.terminal,
            },
            mode,
            log: None,
        };
        (
            kleene_supervisor::spawn(&[supervisor()], &run_dir, &launch).unwrap(),
            run_dir,
        )
    }

    /// Starts the jail and waits for its end.
    pub fn run(&self, argv: &[&str]) -> Outcome {
        let (connection, _) = self.launch(LaunchMode::Start, argv);
        until_end(&mut connection.split().0)
    }

    /// Runs a shell script in a new jail.
    pub fn sh(&self, script: &str) -> Outcome {
        self.run(&["sh", "-c", script])
    }

    /// Starts the jail and waits until it prints `ready`.
    pub fn start(&self, script: &str) -> Started {
        let (connection, run_dir) = self.launch(LaunchMode::Start, &["sh", "-c", script]);
        let (mut events, inputs) = connection.split();
        let mut output = String::new();
        while !output.contains("ready") {
            match events.next().unwrap() {
                Some(Event::Output(bytes)) => output.push_str(&String::from_utf8_lossy(&bytes)),
                Some(Event::Started { .. }) => {}
                other => panic!("{other:?} after {output:?}"),
            }
        }
        Started {
            events,
            inputs,
            run_dir,
        }
    }

    /// Runs another process in the jail that runs.
    pub fn exec(&self, script: &str) -> Outcome {
        let (connection, _) = self.launch(LaunchMode::Join, &["sh", "-c", script]);
        until_end(&mut connection.split().0)
    }

    pub fn cgroup(&self) -> PathBuf {
        let unified = ["/sys/fs/cgroup", "/sys/fs/cgroup/unified"];
        let unified = unified
            .iter()
            .find(|root| Path::new(root).join("cgroup.procs").exists());
        Path::new(unified.unwrap_or(&"/sys/fs/cgroup/pids"))
            .join("kleene")
            .join(self.id.as_str())
    }

    pub fn stop_by(&self, signal: rustix::process::Signal, grace: Duration) {
        kleene_linux_jail::stop(&self.run_root(), &self.id, Some(signal), grace).unwrap();
    }

    pub fn stop(&self, grace: Duration) {
        kleene_linux_jail::stop(&self.run_root(), &self.id, None, grace).unwrap();
    }
}

impl Drop for Container {
    /// A test that fails leaves no jail behind.
    fn drop(&mut self) {
        let _ = kleene_linux_jail::stop(&self.run_root(), &self.id, None, Duration::ZERO);
    }
}

/// A jail that runs.
pub struct Started {
    pub events: Events,
    pub inputs: kleene_supervisor::Inputs,
    pub run_dir: PathBuf,
}

impl Started {
    pub fn end(mut self) -> Outcome {
        until_end(&mut self.events)
    }
}

/// A root of busybox under all names that the tests use.
pub fn make_root(root: &Path) {
    for directory in ["bin", "etc", "tmp", "root", "home/anna"] {
        fs::create_dir_all(root.join(directory)).unwrap();
    }
    fs::copy("/bin/busybox", root.join("bin/busybox"))
        .expect("these tests need a static busybox: apt-get install busybox-static");
    for name in NAMES.split_ascii_whitespace() {
        symlink("busybox", root.join("bin").join(name)).unwrap();
    }
    fs::write(
        root.join("etc/passwd"),
        "root:x:0:0::/root:/bin/sh\nanna:x:1000:1000::/home/anna:/bin/sh\n",
    )
    .unwrap();
    fs::write(
        root.join("etc/group"),
        "root:x:0:\nanna:x:1000:\nstaff:x:50:anna\n",
    )
    .unwrap();
}

const NAMES: &str = "sh cat echo env false find grep head hostname id ip kill ls mknod mount mkdir nc ping ps pwd \
    readlink sed sleep sort stat stty touch tr true tty umount unshare wc";

/// All output up to the end.
pub fn until_end(events: &mut Events) -> Outcome {
    let mut output = Vec::new();
    loop {
        match events.next().unwrap().expect("the supervisor told no end") {
            Event::Started { .. } => {}
            Event::Output(bytes) => output.extend(bytes),
            end => {
                return Outcome {
                    output: String::from_utf8_lossy(&output).into_owned(),
                    end,
                };
            }
        }
    }
}

/// The supervisor of these tests.
pub fn supervisor() -> OsString {
    env!("CARGO_BIN_EXE_jail_supervisor").into()
}

pub fn eventually(what: &str, condition: impl Fn() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(10);
    while !condition() {
        assert!(Instant::now() < deadline, "never: {what}");
        std::thread::sleep(Duration::from_millis(2));
    }
}

pub const TERMINATED: Event = Event::Exited(ExitStatus::Signal(15));
