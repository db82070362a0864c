//! The patterns of `.dockerignore`: Go's `filepath.Match` with `**`, as Docker compiles them
//! (github.com/moby/patternmatcher).
//!
//! | | matches |
//! |---|---|
//! | `*` | any characters but `/` |
//! | `?` | one character but `/` |
//! | `[a-z]`, `[^a-z]` | one character that is, or is not, among these; `\` takes the meaning from what follows |
//! | `**` at the end | everything |
//! | `**` at the beginning of a name without other wildcards | everything before it |
//! | any other `**` or `**/` | any number of whole directories, even none |
//!
//! A pattern that matches a directory matches all below it. Matching takes time in proportion to the lengths of pattern and
//! path, whatever the pattern.

/// A pattern, ready to be held against paths.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Pattern {
    /// Without wildcards, which is what most are.
    Plain(Vec<char>),
    Wild(Vec<Token>),
}

/// What one part of a pattern stands for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Token {
    Char(char),
    /// `?`
    One,
    /// `[…]`
    Class {
        negated: bool,
        ranges: Vec<(char, char)>,
    },
    /// `*`
    Many,
    /// `**/`: nothing, or anything that ends in a slash.
    Directories,
    /// `**` where it stands for anything at all.
    Anything,
}

impl Pattern {
    /// Understands a pattern without empty components, `.`, and slashes at its ends.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn parse(text: &str) -> Result<Self, &'static str> {
        if !text.contains(['*', '?', '[', '\\']) {
            return Ok(Self::Plain(text.chars().collect()));
        }
        let mut rest = text;
        let mut tokens = Vec::new();
        while let Some(character) = take(&mut rest) {
            tokens.push(match character {
                '*' if rest.starts_with('*') => {
                    take(&mut rest);
                    let whole_name = skip(&mut rest, '/');
                    let begins_a_name =
                        tokens.is_empty() && !whole_name && !rest.contains(['*', '?', '[', ']', '\\']);
                    if rest.is_empty() || begins_a_name {
                        Token::Anything
                    } else {
                        Token::Directories
                    }
                }
                '*' => Token::Many,
                '?' => Token::One,
                '[' => class(&mut rest)?,
                '\\' => Token::Char(take(&mut rest).ok_or("a backslash at the end stands for nothing")?),
                other => Token::Char(other),
            });
        }
        Ok(Self::Wild(tokens))
    }

    /// Whether it matches this path or a directory above it.
    pub fn matches(&self, path: &[char]) -> bool {
        match self {
            Self::Plain(own) => path
                .strip_prefix(own.as_slice())
                .is_some_and(|rest| matches!(rest, [] | ['/', ..])),
            Self::Wild(tokens) => {
                let reached = tokens
                    .iter()
                    .fold(start(path), |reached, token| token.step(&reached, path));
                let is_end = |at: usize| at > 0 && matches!(path.get(at), None | Some('/'));
                (0..reached.len()).any(|at| reached[at] && is_end(at))
            }
        }
    }

    /// Whether it could match something below this directory, without matching the directory itself.
    pub fn may_match_below(&self, directory: &[char]) -> bool {
        let below: Vec<char> = directory.iter().copied().chain(['/']).collect();
        match self {
            Self::Plain(own) => own.starts_with(&below),
            Self::Wild(tokens) => {
                let mut reached = start(&below);
                tokens.iter().any(|token| {
                    reached = token.step(&reached, &below);
                    reached[below.len()]
                })
            }
        }
    }
}

/// The positions in a path up to which nothing matches: its beginning.
fn start(path: &[char]) -> Vec<bool> {
    let mut reached = vec![false; path.len() + 1];
    reached[0] = true;
    reached
}

impl Token {
    /// The positions that are reached by this token from those reached before it.
    fn step(&self, before: &[bool], path: &[char]) -> Vec<bool> {
        let one = |accepts: &dyn Fn(char) -> bool| {
            std::iter::once(false)
                .chain((0..path.len()).map(|at| before[at] && accepts(path[at])))
                .collect()
        };
        match self {
            Self::Char(own) => one(&|character| character == *own),
            Self::One => one(&|character| character != '/'),
            Self::Class { negated, ranges } => one(&|character| {
                let is_in = ranges
                    .iter()
                    .any(|(first, last)| (*first..=*last).contains(&character));
                is_in != *negated
            }),
            Self::Many => spread(before, |at| path[at] != '/'),
            Self::Anything => spread(before, |_| true),
            Self::Directories => {
                let mut begun = false;
                (0..before.len())
                    .map(|at| {
                        let ends = begun && path[at - 1] == '/';
                        begun |= before[at];
                        before[at] || ends
                    })
                    .collect()
            }
        }
    }
}

/// What was reached, and what can be from there by any number of characters that are accepted.
fn spread(before: &[bool], accepts: impl Fn(usize) -> bool) -> Vec<bool> {
    let mut reached = false;
    (0..before.len())
        .map(|at| {
            reached = before[at] || (reached && accepts(at - 1));
            reached
        })
        .collect()
}

fn take(rest: &mut &str) -> Option<char> {
    let mut characters = rest.chars();
    let character = characters.next();
    *rest = characters.as_str();
    character
}

const OPEN: &str = "a [ is not closed";

