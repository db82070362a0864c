//! ifconfig(8), word by word.

use crate::state::{Interface, State};
use crate::{Reply, no, ok, say};

pub(crate) fn ifconfig(state: &mut State, words: &[&str]) -> Reply {
    match words {
        ["-a"] => {
            let on_host = state
                .interfaces
                .iter()
                .filter(|(_, interface)| interface.jail.is_none());
            say(on_host
                .map(|(name, interface)| show(name, interface))
                .collect::<String>())
        }
        [name] => match state
            .interfaces
            .get(*name)
            .filter(|interface| interface.jail.is_none())
        {
            Some(interface) => say(show(name, interface)),
            None => no(format!("ifconfig: interface {name} does not exist\n")),
        },
        [kind, "create", words @ ..] => {
            let created = create(state, kind);
            if created.code != 0 || words.is_empty() {
                return created;
            }
            // What was made stays, whatever becomes of the rest.
            let changed = change(state, created.out.trim(), words);
            Reply {
                out: if changed.out.is_empty() {
                    created.out
                } else {
                    changed.out
                },
                ..changed
            }
        }
        [name, words @ ..] => match state.interfaces.get(*name) {
            Some(interface) if interface.jail.is_none() => change(state, name, words),
            _ => no(format!("ifconfig: interface {name} does not exist\n")),
        },
        [] => no("usage: ifconfig\n"),
    }
}

/// What a jail does with its own interfaces.
pub(crate) fn in_jail(state: &mut State, jail: &str, words: &[&str]) -> Reply {
    match words {
        ["lo0", ..] => ok(),
        [name, words @ ..] => match state.interfaces.get(*name) {
            Some(interface) if interface.jail.as_deref() == Some(jail) => change(state, name, words),
            _ => no(format!("ifconfig: interface {name} does not exist\n")),
        },
        [] => no("usage: ifconfig\n"),
    }
}

fn show(name: &str, interface: &Interface) -> String {
    let up = if interface.up { "UP," } else { "" };
    let mut text = format!("{name}: flags=8843<{up}BROADCAST,RUNNING,SIMPLEX,MULTICAST> metric 0 mtu 1500\n");
    if !interface.description.is_empty() {
        text.push_str(&format!("\tdescription: {}\n", interface.description));
    }
    if !interface.ether.is_empty() {
        text.push_str(&format!("\tether {}\n", interface.ether));
    }
    for (member, private) in &interface.members {
        let private = if *private { ",PRIVATE" } else { "" };
        text.push_str(&format!(
            "\tmember: {member} flags=143<LEARNING,DISCOVER{private}>\n"
        ));
    }
    let groups: Vec<&str> = [interface.kind.as_str()]
        .into_iter()
        .filter(|kind| *kind != "ether")
        .chain(interface.groups.iter().map(String::as_str))
        .collect();
    if !groups.is_empty() {
        text.push_str(&format!("\tgroups: {}\n", groups.join(" ")));
    }
    text
}

fn create(state: &mut State, kind: &str) -> Reply {
    let halves: &[&str] = match kind {
        "epair" => &["a", "b"],
        "bridge" | "lo" => &[""],
        _ => return no(format!("ifconfig: SIOCIFCREATE2 ({kind}): Invalid argument\n")),
    };
    let free = |number: &u32| {
        !halves
            .iter()
            .any(|half| state.interfaces.contains_key(&format!("{kind}{number}{half}")))
    };
    // Names that were given away keep their numbers.
    let first = state
        .interfaces
        .values()
        .filter(|interface| interface.kind == kind)
        .count()
        / halves.len();
    let number = (first as u32..).find(free).unwrap_or_default();
    for half in halves {
        let other =
            (halves.len() == 2).then(|| format!("{kind}{number}{}", if *half == "a" { "b" } else { "a" }));
        let interface = Interface {
            kind: kind.to_owned(),
            ether: format!(
                "02:2d:f3:73:{number:02x}:0{}",
                if *half == "b" { "b" } else { "a" }
            ),
            other,
            ..Interface::default()
        };
        state
            .interfaces
            .insert(format!("{kind}{number}{half}"), interface);
    }
    say(format!("{kind}{number}{}\n", halves[0]))
}

