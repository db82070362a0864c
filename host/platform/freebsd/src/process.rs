//! A process of the host that the supervisor started: jail(8) or jexec(8), with its standard descriptors.
//!
//! A thread waits for its end, which arrives as two bytes in a pipe: a descriptor to poll is all the supervisor wants,
//! and this way to get one is the same on every system.

use std::fs::File;
use std::io::{self, Read, Write};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;

use kleene_plan::{ExitStatus, WindowSize};
use kleene_supervisor::{LaunchError, ProcessIo, Running};
use rustix::fs::OFlags;
use rustix::pipe::PipeFlags;
use rustix::process::{Pid, Signal, WaitId, WaitIdOptions};

use crate::terminal::Terminal;

/// A process and its end.
#[derive(Debug)]
pub(crate) struct Process {
    pid: u32,
    end: OwnedFd,
    status: Option<ExitStatus>,
    /// Whether its process id may be somebody else's by now.
    reaped: Arc<Mutex<bool>>,
}

/// What of a process' descriptors the supervisor holds: its own ends alone. A terminal that anybody else has open when
/// the process that leads its session ends is revoked (kern_exit.c), and with it goes what nobody has read yet.
#[derive(Debug)]
pub(crate) struct Io {
    pub(crate) ours: ProcessIo,
    /// What was read so far.
    pub(crate) printed: Vec<u8>,
}

/// Starts a process with a terminal of its own, or with pipes.
pub(crate) fn start(mut command: Command, terminal: Option<WindowSize>) -> io::Result<(Process, Io)> {
    let ours = match terminal {
        Some(size) => {
            let Terminal { master, slave } = Terminal::open(size)?;
            command
                .env("TERM", "xterm")
                .stdin(slave.try_clone()?)
                .stdout(slave.try_clone()?)
                .stderr(slave);
            control_terminal(&mut command);
            ProcessIo::Terminal(master)
        }
        None => {
            let (ours, theirs) = ProcessIo::pipes()?;
            command
                .stdin(Stdio::from(theirs.input))
                .stdout(theirs.output.try_clone()?)
                .stderr(theirs.output);
            ours
        }
    };
    let child = command.spawn()?;
    // The command holds the process' ends as long as it lives, and with them the end of output would not be noticed.
    drop(command);
    let printed = Vec::new();
    Ok((Process::watch(child)?, Io { ours, printed }))
}

/// Makes standard input the controlling terminal of the process, which leads a session of its own.
#[allow(
    unsafe_code,
    reason = "the standard library has no other way to a session of one's own"
)]
fn control_terminal(command: &mut Command) {
    let lead_session = || {
        rustix::process::setsid()?;
        // SAFETY: descriptor 0 was put in place by the standard library before this runs, and is open.
        let stdin = unsafe { BorrowedFd::borrow_raw(0) };
        Ok(rustix::process::ioctl_tiocsctty(stdin)?)
    };
    // SAFETY: between fork and exec only two system calls are made; nothing is allocated and no lock is taken.
    unsafe { command.pre_exec(lead_session) };
}

impl Process {
    fn watch(mut child: Child) -> io::Result<Self> {
        let (end, tell) = rustix::pipe::pipe_with(PipeFlags::CLOEXEC)?;
        let flags = rustix::fs::fcntl_getfl(&end)?;
        rustix::fs::fcntl_setfl(&end, flags | OFlags::NONBLOCK)?;
        let reaped = Arc::new(Mutex::new(false));
        let (pid, is_reaped) = (child.id(), Arc::clone(&reaped));
        thread::spawn(move || {
            // Until it is waited for once more, nobody else gets its process id.
            if let Some(pid) = pid_of(pid) {
                let options = WaitIdOptions::EXITED | WaitIdOptions::NOWAIT;
                while let Err(rustix::io::Errno::INTR) = rustix::process::waitid(WaitId::Pid(pid), options) {}
            }
            let mut is_reaped = is_reaped.lock().unwrap_or_else(PoisonError::into_inner);
            *is_reaped = true;
            if let Ok(status) = child.wait() {
                // If nobody listens any more, nobody wants to know.
                let _ = File::from(tell).write_all(&encode(status));
            }
        });
        Ok(Self {
            pid,
            end,
            status: None,
            reaped,
        })
    }

    /// How it ended, if it has.
    pub(crate) fn ended(&mut self) -> io::Result<Option<ExitStatus>> {
        if self.status.is_none() {
            let mut bytes = [0; 2];
            match File::from(self.end.try_clone()?).read(&mut bytes) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(error) => return Err(error),
                Ok(2) => self.status = Some(decode(bytes)),
                Ok(_) => return Err(io::Error::other("the end of a process was lost")),
            }
        }
        Ok(self.status)
    }
}

/// Sends a signal to a process. One that has ended is a success.
pub(crate) fn send(pid: Pid, signal: u8) -> io::Result<()> {
    match rustix::process::kill_process(pid, known(signal)?) {
        Err(rustix::io::Errno::SRCH) => Ok(()),
        sent => Ok(sent?),
    }
}

