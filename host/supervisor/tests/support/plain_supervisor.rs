//! A supervisor whose "jail" is nothing at all: the process runs on the host. For the tests of this crate.

use std::process::ExitCode;

#[cfg(target_os = "linux")]
fn main() -> ExitCode {
    match std::env::args_os().nth(1) {
        Some(run_dir) => kleene_supervisor::run(&plain::Plain, std::path::Path::new(&run_dir)),
        None => ExitCode::FAILURE,
    }
}

/// Needs pidfds, which FreeBSD does not have.
#[cfg(not(target_os = "linux"))]
fn main() -> ExitCode {
    ExitCode::FAILURE
}

#[cfg(target_os = "linux")]
mod plain {
    use std::io;
    use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
    use std::os::unix::process::ExitStatusExt;
    use std::path::{Path, PathBuf};
    use std::process::{Child, Command};

    use kleene_plan::{ExitStatus, Launch};
    use kleene_supervisor::{LaunchError, Launched, Launcher, ProcessIo, Running};
    use rustix::process::{Pid, PidfdFlags, Signal};

    pub(super) struct Plain;

    impl Launcher for Plain {
        fn launch(&self, launch: &Launch, run_dir: &Path) -> Result<Launched, LaunchError> {
            let (io, pipes) = ProcessIo::pipes()?;
            let (program, arguments) = launch.process.argv.split_first().ok_or("nothing to run")?;
            let child = Command::new(program)
                .args(arguments)
                .stdin(pipes.input)
                .stderr(pipes.output.try_clone()?)
                .stdout(pipes.output)
                .spawn()
                .map_err(|error| format!("could not find program '{program}' in PATH: {error}"))?;
            let pid = Pid::from_child(&child);
            let end = rustix::process::pidfd_open(pid, PidfdFlags::empty())?;
            let process = Box::new(Process {
                child,
                end,
                jail: run_dir.join("jail"),
            });
            std::fs::write(&process.jail, "")?;
            Ok(Launched {
                process,
                io,
                printed: Vec::new(),
            })
        }
    }

    struct Process {
        child: Child,
        end: OwnedFd,
        jail: PathBuf,
    }

    impl Running for Process {
        fn pid(&self) -> u32 {
            self.child.id()
        }

        fn end(&self) -> BorrowedFd<'_> {
            self.end.as_fd()
        }

        fn try_wait(&mut self) -> io::Result<Option<ExitStatus>> {
            Ok(self
                .child
                .try_wait()?
                .map(|status| match (status.code(), status.signal()) {
                    (Some(code), _) => ExitStatus::Code(code as u8),
                    (None, signal) => ExitStatus::Signal(signal.unwrap_or_default() as u8),
                }))
        }

        fn signal(&self, signal: u8) -> io::Result<()> {
            let signal = Signal::from_named_raw(i32::from(signal)).ok_or(io::ErrorKind::InvalidInput)?;
            Ok(rustix::process::pidfd_send_signal(&self.end, signal)?)
        }

        fn clean_up(&mut self) -> Result<(), LaunchError> {
            Ok(std::fs::remove_file(&self.jail)?)
        }
    }
}
