//! Expands the sources of `COPY` to the files of a context they match.
//!
//! `*` and `?` stay within one component and, like `[…]`, do not match a dot at its start; `**` is any number of directories,
//! none hidden, none through a link; `{a,b}` are alternatives; a backslash takes the meaning from what follows. Docker's rules
//! know no hidden files and no alternatives. A shell is never asked.

use std::{
    ffi::OsStr,
    os::unix::ffi::OsStrExt,
    path::{Path, PathBuf},
};

use globset::{GlobBuilder, GlobMatcher};
use rustix::fs::FileType;

use super::{Origin, Rules, Source, Visible, names_directory};
use crate::{
    error::{Error, IoContext, Result},
    node,
};

/// How many patterns the braces of one source may stand for.
const MAX_ALTERNATIVES: usize = 1024;

/// All files and directories that a source stands for, sorted.
pub(super) fn expand(origin: &Origin<'_>, source: &str, rules: Rules) -> Result<Vec<Source>> {
    let patterns = match rules {
        Rules::Classic => alternatives(source).map_err(|reason| bad(source, reason))?,
        Rules::Docker => vec![source.to_owned()],
    };
    let mut found = Vec::new();
    for pattern in patterns {
        let parts = parts(&pattern, rules).map_err(|reason| bad(source, reason))?;
        let mut search = Search {
            origin,
            rules,
            content: names_directory(&pattern),
            found: &mut found,
        };
        search.descend(&PathBuf::new(), &parts)?;
    }
    found.sort();
    found.dedup();
    if found.is_empty() {
        return Err(Error::NoMatch {
            source_pattern: source.to_owned(),
        });
    }
    Ok(found)
}

fn bad(source: &str, reason: String) -> Error {
    Error::BadPattern {
        source_pattern: source.to_owned(),
        reason,
    }
}

/// One component of a pattern.
#[derive(Debug)]
enum Part {
    /// A name to be taken as it is, or `..`.
    Name(String),
    /// A name with wildcards.
    Wild { matcher: GlobMatcher, hidden_too: bool },
    /// `**`
    AnyDepth { hidden_too: bool },
}

impl Part {
    fn matches(&self, name: &OsStr) -> bool {
        match self {
            Self::Name(own) => name == own.as_str(),
            Self::Wild { matcher, hidden_too } => {
                (*hidden_too || !is_hidden(name)) && matcher.is_match(Path::new(name))
            }
            Self::AnyDepth { hidden_too } => *hidden_too || !is_hidden(name),
        }
    }
}

fn is_hidden(name: &OsStr) -> bool {
    name.as_bytes().starts_with(b".")
}

/// A leading slash means the context, as everywhere in Dockerfiles; `.` and empty components mean nothing.
fn parts(pattern: &str, rules: Rules) -> std::result::Result<Vec<Part>, String> {
    pattern
        .split('/')
        .filter(|part| !matches!(*part, "" | "."))
        .map(|text| part(text, rules))
        .collect()
}

fn part(text: &str, rules: Rules) -> std::result::Result<Part, String> {
    let all = rules == Rules::Docker;
    if text == "**" {
        return Ok(Part::AnyDepth { hidden_too: all });
    }
    if !text.contains(['*', '?', '[', '\\']) {
        return Ok(Part::Name(text.to_owned()));
    }
    // Braces are alternatives to the matcher, too; those that are meant have been resolved.
    let text = &text.replace('{', "[{]").replace('}', "[}]");
    let glob = GlobBuilder::new(text)
        .backslash_escape(true)
        .build()
        .map_err(|error| error.kind().to_string())?;
    Ok(Part::Wild {
        matcher: glob.compile_matcher(),
        hidden_too: all || text.starts_with('.') || text.starts_with("\\."),
    })
}

/// The patterns that `{a,b}` stand for, from left to right; braces may nest.
fn alternatives(pattern: &str) -> std::result::Result<Vec<String>, String> {
    let mut done = Vec::new();
    let mut todo = vec![pattern.to_owned()];
    while let Some(pattern) = todo.pop() {
        if done.len() + todo.len() > MAX_ALTERNATIVES {
            return Err(format!(
                "its braces stand for more than {MAX_ALTERNATIVES} patterns"
            ));
        }
        match first_braces(&pattern)? {
            None => done.push(pattern),
            Some(braces) => {
                let (before, after) = (&pattern[..braces.start], &pattern[braces.end..]);
                todo.extend(
                    braces
                        .choices
                        .iter()
                        .rev()
                        .map(|choice| format!("{before}{choice}{after}")),
                );
            }
        }
    }
    Ok(done)
}

