//! What is wrong with a Dockerfile, in the words that Kleene's clients know.

use std::borrow::Cow;

use kleene_sdk::build::ParseError;

/// What is wrong with a line; becomes a [`ParseError`] that quotes it.
#[derive(Debug)]
pub(crate) enum Problem {
    /// No instruction, or one with wrong arguments: the offending words where they are not all of it, and what is
    /// right.
    Instruction(Option<String>, Cow<'static, str>),
    /// No keyword that is known: this word, and which ones there are.
    Keyword(String, String),
    /// This name of a variable of ENV or ARG.
    VariableName(String),
    /// `--from` has this number and no stage before it has: what there is.
    NoStage(String, String),
    /// This opening of a here-document, and the line that would end it and is nowhere.
    Unended(String, String),
    /// Something but ARG stands before the first FROM.
    BeforeFrom,
    /// The line is right by itself, and not in this file.
    File(&'static str),
    /// Nothing is built on anything.
    NoFrom,
}

/// How a here-document without an end is told.
pub(crate) const UNENDED: &str = "the here-document does not end";

impl Problem {
    /// The instruction is wrong; `hint` says what is right.
    pub(crate) fn instruction(hint: impl Into<Cow<'static, str>>) -> Self {
        Self::Instruction(None, hint.into())
    }

    /// These words of the instruction are wrong; `hint` says what is right.
    pub(crate) fn words(words: impl Into<String>, hint: impl Into<Cow<'static, str>>) -> Self {
        Self::Instruction(Some(words.into()), hint.into())
    }

    /// In this line. `line` is its number, 0 for the file as a whole.
    pub(crate) fn at(self, line: u32, text: &str) -> ParseError {
        let keyword = || text.split(' ').next().unwrap_or_default().to_owned();
        let invalid = format!("error in '{text}': invalid instruction");
        let (words, message, reason, hint) = match self {
            Self::Instruction(words, hint) => (
                words.unwrap_or_else(|| text.to_owned()),
                invalid,
                "invalid instruction",
                Some(hint),
            ),
            Self::Keyword(word, hint) => (word, invalid, "unknown instruction", Some(hint.into())),
            Self::VariableName(name) => (
                name,
                format!("ENV/ARG variable name is invalid on line: {text}"),
                "no name of a variable",
                Some("a name has letters, digits and '_', and does not begin with a digit".into()),
            ),
            Self::NoStage(number, hint) => {
                let what = format!("no stage {number}");
                return ParseError {
                    line,
                    message: format!("error in '{text}': {what}"),
                    words: number,
                    reason: what,
                    hint: Some(hint),
                };
            }
            Self::Unended(opening, delimiter) => (
                opening,
                invalid,
                UNENDED,
                Some(format!("a line with '{delimiter}' alone is missing").into()),
            ),
            Self::BeforeFrom => (
                keyword(),
                format!("'{text}' not permitted before a FROM instruction"),
                "not permitted before FROM",
                Some("only ARG may stand before FROM".into()),
            ),
            Self::File(what) => (keyword(), format!("error in '{text}': {what}"), what, None),
            Self::NoFrom => {
                let what = "there is no FROM instruction";
                let hint = "a Dockerfile begins with FROM and the image to build on ('klee image ls' shows which there are)";
                (
                    keyword(),
                    format!("error in '{text}': {what}"),
                    what,
                    Some(hint.into()),
                )
            }
        };
        ParseError {
            line,
            words,
            message,
            reason: reason.to_owned(),
            hint: hint.map(Cow::into_owned),
        }
    }
}

/// What to write instead of a user with a group, if that is what `user` is.
pub(crate) fn without_group(user: &str) -> Option<String> {
    let (name, _) = user.split_once(':')?;
    Some(format!(
        "a user runs with the groups that /etc/group of the image gives: write USER {name}"
    ))
}

/// The user that USER names, as it is written.
pub(crate) fn user(written: &str) -> Result<String, Problem> {
    // What variables come to is only known when the step is done.
    match without_group(written).filter(|_| !written.contains('$')) {
        Some(hint) => Err(Problem::words(written, hint)),
        None => Ok(written.to_owned()),
    }
}

/// `[a-zA-Z_][a-zA-Z0-9_]*`
pub(crate) fn is_variable_name(name: &str) -> bool {
    name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
        && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_')
}

/// Why a line does not begin with one of `keywords`, as far as that can be guessed.
pub(crate) fn no_keyword(line: &str, keywords: &[&str]) -> Problem {
    let word = line.split_whitespace().next().unwrap_or_default();
    if line.starts_with(char::is_whitespace) {
        Problem::instruction("an instruction begins at the start of its line")
    } else if keywords.contains(&word) {
        Problem::instruction("an instruction is followed by one space and its arguments")
    } else if keywords.contains(&word.to_ascii_uppercase().as_str()) {
        Problem::words(word, "instructions are written in upper case")
    } else {
        Problem::Keyword(word.to_owned(), known(word, keywords))
    }
}

/// The keyword that was meant, or all there are.
fn known(word: &str, keywords: &[&str]) -> String {
    let word = word.to_ascii_uppercase();
    let nearest = keywords
        .iter()
        .min_by_key(|keyword| edits(&word, keyword))
        .filter(|keyword| edits(&word, keyword) <= MOST_EDITS && edits(&word, keyword) < word.len());
    match (nearest, keywords.split_last()) {
        (Some(nearest), _) => format!("did you mean {nearest}?"),
        (None, Some((last, others))) => format!("there are {} and {last}", others.join(", ")),
        (None, None) => "there are none".to_owned(),
    }
}

/// How many letters of a keyword a user gets wrong.
const MOST_EDITS: usize = 2;

/// How many letters must be added, taken away or replaced to make one word of the other (Levenshtein's distance).
fn edits(from: &str, to: &str) -> usize {
    let mut row: Vec<usize> = (0..=to.len()).collect();
    for (at, letter) in from.bytes().enumerate() {
        let mut diagonal = std::mem::replace(&mut row[0], at + 1);
        for (column, other) in to.bytes().enumerate() {
            let replaced = diagonal + usize::from(letter != other);
            diagonal = row[column + 1];
            row[column + 1] = replaced.min(diagonal + 1).min(row[column] + 1);
        }
    }
    row[to.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_misspelt_keyword_is_guessed_and_anything_else_is_answered_by_what_there_is() {
        let keywords = ["FROM", "RUN", "COPY", "PKG"];
        for (word, meant) in [
            ("RUNN", "RUN"),
            ("FORM", "FROM"),
            ("COYP", "COPY"),
            ("Cpoy", "COPY"),
        ] {
            assert_eq!(known(word, &keywords), format!("did you mean {meant}?"));
        }
        for word in ["INCLUDE", "XY", ""] {
            assert_eq!(known(word, &keywords), "there are FROM, RUN, COPY and PKG");
        }
    }
}
