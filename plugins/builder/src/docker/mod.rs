//! Docker's dialect: what Docker's users write, read as Docker reads it
//! (<https://docs.docker.com/reference/dockerfile/>), with two rules of Kleene's: a keyword is upper case and stands at
//! the beginning of its line, one blank before its arguments.
//!
//! The reader is our own. The crate `parse-dockerfile` reads the same language, but refuses every instruction that it does
//! not know, where those of other plugins belong; takes a here-document only directly after `RUN`; does not tell what a
//! here-document is called, which is the name of the file that COPY makes of it; and leaves the pairs of ENV, ARG and
//! LABEL to its user. It is used where it helps: the tests ask it for a second opinion (`tests/second_opinion.rs`).

mod copy;
mod duration;
pub mod expand;
mod here_document;
mod instruction;
mod line;
mod options;
mod paths;
mod pattern;
mod ports;
mod run;
mod text;
mod variables;
mod words;

use kleene_sdk::build::{CopyFiles, Instruction, InstructionKind, ParseError};

use crate::problem::Problem;

/// The instructions there are.
pub const KEYWORDS: [&str; 18] = [
    "FROM",
    "ARG",
    "ENV",
    "LABEL",
    "MAINTAINER",
    "WORKDIR",
    "USER",
    "SHELL",
    "RUN",
    "COPY",
    "ADD",
    "CMD",
    "ENTRYPOINT",
    "EXPOSE",
    "VOLUME",
    "HEALTHCHECK",
    "STOPSIGNAL",
    "ONBUILD",
];

/// Those, and those of other plugins.
pub fn keywords(steps: &[String]) -> impl Iterator<Item = &str> {
    KEYWORDS.into_iter().chain(steps.iter().map(String::as_str))
}

/// The digits of an id.
const WHOLE_ID: usize = 12;

/// The instructions of a Dockerfile, in order. `steps` are the keywords of other plugins.
///
/// # Errors
/// Where it is wrong: the first wrong line, and only if every line is right by itself, their order.
pub fn dockerfile(text: &str, steps: &[String]) -> Result<Vec<Instruction>, ParseError> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let escape = line::escape_character(text)?;
    let instructions = line::lines(text, escape)?
        .into_iter()
        .map(|line| match instruction::kind(&line, steps, escape) {
            Ok(kind) => Ok(Instruction {
                line: line.number,
                text: line.text,
                kind,
            }),
            Err(problem) => Err(problem.at(line.number, &line.text)),
        })
        .collect::<Result<Vec<_>, _>>()?;
    check_order(&instructions)?;
    check_stages(&instructions)?;
    Ok(instructions)
}

/// There is a FROM, and nothing but ARG before the first.
fn check_order(instructions: &[Instruction]) -> Result<(), ParseError> {
    for instruction in instructions {
        match instruction.kind {
            InstructionKind::From(_) => return Ok(()),
            InstructionKind::Arg(_) => {}
            _ => return Err(Problem::BeforeFrom.at(instruction.line, &instruction.text)),
        }
    }
    let last = instructions.last().map_or("", |last| last.text.as_str());
    Err(Problem::NoFrom.at(0, last))
}

/// No two stages have the same name, and a stage copies from those before it.
fn check_stages(instructions: &[Instruction]) -> Result<(), ParseError> {
    let mut stages: Vec<Option<&str>> = Vec::new();
    for instruction in instructions {
        let checked = match &instruction.kind {
            InstructionKind::From(base) => {
                let name = base.stage.as_deref();
                let checked = new_name(name, &stages);
                stages.push(name);
                checked
            }
            InstructionKind::Copy(CopyFiles {
                origin: Some(origin), ..
            }) => numbered(origin, stages.split_last().map_or(&[], |(_, before)| before)),
            _ => Ok(()),
        };
        checked.map_err(|problem| problem.at(instruction.line, &instruction.text))?;
    }
    Ok(())
}

fn new_name(name: Option<&str>, stages: &[Option<&str>]) -> Result<(), Problem> {
    let is_taken = |name: &&str| {
        stages
            .iter()
            .flatten()
            .any(|known| known.eq_ignore_ascii_case(name))
    };
    match name.filter(is_taken) {
        Some(name) => Err(Problem::words(
            name,
            format!("there is a stage '{name}' already: choose another name"),
        )),
        None => Ok(()),
    }
}

/// A number is a stage's and never the beginning of an image's id, which would be whichever image's; only a whole id is
/// an image's, whatever its digits.
fn numbered(origin: &str, before: &[Option<&str>]) -> Result<(), Problem> {
    let is_number = origin.len() < WHOLE_ID && origin.bytes().all(|b| b.is_ascii_digit());
    if !is_number || origin.parse().is_ok_and(|number: usize| number < before.len()) {
        return Ok(());
    }
    let stages: Vec<_> = (0..)
        .zip(before)
        .map(|(number, name): (usize, _)| match name {
            Some(name) => format!("{number} ({name})"),
            None => number.to_string(),
        })
        .collect();
    let known = match stages.as_slice() {
        [] => "no stage stands before this one".to_owned(),
        [only] => format!("the only stage before this one is {only}"),
        stages => format!("the stages before this one are {}", stages.join(", ")),
    };
    Err(Problem::NoStage(
        origin.to_owned(),
        format!("{known}; an image of this name is written {origin}:latest"),
    ))
}

#[cfg(test)]
mod tests;
