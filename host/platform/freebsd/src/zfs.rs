//! zfs(8): what we ask it for, what it prints with `-Hp`, and how it says no.

use crate::command::{Command, Parsed, Program, ToolError};

const ZFS: Program = Program("/sbin/zfs");

/// Datasets are mounted when they are needed and not because they exist: a host with thousands of them boots as fast
/// as one with ten.
const NOT_BY_ITSELF: [&str; 2] = ["-o", "canmount=noauto"];

/// The properties of [`Dataset`], in its order.
const PROPERTIES: &str = "name,type,origin,mounted,mountpoint,quota,used,referenced,createtxg";

/// A file system or snapshot, by its full name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Dataset {
    pub(crate) name: String,
    /// The full name of the snapshot it is a clone of.
    pub(crate) origin: Option<String>,
    pub(crate) mounted: bool,
    /// A path, `none` or `legacy`; of a snapshot nothing.
    pub(crate) mountpoint: Option<String>,
    /// Bytes.
    pub(crate) quota: Option<u64>,
    /// Bytes.
    pub(crate) used: u64,
    /// Bytes.
    pub(crate) referenced: u64,
    /// Grows with time.
    pub(crate) created: u64,
}

fn zfs<const N: usize>(arguments: [&str; N]) -> Command {
    Command::new(ZFS).args(arguments)
}

pub(crate) fn create(dataset: &str) -> Command {
    zfs(["create"]).args(NOT_BY_ITSELF).arg(dataset)
}

/// Makes a dataset that holds others, with those above it; one that exists is fine.
pub(crate) fn create_parents(dataset: &str) -> Command {
    zfs(["create", "-p", dataset])
}

pub(crate) fn clone(snapshot: &str, dataset: &str) -> Command {
    zfs(["clone"]).args(NOT_BY_ITSELF).args([snapshot, dataset])
}

pub(crate) fn snapshot(snapshot: &str) -> Command {
    zfs(["snapshot", snapshot])
}

pub(crate) fn rename(from: &str, to: &str) -> Command {
    zfs(["rename", "-p", from, to])
}

/// A clone takes the place of what it is a clone of (zfs-promote(8)).
pub(crate) fn promote(dataset: &str) -> Command {
    zfs(["promote", dataset])
}

/// With its snapshots.
pub(crate) fn destroy(dataset: &str) -> Command {
    zfs(["destroy", "-r", dataset])
}

pub(crate) fn destroy_snapshot(snapshot: &str) -> Command {
    zfs(["destroy", snapshot])
}

/// Now, or when its last clone is gone.
pub(crate) fn release_snapshot(snapshot: &str) -> Command {
    zfs(["destroy", "-d", snapshot])
}

/// Prints all that is in a snapshot, for [`receive`].
pub(crate) fn send(snapshot: &str) -> Command {
    zfs(["send", snapshot])
}

/// Makes a dataset of what [`send`] prints, with a snapshot of the same name. It is not mounted.
pub(crate) fn receive(dataset: &str) -> Command {
    zfs(["receive", "-u"]).args(NOT_BY_ITSELF).arg(dataset)
}

pub(crate) fn mount(dataset: &str) -> Command {
    zfs(["mount", dataset])
}

pub(crate) fn unmount(dataset: &str) -> Command {
    zfs(["unmount", dataset])
}

/// Unmounts a dataset whatever uses it.
pub(crate) fn unmount_by_force(dataset: &str) -> Command {
    zfs(["unmount", "-f", dataset])
}

/// `None` lifts the limit.
pub(crate) fn set_quota(dataset: &str, bytes: Option<u64>) -> Command {
    let value = bytes.map_or_else(|| "none".to_owned(), |bytes| bytes.to_string());
    zfs(["set"]).arg(format!("quota={value}")).arg(dataset)
}

/// One dataset, or one snapshot.
pub(crate) fn list_one(name: &str) -> Command {
    let kind = if name.contains('@') {
        "snapshot"
    } else {
        "filesystem"
    };
    zfs(["list", "-Hp", "-o", PROPERTIES, "-t", kind, name])
}

/// Bytes that a snapshot has and the one before it has not (zfsprops(7), `written`).
pub(crate) fn written(snapshot: &str) -> Command {
    zfs(["list", "-Hp", "-o", "written", "-t", "snapshot", snapshot])
}

/// Reads [`written`].
pub(crate) fn parse_written(printed: &str) -> Parsed<u64> {
    let text = printed.trim_end_matches('\n');
    text.parse()
        .map_err(|error| format!("'{text}' is no number of bytes: {error}"))
}

/// A dataset and everything below it, snapshots included.
pub(crate) fn list_all(root: &str) -> Command {
    zfs([
        "list",
        "-Hp",
        "-o",
        PROPERTIES,
        "-r",
        "-t",
        "filesystem,snapshot",
        root,
    ])
}

