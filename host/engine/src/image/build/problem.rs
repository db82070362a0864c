//! Why a build fails: a line of text for clients of 0.1.1, and for those that ask for it what is wrong with which words of
//! which line of the Dockerfile.

use std::fmt;

use kleene_api::BuildDiagnostic;
use kleene_plugins::{Instruction, InstructionKind, ParseError};
use kleene_rootfs::Error as RootfsError;

use crate::error::EngineError;

/// How a missing image is told.
pub(super) const NO_SUCH_IMAGE: &str = "could not find image";

/// Why a build fails. Reads as users of 0.1.1 are told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BuildProblem {
    line: String,
    diagnostic: Box<BuildDiagnostic>,
}

impl fmt::Display for BuildProblem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.line)
    }
}

impl BuildProblem {
    /// Where and why.
    #[must_use]
    pub fn diagnostic(&self) -> &BuildDiagnostic {
        &self.diagnostic
    }

    /// Something that no line of the Dockerfile is to blame for.
    pub(super) fn general(line: impl Into<String>, message: impl Into<String>) -> Self {
        Self {
            line: line.into(),
            diagnostic: Box::new(BuildDiagnostic {
                message: message.into(),
                ..BuildDiagnostic::default()
            }),
        }
    }

    /// The Dockerfile cannot be read.
    pub(super) fn parse(error: ParseError, dockerfile: &str) -> Self {
        let found = Words {
            message: error.reason,
            words: Some(error.words),
            hint: error.hint,
        };
        Self {
            line: error.message,
            diagnostic: Box::new(found.at(dockerfile, error.line)),
        }
    }

    /// An instruction cannot be done. `None`: it was only told to stop.
    pub(super) fn instruction(refusal: Refusal, instruction: &Instruction, dockerfile: &str) -> Option<Self> {
        let found = Words::of(&refusal, instruction);
        let line = refusal.line()?;
        Some(Self {
            line,
            diagnostic: Box::new(found.at(dockerfile, instruction.line)),
        })
    }
}

impl From<EngineError> for BuildProblem {
    fn from(error: EngineError) -> Self {
        Self::general(error.to_string(), error.to_string())
    }
}

impl From<String> for BuildProblem {
    fn from(line: String) -> Self {
        Self::general(line.clone(), line)
    }
}

/// Why an instruction was not done.
#[derive(Debug)]
pub(super) enum Refusal {
    /// In the words that the user is shown.
    Line(String),
    Error(EngineError),
}

impl From<EngineError> for Refusal {
    fn from(error: EngineError) -> Self {
        Self::Error(error)
    }
}

impl Refusal {
    /// The line that users of 0.1.1 are shown; none where it was only told to stop.
    fn line(self) -> Option<String> {
        match self {
            Self::Line(line) => Some(line),
            Self::Error(EngineError::Cancelled) => None,
            Self::Error(EngineError::Plugin(error)) => Some(error.to_string()),
            Self::Error(error) => Some(format!("error: {error}")),
        }
    }
}

/// What is wrong with an instruction, before it is known where that stands.
#[derive(Debug, PartialEq, Eq)]
struct Words {
    message: String,
    /// The offending words, if it is known which ones they are.
    words: Option<String>,
    hint: Option<String>,
}

impl Words {
    fn of(refusal: &Refusal, instruction: &Instruction) -> Self {
        let told = |message: String| Self {
            words: quoted(&message),
            message,
            hint: None,
        };
        match refusal {
            Refusal::Line(line) => Self {
                message: line.clone(),
                words: None,
                hint: None,
            },
            Refusal::Error(EngineError::Plugin(error)) => {
                let hint = error.hint().map(str::to_owned);
                let message = without_quotation(&error.to_string(), &instruction.text);
                let words = hint.as_deref().and_then(quoted).or_else(|| quoted(&message));
                Self { message, words, hint }
            }
            Refusal::Error(EngineError::Rootfs(error)) => {
                Self::of_files(error).unwrap_or_else(|| told(error.to_string()))
            }
            Refusal::Error(EngineError::Invalid(message)) if message.starts_with(NO_SUCH_IMAGE) => Self {
                message: message.clone(),
                words: origin(&instruction.kind),
                hint: Some(
                    "'klee image ls' shows the images there are, a stage is named before it is used"
                        .to_owned(),
                ),
            },
            Refusal::Error(EngineError::SnapshotNotFound {
                image,
                snapshot,
                known,
            }) => Self {
                message: format!("the image {image} has no snapshot @{snapshot}"),
                words: Some(format!("@{snapshot}")),
                hint: Some(match known.as_slice() {
                    [] => format!("it has none: write {image} alone"),
                    known => format!(
                        "it has @{}; 'klee image inspect {image}' shows which instructions they are from",
                        known.join(", @")
                    ),
                }),
            },
            Refusal::Error(error) => told(error.to_string()),
        }
    }

