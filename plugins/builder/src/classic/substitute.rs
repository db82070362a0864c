//! Variables, quotes and backslashes, as a POSIX shell treats the words of `echo -n`: XCU 2.2 (quoting), 2.6.2
//! (parameter expansion) and 2.6.5 (field splitting). Left out on purpose: command substitution, arithmetic, and
//! everything that would look at the host's files.

use std::collections::BTreeMap;
use std::fmt;

/// How deep `${a:-${b:-…}}` may be.
const DEEPEST: usize = 32;

/// Why a text cannot be replaced.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reason {
    /// A quote without its partner.
    OpenQuote(char),
    /// `${` without `}`.
    OpenBrace,
    /// What stands in `${…}` is none of the known forms.
    Form,
    /// `$(…)` or backquotes.
    Command,
    /// `${x:?message}` of a variable that is not set.
    Required(String),
    /// Too many `${` in each other.
    Depth,
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::OpenQuote(quote) => write!(f, "a {quote} is not closed"),
            Self::OpenBrace => f.write_str("'${' is not closed"),
            Self::Form => {
                f.write_str("known are $x ${x} ${x:-w} ${x-w} ${x:+w} ${x+w} ${x:=w} ${x=w} ${x:?w} ${x?w}")
            }
            Self::Command => {
                f.write_str("commands are not run here; write \\$( or \\` for the characters themselves")
            }
            Self::Required(message) => f.write_str(message),
            Self::Depth => write!(f, "more than {DEEPEST} ${{ in each other"),
        }
    }
}

/// Replaces what there is to replace. Unset variables are empty; words are joined by single blanks.
///
/// # Errors
/// If a quote or brace is open, or something is asked for that is not done.
pub fn substitute<'a>(
    text: &str,
    variables: impl IntoIterator<Item = (&'a str, &'a str)>,
) -> Result<String, Reason> {
    let mut expansion = Expansion {
        rest: text.chars().collect::<Vec<_>>().into_iter().peekable(),
        variables: variables
            .into_iter()
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .collect(),
        words: Words::default(),
        depth: 0,
        unused: 0,
    };
    expansion.run(End::Text, false)?;
    Ok(expansion.words.text)
}

/// Words, joined by single blanks as they come.
#[derive(Default)]
struct Words {
    text: String,
    started: bool,
    gap: bool,
}

impl Words {
    /// A word begins here, even if nothing follows: `""` is a word.
    fn start(&mut self) {
        if self.gap && self.started {
            self.text.push(' ');
        }
        self.gap = false;
        self.started = true;
    }

    fn push(&mut self, c: char) {
        self.start();
        self.text.push(c);
    }

    fn end(&mut self) {
        self.gap = true;
    }

    fn at_start_of_word(&self) -> bool {
        self.gap || !self.started
    }
}

/// What ends a stretch of text.
#[derive(Clone, Copy, PartialEq, Eq)]
enum End {
    Text,
    Brace,
}

/// How `${name<op>word}` chooses.
#[derive(Clone, Copy)]
enum Operator {
    /// `-`: the word where the variable is missing.
    Default,
    /// `+`: the word where it is not.
    Alternative,
    /// `=`: as `-`, and the variable keeps it.
    Assign,
    /// `?`: an error where it is missing.
    Require,
}

struct Expansion {
    rest: std::iter::Peekable<std::vec::IntoIter<char>>,
    variables: BTreeMap<String, String>,
    words: Words,
    depth: usize,
    /// Above 0 within a word that is not wanted: it is read, but has no effect.
    unused: usize,
}

impl Expansion {
    /// Up to the end of the text, or to the brace that closes a word. `quoted`: within double quotes.
    fn run(&mut self, end: End, quoted: bool) -> Result<(), Reason> {
        let mut quoted = quoted;
        let outside = quoted;
        while let Some(c) = self.rest.next() {
            match c {
                '}' if end == End::Brace && quoted == outside => return Ok(()),
                '\\' => self.backslash(quoted),
                '"' => {
                    quoted = !quoted;
                    self.words.start();
                }
                '\'' if !quoted => self.single_quotes()?,
                '$' => self.dollar(quoted)?,
                '`' => return Err(Reason::Command),
                ' ' | '\t' | '\n' if !quoted => self.words.end(),
                '#' if !quoted && end == End::Text && self.words.at_start_of_word() => {
                    self.rest.by_ref().for_each(drop);
                }
                _ => self.words.push(c),
            }
        }
        match (end, quoted == outside) {
            (_, false) => Err(Reason::OpenQuote('"')),
            (End::Brace, true) => Err(Reason::OpenBrace),
            (End::Text, true) => Ok(()),
        }
    }

