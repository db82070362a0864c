//! sysctl(8), kldstat(8), kldload(8), kldunload(8), sysrc(8), mdconfig(8), uname(1), devfs(8), service(8), tee(1).

use crate::death::Death;
use crate::state::State;
use crate::{Reply, no, ok, say};

/// Modules that exist.
const MODULES: [&str; 7] = ["zfs", "pf", "pflog", "if_bridge", "if_epair", "nullfs", "ipfw"];

pub(crate) fn run(state: &mut State, tool: &str, words: &[&str]) -> Reply {
    match (tool, words) {
        ("uname", ["-r"]) => say(format!("{}\n", state.release)),
        ("uname", ["-rms"]) => say(format!("FreeBSD {} amd64\n", state.release)),
        ("devfs", ["rule", "-s", "4", "show"]) if state.has_devfs_rules => {
            say("100 include 1\n200 include 2\n300 include 3\n400 path zfs unhide\n")
        }
        ("devfs", _) => ok(),
        ("service", ["devfs", "onerestart"]) => {
            state.has_devfs_rules = true;
            ok()
        }
        ("sysctl", ["-n", name]) => match state.sysctls.get(*name) {
            Some(value) => say(format!("{value}\n")),
            None => no(format!("sysctl: unknown oid '{name}'\n")),
        },
        // No variable of FreeBSD's: how a test says that something holds on to jails that are removed.
        ("sysctl", ["fake.jails.die_slowly=1"]) => {
            state.lets_jails_die_slowly = true;
            ok()
        }
        ("sysctl", ["fake.jails.die_slowly=0"]) => {
            state.lets_jails_die_slowly = false;
            state.dying.clear();
            ok()
        }
        // As little: how it says at which of its commands a daemon or a supervisor is killed, or that none is.
        ("sysctl", ["fake.death"]) => say(format!("{:?}\n", state.death)),
        ("sysctl", [setting]) => match setting.split_once('=') {
            Some(("fake.death", death)) => {
                state.death = Death::parse(death);
                ok()
            }
            Some((name, value)) => {
                let old = state
                    .sysctls
                    .insert(name.to_owned(), value.to_owned())
                    .unwrap_or_default();
                say(format!("{name}: {old} -> {value}\n"))
            }
            None => no("usage: sysctl\n"),
        },
        ("rctl", []) => ok(),
        ("kldstat", ["-q", "-m", name]) if state.modules.contains(*name) => ok(),
        ("kldstat", _) => no(""),
        ("kldload", ["-n", name]) if MODULES.contains(name) => {
            state.modules.insert((*name).to_owned());
            ok()
        }
        ("kldunload", [name]) if state.modules.remove(*name) => ok(),
        ("kldunload", words) => {
            let name = words.last().unwrap_or(&"");
            no(format!("kldunload: can't find file {name}\n"))
        }
        ("mdconfig", ["-a", "-t", "vnode", "-f", file]) if std::path::Path::new(file).exists() => {
            let number = (0..)
                .find(|number| state.disks.insert(format!("md{number}")))
                .unwrap_or(0);
            say(format!("md{number}\n"))
        }
        ("mdconfig", ["-d", "-u", disk]) if state.disks.remove(*disk) => ok(),
        ("kldload", words) => {
            let name = words.last().unwrap_or(&"");
            no(format!("kldload: can't load {name}: No such file or directory\n"))
        }
        ("sysrc", ["-f", file, rest @ ..]) => sysrc(state, file, rest),
        ("sysrc", rest) => sysrc(state, "/etc/rc.conf", rest),
        _ => no(format!("usage: {tool}\n")),
    }
}

/// `tee -a <file>` of lines `name=value`.
pub(crate) fn tee(state: &mut State, words: &[&str], input: &str) -> Reply {
    let ["-a", file] = words else {
        return no("usage: tee [-ai] [file ...]\n");
    };
    for (name, value) in input.lines().filter_map(|line| line.split_once('=')) {
        state.rc.insert(format!("{file}:{name}"), value.to_owned());
    }
    say(input)
}

fn sysrc(state: &mut State, file: &str, words: &[&str]) -> Reply {
    match words {
        ["-n", name] => match state.rc.get(&format!("{file}:{name}")) {
            Some(value) => say(format!("{value}\n")),
            None => no(format!("sysrc: unknown variable '{name}'\n")),
        },
        [setting] => match setting.split_once('=') {
            Some((name, _)) if name.contains('.') => no(format!(
                "sysrc: {name}: name contains characters not allowed in shell\n"
            )),
            Some((list, words)) if list.ends_with('+') => {
                let name = list.trim_end_matches('+');
                let value = state.rc.entry(format!("{file}:{name}")).or_default();
                let old = value.clone();
                for word in words.split(' ') {
                    if !old.split(' ').any(|found| found == word) {
                        *value = format!("{value} {word}").trim().to_owned();
                    }
                }
                say(format!("{name}: {old} -> {value}\n"))
            }
            Some((name, value)) => {
                let old = state
                    .rc
                    .insert(format!("{file}:{name}"), value.to_owned())
                    .unwrap_or_default();
                say(format!("{name}: {old} -> {value}\n"))
            }
            None => no("usage: sysrc\n"),
        },
        _ => no("usage: sysrc\n"),
    }
}
