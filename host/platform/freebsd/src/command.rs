//! Running the host's tools: a command is a program and a vector of arguments, never a line that is split somewhere.
//!
//! Whether a tool succeeded is told by its exit status; which failure it was, by words that have not changed between
//! releases ([`ToolError::says`]). Every command, how it ended and what it complained about goes to the debug log.

use std::fmt;
use std::io::{self, Read, Write};
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::process::{Child, ExitStatus, Stdio};
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

/// Where tools look for other tools: what jail(8) runs before it starts a jail has no path of its own.
pub(crate) const SEARCH_PATH: &str = "/sbin:/bin:/usr/sbin:/usr/bin:/usr/local/sbin:/usr/local/bin";

/// How often a command with a time limit is looked at.
pub(crate) const GLANCE: Duration = Duration::from_millis(10);

/// A program of FreeBSD's base system, by its whole path.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Program(pub(crate) &'static str);

impl Program {
    fn name(self) -> &'static str {
        self.0.rsplit('/').next().unwrap_or(self.0)
    }
}

/// A program with its arguments and what it reads.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Command {
    pub(crate) program: Program,
    pub(crate) arguments: Vec<String>,
    input: Option<String>,
    runs_on: bool,
}

impl Command {
    pub(crate) fn new(program: Program) -> Self {
        Self {
            program,
            arguments: Vec::new(),
            input: None,
            runs_on: false,
        }
    }

    pub(crate) fn arg(mut self, argument: impl ToString) -> Self {
        self.arguments.push(argument.to_string());
        self
    }

    pub(crate) fn args<T: ToString>(mut self, arguments: impl IntoIterator<Item = T>) -> Self {
        let arguments = arguments.into_iter().map(|argument| argument.to_string());
        self.arguments.extend(arguments);
        self
    }

    /// What the program reads from its standard input.
    pub(crate) fn input(mut self, text: impl Into<String>) -> Self {
        self.input = Some(text.into());
        self
    }

    /// It goes on when whoever runs it is killed. For what changes files of the administrator's: half of it would be
    /// worse than all of it, and nothing takes it back.
    pub(crate) fn running_on(mut self) -> Self {
        self.runs_on = true;
        self
    }
}

impl fmt::Display for Command {
    /// As an administrator would type it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.program.name())?;
        for argument in &self.arguments {
            write!(f, " {}", quoted(argument))?;
        }
        match &self.input {
            Some(text) => write!(f, " <<'END'\n{text}END"),
            None => Ok(()),
        }
    }
}

/// A word as sh(1) takes it.
pub(crate) fn quoted(word: &str) -> String {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"_-./:=@,+%".contains(&byte);
    if !word.is_empty() && word.bytes().all(is_plain) {
        word.to_owned()
    } else {
        format!("'{}'", word.replace('\'', r"'\''"))
    }
}

/// Why a tool did not do what it was asked for.
#[derive(Debug, thiserror::Error)]
pub enum ToolError {
    /// It could not be started.
    #[error("could not run '{command}': {source}")]
    NotStarted {
        /// The command as one would type it.
        command: String,
        /// What the system said.
        source: io::Error,
    },
    /// It ended by a failure.
    #[error("'{command}' failed with {status}: {}", message(complaint))]
    Failed {
        /// The command as one would type it.
        command: String,
        /// How it ended.
        status: ExitStatus,
        /// What it printed to standard error.
        complaint: String,
    },
    /// It did not end in time and was killed.
    #[error("'{command}' did not end within {limit:?}")]
    Late {
        /// The command as one would type it.
        command: String,
        /// How long it had.
        limit: Duration,
    },
    /// Nobody waits for it any more, and it was killed.
    #[error("'{command}' was given up")]
    GivenUp {
        /// The command as one would type it.
        command: String,
    },
    /// What it printed is not understood.
    #[error("could not understand what '{command}' printed: {reason}")]
    Unreadable {
        /// The command as one would type it.
        command: String,
        /// Where understanding ended.
        reason: String,
    },
}

impl ToolError {
    /// Whether the tool failed with these words in its complaint.
    pub(crate) fn says(&self, words: &str) -> bool {
        matches!(self, Self::Failed { complaint, .. } if complaint.contains(words))
    }

    /// What the tool complained about; empty if it did not get that far.
    pub(crate) fn complaint(&self) -> &str {
        match self {
            Self::Failed { complaint, .. } => complaint,
            _ => "",
        }
    }
}

fn message(complaint: &str) -> String {
    let lines: Vec<&str> = complaint
        .lines()
        .map(str::trim)
        .filter(|line| !line.is_empty())
        .collect();
    if lines.is_empty() {
        "it printed no reason".to_owned()
    } else {
        lines.join("; ")
    }
}

/// A result whose error says nothing but that the words of a tool's output are wrong.
pub(crate) type Parsed<T> = std::result::Result<T, String>;

