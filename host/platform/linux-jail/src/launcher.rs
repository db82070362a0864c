//! Starts processes in jails: what the supervisor does before and after the birth of the process.

use std::fs::File;
use std::io::{self, Read};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::{Path, PathBuf};

use kleene_plan::{ExitStatus, JailNetwork, Launch, LaunchMode};
use kleene_supervisor::{LaunchError, Launched, Launcher, ProcessIo, Running};
use rustix::pipe::PipeFlags;
use rustix::process::{Pid, PidfdFlags, WaitId, WaitIdOptions};
use rustix::thread::ThreadNameSpaceType;

use crate::addresses::Confinement;
use crate::cgroup::Cgroup;
use crate::child::{Child, Place, Stdio};
use crate::error::{Error, Result, Step};
use crate::jail_file::FirstProcess;
use crate::network::{self, Borrowed};
use crate::parameters::Parameters;
use crate::root::Devices;
use crate::seccomp::Filter;
use crate::signal;
use crate::sys::{self, Cloned};
use crate::terminal::{self, Terminal};

/// Namespaces into which the first process of a jail is born. The network's is entered by the supervisor before, the
/// cgroup's by the process when it is in its cgroup.
const NAMESPACES: i32 = libc::CLONE_NEWNS | libc::CLONE_NEWPID | libc::CLONE_NEWIPC | libc::CLONE_NEWUTS;

/// Starts processes in jails made of Linux namespaces. For a process with a single thread, which launches once.
#[derive(Debug, Clone, Copy, Default)]
pub struct LinuxLauncher;

impl Launcher for LinuxLauncher {
    fn launch(&self, launch: &Launch, run_dir: &Path) -> std::result::Result<Launched, LaunchError> {
        let jail_dir = run_dir.parent().unwrap_or(run_dir);
        Ok(match launch.mode {
            LaunchMode::Start => start(launch, jail_dir),
            LaunchMode::Join => join(launch, jail_dir),
        }?)
    }
}

/// Makes a jail and starts its first process.
fn start(launch: &Launch, jail_dir: &Path) -> Result<Launched> {
    let parameters = Parameters::parse(&launch.jail.parameters)?;
    signal::forget_ended_by(jail_dir)?;
    let jail = Jail::make(launch, jail_dir)?;
    let started = start_in(&jail, launch, &parameters).and_then(|(process, io)| {
        FirstProcess::identify(process.pid)?.write(jail_dir)?;
        Ok((process, io))
    });
    match started {
        Ok((process, io)) => Ok(Launched {
            process: Box::new(FirstOfJail { process, jail }),
            io,
            printed: Vec::new(),
        }),
        // What could not be started must not stay; of two errors the first is the cause.
        Err(cause) => jail.unmake().and(Err(cause)),
    }
}

fn start_in(jail: &Jail, launch: &Launch, parameters: &Parameters) -> Result<(Process, ProcessIo)> {
    if let JailNetwork::Addresses(addresses) = &launch.jail.network {
        let confinement = Confinement {
            addresses: addresses.clone(),
            raw_sockets: parameters.raw_sockets.unwrap_or(false),
        };
        confinement.begin(&jail.cgroup, &jail.dir)?;
    }
    let step = || "make the devices of the jail".to_owned();
    let devpts = parameters
        .devices
        .then(terminal::new_devpts)
        .transpose()
        .step(step)?;
    let terminal = match (launch.process.terminal, &devpts) {
        (Some(size), Some(devpts)) => Some(Terminal::of_devpts(devpts, size)),
        (Some(size), None) => Some(Terminal::of_host(size)),
        (None, _) => None,
    };
    let terminal = terminal
        .transpose()
        .step(|| "open a terminal for the jail".to_owned())?;
    let has_console = terminal.is_some();
    let devices = devpts.map(|devpts| Devices { devpts, has_console });
    give_birth(
        launch,
        parameters,
        &jail.cgroup,
        Place::New(devices),
        NAMESPACES,
        terminal,
    )
}

