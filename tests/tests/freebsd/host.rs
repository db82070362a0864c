//! A throw-away host with stand-ins for FreeBSD's tools, and what they wrote down.

use std::fs;
use std::ops::{Deref, DerefMut};
use std::path::PathBuf;
use std::process::{Child, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use kleene_tests::{Ground, Host};

/// How long a jail may take until its program runs.
const START_LIMIT: Duration = Duration::from_secs(30);

/// A host and its daemon.
pub struct FreeBsdHost(Host);

impl FreeBsdHost {
    /// A host with a running daemon and no image.
    pub fn start() -> Self {
        Self(Host::start_on(Ground::FreeBsd))
    }

    /// A host with a running daemon and the image `minimal`: a shell and busybox.
    pub fn with_minimal_image() -> Self {
        let host = Self::start();
        host.create_minimal_image();
        host
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.sandbox().directory().join(name)
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
            let processes = self.run("ps -e -o args").ok();
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
                self.daemon_log()
            );
            thread::sleep(Duration::from_millis(20));
        }
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

impl Deref for FreeBsdHost {
    type Target = Host;

    fn deref(&self) -> &Host {
        &self.0
    }
}

impl DerefMut for FreeBsdHost {
    fn deref_mut(&mut self) -> &mut Host {
        &mut self.0
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
