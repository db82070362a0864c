//! A piece of this machine for itself: network, mounts, processes and control groups are its own and vanish with it,
//! however its owner ends. Files are not: it has one directory of this machine's, which is removed.

use std::ffi::OsStr;
use std::fs;
use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};

use anyhow::{Context, Result, bail};

/// The address of the sandbox's host, at which ports are published.
pub const HOST: &str = "192.0.2.1";
/// The same in IPv6.
pub const HOST6: &str = "2001:db8::1";
/// The other machine, reached over the host's default route.
pub const OUTSIDE: &str = "192.0.2.2";
/// The same in IPv6.
pub const OUTSIDE6: &str = "2001:db8::2";

/// A sandbox; it ends when this is dropped.
#[derive(Debug)]
pub struct Sandbox {
    keeper: Child,
    /// The sandbox lasts as long as this is open.
    stdin: Option<ChildStdin>,
    /// The process that made the namespaces, as this machine numbers it.
    maker: u32,
    directory: PathBuf,
    cgroup: PathBuf,
}

impl Sandbox {
    /// Makes one.
    ///
    /// # Errors
    /// If this machine does not let us, in the words of the tool that failed.
    pub fn new() -> Result<Self> {
        let directory = tempfile::Builder::new().prefix("kleene-").tempdir()?.keep();
        let name = directory.file_name().unwrap_or_default();
        let cgroup = cgroup_root()?.join(name);
        let mut keeper = Command::new("sh")
            .args(["-c", include_str!("sandbox/keeper.sh"), "keeper"])
            .args([cgroup.as_os_str(), directory.as_os_str()])
            .arg(include_str!("sandbox/inside.sh"))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .context("cannot run sh")?;
        let stdin = keeper.stdin.take();
        let mut said = String::new();
        if let Some(stdout) = keeper.stdout.take() {
            BufReader::new(stdout).read_line(&mut said)?;
        }
        if said != "ready\n" {
            drop(stdin);
            let mut complaint = String::new();
            if let Some(mut stderr) = keeper.stderr.take() {
                stderr.read_to_string(&mut complaint)?;
            }
            keeper.wait()?;
            bail!(
                "cannot make namespaces for a throw-away host: {}",
                complaint.trim().replace('\n', "; ")
            );
        }
        let maker = maker_of(&cgroup)?;
        Ok(Self {
            keeper,
            stdin,
            maker,
            directory,
            cgroup,
        })
    }

    /// A directory of this machine's that both sides see at the same path.
    #[must_use]
    pub fn directory(&self) -> &Path {
        &self.directory
    }

    /// A command on the sandbox's host.
    pub fn command(&self, program: impl AsRef<OsStr>) -> Command {
        let mut command = Command::new("nsenter");
        self.enter(&mut command, program.as_ref());
        command
    }

    /// A command on the sandbox's host whose processes, and theirs, are in the sandbox's control group.
    pub fn service(&self, program: impl AsRef<OsStr>) -> Command {
        let mut command = Command::new("sh");
        command.args(["-c", r#"echo 0 > "$0" && exec nsenter "$@""#]);
        command.arg(self.cgroup.join("cgroup.procs"));
        self.enter(&mut command, program.as_ref());
        command
    }

    /// A command on another machine, which has the addresses [`OUTSIDE`] and [`OUTSIDE6`].
    pub fn outside(&self, program: impl AsRef<OsStr>) -> Command {
        let mut command = self.command("ip");
        command.args(["netns", "exec", "outside"]).arg(program);
        command
    }

    fn enter(&self, command: &mut Command, program: &OsStr) {
        for (option, file) in [("net", "net"), ("mount", "mnt"), ("cgroup", "cgroup")] {
            command.arg(format!("--{option}=/proc/{}/ns/{file}", self.maker));
        }
        // The maker is not in it itself.
        command.arg(format!("--pid=/proc/{}/ns/pid_for_children", self.maker));
        command.arg("--").arg(program);
    }

    /// What is mounted inside, in the form of `/proc/<pid>/mountinfo`.
    ///
    /// # Errors
    /// If the sandbox has ended.
    pub fn mounts(&self) -> Result<String> {
        fs::read_to_string(format!("/proc/{}/mountinfo", self.maker)).context("the sandbox has ended")
    }

    /// Its control group, as this machine sees it.
    #[must_use]
    pub fn cgroup(&self) -> &Path {
        &self.cgroup
    }
}

impl Drop for Sandbox {
    fn drop(&mut self) {
        drop(self.stdin.take());
        if let Err(error) = self.keeper.wait() {
            eprintln!(
                "cannot tell whether the sandbox {} has ended: {error}",
                self.directory.display()
            );
        }
    }
}

/// Where the hierarchy of version 2 is mounted: alone, or beside version 1.
fn cgroup_root() -> Result<PathBuf> {
    let mounts = fs::read_to_string("/proc/self/mounts")?;
    let mut fields = mounts.lines().map(|line| line.split(' ').collect::<Vec<_>>());
    let found = fields
        .find(|fields| fields.get(2) == Some(&"cgroup2"))
        .and_then(|fields| fields.get(1).copied());
    found
        .map(PathBuf::from)
        .context("control groups of version 2 are not mounted: try `mount -t cgroup2 cgroup2 /sys/fs/cgroup`")
}

/// The process in the control group that has the others as descendants: the one with the smallest number is not
/// enough, since numbers start again.
fn maker_of(cgroup: &Path) -> Result<u32> {
    let processes = fs::read_to_string(cgroup.join("cgroup.procs"))?;
    let is_maker =
        |pid: &&str| fs::read_to_string(format!("/proc/{pid}/comm")).is_ok_and(|name| name == "unshare\n");
    let maker = processes
        .lines()
        .find(is_maker)
        .context("the sandbox has ended as soon as it was made")?;
    Ok(maker.parse()?)
}
