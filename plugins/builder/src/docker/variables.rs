//! Variables, quotes and backslashes as Docker replaces them: what is quoted loses its quotes, `'…'` is left alone, and
//! blanks stay as they are. There are `$x`, `${x}`, `${x:-w}`, `${x:+w}`, `${x:?w}` (each also without `:`), `${x#p}`,
//! `${x##p}`, `${x%p}`, `${x%%p}`, `${x/p/w}` and `${x//p/w}`. Commands do not exist here.

use std::collections::BTreeMap;
use std::fmt;
use std::iter::Peekable;
use std::vec::IntoIter;

use super::pattern;

/// How deep `${a:-${b:-…}}` may be.
const DEEPEST: usize = 32;

/// Why a text cannot be replaced.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Reason {
    /// A quote without its partner.
    OpenQuote(char),
    /// `${` without `}`.
    OpenBrace,
    /// What stands in `${…}` is none of the known forms.
    Form,
    /// `${x:?message}` of a variable that is not set.
    Required(String),
    /// Too many `${` in each other.
    Depth,
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::OpenQuote(quote) => write!(f, "a {quote} is not closed; write \\{quote} for the character itself"),
            Self::OpenBrace => f.write_str("'${' is not closed"),
            Self::Form => f.write_str(
                "known are $x ${x} ${x:-w} ${x-w} ${x:+w} ${x+w} ${x:?w} ${x?w} ${x#p} ${x##p} ${x%p} ${x%%p} \
                 ${x/p/w} ${x//p/w}",
            ),
            Self::Required(message) => f.write_str(message),
            Self::Depth => write!(f, "more than {DEEPEST} ${{ in each other"),
        }
    }
}

/// Variables by name.
pub(super) type Variables = BTreeMap<String, String>;

/// A word of an instruction with its variables replaced and its quotes taken away. Unset variables are empty.
///
/// # Errors
/// If a quote or brace is open, or something is asked for that is not known.
pub(super) fn word(text: &str, variables: &Variables) -> Result<String, Reason> {
    Replacement::new(text, variables, Quotes::Removed).run()
}

/// A text with its variables replaced, in which quotes are characters like others: a here-document.
///
/// # Errors
/// As [`word`], but for quotes.
pub(super) fn document(text: &str, variables: &Variables) -> Result<String, Reason> {
    Replacement::new(text, variables, Quotes::Kept).run()
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Quotes {
    Removed,
    Kept,
}

struct Replacement<'a> {
    rest: Peekable<IntoIter<char>>,
    variables: &'a Variables,
    quotes: Quotes,
    depth: usize,
    /// Above 0 within a word that is not wanted.
    unneeded: usize,
}

impl<'a> Replacement<'a> {
    fn new(text: &str, variables: &'a Variables, quotes: Quotes) -> Self {
        Self {
            rest: text.chars().collect::<Vec<_>>().into_iter().peekable(),
            variables,
            quotes,
            depth: 0,
            unneeded: 0,
        }
    }

    fn run(mut self) -> Result<String, Reason> {
        self.until(None)
    }

    /// Up to `end`, which is taken, or where there is none up to the end of the text.
    fn until(&mut self, end: Option<char>) -> Result<String, Reason> {
        let mut text = String::new();
        while let Some(c) = self.rest.next() {
            match c {
                c if Some(c) == end => return Ok(text),
                '\\' => text.push(self.rest.next().unwrap_or('\\')),
                '\'' if self.quotes == Quotes::Removed => self.single_quotes(&mut text)?,
                '"' if self.quotes == Quotes::Removed => self.double_quotes(&mut text)?,
                '$' => self.dollar(&mut text)?,
                c => text.push(c),
            }
        }
        if end.is_some() {
            return Err(Reason::OpenBrace);
        }
        Ok(text)
    }

    fn single_quotes(&mut self, text: &mut String) -> Result<(), Reason> {
        loop {
            match self.rest.next() {
                Some('\'') => return Ok(()),
                Some(c) => text.push(c),
                None => return Err(Reason::OpenQuote('\'')),
            }
        }
    }

