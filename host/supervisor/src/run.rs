//! The supervisor process: starts the process, then carries bytes between it, the log and the attached daemon until
//! it ends.
//!
//! One thread and one poll(2). The process waits only for an attached daemon that is slow; without one, or when it is
//! gone, output goes to the log alone. If the supervisor itself is killed, its platform ends the jailed process too: a
//! process that nobody can attach to and whose exit status nobody learns is of no use.

use std::error::Error as StdError;
use std::fs;
use std::io::{self, BufWriter, Write};
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::Path;
use std::process::ExitCode;
use std::time::SystemTime;

use kleene_plan::{ExitStatus, Launch};
use rustix::event::{PollFd, PollFlags, Timespec};
use rustix::fs::{Mode, OFlags};

use crate::client::Client;
use crate::error::{AboutFile, Error};
use crate::launcher::{LaunchError, Launched, Launcher, Running};
use crate::log::Log;
use crate::process_io::Streams;
use crate::protocol::{Event, Input};
use crate::run_dir::{ExitRecord, RunDir};

/// How long the start of a line may wait for its end before it goes to the log, so that a prompt is seen there.
const LINE_PATIENCE: Timespec = Timespec {
    tv_sec: 1,
    tv_nsec: 0,
};

/// Supervises one process: what [`spawn`](crate::spawn()) starts, with the run directory as its last argument.
/// Standard input must be the first connection.
///
/// The exit code is of interest to nobody; complaints go to standard error, which is `supervisor.log`.
pub fn run(launcher: &dyn Launcher, run_dir: &Path) -> ExitCode {
    match supervise(launcher, run_dir) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            complain(&*error);
            ExitCode::FAILURE
        }
    }
}

fn supervise(launcher: &dyn Launcher, run_dir: &Path) -> Result<(), LaunchError> {
    let mut client = Some(first_client()?);
    let result = prepare(run_dir)
        .and_then(|(listener, launch, log)| Ok((listener, log, launcher.launch(&launch, run_dir)?)));
    let (listener, log, launched) = match result {
        Ok(started) => started,
        Err(error) => {
            tell(&mut client, &Event::Failed(with_causes(&*error)));
            return flush(client);
        }
    };
    tell(
        &mut client,
        &Event::Started {
            pid: launched.process.pid(),
        },
    );
    let Launched { process, io, printed } = launched;
    let mut supervisor = Supervisor {
        listener,
        client,
        streams: Streams::new(io)?,
        process,
        log,
        log_failed: false,
    };
    supervisor.carry(&printed);
    let status = supervisor.carry_until_the_end()?;
    supervisor.finish(RunDir(run_dir), status)
}

/// Takes standard input over, which is the connection; what is left is `/dev/null`.
fn first_client() -> io::Result<Client> {
    let connection = io::stdin().as_fd().try_clone_to_owned()?;
    let null = rustix::fs::open("/dev/null", OFlags::RDWR | OFlags::CLOEXEC, Mode::empty())?;
    rustix::stdio::dup2_stdin(&null)?;
    Client::new(UnixStream::from(connection))
}

fn prepare(run_dir: &Path) -> Result<(UnixListener, Launch, Log), LaunchError> {
    // A terminal, if the daemon was started from one, must neither signal nor stop us.
    rustix::process::setsid()?;
    write_pid()?;
    let path = RunDir(run_dir).launch();
    let order = fs::read(&path).about("read", &path)?;
    let launch: Launch = serde_json::from_slice(&order).map_err(|source| Error::Damaged { path, source })?;
    let log = match &launch.log {
        Some(path) => Log::open(Some(path)).about("open the log", path)?,
        None => Log::open(None)?,
    };
    Ok((listen(run_dir)?, launch, log))
}

/// Leaves the process id in the lock file, which is standard output: for people who look.
fn write_pid() -> io::Result<()> {
    let mut lock = BufWriter::new(io::stdout());
    writeln!(lock, "{}", std::process::id())?;
    lock.flush()
}