fn known(signal: u8) -> io::Result<Signal> {
    Signal::from_named_raw(signal.into()).ok_or_else(|| {
        io::Error::new(
            io::ErrorKind::InvalidInput,
            format!("there is no signal {signal}"),
        )
    })
}

fn pid_of(pid: u32) -> Option<Pid> {
    Pid::from_raw(pid.try_into().ok()?)
}

fn encode(status: std::process::ExitStatus) -> [u8; 2] {
    // Both numbers fit: the kernel keeps eight bits of a status, and there are fewer than 256 signals.
    match (status.code(), status.signal()) {
        (Some(code), _) => [0, code as u8],
        (None, signal) => [1, signal.unwrap_or_default() as u8],
    }
}

fn decode(bytes: [u8; 2]) -> ExitStatus {
    match bytes {
        [0, code] => ExitStatus::Code(code),
        [_, signal] => ExitStatus::Signal(signal),
    }
}

impl Running for Process {
    fn pid(&self) -> u32 {
        self.pid
    }

    fn end(&self) -> BorrowedFd<'_> {
        self.end.as_fd()
    }

    fn try_wait(&mut self) -> io::Result<Option<ExitStatus>> {
        self.ended()
    }

    fn signal(&self, signal: u8) -> io::Result<()> {
        let reaped = self.reaped.lock().unwrap_or_else(PoisonError::into_inner);
        match pid_of(self.pid).filter(|_| !*reaped) {
            Some(pid) => send(pid, signal),
            None => known(signal).map(drop),
        }
    }

    fn clean_up(&mut self) -> Result<(), LaunchError> {
        Ok(())
    }
}

impl Io {
    /// Reads what was printed since, as far as it is there: at most what anybody wants to see of a start.
    pub(crate) fn gather(&mut self) -> io::Result<()> {
        const ENOUGH: u64 = 1024 * 1024;
        let output = match &self.ours {
            ProcessIo::Terminal(master) => master,
            ProcessIo::Pipes { output, .. } => output,
        };
        let flags = rustix::fs::fcntl_getfl(output)?;
        rustix::fs::fcntl_setfl(output, flags | OFlags::NONBLOCK)?;
        let read = File::from(output.try_clone()?)
            .take(ENOUGH)
            .read_to_end(&mut self.printed);
        match read {
            // Linux says EIO of a terminal that nobody has open any more.
            Err(error)
                if error.kind() != io::ErrorKind::WouldBlock
                    && error.raw_os_error() != Some(rustix::io::Errno::IO.raw_os_error()) =>
            {
                Err(error)
            }
            _ => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use super::*;

    fn shell(script: &str, terminal: Option<WindowSize>) -> (Process, Io) {
        let mut command = Command::new("/bin/sh");
        command.args(["-c", script]);
        start(command, terminal).unwrap()
    }

    /// How it ended and what it printed.
    fn outcome(process: &mut Process, io: &mut Io) -> (ExitStatus, String) {
        let deadline = Instant::now() + Duration::from_secs(10);
        loop {
            let ended = process.ended().unwrap();
            io.gather().unwrap();
            if let Some(status) = ended {
                return (status, String::from_utf8(io.printed.clone()).unwrap());
            }
            assert!(Instant::now() < deadline, "it does not end");
            thread::sleep(Duration::from_millis(5));
        }
    }

    fn end_of(process: &mut Process) -> ExitStatus {
        let deadline = Instant::now() + Duration::from_secs(10);
        loop {
            if let Some(status) = process.ended().unwrap() {
                return status;
            }
            assert!(Instant::now() < deadline, "it does not end");
            thread::sleep(Duration::from_millis(5));
        }
    }

    #[test]
    fn a_status_arrives_and_stays() {
        let (mut process, _io) = shell("exit 7", None);
        assert_eq!(end_of(&mut process), ExitStatus::Code(7));
        assert_eq!(process.ended().unwrap(), Some(ExitStatus::Code(7)));
        assert!(process.signal(15).is_ok(), "one that has ended is a success");
    }

    #[test]
    fn a_signal_reaches_it_and_is_reported() {
        let (mut process, _io) = shell("sleep 100", None);
        assert_eq!(process.ended().unwrap(), None);
        process.signal(15).unwrap();
        assert_eq!(end_of(&mut process), ExitStatus::Signal(15));
        assert!(process.signal(200).is_err());
    }

    #[test]
    fn what_is_printed_is_gathered() {
        for terminal in [None, Some(WindowSize::default())] {
            let (mut process, mut io) = shell("echo out; sleep 0.05; echo err >&2", terminal);
            let (status, printed) = outcome(&mut process, &mut io);
            assert_eq!(status, ExitStatus::Code(0));
            assert_eq!(printed, "out\nerr\n", "{terminal:?}");
        }
    }

    #[test]
    fn a_terminal_is_the_controlling_one_and_has_its_size() {
        let (mut process, mut io) = shell(
            "stty size; [ -t 0 ] && echo typed < /dev/tty && echo terminal >/dev/tty",
            Some(WindowSize { rows: 50, cols: 132 }),
        );
        let (status, printed) = outcome(&mut process, &mut io);
        assert_eq!(status, ExitStatus::Code(0));
        assert_eq!(printed, "50 132\ntyped\nterminal\n");
    }
}
