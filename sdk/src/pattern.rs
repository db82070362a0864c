//! Patterns for names, as a site's configuration has them.

use std::fmt;

use serde::Deserialize;

/// A pattern that a whole text matches: `*` stands for any text, also none, `?` for one character.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(transparent)]
pub struct Pattern(String);

impl Pattern {
    /// Whether the text is as the pattern says.
    #[must_use]
    pub fn matches(&self, text: &str) -> bool {
        let (pattern, text): (Vec<char>, Vec<char>) = (self.0.chars().collect(), text.chars().collect());
        let (mut at, mut seen) = (0, 0);
        // Where to go on when the last `*` has to stand for one character more.
        let mut again = None;
        while seen < text.len() {
            if pattern.get(at) == Some(&'*') {
                at += 1;
                again = Some((at, seen));
            } else if pattern.get(at).is_some_and(|c| *c == '?' || *c == text[seen]) {
                at += 1;
                seen += 1;
            } else if let Some((after, from)) = again {
                at = after;
                seen = from + 1;
                again = Some((after, seen));
            } else {
                return false;
            }
        }
        pattern[at..].iter().all(|c| *c == '*')
    }
}

impl From<&str> for Pattern {
    fn from(text: &str) -> Self {
        Self(text.to_owned())
    }
}

impl fmt::Display for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_star_is_any_text_and_a_question_mark_one_character() {
        for (pattern, text) in [
            ("", ""),
            ("*", ""),
            ("*", "web"),
            ("web", "web"),
            ("web-*", "web-"),
            ("web-?", "web-1"),
            ("*-db", "a-b-db"),
            ("a*b*c", "a-b-b-c"),
            ("**", "x"),
        ] {
            assert!(Pattern::from(pattern).matches(text), "{pattern} {text}");
        }
        for (pattern, text) in [
            ("", "x"),
            ("web", "web1"),
            ("web", "a-web"),
            ("web-?", "web-"),
            ("web-?", "web-12"),
            ("a*b", "a-b-c"),
            ("?", ""),
        ] {
            assert!(!Pattern::from(pattern).matches(text), "{pattern} {text}");
        }
    }
}
