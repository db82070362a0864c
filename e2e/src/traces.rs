//! Everything a daemon can leave behind on a host, so that before and after can be compared.

use std::collections::BTreeSet;
use std::fmt;
use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

use anyhow::{Context, Result};
use serde_json::Value;

use crate::host::{Host, Tool};

/// What is there, by kind.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Traces(Vec<(&'static str, BTreeSet<String>)>);

impl Traces {
    /// What is on the host, and which processes have to do with this run, whose files are in `directory`.
    ///
    /// # Errors
    /// If the host does not tell.
    pub fn of(host: &Host, directory: &Path) -> Result<Self> {
        let mut kinds = if host.is_freebsd() {
            freebsd(host)?
        } else {
            linux()?
        };
        kinds.push(("processes of the run", processes(directory)?));
        Ok(Self(kinds))
    }

    /// All but what daemons switch on and leave on, since others may rely on it by then.
    pub fn without_settings(mut self) -> Self {
        self.0.retain(|(kind, _)| *kind != "settings");
        self
    }

    /// Whether something of a daemon's is there.
    pub fn mention_kleene(&self) -> bool {
        self.0.iter().any(|(kind, things)| match *kind {
            "anchors" => !things.is_empty(),
            "firewall rules" => things.iter().any(|line| line.starts_with("table inet kleene")),
            _ => false,
        })
    }

    /// Whether a process of the run has such a word in its command line.
    pub fn mention_process(&self, word: &str) -> bool {
        let processes = self.0.last().map(|(_, processes)| processes);
        processes.is_some_and(|lines| lines.iter().any(|line| line.contains(word)))
    }

    /// What differs, a line each; nothing if all is as it was.
    pub fn changes_since(&self, before: &Self) -> Vec<String> {
        let mut changes = Vec::new();
        for (kind, then) in &before.0 {
            let Some((_, now)) = self.0.iter().find(|(other, _)| other == kind) else {
                continue;
            };
            changes.extend(
                now.difference(then)
                    .map(|thing| format!("{kind}: {thing} was not there")),
            );
            changes.extend(
                then.difference(now)
                    .map(|thing| format!("{kind}: {thing} is gone")),
            );
        }
        changes
    }
}

impl fmt::Display for Traces {
    /// How many of each kind.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let counts: Vec<String> = self
            .0
            .iter()
            .map(|(kind, things)| format!("{} {kind}", things.len()))
            .collect();
        f.write_str(&counts.join(", "))
    }
}

