//! Changing a jail that runs, when its container is updated: jail(8) takes what the kernel can change, and says of what it
//! cannot. Parameters that are not the kernel's (`exec.*`, `mount.*`) it leaves out: they are for the next start, but for
//! the commands of a stop, which are still to come.

use std::io;
use std::path::Path;

use kleene_plan::Id;
use kleene_platform::{PlatformError, Result};

use crate::command::{ToolError, Tools};
use crate::failure::OrFailed;
use crate::jail::{self, StopCommands};
use crate::jail_file::JailFile;

/// Has a jail take on parameters. What is not among them any more stays until the next start.
pub(crate) fn modify(tools: &Tools, run_root: &Path, id: &Id, parameters: &[String]) -> Result<()> {
    if !parameters.is_empty() {
        match tools.run(&jail::modify(id, parameters)) {
            // It ended just now; there is nothing to change.
            Err(error) if jail::is_absence(&error) => return Ok(()),
            Err(error) => return Err(refused(error)),
            Ok(_) => {}
        }
    }
    remember_stop(&run_root.join(id.as_str()), parameters)
        .or_failed(|| format!("remember the stop commands of jail {id}"))
}

fn remember_stop(jail_dir: &Path, parameters: &[String]) -> io::Result<()> {
    match JailFile::read(jail_dir)? {
        Some(file) => JailFile {
            stop: StopCommands::of(parameters),
            ..file
        }
        .write(jail_dir),
        None => Ok(()),
    }
}

fn refused(error: ToolError) -> PlatformError {
    match &error {
        ToolError::Failed {
            status, complaint, ..
        } => PlatformError::Refused {
            tool: jail::PATH.to_owned(),
            status: status.code().unwrap_or(1),
            action: "modify the container".to_owned(),
            output: complaint.trim_end().to_owned(),
        },
        _ => PlatformError::failed("modify the container", error),
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    const ID: &str = "c0ffee001122";

    /// Tools whose jail(8) is this script.
    fn tools(directory: &Path, script: &str) -> Tools {
        let program = directory.join("jail");
        std::fs::write(&program, format!("#!/bin/sh\n{script}\n")).unwrap();
        std::fs::set_permissions(&program, std::fs::Permissions::from_mode(0o755)).unwrap();
        Tools::with_in_front(directory)
    }

    fn modify_with(script: &str) -> Result<()> {
        let directory = tempfile::tempdir().unwrap();
        let tools = tools(directory.path(), script);
        let parameters = ["allow.raw_sockets=maybe".to_owned()];
        modify(&tools, directory.path(), &ID.parse().unwrap(), &parameters)
    }

    #[test]
    fn a_refusal_is_told_as_it_always_was() {
        let error =
            modify_with("echo 'jail: allow.raw_sockets: unknown boolean value \"maybe\"' >&2; exit 1");
        assert_eq!(
            error.unwrap_err().to_string(),
            "'/usr/sbin/jail' returned non-zero exitcode 1 when attempting to modify the container \
             'jail: allow.raw_sockets: unknown boolean value \"maybe\"'"
        );
    }

    #[test]
    fn a_jail_that_has_just_ended_has_nothing_to_change() {
        modify_with("echo 'jail: \"c0ffee001122\" not found' >&2; exit 1").unwrap();
    }

    #[test]
    fn the_commands_of_a_stop_are_those_of_today() {
        let directory = tempfile::tempdir().unwrap();
        let tools = tools(directory.path(), "exit 0");
        let jail_dir = directory.path().join(ID);
        std::fs::create_dir(&jail_dir).unwrap();
        let file = JailFile {
            root: "/c".into(),
            stop: StopCommands::of(&[]),
            maker: None,
        };
        file.write(&jail_dir).unwrap();
        let parameters = ["exec.stop=/bin/bye".to_owned()];
        modify(&tools, directory.path(), &ID.parse().unwrap(), &parameters).unwrap();
        let stop = JailFile::read(&jail_dir).unwrap().unwrap().stop;
        assert_eq!(stop, StopCommands::of(&parameters));
        // Without any there is no command to run.
        std::fs::remove_file(directory.path().join("jail")).unwrap();
        modify(&tools, directory.path(), &ID.parse().unwrap(), &[]).unwrap();
        let stop = JailFile::read(&jail_dir).unwrap().unwrap().stop;
        assert_eq!(stop, StopCommands::of(&[]));
    }
}
