//! The lines of a Dockerfile: continued ones joined, comments left out, here-documents taken in.

use kleene_sdk::build::ParseError;

use super::here_document::{self, HereDocument};
use crate::problem::Problem;

/// An instruction that may have here-documents.
const WITH_DOCUMENTS: [&str; 3] = ["RUN ", "COPY ", "ADD "];

/// A line after joining, and what belongs to it.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Line {
    /// Where it begins, from 1.
    pub(super) number: u32,
    pub(super) text: String,
    /// In the order of their openings.
    pub(super) documents: Vec<HereDocument>,
}

/// All lines that say something. `escape` at the end of a line continues it.
///
/// # Errors
/// If a here-document does not end.
pub(super) fn lines(text: &str, escape: char) -> Result<Vec<Line>, ParseError> {
    let mut physical = (1u32..).zip(text.lines());
    let mut lines = Vec::new();
    while let Some((number, first)) = physical.next() {
        if is_silent(first) {
            continue;
        }
        let mut text = String::new();
        let mut part = Some(first);
        while let Some(present) = part {
            let continued = before_continuation(present, escape);
            text.push_str(continued.unwrap_or(present));
            // Comments and empty lines in between say nothing.
            part = continued.and_then(|_| {
                physical
                    .by_ref()
                    .map(|(_, next)| next)
                    .find(|next| !is_silent(next))
            });
        }
        if text.trim().is_empty() {
            continue;
        }
        let openings = if WITH_DOCUMENTS.iter().any(|keyword| text.starts_with(keyword)) {
            here_document::openings(&text)
        } else {
            Vec::new()
        };
        let documents = openings
            .into_iter()
            .map(|opening| opening.read(physical.by_ref().map(|(_, next)| next)))
            .collect::<Result<Vec<_>, _>>()
            .map_err(|problem| problem.at(number, &text))?;
        lines.push(Line {
            number,
            text,
            documents,
        });
    }
    Ok(lines)
}

/// Comments and empty lines.
fn is_silent(line: &str) -> bool {
    let line = line.trim_start();
    line.is_empty() || line.starts_with('#')
}

/// What stands before the continuation character, if the line ends with one. Two of them are one for the text.
fn before_continuation(line: &str, escape: char) -> Option<&str> {
    let before = line.trim_end_matches([' ', '\t']).strip_suffix(escape)?;
    (!before.ends_with(escape)).then_some(before)
}

/// What `# escape=` says, at the top of the file among directives alone; a backslash where it says nothing.
///
/// # Errors
/// If it is another character than those two.
pub(super) fn escape_character(text: &str) -> Result<char, ParseError> {
    let directives = text.lines().map_while(directive);
    for (number, (name, value)) in (1u32..).zip(directives) {
        if name.eq_ignore_ascii_case("escape") {
            return match value {
                "\\" => Ok('\\'),
                "`" => Ok('`'),
                _ => {
                    let line = text.lines().nth(number as usize - 1).unwrap_or_default();
                    Err(Problem::words(value, "escape is \\ or `").at(number, line))
                }
            };
        }
    }
    Ok('\\')
}

/// `# name=value`
fn directive(line: &str) -> Option<(&str, &str)> {
    let (name, value) = line.strip_prefix('#')?.split_once('=')?;
    let (name, value) = (name.trim(), value.trim());
    let is_name = !name.is_empty() && name.bytes().all(|b| b.is_ascii_alphanumeric());
    (is_name && !value.is_empty()).then_some((name, value))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(text: &str) -> Vec<(u32, String)> {
        let lines = lines(text, '\\').unwrap_or_else(|error| panic!("{error:?}"));
        lines.into_iter().map(|line| (line.number, line.text)).collect()
    }

    #[test]
    fn comments_and_empty_lines_say_nothing_between_continued_lines_either() {
        let text = "\n# one\n  # two\nRUN a && \\\n  # three\n\n  b \\  \n\\\n c\nCMD x";
        assert_eq!(
            texts(text),
            [(4, "RUN a &&   b  c".to_owned()), (10, "CMD x".to_owned())]
        );
    }

    #[test]
    fn an_escaped_escape_does_not_continue() {
        assert_eq!(
            texts("ENV A=\\\\\nENV B=1\n"),
            [(1, "ENV A=\\\\".to_owned()), (2, "ENV B=1".to_owned())]
        );
        assert_eq!(texts("RUN a \\"), [(1, "RUN a ".to_owned())]);
        assert_eq!(texts("\\\n"), []);
    }

    #[test]
    fn the_escape_character_is_a_directive_of_the_top() {
        let escape = |text| escape_character(text).map_err(|error| (error.line, error.words));
        assert_eq!(escape("# escape=`\nFROM a\n"), Ok('`'));
        assert_eq!(
            escape("#syntax=docker/dockerfile:1\n# Escape = `\nFROM a\n"),
            Ok('`')
        );
        assert_eq!(escape("# note\n# escape=`\n"), Ok('\\'));
        assert_eq!(escape("FROM a\n# escape=`\n"), Ok('\\'));
        assert_eq!(escape("# syntax=x\n# escape=^\n"), Err((2, "^".to_owned())));
    }

    #[test]
    fn here_documents_belong_to_their_line() {
        let text = "COPY <<one <<-\"two\" /x\n1\nFROM y\none\n\ttabs\n# two\n\ttwo\nRUN z\n";
        let lines = lines(text, '\\').unwrap();
        let contents: Vec<_> = lines[0]
            .documents
            .iter()
            .map(|document| (document.name.as_str(), document.content(), document.quoted))
            .collect();
        assert_eq!(
            contents,
            [
                ("one", "1\nFROM y\n".to_owned(), false),
                ("two", "tabs\n# two\n".to_owned(), true)
            ]
        );
        assert_eq!((lines[1].number, lines[1].text.as_str()), (8, "RUN z"));
    }

    #[test]
    fn a_here_document_must_end() {
        let error = lines("FROM a\nRUN cat <<EOF\nx\n EOF\n", '\\').unwrap_err();
        assert_eq!(
            (error.line, error.words.as_str(), error.hint.as_deref()),
            (2, "<<EOF", Some("a line with 'EOF' alone is missing"))
        );
    }
}