/// Listens in the run directory, from within it: an address of a socket holds a hundred bytes, a path may be longer.
fn listen(run_dir: &Path) -> Result<UnixListener, LaunchError> {
    rustix::process::chdir(run_dir)
        .map_err(io::Error::from)
        .about("enter", run_dir)?;
    let listener = UnixListener::bind(RunDir::SOCKET).about("create", run_dir.join(RunDir::SOCKET))?;
    listener.set_nonblocking(true)?;
    Ok(listener)
}

struct Supervisor {
    listener: UnixListener,
    client: Option<Client>,
    streams: Streams,
    process: Box<dyn Running>,
    log: Log,
    log_failed: bool,
}

/// What poll(2) found ready.
struct Ready {
    attach: bool,
    receive: bool,
    send: bool,
    output: bool,
    input: bool,
    end: bool,
    quiet: bool,
}

impl Supervisor {
    fn carry_until_the_end(&mut self) -> Result<ExitStatus, LaunchError> {
        let mut buffer = vec![0; 64 * 1024];
        loop {
            let ready = self.wait()?;
            if ready.attach {
                self.accept()?;
            }
            if ready.receive {
                self.receive()?;
            }
            if ready.send {
                self.send();
            }
            if ready.input {
                self.streams.write_input()?;
            }
            if ready.output {
                self.read_output(&mut buffer)?;
            }
            if ready.quiet {
                self.flush_log();
            }
            if ready.end
                && let Some(status) = self.process.try_wait()?
            {
                self.read_the_rest(&mut buffer)?;
                return Ok(status);
            }
        }
    }

    fn wait(&self) -> io::Result<Ready> {
        let mut polled = Polled::default();
        polled.add(Some(self.listener.as_fd()), PollFlags::IN);
        let client = self.client.as_ref();
        let takes_input = self.streams.takes_input();
        polled.add(client.filter(|_| takes_input).map(Client::fd), PollFlags::IN);
        polled.add(
            client.filter(|client| client.has_waiting()).map(Client::fd),
            PollFlags::OUT,
        );
        let held_back = client.is_some_and(Client::is_full);
        polled.add(self.streams.output().filter(|_| !held_back), PollFlags::IN);
        polled.add(self.streams.input_with_backlog(), PollFlags::OUT);
        polled.add(Some(self.process.end()), PollFlags::IN);
        let patience = self.log.has_partial_line().then_some(LINE_PATIENCE);
        let [attach, receive, send, output, input, end] = polled.wait(patience)?;
        let quiet = ![attach, receive, send, output, input, end].contains(&true);
        Ok(Ready {
            attach,
            receive,
            send,
            output,
            input,
            end,
            quiet,
        })
    }

    /// Whoever attaches takes the place of who was attached before.
    fn accept(&mut self) -> io::Result<()> {
        match self.listener.accept() {
            Ok((stream, _)) => {
                let mut client = Client::new(stream)?;
                if client
                    .tell(&Event::Started {
                        pid: self.process.pid(),
                    })
                    .is_ok()
                {
                    self.client = Some(client);
                }
                Ok(())
            }
            // Who wanted to attach has gone already.
            Err(error)
                if matches!(
                    error.kind(),
                    io::ErrorKind::WouldBlock | io::ErrorKind::ConnectionAborted
                ) =>
            {
                Ok(())
            }
            Err(error) => Err(error),
        }
    }

    fn receive(&mut self) -> io::Result<()> {
        let Some(client) = &mut self.client else {
            return Ok(());
        };
        let Ok(inputs) = client.receive() else {
            self.client = None;
            return Ok(());
        };
        for input in inputs {
            match input {
                Input::Stdin(bytes) => self.streams.queue_input(&bytes),
                Input::CloseStdin => self.streams.close_input(),
                Input::Resize(size) => self.streams.resize(size)?,
                Input::Signal(signal) => {
                    if let Err(error) = self.process.signal(signal) {
                        complain(&error);
                    }
                }
            }
        }
        self.streams.write_input()
    }

