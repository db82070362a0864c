//! Everything a daemon can leave behind on its host, so that before and after can be compared.

use std::collections::BTreeSet;
use std::fmt;
use std::fs;
use std::io;
use std::path::Path;
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result, ensure};

use crate::ground::Ground;
use crate::sandbox::Sandbox;

/// What is there, by kind.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Traces(Kinds);

impl Traces {
    /// What is in a sandbox, and in the daemon's directories.
    pub(crate) fn of(ground: Ground, sandbox: &Sandbox) -> Result<Self> {
        let (state, run) = (ground.state_dir(sandbox), ground.run_dir(sandbox));
        let mut kinds = match ground {
            Ground::Linux => linux(sandbox, &state)?,
            Ground::FreeBsd => freebsd(ground, sandbox)?,
        };
        kinds.extend([
            ("mounts", mounts(sandbox)?),
            ("logs", names_in(&state.join("log"))?),
            ("files of processes", names_in(&run.join("containers"))?),
        ]);
        Ok(Self(kinds))
    }

    /// What is here and was not before.
    #[must_use]
    pub fn since(&self, before: &Self) -> Self {
        let old = |kind| {
            before
                .0
                .iter()
                .find(|(other, _)| *other == kind)
                .map(|(_, things)| things)
        };
        let new = |(kind, things): &(&'static str, BTreeSet<String>)| {
            let things = things
                .iter()
                .filter(|thing| !old(*kind).is_some_and(|old| old.contains(*thing)));
            (*kind, things.cloned().collect())
        };
        Self(self.0.iter().map(new).collect())
    }

    /// All but one kind.
    #[must_use]
    pub fn without(mut self, kind: &str) -> Self {
        self.0.retain(|(other, _)| *other != kind);
        self
    }

    /// Whether there is nothing.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.iter().all(|(_, things)| things.is_empty())
    }
}

impl fmt::Display for Traces {
    /// One line per kind.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (kind, things) in &self.0 {
            let things: Vec<_> = things.iter().map(String::as_str).collect();
            writeln!(
                f,
                "{kind}: {}",
                if things.is_empty() {
                    "none".to_owned()
                } else {
                    things.join("; ")
                }
            )?;
        }
        Ok(())
    }
}