/// Changes one after the other; those before a failure stay.
fn change(state: &mut State, name: &str, words: &[&str]) -> Reply {
    let mut words = words.iter().copied().peekable();
    let mut address: Option<String> = None;
    let mut removes = false;
    while let Some(word) = words.next() {
        let has = |name: &str| state.interfaces.contains_key(name);
        match word {
            "destroy" => return destroy(state, name),
            "name" => {
                let new = words.next().unwrap_or_default();
                if has(new) {
                    return no("ifconfig: ioctl SIOCSIFNAME (set name): File exists\n");
                }
                rename(state, name, new);
                return say(format!("{new}\n"));
            }
            "addm" => {
                let member = words.next().unwrap_or_default();
                if !has(member) {
                    return no(format!("ifconfig: BRDGADD {member}: No such file or directory\n"));
                }
                if state
                    .interfaces
                    .values()
                    .any(|bridge| bridge.members.contains_key(member))
                {
                    return no(format!("ifconfig: BRDGADD {member}: File exists\n"));
                }
                edit(state, name, |bridge| {
                    bridge.members.insert(member.to_owned(), false);
                });
            }
            "private" | "-private" => {
                let member = words.next().unwrap_or_default();
                if !state.interfaces[name].members.contains_key(member) {
                    return no(format!("ifconfig: unable to set bridge flags: {member}\n"));
                }
                edit(state, name, |bridge| {
                    bridge.members.insert(member.to_owned(), word == "private");
                });
            }
            "up" => edit(state, name, |interface| interface.up = true),
            "group" | "-group" => {
                let group = words.next().unwrap_or_default();
                if group.ends_with(|last: char| last.is_ascii_digit()) {
                    return no("ifconfig: setifgroup: group names may not end in a digit\n");
                }
                // Whether it was in the group before makes no difference.
                edit(state, name, |interface| {
                    interface.groups.retain(|found| found != group)
                });
                if word == "group" {
                    edit(state, name, |interface| interface.groups.push(group.to_owned()));
                }
            }
            "description" => {
                let text = words.next().unwrap_or_default().to_owned();
                edit(state, name, |interface| interface.description = text);
            }
            "ether" => {
                let mac = words.next().unwrap_or_default().to_owned();
                edit(state, name, |interface| interface.ether = mac);
            }
            "inet" | "inet6" => address = words.next_if(|word| *word != "no_dad").map(str::to_owned),
            "no_dad" | "alias" => {}
            "-alias" => removes = true,
            _ => return no(format!("ifconfig: {word}: bad value\n")),
        }
    }
    let Some(address) = address else { return ok() };
    let plain = |address: &str| address.split('/').next().unwrap_or_default().to_owned();
    if plain(&address).parse::<std::net::IpAddr>().is_err() {
        return no(format!("ifconfig: {address}: bad value\n"));
    }
    let addresses = state
        .interfaces
        .get_mut(name)
        .map(|interface| &mut interface.addresses);
    let Some(addresses) = addresses else { return ok() };
    let present = addresses.iter().position(|found| plain(found) == plain(&address));
    match (present, removes) {
        (Some(at), true) => drop(addresses.remove(at)),
        (None, true) => return no("ifconfig: ioctl (SIOCDIFADDR): Can't assign requested address\n"),
        (Some(_), false) => {}
        (None, false) => addresses.push(address),
    }
    edit(state, name, |interface| interface.up = true);
    ok()
}

fn edit(state: &mut State, name: &str, change: impl FnOnce(&mut Interface)) {
    if let Some(interface) = state.interfaces.get_mut(name) {
        change(interface);
    }
}

fn rename(state: &mut State, name: &str, new: &str) {
    if let Some(interface) = state.interfaces.remove(name) {
        if let Some(other) = &interface.other {
            edit(state, other, |other| other.other = Some(new.to_owned()));
        }
        state.interfaces.insert(new.to_owned(), interface);
    }
}

fn destroy(state: &mut State, name: &str) -> Reply {
    let other = state
        .interfaces
        .remove(name)
        .and_then(|interface| interface.other);
    for gone in [Some(name.to_owned()), other].into_iter().flatten() {
        state.interfaces.remove(&gone);
        state.interfaces.values_mut().for_each(|bridge| {
            bridge.members.remove(&gone);
        });
    }
    ok()
}