    /// What users do wrong with COPY and ADD.
    fn of_files(error: &RootfsError) -> Option<Self> {
        let found = |message: String, words: &str, hint: &str| Self {
            message,
            words: Some(words.to_owned()),
            hint: Some(hint.to_owned()),
        };
        match error {
            RootfsError::NoMatch { source_pattern } => Some(found(
                "no such file".to_owned(),
                source_pattern,
                "check the name, that it is below what is copied from, and that .dockerignore does not leave it out",
            )),
            RootfsError::BadPattern {
                source_pattern,
                reason,
            } => Some(found(
                reason.clone(),
                source_pattern,
                "a backslash makes *, ? and [ ordinary characters",
            )),
            RootfsError::DestinationNotADirectory { destination, sources } => Some(found(
                format!("not a directory, and {sources} sources are copied"),
                destination,
                "end the destination with a slash",
            )),
            RootfsError::UnknownOwner { kind, name, file } => Some(found(
                format!("the image has no such {kind} in {file}"),
                name,
                "create it before the files that are to be its own, or give a number",
            )),
            _ => None,
        }
    }

    /// Looks for the words in the lines of the instruction that begins at line `begin`.
    fn at(self, dockerfile: &str, begin: u32) -> BuildDiagnostic {
        let words = self.words.unwrap_or_default();
        let mut place = BuildDiagnostic {
            message: self.message,
            hint: self.hint,
            ..BuildDiagnostic::default()
        };
        for (number, line) in lines_of_instruction(dockerfile, begin as usize) {
            let column = column_of(line, &words);
            if place.line == 0 || column > 0 {
                (place.line, place.source, place.column) = (number, line.to_owned(), column);
            }
            if column > 0 {
                place.words = words;
                break;
            }
        }
        place
    }
}

/// What FROM or `--from` names.
fn origin(kind: &InstructionKind) -> Option<String> {
    match kind {
        InstructionKind::From { image, .. } => Some(image.clone()),
        InstructionKind::Copy(files) | InstructionKind::Add(files) => files.origin.clone(),
        _ => None,
    }
}

/// A message that quotes the whole instruction, without the quotation: that stands above it.
fn without_quotation(message: &str, instruction: &str) -> String {
    let begin = format!("error in '{instruction}': ");
    let rest = message.strip_prefix(&begin).unwrap_or(message);
    let rest = rest.strip_suffix(instruction).map_or(rest, |rest| {
        let rest = rest.trim_end_matches([' ', ':']);
        rest.strip_suffix(" of").unwrap_or(rest)
    });
    match rest {
        "" => message.to_owned(),
        rest => rest.to_owned(),
    }
}

/// The first words of a message that stand in quotes.
fn quoted(message: &str) -> Option<String> {
    let (_, rest) = message.split_once('\'')?;
    let (words, _) = rest.split_once('\'')?;
    (!words.is_empty()).then(|| words.to_owned())
}

/// The line that an instruction begins on and those that continue it, with their numbers.
fn lines_of_instruction(dockerfile: &str, begin: usize) -> impl Iterator<Item = (usize, &str)> {
    let mut goes_on = begin > 0;
    (1..)
        .zip(dockerfile.lines())
        .skip(begin.saturating_sub(1))
        .take_while(move |(_, line)| {
            let is_part = goes_on;
            let line = line.trim();
            goes_on &= line.ends_with(['\\', '`']) || line.starts_with('#') || line.is_empty();
            is_part
        })
}

/// Where words stand in a line, from 1, counted in characters; 0: nowhere. If they stand there several times it is where
/// they are words of their own, and not part of others.
fn column_of(line: &str, words: &str) -> usize {
    if words.is_empty() {
        return 0;
    }
    let is_own = |at: &usize| {
        let before = line[..*at].chars().next_back();
        let after = line[*at + words.len()..].chars().next();
        let is_letter = |c: Option<char>| c.is_some_and(|c| c.is_alphanumeric() || "_-.".contains(c));
        !is_letter(before) && !is_letter(after)
    };
    let all = || line.match_indices(words).map(|(at, _)| at);
    match all().find(is_own).or_else(|| all().next()) {
        Some(at) => line[..at].chars().count() + 1,
        None => 0,
    }
}