    fn double_quotes(&mut self, text: &mut String) -> Result<(), Reason> {
        loop {
            match self.rest.next() {
                Some('"') => return Ok(()),
                Some('$') => self.dollar(text)?,
                Some('\\') => {
                    let special = |c: &char| matches!(c, '"' | '$' | '\\');
                    text.push(self.rest.next_if(special).unwrap_or('\\'));
                }
                Some(c) => text.push(c),
                None => return Err(Reason::OpenQuote('"')),
            }
        }
    }

    /// Behind a `$`.
    fn dollar(&mut self, text: &mut String) -> Result<(), Reason> {
        match self.rest.peek() {
            Some('{') => {
                self.rest.next();
                text.push_str(&self.braces()?);
            }
            // A positional parameter: there are none.
            Some(c) if c.is_ascii_digit() => {
                self.rest.next();
            }
            Some(c) if begins_name(*c) => {
                let name = self.name();
                text.push_str(self.value(&name).unwrap_or_default());
            }
            _ => text.push('$'),
        }
        Ok(())
    }

    /// Behind a `${`.
    fn braces(&mut self) -> Result<String, Reason> {
        if self.depth == DEEPEST {
            return Err(Reason::Depth);
        }
        self.depth += 1;
        let replaced = self.expression()?;
        self.depth -= 1;
        Ok(replaced)
    }

    fn expression(&mut self) -> Result<String, Reason> {
        let name = self.name();
        if name.is_empty() {
            return Err(self.rest.peek().map_or(Reason::OpenBrace, |_| Reason::Form));
        }
        let value = self.value(&name);
        let given = value.unwrap_or_default();
        match self.rest.next() {
            Some('}') => Ok(given.to_owned()),
            Some(':') => {
                let value = value.filter(|value| !value.is_empty());
                let operator = self.rest.next();
                self.alternative(&name, value, operator)
            }
            operator @ Some('-' | '+' | '?') => self.alternative(&name, value, operator),
            Some('#') => {
                let longest = self.rest.next_if_eq(&'#').is_some();
                Ok(pattern::without_prefix(given, &self.pattern('}')?, longest).to_owned())
            }
            Some('%') => {
                let longest = self.rest.next_if_eq(&'%').is_some();
                Ok(pattern::without_suffix(given, &self.pattern('}')?, longest).to_owned())
            }
            Some('/') => {
                let all = self.rest.next_if_eq(&'/').is_some();
                let wanted = self.pattern('/')?;
                let replacement = self.until(Some('}'))?;
                Ok(pattern::replaced(given, &wanted, &replacement, all))
            }
            Some(_) => Err(Reason::Form),
            None => Err(Reason::OpenBrace),
        }
    }

    /// `-`, `+` or `?` and its word; `value` is none where the variable counts as missing.
    fn alternative(
        &mut self,
        name: &str,
        value: Option<&str>,
        operator: Option<char>,
    ) -> Result<String, Reason> {
        let missing = match operator {
            Some('-' | '+' | '?') => value.is_none(),
            Some(_) => return Err(Reason::Form),
            None => return Err(Reason::OpenBrace),
        };
        let wanted = missing != (operator == Some('+'));
        if !wanted {
            // It is read all the same, to find its end; what is missing in it is nobody's concern.
            self.unneeded += 1;
            self.until(Some('}'))?;
            self.unneeded -= 1;
            let kept = if operator == Some('+') { None } else { value };
            return Ok(kept.unwrap_or_default().to_owned());
        }
        let word = self.until(Some('}'))?;
        if operator != Some('?') || self.unneeded > 0 {
            return Ok(word);
        }
        let message = if word.is_empty() { "it is not set" } else { &word };
        Err(Reason::Required(format!("{name}: {message}")))
    }

    /// A pattern up to `end`, with its variables replaced. A backslash stays, for it says that a character is itself.
    fn pattern(&mut self, end: char) -> Result<String, Reason> {
        let mut pattern = String::new();
        while let Some(c) = self.rest.next() {
            match c {
                c if c == end => return Ok(pattern),
                '}' => return Err(Reason::Form),
                '\\' => {
                    pattern.push('\\');
                    pattern.extend(self.rest.next());
                }
                '$' => self.dollar(&mut pattern)?,
                c => pattern.push(c),
            }
        }
        Err(Reason::OpenBrace)
    }

