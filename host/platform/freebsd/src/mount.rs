//! mount(8), mount_nullfs(8) and umount(8): the mount table, directories of the host in a jail, and their removal.
//!
//! Device file systems are mounted by jail(8) (`mount.devfs`), and stay when the jail is gone: we unmount them.

use std::path::{Path, PathBuf};

use serde::Deserialize;

use crate::command::{Command, Parsed, Program, Result, ToolError, Tools};

const MOUNT: Program = Program("/sbin/mount");
const MOUNT_NULLFS: Program = Program("/sbin/mount_nullfs");
const UMOUNT: Program = Program("/sbin/umount");

/// Kinds of file systems that are nothing but a view, so that nothing is lost when they are unmounted.
const VIEWS: [&str; 7] = [
    "nullfs",
    "devfs",
    "fdescfs",
    "procfs",
    "linprocfs",
    "linsysfs",
    "tmpfs",
];

/// A line of the mount table.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub(crate) struct Mounted {
    /// What is mounted: a device, a dataset, a directory.
    #[serde(rename = "special")]
    pub(crate) source: String,
    /// Where.
    #[serde(rename = "node")]
    pub(crate) at: PathBuf,
    #[serde(rename = "fstype")]
    pub(crate) kind: String,
}

impl Mounted {
    /// Whether nothing is lost when it is unmounted.
    pub(crate) fn is_view(&self) -> bool {
        VIEWS.contains(&self.kind.as_str())
    }
}

pub(crate) fn list() -> Command {
    Command::new(MOUNT).args(["--libxo", "json"])
}

/// Reads [`list`]: in the order in which they were mounted.
pub(crate) fn parse_list(printed: &str) -> Parsed<Vec<Mounted>> {
    #[derive(Deserialize)]
    struct Document {
        mount: Table,
    }
    #[derive(Deserialize)]
    struct Table {
        #[serde(default)]
        mounted: Vec<Mounted>,
    }
    let document: Document = serde_json::from_str(printed).map_err(|error| error.to_string())?;
    Ok(document.mount.mounted)
}

/// A directory of the host, or from FreeBSD 14 on a file, at a place in a jail.
pub(crate) fn nullfs(source: &Path, target: &Path, read_only: bool) -> Command {
    let options: &[&str] = if read_only { &["-o", "ro"] } else { &[] };
    Command::new(MOUNT_NULLFS)
        .args(options)
        .arg(source.display())
        .arg(target.display())
}

pub(crate) fn unmount(at: &Path) -> Command {
    Command::new(UMOUNT).arg(at.display())
}

/// What is mounted strictly below a directory, the deepest first.
pub(crate) fn below(table: &[Mounted], directory: &Path) -> Vec<Mounted> {
    let is_below = |mounted: &&Mounted| mounted.at.starts_with(directory) && mounted.at != directory;
    table.iter().filter(is_below).rev().cloned().collect()
}

/// Whether an error says that nothing is mounted there.
pub(crate) fn is_absence(error: &ToolError) -> bool {
    error.says("not a file system root directory") || error.says("No such file or directory")
}

impl Tools {
    /// The mount table of the host.
    pub(crate) fn mounts(&self) -> Result<Vec<Mounted>> {
        self.read(&list(), parse_list)
    }

    /// Unmounts every view below a directory; other file systems stay.
    pub(crate) fn unmount_views_below(&self, directory: &Path) -> Result<()> {
        self.unmount_views(&below(&self.mounts()?, directory))
    }

    /// Unmounts those that are views. All are tried; the first error is told.
    pub(crate) fn unmount_views(&self, mounted: &[Mounted]) -> Result<()> {
        let mut first_error = Ok(());
        for mounted in mounted.iter().filter(|mounted| mounted.is_view()) {
            match self.run(&unmount(&mounted.at)) {
                Err(error) if !is_absence(&error) => first_error = first_error.and(Err(error)),
                _ => {}
            }
        }
        first_error
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::recorded::{every_output, recorded};

    fn table() -> Vec<Mounted> {
        parse_list(&recorded("mount --libxo json | head -c 1500").printed).unwrap()
    }

    fn mounted(source: &str, at: &str, kind: &str) -> Mounted {
        Mounted {
            source: source.to_owned(),
            at: at.into(),
            kind: kind.to_owned(),
        }
    }

    #[test]
    fn the_recorded_table_is_understood() {
        let table = table();
        assert_eq!(table.len(), 11);
        assert_eq!(table[0], mounted("/dev/vtbd1", "/", "ufs"));
        assert_eq!(table[1], mounted("devfs", "/dev", "devfs"));
        let clone = "tank/kleene/container/dddddddddddd";
        assert_eq!(table[9], mounted(clone, &format!("/{clone}"), "zfs"));
    }

    #[test]
    fn what_is_below_a_directory_comes_the_deepest_first_and_without_it() {
        let table = [
            mounted("tank/c", "/c", "zfs"),
            mounted("tank/cc", "/cc", "zfs"),
            mounted("/usr/share", "/c/share", "nullfs"),
            mounted("devfs", "/c/share/dev", "devfs"),
        ];
        let below: Vec<_> = below(&table, Path::new("/c"))
            .into_iter()
            .map(|mounted| mounted.at)
            .collect();
        assert_eq!(below, [Path::new("/c/share/dev"), Path::new("/c/share")]);
    }

    #[test]
    fn commands_are_what_an_administrator_would_type() {
        let (source, target) = (Path::new("/srv/my data"), Path::new("/tank/c/data"));
        assert_eq!(
            nullfs(source, target, true).to_string(),
            "mount_nullfs -o ro '/srv/my data' /tank/c/data"
        );
        assert_eq!(
            nullfs(source, target, false).to_string(),
            "mount_nullfs '/srv/my data' /tank/c/data"
        );
        assert_eq!(unmount(target).to_string(), "umount /tank/c/data");
        assert_eq!(list().to_string(), "mount --libxo json");
    }

    #[test]
    fn unmounting_what_is_not_mounted_is_recognised() {
        assert!(recorded("umount /tmp/n1").complaint.is_empty());
        let recording = crate::recorded::nth_recorded("umount /tmp/n1", 1);
        assert!(recording.complaint.contains("not a file system root directory"));
    }

    #[test]
    fn no_output_of_any_tool_makes_it_panic() {
        for output in every_output() {
            let _ = parse_list(&output);
        }
    }

    proptest! {
        #[test]
        fn a_table_that_is_cut_off_is_an_error(at in 0usize..1100) {
            let whole = recorded("mount --libxo json | head -c 1500").printed;
            let cut: String = whole.chars().take(at).collect();
            prop_assert!(parse_list(&cut).is_err());
        }
    }
}
