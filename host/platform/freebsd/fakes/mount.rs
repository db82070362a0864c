//! mount(8), mount_nullfs(8), umount(8): bind mounts behind FreeBSD's words.

use std::path::Path;

use crate::state::{Host, Mount, State, real};
use crate::{Reply, no, ok, say};

pub(crate) fn list(state: &State, host: &Host, words: &[&str]) -> Reply {
    if words != ["--libxo", "json"] {
        return no("usage: mount\n");
    }
    let root = Mount {
        special: "/dev/vtbd1".to_owned(),
        node: "/".to_owned(),
        fstype: "ufs".to_owned(),
    };
    let zfs = state
        .datasets
        .iter()
        .filter(|(_, dataset)| dataset.mounted)
        .map(|(name, _)| Mount {
            special: name.clone(),
            node: host.directory().join(name).display().to_string(),
            fstype: "zfs".to_owned(),
        });
    let mounted: Vec<Mount> = std::iter::once(root)
        .chain(zfs)
        .chain(state.mounts.iter().cloned())
        .collect();
    say(format!(
        "{}\n",
        serde_json::json!({"mount": {"mounted": mounted}})
    ))
}

pub(crate) fn nullfs(state: &mut State, words: &[&str]) -> Reply {
    let (read_only, source, target) = match words {
        ["-o", "ro", source, target] => (true, *source, *target),
        [source, target] => (false, *source, *target),
        _ => return no("usage: mount_nullfs [-o options] target mount-point\n"),
    };
    for path in [source, target] {
        if !Path::new(path).exists() {
            return Reply {
                code: 64,
                ..no(format!("mount_nullfs: {path}: No such file or directory\n"))
            };
        }
    }
    match bind(source, target, read_only) {
        Ok(()) => {
            add(state, source, target, "nullfs");
            ok()
        }
        Err(reply) => reply,
    }
}

pub(crate) fn bind(source: &str, target: &str, read_only: bool) -> Result<(), Reply> {
    real("/bin/mount", &["--bind", source, target])?;
    if read_only {
        real("/bin/mount", &["-o", "remount,bind,ro", target])?;
    }
    Ok(())
}

/// Device files of its own. Never the host's directory of them: what removes a jail's files would remove those.
pub(crate) fn devices(at: &str) -> Result<(), Reply> {
    real("/bin/mount", &["-t", "tmpfs", "tmpfs", at])?;
    for (name, minor) in [("null", "3"), ("zero", "5"), ("random", "8"), ("urandom", "9")] {
        real(
            "/bin/mknod",
            &["-m", "666", &format!("{at}/{name}"), "c", "1", minor],
        )?;
    }
    real("/bin/mknod", &["-m", "666", &format!("{at}/tty"), "c", "5", "0"])?;
    real("/bin/ln", &["-s", "/proc/self/fd", &format!("{at}/fd")])
}

pub(crate) fn add(state: &mut State, source: &str, target: &str, kind: &str) {
    state.mounts.push(Mount {
        special: source.to_owned(),
        node: target.to_owned(),
        fstype: kind.to_owned(),
    });
}

pub(crate) fn unmount(state: &mut State, words: &[&str]) -> Reply {
    let [node] = words else {
        return no("usage: umount special\n");
    };
    let Some(at) = state.mounts.iter().rposition(|mount| mount.node == *node) else {
        return no(format!("umount: {node}: not a file system root directory\n"));
    };
    if real("/bin/umount", &[node]).is_err() {
        return no(format!("umount: unmount of {node} failed: Device busy\n"));
    }
    state.mounts.remove(at);
    ok()
}
