//! The processes of this machine, and in which jail they are: that whose path is their root.

use std::path::Path;

/// The processes of all jails at a path.
pub(crate) fn processes(path: &str) -> Vec<i32> {
    let entries = std::fs::read_dir("/proc").into_iter().flatten().flatten();
    let pids = entries.filter_map(|entry| entry.file_name().to_str()?.parse::<i32>().ok());
    pids.filter(|pid| {
        std::fs::read_link(format!("/proc/{pid}/root")).is_ok_and(|root| root == Path::new(path))
    })
    .collect()
}

/// The parent of a process; 0 if it has ended.
pub(crate) fn parent(pid: i32) -> u32 {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    let parent = status.lines().find_map(|line| line.strip_prefix("PPid:"));
    parent
        .and_then(|parent| parent.trim().parse().ok())
        .unwrap_or_default()
}

/// Whether a process works in a directory or has it as its root.
pub(crate) fn is_used(directory: &Path) -> bool {
    let entries = std::fs::read_dir("/proc").into_iter().flatten().flatten();
    entries
        .filter_map(|entry| entry.file_name().to_str()?.parse::<i32>().ok())
        .any(|pid| {
            ["root", "cwd"].iter().any(|link| {
                std::fs::read_link(format!("/proc/{pid}/{link}")).is_ok_and(|at| at.starts_with(directory))
            })
        })
}
