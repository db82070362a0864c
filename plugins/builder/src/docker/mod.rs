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

use kleene_sdk::build::{Instruction, InstructionKind, ParseError};

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

/// No two stages have the same name, and none is called like a number, which would be another stage's.
fn check_stages(instructions: &[Instruction]) -> Result<(), ParseError> {
    let mut names: Vec<&str> = Vec::new();
    for instruction in instructions {
        let InstructionKind::From(base) = &instruction.kind else {
            continue;
        };
        let Some(name) = base.stage.as_deref() else {
            continue;
        };
        if names.iter().any(|known| known.eq_ignore_ascii_case(name)) {
            let hint = format!("there is a stage '{name}' already: choose another name");
            return Err(Problem::words(name, hint).at(instruction.line, &instruction.text));
        }
        names.push(name);
    }
    Ok(())
}

#[cfg(test)]
mod tests;
