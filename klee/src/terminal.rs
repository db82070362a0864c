//! The user's terminal: its size, its raw mode, its keys.
//!
//! Raw mode lasts as long as a [`RawMode`] lives. Its drop restores the terminal on every way out: a normal end,
//! an error, a panic (which unwinds), and signals (upon which `main` drops the running command).

use std::io::{self, Read};
use std::os::fd::AsFd;

use kleene_api::TerminalSize;
use rustix::termios::{OptionalActions, Termios, isatty, tcgetattr, tcgetwinsize, tcsetattr};
use tokio::sync::mpsc;

/// Whether keys come from a terminal (and not from a pipe or file).
pub fn stdin_is_terminal() -> bool {
    isatty(io::stdin())
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

/// The width that listings must keep to: `COLUMNS`, else the terminal's, else none.
pub fn listing_width() -> Option<usize> {
    let columns = std::env::var("COLUMNS")
        .ok()
        .and_then(|text| text.parse().ok())
        .filter(|&width| width > 0);
    columns.or_else(|| size_of(io::stdout()).map(|size| usize::from(size.cols)))
}

/// A terminal that hands over every key as it is pressed, Ctrl-C included, and echoes nothing. Only its output
/// is treated as before.
#[derive(Debug)]
pub struct RawMode {
    before: Termios,
}

impl RawMode {
    /// Puts the terminal behind standard input into raw mode.
    ///
    /// # Errors
    /// If standard input is no terminal.
    pub fn enter() -> io::Result<Self> {
        let before = tcgetattr(io::stdin())?;
        let mut raw = before.clone();
        raw.make_raw();
        // Lines of a container's terminal end in a bare newline (contract of 0.1.1: ONLCR is off there), so the
        // way back to the left margin must come from the terminal here.
        raw.output_modes = before.output_modes;
        tcsetattr(io::stdin(), OptionalActions::Now, &raw)?;
        Ok(Self { before })
    }
}

impl Drop for RawMode {
    fn drop(&mut self) {
        // If the terminal has gone there is nothing left to restore.
        let _ = tcsetattr(io::stdin(), OptionalActions::Drain, &self.before);
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
