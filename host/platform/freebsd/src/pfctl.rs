//! pfctl(8): our anchors, and whether the administrator's ruleset lets packets pass through them.
//!
//! What pfctl(8) prints about rules changes between releases, and it exits with success where it complains (about an
//! anchor that does not exist, say). So rules are checked with `-n` before they are loaded, and what is loaded is
//! remembered and never read back.

use crate::command::{Command, Program, ToolError};

const PFCTL: Program = Program("/sbin/pfctl");

/// What `/etc/pf.conf` must hold, in the order in which pf wants them among the other rules of their kinds.
pub const ANCHOR_LINES: [&str; 3] = [
    "nat-anchor \"kleene/*\"",
    "rdr-anchor \"kleene/*\"",
    "anchor \"kleene/*\"",
];

fn in_anchor(anchor: &str) -> Command {
    Command::new(PFCTL).args(["-a", anchor])
}

/// Whether a ruleset would be taken.
pub(crate) fn check(anchor: &str, rules: &str) -> Command {
    in_anchor(anchor).args(["-n", "-f", "-"]).input(rules)
}

/// These and no other rules in an anchor; connections that exist go on.
pub(crate) fn load(anchor: &str, rules: &str) -> Command {
    in_anchor(anchor).args(["-f", "-"]).input(rules)
}

/// No rules in an anchor, which goes with its last rule. `-F rules` would complain where there is none.
pub(crate) fn clear(anchor: &str) -> Command {
    in_anchor(anchor).args(["-f", "/dev/null"])
}

pub(crate) fn enable() -> Command {
    Command::new(PFCTL).arg("-e")
}

/// Statistics, whose first line says whether pf is enabled.
pub(crate) fn status() -> Command {
    Command::new(PFCTL).args(["-s", "info"])
}

/// The filter rules of the main ruleset.
pub(crate) fn show_rules() -> Command {
    Command::new(PFCTL).args(["-s", "rules"])
}

/// The translation rules of the main ruleset.
pub(crate) fn show_nat() -> Command {
    Command::new(PFCTL).args(["-s", "nat"])
}

/// The interfaces that pf knows, one per line, and whether it skips them.
pub(crate) fn show_interfaces() -> Command {
    Command::new(PFCTL).args(["-v", "-s", "Interfaces"])
}

/// Whether [`show_interfaces`] says that pf does not look at an interface.
pub(crate) fn skips(printed: &str, interface: &str) -> bool {
    let skipped = format!("{interface} (skip)");
    printed.lines().any(|line| line.trim() == skipped)
}

/// The anchors directly below ours, one per line.
pub(crate) fn show_anchors() -> Command {
    Command::new(PFCTL).args(["-s", "Anchors", "-a", "kleene"])
}

/// Checks a whole file, such as `/etc/pf.conf`.
pub(crate) fn check_file(path: &str) -> Command {
    Command::new(PFCTL).args(["-n", "-f", path])
}

/// Loads a whole file in place of the main ruleset.
pub(crate) fn load_file(path: &str) -> Command {
    Command::new(PFCTL).args(["-f", path]).running_on()
}

/// Whether an error says that pf was enabled already.
pub(crate) fn is_enabled_already(error: &ToolError) -> bool {
    error.says("pf already enabled")
}

/// Reads [`status`].
pub(crate) fn parse_status(printed: &str) -> bool {
    printed.lines().any(|line| line.starts_with("Status: Enabled"))
}

/// Reads [`show_anchors`]: names below `kleene/`.
pub(crate) fn parse_anchors(printed: &str) -> Vec<String> {
    let names = printed
        .lines()
        .filter_map(|line| line.trim().strip_prefix("kleene/"));
    names.map(str::to_owned).collect()
}

/// Which of [`ANCHOR_LINES`] the main ruleset lacks, from [`show_nat`] and [`show_rules`].
pub(crate) fn missing_lines(nat: &str, rules: &str) -> Vec<&'static str> {
    let has = |wanted: &str| {
        let mut lines = nat.lines().chain(rules.lines());
        lines.any(|line| {
            line.trim()
                .strip_prefix(wanted)
                .is_some_and(|rest| rest.is_empty() || rest.starts_with(' '))
        })
    };
    ANCHOR_LINES.into_iter().filter(|line| !has(line)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::recorded::recorded;

    #[test]
    fn commands_are_what_an_administrator_would_type() {
        let anchor = "kleene/endpoint-0a1b2c3d4e5f";
        let rules = "pass quick on lo0\n";
        let commands = [
            check(anchor, rules),
            load(anchor, rules),
            clear(anchor),
            enable(),
            status(),
            show_rules(),
            show_nat(),
            show_anchors(),
            check_file("/etc/pf.conf"),
        ];
        let text: Vec<String> = commands.iter().map(ToString::to_string).collect();
        insta::assert_snapshot!(text.join("\n"));
    }

    #[test]
    fn the_recorded_ruleset_lacks_no_line() {
        let printed = recorded("pfctl -sr; pfctl -sn").printed;
        assert_eq!(missing_lines(&printed, &printed), Vec::<&str>::new());
    }

    #[test]
    fn a_missing_line_is_named() {
        let nat = "nat-anchor \"kleene/*\" all\nrdr-anchor \"kleene/*x\" all\n";
        assert_eq!(missing_lines(nat, ""), &ANCHOR_LINES[1..]);
        assert_eq!(missing_lines("", ""), ANCHOR_LINES);
    }

    #[test]
    fn recorded_anchors_are_named() {
        let names = parse_anchors(&recorded("pfctl -sA; pfctl -sA -a kleene").printed);
        assert_eq!(names, ["bad2", "bad3", "e1", "e2", "n1"]);
    }

    #[test]
    fn a_recorded_firewall_is_not_enabled() {
        assert!(!parse_status(&recorded("pfctl -si").printed));
        assert!(parse_status(
            "Status: Enabled for 0 days 00:00:07           Debug: Urgent\n"
        ));
    }

    #[test]
    fn recorded_complaints_about_enabling_are_no_failure() {
        let recording = crate::recorded::nth_recorded("pfctl -e", 1);
        assert_eq!(recording.status, 1);
        assert!(recording.complaint.contains("pf already enabled"));
    }
}
