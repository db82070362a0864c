//! The cgroup of a jail: `kleene/<id>` in the version 2 hierarchy, or where there is none, in the `pids` hierarchy of
//! version 1. It holds all processes of the jail, so that they can be found and ended together.
//!
//! One hierarchy is enough for that, and each further one costs every start time.

use std::fs::{self, DirBuilder, File};
use std::io::{self, ErrorKind};
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use kleene_plan::Id;
use rustix::fs::{CWD, Mode, OFlags};
use rustix::process::Pid;

use crate::error::{Error, Result, Step};

/// Where version 2 is mounted: alone, or beside version 1.
const UNIFIED: [&str; 2] = ["/sys/fs/cgroup", "/sys/fs/cgroup/unified"];
const PIDS: &str = "/sys/fs/cgroup/pids";

/// How long the kernel may take to notice that the last process has gone.
const PATIENCE: Duration = Duration::from_secs(2);

/// The cgroup of a jail.
#[derive(Debug)]
pub(crate) struct Cgroup {
    path: PathBuf,
    unified: bool,
}

impl Cgroup {
    /// The cgroup a jail has, or would have.
    pub(crate) fn of(id: &Id) -> Result<Self> {
        let unified = UNIFIED
            .iter()
            .find(|root| Path::new(root).join("cgroup.procs").exists());
        let root = match unified {
            Some(root) => Path::new(root),
            None if Path::new(PIDS).join("cgroup.procs").exists() => Path::new(PIDS),
            None => {
                let feature = "cgroups (neither version 2 nor the pids hierarchy is mounted)";
                let source = ErrorKind::NotFound.into();
                return Err(Error::NotSupported {
                    feature,
                    purpose: "a jail",
                    source,
                });
            }
        };
        Ok(Self {
            path: root.join("kleene").join(id.as_str()),
            unified: unified.is_some(),
        })
    }

    /// Makes the cgroup of a jail that is about to start. One without processes may be left of a supervisor that was
    /// killed, and is taken.
    pub(crate) fn create(id: &Id) -> Result<Self> {
        let cgroup = Self::of(id)?;
        let what = || format!("create the cgroup '{}'", cgroup.path.display());
        match cgroup.make() {
            Err(error) if error.kind() == ErrorKind::AlreadyExists => {
                if !cgroup.processes()?.is_empty() {
                    return Err(Error::AlreadyRuns(id.clone()));
                }
            }
            other => other.step(what)?,
        }
        Ok(cgroup)
    }

    /// Makes the directory, and the one above it, which the last jail that ends takes away: perhaps just now, so that
    /// it has to be made once more.
    fn make(&self) -> io::Result<()> {
        let directory = |path: &Path| DirBuilder::new().mode(0o755).create(path);
        loop {
            match directory(&self.path) {
                Err(error) if error.kind() == ErrorKind::NotFound => {}
                made => return made,
            }
            match directory(self.parent()) {
                Err(error) if error.kind() != ErrorKind::AlreadyExists => return Err(error),
                _ => {}
            }
        }
    }

    /// What all jails have in common.
    fn parent(&self) -> &Path {
        self.path.parent().unwrap_or(&self.path)
    }

    /// The directory, if processes can be born into it.
    pub(crate) fn birthplace(&self) -> Result<Option<Birthplace>> {
        if !self.unified {
            return Ok(None);
        }
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let directory = rustix::fs::openat(CWD, &self.path, flags, Mode::empty())
            .step(|| format!("open the cgroup '{}'", self.path.display()))?;
        Ok(Some(Birthplace(File::from(directory))))
    }

    /// Moves the calling process in, where processes cannot be born into the cgroup.
    pub(crate) fn enter(&self) -> Result<()> {
        fs::write(self.path.join("cgroup.procs"), "0")
            .step(|| format!("enter the cgroup '{}'", self.path.display()))
    }

    /// Whether the calling process has to [`enter`](Self::enter).
    pub(crate) fn must_be_entered(&self) -> bool {
        !self.unified
    }

    /// The processes in it, by their ids on the host. A cgroup that does not exist has none.
    pub(crate) fn processes(&self) -> Result<Vec<Pid>> {
        match fs::read_to_string(self.path.join("cgroup.procs")) {
            Ok(text) => Ok(text
                .lines()
                .filter_map(|line| line.parse().ok().and_then(Pid::from_raw))
                .collect()),
            Err(error) if is_gone(&error) => Ok(Vec::new()),
            Err(error) => Err(error).step(|| format!("read the cgroup '{}'", self.path.display())),
        }
    }

    /// Removes it, when its processes have gone, and what all jails have in common, when it is the last. One that does
    /// not exist is a success.
    pub(crate) fn remove(&self) -> Result<()> {
        self.remove_own()?;
        match fs::remove_dir(self.parent()) {
            // Others are in it (a busy directory, in the words of this file system), or removed it.
            Err(error) if error.kind() == ErrorKind::ResourceBusy || is_gone(&error) => Ok(()),
            other => other.step(|| format!("remove the cgroup '{}'", self.parent().display())),
        }
    }

    fn remove_own(&self) -> Result<()> {
        let deadline = Instant::now() + PATIENCE;
        loop {
            match fs::remove_dir(&self.path) {
                Ok(()) => return Ok(()),
                Err(error) if is_gone(&error) => return Ok(()),
                Err(error) if error.kind() == ErrorKind::ResourceBusy && Instant::now() < deadline => {
                    std::thread::sleep(Duration::from_millis(1));
                }
                Err(error) => {
                    return Err(error).step(|| format!("remove the cgroup '{}'", self.path.display()));
                }
            }
        }
    }
}

fn is_gone(error: &io::Error) -> bool {
    error.kind() == ErrorKind::NotFound || error.raw_os_error() == Some(libc::ENODEV)
}

/// An open cgroup into which processes can be born.
pub(crate) struct Birthplace(File);

impl AsFd for Birthplace {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}