/// The first outermost `{…}` of a pattern, by byte positions.
struct Braces<'a> {
    start: usize,
    end: usize,
    choices: Vec<&'a str>,
}

fn first_braces(pattern: &str) -> std::result::Result<Option<Braces<'_>>, String> {
    let (mut depth, mut start, mut choice, mut choices) = (0_u32, 0, 0, Vec::new());
    let mut characters = pattern.char_indices();
    while let Some((at, character)) = characters.next() {
        match character {
            '\\' => {
                characters.next();
            }
            '{' => {
                depth += 1;
                if depth == 1 {
                    (start, choice) = (at, at + 1);
                }
            }
            ',' if depth == 1 => {
                choices.push(&pattern[choice..at]);
                choice = at + 1;
            }
            '}' if depth == 1 => {
                choices.push(&pattern[choice..at]);
                return Ok(Some(Braces {
                    start,
                    end: at + 1,
                    choices,
                }));
            }
            '}' if depth > 1 => depth -= 1,
            _ => {}
        }
    }
    if depth > 0 {
        return Err(String::from("a { is not closed"));
    }
    Ok(None)
}

/// A search through an origin.
struct Search<'a> {
    origin: &'a Origin<'a>,
    rules: Rules,
    content: bool,
    found: &'a mut Vec<Source>,
}

impl Search<'_> {
    /// Finds what `parts` match below the directory `at`.
    fn descend(&mut self, at: &Path, parts: &[Part]) -> Result<()> {
        match parts {
            [] => self.take(at),
            [Part::Name(name), rest @ ..] => self.step(&at.join(name), rest),
            [part @ Part::Wild { .. }, rest @ ..] => {
                for name in self.names(at)?.into_iter().filter(|name| part.matches(name)) {
                    self.step(&at.join(name), rest)?;
                }
                Ok(())
            }
            [part @ Part::AnyDepth { .. }, rest @ ..] => {
                if !rest.is_empty() {
                    self.descend(at, rest)?;
                }
                for name in self.names(at)?.into_iter().filter(|name| part.matches(name)) {
                    let below = at.join(name);
                    if rest.is_empty() {
                        self.take(&below)?;
                    }
                    if self.kind(&below, false)? == Some(FileType::Directory) {
                        self.descend(&below, parts)?;
                    }
                }
                Ok(())
            }
        }
    }

    /// Goes on below `at` if more is to be matched there, which needs a directory.
    fn step(&mut self, at: &Path, rest: &[Part]) -> Result<()> {
        if rest.is_empty() {
            return self.take(at);
        }
        match self.kind(at, true)? {
            Some(FileType::Directory) => self.descend(at, rest),
            _ => Ok(()),
        }
    }

    /// Notes what was found, if it is there and visible and, where content is meant, is a directory.
    fn take(&mut self, path: &Path) -> Result<()> {
        let follow = self.content || self.rules == Rules::Docker;
        // A link that leads nowhere is copied as it is.
        let (kind, follow) = match self.kind(path, follow)? {
            None if !self.content => (self.kind(path, false)?, false),
            kind => (kind, follow),
        };
        let Some(kind) = kind else { return Ok(()) };
        let is_dir = kind == FileType::Directory;
        if (self.content && !is_dir) || self.origin.visible(path, is_dir) == Visible::No {
            return Ok(());
        }
        self.found.push(Source {
            path: path.to_owned(),
            follow,
            content: self.content || (is_dir && self.rules == Rules::Docker),
        });
        Ok(())
    }

    fn kind(&self, path: &Path, follow: bool) -> Result<Option<FileType>> {
        match self.origin.find(&source(path, follow)) {
            Ok(place) => Ok(place.stat()?.map(|stat| node::kind(&stat))),
            Err(Error::Io { source, .. }) if source.kind() == std::io::ErrorKind::NotFound => Ok(None),
            Err(Error::NotADirectory { .. }) => Ok(None),
            Err(error) => Err(error),
        }
    }

    fn names(&self, at: &Path) -> Result<Vec<std::ffi::OsString>> {
        let place = self.origin.find(&source(at, true))?;
        let dir = node::open_dir(&place.dir, place.name()).on("open the directory", at)?;
        node::names(&dir).on("list", at)
    }
}

fn source(path: &Path, follow: bool) -> Source {
    Source {
        path: path.to_owned(),
        follow,
        content: false,
    }
}
