//! The daemon under test: started, stopped, killed and asked.

use std::fs::{self, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::net::UnixStream;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use kleene_tests::{Outcome, Programs, words};

use crate::host::Host;

/// How long it may take from its start until it answers: the first start compiles the plugins.
const START_LIMIT: Duration = Duration::from_secs(120);
/// How long it may take to end.
const STOP_LIMIT: Duration = Duration::from_secs(30);

/// A daemon with directories of its own.
#[derive(Debug)]
pub struct Daemon {
    programs: Programs,
    directory: PathBuf,
    log: PathBuf,
    process: Option<Child>,
}

impl Daemon {
    /// One that works in `directory`, with `root` for what lasts. It is not started yet.
    ///
    /// # Errors
    /// If its configuration cannot be written.
    pub fn configure(
        host: &Host,
        programs: Programs,
        directory: &Path,
        root: &str,
        log: PathBuf,
    ) -> Result<Self> {
        let stand_ins = host.stand_ins().map(|tools| {
            let tools = tools.display();
            format!("platform = \"freebsd\"\ntools = \"{tools}\"\n")
        });
        let configuration = format!(
            r#"{}kleene_root = "{root}"
run_dir = "{directory}/run"
listen = ["http://{directory}/kleened.sock"]
log_level = "debug"

[plugins]
directory = "{}"
cache = "{directory}/plugin-cache"
"#,
            stand_ins.unwrap_or_default(),
            programs.plugins.display(),
            directory = directory.display(),
        );
        fs::write(directory.join("kleened.toml"), configuration)?;
        Ok(Self {
            programs,
            directory: directory.to_owned(),
            log,
            process: None,
        })
    }

    fn socket(&self) -> PathBuf {
        self.directory.join("kleened.sock")
    }

    /// `kleened` with these words.
    pub fn kleened(&self, line: &str) -> Outcome {
        let mut command = Command::new(&self.programs.kleened);
        command
            .arg("--config")
            .arg(self.directory.join("kleened.toml"))
            .args(words(line));
        Outcome::of(&format!("kleened {line}"), &mut command)
    }

    /// `klee` with these words, not started yet.
    pub fn klee_command(&self, line: &str) -> Command {
        let mut command = Command::new(&self.programs.klee);
        command
            .args(words(line))
            .env("KLEE_HOST", format!("http://{}", self.socket().display()))
            .env("COLUMNS", "160")
            .current_dir(&self.directory);
        command
    }

    /// Starts it and waits until it answers.
    ///
    /// # Errors
    /// What it says if it ends instead.
    pub fn start(&mut self) -> Result<()> {
        let log = OpenOptions::new().create(true).append(true).open(&self.log)?;
        let mut process = Command::new(&self.programs.kleened)
            .arg("--config")
            .arg(self.directory.join("kleened.toml"))
            .stdin(Stdio::null())
            .stdout(log.try_clone()?)
            .stderr(log)
            // An interrupt at the terminal is for this program, which still needs the daemon then.
            .process_group(0)
            .spawn()
            .context("cannot start kleened")?;
        let deadline = Instant::now() + START_LIMIT;
        while !self.answers() {
            if let Some(status) = process.try_wait()? {
                bail!(
                    "kleened ended as soon as it started ({status}):\n{}",
                    self.last_words()
                );
            }
            if Instant::now() > deadline {
                process.kill()?;
                process.wait()?;
                bail!(
                    "kleened does not answer after {START_LIMIT:?}:\n{}",
                    self.last_words()
                );
            }
            thread::sleep(Duration::from_millis(5));
        }
        self.process = Some(process);
        Ok(())
    }

    fn answers(&self) -> bool {
        const REQUEST: &[u8] = b"GET /volumes/list HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";
        let ask = || -> io::Result<usize> {
            let mut connection = UnixStream::connect(self.socket())?;
            connection.set_read_timeout(Some(START_LIMIT))?;
            connection.write_all(REQUEST)?;
            connection.read(&mut [0; 64])
        };
        ask().is_ok_and(|count| count > 0)
    }

    /// Whether it was started and has not ended.
    pub fn runs(&mut self) -> bool {
        let process = self.process.as_mut();
        process.is_some_and(|process| matches!(process.try_wait(), Ok(None)))
    }

    /// Ends it as administrators do.
    ///
    /// # Errors
    /// If it does not end, or ends by a failure.
    pub fn stop(&mut self) -> Result<()> {
        let Some(mut process) = self.process.take() else {
            return Ok(());
        };
        let pid = process
            .id()
            .try_into()
            .ok()
            .and_then(rustix::process::Pid::from_raw);
        if let Some(pid) = pid.filter(|_| matches!(process.try_wait(), Ok(None))) {
            rustix::process::kill_process(pid, rustix::process::Signal::TERM)?;
        }
        let deadline = Instant::now() + STOP_LIMIT;
        while Instant::now() < deadline {
            if let Some(status) = process.try_wait()? {
                ensure!(
                    status.success(),
                    "kleened ended with {status}:\n{}",
                    self.last_words()
                );
                return Ok(());
            }
            thread::sleep(Duration::from_millis(5));
        }
        process.kill()?;
        process.wait()?;
        bail!(
            "kleened did not end within {STOP_LIMIT:?} after SIGTERM:\n{}",
            self.last_words()
        )
    }

    /// Ends it as a crash would.
    ///
    /// # Errors
    /// If the system does not let us.
    pub fn kill(&mut self) -> Result<()> {
        if let Some(mut process) = self.process.take() {
            process.kill()?;
            process.wait()?;
        }
        Ok(())
    }

    /// How much it has logged.
    pub fn log_length(&self) -> u64 {
        fs::metadata(&self.log).map(|log| log.len()).unwrap_or_default()
    }

    /// What it has logged since there was so much.
    pub fn log_since(&self, length: u64) -> String {
        let bytes = fs::read(&self.log).unwrap_or_default();
        let start = usize::try_from(length).unwrap_or(usize::MAX).min(bytes.len());
        String::from_utf8_lossy(&bytes[start..]).into_owned()
    }

    fn last_words(&self) -> String {
        last_lines(&self.log_since(0), 20)
    }
}

/// The end of a text.
pub fn last_lines(text: &str, count: usize) -> String {
    let lines: Vec<&str> = text.lines().collect();
    lines[lines.len().saturating_sub(count)..].join("\n")
}
