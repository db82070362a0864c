//! pfctl(8): rules are kept as text; their order and their first words are checked.

use crate::state::State;
use crate::{Reply, no, ok, say};

pub(crate) fn pfctl(state: &mut State, words: &[&str], input: &str) -> Reply {
    if !state.modules.contains("pf") {
        return no("pfctl: /dev/pf: No such file or directory\n");
    }
    match words {
        ["-v", "-s", "Interfaces"] => say(state
            .interfaces
            .keys()
            .map(|name| {
                let skips = state.main_ruleset.contains(&format!("set skip on {name}"));
                format!("{name}{}\n", if skips { " (skip)" } else { "" })
            })
            .collect::<String>()),
        ["-e"] if state.pf_enabled => no("pfctl: pf already enabled\n"),
        ["-e"] => {
            state.pf_enabled = true;
            Reply {
                err: "pf enabled\n".to_owned(),
                ..ok()
            }
        }
        ["-d"] if !state.pf_enabled => no("pfctl: pf not enabled\n"),
        ["-d"] => {
            state.pf_enabled = false;
            Reply {
                err: "pf disabled\n".to_owned(),
                ..ok()
            }
        }
        ["-s", "info"] => say(format!(
            "Status: {}\n",
            if state.pf_enabled {
                "Enabled for 0 days"
            } else {
                "Disabled"
            }
        )),
        ["-s", "nat"] => say(of_main(state, true)),
        ["-s", "rules"] => say(of_main(state, false)),
        ["-s", "Anchors", "-a", "kleene"] => say(state
            .anchors
            .keys()
            .map(|name| format!("  {name}\n"))
            .collect::<String>()),
        ["-a", _, "-n", "-f", "-"] => check(input).unwrap_or_else(ok),
        ["-a", anchor, "-f", from] => {
            let rules = if *from == "-" { input } else { "" };
            if let Some(reply) = check(rules) {
                return reply;
            }
            if rules.is_empty() {
                state.anchors.remove(*anchor);
            } else {
                state.anchors.insert((*anchor).to_owned(), rules.to_owned());
            }
            ok()
        }
        ["-n", "-f", _] => ok(),
        _ => no("usage: pfctl\n"),
    }
}

fn of_main(state: &State, translation: bool) -> String {
    let is_translation = |line: &str| line.starts_with("nat") || line.starts_with("rdr");
    let lines = state
        .main_ruleset
        .iter()
        .filter(|line| is_translation(line) == translation && !line.starts_with("set "));
    lines.map(|line| format!("{line}\n")).collect()
}

fn check(rules: &str) -> Option<Reply> {
    let mut filters = false;
    for (number, line) in rules.lines().enumerate() {
        let number = number + 1;
        match line.split_whitespace().next() {
            Some("nat" | "rdr" | "no") if filters => {
                return Some(no(format!(
                    "stdin:{number}: Rules must be in order: options, normalization, queueing, translation, filtering\n"
                )));
            }
            Some("nat" | "rdr" | "no") => {}
            Some("pass" | "block") => filters = true,
            _ => return Some(no(format!("stdin:{number}: syntax error\n"))),
        }
    }
    None
}