#[cfg(test)]
mod tests {
    use kleene_plugins::{PluginError, Refusal as Refused, RefusalCode};

    use super::*;

    const DOCKERFILE: &str =
        "FROM base AS build\n# a comment\nRUN one && \\\n    # why\n    two --three\nCOPY a b\n";

    fn found(words: &str, line: u32) -> (usize, String, usize) {
        let words = Words {
            message: String::new(),
            words: Some(words.to_owned()),
            hint: None,
        };
        let found = words.at(DOCKERFILE, line);
        (found.line, found.source, found.column)
    }

    #[test]
    fn the_line_is_the_one_with_the_offending_words() {
        assert_eq!(found("base", 1), (1, "FROM base AS build".to_owned(), 6));
        assert_eq!(found("--three", 3), (5, "    two --three".to_owned(), 9));
        // Not in the lines of this instruction, or of none.
        assert_eq!(found("COPY", 3), (3, "RUN one && \\".to_owned(), 0));
        assert_eq!(found("base", 0), (0, String::new(), 0));
        assert_eq!(found("base", 99), (0, String::new(), 0));
    }

    #[test]
    fn words_are_found_where_they_are_words() {
        assert_eq!(column_of("COPY a b", "a"), 6);
        assert_eq!(column_of("FROM base AS as", "as"), 14);
        assert_eq!(column_of("RUN größe x", "x"), 11);
        assert_eq!(column_of("COPY ab c", "b"), 7);
        assert_eq!(column_of("COPY ab c", ""), 0);
    }

    #[test]
    fn a_message_does_not_repeat_the_line() {
        let text = "USER $nobody";
        for (message, left) in [
            (
                "error in 'USER $nobody': invalid instruction",
                "invalid instruction",
            ),
            (
                "failed environment substition of: USER $nobody",
                "failed environment substition",
            ),
            ("no such user", "no such user"),
            ("USER $nobody", "USER $nobody"),
        ] {
            assert_eq!(without_quotation(message, text), left);
        }
    }

    #[test]
    fn what_a_plugin_says_names_the_words_that_it_quotes() {
        let instruction = Instruction {
            line: 6,
            text: "COPY a b".to_owned(),
            kind: InstructionKind::User(String::new()),
        };
        let refusal = Refusal::Error(EngineError::Plugin(PluginError::Refused(Refused {
            plugin: "builder".to_owned(),
            code: RefusalCode::Invalid,
            message: "error in 'COPY a b': invalid instruction".to_owned(),
            hint: Some("'b': is no directory".to_owned()),
        })));
        let problem = BuildProblem::instruction(refusal, &instruction, DOCKERFILE).unwrap();
        assert_eq!(problem.to_string(), "error in 'COPY a b': invalid instruction");
        assert_eq!(
            *problem.diagnostic(),
            BuildDiagnostic {
                column: 8,
                hint: Some("'b': is no directory".to_owned()),
                line: 6,
                message: "invalid instruction".to_owned(),
                source: "COPY a b".to_owned(),
                words: "b".to_owned(),
            }
        );
    }

    #[test]
    fn an_unknown_snapshot_is_answered_by_those_there_are() {
        let instruction = Instruction {
            line: 1,
            text: "FROM base@x".to_owned(),
            kind: InstructionKind::User(String::new()),
        };
        let told = |known: &[&str]| {
            let refusal = Refusal::Error(EngineError::SnapshotNotFound {
                image: "base".to_owned(),
                snapshot: "x".to_owned(),
                known: known.iter().map(ToString::to_string).collect(),
            });
            let problem = BuildProblem::instruction(refusal, &instruction, "FROM base@x\n").unwrap();
            assert_eq!(problem.to_string(), "error: invalid snapshot @x");
            let found = problem.diagnostic();
            assert_eq!((found.line, found.column, found.words.as_str()), (1, 10, "@x"));
            assert_eq!(found.message, "the image base has no snapshot @x");
            found.hint.clone().unwrap()
        };
        assert_eq!(told(&[]), "it has none: write base alone");
        assert!(told(&["a", "b"]).starts_with("it has @a, @b; 'klee image inspect base' "));
    }

    #[test]
    fn who_was_told_to_stop_has_no_problem() {
        let instruction = Instruction {
            line: 1,
            text: "FROM base".to_owned(),
            kind: InstructionKind::User(String::new()),
        };
        let cancelled = Refusal::Error(EngineError::Cancelled);
        assert_eq!(
            BuildProblem::instruction(cancelled, &instruction, DOCKERFILE),
            None
        );
    }
}
