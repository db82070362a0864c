//! What a platform gives the supervisor: a way to start a process in a jail, and a hold on it.

use std::error::Error;
use std::io;
use std::os::fd::{BorrowedFd, OwnedFd};
use std::path::Path;

use kleene_plan::{ExitStatus, Launch};
use rustix::pipe::PipeFlags;

/// Why a process could not be started; printed for the user with all its causes.
pub type LaunchError = Box<dyn Error + Send + Sync>;

/// Starts processes in jails, in its own way per platform.
pub trait Launcher {
    /// Makes the jail or joins it and starts the process. Returns when the program itself runs: everything that can go
    /// wrong before that, a program that does not exist included, is an error and leaves nothing behind.
    ///
    /// `run_dir` is the supervisor's directory, `<run root>/<container id>/<exec id>`.
    ///
    /// # Errors
    /// With a text for the user.
    fn launch(&self, launch: &Launch, run_dir: &Path) -> Result<Launched, LaunchError>;
}

/// A process that was started.
pub struct Launched {
    /// The hold on it.
    pub process: Box<dyn Running>,
    /// The supervisor's ends of its standard descriptors.
    pub io: ProcessIo,
    /// What was read of its output already, to see how its start went.
    pub printed: Vec<u8>,
}

/// A hold on a running process.
pub trait Running {
    /// Its process id as the host sees it.
    fn pid(&self) -> u32;

    /// A descriptor that becomes readable when it ends (pidfd, kqueue).
    fn end(&self) -> BorrowedFd<'_>;

    /// How it ended, if it has.
    ///
    /// # Errors
    /// If the system does not tell.
    fn try_wait(&mut self) -> io::Result<Option<ExitStatus>>;

    /// Sends it a signal. One that has ended already is a success.
    ///
    /// # Errors
    /// If there is no such signal.
    fn signal(&self, signal: u8) -> io::Result<()>;

    /// Removes what the jail needed on the host, after the end of a process that made the jail.
    ///
    /// # Errors
    /// If something cannot be removed.
    fn clean_up(&mut self) -> Result<(), LaunchError>;
}

/// The supervisor's ends of a process' standard descriptors.
#[derive(Debug)]
pub enum ProcessIo {
    /// A pseudo terminal's master side, for both directions.
    Terminal(OwnedFd),
    /// A pipe for each direction.
    Pipes {
        /// To its standard input.
        input: OwnedFd,
        /// From its standard output and standard error.
        output: OwnedFd,
    },
}

/// The process' ends of its pipes.
#[derive(Debug)]
pub struct ProcessPipes {
    /// Its standard input.
    pub input: OwnedFd,
    /// Its standard output and standard error.
    pub output: OwnedFd,
}

impl ProcessIo {
    /// A pipe for each direction, and the ends that are for the process.
    ///
    /// # Errors
    /// If the system has no more file descriptors.
    pub fn pipes() -> io::Result<(Self, ProcessPipes)> {
        let (theirs_in, ours_in) = rustix::pipe::pipe_with(PipeFlags::CLOEXEC)?;
        let (ours_out, theirs_out) = rustix::pipe::pipe_with(PipeFlags::CLOEXEC)?;
        let ours = Self::Pipes {
            input: ours_in,
            output: ours_out,
        };
        Ok((
            ours,
            ProcessPipes {
                input: theirs_in,
                output: theirs_out,
            },
        ))
    }
}
