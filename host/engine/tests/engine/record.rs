//! All that a daemon leaves: its objects, its journal, its files, and what is on its host. As lines, so that two
//! moments can be compared.

use std::fmt::Write as _;
use std::path::Path;

use kleene_plan::Id;
use kleene_store::{Read, StoreError};

use crate::world::{World, names_in};

/// Everything, at this moment.
#[derive(Clone, PartialEq, Eq)]
pub struct Record(Vec<String>);

impl Record {
    pub fn of(world: &World) -> Self {
        let mut lines = host(world);
        lines.extend(world.store().read(objects).unwrap());
        lines.extend(stray_files(world));
        // Directories of a test have names of their own.
        let directory = world.directory().display().to_string();
        let mut lines: Vec<_> = lines
            .into_iter()
            .map(|line| line.replace(&directory, "<directory>"))
            .collect();
        lines.sort();
        Self(lines)
    }

    /// The record with all ids and what is made of them alike, to be compared with that of another world.
    pub fn shape(&self) -> Self {
        let mut lines: Vec<_> = self.0.iter().map(|line| without_ids(line)).collect();
        lines.sort();
        Self(lines)
    }

    /// Lines of what should never be there once a use case has ended: open changes and leftovers.
    pub fn unfinished(&self) -> Vec<&str> {
        let unfinished = |line: &&String| {
            ["leftover", "open", "stray"]
                .iter()
                .any(|kind| line.starts_with(kind))
        };
        self.0.iter().filter(unfinished).map(String::as_str).collect()
    }
}

impl std::fmt::Debug for Record {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        for line in &self.0 {
            write!(f, "\n    {line}")?;
        }
        Ok(())
    }
}

/// Forwarding is left out: it is never taken back, since others may rely on it by then.
fn host(world: &World) -> Vec<String> {
    let inventory = world.sim.inventory();
    inventory
        .lines()
        .iter()
        .filter(|(object, _)| !object.starts_with("forwarding"))
        .map(|(object, what)| {
            // A jail's addresses are in the order of the ids of its networks.
            let mut words: Vec<_> = what.split(' ').collect();
            if object.starts_with("jail") {
                words.sort_unstable();
            }
            format!("host: {object}: {}", words.join(" "))
        })
        .collect()
}

fn objects(read: &Read<'_>) -> Result<Vec<String>, StoreError> {
    let mut lines = Vec::new();
    for container in read.containers()? {
        let running = if container.started.is_some() {
            "runs"
        } else {
            "stopped"
        };
        let mut line = format!("container {} of {}: {running}", container.id, container.image);
        let _ = write!(line, " {:?} {:?}", container.mounts, container.network_driver);
        lines.push(line);
    }
    for image in read.images()? {
        lines.push(format!(
            "image {} {}:{} {:?} {:?}",
            image.id, image.name, image.tag, image.instructions, image.origin
        ));
    }
    for network in read.networks()? {
        lines.push(format!(
            "network {} {} {}",
            network.id, network.name, network.interface
        ));
    }
    for endpoint in read.endpoints()? {
        lines.push(format!(
            "endpoint {} of {} in {}: {:?} {:?}",
            endpoint.id, endpoint.container, endpoint.network, endpoint.ip4, endpoint.ip6
        ));
    }
    for volume in read.volumes()? {
        lines.push(format!("volume {}", volume.name));
    }
    for (object, applied) in read.all_applied()? {
        for applied in applied {
            lines.push(format!(
                "applied for {object}: {} / {:?}",
                applied.op, applied.undo
            ));
        }
    }
    for holder in read.port_holders()? {
        lines.push(format!("ports held by {holder}"));
    }
    for leftover in read.leftovers()? {
        lines.push(format!("leftover of {}: {}", leftover.object, leftover.op));
    }
    for open in read.open_transactions()? {
        lines.push(format!("open: {} {}", open.kind, open.object));
    }
    Ok(lines)
}

/// Files of supervisors of containers that do not run, and logs of containers that are gone.
fn stray_files(world: &World) -> Vec<String> {
    let containers = world.store().read(|read| read.containers()).unwrap();
    let known = |id: &Id| containers.iter().find(|container| container.id == *id);
    let parsed = |directory: &Path, suffix: &str| -> Vec<Id> {
        let names = names_in(directory).into_iter();
        names
            .filter_map(|name| name.strip_suffix(suffix)?.parse().ok())
            .collect()
    };
    let mut lines = Vec::new();
    for id in parsed(&world.run_dir(), "") {
        if known(&id).is_none_or(|container| container.started.is_none()) {
            lines.push(format!("stray files of supervisors of {id}"));
        }
    }
    for id in parsed(&world.state_dir().join("log"), ".log") {
        if known(&id).is_none() {
            lines.push(format!("stray log of {id}"));
        }
    }
    lines
}

/// Replaces every run of hexadecimal digits and colons that an id or a hardware address can be.
pub fn without_ids(text: &str) -> String {
    let mut plain = String::new();
    let mut word = String::new();
    let flush = |word: &mut String, plain: &mut String| {
        plain.push_str(&shortened(word));
        word.clear();
    };
    for letter in text.chars() {
        if letter.is_ascii_hexdigit() || letter == ':' {
            word.push(letter);
        } else {
            flush(&mut word, &mut plain);
            plain.push(letter);
        }
    }
    flush(&mut word, &mut plain);
    plain
}

/// `<id>` for twelve hexadecimal digits (perhaps with the letter of an interface's side), `<mac>` for an address.
fn shortened(word: &str) -> String {
    let (body, colon) = match word.strip_suffix(':') {
        Some(body) => (body, ":"),
        None => (word, ""),
    };
    let is_mac = body.len() == 17 && body.split(':').all(|part| part.len() == 2);
    let shown = match body.len() {
        _ if is_mac => "<mac>",
        12 if !body.contains(':') => "<id>",
        13 if !body.contains(':') => return format!("<id>{}{colon}", &body[12..]),
        _ => body,
    };
    format!("{shown}{colon}")
}