type Kinds = Vec<(&'static str, BTreeSet<String>)>;

fn linux(sandbox: &Sandbox, state: &Path) -> Result<Kinds> {
    Ok(vec![
        ("interfaces", interfaces(sandbox)?),
        ("addresses", addresses(sandbox)?),
        ("routes", routes(sandbox)?),
        ("firewall rules", rules(sandbox)?),
        ("control groups", control_groups(sandbox)?),
        ("processes", processes(sandbox.cgroup())?),
        ("datasets", names_in(&state.join(".store/datasets"))?),
        ("layers", names_in(&state.join(".store/layers"))?),
    ])
}

/// What the host's own tools tell.
fn freebsd(ground: Ground, sandbox: &Sandbox) -> Result<Kinds> {
    let told = |tool: &str, arguments: &[&str]| -> Result<BTreeSet<String>> {
        let text = output(sandbox, ground.tool(sandbox, tool), arguments)?;
        Ok(text.lines().map(|line| line.trim().to_owned()).collect())
    };
    let datasets = ["list", "-Hp", "-o", "name", "-r", "-t", "filesystem,snapshot"];
    // Those that objects are kept below are made once and stay.
    let mut datasets = told("zfs", &datasets)?;
    datasets.retain(|name| {
        !["container", "image", "volumes"]
            .iter()
            .any(|kind| name.ends_with(&format!("/kleene/{kind}")))
    });
    // The daemon asks the tools now and then; one that is being started has another name for a moment.
    let tools = names_in(&ground.tool(sandbox, ""))?;
    let mut processes = processes(sandbox.cgroup())?;
    thread::sleep(Duration::from_millis(20));
    let later = self::processes(sandbox.cgroup())?;
    let is_tool = |process: &str| tools.iter().any(|tool| process.ends_with(&format!(" {tool}")));
    processes.retain(|process| later.contains(process) && !is_tool(process));
    Ok(vec![
        ("processes", processes),
        ("interfaces and addresses", told("ifconfig", &["-a"])?),
        ("jails", told("jls", &["--libxo", "json", "-v"])?),
        ("datasets", datasets),
        ("anchors", told("pfctl", &["-s", "Anchors", "-a", "kleene"])?),
    ])
}

fn interfaces(sandbox: &Sandbox) -> Result<BTreeSet<String>> {
    let text = output(sandbox, "ip", &["-oneline", "link", "show"])?;
    Ok(text
        .lines()
        .filter_map(|line| line.split(": ").nth(1))
        .map(str::to_owned)
        .collect())
}

/// Whether a line is about link-local addresses, which come and go with their interface, a little later.
fn is_link_local(line: &str) -> bool {
    line.contains("fe80:")
}

/// Each with its interface.
fn addresses(sandbox: &Sandbox) -> Result<BTreeSet<String>> {
    let text = output(sandbox, "ip", &["-oneline", "address", "show"])?;
    let address = |line: &str| {
        let words: Vec<_> = line.split_ascii_whitespace().skip(1).take(3).collect();
        words.join(" ")
    };
    let lines = text.lines().filter(|line| !is_link_local(line));
    Ok(lines.map(address).collect())
}

fn routes(sandbox: &Sandbox) -> Result<BTreeSet<String>> {
    let mut routes = BTreeSet::new();
    for family in ["-4", "-6"] {
        let text = output(sandbox, "ip", &[family, "route", "show", "table", "all"])?;
        // Those of the subnets' routers come with forwarding, which stays.
        let lines = text
            .lines()
            .map(str::trim)
            .filter(|line| !line.starts_with("anycast"));
        // Whether anybody is on the other side of a bridge is nothing of ours.
        let lines = lines
            .filter(|line| !is_link_local(line))
            .map(|line| line.replace(" linkdown", ""));
        routes.extend(lines.filter(|line| !line.starts_with("multicast ff00::/8")));
    }
    Ok(routes)
}

fn rules(sandbox: &Sandbox) -> Result<BTreeSet<String>> {
    let text = output(sandbox, "nft", &["list", "ruleset"])?;
    Ok(text
        .lines()
        .map(str::trim)
        .filter(|line| !line.is_empty())
        .map(str::to_owned)
        .collect())
}

/// Mount points below the sandbox's directory.
fn mounts(sandbox: &Sandbox) -> Result<BTreeSet<String>> {
    let directory = sandbox.directory().to_string_lossy().into_owned();
    let mounts = sandbox.mounts()?;
    let points = mounts.lines().filter_map(|line| line.split(' ').nth(4));
    Ok(points
        .filter(|point| point.starts_with(&directory))
        .map(str::to_owned)
        .collect())
}

fn control_groups(sandbox: &Sandbox) -> Result<BTreeSet<String>> {
    names_in(&sandbox.cgroup().join("kleene"))
}

/// Processes in a control group and those below it.
fn processes(group: &Path) -> Result<BTreeSet<String>> {
    let mut processes: BTreeSet<String> = BTreeSet::new();
    for pid in fs::read_to_string(group.join("cgroup.procs"))
        .unwrap_or_default()
        .lines()
    {
        if let Ok(name) = fs::read_to_string(format!("/proc/{pid}/comm")) {
            processes.insert(format!("{pid} {}", name.trim_end()));
        }
    }
    for name in directories_in(group)? {
        processes.extend(self::processes(&group.join(name))?);
    }
    Ok(processes)
}

fn directories_in(path: &Path) -> Result<BTreeSet<String>> {
    let names = names_in(path)?;
    Ok(names
        .into_iter()
        .filter(|name| path.join(name).is_dir())
        .collect())
}

/// Names in a directory; none if it does not exist. Of a control group, only the groups.
fn names_in(directory: &Path) -> Result<BTreeSet<String>> {
    let entries = match fs::read_dir(directory) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(BTreeSet::new()),
        entries => entries.with_context(|| format!("cannot read {}", directory.display()))?,
    };
    let is_control_file =
        |name: &str| directory.join("cgroup.procs").exists() && !directory.join(name).is_dir();
    entries
        .map(|entry| Ok(entry?.file_name().to_string_lossy().into_owned()))
        .filter(|name| !name.as_ref().is_ok_and(|name| is_control_file(name)))
        .collect()
}

fn output(sandbox: &Sandbox, program: impl AsRef<Path>, arguments: &[&str]) -> Result<String> {
    let program = program.as_ref();
    let output = sandbox
        .command(program)
        .args(arguments)
        .output()
        .with_context(|| format!("cannot run {}", program.display()))?;
    ensure!(
        output.status.success(),
        "{}: {}",
        program.display(),
        String::from_utf8_lossy(&output.stderr).trim()
    );
    Ok(String::from_utf8(output.stdout)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn traces(interfaces: &[&str]) -> Traces {
        Traces(vec![
            ("interfaces", interfaces.iter().map(ToString::to_string).collect()),
            ("mounts", BTreeSet::new()),
        ])
    }

    #[test]
    fn only_what_is_new_is_left() {
        let left = traces(&["kleene0", "lo"]).since(&traces(&["lo", "eth0"]));
        assert_eq!(left, traces(&["kleene0"]));
        assert!(!left.is_empty());
        assert_eq!(left.to_string(), "interfaces: kleene0\nmounts: none\n");
    }

    #[test]
    fn what_went_away_is_nothing_left_behind() {
        assert!(traces(&[]).since(&traces(&["lo"])).is_empty());
    }
}
