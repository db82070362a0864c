//! The host that is tested: which system it is, what it offers, and what had to be switched on for the run.

use std::path::PathBuf;
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail, ensure};

use crate::probe;

/// Modules that containers need on FreeBSD.
const MODULES: [&str; 6] = ["zfs", "nullfs", "if_bridge", "if_epair", "pf", "pflog"];

/// What must stand in pf's main ruleset, to be loaded where there is none.
const ANCHOR_LINES: &str = "nat-anchor \"kleene/*\"\nrdr-anchor \"kleene/*\"\nanchor \"kleene/*\"\n";

/// Settings that the daemon switches on and leaves on, since others may rely on them by then.
const FORWARDING: [&str; 2] = ["net.inet.ip.forwarding", "net.inet6.ip6.forwarding"];
/// The same on Linux.
const FORWARDING_FILES: [&str; 2] = [
    "/proc/sys/net/ipv4/ip_forward",
    "/proc/sys/net/ipv6/conf/all/forwarding",
];

/// A program of the host.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tool {
    Ifconfig,
    Jls,
    Kldload,
    Kldstat,
    Kldunload,
    Mdconfig,
    Mount,
    Netstat,
    Pfctl,
    Sysctl,
    Uname,
    Zfs,
    Zpool,
}

impl Tool {
    fn path(self) -> &'static str {
        match self {
            Self::Ifconfig => "/sbin/ifconfig",
            Self::Jls => "/usr/sbin/jls",
            Self::Kldload => "/sbin/kldload",
            Self::Kldstat => "/sbin/kldstat",
            Self::Kldunload => "/sbin/kldunload",
            Self::Mdconfig => "/sbin/mdconfig",
            Self::Mount => "/sbin/mount",
            Self::Netstat => "/usr/bin/netstat",
            Self::Pfctl => "/sbin/pfctl",
            Self::Sysctl => "/sbin/sysctl",
            Self::Uname => "/usr/bin/uname",
            Self::Zfs => "/sbin/zfs",
            Self::Zpool => "/sbin/zpool",
        }
    }
}

/// What a test needs that not every host has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Need {
    /// FreeBSD, or what stands in for it.
    FreeBsd,
    /// Bridges, pairs of interfaces, and a firewall that takes rules.
    Networks,
    /// Tools that do what they say: with stand-ins no packet flows, and users are all the same.
    Real,
    /// The firewall asks our rules.
    Rules,
    /// An address towards others.
    Egress,
    /// Files can be mounted on files.
    FileMounts,
}

/// A host, and what has to be put back in the end.
#[derive(Debug)]
pub struct Host {
    stand_ins: Option<PathBuf>,
    is_freebsd: bool,
    /// What is missing, by what needs it.
    missing: Vec<(Need, String)>,
    loaded: Vec<&'static str>,
    has_our_ruleset: bool,
    /// Whether pf was off: the daemon switches it on with the first network.
    had_pf_off: bool,
    forwarding: Vec<(&'static str, String)>,
}

impl Host {
    /// Looks at the host. Nothing is changed.
    ///
    /// # Errors
    /// If it is no system that containers run on.
    pub fn look(stand_ins: Option<PathBuf>) -> Result<Self> {
        let is_freebsd = cfg!(target_os = "freebsd") || stand_ins.is_some();
        ensure!(
            is_freebsd || cfg!(target_os = "linux"),
            "neither FreeBSD nor Linux"
        );
        let mut host = Self {
            stand_ins,
            is_freebsd,
            missing: Vec::new(),
            loaded: Vec::new(),
            has_our_ruleset: false,
            had_pf_off: false,
            forwarding: Vec::new(),
        };
        host.forwarding = host.forwarding_now()?;
        Ok(host)
    }

    pub fn is_freebsd(&self) -> bool {
        self.is_freebsd
    }

    pub fn has_stand_ins(&self) -> bool {
        self.stand_ins.is_some()
    }

