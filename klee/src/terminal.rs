//! The user's terminal: its size, its raw mode, its keys.
//!
//! Raw mode lasts as long as a [`RawMode`] lives. Its drop restores the terminal on every way out: a normal end,
//! an error, a panic (which unwinds), and signals (upon which `main` drops the running command).

use std::io::{self, Read};
use std::os::fd::{AsFd, OwnedFd};

use kleene_api::TerminalSize;
use rustix::termios::{OptionalActions, Termios, isatty, tcgetattr, tcgetwinsize, tcsetattr};
use tokio::sync::mpsc;

/// Whether keys come from a terminal (and not from a pipe or file).
pub fn stdin_is_terminal() -> bool {
    isatty(io::stdin())
}

/// Whether complaints are shown on a terminal.
pub fn stderr_is_terminal() -> bool {
    isatty(io::stderr())
}

/// The size of the terminal that output goes to, or that input comes from.
pub fn size() -> Option<TerminalSize> {
    size_of(io::stdout()).or_else(|| size_of(io::stdin()))
}

fn size_of(terminal: impl AsFd) -> Option<TerminalSize> {
    let size = tcgetwinsize(terminal).ok()?;
    (size.ws_row > 0 && size.ws_col > 0).then_some(TerminalSize {
        rows: size.ws_row,
        cols: size.ws_col,
    })
}

/// The width that tables and help keep to: `COLUMNS`, else the terminal's, else 80.
pub fn width() -> usize {
    let columns = std::env::var("COLUMNS")
        .ok()
        .and_then(|text| text.parse().ok())
        .filter(|&width| width > 0);
    columns
        .or_else(|| size_of(io::stdout()).map(|size| usize::from(size.cols)))
        .unwrap_or(80)
}

/// A terminal that hands over every key as it is pressed, Ctrl-C included, and echoes nothing. Only its output
/// is treated as before.
#[derive(Debug)]
pub struct RawMode {
    terminal: OwnedFd,
    before: Termios,
}

impl RawMode {
    /// Puts `terminal` into raw mode.
    ///
    /// # Errors
    /// If it is no terminal.
    pub fn enter(terminal: impl AsFd) -> io::Result<Self> {
        let terminal = terminal.as_fd().try_clone_to_owned()?;
        let before = tcgetattr(&terminal)?;
        let mut raw = before.clone();
        raw.make_raw();
        // Lines of a container's terminal end in a bare newline (contract of 0.1.1: ONLCR is off there), so the
        // way back to the left margin must come from the terminal here.
        raw.output_modes = before.output_modes;
        tcsetattr(&terminal, OptionalActions::Now, &raw)?;
        Ok(Self { terminal, before })
    }
}

impl Drop for RawMode {
    fn drop(&mut self) {
        // If the terminal has gone there is nothing left to restore.
        let _ = tcsetattr(&self.terminal, OptionalActions::Drain, &self.before);
    }
}

/// Everything that comes in on standard input, in pieces; the channel closes at its end.
///
/// A thread of its own reads, because a read from a terminal cannot be interrupted. It ends with the process.
pub fn input() -> mpsc::Receiver<Vec<u8>> {
    let (sender, receiver) = mpsc::channel(16);
    std::thread::spawn(move || {
        let mut buffer = [0; 8192];
        let mut stdin = io::stdin().lock();
        loop {
            match stdin.read(&mut buffer) {
                Ok(0) => break,
                Ok(count) => {
                    if sender.blocking_send(buffer[..count].to_vec()).is_err() {
                        break;
                    }
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                // A standard input that cannot be read has ended.
                Err(_) => break,
            }
        }
    });
    receiver
}

#[cfg(test)]
mod tests {
    use std::fs::{File, OpenOptions};
    use std::panic::{AssertUnwindSafe, catch_unwind};

    use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
    use rustix::termios::LocalModes;

    use super::*;

    /// Both ends of a pseudo terminal.
    fn pty() -> (OwnedFd, File) {
        let keyboard = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).unwrap();
        grantpt(&keyboard).unwrap();
        unlockpt(&keyboard).unwrap();
        let path = ptsname(&keyboard, Vec::new()).unwrap();
        let line = OpenOptions::new()
            .read(true)
            .write(true)
            .open(path.to_str().unwrap())
            .unwrap();
        (keyboard, line)
    }

    fn local_modes(terminal: &File) -> LocalModes {
        tcgetattr(terminal).unwrap().local_modes
    }

    #[test]
    fn a_panic_restores_the_terminal() {
        let (_keyboard, line) = pty();
        let before = local_modes(&line);
        let panicked = catch_unwind(AssertUnwindSafe(|| {
            let _raw = RawMode::enter(&line).unwrap();
            assert!(!local_modes(&line).contains(LocalModes::ECHO));
            panic!("for the sake of the test");
        }));
        assert!(panicked.is_err());
        assert_eq!(local_modes(&line), before);
    }
}