    fn backslash(&mut self, quoted: bool) {
        let in_braces = self.depth > 0;
        let special = |c: &char| !quoted || matches!(c, '$' | '`' | '"' | '\\') || (in_braces && *c == '}');
        let escaped = self.rest.next_if(special);
        self.words.push(escaped.unwrap_or('\\'));
    }

    fn single_quotes(&mut self) -> Result<(), Reason> {
        self.words.start();
        loop {
            match self.rest.next() {
                Some('\'') => return Ok(()),
                Some(c) => self.words.push(c),
                None => return Err(Reason::OpenQuote('\'')),
            }
        }
    }

    /// Behind a `$`.
    fn dollar(&mut self, quoted: bool) -> Result<(), Reason> {
        match self.rest.peek() {
            Some('{') => {
                self.rest.next();
                self.braces(quoted)
            }
            Some('(') => Err(Reason::Command),
            Some(c) if begins_name(*c) => {
                let name = self.name();
                self.value(&name, quoted);
                Ok(())
            }
            // A positional parameter: there are none.
            Some(c) if c.is_ascii_digit() => {
                self.rest.next();
                Ok(())
            }
            _ => {
                self.words.push('$');
                Ok(())
            }
        }
    }

    /// Behind a `${`.
    fn braces(&mut self, quoted: bool) -> Result<(), Reason> {
        if !self.rest.peek().copied().is_some_and(begins_name) {
            return Err(if self.rest.peek().is_some() {
                Reason::Form
            } else {
                Reason::OpenBrace
            });
        }
        let name = self.name();
        if self.rest.next_if_eq(&'}').is_some() {
            self.value(&name, quoted);
            return Ok(());
        }
        let or_empty = self.rest.next_if_eq(&':').is_some();
        let operator = match self.rest.next() {
            Some('-') => Operator::Default,
            Some('+') => Operator::Alternative,
            Some('=') => Operator::Assign,
            Some('?') => Operator::Require,
            Some(_) => return Err(Reason::Form),
            None => return Err(Reason::OpenBrace),
        };
        let missing = self
            .variables
            .get(&name)
            .is_none_or(|value| or_empty && value.is_empty());
        match (operator, missing) {
            (Operator::Default, true) | (Operator::Alternative, false) => self.word(quoted),
            (Operator::Default | Operator::Assign | Operator::Require, false) => {
                self.skipped_word(quoted)?;
                self.value(&name, quoted);
                Ok(())
            }
            (Operator::Alternative, true) => self.skipped_word(quoted),
            (Operator::Assign, true) => {
                let word = self.separate_word(quoted)?;
                if self.unused == 0 {
                    self.variables.insert(name.clone(), word);
                }
                self.value(&name, quoted);
                Ok(())
            }
            (Operator::Require, true) => {
                let word = self.separate_word(quoted)?;
                let message = if word.is_empty() { "it is not set" } else { &word };
                if self.unused == 0 {
                    return Err(Reason::Required(format!("{name}: {message}")));
                }
                Ok(())
            }
        }
    }

    /// The word of `${x:-word}`, in place.
    fn word(&mut self, quoted: bool) -> Result<(), Reason> {
        if self.depth == DEEPEST {
            return Err(Reason::Depth);
        }
        self.depth += 1;
        self.run(End::Brace, quoted)?;
        self.depth -= 1;
        Ok(())
    }

    /// The word for itself.
    fn separate_word(&mut self, quoted: bool) -> Result<String, Reason> {
        let before = std::mem::take(&mut self.words);
        self.word(quoted)?;
        Ok(std::mem::replace(&mut self.words, before).text)
    }

    /// The word, read and forgotten.
    fn skipped_word(&mut self, quoted: bool) -> Result<(), Reason> {
        let before = std::mem::take(&mut self.words);
        self.unused += 1;
        self.word(quoted)?;
        self.unused -= 1;
        self.words = before;
        Ok(())
    }

    fn name(&mut self) -> String {
        let mut name = String::new();
        while let Some(c) = self.rest.next_if(|c| begins_name(*c) || c.is_ascii_digit()) {
            name.push(c);
        }
        name
    }

    /// A variable's value: outside of quotes it is split into words like any text.
    fn value(&mut self, name: &str, quoted: bool) {
        let Some(value) = self.variables.get(name) else {
            return;
        };
        for c in value.chars() {
            match c {
                ' ' | '\t' | '\n' if !quoted => self.words.end(),
                _ => self.words.push(c),
            }
        }
    }
}

