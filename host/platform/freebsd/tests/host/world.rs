//! A host for one test: fake tools in a directory of its own, in a mount namespace of its own.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use kleene_freebsd::{FreeBsdConfig, FreeBsdPlatform, Tools};
use kleene_plan::{
    Bridge, DatasetName, Id, JailNetwork, JailSpec, Launch, LaunchMode, MacAddress, Op, Owner, Pair,
    ProcessSpec,
};
use kleene_platform::{Platform, Result};
use kleene_rootfs::Root;
use kleene_supervisor::{Event, Events, Inputs};
use rustix::mount::{MountPropagationFlags, mount_change};
use rustix::thread::UnshareFlags;

pub(crate) const CONTAINER: &str = "c0ffee001122";
pub(crate) const NETWORK: &str = "aaaaaaaaaaaa";
pub(crate) const ENDPOINT: &str = "0a1b2c3d4e5f";

/// A host and the platform on it.
pub(crate) struct World {
    /// Removed by hand, with care.
    directory: PathBuf,
    pub(crate) platform: FreeBsdPlatform,
}

pub(crate) fn id(text: &str) -> Id {
    text.parse().unwrap()
}

pub(crate) fn network() -> Owner {
    Owner::Network(id(NETWORK))
}

pub(crate) fn endpoint() -> Owner {
    Owner::Endpoint(id(ENDPOINT))
}

pub(crate) fn bridge() -> Bridge {
    Bridge {
        name: "kleene0".parse().unwrap(),
        owner: network(),
        addresses: vec!["10.13.37.1/24".parse().unwrap(), "fd00::1/64".parse().unwrap()],
    }
}

pub(crate) fn pair() -> Pair {
    Pair {
        host: format!("k{ENDPOINT}a").parse().unwrap(),
        jail: format!("k{ENDPOINT}b").parse().unwrap(),
        bridge: "kleene0".parse().unwrap(),
        mac: MacAddress::of_endpoint(&id(ENDPOINT)),
        isolated: true,
        owner: endpoint(),
    }
}

impl World {
    pub(crate) fn new() -> Self {
        own_mounts();
        let directory = tempfile::tempdir().unwrap().keep();
        let installed = Command::new(env!("CARGO_BIN_EXE_fake_freebsd"))
            .arg("install")
            .arg(&directory)
            .status();
        assert!(installed.unwrap().success());
        let platform = open(&directory, "run");
        Self { directory, platform }
    }

    /// Another daemon on the same host, after the end of this one.
    pub(crate) fn reopen(&mut self) {
        // Only when nothing is left of the one there waits no other for its tools.
        self.platform = open(&self.directory, "elsewhere");
        self.platform = open(&self.directory, "run");
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.directory.join(name)
    }

    pub(crate) fn run_dir(&self) -> PathBuf {
        self.path("run")
    }

    /// Runs one of the fake tools as an administrator would.
    pub(crate) fn tool(&self, line: &str) -> String {
        let mut words = line.split(' ');
        let program = self.path("bin").join(words.next().unwrap());
        let output = Command::new(program).args(words).output().unwrap();
        let text = [output.stdout, output.stderr].concat();
        String::from_utf8(text).unwrap()
    }

    /// Changes what the host says of itself.
    pub(crate) fn set_release(&self, release: &str) {
        let file = self.path("state.json");
        let text = fs::read_to_string(&file).unwrap();
        fs::write(file, text.replace("14.1-RELEASE", release)).unwrap();
    }

    /// Does something for which a pfctl(8) with these words among its arguments does what it is told and is then killed,
    /// as if whoever waits for it had ended in that moment.
    pub(crate) fn end_with_pfctl<T>(&self, words: &str, work: impl FnOnce(&Self) -> T) -> T {
        let (tool, aside) = (self.path("bin/pfctl"), self.path("aside"));
        fs::create_dir(&aside).unwrap();
        fs::rename(&tool, aside.join("pfctl")).unwrap();
        let script = format!(
            "#!/bin/sh\n{}/pfctl \"$@\" || exit\ncase \"$*\" in *\"{words}\"*) kill -9 $$ ;; esac\n",
            aside.display()
        );
        fs::write(&tool, script).unwrap();
        fs::set_permissions(&tool, fs::Permissions::from_mode(0o755)).unwrap();
        let result = work(self);
        fs::rename(aside.join("pfctl"), &tool).unwrap();
        fs::remove_dir(aside).unwrap();
        result
    }

    /// The tools, for what needs no platform.
    pub(crate) fn tools(&self) -> Tools {
        Tools::with_in_front(self.path("bin"))
    }

    pub(crate) fn apply(&self, op: Op) -> Result<()> {
        self.platform.apply(&op)
    }

    /// An image with a shell, and a container of it.
    pub(crate) fn container(&self) -> PathBuf {
        let image: DatasetName = "image/1mage0000000".parse().unwrap();
        let snapshot = image.snapshot("image").unwrap();
        let dataset = DatasetName::container(&id(CONTAINER));
        self.apply(Op::CreateDataset(image.clone())).unwrap();
        self.apply(Op::MountDataset(image.clone())).unwrap();
        let root = Root::open(self.platform.mountpoint(&image).unwrap()).unwrap();
        let programs = [
            "/bin/sh",
            "/bin/sleep",
            "/bin/cat",
            "/bin/true",
            "/bin/ls",
            "/usr/bin/env",
        ];
        kleene_rootfs::host_image::populate(&root, &programs.map(PathBuf::from)).unwrap();
        root.write_file(
            "etc/passwd",
            b"root:*:0:0::/root:/bin/sh\nwww:*:80:80::/:/bin/sh\n",
            0o644,
        )
        .unwrap();
        self.apply(Op::UnmountDataset(image)).unwrap();
        self.apply(Op::CreateSnapshot(snapshot.clone())).unwrap();
        let clone = Op::CloneDataset {
            snapshot,
            dataset: dataset.clone(),
        };
        self.apply(clone).unwrap();
        self.apply(Op::MountDataset(dataset.clone())).unwrap();
        self.platform.mountpoint(&dataset).unwrap()
    }

