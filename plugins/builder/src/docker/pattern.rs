//! Patterns of a shell in `${x#pattern}` and its like: `*`, `?`, and a backslash before what is itself.

/// A part of a pattern.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Part {
    Exactly(char),
    Any,
    Many,
}

fn parts(pattern: &str) -> Vec<Part> {
    let mut parts = Vec::new();
    let mut characters = pattern.chars();
    while let Some(c) = characters.next() {
        parts.push(match c {
            '*' => Part::Many,
            '?' => Part::Any,
            '\\' => Part::Exactly(characters.next().unwrap_or('\\')),
            c => Part::Exactly(c),
        });
    }
    parts
}

/// Whether the whole text is like the pattern. Time grows with the product of both lengths.
fn matches(parts: &[Part], text: &str) -> bool {
    let text: Vec<char> = text.chars().collect();
    // Which beginnings of the pattern can end here.
    let mut reached = vec![false; parts.len() + 1];
    reached[0] = true;
    close(parts, &mut reached);
    for c in text {
        let mut next = vec![false; parts.len() + 1];
        for (at, part) in parts.iter().enumerate() {
            match part {
                _ if !reached[at] => {}
                Part::Many => next[at] = true,
                Part::Any => next[at + 1] = true,
                Part::Exactly(wanted) if *wanted == c => next[at + 1] = true,
                Part::Exactly(_) => {}
            }
        }
        close(parts, &mut next);
        reached = next;
    }
    reached[parts.len()]
}

/// A `*` may stand for nothing.
fn close(parts: &[Part], reached: &mut [bool]) {
    for (at, part) in parts.iter().enumerate() {
        if reached[at] && *part == Part::Many {
            reached[at + 1] = true;
        }
    }
}

/// Where the text can be cut, from its beginning to its end.
fn cuts(text: &str) -> impl DoubleEndedIterator<Item = usize> {
    text.char_indices()
        .map(|(at, _)| at)
        .chain(std::iter::once(text.len()))
        .collect::<Vec<_>>()
        .into_iter()
}

/// The text without the shortest or longest beginning that is like the pattern.
pub(super) fn without_prefix<'a>(text: &'a str, pattern: &str, longest: bool) -> &'a str {
    let parts = parts(pattern);
    let found = |at: &usize| matches(&parts, &text[..*at]);
    let cut = if longest {
        cuts(text).rev().find(found)
    } else {
        cuts(text).find(found)
    };
    &text[cut.unwrap_or(0)..]
}

/// The text without the shortest or longest end that is like the pattern.
pub(super) fn without_suffix<'a>(text: &'a str, pattern: &str, longest: bool) -> &'a str {
    let parts = parts(pattern);
    let found = |at: &usize| matches(&parts, &text[*at..]);
    let cut = if longest {
        cuts(text).find(found)
    } else {
        cuts(text).rev().find(found)
    };
    &text[..cut.unwrap_or(text.len())]
}

/// The text with the first or all of its parts that are like the pattern replaced, each as long as it can be. Nothing
/// is like an empty pattern.
pub(super) fn replaced(text: &str, pattern: &str, replacement: &str, all: bool) -> String {
    let parts = parts(pattern);
    let mut result = String::new();
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        let length = cuts(rest)
            .rev()
            .find(|length| *length > 0 && matches(&parts, &rest[..*length]));
        match length {
            Some(length) => {
                result.push_str(replacement);
                rest = &rest[length..];
                if !all {
                    break;
                }
            }
            None => {
                result.push(first);
                rest = &rest[first.len_utf8()..];
            }
        }
    }
    result + rest
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn beginnings_and_ends_are_cut() {
        assert_eq!(without_prefix("a/b/c", "*/", false), "b/c");
        assert_eq!(without_prefix("a/b/c", "*/", true), "c");
        assert_eq!(without_prefix("abc", "x*", true), "abc");
        assert_eq!(without_prefix("äöü", "?", false), "öü");
        assert_eq!(without_suffix("a.b.c", ".*", false), "a.b");
        assert_eq!(without_suffix("a.b.c", ".*", true), "a");
        assert_eq!(without_suffix("a*b", "\\*b", false), "a");
        assert_eq!(without_suffix("abc", "", true), "abc");
    }

    #[test]
    fn parts_are_replaced() {
        assert_eq!(replaced("banana", "an", "AN", false), "bANana");
        assert_eq!(replaced("banana", "an", "AN", true), "bANANa");
        assert_eq!(replaced("banana", "a*n", "x", true), "bxa");
        assert_eq!(replaced("banana", "", "x", true), "banana");
        assert_eq!(replaced("aaa", "?", "ß", true), "ßßß");
    }
}
