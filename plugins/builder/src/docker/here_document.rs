//! Here-documents: text that stands in the Dockerfile, from the line after its instruction to a line with its name.

use super::words;
use crate::problem::Problem;

/// A here-document.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct HereDocument {
    /// As it is opened, `<<-"EOF"`.
    pub(super) opening: String,
    /// The delimiter.
    pub(super) name: String,
    /// Whether the delimiter is quoted, which keeps variables as they are.
    pub(super) quoted: bool,
    /// Whether tabs at the beginning of lines are not part of it.
    without_tabs: bool,
    /// The lines as they are written, each with its end.
    pub(super) written: String,
}

/// Where a here-document is opened.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Opening {
    word: String,
    name: String,
    quoted: bool,
    without_tabs: bool,
}

/// The openings in an instruction, in order.
pub(super) fn openings(text: &str) -> Vec<Opening> {
    words::split(text).into_iter().filter_map(opening).collect()
}

/// Whether a word opens a here-document, and which. What stands before the `<<` is a number of a descriptor at most.
pub(super) fn opening(word: &str) -> Option<Opening> {
    let rest = word
        .trim_start_matches(|c: char| c.is_ascii_digit())
        .strip_prefix("<<")?;
    let (without_tabs, rest) = match rest.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, rest),
    };
    let (mut name, mut quoted) = (String::new(), false);
    let mut quote = None;
    let mut characters = rest.chars();
    while let Some(c) = characters.next() {
        match (c, quote) {
            ('"' | '\'', None) => (quote, quoted) = (Some(c), true),
            (c, Some(open)) if c == open => quote = None,
            ('\\', None) => {
                quoted = true;
                name.extend(characters.next());
            }
            // Here a shell sees the next operator.
            ('<' | '>' | '|' | '&' | ';' | '(' | ')', None) => break,
            (c, _) => name.push(c),
        }
    }
    let complete = quote.is_none() && !name.is_empty();
    complete.then(|| Opening {
        word: word.to_owned(),
        name,
        quoted,
        without_tabs,
    })
}

impl Opening {
    /// Takes the lines of the document and the one that ends it.
    ///
    /// # Errors
    /// If there is none.
    pub(super) fn read<'a>(self, lines: impl Iterator<Item = &'a str>) -> Result<HereDocument, Problem> {
        let mut written = String::new();
        for line in lines {
            let bare = if self.without_tabs {
                line.trim_start_matches('\t')
            } else {
                line
            };
            if bare == self.name {
                return Ok(HereDocument {
                    opening: self.word,
                    name: self.name,
                    quoted: self.quoted,
                    without_tabs: self.without_tabs,
                    written,
                });
            }
            written.push_str(line);
            written.push('\n');
        }
        Err(Problem::Unended(self.word, self.name))
    }
}

impl HereDocument {
    /// What it holds.
    pub(super) fn content(&self) -> String {
        if !self.without_tabs {
            return self.written.clone();
        }
        self.written
            .split_inclusive('\n')
            .map(|line| line.trim_start_matches('\t'))
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn openings_are_words_as_a_shell_sees_them() {
        let names = |text: &str| {
            let found = openings(text);
            found
                .into_iter()
                .map(|opening| (opening.name, opening.quoted, opening.without_tabs))
                .collect::<Vec<_>>()
        };
        let plain = |name: &str| (name.to_owned(), false, false);
        assert_eq!(names("RUN <<EOF"), [plain("EOF")]);
        assert_eq!(names("RUN cat <<a 3<<b > x"), [plain("a"), plain("b")]);
        assert_eq!(names("RUN cat <<EOF>x"), [plain("EOF")]);
        assert_eq!(names("RUN <<-'E F'"), [("E F".to_owned(), true, true)]);
        assert_eq!(names("RUN <<\\EOF"), [("EOF".to_owned(), true, false)]);
        for none in [
            "RUN echo '<<EOF'",
            "RUN echo \"a <<EOF b\"",
            "RUN cat <<< word",
            "RUN cat << EOF",
            "RUN echo $((1<<2))",
            "RUN x <<-",
            "RUN x <<\"",
            "RUN echo \\<<x",
        ] {
            assert_eq!(names(none), [], "{none}");
        }
    }
}
