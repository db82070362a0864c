//! Small tools about the host as a whole: sysctl(8), kldstat(8), kldload(8), sysrc(8) and uname(1).

use std::fmt;
use std::str::FromStr;

use kleene_plan::Family;
use kleene_platform::System;

use crate::command::{Command, Parsed, Program, ToolError};

const SYSCTL: Program = Program("/sbin/sysctl");
const KLDSTAT: Program = Program("/sbin/kldstat");
const KLDLOAD: Program = Program("/sbin/kldload");
const SYSRC: Program = Program("/usr/sbin/sysrc");
const TEE: Program = Program("/usr/bin/tee");
const UNAME: Program = Program("/usr/bin/uname");

/// The value of a kernel variable, and nothing but it.
pub(crate) fn get_sysctl(name: &str) -> Command {
    Command::new(SYSCTL).args(["-n", name])
}

pub(crate) fn set_sysctl(name: &str, value: u32) -> Command {
    Command::new(SYSCTL).arg(format!("{name}={value}"))
}

/// The kernel variable that says whether packets are forwarded.
pub(crate) fn forwarding(family: Family) -> &'static str {
    match family {
        Family::Inet => "net.inet.ip.forwarding",
        Family::Inet6 => "net.inet6.ip6.forwarding",
    }
}

/// Succeeds if the kernel has a module, loaded or built in.
pub(crate) fn has_module(name: &str) -> Command {
    Command::new(KLDSTAT).args(["-q", "-m", name])
}

/// `-n`: a module that is there is fine.
pub(crate) fn load_module(name: &str) -> Command {
    Command::new(KLDLOAD).args(["-n", name])
}

/// A variable of `/etc/rc.conf`, or of another file.
pub(crate) fn get_rc(file: Option<&str>, name: &str) -> Command {
    rc(file).args(["-n", name])
}

/// The value is given bare: sysrc(8) keeps quote characters as part of it.
pub(crate) fn set_rc(file: Option<&str>, name: &str, value: &str) -> Command {
    rc(file).arg(format!("{name}={value}")).running_on()
}

/// The file that says what the kernel and its modules are told when they are loaded.
const LOADER_CONF: &str = "/boot/loader.conf";

/// Sets a kernel variable from the next boot on. sysrc(8) takes no name with dots.
pub(crate) fn set_tunable(name: &str, value: u32) -> Command {
    Command::new(TEE)
        .args(["-a", LOADER_CONF])
        // What is there may lack its last newline.
        .input(format!("\n{name}={value}\n"))
        .running_on()
}

/// The same in the words of a shell.
pub(crate) fn advice_to_set_tunable(name: &str, value: u32) -> String {
    format!("echo '{name}={value}' >> {LOADER_CONF}")
}

/// Adds words to a list in `/etc/rc.conf`; one that is there is not added again.
pub(crate) fn add_to_rc(name: &str, words: &[&str]) -> Command {
    rc(None).arg(format!("{name}+={}", words.join(" "))).running_on()
}

fn rc(file: Option<&str>) -> Command {
    let file = file.into_iter().flat_map(|file| ["-f", file]);
    Command::new(SYSRC).args(file)
}

/// Whether an error says that a variable is not set.
pub(crate) fn rc_is_unset(error: &ToolError) -> bool {
    error.says("unknown variable")
}

pub(crate) fn release() -> Command {
    Command::new(UNAME).arg("-r")
}

/// Name, release and machine.
pub(crate) fn system() -> Command {
    Command::new(UNAME).arg("-rms")
}

/// Reads [`system`].
pub(crate) fn parse_system(printed: &str) -> Parsed<System> {
    let words: Vec<&str> = printed.split_whitespace().collect();
    match words.as_slice() {
        [name, release, machine] => Ok(System {
            name: (*name).to_owned(),
            release: (*release).to_owned(),
            machine: (*machine).to_owned(),
        }),
        _ => Err(format!("'{}' has not three words", printed.trim())),
    }
}

/// A release of FreeBSD.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Release {
    major: u32,
    text: String,
}

impl Release {
    /// Whether a file can be mounted on a file with nullfs. Before 14 it can make the kernel panic.
    #[must_use]
    pub fn mounts_files(&self) -> bool {
        self.major >= 14
    }

    /// Whether Kleene runs on it.
    #[must_use]
    pub fn is_supported(&self) -> bool {
        self.major >= 13
    }
}

impl fmt::Display for Release {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "FreeBSD {}", self.text)
    }
}

impl FromStr for Release {
    type Err = String;

    /// As `uname -r` prints it: `13.2-RELEASE-p4`, `15.0-CURRENT`.
    fn from_str(text: &str) -> Parsed<Self> {
        let text = text.trim();
        let major = text.split_once('.').and_then(|(major, _)| major.parse().ok());
        Ok(Self {
            major: major.ok_or_else(|| format!("'{text}' is no release of FreeBSD"))?,
            text: text.to_owned(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::recorded::recorded;

    #[test]
    fn commands_are_what_an_administrator_would_type() {
        let commands = [
            get_sysctl("kern.racct.enable"),
            set_sysctl(forwarding(Family::Inet), 1),
            set_sysctl(forwarding(Family::Inet6), 1),
            has_module("pf"),
            load_module("if_epair"),
            get_rc(None, "pf_enable"),
            set_rc(None, "pf_enable", "YES"),
            set_rc(Some("/boot/loader.conf"), "pf_load", "YES"),
            add_to_rc("kld_list", &["if_bridge", "nullfs"]),
            set_tunable("kern.racct.enable", 1),
            release(),
            system(),
        ];
        let text: Vec<String> = commands.iter().map(ToString::to_string).collect();
        insta::assert_snapshot!(text.join("\n"));
    }

    #[test]
    fn files_are_mounted_from_fourteen_on() {
        let release = |text: &str| text.parse::<Release>().unwrap();
        let recorded = recorded("uname -a; uname -rms; freebsd-version -ku").printed;
        let thirteen = release(recorded.lines().last().unwrap());
        assert!(thirteen.is_supported() && !thirteen.mounts_files());
        assert!(release("14.1-RELEASE-p5\n").mounts_files());
        assert!(!release("12.4-STABLE").is_supported());
        assert_eq!(release("15.0-CURRENT").to_string(), "FreeBSD 15.0-CURRENT");
    }

    #[test]
    fn the_recorded_system_is_understood() {
        let recorded = recorded("uname -a; uname -rms; freebsd-version -ku").printed;
        let system = parse_system(recorded.lines().nth(1).unwrap()).unwrap();
        let words = [&system.name, &system.release, &system.machine];
        assert_eq!(words, ["FreeBSD", "13.2-RELEASE", "amd64"]);
        assert!(parse_system("FreeBSD\n").is_err());
    }

    #[test]
    fn what_is_no_release_is_refused() {
        for text in ["", "Linux", "6-1", ".2-RELEASE"] {
            assert!(text.parse::<Release>().is_err(), "{text:?}");
        }
    }
}
