//! A throw-away host with stand-ins for FreeBSD's tools and a daemon on them.

use std::fs;
use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use kleene_tests::{Outcome, Programs, Sandbox, words};

/// How long a daemon may take from its start until it answers.
const START_LIMIT: Duration = Duration::from_secs(30);

/// A host and its daemon.
pub struct FreeBsdHost {
    sandbox: Sandbox,
    programs: Programs,
    daemon: Option<Child>,
}

impl FreeBsdHost {
    /// A host with a running daemon and no image.
    pub fn start() -> Self {
        let programs = Programs::of_this_build().unwrap();
        let sandbox = Sandbox::new().unwrap();
        let mut host = Self {
            sandbox,
            programs,
            daemon: None,
        };
        let stand_ins = host.programs.kleened.with_file_name("fake_freebsd");
        let installed = host
            .sandbox
            .command(&stand_ins)
            .arg("install")
            .arg(host.path("host"))
            .status();
        assert!(installed.unwrap().success(), "{}", stand_ins.display());
        host.start_daemon();
        host
    }

    /// A host with a running daemon and the image `minimal`: a shell and busybox.
    pub fn with_minimal_image() -> Self {
        let host = Self::start();
        host.klee("image create -t minimal host --bin /bin/sh --bin /bin/busybox --bin /bin/true --bin /usr/bin/env")
            .ok();
        host
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.sandbox.directory().join(name)
    }

    fn socket(&self) -> PathBuf {
        self.path("kleened.sock")
    }

    pub fn start_daemon(&mut self) {
        let directory = self.sandbox.directory().display();
        let configuration = format!(
            r#"platform = "freebsd"
tools = "{directory}/host/bin"
kleene_root = "tank/kleene"
run_dir = "{directory}/run"
listen = ["http://{directory}/kleened.sock"]
log_level = "debug"

[plugins]
directory = "{}"
cache = "{}"
"#,
            self.programs.plugins.display(),
            self.programs.compiled_plugins().display()
        );
        let file = self.path("kleened.toml");
        fs::write(&file, configuration).unwrap();
        let log = fs::OpenOptions::new()
            .create(true)
            .append(true)
            .open(self.path("kleened.log"))
            .unwrap();
        let mut command = self.sandbox.service(&self.programs.kleened);
        command
            .arg("--config")
            .arg(file)
            .stdout(log.try_clone().unwrap())
            .stderr(log);
        self.daemon = Some(command.spawn().unwrap());
        let deadline = Instant::now() + START_LIMIT;
        while !self.answers() {
            assert!(
                Instant::now() < deadline,
                "kleened does not answer:\n{}",
                self.log()
            );
            thread::sleep(Duration::from_millis(5));
        }
    }

    fn answers(&self) -> bool {
        const REQUEST: &[u8] = b"GET /volumes/list HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";
        let ask = || -> std::io::Result<usize> {
            let mut connection = UnixStream::connect(self.socket())?;
            connection.set_read_timeout(Some(START_LIMIT))?;
            connection.write_all(REQUEST)?;
            connection.read(&mut [0; 64])
        };
        ask().is_ok_and(|count| count > 0)
    }

    /// Ends the daemon by a signal, as an administrator or a crash would.
    pub fn end_daemon(&mut self, signal: &str) {
        let pid = fs::read_to_string(self.path("run/kleened.pid")).unwrap();
        let killed = self
            .sandbox
            .command("kill")
            .args(["-s", signal, pid.trim()])
            .status();
        assert!(killed.unwrap().success());
        if let Some(mut daemon) = self.daemon.take() {
            daemon.wait().unwrap();
        }
    }

    pub fn log(&self) -> String {
        fs::read_to_string(self.path("kleened.log")).unwrap_or_default()
    }

    /// Runs `klee` with these words, which may be quoted by `'`.
    #[track_caller]
    pub fn klee(&self, line: &str) -> Outcome {
        Outcome::of(&format!("klee {line}"), &mut self.klee_command(line))
    }

    /// Starts `klee` with these words, which may be quoted by `'`, and does not wait for it.
    pub fn begin(&self, line: &str) -> Child {
        let mut command = self.klee_command(line);
        command
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        command.spawn().unwrap()
    }

    /// Waits until a jail runs a program with these words.
    #[track_caller]
    pub fn await_command(&self, starter: &str, words: &str) {
        let deadline = Instant::now() + START_LIMIT;
        let runs = || {
            let processes = self
                .sandbox
                .command("ps")
                .args(["-e", "-o", "args"])
                .output()
                .unwrap();
            let processes = String::from_utf8_lossy(&processes.stdout).into_owned();
            let started = processes
                .lines()
                .any(|line| line.contains(starter) && line.contains(words));
            // The starter tells the words too; the program itself comes after it.
            started
                && processes
                    .lines()
                    .any(|line| line.starts_with("/bin/busybox") && line.contains(words))
        };
        while !runs() {
            assert!(
                Instant::now() < deadline,
                "no jail runs '{words}':\n{}",
                self.log()
            );
            thread::sleep(Duration::from_millis(20));
        }
    }

    fn klee_command(&self, line: &str) -> Command {
        let mut command = Command::new(&self.programs.klee);
        command
            .args(words(line))
            .env("KLEE_HOST", format!("http://{}", self.socket().display()))
            .current_dir(self.sandbox.directory());
        command
    }

    /// Runs one of the host's tools, as an administrator would.
    #[track_caller]
    pub fn tool(&self, line: &str) -> Outcome {
        let words = words(line);
        let program = self.path("host/bin").join(&words[0]);
        Outcome::of(line, self.sandbox.command(program).args(&words[1..]))
    }

    /// What has been done to the host since this was asked last: commands that change something, in order, without what
    /// differs between two runs.
    pub fn transcript(&self) -> String {
        let file = self.path("host/transcript");
        let text = fs::read_to_string(&file).unwrap_or_default();
        fs::write(file, "").unwrap();
        without_ids(&text.replace(&self.path("host").display().to_string(), ""))
    }
}

impl Drop for FreeBsdHost {
    fn drop(&mut self) {
        if thread::panicking() {
            eprintln!("--- the daemon's log:\n{}---", self.log());
        }
        // Jails and mounts go with the sandbox.
        if let Some(mut daemon) = self.daemon.take() {
            let _ = daemon.kill();
            let _ = daemon.wait();
        }
    }
}

/// Ids by the order in which they appear: `<1>`, `<2>`, …; hardware addresses, which follow from ids, as `<mac>`.
fn without_ids(text: &str) -> String {
    let mut known: Vec<String> = Vec::new();
    let mut out = String::new();
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        let is_hex = |c: char| c.is_ascii_digit() || ('a'..='f').contains(&c);
        let run = rest.find(|c: char| !is_hex(c)).unwrap_or(rest.len());
        // The name of a half of a pair is an id between two letters.
        let is_half = run == 13 && out.ends_with('k');
        if run == 12 || is_half {
            let id = &rest[..12];
            let number = known.iter().position(|found| found == id).unwrap_or_else(|| {
                known.push(id.to_owned());
                known.len() - 1
            });
            out.push_str(&format!("<{}>", number + 1));
            rest = &rest[12..];
        } else if run > 0 {
            out.push_str(&rest[..run]);
            rest = &rest[run..];
        } else {
            out.push(first);
            rest = &rest[first.len_utf8()..];
        }
    }
    let lines = out.lines().map(|line| match line.split_once(" ether ") {
        Some((before, _)) => format!("{before} ether <mac>\n"),
        None => format!("{line}\n"),
    });
    lines.collect()
}
