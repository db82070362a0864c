//! `klee run -it` with a terminal: what the process sees is one, of our size, and ours is as before afterwards.

use std::fs::File;
use std::io::{ErrorKind, Read, Write};
use std::process::Child;
use std::time::{Duration, Instant};

use kleene_tests::Host;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use rustix::termios::{Winsize, tcgetattr, tcsetwinsize};

const PATIENCE: Duration = Duration::from_secs(10);

/// The terminal in front of which somebody sits.
struct Terminal {
    ours: File,
    klees: File,
    shown: String,
}

impl Terminal {
    fn open(rows: u16, columns: u16) -> Self {
        let ours = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC).unwrap();
        grantpt(&ours).unwrap();
        unlockpt(&ours).unwrap();
        let path = ptsname(&ours, Vec::new()).unwrap().into_string().unwrap();
        let klees = File::options().read(true).write(true).open(path).unwrap();
        let size = Winsize {
            ws_row: rows,
            ws_col: columns,
            ws_xpixel: 0,
            ws_ypixel: 0,
        };
        tcsetwinsize(&klees, size).unwrap();
        Self {
            ours: File::from(ours),
            klees,
            shown: String::new(),
        }
    }

    fn run(&self, host: &Host, line: &str) -> Child {
        let end = || self.klees.try_clone().unwrap();
        host.klee_command(line)
            .stdin(end())
            .stdout(end())
            .stderr(end())
            .spawn()
            .unwrap()
    }

    fn types(&mut self, keys: &str) {
        self.ours.write_all(keys.as_bytes()).unwrap();
    }

    /// Reads until the text is shown.
    #[track_caller]
    fn shows(&mut self, text: &str) {
        let deadline = Instant::now() + PATIENCE;
        while !self.shown.contains(text) {
            let left = deadline.saturating_duration_since(Instant::now());
            let mut readable = [PollFd::new(&self.ours, PollFlags::IN)];
            let ready = poll(&mut readable, Some(&Timespec::try_from(left).unwrap())).unwrap();
            assert!(ready > 0, "'{text}' is not shown, only: {}", self.shown);
            let mut bytes = [0; 4096];
            match self.ours.read(&mut bytes) {
                Ok(count) => self.shown.push_str(&String::from_utf8_lossy(&bytes[..count])),
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => panic!("{error}, shown: {}", self.shown),
            }
        }
    }
}

#[test]
fn a_shell_is_used_in_a_terminal_and_its_exit_code_comes_back() {
    let host = Host::with_minimal_image();
    let mut terminal = Terminal::open(33, 99);
    let before = tcgetattr(&terminal.klees).unwrap();
    let mut klee = terminal.run(&host, "run -it minimal /bin/busybox sh");
    terminal.shows("# ");
    terminal.types("busybox stty size\r");
    terminal.shows("33 99");
    terminal.types("test -t 0 && echo it is a term''inal\r");
    terminal.shows("it is a terminal");
    terminal.types("exit 5\r");
    let status = host.ground().status_of_first(5);
    terminal.shows(&format!("exit-code {status}"));
    assert_eq!(klee.wait().unwrap().code(), Some(status.into()));
    let after = tcgetattr(&terminal.klees).unwrap();
    assert_eq!(after.local_modes, before.local_modes);
    assert_eq!(after.input_modes, before.input_modes);
}

#[test]
fn control_c_interrupts_the_process_and_not_klee() {
    let host = Host::with_minimal_image();
    let mut terminal = Terminal::open(24, 80);
    let mut klee = terminal.run(&host, "run -it minimal /bin/busybox sh");
    terminal.shows("# ");
    // What says so is in the foreground already.
    terminal.types("busybox sh -c 'echo asl\"\"eep; exec busybox sleep 1000'\r");
    terminal.shows("asleep");
    terminal.types("\u{3}");
    terminal.types("echo still''here\r");
    terminal.shows("stillhere");
    terminal.types("exit\r");
    klee.wait().unwrap();
}

#[test]
fn a_resized_terminal_is_resized_inside() {
    let host = Host::with_minimal_image();
    let mut terminal = Terminal::open(24, 80);
    let mut klee = terminal.run(&host, "run -it minimal /bin/busybox sh");
    terminal.shows("# ");
    let size = Winsize {
        ws_row: 40,
        ws_col: 120,
        ws_xpixel: 0,
        ws_ypixel: 0,
    };
    tcsetwinsize(&terminal.klees, size).unwrap();
    // The terminal is not klee's controlling one, so the kernel does not tell it by itself.
    let pid = rustix::process::Pid::from_child(&klee);
    rustix::process::kill_process(pid, rustix::process::Signal::WINCH).unwrap();
    terminal.types(
        "until busybox stty size | busybox grep 40.120; do busybox sleep 0.05; done; echo resi''zed\r",
    );
    terminal.shows("resized");
    terminal.types("exit\r");
    klee.wait().unwrap();
}

/// Waits until a command that was typed runs in the container `shell`: who detaches at once is faster than its shell.
#[track_caller]
fn runs_in_shell(host: &Host, command: &str) {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let processes = host.klee("exec shell /bin/busybox ps").ok();
        if processes.contains(command) {
            return;
        }
        assert!(Instant::now() < deadline, "'{command}' does not run: {processes}");
    }
}

#[test]
fn who_detaches_leaves_the_process_running() {
    let host = Host::with_minimal_image();
    let mut terminal = Terminal::open(24, 80);
    let before = tcgetattr(&terminal.klees).unwrap();
    let mut klee = terminal.run(&host, "run -it --name shell minimal /bin/busybox sh");
    terminal.shows("# ");
    terminal.types("busybox sleep 1000\r\u{10}\u{11}");
    terminal.shows("which keeps running");
    assert_eq!(klee.wait().unwrap().code(), Some(0));
    assert_eq!(
        tcgetattr(&terminal.klees).unwrap().local_modes,
        before.local_modes
    );
    let listing = host.klee("lsc --format {{.name}}={{.running}}").ok();
    assert_eq!(listing.trim(), "shell=true");
    runs_in_shell(&host, "sleep 1000");

    // What was started by exec is left alone as well, although a client that merely goes takes it along.
    let mut terminal = Terminal::open(24, 80);
    let mut klee = terminal.run(&host, "exec -it --detach-keys ctrl-x shell /bin/busybox sh");
    terminal.shows("# ");
    terminal.types("exec busybox sleep 2000\r\u{18}");
    assert_eq!(klee.wait().unwrap().code(), Some(0));
    runs_in_shell(&host, "sleep 2000");
    host.klee("stop shell").ok();
}
