//! Ending a jail, from the daemon: as `jail -r` on FreeBSD, TERM to all its processes, time to follow, KILL. Or the signal
//! that an image asks for, to the first process alone.

use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;
use std::time::{Duration, Instant};

use kleene_plan::Id;
use rustix::event::{PollFd, PollFlags, Timespec};
use rustix::io::Errno;
use rustix::process::{Pid, Signal};

use crate::addresses::Confinement;
use crate::cgroup::Cgroup;
use crate::error::{Error, Result, Step};
use crate::jail_file::FirstProcess;
use crate::launcher::pidfd;
use crate::signal;

/// How long killed processes may take to go.
const DEATH: Duration = Duration::from_secs(10);

/// How often the other processes of a jail are looked for while its first process waits for them to end.
const GLANCE: Duration = Duration::from_millis(5);

/// Ends a jail: asks its processes with the TERM signal, or its first process alone with `signal`, and kills what is left
/// after `grace`. Returns when no process of it is left. A jail that does not run is a success; what a killed supervisor left of one is removed.
///
/// A first process that neither handles nor ignores the signal would not notice it (pid_namespaces(7)). With TERM it is held, and killed
/// as soon as the others have ended; with another signal it is killed at once. It is reported to have ended by the signal.
///
/// # Errors
/// [`Error::WillNotEnd`] if the kernel does not let go of a process, or if the host's files about the jail cannot be
/// read or removed.
pub fn stop(run_root: &Path, id: &Id, signal: Option<Signal>, grace: Duration) -> Result<()> {
    let jail_dir = run_root.join(id.as_str());
    let cgroup = Cgroup::of(id)?;
    if let Some(first) = find(&jail_dir).step(|| format!("find jail '{id}'"))? {
        let step = || format!("stop jail '{id}'");
        let has_ended = match signal {
            None => first.end_with_grace(&cgroup, &jail_dir, grace)?,
            Some(signal) => first.end_by(signal, &jail_dir, grace).step(step)?,
        };
        if !has_ended {
            first.send(Signal::KILL).step(step)?;
            if !first.wait(DEATH).step(step)? {
                return Err(Error::WillNotEnd(id.clone()));
            }
        }
    }
    FirstProcess::forget(&jail_dir)?;
    Confinement::forget(&jail_dir)?;
    cgroup.remove()
}

/// A hold on the first process of a jail, with which all others end.
struct First {
    pid: Pid,
    pidfd: OwnedFd,
}

fn find(jail_dir: &Path) -> io::Result<Option<First>> {
    let first = FirstProcess::read(jail_dir).map_err(io::Error::other)?;
    let Some((first, pid)) = first.and_then(|first| Some((first, first.alive()?))) else {
        return Ok(None);
    };
    let pidfd = match pidfd(pid) {
        Err(error) if error.raw_os_error() == Some(libc::ESRCH) => return Ok(None),
        pidfd => pidfd?,
    };
    // Only now nobody else can have its process id.
    Ok(first.alive().map(|pid| First { pid, pidfd }))
}

impl First {
    /// Asks all processes to end; whether they did in time.
    fn end_with_grace(&self, cgroup: &Cgroup, jail_dir: &Path, grace: Duration) -> Result<bool> {
        let step = || "ask the processes of the jail to end".to_owned();
        let deadline = Instant::now() + grace;
        let unnoticed = match signal::goes_unnoticed(self.pid, Signal::TERM) {
            // It has ended meanwhile.
            Err(error) if error.kind() == io::ErrorKind::NotFound => return self.wait(DEATH).step(step),
            unnoticed => unnoticed.step(step)?,
        };
        // One that would not notice would have ended on FreeBSD: it must not go on with its next command when it sees
        // its children end, so it is held until they have.
        self.send(if unnoticed { Signal::STOP } else { Signal::TERM })
            .step(step)?;
        for other in self.others(cgroup)? {
            // One that has ended since needs no signal. Its id cannot be somebody else's yet: the kernel gives an id
            // again only after all others.
            if let Err(error) = rustix::process::kill_process(other, Signal::TERM)
                && error != Errno::SRCH
            {
                return Err(error).step(step);
            }
        }
        if !unnoticed {
            return self
                .wait(deadline.saturating_duration_since(Instant::now()))
                .step(step);
        }
        while !self.others(cgroup)?.is_empty() {
            let left = deadline.saturating_duration_since(Instant::now());
            if self.wait(GLANCE.min(left)).step(step)? {
                return Ok(true);
            }
            if left.is_zero() {
                break;
            }
        }
        self.end_in_place_of(Signal::TERM, jail_dir).step(step)?;
        self.wait(DEATH).step(step)
    }

    /// Sends a signal to the first process, which sees to the others; whether all ended in time.
    fn end_by(&self, signal: Signal, jail_dir: &Path, grace: Duration) -> io::Result<bool> {
        match signal::goes_unnoticed(self.pid, signal) {
            // It has ended meanwhile.
            Err(error) if error.kind() == io::ErrorKind::NotFound => return self.wait(DEATH),
            Err(error) => return Err(error),
            Ok(true) => self.end_in_place_of(signal, jail_dir)?,
            Ok(false) => self.send(signal)?,
        }
        self.wait(grace)
    }

    /// Ends it by a signal that it would not notice. One that has ended is a success.
    fn end_in_place_of(&self, signal: Signal, jail_dir: &Path) -> io::Result<()> {
        match signal::end_in_place_of(signal, &self.pidfd, jail_dir) {
            Err(error) if error.raw_os_error() == Some(libc::ESRCH) => Ok(()),
            ended => ended,
        }
    }

    fn others(&self, cgroup: &Cgroup) -> Result<Vec<Pid>> {
        Ok(cgroup
            .processes()?
            .into_iter()
            .filter(|&pid| pid != self.pid)
            .collect())
    }

    fn send(&self, signal: Signal) -> io::Result<()> {
        match rustix::process::pidfd_send_signal(&self.pidfd, signal) {
            Err(Errno::SRCH) => Ok(()),
            sent => Ok(sent?),
        }
    }

    /// Waits for its end, and so for that of all others; whether it came in time.
    fn wait(&self, time: Duration) -> io::Result<bool> {
        let deadline = Instant::now() + time;
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            let timeout = Timespec::try_from(left).map_err(io::Error::other)?;
            let mut end = [PollFd::from_borrowed_fd(self.pidfd.as_fd(), PollFlags::IN)];
            match rustix::event::poll(&mut end, Some(&timeout)) {
                Ok(count) => return Ok(count > 0),
                Err(Errno::INTR) => {}
                Err(error) => return Err(error.into()),
            }
        }
    }
}