    pub fn stand_ins(&self) -> Option<&PathBuf> {
        self.stand_ins.as_ref()
    }

    /// Name and release.
    pub fn description(&self) -> String {
        if self.is_freebsd {
            let release = self.run(Tool::Uname, &["-r"]).unwrap_or_default();
            let stand_ins = if self.has_stand_ins() { " (stand-ins)" } else { "" };
            format!("FreeBSD {}{stand_ins}", release.trim())
        } else {
            let release = std::fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
            format!("Linux {}", release.trim())
        }
    }

    // Tools

    fn command(&self, tool: Tool, arguments: &[&str]) -> Command {
        let path = tool.path();
        let name = path.rsplit('/').next().unwrap_or(path);
        let mut command = match &self.stand_ins {
            Some(directory) => Command::new(directory.join(name)),
            None => Command::new(path),
        };
        command.args(arguments).stdin(Stdio::null());
        command
    }

    /// What a tool prints.
    ///
    /// # Errors
    /// If it cannot be run or fails, with what it said.
    pub fn run(&self, tool: Tool, arguments: &[&str]) -> Result<String> {
        let line = format!("{} {}", tool.path(), arguments.join(" "));
        let output = self.command(tool, arguments).output();
        let output = output.with_context(|| format!("cannot run {line}"))?;
        let complaint = String::from_utf8_lossy(&output.stderr);
        ensure!(
            output.status.success(),
            "'{line}' failed with {}: {}",
            output.status,
            complaint.trim()
        );
        Ok(String::from_utf8_lossy(&output.stdout).into_owned())
    }

    /// Whether a tool succeeds.
    pub fn succeeds(&self, tool: Tool, arguments: &[&str]) -> bool {
        self.run(tool, arguments).is_ok()
    }

    // Preparing

    /// Switches on what can be switched off again, and notes what is missing. Returns what was done, for people.
    pub fn prepare(&mut self) -> Vec<String> {
        let mut done = Vec::new();
        if self.has_stand_ins() {
            self.lacks(Need::Real, "the host's tools are stand-ins");
        }
        if probe::own_address().is_none() {
            self.lacks(Need::Egress, "the host has no default route");
        }
        if self.is_freebsd {
            done.extend(self.prepare_freebsd());
        } else {
            self.lacks(Need::FreeBsd, "this is Linux");
        }
        done
    }

    fn lacks(&mut self, need: Need, reason: impl Into<String>) {
        self.missing.push((need, reason.into()));
    }

    fn prepare_freebsd(&mut self) -> Vec<String> {
        let mut done = Vec::new();
        for module in MODULES {
            if self.succeeds(Tool::Kldstat, &["-q", "-m", module]) {
                continue;
            }
            match self.run(Tool::Kldload, &["-n", module]) {
                Ok(_) => {
                    self.loaded.push(module);
                    done.push(format!("loaded the module {module} for this run"));
                }
                Err(error) => self.lacks(Need::Networks, format!("{error:#}")),
            }
        }
        let vimage = self.run(Tool::Sysctl, &["-n", "kern.features.vimage"]);
        if vimage.is_ok_and(|value| value.trim() == "1") {
            done.extend(self.prepare_ruleset());
        } else {
            self.lacks(Need::Networks, "the kernel was built without VIMAGE");
        }
        let release = self.run(Tool::Uname, &["-r"]).unwrap_or_default();
        let major: u32 = release
            .split('.')
            .next()
            .and_then(|major| major.parse().ok())
            .unwrap_or_default();
        if major < 14 {
            self.lacks(
                Need::FileMounts,
                format!("FreeBSD {} cannot mount single files", release.trim()),
            );
        }
        done
    }

