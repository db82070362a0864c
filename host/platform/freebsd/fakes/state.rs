//! What the host is told to be, in a file.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use rustix::fs::FlockOperation;
use serde::{Deserialize, Serialize};

use crate::Reply;
use crate::death::Death;
use crate::processes::processes;

#[derive(Debug, Default, Serialize, Deserialize)]
pub(crate) struct State {
    /// Grows with every object.
    pub(crate) next: u64,
    pub(crate) release: String,
    pub(crate) datasets: BTreeMap<String, Dataset>,
    pub(crate) mounts: Vec<Mount>,
    pub(crate) jails: BTreeMap<String, Jail>,
    /// Removed, and the kernel holds on to them, if it is told to ([`crate::system`]).
    pub(crate) dying: BTreeMap<String, Jail>,
    pub(crate) lets_jails_die_slowly: bool,
    /// Who is killed at which of its commands, if somebody is to be.
    pub(crate) death: Option<Death>,
    pub(crate) interfaces: BTreeMap<String, Interface>,
    pub(crate) anchors: BTreeMap<String, String>,
    pub(crate) main_ruleset: Vec<String>,
    pub(crate) pf_enabled: bool,
    pub(crate) sysctls: BTreeMap<String, String>,
    pub(crate) modules: BTreeSet<String>,
    /// Whether the rulesets of the system are loaded.
    pub(crate) has_devfs_rules: bool,
    /// Memory disks.
    pub(crate) disks: BTreeSet<String>,
    /// By file and name.
    pub(crate) rc: BTreeMap<String, String>,
}

#[derive(Debug, Default, Serialize, Deserialize)]
pub(crate) struct Dataset {
    pub(crate) origin: Option<String>,
    pub(crate) mounted: bool,
    pub(crate) quota: u64,
    pub(crate) created: u64,
    pub(crate) snapshots: Vec<(String, u64)>,
    /// Snapshots that go with their last clone.
    #[serde(default)]
    pub(crate) released: BTreeSet<String>,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Mount {
    pub(crate) special: String,
    pub(crate) node: String,
    pub(crate) fstype: String,
}

#[derive(Debug, Default, Serialize, Deserialize)]
pub(crate) struct Jail {
    pub(crate) jid: u64,
    pub(crate) path: String,
    pub(crate) hostname: String,
    pub(crate) persist: bool,
    pub(crate) ip4: Vec<String>,
    pub(crate) ip6: Vec<String>,
    /// The process of jail(8), while it runs.
    pub(crate) starter: u32,
}

#[derive(Debug, Default, Serialize, Deserialize)]
pub(crate) struct Interface {
    pub(crate) kind: String,
    pub(crate) up: bool,
    pub(crate) description: String,
    pub(crate) groups: Vec<String>,
    pub(crate) ether: String,
    /// With their prefixes.
    pub(crate) addresses: Vec<String>,
    /// Of a bridge: members, and whether they are private.
    pub(crate) members: BTreeMap<String, bool>,
    /// The other half of a pair.
    pub(crate) other: Option<String>,
    pub(crate) jail: Option<String>,
}

/// The directory of a host.
#[derive(Debug)]
pub(crate) struct Host(PathBuf);

impl Host {
    pub(crate) fn at(directory: PathBuf) -> Self {
        Self(directory)
    }

    pub(crate) fn directory(&self) -> &Path {
        &self.0
    }

    /// A new host with an uplink, pf's anchor lines, and the dataset `tank/kleene`.
    pub(crate) fn install(&self) -> io::Result<()> {
        let mut state = State {
            release: "14.1-RELEASE".to_owned(),
            main_ruleset: [
                "nat-anchor \"kleene/*\" all",
                "rdr-anchor \"kleene/*\" all",
                "anchor \"kleene/*\" all",
            ]
            .map(str::to_owned)
            .to_vec(),
            modules: BTreeSet::from(["pf".to_owned()]),
            ..State::default()
        };
        for (name, value) in [
            ("net.inet.ip.forwarding", "0"),
            ("net.inet6.ip6.forwarding", "0"),
            ("kern.racct.enable", "1"),
            ("kern.features.vimage", "1"),
            ("security.jail.jailed", "0"),
            ("net.link.bridge.pfil_member", "1"),
            ("net.link.bridge.pfil_bridge", "1"),
        ] {
            state.sysctls.insert(name.to_owned(), value.to_owned());
        }
        for (name, kind, address) in [("vtnet0", "ether", "10.0.2.15/24"), ("lo0", "lo", "127.0.0.1/8")] {
            let interface = Interface {
                kind: kind.to_owned(),
                up: true,
                addresses: vec![address.to_owned()],
                ..Interface::default()
            };
            state.interfaces.insert(name.to_owned(), interface);
        }
        for name in ["tank", "tank/kleene"] {
            fs::create_dir_all(self.0.join(name))?;
            let dataset = Dataset {
                mounted: true,
                ..Dataset::default()
            };
            state.datasets.insert(name.to_owned(), dataset);
        }
        self.write(&state)
    }

