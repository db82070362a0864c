//! RUN, whose here-documents are scripts or input.

use kleene_sdk::build::Command;

use super::here_document::opening;
use super::line::Line;
use super::options::{self, Missing};
use super::words;
use crate::problem::Problem;

/// Options of RUN.
const MISSING: [Missing; 4] = [
    (
        "mount",
        "COPY what the command needs, or give the whole build a mount: klee build --mount",
    ),
    ("network", "give the whole build a network: klee build --network"),
    (
        "security",
        "give the whole build jail parameters: klee build --jailparam",
    ),
    ("device", "devices are those of the build's jail"),
];

/// The command of a RUN.
///
/// # Errors
/// If it has options, or none is left.
pub(super) fn command(line: &Line, arguments: &str) -> Result<Command, Problem> {
    let (_, text) = options::take(arguments, &[], &[], &MISSING)?;
    let command = words::command(text);
    let text = match command {
        Command::Exec(argv) if argv.is_empty() => {
            return Err(Problem::instruction("a command has at least one word"));
        }
        Command::Exec(_) => return Ok(command),
        Command::Shell(text) => text,
    };
    match &line.documents[..] {
        [] => Ok(Command::Shell(text)),
        // Nothing but the opening: the document is the command.
        [script] if opening(&text).is_some() && text == script.opening => Ok(run_script(&script.content())),
        documents => {
            let mut whole = text;
            for document in documents {
                whole.push('\n');
                whole.push_str(&document.written);
                whole.push_str(&document.name);
            }
            Ok(Command::Shell(whole))
        }
    }
}

/// A script for the shell, or for the interpreter that its first line names.
fn run_script(script: &str) -> Command {
    let Some(interpreter) = script
        .strip_prefix("#!")
        .and_then(|rest| rest.lines().next())
        .map(str::trim)
        .filter(|interpreter| !interpreter.is_empty())
    else {
        return Command::Shell(script.to_owned());
    };
    // As execve(2) does: a program and at most one argument.
    let (program, argument) = interpreter.split_once([' ', '\t']).unwrap_or((interpreter, ""));
    let argument = match argument.trim() {
        "" => String::new(),
        argument => format!(" {}", quoted(argument)),
    };
    let mut end = "SCRIPT".to_owned();
    while script.lines().any(|line| line == end) {
        end.push('_');
    }
    // A file of its own, since the script may read its input; gone before anything is kept.
    let wrapped = format!(
        "script=$(mktemp) || exit\ntrap 'rm -f \"$script\"' EXIT\ncat > \"$script\" <<'{end}'\n{script}{end}\n\
         {program}{argument} \"$script\"\n",
        program = quoted(program),
    );
    Command::Exec(vec!["/bin/sh".to_owned(), "-c".to_owned(), wrapped])
}

/// One word for the shell.
fn quoted(word: &str) -> String {
    format!("'{}'", word.replace('\'', r"'\''"))
}