/// A dataset and the file systems and volumes directly below it.
pub(crate) fn list_children(dataset: &str) -> Command {
    zfs([
        "list",
        "-Hp",
        "-o",
        "name",
        "-r",
        "-d",
        "1",
        "-t",
        "filesystem,volume",
        dataset,
    ])
}

/// Reads [`list_one`] and [`list_all`].
pub(crate) fn parse_list(printed: &str) -> Parsed<Vec<Dataset>> {
    printed.lines().map(parse_line).collect()
}

fn parse_line(line: &str) -> Parsed<Dataset> {
    let fields: Vec<&str> = line.split('\t').collect();
    let &[
        name,
        kind,
        origin,
        mounted,
        mountpoint,
        quota,
        used,
        referenced,
        created,
    ] = fields.as_slice()
    else {
        return Err(format!("'{line}' has {} fields and not 9", fields.len()));
    };
    if !matches!(kind, "filesystem" | "snapshot") || name.is_empty() {
        return Err(format!("'{line}' is neither a file system nor a snapshot"));
    }
    let number = |text: &str| {
        text.parse::<u64>()
            .map_err(|error| format!("'{text}' in '{line}': {error}"))
    };
    Ok(Dataset {
        name: name.to_owned(),
        origin: unless_dash(origin),
        mounted: mounted == "yes",
        mountpoint: unless_dash(mountpoint),
        quota: match quota {
            "-" | "none" | "0" => None,
            bytes => Some(number(bytes)?),
        },
        used: number(used)?,
        referenced: number(referenced)?,
        created: number(created)?,
    })
}

/// Reads [`list_children`]: the names of the children.
pub(crate) fn parse_children(printed: &str) -> Parsed<Vec<String>> {
    Ok(printed.lines().skip(1).map(str::to_owned).collect())
}

fn unless_dash(text: &str) -> Option<String> {
    (text != "-").then(|| text.to_owned())
}

/// How zfs(8) says no.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Refusal {
    Absent,
    ParentAbsent,
    Exists,
    AlreadyMounted,
    NotMounted,
    /// With what keeps it busy, in its words.
    Busy(String),
    /// Full names of clones.
    Dependents(Vec<String>),
    Other,
}

/// Which refusal an error is.
pub(crate) fn refusal(error: &ToolError) -> Refusal {
    let says = |words| error.says(words);
    if says("dependent clones") {
        Refusal::Dependents(listed_below(error.complaint(), "use '-R'"))
    } else if says("parent does not exist") {
        Refusal::ParentAbsent
    } else if says("does not exist") || says("could not find any snapshots to destroy") {
        Refusal::Absent
    } else if says("already exists") {
        Refusal::Exists
    } else if says("already mounted") {
        Refusal::AlreadyMounted
    } else if says("not currently mounted") {
        Refusal::NotMounted
    } else if says("is busy") || says("Device busy") {
        Refusal::Busy(error.complaint().trim().to_owned())
    } else {
        Refusal::Other
    }
}

/// The lines behind the one that begins so.
fn listed_below(complaint: &str, start: &str) -> Vec<String> {
    let lines = complaint
        .lines()
        .skip_while(|line| !line.starts_with(start))
        .skip(1);
    lines
        .map(|line| line.trim().to_owned())
        .filter(|line| !line.is_empty())
        .collect()
}

#[cfg(test)]
mod tests {
    use std::os::unix::process::ExitStatusExt;
    use std::process::ExitStatus;

    use proptest::prelude::*;

    use super::*;
    use crate::recorded::{every_output, nth_recorded, recorded};

    #[test]
    fn commands_are_what_an_administrator_would_type() {
        let commands = [
            create("tank/kleene/volumes/data"),
            create_parents("tank/kleene/image"),
            clone("tank/kleene/image/a@image", "tank/kleene/container/b"),
            snapshot("tank/kleene/image/a@image"),
            rename("tank/kleene/container/b", "tank/kleene/image/b"),
            destroy("tank/kleene/container/b"),
            destroy_snapshot("tank/kleene/image/a@image"),
            release_snapshot("tank/base@0a1b2c3d4e5f"),
            send("tank/base@0a1b2c3d4e5f"),
            receive("tank/kleene/image/0a1b2c3d4e5f"),
            mount("tank/kleene/container/b"),
            unmount("tank/kleene/container/b"),
            set_quota("tank/kleene/volumes/data", Some(1 << 30)),
            set_quota("tank/kleene/volumes/data", None),
            list_one("tank/kleene/image/a"),
            list_one("tank/kleene/image/a@image"),
            list_all("tank/kleene"),
            list_children("tank/kleene/image/a"),
        ];
        let text: Vec<String> = commands.iter().map(ToString::to_string).collect();
        insta::assert_snapshot!(text.join("\n"));
    }