/// Starts another process in a jail that runs.
fn join(launch: &Launch, jail_dir: &Path) -> Result<Launched> {
    let id = &launch.jail.id;
    let parameters = Parameters::parse(&launch.jail.parameters)?;
    let first = FirstProcess::read(jail_dir)?.ok_or_else(|| Error::NotRunning(id.clone()))?;
    let pid = first.alive().ok_or_else(|| Error::NotRunning(id.clone()))?;
    let pidfd = pidfd(pid).step(|| format!("find jail '{id}'"))?;
    // Only now nobody else can have its process id.
    first.alive().ok_or_else(|| Error::NotRunning(id.clone()))?;
    let terminal = launch.process.terminal.map(|size| Terminal::of_jail(pid, size));
    let terminal = terminal
        .transpose()
        .step(|| format!("open a terminal of jail '{id}'"))?;
    // This is for children of this process; it stays itself where it is.
    rustix::thread::move_into_thread_name_spaces(pidfd.as_fd(), ThreadNameSpaceType::PROCESS_ID)
        .step(|| format!("enter jail '{id}'"))?;
    let cgroup = Cgroup::of(id)?;
    let place = Place::Running(pidfd.as_fd());
    let (process, io) = give_birth(launch, &parameters, &cgroup, place, 0, terminal)?;
    Ok(Launched {
        process: Box::new(process),
        io,
        printed: Vec::new(),
    })
}

fn give_birth(
    launch: &Launch,
    parameters: &Parameters,
    cgroup: &Cgroup,
    place: Place<'_>,
    namespaces: i32,
    terminal: Option<Terminal>,
) -> Result<(Process, ProcessIo)> {
    let step = || format!("start a process in jail '{}'", launch.jail.id);
    let filter = Filter::new(&launch.jail.network);
    let (io, stdio, kept_open) = connect(terminal).step(step)?;
    let (reason, tell) = rustix::pipe::pipe_with(PipeFlags::CLOEXEC).step(step)?;
    let birthplace = cgroup.birthplace()?;
    let child = Child {
        launch,
        parameters,
        filter: &filter,
        cgroup,
        place,
        stdio,
    };
    match sys::clone_process(namespaces, birthplace.as_ref().map(AsFd::as_fd)).step(step)? {
        Cloned::Child => child.run(tell),
        Cloned::Parent { pid, pidfd } => {
            drop((child, tell));
            let process = Process {
                pid,
                pidfd,
                _kept_open: kept_open,
            };
            match failure(reason).step(step)? {
                None => Ok((process, io)),
                Some(reason) => {
                    process.wait(WaitIdOptions::EXITED).step(step)?;
                    Err(Error::Child(reason))
                }
            }
        }
    }
}

/// The supervisor's and the process' ends of the standard descriptors, and one to be kept open: as long as somebody has
/// a terminal open, the supervisor can read from it, even if the process closes and opens it again.
fn connect(terminal: Option<Terminal>) -> io::Result<(ProcessIo, Stdio, Option<OwnedFd>)> {
    match terminal {
        Some(Terminal { master, slave }) => {
            let kept_open = slave.try_clone()?;
            Ok((
                ProcessIo::Terminal(master),
                Stdio::Terminal(slave),
                Some(kept_open),
            ))
        }
        None => {
            let (ours, theirs) = ProcessIo::pipes()?;
            Ok((ours, Stdio::Pipes(theirs), None))
        }
    }
}

/// Why the child could not become the program. `None`: it did, which has closed its end.
fn failure(reason: OwnedFd) -> io::Result<Option<String>> {
    let mut text = Vec::new();
    File::from(reason).read_to_end(&mut text)?;
    Ok((!text.is_empty()).then(|| String::from_utf8_lossy(&text).into_owned()))
}

pub(crate) fn pidfd(pid: Pid) -> io::Result<OwnedFd> {
    Ok(rustix::process::pidfd_open(pid, PidfdFlags::empty())?)
}

