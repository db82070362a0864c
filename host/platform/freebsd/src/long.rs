//! Tools that take minutes, and that somebody may give up.

use std::io::{self, Read, Seek};
use std::os::unix::process::CommandExt;
use std::process::{Child, ExitStatus, Stdio};
use std::thread;
use std::time::Instant;

use rustix::process::{Pid, Signal};

use crate::command::{Command, GLANCE, Result, ToolError, Tools, tempfile, text};

/// How tools of the base system find a proxy (fetch(3)), from our environment.
const PROXY: [&str; 4] = ["HTTP_PROXY", "http_proxy", "HTTP_PROXY_AUTH", "NO_PROXY"];

impl Tools {
    /// Runs a command to its end, or until `given_up` says so: then it is killed with all that it started. What it
    /// printed, complaints among it.
    pub(crate) fn run_until(&self, command: &Command, given_up: &dyn Fn() -> bool) -> Result<String> {
        let not_started = |source| ToolError::NotStarted {
            command: command.to_string(),
            source,
        };
        let began = Instant::now();
        // A file: scripts leave their output open to whatever they start.
        let mut output = tempfile().map_err(not_started)?;
        let mut child = self
            .bound(command)
            .envs(
                PROXY
                    .into_iter()
                    .filter_map(|name| Some((name, std::env::var_os(name)?))),
            )
            .process_group(0)
            .stdin(Stdio::null())
            .stdout(output.try_clone().map_err(not_started)?)
            .stderr(output.try_clone().map_err(not_started)?)
            .spawn()
            .map_err(not_started)?;
        let status = wait(&mut child, given_up).map_err(not_started)?;
        let mut printed = Vec::new();
        output.rewind().map_err(not_started)?;
        output.read_to_end(&mut printed).map_err(not_started)?;
        let printed = text(&printed);
        tracing::debug!(%command, ?status, printed = %printed.trim_end(), took = ?began.elapsed(), "ran");
        let command = command.to_string();
        match status {
            Some(status) if status.success() => Ok(printed),
            Some(status) => Err(ToolError::Failed {
                command,
                status,
                complaint: printed,
            }),
            None => Err(ToolError::GivenUp { command }),
        }
    }
}

/// Waits until a child ends, or kills it and its group. `None`: it was killed.
fn wait(child: &mut Child, given_up: &dyn Fn() -> bool) -> io::Result<Option<ExitStatus>> {
    loop {
        if let Some(status) = child.try_wait()? {
            return Ok(Some(status));
        }
        if given_up() {
            if let Some(group) = child.id().try_into().ok().and_then(Pid::from_raw) {
                rustix::process::kill_process_group(group, Signal::KILL)?;
            }
            child.wait()?;
            return Ok(None);
        }
        thread::sleep(GLANCE);
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::command::Program;

    fn shell(script: &str) -> Command {
        Command::new(Program("/bin/sh")).args(["-c", script])
    }

    #[test]
    fn all_that_it_printed_is_told() {
        let tools = Tools::of_the_host();
        let printed = tools.run_until(&shell("echo out; echo err >&2"), &|| false);
        assert_eq!(printed.unwrap(), "out\nerr\n");
        let error = tools
            .run_until(&shell("echo why; exit 2"), &|| false)
            .unwrap_err();
        assert!(error.says("why"), "{error}");
    }

    #[test]
    fn what_is_given_up_ends_with_all_that_it_started() {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("late");
        let script = format!("(sleep 1; echo > {}) & wait", file.display());
        let began = Instant::now();
        let given_up = || began.elapsed() > Duration::from_millis(100);
        let error = Tools::of_the_host()
            .run_until(&shell(&script), &given_up)
            .unwrap_err();
        assert!(matches!(error, ToolError::GivenUp { .. }), "{error}");
        thread::sleep(Duration::from_millis(1300));
        assert!(!file.exists());
    }
}
