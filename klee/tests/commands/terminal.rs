//! `-it` on a real pseudo terminal: raw while the process runs, as before afterwards, whatever happens.

use std::fs::{File, OpenOptions};
use std::io::{Read, Write};
use std::os::fd::OwnedFd;
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use rustix::termios::{LocalModes, Winsize, tcgetattr, tcsetwinsize};
use serde_json::json;

use crate::daemon::{Daemon, Step, close, run, starting, text};

/// Both ends of a pseudo terminal of 30 lines of 100 characters.
struct Pty {
    keyboard: File,
    line: File,
}

impl Pty {
    fn open() -> Self {
        let keyboard = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).unwrap();
        grantpt(&keyboard).unwrap();
        unlockpt(&keyboard).unwrap();
        let path = ptsname(&keyboard, Vec::new()).unwrap();
        let line = OpenOptions::new()
            .read(true)
            .write(true)
            .open(path.to_str().unwrap())
            .unwrap();
        let pty = Self {
            keyboard: File::from(keyboard),
            line,
        };
        pty.resize(30, 100);
        pty
    }

    fn resize(&self, rows: u16, cols: u16) {
        let size = Winsize {
            ws_row: rows,
            ws_col: cols,
            ws_xpixel: 0,
            ws_ypixel: 0,
        };
        tcsetwinsize(&self.line, size).unwrap();
    }

    fn stdio(&self) -> Stdio {
        Stdio::from(OwnedFd::from(self.line.try_clone().unwrap()))
    }

    fn local_modes(&self) -> LocalModes {
        tcgetattr(&self.line).unwrap().local_modes
    }

    fn is_raw(&self) -> bool {
        !self
            .local_modes()
            .intersects(LocalModes::ICANON | LocalModes::ECHO | LocalModes::ISIG)
    }
}

