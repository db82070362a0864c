//! zfs(8): content lies in a directory of its own while a dataset is not mounted, and at its mount point else.

use std::fs;
use std::path::{Path, PathBuf};

use crate::state::{Dataset, Host, State, real};
use crate::{Reply, no, ok, say};

/// zpool(8): a pool is a dataset above which there is none. What it lies on is nobody's business.
pub(crate) fn zpool(state: &mut State, host: &Host, words: &[&str]) -> Reply {
    let pool = Pool { host };
    let exists = |state: &State, name: &str| state.datasets.contains_key(name);
    let result = match words {
        ["list", "-Hp", "-o", "health,capacity", name] if exists(state, name) => Ok(say("ONLINE\t3\n")),
        ["list", "-H", "-o", "name", name] if exists(state, name) => Ok(say(format!("{name}\n"))),
        ["create", "-o", _, "-O", _, name, _disk] if !exists(state, name) => pool.create_pool(state, name),
        ["destroy", "-f", name] if exists(state, name) => pool.destroy(state, name, true),
        _ => {
            let pool = words.last().unwrap_or(&"");
            Err(no(format!("cannot open '{pool}': no such pool\n")))
        }
    };
    result.unwrap_or_else(|reply| reply)
}

/// `input` is what [`send`](Pool::send) printed.
pub(crate) fn zfs(state: &mut State, host: &Host, words: &[&str], input: &str) -> Reply {
    let pool = Pool { host };
    let (flags, names) = split(words);
    let result = match (words.first(), names.as_slice()) {
        (Some(&"create"), [name]) => pool.create(state, name, &flags),
        (Some(&"clone"), [snapshot, name]) => pool.clone_to(state, snapshot, name),
        (Some(&"snapshot"), [snapshot]) => pool.snapshot(state, snapshot),
        (Some(&"rename"), [from, to]) => pool.rename(state, from, to),
        (Some(&"promote"), [name]) => pool.promote(state, name),
        (Some(&"send"), [snapshot]) => pool.send(state, snapshot),
        (Some(&"receive"), [name]) => pool.receive(state, name, input.trim()),
        (Some(&"destroy"), [name]) if flags.contains(&"-d") => pool.release(state, name),
        (Some(&"destroy"), [name]) => pool.destroy(state, name, flags.contains(&"-r")),
        (Some(&"mount"), [name]) => pool.mount(state, name),
        (Some(&"unmount"), [name]) => {
            if flags.contains(&"-f") {
                state.let_go(&pool.mountpoint(name));
            }
            pool.unmount(state, name)
        }
        (Some(&"set"), [setting, name]) => set(state, setting, name),
        (Some(&"list"), [name]) => pool.list(state, words, name),
        (Some(&"list"), []) => pool.list_pools(state, words),
        _ => Err(no(format!("unrecognized command '{}'\n", words.join(" ")))),
    };
    result.unwrap_or_else(|reply| reply)
}

/// Options with their values, and what is left.
fn split<'a>(words: &[&'a str]) -> (Vec<&'a str>, Vec<&'a str>) {
    let (mut flags, mut names) = (Vec::new(), Vec::new());
    let is_list = words.first() == Some(&"list");
    let mut words = words.iter().skip(1);
    while let Some(word) = words.next() {
        if word.starts_with('-') {
            flags.push(*word);
            if matches!(*word, "-o" | "-t") || (is_list && *word == "-d") {
                flags.extend(words.next());
            }
        } else {
            names.push(*word);
        }
    }
    (flags, names)
}

type Answer = Result<Reply, Reply>;

struct Pool<'a> {
    host: &'a Host,
}

fn absent(name: &str) -> Reply {
    no(format!("cannot open '{name}': dataset does not exist\n"))
}

fn failed(what: &str) -> impl Fn(std::io::Error) -> Reply {
    move |error| no(format!("{what}: {error}\n"))
}

fn clones_of<'a>(state: &'a State, of: &'a str) -> Vec<&'a str> {
    let is_of = |origin: &str| origin == of || origin.split('@').next() == Some(of);
    let clones = state
        .datasets
        .iter()
        .filter(|(_, dataset)| dataset.origin.as_deref().is_some_and(is_of));
    clones.map(|(name, _)| name.as_str()).collect()
}

