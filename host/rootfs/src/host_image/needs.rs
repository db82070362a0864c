//! What a program needs besides itself, by looking at its content: ELF objects need a loader and libraries, scripts an interpreter.

use std::{
    fs,
    os::unix::{ffi::OsStrExt, fs::PermissionsExt},
    path::{Path, PathBuf},
};

use super::elf::Object;
use crate::error::{Error, IoContext, Result};

/// Where `env` in the first line of a script looks, as no `PATH` is known.
const USUAL_DIRECTORIES: [&str; 6] = [
    "/usr/local/sbin",
    "/usr/local/bin",
    "/usr/sbin",
    "/usr/bin",
    "/sbin",
    "/bin",
];

/// What must be in the root as well.
pub(super) enum Needs {
    /// A script's interpreter; with `env`, also the program it runs.
    Interpreters(Vec<PathBuf>),
    /// An ELF object's loader and libraries.
    Libraries(Object),
    /// Other content is copied as it is: loaders' scripts and data that a program names.
    Nothing,
}

/// Refuses what cannot be a program, by name.
pub(super) fn check_program(path: &Path) -> Result<()> {
    if !path.is_absolute() {
        return Err(Error::ProgramNotAbsolute {
            path: path.to_owned(),
        });
    }
    let not = |reason: &str| {
        Err(Error::NotAProgram {
            path: path.to_owned(),
            reason: reason.to_owned(),
        })
    };
    match fs::metadata(path) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Err(Error::ProgramMissing {
            path: path.to_owned(),
        }),
        Err(error) => Err(error).on("read", path),
        Ok(metadata) if metadata.is_dir() => not("it is a directory, name the programs in it"),
        Ok(metadata) if !metadata.is_file() => not("it is not a regular file"),
        Ok(metadata) if metadata.permissions().mode() & 0o111 == 0 => not("it is not executable"),
        Ok(_) => Ok(()),
    }
}

/// Reads the needs of the file `real`, which is known as `path`.
pub(super) fn of(path: &Path, real: &Path) -> Result<Needs> {
    let content = fs::read(real).on("read", path)?;
    if content.starts_with(b"\x7fELF") {
        let object = Object::parse(&content, real).map_err(|error| Error::NotAProgram {
            path: path.to_owned(),
            reason: format!("its ELF header is damaged ({error})"),
        })?;
        return Ok(Needs::Libraries(object));
    }
    match content.strip_prefix(b"#!") {
        Some(rest) => interpreters(rest, path).map(Needs::Interpreters),
        None => Ok(Needs::Nothing),
    }
}

/// The programs that the first line of a script names (execve(2), "Interpreter scripts").
fn interpreters(after_marker: &[u8], script: &Path) -> Result<Vec<PathBuf>> {
    let line = after_marker
        .split(|byte| *byte == b'\n')
        .next()
        .unwrap_or_default();
    let mut words = line
        .split(u8::is_ascii_whitespace)
        .filter(|word| !word.is_empty());
    let Some(interpreter) = words
        .next()
        .map(|word| PathBuf::from(std::ffi::OsStr::from_bytes(word)))
    else {
        return Err(Error::NotAProgram {
            path: script.to_owned(),
            reason: "its first line names no interpreter".into(),
        });
    };
    let mut found = Vec::new();
    if interpreter.file_name().is_some_and(|name| name == "env") {
        // `env -S` splits its argument; settings of variables come before the program.
        let program = words.find(|word| !word.starts_with(b"-") && !word.contains(&b'='));
        if let Some(program) = program {
            let program = Path::new(std::ffi::OsStr::from_bytes(program));
            let path = USUAL_DIRECTORIES
                .iter()
                .map(|dir| Path::new(dir).join(program))
                .find(|path| path.is_file());
            found.push(path.ok_or_else(|| Error::InterpreterMissing {
                interpreter: program.to_owned(),
                needed_by: script.to_owned(),
            })?);
        }
    }
    found.insert(0, interpreter);
    Ok(found)
}