type Kinds = Vec<(&'static str, BTreeSet<String>)>;

fn freebsd(host: &Host) -> Result<Kinds> {
    let interfaces = host.run(Tool::Ifconfig, &["-a"])?;
    let is_head = |line: &&str| !line.starts_with([' ', '\t']);
    let interfaces = interfaces
        .lines()
        .filter(is_head)
        .filter_map(|line| line.split(':').next());
    let interfaces = interfaces.map(str::to_owned).collect();
    let addresses = json(host, Tool::Netstat, &["--libxo", "json", "-inW"])?;
    let addresses = every(&addresses["statistics"]["interface"], &["name", "address"])
        // Those of the link and of link-local scope come with their interface, some a little later.
        .filter(|address| !address.contains("fe80") && !address.contains("Link#"))
        .collect();
    let jails = json(host, Tool::Jls, &["--libxo", "json", "-v"])?;
    let jails = every(&jails["jail-information"]["jail"], &["name", "path"]).collect();
    let mounts = json(host, Tool::Mount, &["--libxo", "json"])?;
    let mounts = every(&mounts["mount"]["mounted"], &["fstype", "special", "node"]).collect();
    let datasets = datasets(host)?;
    // Without pf there are none.
    let anchors = host
        .run(Tool::Pfctl, &["-s", "Anchors", "-a", "kleene"])
        .unwrap_or_default();
    Ok(vec![
        ("interfaces", interfaces),
        ("addresses", addresses),
        ("jails", jails),
        ("mounts", mounts),
        ("datasets", datasets),
        ("anchors", lines(&anchors)),
        ("settings", settings(host)),
    ])
}

/// Names of file systems and snapshots, of all pools.
fn datasets(host: &Host) -> Result<BTreeSet<String>> {
    let arguments = ["list", "-Hp", "-o", "name", "-r", "-t", "filesystem,snapshot"];
    match host.run(Tool::Zfs, &arguments) {
        // A host without the module has no dataset.
        Err(_) if !host.succeeds(Tool::Kldstat, &["-q", "-m", "zfs"]) => Ok(BTreeSet::new()),
        names => Ok(lines(&names?)),
    }
}

/// What daemons switch on.
fn settings(host: &Host) -> BTreeSet<String> {
    let names = ["net.inet.ip.forwarding", "net.inet6.ip6.forwarding"];
    let value = |name| {
        let value = host.run(Tool::Sysctl, &["-n", name]).unwrap_or_default();
        format!("{name}={}", value.trim())
    };
    let status = host.run(Tool::Pfctl, &["-s", "info"]).unwrap_or_default();
    let pf = if status.contains("Status: Enabled") {
        "pf is on"
    } else {
        "pf is off"
    };
    names.into_iter().map(value).chain([pf.to_owned()]).collect()
}

fn json(host: &Host, tool: Tool, arguments: &[&str]) -> Result<Value> {
    let text = host.run(tool, arguments)?;
    serde_json::from_str(&text).with_context(|| format!("cannot understand what {tool:?} prints"))
}

/// These fields of every element of a list.
fn every<'a>(list: &'a Value, fields: &'a [&str]) -> impl Iterator<Item = String> + 'a {
    let elements = list.as_array().into_iter().flatten();
    elements.map(|element| {
        let words = fields
            .iter()
            .filter_map(|&field| element.get(field).and_then(Value::as_str));
        // An interface that is down has a star behind its name.
        words.collect::<Vec<_>>().join(" ").replace('*', "")
    })
}

fn linux() -> Result<Kinds> {
    let mounts = fs::read_to_string("/proc/self/mountinfo")?;
    let mounts = mounts.lines().filter_map(|line| line.split(' ').nth(4));
    let addresses = printed("ip", &["-oneline", "address", "show"]);
    let address = |line: &str| {
        let words: Vec<&str> = line.split_ascii_whitespace().skip(1).take(3).collect();
        words.join(" ")
    };
    let addresses = addresses.lines().filter(|line| !line.contains("fe80:"));
    let settings = ["ipv4/ip_forward", "ipv6/conf/all/forwarding"].map(|name| {
        let value = fs::read_to_string(Path::new("/proc/sys/net").join(name)).unwrap_or_default();
        format!("{name}={}", value.trim())
    });
    Ok(vec![
        ("interfaces", names_in(Path::new("/sys/class/net"))),
        ("addresses", addresses.map(address).collect()),
        ("mounts", mounts.map(str::to_owned).collect()),
        ("firewall rules", lines(&printed("nft", &["list", "ruleset"]))),
        ("control groups", control_groups()),
        ("settings", settings.into_iter().collect()),
    ])
}

/// Those of containers.
fn control_groups() -> BTreeSet<String> {
    let mounts = fs::read_to_string("/proc/self/mounts").unwrap_or_default();
    let points = mounts
        .lines()
        .filter(|line| {
            line.split(' ')
                .nth(2)
                .is_some_and(|kind| kind.starts_with("cgroup"))
        })
        .filter_map(|line| line.split(' ').nth(1));
    points
        .flat_map(|point| names_in(&Path::new(point).join("kleene")))
        .filter(|name| name.len() == 12)
        .collect()
}

/// Daemons, supervisors and what they started.
fn processes(directory: &Path) -> Result<BTreeSet<String>> {
    let text = Command::new("ps")
        // Each column on its own: BSD takes what follows a `=` for its title.
        .args(["-axww", "-o", "pid=", "-o", "args="])
        .stdin(Stdio::null())
        .output()
        .context("cannot run ps")?;
    let text = String::from_utf8_lossy(&text.stdout).into_owned();
    let own = std::process::id().to_string();
    let directory = directory.display().to_string();
    let lines = text
        .lines()
        .map(str::trim)
        .filter(|line| line.contains(&directory) && line.split(' ').next() != Some(own.as_str()));
    // Another daemon in place of one is no difference.
    let commands = lines.filter_map(|line| line.split_once(' '));
    Ok(commands.map(|(_, command)| command.trim().to_owned()).collect())
}

/// What a tool prints that not every host has.
fn printed(tool: &str, arguments: &[&str]) -> String {
    let output = Command::new(tool)
        .args(arguments)
        .env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin")
        .stdin(Stdio::null())
        .output();
    output
        .map(|output| String::from_utf8_lossy(&output.stdout).into_owned())
        .unwrap_or_default()
}

fn lines(text: &str) -> BTreeSet<String> {
    let lines = text.lines().map(str::trim).filter(|line| !line.is_empty());
    lines.map(str::to_owned).collect()
}

fn names_in(directory: &Path) -> BTreeSet<String> {
    let entries = fs::read_dir(directory).into_iter().flatten().flatten();
    entries
        .map(|entry| entry.file_name().to_string_lossy().into_owned())
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn traces(interfaces: &[&str]) -> Traces {
        Traces(vec![(
            "interfaces",
            interfaces.iter().map(ToString::to_string).collect(),
        )])
    }

    #[test]
    fn what_came_and_what_went_is_named() {
        let changes = traces(&["lo0", "kleene0"]).changes_since(&traces(&["lo0", "em0"]));
        assert_eq!(
            changes,
            ["interfaces: kleene0 was not there", "interfaces: em0 is gone"]
        );
        assert!(traces(&["lo0"]).changes_since(&traces(&["lo0"])).is_empty());
    }

    #[test]
    fn fields_of_a_list_are_joined() {
        let list = serde_json::json!([{"name": "em0*", "address": "10.0.0.1", "mtu": 1500}, {"name": "lo0"}]);
        let found: Vec<String> = every(&list, &["name", "address"]).collect();
        assert_eq!(found, ["em0 10.0.0.1", "lo0"]);
    }
}