impl Pool<'_> {
    fn mountpoint(&self, name: &str) -> PathBuf {
        self.host.directory().join(name)
    }

    fn content(&self, name: &str) -> PathBuf {
        self.host.directory().join("content").join(name.replace('/', "+"))
    }

    /// Where the files of a dataset or a snapshot are now.
    fn files(&self, state: &State, name: &str) -> PathBuf {
        match state.datasets.get(name) {
            Some(dataset) if dataset.mounted => self.mountpoint(name),
            _ => self.content(name),
        }
    }

    fn add(&self, state: &mut State, name: &str, origin: Option<&str>, by_itself: bool) -> Answer {
        let created = state.number();
        let dataset = Dataset {
            origin: origin.map(str::to_owned),
            created,
            ..Dataset::default()
        };
        state.datasets.insert(name.to_owned(), dataset);
        if by_itself {
            self.mount(state, name)
        } else {
            Ok(ok())
        }
    }

    fn check_new(&self, state: &State, name: &str) -> Result<(), Reply> {
        if state.datasets.contains_key(name) {
            return Err(no(format!("cannot create '{name}': dataset already exists\n")));
        }
        match name.rsplit_once('/') {
            Some((parent, _)) if state.datasets.contains_key(parent) => Ok(()),
            _ => Err(no(format!("cannot create '{name}': parent does not exist\n"))),
        }
    }

    fn create(&self, state: &mut State, name: &str, flags: &[&str]) -> Answer {
        if flags.contains(&"-p") {
            if state.datasets.contains_key(name) {
                return Ok(ok());
            }
            if let Some((parent, _)) = name.rsplit_once('/') {
                self.create(state, parent, &["-p"])?;
            }
        }
        self.check_new(state, name)?;
        fs::create_dir(self.content(name)).map_err(failed("create"))?;
        self.add(state, name, None, !flags.contains(&"canmount=noauto"))
    }

    fn create_pool(&self, state: &mut State, name: &str) -> Answer {
        fs::create_dir(self.content(name)).map_err(failed("create"))?;
        self.add(state, name, None, true)
    }

    fn copy(&self, from: &Path, to: &Path) -> Result<(), Reply> {
        real(
            "/bin/cp",
            &["-a", "-x", &from.display().to_string(), &to.display().to_string()],
        )
    }

    fn clone_to(&self, state: &mut State, snapshot: &str, name: &str) -> Answer {
        if !self.has_snapshot(state, snapshot) {
            return Err(absent(snapshot));
        }
        self.check_new(state, name)?;
        self.copy(&self.content(snapshot), &self.content(name))?;
        self.add(state, name, Some(snapshot), false)
    }

    /// A stream is the name of what is in it.
    fn send(&self, state: &State, snapshot: &str) -> Answer {
        if self.has_snapshot(state, snapshot) {
            Ok(say(format!("{snapshot}\n")))
        } else {
            Err(absent(snapshot))
        }
    }

    fn receive(&self, state: &mut State, name: &str, stream: &str) -> Answer {
        let Some((_, tag)) = stream
            .split_once('@')
            .filter(|_| self.has_snapshot(state, stream))
        else {
            return Err(no("cannot receive: failed to read from stream\n"));
        };
        if state.datasets.contains_key(name) {
            return Err(no(format!(
                "cannot receive new filesystem stream: destination '{name}' exists\nmust specify -F to overwrite it\n"
            )));
        }
        self.check_new(state, name)?;
        self.copy(&self.content(stream), &self.content(name))?;
        self.add(state, name, None, false)?;
        self.snapshot(state, &format!("{name}@{tag}"))
    }

    /// Destroys a snapshot now or with its last clone.
    fn release(&self, state: &mut State, snapshot: &str) -> Answer {
        let (dataset, tag) = snapshot.split_once('@').unwrap_or((snapshot, ""));
        let has_clones = state
            .datasets
            .values()
            .any(|clone| clone.origin.as_deref() == Some(snapshot));
        if !has_clones || !self.has_snapshot(state, snapshot) {
            return self.destroy_snapshot(state, snapshot, dataset, tag);
        }
        if let Some(dataset) = state.datasets.get_mut(dataset) {
            dataset.released.insert(tag.to_owned());
        }
        Ok(ok())
    }

    /// What was released goes with its last clone.
    fn drop_released(&self, state: &mut State) -> Answer {
        let released: Vec<(String, String)> = state
            .datasets
            .iter()
            .flat_map(|(name, dataset)| dataset.released.iter().map(|tag| (name.clone(), tag.clone())))
            .collect();
        for (name, tag) in released {
            let snapshot = format!("{name}@{tag}");
            let is_origin = |clone: &Dataset| clone.origin.as_deref() == Some(&snapshot);
            if !state.datasets.values().any(is_origin) {
                if let Some(dataset) = state.datasets.get_mut(&name) {
                    dataset.released.remove(&tag);
                }
                self.destroy_snapshot(state, &snapshot, &name, &tag)?;
            }
        }
        Ok(ok())
    }

    fn has_snapshot(&self, state: &State, snapshot: &str) -> bool {
        let Some((name, tag)) = snapshot.split_once('@') else {
            return false;
        };
        let dataset = state.datasets.get(name);
        dataset.is_some_and(|dataset| dataset.snapshots.iter().any(|(name, _)| name == tag))
    }

    fn snapshot(&self, state: &mut State, snapshot: &str) -> Answer {
        if self.has_snapshot(state, snapshot) {
            return Err(no(format!(
                "cannot create snapshot '{snapshot}': dataset already exists\n"
            )));
        }
        let (name, tag) = snapshot.split_once('@').unwrap_or((snapshot, ""));
        if !state.datasets.contains_key(name) {
            return Err(absent(name));
        }
        self.copy(&self.files(state, name), &self.content(snapshot))?;
        let number = state.number();
        if let Some(dataset) = state.datasets.get_mut(name) {
            dataset.snapshots.push((tag.to_owned(), number));
        }
        Ok(ok())
    }

    fn busy(&self, state: &State, name: &str) -> Result<(), Reply> {
        let mountpoint = self.mountpoint(name);
        let is_used = state
            .mounts
            .iter()
            .any(|mount| mount.node.starts_with(&*mountpoint.to_string_lossy()))
            || crate::processes::is_used(&mountpoint)
            || state
                .dying
                .values()
                .any(|jail| Path::new(&jail.path) == mountpoint);
        if is_used {
            let mountpoint = mountpoint.display();
            return Err(no(format!(
                "cannot unmount '{mountpoint}': pool or dataset is busy\n"
            )));
        }
        Ok(())
    }

    fn mount(&self, state: &mut State, name: &str) -> Answer {
        let (content, mountpoint) = (self.content(name), self.mountpoint(name));
        let dataset = state.datasets.get_mut(name).ok_or_else(|| absent(name))?;
        if dataset.mounted {
            return Err(no(format!("cannot mount '{name}': filesystem already mounted\n")));
        }
        dataset.mounted = true;
        fs::create_dir_all(&mountpoint).map_err(failed("mount"))?;
        fs::rename(content, mountpoint).map_err(failed("mount"))?;
        Ok(ok())
    }

    fn unmount(&self, state: &mut State, name: &str) -> Answer {
        if !state.datasets.contains_key(name) {
            return Err(absent(name));
        }
        if !state.datasets[name].mounted {
            return Err(no(format!("cannot unmount '{name}': not currently mounted\n")));
        }
        self.busy(state, name)?;
        let (content, mountpoint) = (self.content(name), self.mountpoint(name));
        fs::rename(&mountpoint, content).map_err(failed("unmount"))?;
        fs::create_dir(mountpoint).map_err(failed("unmount"))?;
        if let Some(dataset) = state.datasets.get_mut(name) {
            dataset.mounted = false;
        }
        Ok(ok())
    }

    fn rename(&self, state: &mut State, from: &str, to: &str) -> Answer {
        if !state.datasets.contains_key(from) {
            return Err(absent(from));
        }
        if state.datasets.contains_key(to) {
            return Err(no(format!("cannot rename '{from}': dataset already exists\n")));
        }
        if let Some((parent, _)) = to.rsplit_once('/') {
            self.create(state, parent, &["-p"])?;
        }
        let was_mounted = state.datasets[from].mounted;
        if was_mounted {
            self.unmount(state, from)?;
        }
        let _ = fs::remove_dir(self.mountpoint(from));
        fs::rename(self.content(from), self.content(to)).map_err(failed("rename"))?;
        if let Some(dataset) = state.datasets.remove(from) {
            for (tag, _) in &dataset.snapshots {
                let (old, new) = (format!("{from}@{tag}"), format!("{to}@{tag}"));
                fs::rename(self.content(&old), self.content(&new)).map_err(failed("rename"))?;
                for clone in state.datasets.values_mut() {
                    if clone.origin.as_deref() == Some(&old) {
                        clone.origin = Some(new.clone());
                    }
                }
            }
            state.datasets.insert(to.to_owned(), dataset);
        }
        if was_mounted {
            self.mount(state, to)
        } else {
            Ok(ok())
        }
    }

    fn promote(&self, state: &mut State, name: &str) -> Answer {
        let Some(clone) = state.datasets.get(name) else {
            return Err(absent(name));
        };
        let Some((parent, tag)) = clone.origin.as_deref().and_then(|origin| origin.split_once('@')) else {
            return Err(no(format!("cannot promote '{name}': not a cloned filesystem\n")));
        };
        let (parent, tag) = (parent.to_owned(), tag.to_owned());
        let of_parent = state.datasets.get_mut(&parent).ok_or_else(|| absent(name))?;
        let until = of_parent.snapshots.iter().position(|(name, _)| *name == tag);
        let moved: Vec<_> = of_parent.snapshots.drain(..=until.unwrap_or(0)).collect();
        let origin = of_parent.origin.replace(format!("{name}@{tag}"));
        for (tag, _) in &moved {
            let (old, new) = (format!("{parent}@{tag}"), format!("{name}@{tag}"));
            fs::rename(self.content(&old), self.content(&new)).map_err(failed("promote"))?;
            for dataset in state.datasets.values_mut() {
                if dataset.origin.as_deref() == Some(&old) {
                    dataset.origin = Some(new.clone());
                }
            }
        }
        if let Some(promoted) = state.datasets.get_mut(name) {
            promoted.snapshots.splice(0..0, moved);
            promoted.origin = origin;
        }
        Ok(ok())
    }

    fn destroy(&self, state: &mut State, name: &str, recursive: bool) -> Answer {
        if let Some((dataset, tag)) = name.split_once('@') {
            return self.destroy_snapshot(state, name, dataset, tag);
        }
        if !state.datasets.contains_key(name) {
            return Err(absent(name));
        }
        let below = format!("{name}/");
        let children: Vec<String> = state
            .datasets
            .keys()
            .filter(|other| other.starts_with(&below))
            .cloned()
            .collect();
        if !recursive && !children.is_empty() {
            return Err(no(format!("cannot destroy '{name}': filesystem has children\n")));
        }
        // Those below others first; clones of what is destroyed along are no hindrance to zfs(8), but nobody asks.
        for child in children.iter().rev() {
            self.destroy(state, child, true)?;
        }
        let Some(dataset) = state.datasets.get(name) else {
            return Err(absent(name));
        };
        let clones = clones_of(state, name);
        if !clones.is_empty() {
            return Err(no(format!(
                "cannot destroy '{name}': filesystem has dependent clones\nuse '-R' to destroy the following datasets:\n{}\n",
                clones.join("\n")
            )));
        }
        if !recursive && !dataset.snapshots.is_empty() {
            return Err(no(format!("cannot destroy '{name}': filesystem has children\n")));
        }
        let snapshots: Vec<String> = dataset
            .snapshots
            .iter()
            .map(|(tag, _)| format!("{name}@{tag}"))
            .collect();
        if dataset.mounted {
            self.unmount(state, name)?;
        }
        let _ = fs::remove_dir(self.mountpoint(name));
        for name in snapshots.iter().map(String::as_str).chain([name]) {
            fs::remove_dir_all(self.content(name)).map_err(failed("destroy"))?;
        }
        state.datasets.remove(name);
        self.drop_released(state)
    }

    fn destroy_snapshot(&self, state: &mut State, name: &str, dataset: &str, tag: &str) -> Answer {
        if !self.has_snapshot(state, name) {
            return Err(no(
                "could not find any snapshots to destroy; check snapshot names.\n",
            ));
        }
        let clones: Vec<&str> = clones_of(state, dataset)
            .into_iter()
            .filter(|clone| state.datasets[*clone].origin.as_deref() == Some(name))
            .collect();
        if !clones.is_empty() {
            return Err(no(format!(
                "cannot destroy '{name}': snapshot has dependent clones\nuse '-R' to destroy the following datasets:\n{}\n",
                clones.join("\n")
            )));
        }
        fs::remove_dir_all(self.content(name)).map_err(failed("destroy"))?;
        if let Some(dataset) = state.datasets.get_mut(dataset) {
            dataset.snapshots.retain(|(name, _)| name != tag);
        }
        Ok(ok())
    }

    fn list_pools(&self, state: &State, words: &[&str]) -> Answer {
        let pools = state.datasets.keys().filter(|name| !name.contains('/'));
        let mut out = String::new();
        for pool in pools {
            out.push_str(&self.list(state, words, pool)?.out);
        }
        Ok(say(out))
    }

    fn list(&self, state: &State, words: &[&str], name: &str) -> Answer {
        let after = |flag| words.iter().skip_while(|word| **word != flag).nth(1).copied();
        let columns: Vec<&str> = after("-o").unwrap_or("name").split(',').collect();
        let kinds = after("-t").unwrap_or("filesystem");
        let depth = after("-d").map_or(usize::MAX, |depth| depth.parse().unwrap_or(1));
        let recursive = words.contains(&"-r");
        let is_snapshot = name.contains('@');
        if (is_snapshot && !self.has_snapshot(state, name))
            || (!is_snapshot && !state.datasets.contains_key(name))
        {
            return Err(absent(name));
        }
        let mut out = String::new();
        let mut line = |full: &str, dataset: &Dataset, created: u64| {
            let is_snapshot = full.contains('@');
            let fields = columns.iter().map(|column| match *column {
                "name" => full.to_owned(),
                "type" if is_snapshot => "snapshot".to_owned(),
                "type" => "filesystem".to_owned(),
                "createtxg" => created.to_string(),
                "used" | "referenced" | "written" => "24576".to_owned(),
                _ if is_snapshot => "-".to_owned(),
                "origin" => dataset.origin.clone().unwrap_or_else(|| "-".to_owned()),
                "mounted" => if dataset.mounted { "yes" } else { "no" }.to_owned(),
                "mountpoint" => self.mountpoint(full).display().to_string(),
                "quota" => dataset.quota.to_string(),
                _ => "-".to_owned(),
            });
            out.push_str(&fields.collect::<Vec<_>>().join("\t"));
            out.push('\n');
        };
        for (found, dataset) in &state.datasets {
            let below = found.strip_prefix(name).and_then(|rest| rest.strip_prefix('/'));
            let is_below = recursive && below.is_some_and(|rest| rest.split('/').count() <= depth);
            if found != name && !is_below && !(is_snapshot && name.starts_with(&format!("{found}@"))) {
                continue;
            }
            if kinds.contains("filesystem") && !is_snapshot {
                line(found, dataset, dataset.created);
            }
            if kinds.contains("snapshot") {
                for (tag, created) in &dataset.snapshots {
                    let full = format!("{found}@{tag}");
                    if !is_snapshot || full == name {
                        line(&full, dataset, *created);
                    }
                }
            }
        }
        Ok(say(out))
    }
}

fn set(state: &mut State, setting: &str, name: &str) -> Answer {
    let dataset = state.datasets.get_mut(name).ok_or_else(|| absent(name))?;
    match setting.split_once('=') {
        Some(("quota", "none")) => dataset.quota = 0,
        Some(("quota", bytes)) => {
            let wrong = |_| {
                no(format!(
                    "cannot set property for '{name}': bad numeric value '{bytes}'\n"
                ))
            };
            dataset.quota = bytes.parse().map_err(wrong)?;
        }
        _ => {
            return Err(no(format!(
                "cannot set property for '{name}': invalid property '{setting}'\n"
            )));
        }
    }
    Ok(ok())
}
