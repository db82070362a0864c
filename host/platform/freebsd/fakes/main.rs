//! FreeBSD's tools for a host that has none: one program that answers to all their names.
//!
//! It keeps what it is told in a directory (datasets with dependants and busy states, jails with real processes,
//! interfaces, anchors) and says yes and no in the words of the recordings in `fixtures/`. File systems of jails are
//! directories, jails are processes with such a directory as their root; networks exist on paper only.
//!
//! `fake_freebsd install <directory>` makes a host with the dataset `tank/kleene` and puts the tools into
//! `<directory>/bin`. Every command that changes something is written to `<directory>/transcript`. It mounts for real, so
//! it wants a mount namespace of its own.

mod death;
mod ifconfig;
mod jail;
mod mount;
mod netstat;
mod pfctl;
mod processes;
mod state;
mod system;
mod update;
mod zfs;

use std::io::{Read, Write};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use death::Moment;
use state::{Host, changes};

/// The tools it is.
const TOOLS: [&str; 25] = [
    "devfs",
    "freebsd-update",
    "ifconfig",
    "jail",
    "jexec",
    "jls",
    "kldload",
    "kldstat",
    "kldunload",
    "mdconfig",
    "mount",
    "mount_nullfs",
    "netstat",
    "pfctl",
    "ps",
    "rctl",
    "route",
    "service",
    "sysctl",
    "sysrc",
    "tee",
    "umount",
    "uname",
    "zfs",
    "zpool",
];

/// What a tool answers.
#[derive(Debug, Default)]
pub(crate) struct Reply {
    pub(crate) out: String,
    pub(crate) err: String,
    pub(crate) code: u8,
}

pub(crate) fn ok() -> Reply {
    Reply::default()
}

pub(crate) fn say(out: impl Into<String>) -> Reply {
    Reply {
        out: out.into(),
        ..Reply::default()
    }
}

pub(crate) fn no(err: impl Into<String>) -> Reply {
    Reply {
        err: err.into(),
        code: 1,
        ..Reply::default()
    }
}

fn main() -> ExitCode {
    let mut words = std::env::args();
    let called = words.next().unwrap_or_default();
    let arguments: Vec<String> = words.collect();
    if let [verb, directory] = arguments.as_slice()
        && verb == "install"
    {
        return match install(Path::new(directory)) {
            Ok(()) => ExitCode::SUCCESS,
            Err(error) => {
                eprintln!("fake_freebsd: {error}");
                ExitCode::FAILURE
            }
        };
    }
    let tool = called.rsplit('/').next().unwrap_or_default();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let host = Host::at(directory_of(&called));
    let death = death::drawn(&host, tool, &words);
    if death == Some(Moment::Before) {
        death::kill_caller();
        return ExitCode::FAILURE;
    }
    let status = if FOR_THE_KERNEL.contains(&tool) && std::env::var_os(KERNEL).is_none() {
        in_the_kernel(&called, &words)
    } else {
        run(&host, tool, &words)
    };
    if death == Some(Moment::After) {
        death::kill_caller();
    }
    status
}

/// Does what a tool is asked for and prints its answer.
fn run(host: &Host, tool: &str, words: &[&str]) -> ExitCode {
    let mut input = String::new();
    let reads = match tool {
        "pfctl" => words.last() == Some(&"-"),
        "zfs" => words.first() == Some(&"receive"),
        "tee" => true,
        _ => false,
    };
    if reads {
        let _ = std::io::stdin().read_to_string(&mut input);
    }
    let reply = match tool {
        "jail" => jail::jail(host, words),
        "jexec" => jail::jexec(host, words),
        "ifconfig" => host.change(|state| ifconfig::ifconfig(state, words)),
        "jls" => host.change(|state| jail::jls(state, words)),
        "ps" => host.change(|state| jail::ps(state, words)),
        "mount" => host.change(|state| mount::list(state, host, words)),
        "mount_nullfs" => host.change(|state| mount::nullfs(state, words)),
        "umount" => host.change(|state| mount::unmount(state, words)),
        "netstat" => host.change(|state| netstat::netstat(state, words)),
        "pfctl" => host.change(|state| pfctl::pfctl(state, words, &input)),
        "zpool" => host.change(|state| zfs::zpool(state, host, words)),
        "zfs" => host.change(|state| zfs::zfs(state, host, words, &input)),
        "freebsd-update" => update::freebsd_update(words),
        "tee" => host.change(|state| system::tee(state, words, &input)),
        _ => host.change(|state| system::run(state, tool, words)),
    };
    // A jail's making is written down when it is made, and not when its first process has ended.
    if changes(tool, words) && !(tool == "jail" && words.first() == Some(&"-c")) {
        host.record(tool, words, &input, reply.code);
    }
    let _ = std::io::stdout().write_all(reply.out.as_bytes());
    let _ = std::io::stderr().write_all(reply.err.as_bytes());
    ExitCode::from(reply.code)
}

/// Tools that do what they do by one system call, which the kernel finishes even if the tool is killed meanwhile.
const FOR_THE_KERNEL: [&str; 3] = ["mount_nullfs", "umount", "zfs"];

/// Set for the process that stands for the kernel.
const KERNEL: &str = "FAKE_FREEBSD_KERNEL";

/// Does what a tool is asked for in another process, as the kernel would: it does not end with the tool.
fn in_the_kernel(called: &str, words: &[&str]) -> ExitCode {
    let status = std::env::current_exe().and_then(|program| {
        std::process::Command::new(program)
            .arg0(called)
            .args(words)
            .env(KERNEL, "1")
            .status()
    });
    match status.map(|status| status.code()) {
        Ok(Some(code)) => ExitCode::from(u8::try_from(code).unwrap_or(1)),
        _ => ExitCode::FAILURE,
    }
}

/// The host's directory is the one above that of the tools, which is called by a path or comes first in `PATH`.
fn directory_of(called: &str) -> PathBuf {
    let path = std::env::var("PATH").unwrap_or_default();
    let bin = match called.rsplit_once('/') {
        Some((bin, _)) => bin,
        None => path.split(':').next().unwrap_or_default(),
    };
    Path::new(bin).parent().unwrap_or(Path::new("/")).to_owned()
}

fn install(directory: &Path) -> std::io::Result<()> {
    let bin = directory.join("bin");
    std::fs::create_dir_all(&bin)?;
    std::fs::create_dir_all(directory.join("content"))?;
    let program = std::env::current_exe()?;
    for tool in TOOLS {
        std::os::unix::fs::symlink(&program, bin.join(tool))?;
    }
    Host::at(directory.to_owned()).install()
}