/// A process in a jail that others keep alive.
#[derive(Debug)]
struct Process {
    pid: Pid,
    pidfd: OwnedFd,
    _kept_open: Option<OwnedFd>,
}

impl Process {
    fn wait(&self, options: WaitIdOptions) -> io::Result<Option<ExitStatus>> {
        let Some(status) = rustix::process::waitid(WaitId::PidFd(self.pidfd.as_fd()), options)? else {
            return Ok(None);
        };
        // Both numbers fit: the kernel keeps eight bits of a status, and there are 64 signals.
        Ok(Some(match (status.exit_status(), status.terminating_signal()) {
            (Some(code), _) => ExitStatus::Code(code as u8),
            (None, signal) => ExitStatus::Signal(signal.unwrap_or_default() as u8),
        }))
    }

    fn send(&self, signal: u8) -> io::Result<()> {
        let signal = signal::by_number(signal)?;
        match rustix::process::pidfd_send_signal(&self.pidfd, signal) {
            // It has ended.
            Err(rustix::io::Errno::SRCH) => Ok(()),
            sent => Ok(sent?),
        }
    }
}

impl Running for Process {
    fn pid(&self) -> u32 {
        self.pid.as_raw_nonzero().get().unsigned_abs()
    }

    fn end(&self) -> BorrowedFd<'_> {
        self.pidfd.as_fd()
    }

    fn try_wait(&mut self) -> io::Result<Option<ExitStatus>> {
        self.wait(WaitIdOptions::EXITED | WaitIdOptions::NOHANG)
    }

    fn signal(&self, signal: u8) -> io::Result<()> {
        self.send(signal)
    }

    fn clean_up(&mut self) -> std::result::Result<(), LaunchError> {
        Ok(())
    }
}

/// What a jail has on the host while it runs.
struct Jail {
    cgroup: Cgroup,
    borrowed: Option<Borrowed>,
    dir: PathBuf,
}

impl Jail {
    /// Makes what a jail needs before its first process, and takes the supervisor into its network stack.
    fn make(launch: &Launch, dir: &Path) -> Result<Self> {
        let cgroup = Cgroup::create(&launch.jail.id)?;
        match network::enter(&launch.jail.network) {
            Ok(borrowed) => Ok(Self {
                cgroup,
                borrowed,
                dir: dir.to_owned(),
            }),
            Err(cause) => cgroup.remove().and(Err(cause)),
        }
    }

    /// Removes all of it, each thing even if another cannot be removed; tells the first that could not.
    fn unmake(&self) -> Result<()> {
        let forgotten = FirstProcess::forget(&self.dir)
            .and(Confinement::forget(&self.dir))
            .and(signal::forget_ended_by(&self.dir));
        let given_back = self.borrowed.as_ref().map_or(Ok(()), Borrowed::give_back);
        forgotten.and(given_back).and(self.cgroup.remove())
    }
}

/// The process that made a jail, with which it ends.
struct FirstOfJail {
    process: Process,
    jail: Jail,
}

impl Running for FirstOfJail {
    fn pid(&self) -> u32 {
        self.process.pid()
    }

    fn end(&self) -> BorrowedFd<'_> {
        self.process.end()
    }

    fn try_wait(&mut self) -> io::Result<Option<ExitStatus>> {
        let killed = ExitStatus::Signal(libc::SIGKILL as u8);
        let status = self.process.try_wait()?;
        let meant = || signal::ended_by(&self.jail.dir).map(ExitStatus::Signal);
        Ok(if status == Some(killed) {
            meant().or(status)
        } else {
            status
        })
    }

    fn signal(&self, number: u8) -> io::Result<()> {
        let signal = signal::by_number(number)?;
        match signal::goes_unnoticed(self.process.pid, signal) {
            Ok(true) => signal::end_in_place_of(signal, &self.process.pidfd, &self.jail.dir),
            Ok(false) => self.process.send(number),
            // It has ended.
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            Err(error) => Err(error),
        }
    }

    fn clean_up(&mut self) -> std::result::Result<(), LaunchError> {
        Ok(self.jail.unmake()?)
    }
}