/// The result of running a tool.
pub(crate) type Result<T> = std::result::Result<T, ToolError>;

/// The host's tools. Programs that lie in a directory put in front are taken in place of FreeBSD's own: for tests.
#[derive(Debug, Clone, Default)]
pub struct Tools {
    in_front: Option<PathBuf>,
    /// What each tool that changes the host holds while it runs ([`work_lock`](crate::work_lock)).
    held: Option<Arc<OwnedFd>>,
}

impl Tools {
    /// FreeBSD's own.
    #[must_use]
    pub fn of_the_host() -> Self {
        Self::default()
    }

    /// The programs of a directory, and FreeBSD's own where it has none of that name.
    #[must_use]
    pub fn with_in_front(directory: impl Into<PathBuf>) -> Self {
        Self {
            in_front: Some(directory.into()),
            held: None,
        }
    }

    /// The same, and each holds this descriptor while it runs.
    pub(crate) fn holding(self, held: OwnedFd) -> Self {
        Self {
            held: Some(Arc::new(held)),
            ..self
        }
    }

    /// The file of a program.
    pub(crate) fn path(&self, program: Program) -> PathBuf {
        let in_front = self
            .in_front
            .as_ref()
            .map(|directory| directory.join(program.name()));
        in_front
            .filter(|path| path.exists())
            .unwrap_or_else(|| Path::new(program.0).to_owned())
    }

    /// Where programs that tools run are searched.
    pub(crate) fn search_path(&self) -> String {
        match &self.in_front {
            Some(directory) => format!("{}:{SEARCH_PATH}", directory.display()),
            None => SEARCH_PATH.to_owned(),
        }
    }

    /// A process of this command, not started yet, with nothing of our environment: messages are in English, whatever
    /// the administrator's language is.
    pub(crate) fn process(&self, command: &Command) -> std::process::Command {
        let mut process = std::process::Command::new(self.path(command.program));
        process
            .args(&command.arguments)
            .env_clear()
            .env("LC_ALL", "C")
            .env("PATH", self.search_path());
        process
    }

    /// A process of this command that ends with us, unless it is to run on.
    pub(crate) fn bound(&self, command: &Command) -> std::process::Command {
        let mut process = self.process(command);
        if !command.runs_on {
            kleene_platform::end_with_starter(&mut process, self.held.clone());
        }
        process
    }

    /// Runs a command to its end; what it printed to standard output.
    pub(crate) fn run(&self, command: &Command) -> Result<String> {
        let not_started = |source| ToolError::NotStarted {
            command: command.to_string(),
            source,
        };
        let began = Instant::now();
        let mut process = self.bound(command);
        process.stdout(Stdio::piped()).stderr(Stdio::piped());
        process.stdin(if command.input.is_some() {
            Stdio::piped()
        } else {
            Stdio::null()
        });
        let mut child = process.spawn().map_err(not_started)?;
        let input = child.stdin.take().zip(command.input.as_deref());
        let output = thread::scope(|scope| {
            // On a thread of its own, because a tool may complain at length before it has read everything.
            scope.spawn(move || {
                if let Some((mut pipe, text)) = input {
                    // A tool that reads no further says itself why.
                    let _ = pipe.write_all(text.as_bytes());
                }
            });
            child.wait_with_output()
        });
        let output = output.map_err(not_started)?;
        let (printed, complaint) = (text(&output.stdout), text(&output.stderr));
        tracing::debug!(
            %command,
            status = %output.status,
            printed = %printed.trim_end(),
            complaint = %complaint.trim_end(),
            took = ?began.elapsed(),
            "ran"
        );
        if output.status.success() {
            Ok(printed)
        } else {
            Err(ToolError::Failed {
                command: command.to_string(),
                status: output.status,
                complaint,
            })
        }
    }

    /// Runs a command to its end and understands what it printed.
    pub(crate) fn read<T>(&self, command: &Command, parse: impl FnOnce(&str) -> Parsed<T>) -> Result<T> {
        let printed = self.run(command)?;
        parse(&printed).map_err(|reason| ToolError::Unreadable {
            command: command.to_string(),
            reason,
        })
    }

    /// Runs a command whose output is of no interest, for at most this long.
    pub(crate) fn run_within(&self, command: &Command, limit: Duration) -> Result<()> {
        let not_started = |source| ToolError::NotStarted {
            command: command.to_string(),
            source,
        };
        let began = Instant::now();
        let mut complaints = tempfile().map_err(not_started)?;
        let mut process = self.process(command);
        // It holds nothing: what it starts may go on, such as a daemon, or is in a jail.
        kleene_platform::end_with_starter(&mut process, None);
        let mut child = process
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(complaints.try_clone().map_err(not_started)?)
            .spawn()
            .map_err(not_started)?;
        let status = wait(&mut child, began + limit).map_err(not_started)?;
        let mut complaint = Vec::new();
        io::Seek::rewind(&mut complaints).map_err(not_started)?;
        complaints.read_to_end(&mut complaint).map_err(not_started)?;
        let complaint = text(&complaint);
        tracing::debug!(%command, ?status, complaint = %complaint.trim_end(), took = ?began.elapsed(), "ran");
        match status {
            Some(status) if status.success() => Ok(()),
            Some(status) => Err(ToolError::Failed {
                command: command.to_string(),
                status,
                complaint,
            }),
            None => Err(ToolError::Late {
                command: command.to_string(),
                limit,
            }),
        }
    }
}