    /// What zfs(8) would have printed for our properties, from the recorded ones.
    fn printed() -> String {
        let recording = recorded(
            "zfs list -Hp -o name,origin,mountpoint,mounted,used,referenced,creation,guid,type -r -t all tank/kleene",
        );
        let line = |line: &str| {
            let fields: Vec<&str> = line.split('\t').collect();
            let [
                name,
                origin,
                mountpoint,
                mounted,
                used,
                referenced,
                creation,
                _guid,
                kind,
            ] = fields[..]
            else {
                panic!("{line}");
            };
            let quota = if kind == "snapshot" { "-" } else { "0" };
            format!(
                "{name}\t{kind}\t{origin}\t{mounted}\t{mountpoint}\t{quota}\t{used}\t{referenced}\t{creation}\n"
            )
        };
        recording.printed.lines().map(line).collect()
    }

    #[test]
    fn the_recorded_datasets_are_understood() {
        let datasets = parse_list(&printed()).unwrap();
        assert_eq!(datasets.len(), 7);
        let expected = Dataset {
            name: "tank/kleene/container/bbbbbbbbbbbb".to_owned(),
            origin: Some("tank/kleene/image/aaaaaaaaaaaa@image".to_owned()),
            mounted: true,
            mountpoint: Some("/tank/kleene/container/bbbbbbbbbbbb".to_owned()),
            quota: None,
            used: 0,
            referenced: 25088,
            created: 1_795_287_562,
        };
        assert_eq!(datasets[2], expected);
        assert_eq!(datasets[5].name, "tank/kleene/image/aaaaaaaaaaaa@image");
        assert!(!datasets[5].mounted);
    }

    #[test]
    fn damaged_lines_are_errors() {
        for printed in [
            "tank",
            "a\tb\tc",
            "a\tvolume\t-\tno\t-\t-\t1\t1\t1",
            "a\tfilesystem\t-\tno\t-\t-\tx\t1\t1",
        ] {
            assert!(parse_list(printed).is_err(), "{printed}");
        }
        assert_eq!(parse_list(""), Ok(vec![]));
    }

    fn refused(command: &str, n: usize) -> Refusal {
        let recording = nth_recorded(command, n);
        assert_ne!(recording.status, 0, "{command}");
        refusal(&ToolError::Failed {
            command: command.to_owned(),
            status: ExitStatus::from_raw(recording.status << 8),
            complaint: recording.complaint,
        })
    }

    #[test]
    fn each_recorded_refusal_is_recognised() {
        let container = "tank/kleene/container/bbbbbbbbbbbb".to_owned();
        let busy = "cannot unmount '/tank/kleene/container/bbbbbbbbbbbb': pool or dataset is busy".to_owned();
        for (command, n, expected) in [
            ("zfs create tank/kleene/image", 1, Refusal::Exists),
            ("zfs create tank/no/parent", 0, Refusal::ParentAbsent),
            (
                "zfs snapshot tank/kleene/image/aaaaaaaaaaaa@image",
                1,
                Refusal::Exists,
            ),
            (
                "zfs clone tank/kleene/image/aaaaaaaaaaaa@image tank/kleene/container/bbbbbbbbbbbb",
                1,
                Refusal::Exists,
            ),
            (
                "zfs clone tank/kleene/image/aaaaaaaaaaaa@nosnap tank/kleene/container/cccccccccccc",
                0,
                Refusal::Absent,
            ),
            ("zfs list -H -o name tank/nosuch", 0, Refusal::Absent),
            (
                "zfs destroy tank/kleene/image/aaaaaaaaaaaa@image",
                0,
                Refusal::Dependents(vec![container.clone()]),
            ),
            (
                "zfs destroy -r tank/kleene/image/aaaaaaaaaaaa",
                0,
                Refusal::Dependents(vec![container]),
            ),
            ("zfs destroy tank/nosuch", 0, Refusal::Absent),
            (
                "cd /tank/kleene/container/bbbbbbbbbbbb && zfs destroy tank/kleene/container/bbbbbbbbbbbb",
                0,
                Refusal::Busy(busy),
            ),
            ("zfs set quota=10M tank/kleene/nosuch", 0, Refusal::Absent),
            ("zfs set quota=banana tank/kleene/volumes", 0, Refusal::Other),
            (
                "zfs unmount tank/kleene/image/eeeeeeeeeeee",
                1,
                Refusal::NotMounted,
            ),
            (
                "zfs mount tank/kleene/image/eeeeeeeeeeee",
                1,
                Refusal::AlreadyMounted,
            ),
        ] {
            assert_eq!(refused(command, n), expected, "{command}");
        }
    }

    #[test]
    fn no_output_of_any_tool_makes_it_panic() {
        for output in every_output() {
            let _ = (parse_list(&output), parse_children(&output));
        }
    }

    proptest! {
        #[test]
        fn what_is_cut_off_is_an_error_or_a_shorter_list(at in 0usize..2000) {
            let whole = printed();
            let cut: String = whole.chars().take(at).collect();
            if let Ok(datasets) = parse_list(&cut) {
                prop_assert!(datasets.len() <= 7);
            }
        }

        #[test]
        fn garbage_is_no_reason_to_panic(garbage in "\\PC*[\\t\\n]*\\PC*") {
            let _ = parse_list(&garbage);
        }
    }
}