    fn send(&mut self) {
        if self.client.as_mut().is_some_and(|client| client.send().is_err()) {
            self.client = None;
        }
    }

    /// Carries one portion of output; how much it was.
    fn read_output(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.streams.read_output(buffer)?;
        self.carry(&buffer[..count]);
        Ok(count)
    }

    fn carry(&mut self, printed: &[u8]) {
        if printed.is_empty() {
            return;
        }
        let kept = self.log.append(printed);
        self.complain_about_log(kept);
        tell(&mut self.client, &Event::Output(printed.to_vec()));
    }

    /// Output that was printed before the end and not yet read: at most what a pipe holds, because others in the jail
    /// may hold its other end and print on.
    fn read_the_rest(&mut self, buffer: &mut [u8]) -> io::Result<()> {
        let mut left: usize = 1024 * 1024;
        while left > 0 {
            match self.read_output(buffer)? {
                0 => break,
                count => left = left.saturating_sub(count),
            }
        }
        self.flush_log();
        Ok(())
    }

    fn flush_log(&mut self) {
        let kept = self.log.flush();
        self.complain_about_log(kept);
    }

    /// A full disk loses output, but it does not end the process.
    fn complain_about_log(&mut self, kept: io::Result<()>) {
        if let Err(error) = kept
            && !std::mem::replace(&mut self.log_failed, true)
        {
            complain(&error);
        }
    }

    /// The record is on disk before anybody hears of the end, and the jail gone before that.
    fn finish(mut self, run_dir: RunDir<'_>, status: ExitStatus) -> Result<(), LaunchError> {
        if let Err(error) = self.process.clean_up() {
            complain(&*error);
        }
        run_dir.record(&ExitRecord {
            status,
            finished: SystemTime::now(),
        })?;
        tell(&mut self.client, &Event::Exited(status));
        flush(self.client)
    }
}

/// Descriptors to poll, some of which may be missing this time.
#[derive(Default)]
struct Polled<'a> {
    fds: Vec<PollFd<'a>>,
    positions: Vec<Option<usize>>,
}

impl<'a> Polled<'a> {
    fn add(&mut self, fd: Option<BorrowedFd<'a>>, flags: PollFlags) {
        let position = fd.map(|fd| {
            self.fds.push(PollFd::from_borrowed_fd(fd, flags));
            self.fds.len() - 1
        });
        self.positions.push(position);
    }

    /// Which are ready, by order of addition. Hang-ups and errors count: the read or write that follows finds them.
    fn wait<const N: usize>(mut self, timeout: Option<Timespec>) -> io::Result<[bool; N]> {
        match rustix::event::poll(&mut self.fds, timeout.as_ref()) {
            Ok(_) | Err(rustix::io::Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
        let ready = |position: &Option<usize>| position.is_some_and(|at| !self.fds[at].revents().is_empty());
        Ok(std::array::from_fn(|index| {
            self.positions.get(index).is_some_and(ready)
        }))
    }
}

/// Tells the attached daemon, if there is one; one that is gone is forgotten.
fn tell(client: &mut Option<Client>, event: &Event) {
    if client.as_mut().is_some_and(|client| client.tell(event).is_err()) {
        *client = None;
    }
}

/// Waits until the attached daemon has taken everything, or is gone.
fn flush(client: Option<Client>) -> Result<(), LaunchError> {
    let Some(mut client) = client else { return Ok(()) };
    while client.send().is_ok() && client.has_waiting() {
        let mut polled = Polled::default();
        polled.add(Some(client.fd()), PollFlags::OUT);
        let [_ready] = polled.wait(None)?;
    }
    Ok(())
}

fn complain(error: &dyn StdError) {
    // Where even standard error fails there is nobody left to complain to.
    let _ = writeln!(io::stderr(), "{}", with_causes(error));
}

/// An error and what caused it, in one line.
fn with_causes(error: &dyn StdError) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text.push_str(": ");
        text.push_str(&error.to_string());
        cause = error.source();
    }
    text
}