/// Waits until a child ends, or kills it. `None`: it was killed.
fn wait(child: &mut Child, deadline: Instant) -> io::Result<Option<ExitStatus>> {
    loop {
        if let Some(status) = child.try_wait()? {
            return Ok(Some(status));
        }
        if Instant::now() >= deadline {
            child.kill()?;
            child.wait()?;
            return Ok(None);
        }
        thread::sleep(GLANCE);
    }
}

pub(crate) fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// A file without a name: unlike a pipe it never makes its writer wait, and who inherited it may keep it open.
pub(crate) fn tempfile() -> io::Result<std::fs::File> {
    let path = std::env::temp_dir().join(format!(
        "kleene-{}-{:?}",
        std::process::id(),
        thread::current().id()
    ));
    let file = std::fs::OpenOptions::new()
        .read(true)
        .write(true)
        .create_new(true)
        .open(&path)?;
    std::fs::remove_file(path)?;
    Ok(file)
}

#[cfg(test)]
mod tests {
    use super::*;

    const SH: Program = Program("/bin/sh");

    fn shell(script: &str) -> Command {
        Command::new(SH).args(["-c", script])
    }

    #[test]
    fn a_command_reads_as_one_would_type_it() {
        let command = Command::new(Program("/sbin/zfs")).args(["set", "a:b=it's", "tank/x y", ""]);
        assert_eq!(command.to_string(), r"zfs set 'a:b=it'\''s' 'tank/x y' ''");
        let command = Command::new(Program("/sbin/pfctl"))
            .args(["-f", "-"])
            .input("pass\n");
        assert_eq!(command.to_string(), "pfctl -f - <<'END'\npass\nEND");
    }

    #[test]
    fn what_a_tool_prints_is_returned_and_what_it_reads_is_given() {
        let printed = Tools::of_the_host()
            .run(&shell("cat; echo end").input("line\n"))
            .unwrap();
        assert_eq!(printed, "line\nend\n");
    }

    #[test]
    fn a_failure_names_the_command_its_status_and_its_complaint() {
        let error = Tools::of_the_host()
            .run(&shell("echo 'no such thing' >&2; exit 3"))
            .unwrap_err();
        assert!(error.says("no such thing"));
        assert_eq!(
            error.to_string(),
            r"'sh -c 'echo '\''no such thing'\'' >&2; exit 3'' failed with exit status: 3: no such thing"
        );
    }

    #[test]
    fn nothing_of_our_environment_reaches_a_tool() {
        let printed = Tools::of_the_host()
            .run(&shell("echo $LC_ALL-$HOME-$PATH"))
            .unwrap();
        assert_eq!(printed, format!("C--{SEARCH_PATH}\n"));
    }

    #[test]
    fn a_tool_that_complains_before_it_reads_does_not_block() {
        let script = "i=0; while [ $i -lt 4000 ]; do echo 'a complaint of some length, many times' >&2; i=$((i+1)); done; cat >/dev/null; exit 1";
        let error = Tools::of_the_host()
            .run(&shell(script).input("x".repeat(1 << 20)))
            .unwrap_err();
        assert!(error.complaint().len() > 100_000);
    }

    #[test]
    fn a_command_that_takes_too_long_is_ended() {
        let began = Instant::now();
        let error = Tools::of_the_host()
            .run_within(&shell("exec sleep 20"), Duration::from_millis(50))
            .unwrap_err();
        assert!(matches!(error, ToolError::Late { .. }), "{error}");
        assert!(began.elapsed() < Duration::from_secs(10));
    }

    #[test]
    fn a_limited_command_that_fails_tells_why() {
        let error = Tools::of_the_host()
            .run_within(&shell("echo gone >&2; exit 1"), Duration::from_secs(10))
            .unwrap_err();
        assert!(error.says("gone"), "{error}");
    }

    #[test]
    fn a_program_put_in_front_is_taken() {
        let directory = tempfile::tempdir().unwrap();
        std::os::unix::fs::symlink("/bin/echo", directory.path().join("false")).unwrap();
        let command = Command::new(Program("/usr/bin/false"));
        assert!(Tools::with_in_front(directory.path()).run(&command).is_ok());
        assert!(Tools::of_the_host().run(&command).is_err());
    }
}