fn wait_until(what: &str, condition: impl Fn() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(10);
    while !condition() {
        assert!(Instant::now() < deadline, "waited in vain until {what}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// A daemon that waits for `frames` frames of input and then ends the process with exit code 7.
fn daemon(frames: usize) -> Daemon {
    let mut steps = vec![starting(""), text("one\ntwo\n")];
    steps.extend(std::iter::repeat_n(Step::Await, frames));
    steps.push(close(
        1000,
        "closing",
        "",
        "eeeeeeeeeeee has exited with exit-code 7",
    ));
    Daemon::rehearse()
        .answer("POST /exec/create", 201, json!({"id": "eeeeeeeeeeee"}))
        .converse("/exec/start", steps)
        .start()
}

fn interactive_shell(daemon: &Daemon, pty: &Pty) -> Child {
    let mut command = daemon.klee(&["exec", "-it", "web", "sh"]);
    command
        .stdin(pty.stdio())
        .stdout(pty.stdio())
        .stderr(pty.stdio())
        .spawn()
        .unwrap()
}

#[test]
fn keys_go_to_the_process_and_the_terminal_is_restored() {
    let (daemon, mut pty) = (daemon(1), Pty::open());
    let before = pty.local_modes();
    let mut klee = interactive_shell(&daemon, &pty);
    wait_until("the terminal is raw", || pty.is_raw());
    pty.keyboard.write_all(b"\x03").unwrap();
    assert_eq!(klee.wait().unwrap().code(), Some(7));
    assert!(
        daemon.requests().ends_with(r#"binary "\\x03""#),
        "{}",
        daemon.requests()
    );
    assert_eq!(pty.local_modes(), before);
}

#[test]
fn a_signal_restores_the_terminal() {
    let (daemon, pty) = (daemon(1), Pty::open());
    let before = pty.local_modes();
    let mut klee = interactive_shell(&daemon, &pty);
    wait_until("the terminal is raw", || pty.is_raw());
    kill_process(Pid::from_child(&klee), Signal::TERM).unwrap();
    assert_eq!(klee.wait().unwrap().code(), Some(1));
    assert_eq!(pty.local_modes(), before);
}

#[test]
fn a_signal_tells_the_daemon_that_the_user_left() {
    let (daemon, pty) = (daemon(1), Pty::open());
    let mut klee = interactive_shell(&daemon, &pty);
    wait_until("the terminal is raw", || pty.is_raw());
    kill_process(Pid::from_child(&klee), Signal::INT).unwrap();
    assert_eq!(klee.wait().unwrap().code(), Some(1));
    wait_until("the daemon knows", || {
        daemon.requests().ends_with("close 1000 interrupted by user")
    });
}

#[test]
fn ctrl_p_ctrl_q_detaches_and_what_was_typed_before_is_sent() {
    let daemon = Daemon::rehearse()
        .answer("POST /exec/create", 201, json!({"id": "eeeeeeeeeeee"}))
        .converse(
            "/exec/start",
            [
                starting(""),
                Step::Await,
                Step::Await,
                close(
                    1001,
                    "closing",
                    "",
                    "detached from eeeeeeeeeeee, which keeps running",
                ),
            ],
        )
        .start();
    let mut pty = Pty::open();
    let before = pty.local_modes();
    let mut klee = interactive_shell(&daemon, &pty);
    wait_until("the terminal is raw", || pty.is_raw());
    pty.keyboard.write_all(b"ls\x10\x11").unwrap();
    assert_eq!(klee.wait().unwrap().code(), Some(0));
    let requests = daemon.requests();
    assert!(
        requests.ends_with("binary \"ls\"\ntext {\"detach\":true}"),
        "{requests}"
    );
    assert_eq!(pty.local_modes(), before);
}

#[test]
fn keys_that_cannot_be_meant_are_a_usage_error() {
    let ending = run(&["exec", "-it", "--detach-keys", "ctrl-1", "web", "sh"]);
    assert_eq!(ending.code, Some(2));
    assert!(
        ending.stderr.ends_with(
            "Error: Invalid value for '--detach-keys': 'ctrl-1' is no key: write a character, or ctrl- and a letter, \
             as in ctrl-p,ctrl-q.\n"
        ),
        "{ending}"
    );
}

#[test]
fn long_work_shows_its_progress_on_a_terminal() {
    let daemon = Daemon::rehearse()
        .converse(
            "/images/create",
            [
                starting(""),
                text("Unpacking contents and creating image...\n"),
                text("Extracted 100 files...\n"),
                Step::Await,
            ],
        )
        .start();
    let mut pty = Pty::open();
    let mut klee = daemon
        .klee(&["image", "create", "fetch", "file:///base.txz"])
        .env("TERM", "xterm")
        .stdin(Stdio::null())
        .stdout(pty.stdio())
        .stderr(pty.stdio())
        .spawn()
        .unwrap();
    let mut screen = String::new();
    while !screen.contains("Extracted 100 files (") {
        let mut piece = [0; 4096];
        let length = pty.keyboard.read(&mut piece).unwrap();
        screen.push_str(&String::from_utf8_lossy(&piece[..length]));
    }
    assert!(
        screen.contains("Unpacking contents and creating image...\r\n"),
        "{screen:?}"
    );
    assert!(!screen.contains("Extracted 100 files..."), "{screen:?}");
    kill_process(Pid::from_child(&klee), Signal::INT).unwrap();
    assert_eq!(klee.wait().unwrap().code(), Some(1));
}

#[test]
fn the_process_learns_the_size_of_the_terminal_and_every_change() {
    let (daemon, pty) = (daemon(1), Pty::open());
    let mut klee = interactive_shell(&daemon, &pty);
    wait_until("the terminal is raw", || pty.is_raw());
    pty.resize(50, 132);
    // The pseudo terminal is nobody's controlling terminal here, so the kernel tells nobody.
    kill_process(Pid::from_child(&klee), Signal::WINCH).unwrap();
    assert_eq!(klee.wait().unwrap().code(), Some(7));
    let requests = daemon.requests();
    assert!(
        requests.contains(r#""cols":100,"container_id":"web","env":[],"rows":30,"tty":true"#),
        "{requests}"
    );
    assert!(
        requests.ends_with(r#"text {"resize":{"rows":50,"cols":132}}"#),
        "{requests}"
    );
}

#[test]
fn lines_of_the_process_begin_at_the_left_margin() {
    let (daemon, mut pty) = (daemon(1), Pty::open());
    let mut klee = interactive_shell(&daemon, &pty);
    wait_until("the terminal is raw", || pty.is_raw());
    pty.keyboard.write_all(b"x").unwrap();
    assert_eq!(klee.wait().unwrap().code(), Some(7));
    let mut screen = String::new();
    while !screen.contains("exit-code 7") {
        let mut piece = [0; 4096];
        let length = pty.keyboard.read(&mut piece).unwrap();
        screen.push_str(&String::from_utf8_lossy(&piece[..length]));
    }
    assert!(screen.contains("\r\none\r\ntwo\r\n"), "{screen:?}");
}