fn begins_name(c: char) -> bool {
    c.is_ascii_alphabetic() || c == '_'
}

#[cfg(test)]
mod tests {
    use super::*;

    const VARIABLES: [(&str, &str); 4] = [("x", "X"), ("blank", "a  b"), ("empty", ""), ("quote", "\"")];

    fn expand(text: &str) -> Result<String, Reason> {
        substitute(text, VARIABLES)
    }

    #[test]
    fn texts_become_what_a_shell_makes_of_them() {
        let cases = [
            ("plain", "plain"),
            ("$x", "X"),
            ("${x}", "X"),
            ("a${x}b", "aXb"),
            ("$xx", ""),
            ("$x.$x", "X.X"),
            ("${x:-w}", "X"),
            ("${unset:-w}", "w"),
            ("${empty:-w}", "w"),
            ("${unset-w}", "w"),
            ("${empty-w}", ""),
            ("${x:+w}", "w"),
            ("${unset:+w}", ""),
            ("${empty:+w}", ""),
            ("${empty+w}", "w"),
            ("${unset+w}", ""),
            ("${unset:=w}$unset", "ww"),
            ("${x:=w}$x", "XX"),
            ("${unset=w}", "w"),
            ("${empty=w}", ""),
            ("${x:?w}", "X"),
            ("${unset:-${x}y}", "Xy"),
            ("${unset:-${unset:-deep}}", "deep"),
            ("${x:+${unset:=w}}$unset", "ww"),
            ("${x:-${unset:=w}}$unset", "X"),
            ("${x:-${unset:?w}}", "X"),
            (r"\$5\$x", "$5$x"),
            (r"\\", r"\"),
            (r"a\ \ b", "a  b"),
            (r#""\a\$\"""#, r#"\a$""#),
            ("'$x \\'", "$x \\"),
            ("\"a  $x\"", "a  X"),
            ("a   b  ", "a b"),
            ("  a", "a"),
            ("a \"\" b", "a  b"),
            ("$blank", "a b"),
            ("\"$blank\"", "a  b"),
            ("\"${unset:-a  b}\"", "a  b"),
            ("${unset:-\"a  b\"}", "a  b"),
            ("\"${unset:=a  b}\"", "a  b"),
            ("a $unset b", "a b"),
            ("$quote", "\""),
            ("a # note", "a"),
            ("a#b", "a#b"),
            ("$ $", "$ $"),
            ("$1x", "x"),
            ("*.txt ; rm -rf / > file", "*.txt ; rm -rf / > file"),
        ];
        for (text, expected) in cases {
            assert_eq!(expand(text).as_deref(), Ok(expected), "{text}");
        }
    }

    #[test]
    fn what_is_not_closed_is_an_error() {
        for (text, reason) in [
            ("x\" # note", Reason::OpenQuote('"')),
            ("it's", Reason::OpenQuote('\'')),
            ("${x", Reason::OpenBrace),
            ("${", Reason::OpenBrace),
            ("${x:", Reason::OpenBrace),
            ("${unset:-\"w}", Reason::OpenQuote('"')),
        ] {
            assert_eq!(expand(text), Err(reason), "{text}");
        }
    }

    #[test]
    fn commands_are_never_run() {
        for text in ["$(id)", "`id`", "\"$(id)\"", "${unset:-$(id)}", "$((1+1))"] {
            assert_eq!(expand(text), Err(Reason::Command), "{text}");
        }
        assert_eq!(expand("'$(id)'").as_deref(), Ok("$(id)"));
    }

    #[test]
    fn unknown_forms_are_errors() {
        for text in ["${#x}", "${x%y}", "${x:1}", "${}", "${1}"] {
            assert_eq!(expand(text), Err(Reason::Form), "{text}");
        }
    }

    #[test]
    fn a_required_variable_says_what_is_missing() {
        assert_eq!(
            expand("${unset:?give a tag}"),
            Err(Reason::Required("unset: give a tag".to_owned()))
        );
        assert_eq!(
            expand("${unset?}"),
            Err(Reason::Required("unset: it is not set".to_owned()))
        );
    }

    #[test]
    fn nesting_has_a_bottom() {
        let nested = |depth| format!("{}w{}", "${unset:-".repeat(depth), "}".repeat(depth));
        assert_eq!(expand(&nested(DEEPEST)).as_deref(), Ok("w"));
        assert_eq!(expand(&nested(DEEPEST + 1)), Err(Reason::Depth));
        assert_eq!(expand(&"${x:=".repeat(100_000)), Err(Reason::Depth));
    }
}