    fn write(&self, state: &State) -> io::Result<()> {
        let (file, unfinished) = (self.0.join("state.json"), self.0.join("state.json.new"));
        fs::write(&unfinished, serde_json::to_vec_pretty(state)?)?;
        fs::rename(unfinished, file)
    }

    /// Does one thing to the state, alone.
    pub(crate) fn change<T>(&self, work: impl FnOnce(&mut State) -> T) -> T {
        let attempt = || -> io::Result<(File, State)> {
            let lock = File::create(self.0.join("lock"))?;
            rustix::fs::flock(&lock, FlockOperation::LockExclusive)?;
            let state = serde_json::from_slice(&fs::read(self.0.join("state.json"))?)?;
            Ok((lock, state))
        };
        let (_lock, mut state) = attempt().unwrap_or_else(|error| fail(&self.0, &error));
        state.bury();
        let result = work(&mut state);
        self.write(&state).unwrap_or_else(|error| fail(&self.0, &error));
        result
    }

    /// Writes a command to the transcript.
    pub(crate) fn record(&self, tool: &str, words: &[&str], input: &str, code: u8) {
        let mut text = format!("{tool} {}", words.join(" "));
        if code != 0 {
            text.push_str(&format!("   => {code}"));
        }
        for line in input.lines() {
            text.push_str(&format!("\n    {line}"));
        }
        text.push('\n');
        let file = OpenOptions::new()
            .create(true)
            .append(true)
            .open(self.0.join("transcript"));
        let _ = file.and_then(|mut file| file.write_all(text.as_bytes()));
    }
}

/// Whether a command may change something.
pub(crate) fn changes(tool: &str, words: &[&str]) -> bool {
    let looks_only = match tool {
        "jls" | "ps" | "netstat" | "kldstat" | "uname" => true,
        "rctl" => words.is_empty(),
        "devfs" => words.contains(&"show"),
        "zpool" => words.first() == Some(&"list"),
        "mount" => words.first() == Some(&"--libxo"),
        "zfs" => matches!(words.first(), Some(&("list" | "get" | "send"))),
        "ifconfig" => words.len() < 2,
        "sysctl" | "sysrc" => words.contains(&"-n"),
        "pfctl" => words.contains(&"-s") || words.contains(&"-n"),
        _ => false,
    };
    !looks_only
}

fn fail(directory: &Path, error: &io::Error) -> ! {
    eprintln!("fake_freebsd: {}: {error}", directory.display());
    std::process::exit(99)
}

impl State {
    /// Removes jails that ended with their last process. Their interfaces come back.
    pub(crate) fn bury(&mut self) {
        let is_dead = |jail: &Jail| {
            !jail.persist
                && !Path::new(&format!("/proc/{}", jail.starter)).exists()
                && processes(&jail.path).is_empty()
        };
        let dead: Vec<String> = self
            .jails
            .iter()
            .filter(|(_, jail)| is_dead(jail))
            .map(|(name, _)| name.clone())
            .collect();
        dead.iter().for_each(|name| self.forget_jail(name));
    }

    /// The jail is gone, and gives back its interfaces.
    pub(crate) fn forget_jail(&mut self, name: &str) {
        let removed = self.jails.remove(name);
        if self.lets_jails_die_slowly {
            self.dying.extend(removed.map(|jail| (name.to_owned(), jail)));
        }
        for interface in self.interfaces.values_mut() {
            if interface.jail.as_deref() == Some(name) {
                interface.jail = None;
                interface.addresses.clear();
                interface.up = false;
            }
        }
    }

    /// Takes the root of dying jails from under them.
    pub(crate) fn let_go(&mut self, mountpoint: &Path) {
        for jail in self.dying.values_mut() {
            if Path::new(&jail.path) == mountpoint {
                jail.path.clear();
            }
        }
    }

    pub(crate) fn number(&mut self) -> u64 {
        self.next += 1;
        self.next
    }
}

/// A program of the system that this really is.
pub(crate) fn real(program: &str, arguments: &[&str]) -> Result<(), Reply> {
    let output = std::process::Command::new(program).args(arguments).output();
    match output {
        Ok(output) if output.status.success() => Ok(()),
        Ok(output) => Err(crate::no(String::from_utf8_lossy(&output.stderr).into_owned())),
        Err(error) => Err(crate::no(format!("{program}: {error}\n"))),
    }
}
