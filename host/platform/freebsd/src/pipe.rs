//! Two tools, of which one reads what the other prints.

use std::os::unix::process::ExitStatusExt;
use std::process::{Output, Stdio};
use std::thread;

use crate::command::{Command, Result, ToolError, Tools};

/// The signal that ends who writes to nobody.
const SIGPIPE: i32 = 13;

impl Tools {
    /// Runs both to their ends. If both fail the first one's failure is told, unless it only lost its reader.
    pub(crate) fn pipe(&self, from: &Command, into: &Command) -> Result<()> {
        let not_started = |command: &Command| {
            let command = command.to_string();
            move |source| ToolError::NotStarted { command, source }
        };
        let mut writer = self
            .bound(from)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .map_err(not_started(from))?;
        let printed = writer.stdout.take().map_or_else(Stdio::null, Stdio::from);
        let reader = self
            .bound(into)
            .stdin(printed)
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn();
        let reader = match reader {
            Ok(reader) => reader,
            Err(error) => {
                // Without a reader it ends by itself.
                writer.wait().map_err(not_started(from))?;
                return Err(not_started(into)(error));
            }
        };
        let (written, read) = thread::scope(|scope| {
            let written = scope.spawn(|| writer.wait_with_output());
            let read = reader.wait_with_output();
            (written.join(), read)
        });
        let written = written.unwrap_or_else(|_| Err(std::io::Error::other("its output could not be read")));
        let written = outcome(from, &written.map_err(not_started(from))?);
        let read = outcome(into, &read.map_err(not_started(into))?);
        match (written, read) {
            (Err(ToolError::Failed { status, .. }), Err(read)) if status.signal() == Some(SIGPIPE) => {
                Err(read)
            }
            (written, read) => written.and(read),
        }
    }
}

fn outcome(command: &Command, output: &Output) -> Result<()> {
    let complaint = String::from_utf8_lossy(&output.stderr).into_owned();
    tracing::debug!(%command, status = %output.status, complaint = %complaint.trim_end(), "ran");
    if output.status.success() {
        return Ok(());
    }
    Err(ToolError::Failed {
        command: command.to_string(),
        status: output.status,
        complaint,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::command::Program;

    fn shell(script: &str) -> Command {
        Command::new(Program("/bin/sh")).args(["-c", script])
    }

    fn failure(from: &str, into: &str) -> String {
        let piped = Tools::of_the_host().pipe(&shell(from), &shell(into));
        piped.unwrap_err().complaint().to_owned()
    }

    #[test]
    fn one_reads_what_the_other_prints() {
        let piped = Tools::of_the_host().pipe(&shell("echo words"), &shell("read word && [ $word = words ]"));
        assert!(piped.is_ok(), "{piped:?}");
    }

    #[test]
    fn the_failure_that_is_the_cause_is_told() {
        assert_eq!(failure("echo first >&2; exit 1", "cat > /dev/null"), "first\n");
        assert_eq!(
            failure("echo first >&2; exit 1", "echo second >&2; exit 1"),
            "first\n"
        );
        let endless = "while :; do echo more; done";
        assert_eq!(failure(endless, "echo second >&2; exit 1"), "second\n");
    }
}
