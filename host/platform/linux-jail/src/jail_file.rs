//! The file by which a jail that runs is found: `<run root>/<container id>/jail.json`, kept by the supervisor of the
//! process that made it, beside the run directories of all processes of the jail.

use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use kleene_plan::Id;
use rustix::process::Pid;
use serde::{Deserialize, Serialize};

use crate::error::{Error, Result, Step};

/// The first process of a jail.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct FirstProcess {
    pid: i32,
    /// When it was started, in clock ticks since the host was: tells it from another with the same id.
    start_time: u64,
}

impl FirstProcess {
    /// The first process of a jail that has just started.
    pub(crate) fn identify(pid: Pid) -> Result<Self> {
        let pid = pid.as_raw_nonzero().get();
        let stat = read_stat(pid).step(|| format!("read the state of process {pid}"))?;
        let start_time = parse_stat(&stat).map(|stat| stat.start_time);
        let start_time = start_time
            .ok_or(ErrorKind::InvalidData)
            .step(|| format!("read '/proc/{pid}/stat'"))?;
        Ok(Self { pid, start_time })
    }

    /// Its process id, if it still runs.
    pub(crate) fn alive(self) -> Option<Pid> {
        let stat = read_stat(self.pid).ok()?;
        let stat = parse_stat(&stat)?;
        let same = stat.start_time == self.start_time && !matches!(stat.state, 'Z' | 'X');
        same.then(|| Pid::from_raw(self.pid)).flatten()
    }

    /// Remembers it for a jail.
    pub(crate) fn write(self, jail_dir: &Path) -> Result<()> {
        let (path, unfinished) = (path(jail_dir), jail_dir.join("jail.json.new"));
        let json = serde_json::to_vec(&self).map_err(|source| Error::Damaged {
            path: path.clone(),
            source,
        })?;
        fs::write(&unfinished, json)
            .and_then(|()| fs::rename(&unfinished, &path))
            .step(|| format!("write '{}'", path.display()))
    }

    /// The first process of a jail, if it has one that was not cleaned up after.
    pub(crate) fn read(jail_dir: &Path) -> Result<Option<Self>> {
        let path = path(jail_dir);
        match fs::read(&path) {
            Ok(json) => serde_json::from_slice(&json)
                .map(Some)
                .map_err(|source| Error::Damaged { path, source }),
            Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => Ok(None),
            Err(error) => Err(error).step(|| format!("read '{}'", path.display())),
        }
    }

    /// Forgets it. A jail that has none is a success.
    pub(crate) fn forget(jail_dir: &Path) -> Result<()> {
        match fs::remove_file(path(jail_dir)) {
            Err(error) if error.kind() != ErrorKind::NotFound => {
                Err(error).step(|| format!("remove '{}'", path(jail_dir).display()))
            }
            _ => Ok(()),
        }
    }
}

/// The jails that run, with the ids of their first processes on the host.
///
/// # Errors
/// If the run root or a jail's file cannot be read. A run root that does not exist has no jails.
pub fn jails(run_root: &Path) -> Result<Vec<(Id, u32)>> {
    let step = || format!("read '{}'", run_root.display());
    let entries = match fs::read_dir(run_root) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
        entries => entries.step(step)?,
    };
    let mut jails = Vec::new();
    for entry in entries {
        let entry = entry.step(step)?;
        let Some(id) = entry
            .file_name()
            .to_str()
            .and_then(|name| name.parse::<Id>().ok())
        else {
            continue;
        };
        if let Some(pid) = first_pid(&entry.path())? {
            jails.push((id, pid));
        }
    }
    Ok(jails)
}

/// The process id of one jail's first process, if the jail runs.
///
/// # Errors
/// If its file cannot be read.
pub fn jail(run_root: &Path, id: &Id) -> Result<Option<u32>> {
    first_pid(&run_root.join(id.as_str()))
}

fn first_pid(jail_dir: &Path) -> Result<Option<u32>> {
    let alive = FirstProcess::read(jail_dir)?.and_then(FirstProcess::alive);
    Ok(alive.map(|pid| pid.as_raw_nonzero().get().unsigned_abs()))
}

fn path(jail_dir: &Path) -> PathBuf {
    jail_dir.join("jail.json")
}

struct Stat {
    state: char,
    start_time: u64,
}

fn read_stat(pid: i32) -> std::io::Result<String> {
    fs::read_to_string(format!("/proc/{pid}/stat"))
}

/// Reads proc_pid_stat(5): field 3 and field 22, counted after the program's name, which may hold anything.
fn parse_stat(stat: &str) -> Option<Stat> {
    let mut fields = stat.rsplit_once(')')?.1.split_ascii_whitespace();
    let state = fields.next()?.chars().next()?;
    Some(Stat {
        state,
        start_time: fields.nth(18)?.parse().ok()?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const ID: &str = "0123456789ab";

    fn me() -> FirstProcess {
        FirstProcess::identify(rustix::process::getpid()).unwrap()
    }

    #[test]
    fn a_jail_is_found_while_its_first_process_lives() {
        let root = tempfile::tempdir().unwrap();
        fs::create_dir_all(root.path().join(ID)).unwrap();
        me().write(&root.path().join(ID)).unwrap();
        assert_eq!(
            jails(root.path()).unwrap(),
            [(ID.parse().unwrap(), std::process::id())]
        );
        FirstProcess::forget(&root.path().join(ID)).unwrap();
        assert_eq!(jails(root.path()).unwrap(), []);
    }

    #[test]
    fn another_process_with_the_same_id_is_not_the_jail() {
        let root = tempfile::tempdir().unwrap();
        fs::create_dir_all(root.path().join(ID)).unwrap();
        let other = FirstProcess {
            start_time: me().start_time + 1,
            ..me()
        };
        other.write(&root.path().join(ID)).unwrap();
        assert_eq!(jails(root.path()).unwrap(), []);
    }

    #[test]
    fn a_run_root_that_does_not_exist_has_no_jails() {
        assert_eq!(jails(Path::new("/nonexistent/run")).unwrap(), []);
    }

    #[test]
    fn a_damaged_file_is_named() {
        let root = tempfile::tempdir().unwrap();
        fs::create_dir_all(root.path().join(ID)).unwrap();
        fs::write(root.path().join(ID).join("jail.json"), "?").unwrap();
        assert!(
            jails(root.path())
                .unwrap_err()
                .to_string()
                .ends_with("jail.json' is damaged")
        );
    }

    #[test]
    fn a_program_name_with_blanks_and_parentheses_does_not_confuse() {
        let stat = "7 (a) b (c)) S 1 7 7 0 -1 4194560 1 2 3 4 5 6 7 8 20 0 1 0 4711 1000 2";
        let stat = parse_stat(stat).unwrap();
        assert_eq!((stat.state, stat.start_time), ('S', 4711));
    }
}