    /// pf asks our rules if its main ruleset has three lines. Where pf is off and has no ruleset at all it is given one
    /// for the run; one that somebody wrote is left alone.
    fn prepare_ruleset(&mut self) -> Vec<String> {
        let status = self.run(Tool::Pfctl, &["-s", "info"]).unwrap_or_default();
        let enabled = status.contains("Status: Enabled");
        self.had_pf_off = !enabled;
        let nat = self.run(Tool::Pfctl, &["-s", "nat"]).unwrap_or_default();
        let rules = self.run(Tool::Pfctl, &["-s", "rules"]).unwrap_or_default();
        let present = ANCHOR_LINES
            .lines()
            .all(|line| format!("{nat}{rules}").contains(line));
        if present && enabled {
            return Vec::new();
        }
        if enabled || !nat.trim().is_empty() || !rules.trim().is_empty() {
            let reason = if enabled {
                "pf's main ruleset has not the three anchor lines of Kleene, see `kleened init`"
            } else {
                "pf has a ruleset and is not enabled: pfctl -e"
            };
            self.lacks(Need::Rules, reason);
            return Vec::new();
        }
        match self
            .load_ruleset(ANCHOR_LINES)
            .and_then(|()| self.run(Tool::Pfctl, &["-e"]))
        {
            Ok(_) => {
                self.has_our_ruleset = true;
                vec![
                    "pf was off and empty: it is on for this run, with nothing but the anchors of Kleene"
                        .to_owned(),
                ]
            }
            Err(error) => {
                self.lacks(Need::Rules, format!("{error:#}"));
                Vec::new()
            }
        }
    }

    fn load_ruleset(&self, text: &str) -> Result<()> {
        use std::io::Write;
        let mut child = self
            .command(Tool::Pfctl, &["-f", "-"])
            .stdin(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .context("cannot run pfctl")?;
        if let Some(mut input) = child.stdin.take() {
            input.write_all(text.as_bytes())?;
        }
        let output = child.wait_with_output()?;
        if !output.status.success() {
            bail!(
                "'pfctl -f -' failed: {}",
                String::from_utf8_lossy(&output.stderr).trim()
            );
        }
        Ok(())
    }

    /// Why a test that needs this cannot be run here.
    pub fn missing(&self, needs: &[Need]) -> Option<&str> {
        let missing = self.missing.iter();
        missing
            .filter(|(need, _)| needs.contains(need))
            .map(|(_, reason)| reason.as_str())
            .next()
    }

    // Afterwards

    /// Puts back what was switched on, by this program and by the daemon. Returns what could not be.
    pub fn restore(&self) -> Vec<String> {
        let mut complaints = Vec::new();
        let mut attempt =
            |result: Result<()>| complaints.extend(result.err().map(|error| format!("{error:#}")));
        for (name, value) in &self.forwarding {
            attempt(self.forward(name, value));
        }
        let is_on = || {
            let status = self.run(Tool::Pfctl, &["-s", "info"]);
            status.is_ok_and(|status| status.contains("Status: Enabled"))
        };
        if self.had_pf_off && is_on() {
            attempt(self.run(Tool::Pfctl, &["-d"]).map(drop));
        }
        if self.has_our_ruleset {
            attempt(self.load_ruleset(""));
        }
        for module in self.loaded.iter().rev() {
            attempt(self.run(Tool::Kldunload, &[module]).map(drop));
        }
        complaints
    }

    fn forwarding_now(&self) -> Result<Vec<(&'static str, String)>> {
        if self.is_freebsd {
            let value = |name| Ok((name, self.run(Tool::Sysctl, &["-n", name])?.trim().to_owned()));
            return FORWARDING.into_iter().map(value).collect();
        }
        let files = FORWARDING_FILES
            .into_iter()
            .filter_map(|file| Some((file, std::fs::read_to_string(file).ok()?.trim().to_owned())));
        Ok(files.collect())
    }

    fn forward(&self, name: &str, value: &str) -> Result<()> {
        if self.is_freebsd {
            let now = self.run(Tool::Sysctl, &["-n", name])?;
            if now.trim() != value {
                self.run(Tool::Sysctl, &[&format!("{name}={value}")])?;
            }
            return Ok(());
        }
        std::fs::write(name, value).with_context(|| format!("cannot write {name}"))
    }
}
