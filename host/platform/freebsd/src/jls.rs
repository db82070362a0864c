//! jls(8) and ps(1): which jails there are, what they are told, and which processes they hold.

use std::net::IpAddr;

use kleene_plan::Id;
use serde::Deserialize;

use crate::command::{Command, Parsed, Program, ToolError};

const JLS: Program = Program("/usr/sbin/jls");
const PS: Program = Program("/bin/ps");

/// A jail of the host.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub(crate) struct Jail {
    pub(crate) jid: i32,
    pub(crate) name: String,
    pub(crate) path: String,
    #[serde(default)]
    state: String,
    #[serde(default)]
    ipv4_addrs: Vec<String>,
    #[serde(default)]
    ipv6_addrs: Vec<String>,
}

impl Jail {
    /// Whether it was removed and the kernel has not let go of it yet.
    pub(crate) fn is_dying(&self) -> bool {
        self.state == "DYING"
    }

    /// The addresses of the host's that it may use. (An address may stand behind its interface and `|`.)
    pub(crate) fn addresses(&self) -> Vec<IpAddr> {
        let all = self.ipv4_addrs.iter().chain(&self.ipv6_addrs);
        all.filter_map(|text| text.rsplit('|').next()?.split('/').next()?.parse().ok())
            .collect()
    }
}

/// All jails. Without `-v` jls(8) tells no names.
pub(crate) fn list() -> Command {
    Command::new(JLS).args(["--libxo", "json", "-v"])
}

/// One jail.
pub(crate) fn find(id: &Id) -> Command {
    list().args(["-j", id.as_str()])
}

/// All jails, even those that are dying.
pub(crate) fn list_dying() -> Command {
    list().arg("-d")
}

/// One jail, even if it is dying.
pub(crate) fn find_dying(id: &Id) -> Command {
    list().args(["-d", "-j", id.as_str()])
}

/// A jail's processes.
pub(crate) fn processes(id: &Id) -> Command {
    Command::new(PS).args(["--libxo", "json", "-J", id.as_str(), "-o", "pid,ppid"])
}

/// Whether an error says that there is no such jail, or none any more: one that dies slowly is as good as gone.
pub(crate) fn is_absence(error: &ToolError) -> bool {
    error.says("not found") || error.says("is dying")
}

/// Reads [`list`] and its like.
pub(crate) fn parse_list(printed: &str) -> Parsed<Vec<Jail>> {
    #[derive(Deserialize)]
    #[serde(rename_all = "kebab-case")]
    struct Document {
        jail_information: Information,
    }
    #[derive(Deserialize)]
    struct Information {
        #[serde(default)]
        jail: Vec<Jail>,
    }
    let document: Document = serde_json::from_str(printed).map_err(|error| error.to_string())?;
    Ok(document.jail_information.jail)
}

/// A process of a jail.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Process {
    pub(crate) pid: i32,
    pub(crate) parent: u32,
}

/// Reads [`processes`].
pub(crate) fn parse_processes(printed: &str) -> Parsed<Vec<Process>> {
    #[derive(Deserialize)]
    #[serde(rename_all = "kebab-case")]
    struct Document {
        process_information: Information,
    }
    #[derive(Deserialize)]
    struct Information {
        #[serde(default)]
        process: Vec<Row>,
    }
    #[derive(Deserialize)]
    struct Row {
        pid: String,
        ppid: String,
    }
    let document: Document = serde_json::from_str(printed).map_err(|error| error.to_string())?;
    let process = |row: Row| {
        let pid = row.pid.trim().parse::<i32>().ok().filter(|pid| *pid > 1);
        let pid = pid.ok_or_else(|| format!("'{}' is no process of a jail", row.pid))?;
        let parent = row.ppid.trim().parse();
        let parent = parent.map_err(|_| format!("'{}' is no parent of a process", row.ppid))?;
        Ok(Process { pid, parent })
    };
    document
        .process_information
        .process
        .into_iter()
        .map(process)
        .collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::recorded::{every_output, recorded};

    #[test]
    fn a_recorded_jail_has_a_name() {
        let jails = parse_list(&recorded("jls --libxo json -v -j p1").printed).unwrap();
        let expected = Jail {
            jid: 6,
            name: "p1".to_owned(),
            path: "/tank/j1".to_owned(),
            state: "ACTIVE".to_owned(),
            ipv4_addrs: Vec::new(),
            ipv6_addrs: Vec::new(),
        };
        assert_eq!(jails, [expected]);
        assert!(!jails[0].is_dying());
    }

    #[test]
    fn recorded_addresses_are_read_in_their_order() {
        let recording = recorded(
            "ifconfig lo1 create; ifconfig lo1 inet 10.7.7.1/32 alias; jail -c path=/tank/j1 name=p3 persist ip4.addr=10.7.7.1; jls --libxo json -v -j p3; jexec p3 ifconfig lo1; jail -m name=p3 ip4.addr=10.7.7.1,10.7.7.2; jls --libxo json -v -j p3; jail -r p3; ifconfig lo1 destroy",
        );
        let last = recording
            .printed
            .lines()
            .rfind(|line| line.starts_with('{'))
            .unwrap();
        let addresses = parse_list(last).unwrap()[0].addresses();
        assert_eq!(
            addresses,
            ["10.7.7.1", "10.7.7.2"].map(|text| text.parse::<IpAddr>().unwrap())
        );
    }

    #[test]
    fn a_host_without_jails_has_none() {
        assert_eq!(parse_list(&recorded("jls --libxo json").printed), Ok(vec![]));
    }

    #[test]
    fn a_list_without_names_is_not_understood() {
        assert!(parse_list(&crate::recorded::nth_recorded("jls --libxo json", 1).printed).is_err());
    }

    #[test]
    fn recorded_processes_are_read() {
        let recording = recorded("ps --libxo json -J rcjail -o pid,ppid,command");
        let pids = parse_processes(&recording.printed).map(|all| all.iter().map(|one| one.pid).collect());
        assert_eq!(pids, Ok(vec![1963, 2011]));
    }

    #[test]
    fn a_process_that_cannot_be_in_a_jail_is_an_error() {
        for pid in ["0", "1", "-1", "x", ""] {
            let printed =
                format!(r#"{{"process-information": {{"process": [{{"pid":"{pid}", "ppid":"5"}}]}}}}"#);
            assert!(parse_processes(&printed).is_err(), "{pid}");
        }
    }

    #[test]
    fn commands_are_what_an_administrator_would_type() {
        let id: Id = "c0ffee001122".parse().unwrap();
        assert_eq!(list().to_string(), "jls --libxo json -v");
        assert_eq!(find(&id).to_string(), "jls --libxo json -v -j c0ffee001122");
        assert_eq!(
            find_dying(&id).to_string(),
            "jls --libxo json -v -d -j c0ffee001122"
        );
        assert_eq!(
            processes(&id).to_string(),
            "ps --libxo json -J c0ffee001122 -o pid,ppid"
        );
    }

    #[test]
    fn no_output_of_any_tool_makes_it_panic() {
        for output in every_output() {
            let _ = (parse_list(&output), parse_processes(&output));
        }
    }

    proptest! {
        #[test]
        fn a_document_that_is_cut_off_is_an_error(at in 0usize..120) {
            let whole = recorded("jls --libxo json -v -j p1").printed;
            let cut: String = whole.chars().take(at).collect();
            prop_assert!(parse_list(&cut).is_err());
        }
    }
}