    fn name(&mut self) -> String {
        let mut name = String::new();
        while let Some(c) = self
            .rest
            .next_if(|c| begins_name(*c) || (!name.is_empty() && c.is_ascii_digit()))
        {
            name.push(c);
        }
        name
    }

    fn value(&self, name: &str) -> Option<&'a str> {
        self.variables.get(name).map(String::as_str)
    }
}

fn begins_name(c: char) -> bool {
    c.is_ascii_alphabetic() || c == '_'
}

#[cfg(test)]
mod tests {
    use super::*;

    fn known() -> Variables {
        [
            ("x", "X"),
            ("blank", "a  b"),
            ("empty", ""),
            ("path", "/usr/lib/a.tar.gz"),
        ]
        .into_iter()
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .collect()
    }

    #[test]
    fn words_are_replaced_as_docker_does() {
        for (text, expected) in [
            ("plain", "plain"),
            ("$x${x}y$xy", "XXy"),
            ("${unset:-w}${empty-w}${empty:-w}", "ww"),
            ("${x:+w}${unset:+w}${empty+w}${unset+w}", "ww"),
            ("${x:?w}${empty?w}", "X"),
            ("${unset:-${x}${unset:-deep}}", "Xdeep"),
            ("${x:-${unset:?w}}", "X"),
            ("\\$x \\a \\\\", "$x a \\"),
            ("\"$x \\\" \\$x \\a '$x'\"", "X \" $x \\a 'X'"),
            ("'$x \\n'\"\"", "$x \\n"),
            ("$blank  c", "a  b  c"),
            ("$ $1x ${x}$", "$ x X$"),
            ("*.txt ; $(id) `id` > file", "*.txt ; $(id) `id` > file"),
            ("${path#*/}|${path##*/}", "usr/lib/a.tar.gz|a.tar.gz"),
            ("${path%.*}|${path%%.*}", "/usr/lib/a.tar|/usr/lib/a"),
            (
                "${path/\\//:}|${path//\\//:}",
                ":usr/lib/a.tar.gz|:usr:lib:a.tar.gz",
            ),
            ("${path/l?b/$x}", "/usr/X/a.tar.gz"),
            ("${unset#a}${unset/a/b}", ""),
        ] {
            assert_eq!(word(text, &known()).as_deref(), Ok(expected), "{text}");
        }
    }

    #[test]
    fn documents_keep_their_quotes() {
        let text = "it's \"$x\" \\$x \\\\\n";
        assert_eq!(document(text, &known()).as_deref(), Ok("it's \"X\" $x \\\n"));
    }

    #[test]
    fn what_is_wrong_is_said() {
        for (text, reason) in [
            ("it's", Reason::OpenQuote('\'')),
            ("\"x", Reason::OpenQuote('"')),
            ("${x", Reason::OpenBrace),
            ("${", Reason::OpenBrace),
            ("${x:", Reason::OpenBrace),
            ("${x:-", Reason::OpenBrace),
            ("${x/a", Reason::OpenBrace),
            ("${x#a", Reason::OpenBrace),
            ("${}", Reason::Form),
            ("${1}", Reason::Form),
            ("${x:1}", Reason::Form),
            ("${x/a}", Reason::Form),
            ("${x^}", Reason::Form),
            (
                "${unset:?give a tag}",
                Reason::Required("unset: give a tag".to_owned()),
            ),
            ("${unset?}", Reason::Required("unset: it is not set".to_owned())),
        ] {
            assert_eq!(word(text, &known()), Err(reason), "{text}");
        }
        let nested = |depth| format!("{}w{}", "${unset:-".repeat(depth), "}".repeat(depth));
        assert_eq!(word(&nested(DEEPEST), &known()).as_deref(), Ok("w"));
        assert_eq!(word(&nested(100_000), &known()), Err(Reason::Depth));
    }
}
