//! What is wrong with a Dockerfile, in the words that Kleene's clients know.

use std::borrow::Cow;

use kleene_sdk::build::ParseError;

/// What is wrong with a line; becomes a [`ParseError`] that quotes it.
#[derive(Debug)]
pub(crate) enum Problem {
    /// No instruction, or one with wrong arguments: the offending words where they are not all of it, and what is
    /// right.
    Instruction(Option<String>, Cow<'static, str>),
    /// The name of a variable of ENV or ARG.
    VariableName,
    /// Something but ARG stands before the first FROM.
    BeforeFrom,
    /// The file as a whole.
    File(&'static str),
}

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
        let mut words = text.to_owned();
        let (message, hint) = match self {
            Self::Instruction(offending, hint) => {
                words = offending.unwrap_or(words);
                (format!("error in '{text}': invalid instruction"), Some(hint))
            }
            Self::VariableName => (
                format!("ENV/ARG variable name is invalid on line: {text}"),
                Some("a name has letters, digits and '_', and does not begin with a digit".into()),
            ),
            Self::BeforeFrom => (
                format!("'{text}' not permitted before a FROM instruction"),
                Some("only ARG may stand before FROM".into()),
            ),
            Self::File(what) => (format!("error in '{text}': {what}"), None),
        };
        ParseError {
            line,
            words,
            message,
            hint: hint.map(Cow::into_owned),
        }
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
        let (last, others) = keywords.split_last().unwrap_or((&"none", &[]));
        Problem::words(word, format!("there are {} and {last}", others.join(", ")))
    }
}
