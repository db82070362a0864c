//! Words of an instruction's arguments.

use kleene_sdk::build::Command;

/// Words between blanks; quotes and backslashes protect blanks, and stay.
pub(super) fn split(text: &str) -> Vec<&str> {
    let mut words = Vec::new();
    let mut rest = text.trim_start();
    while !rest.is_empty() {
        let (word, after) = first(rest);
        words.push(word);
        rest = after.trim_start();
    }
    words
}

/// The first word of a text that does not begin with a blank, and what follows.
pub(super) fn first(text: &str) -> (&str, &str) {
    let mut quote = None;
    let mut escaped = false;
    for (at, c) in text.char_indices() {
        match (c, quote) {
            _ if escaped => escaped = false,
            ('\\', None | Some('"')) => escaped = true,
            ('"' | '\'', None) => quote = Some(c),
            (c, Some(open)) if c == open => quote = None,
            (c, None) if c.is_whitespace() => return text.split_at(at),
            _ => {}
        }
    }
    (text, "")
}

/// Words between blanks, whatever the quotes.
pub(super) fn plain(text: &str) -> Vec<String> {
    text.split_whitespace().map(str::to_owned).collect()
}

/// A JSON array of strings, if that is what the text is.
pub(super) fn json(text: &str) -> Option<Vec<String>> {
    let text = text.trim();
    if text.starts_with('[') {
        serde_json::from_str(text).ok()
    } else {
        None
    }
}

/// A JSON array of strings is a list of words; all else is for the shell.
pub(super) fn command(arguments: &str) -> Command {
    match json(arguments) {
        Some(argv) => Command::Exec(argv),
        None => Command::Shell(arguments.to_owned()),
    }
}

/// A text that [`variables`](super::variables) turns into this one.
pub(super) fn literal(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for c in text.chars() {
        if matches!(c, '\\' | '$' | '"' | '\'') {
            escaped.push('\\');
        }
        escaped.push(c);
    }
    escaped
}

/// A text whose escape character is a backtick, as it is written with a backslash.
pub(super) fn with_backslashes(text: &str) -> String {
    let mut written = String::with_capacity(text.len());
    let mut quote = None;
    let mut characters = text.chars();
    while let Some(c) = characters.next() {
        match (c, quote) {
            (c, Some('\'')) => {
                quote = (c != '\'').then_some('\'');
                written.push(c);
            }
            ('\\', _) => written.push_str("\\\\"),
            ('`', _) => match characters.next() {
                Some('`') | None => written.push('`'),
                Some('\\') => written.push_str("\\\\"),
                Some(next) => written.extend(['\\', next]),
            },
            ('"' | '\'', None) => {
                quote = Some(c);
                written.push(c);
            }
            ('"', Some(_)) => {
                quote = None;
                written.push(c);
            }
            (c, _) => written.push(c),
        }
    }
    written
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quotes_and_backslashes_keep_words_together() {
        assert_eq!(
            split("a  b=\"c d\" e\\ f 'g \"h' \"i\\\" j\" "),
            ["a", "b=\"c d\"", "e\\ f", "'g \"h'", "\"i\\\" j\""]
        );
        assert_eq!(split("\"open a"), ["\"open a"]);
        assert_eq!(split(" "), [""; 0]);
    }

    #[test]
    fn a_backtick_is_written_as_a_backslash() {
        for (text, expected) in [
            ("C:\\a\\b", "C:\\\\a\\\\b"),
            ("a` b", "a\\ b"),
            ("`$x ``", "\\$x `"),
            ("'a`\\b'", "'a`\\b'"),
            ("\"it's `\"\"", "\"it's \\\"\""),
        ] {
            assert_eq!(with_backslashes(text), expected, "{text}");
        }
    }
}