/// What follows the `[` of a class, its `]` included.
fn class(rest: &mut &str) -> Result<Token, &'static str> {
    let negated = skip(rest, '^');
    let mut ranges = Vec::new();
    while ranges.is_empty() || !skip(rest, ']') {
        let first = bound(rest)?;
        let last = if skip(rest, '-') { bound(rest)? } else { first };
        ranges.push((first, last));
    }
    Ok(Token::Class { negated, ranges })
}

/// A character in a class, alone or at one end of a range.
fn bound(rest: &mut &str) -> Result<char, &'static str> {
    match take(rest).ok_or(OPEN)? {
        ']' => Err("there is nothing before the ]"),
        '-' => Err("a - in [] stands between two characters, or after a backslash"),
        '\\' => take(rest).ok_or(OPEN),
        character => Ok(character),
    }
}

fn skip(rest: &mut &str, character: char) -> bool {
    rest.strip_prefix(character).map(|after| *rest = after).is_some()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn matches(pattern: &str, path: &str) -> bool {
        let path: Vec<char> = path.chars().collect();
        Pattern::parse(pattern).unwrap().matches(&path)
    }

    #[test]
    fn patterns_match_as_dockers_do() {
        let table = [
            // pattern, what it matches, what it does not
            ("temp", "temp temp/a temp/a/b", "temporary a/temp"),
            ("*/temp*", "a/temporary.txt a/temp a/temp/x", "temp a/b/temp"),
            ("*/*/temp*", "a/b/temporary.txt a/b/temp/c", "a/temp a/b/c/temp"),
            ("temp?", "tempa tempb temp1/x", "temp tempab temp/"),
            ("*.md", "README.md a.md .md", "a/README.md README.mdx"),
            ("**/*.go", "a.go a/b.go a/b/c.go", "a.gob ago"),
            ("**", "a a/b .a", ""),
            ("**/", "a a/b", ""),
            ("**/foo", "foo a/foo a/b/foo foo/x", "afoo a/foob"),
            ("**foo", "foo a/foo afoo a/bfoo", "foob"),
            ("**/foo/**", "foo/a a/foo/b", "foo a/foo"),
            ("foo/**", "foo/a foo/a/b", "foo foob"),
            ("foo**", "foo foob foo/a fooa/b", "afoo"),
            ("a/**/b", "a/b a/x/b a/x/y/b a/b/c", "ab a/xb"),
            ("a**b", "ab axx/b a/b", "axb"),
            ("a**/*.txt", "a.txt ab.txt a/b.txt ax/b.txt", "b.txt a/b.md"),
            ("***/a*", "b/ac x/y/az", "a ba"),
            ("[a-c]x", "ax bx cx", "dx x abx"),
            ("[^a-c]x", "dx /x", "ax bx"),
            ("[\\-\\]]", "- ]", "a \\"),
            ("a\\*b", "a*b", "acb ab"),
            ("\\!x", "!x", "x"),
            ("日?", "日本 日x", "日 日xx"),
            ("a]", "a]", "a"),
            ("(a+b)|{c}$", "(a+b)|{c}$", "aab"),
            ("a.b", "a.b", "axb"),
        ];
        for (pattern, yes, no) in table {
            for path in yes.split_whitespace() {
                assert!(matches(pattern, path), "{pattern} must match {path}");
            }
            for path in no.split_whitespace() {
                assert!(!matches(pattern, path), "{pattern} must not match {path}");
            }
        }
    }

    #[test]
    fn what_is_no_pattern_says_why() {
        let table = [
            ("a[", "a [ is not closed"),
            ("a[b", "a [ is not closed"),
            ("a[^", "a [ is not closed"),
            ("a[\\", "a [ is not closed"),
            ("a[]", "there is nothing before the ]"),
            ("a[]b]", "there is nothing before the ]"),
            (
                "a[-b]",
                "a - in [] stands between two characters, or after a backslash",
            ),
            ("a[b-]", "there is nothing before the ]"),
            ("*\\", "a backslash at the end stands for nothing"),
        ];
        for (pattern, reason) in table {
            assert_eq!(Pattern::parse(pattern), Err(reason), "{pattern}");
        }
    }

    #[test]
    fn a_pattern_may_match_below_a_directory_that_it_begins_with() {
        let table = [
            ("a/b", "a", true),
            ("a/b/c", "a", true),
            ("a/b", "b", false),
            ("a/b", "a/b", false),
            ("ab", "a", false),
            ("*/b", "a", true),
            ("*/b", "a/c", false),
            ("**/x", "a/b/c", true),
            ("a**/x", "ab/c", true),
            ("a/**", "a", true),
            ("a/[b-d]?/x", "a/bx", true),
            ("a/[b-d]?/x", "a/ex", false),
        ];
        for (pattern, directory, expected) in table {
            let directory_characters: Vec<char> = directory.chars().collect();
            let found = Pattern::parse(pattern)
                .unwrap()
                .may_match_below(&directory_characters);
            assert_eq!(found, expected, "{pattern} below {directory}");
        }
    }

    #[test]
    fn many_wildcards_cost_no_more_than_their_number() {
        let pattern = "*a".repeat(200);
        let path = "a".repeat(4000);
        assert!(!matches(&format!("{pattern}b"), &path));
        assert!(matches(&pattern, &path));
    }
}