    /// Where the container's files are.
    pub(crate) fn container_root(&self) -> PathBuf {
        self.platform
            .mountpoint(&DatasetName::container(&id(CONTAINER)))
            .unwrap()
    }

    /// A start of the container, without network.
    pub(crate) fn launch(&self, script: &str) -> Launch {
        Launch {
            jail: JailSpec {
                id: id(CONTAINER),
                root: self.container_root(),
                network: JailNetwork::Disabled,
                mounts: Vec::new(),
                parameters: Vec::new(),
            },
            process: ProcessSpec {
                argv: ["/bin/sh", "-c", script].map(str::to_owned).to_vec(),
                env: vec!["A=1".to_owned()],
                user: "root".to_owned(),
                directory: None,
                terminal: None,
            },
            mode: LaunchMode::Start,
            log: None,
        }
    }

    /// Starts it and waits for the supervisor's first word.
    pub(crate) fn start(&self, launch: &Launch) -> std::result::Result<(Events, Inputs), String> {
        let run_dir = self.run_dir().join(CONTAINER).join(Id::generate().as_str());
        let connection = self
            .platform
            .launch(&run_dir, launch)
            .map_err(|error| error.to_string())?;
        let (mut events, inputs) = connection.split();
        match events.next().unwrap() {
            Some(Event::Started { .. }) => Ok((events, inputs)),
            Some(Event::Failed(reason)) => Err(reason),
            other => panic!("{other:?}"),
        }
    }

    /// Starts it and waits for its end: what it printed, and the status by which it ended.
    pub(crate) fn run(&self, launch: &Launch) -> (String, u8) {
        let (mut events, _inputs) = self.start(launch).unwrap();
        finish(&mut events)
    }

    /// The transcript so far, with the test's directory left out.
    pub(crate) fn transcript(&self) -> String {
        let text = fs::read_to_string(self.path("transcript")).unwrap_or_default();
        text.replace(&self.directory.display().to_string(), "")
    }

    pub(crate) fn forget_transcript(&self) {
        fs::write(self.path("transcript"), "").unwrap();
    }

    /// What is mounted below the host's directory and is no dataset.
    pub(crate) fn views(&self) -> Vec<String> {
        let table: serde_json::Value = serde_json::from_str(&self.tool("mount --libxo json")).unwrap();
        let mounted = table["mount"]["mounted"].as_array().unwrap().iter();
        mounted
            .filter(|mounted| mounted["fstype"] != "zfs" && mounted["fstype"] != "ufs")
            .map(|mounted| mounted["fstype"].as_str().unwrap().to_owned())
            .collect()
    }
}

impl Drop for World {
    /// A test that failed may leave jails and mounts. Nothing is removed through what is still mounted: a mount can lead
    /// anywhere on the machine.
    fn drop(&mut self) {
        for jail in self.platform.jails().unwrap_or_default() {
            self.tool(&format!("jail -R {}", jail.id));
        }
        let directory = self.directory.clone();
        let mounted = || -> Vec<String> {
            let table = fs::read_to_string("/proc/thread-self/mounts").unwrap_or_default();
            let places = table.lines().filter_map(|line| line.split(' ').nth(1));
            places
                .filter(|place| PathBuf::from(place).starts_with(&directory))
                .map(str::to_owned)
                .collect()
        };
        for place in mounted().iter().rev() {
            let _ = Command::new("/bin/umount").args(["-l", place]).status();
        }
        if mounted().is_empty() {
            let _ = Command::new("rm")
                .args(["-rf", "--one-file-system"])
                .arg(&directory)
                .status();
        }
    }
}

/// All that a process prints until it ends, and its status.
pub(crate) fn finish(events: &mut Events) -> (String, u8) {
    let mut printed = Vec::new();
    loop {
        match events.next().unwrap() {
            Some(Event::Output(bytes)) => printed.extend(bytes),
            Some(Event::Exited(status)) => return (String::from_utf8(printed).unwrap(), status.code()),
            other => panic!("{other:?}"),
        }
    }
}

fn open(directory: &Path, run_dir: &str) -> FreeBsdPlatform {
    let bin = directory.join("bin");
    FreeBsdPlatform::open(FreeBsdConfig {
        root: "tank/kleene".to_owned(),
        run_dir: directory.join(run_dir),
        supervisor: vec![
            env!("CARGO_BIN_EXE_freebsd_supervisor").into(),
            bin.clone().into(),
        ],
        tools: Tools::with_in_front(bin),
    })
    .unwrap()
}

/// What is mounted by this thread and its processes is seen by nobody else, and goes with them.
#[allow(unsafe_code, reason = "a thread leaves the mount namespace of the others")]
fn own_mounts() {
    // SAFETY: no descriptor table is unshared.
    unsafe { rustix::thread::unshare_unsafe(UnshareFlags::NEWNS) }.unwrap();
    mount_change("/", MountPropagationFlags::PRIVATE | MountPropagationFlags::REC).unwrap();
}
