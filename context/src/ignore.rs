//! The rules of `.dockerignore`.
//!
//! One pattern per line, relative to the context; slashes at its ends mean nothing. Empty lines and those that begin with
//! `#` say nothing. A pattern after `!` brings back what it matches. The last rule that matches a file, or a directory above
//! it, decides.

use std::borrow::Cow;
use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use crate::error::{Error, Result};
use crate::pattern::Pattern;

/// The ignore file of a context.
const NAME: &str = ".dockerignore";

/// What the name of a Dockerfile is followed by in the name of an ignore file of its own.
const SUFFIX: &str = ".dockerignore";

/// No honest ignore file is larger, in bytes.
const LARGEST: u64 = 1 << 20;

/// Which files of a context do not belong to a build.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Ignore {
    rules: Vec<Rule>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Rule {
    excludes: bool,
    pattern: Pattern,
}

impl Ignore {
    /// The rules for a build of this Dockerfile, which is a path relative to the context or absolute: those of the file beside
    /// it that is called as it is, with `.dockerignore` appended; else those of `.dockerignore` in the context; else none.
    ///
    /// # Errors
    /// [`Error::BadPattern`] with file and line, [`Error::BadIgnoreFile`], [`Error::Io`].
    pub fn read(context: &Path, dockerfile: impl AsRef<Path>) -> Result<Self> {
        let mut own = context.join(dockerfile).into_os_string();
        own.push(SUFFIX);
        for file in [PathBuf::from(own), context.join(NAME)] {
            if let Some(text) = read(&file)? {
                return Self::parse(&file, &text);
            }
        }
        Ok(Self::default())
    }

    /// Understands the text of an ignore file; `file` is for messages.
    ///
    /// # Errors
    /// [`Error::BadPattern`] with the line.
    pub fn parse(file: &Path, text: &str) -> Result<Self> {
        let text = text.strip_prefix('\u{feff}').unwrap_or(text);
        let mut rules = Vec::new();
        for (index, line) in text.lines().enumerate() {
            if line.starts_with('#') || line.trim().is_empty() {
                continue;
            }
            let rule = Rule::parse(line.trim()).map_err(|reason| Error::BadPattern {
                file: file.to_owned(),
                line: index + 1,
                pattern: line.trim().to_owned(),
                reason,
            })?;
            rules.push(rule);
        }
        Ok(Self { rules })
    }

    /// Whether a file or directory, by its path relative to the context, is left out.
    #[must_use]
    pub fn excludes(&self, path: &Path) -> bool {
        let path = characters(path);
        self.decisive(&path).is_some_and(|rule| self.rules[rule].excludes)
    }

    /// Whether everything below a directory is left out, so that there is no need to look.
    #[must_use]
    pub fn excludes_all_below(&self, directory: &Path) -> bool {
        let directory = characters(directory);
        // What is below may be brought back only by a later rule than the one that leaves out the directory.
        self.decisive(&directory).is_some_and(|rule| {
            self.rules[rule].excludes
                && !self.rules[rule..]
                    .iter()
                    .any(|later| !later.excludes && later.pattern.may_match_below(&directory))
        })
    }

    /// The last rule that matches.
    fn decisive(&self, path: &[char]) -> Option<usize> {
        self.rules.iter().rposition(|rule| rule.pattern.matches(path))
    }
}

impl Rule {
    fn parse(line: &str) -> std::result::Result<Self, &'static str> {
        let (excludes, pattern) = match line.strip_prefix('!') {
            Some(rest) => (false, rest.trim()),
            None => (true, line),
        };
        if pattern.is_empty() {
            return Err("there is nothing after !");
        }
        Ok(Self {
            excludes,
            pattern: Pattern::parse(&cleaned(pattern))?,
        })
    }
}

/// A pattern as Go's `filepath.Clean` has it, without the slash in front: no empty components, no `.`, no `x/..`.
fn cleaned(pattern: &str) -> String {
    let mut parts: Vec<&str> = Vec::new();
    for part in pattern.split('/') {
        match part {
            "" | "." => {}
            ".." if pattern.starts_with('/') && parts.is_empty() => {}
            ".." if parts.last().is_some_and(|last| *last != "..") => {
                parts.pop();
            }
            part => parts.push(part),
        }
    }
    match parts.as_slice() {
        // The context itself, which no rule can leave out: nothing has this path.
        [] => ".".to_owned(),
        parts => parts.join("/"),
    }
}

/// The text of an ignore file, if it exists.
fn read(path: &Path) -> Result<Option<String>> {
    let failed = |source| Error::Io {
        action: "read",
        path: path.to_owned(),
        source,
    };
    let bad = |reason| Error::BadIgnoreFile {
        file: path.to_owned(),
        reason,
    };
    match path.metadata() {
        Ok(metadata) if !metadata.is_file() => return Err(bad("is not a regular file")),
        Ok(_) => {}
        Err(error) if is_absence(&error) => return Ok(None),
        Err(error) => return Err(failed(error)),
    }
    let mut content = Vec::new();
    File::open(path)
        .and_then(|file| file.take(LARGEST + 1).read_to_end(&mut content))
        .map_err(failed)?;
    if content.len() as u64 > LARGEST {
        return Err(bad("is larger than 1 MiB"));
    }
    Ok(Some(String::from_utf8_lossy(&content).into_owned()))
}

fn is_absence(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::NotFound | io::ErrorKind::NotADirectory
    )
}

/// A path as patterns see it, what is not UTF-8 replaced.
fn characters(path: &Path) -> Vec<char> {
    let text: Cow<'_, str> = path.to_string_lossy();
    text.chars().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rules(text: &str) -> Ignore {
        Ignore::parse(Path::new(".dockerignore"), text).unwrap()
    }

    /// Those of these paths that are not left out.
    fn left<'a>(text: &str, paths: &[&'a str]) -> Vec<&'a str> {
        let ignore = rules(text);
        paths
            .iter()
            .copied()
            .filter(|path| !ignore.excludes(Path::new(path)))
            .collect()
    }

    #[test]
    fn the_examples_of_dockers_documentation() {
        let all = [
            "README.md",
            "README-secret.md",
            "LICENSE.md",
            "a/b.md",
            "somedir/temporary.txt",
            "somedir/subdir/temporary.txt",
            "tempa",
            "temp",
        ];
        assert_eq!(
            left("# comment\n*/temp*\n*/*/temp*\ntemp?\n", &all),
            ["README.md", "README-secret.md", "LICENSE.md", "a/b.md", "temp"]
        );
        let markdown = ["README.md", "README-secret.md", "LICENSE.md", "a/b.md", "x"];
        assert_eq!(
            left("*.md\n!README.md\n", &markdown),
            ["README.md", "a/b.md", "x"]
        );
        assert_eq!(
            left("*.md\n!README*.md\nREADME-secret.md\n", &markdown),
            ["README.md", "a/b.md", "x"]
        );
        // "The middle line has no effect because !README*.md matches README-secret.md and comes last."
        assert_eq!(
            left("*.md\nREADME-secret.md\n!README*.md\n", &markdown),
            ["README.md", "README-secret.md", "a/b.md", "x"]
        );
        assert_eq!(
            left("*\n!src\n", &["a", "src", "src/b", "b/src"]),
            ["src", "src/b"]
        );
    }

    #[test]
    fn a_line_means_the_same_with_slashes_dots_and_blanks_around_it() {
        for line in [
            "foo/bar",
            "/foo/bar",
            "foo/bar/",
            "./foo//bar",
            "  foo/bar\t",
            "foo/x/../bar",
            "/../foo/bar",
            "\u{feff}foo/bar",
            "foo/bar\r",
        ] {
            let ignore = rules(&format!("{line}\n"));
            assert!(ignore.excludes(Path::new("foo/bar")), "{line:?}");
            assert!(ignore.excludes(Path::new("foo/bar/baz")), "{line:?}");
            assert!(!ignore.excludes(Path::new("bar")), "{line:?}");
        }
        assert_eq!(left("*\n! foo/\n", &["foo", "foo/a", "b"]), ["foo", "foo/a"]);
    }

    #[test]
    fn comments_begin_their_line_and_other_lines_can_begin_with_their_sign_escaped() {
        assert_eq!(left("#a\n\\#b\n #c\n", &["#a", "#b", "#c"]), ["#a"]);
        assert_eq!(left("\\!a\n", &["!a", "a"]), ["a"]);
    }

    #[test]
    fn the_context_itself_and_what_lies_above_it_cannot_be_named() {
        for line in [".", "/", "./", "..", "../a", "!.", "a/.."] {
            assert_eq!(left(line, &["a", "b/a"]), ["a", "b/a"], "{line}");
        }
    }

    #[test]
    fn the_last_rule_that_matches_decides_also_by_a_directory_above() {
        let paths = ["a", "a/b", "a/b/c", "a/d"];
        assert_eq!(left("a\n!a/b\n", &paths), ["a/b", "a/b/c"]);
        assert_eq!(left("a\n!a/b\na/b/c\n", &paths), ["a/b"]);
        assert_eq!(left("a/b\n!a\n", &paths), paths);
        assert_eq!(left("!a\n", &paths), paths);
        assert!(left("a\n!a/b\na\n", &paths).is_empty());
    }

    #[test]
    fn a_directory_is_looked_into_where_something_may_be_brought_back() {
        let below = |text: &str, directory: &str| rules(text).excludes_all_below(Path::new(directory));
        assert!(below("a\n", "a"));
        assert!(below("a\n", "a/b"));
        assert!(!below("a\n!a/b\n", "a"));
        assert!(!below("a\n!**/b\n", "a/x"));
        assert!(below("a\n!a/b\n", "a/c"));
        assert!(below("!a/b\na\n", "a"), "the exception comes too early");
        assert!(
            below("*\n!src\nsrc/node_modules\n", "src/node_modules"),
            "no exception comes after it"
        );
        assert!(!below("", "a"));
    }

    #[test]
    fn a_wrong_line_is_named() {
        let error = Ignore::parse(Path::new("x/.dockerignore"), "a\n\n!\n").unwrap_err();
        assert_eq!(
            error.to_string(),
            "x/.dockerignore, line 3: '!' is not a valid pattern: there is nothing after !"
        );
        let error = Ignore::parse(Path::new(".dockerignore"), "[a\n").unwrap_err();
        assert_eq!(
            error.to_string(),
            ".dockerignore, line 1: '[a' is not a valid pattern: a [ is not closed"
        );
    }

    #[test]
    fn the_ignore_file_of_the_dockerfile_has_precedence() {
        let context = tempfile::tempdir().unwrap();
        let read = |dockerfile: &str| Ignore::read(context.path(), dockerfile).unwrap();
        assert_eq!(read("Dockerfile"), Ignore::default());
        std::fs::write(context.path().join(".dockerignore"), "a\n").unwrap();
        assert_eq!(read("Dockerfile"), rules("a"));
        std::fs::create_dir(context.path().join("d")).unwrap();
        std::fs::write(context.path().join("d/Df.dockerignore"), "b\n").unwrap();
        assert_eq!(read("d/Df"), rules("b"));
        assert_eq!(read("Df"), rules("a"));
        let absolute = context.path().join("d/Df");
        assert_eq!(read(absolute.to_str().unwrap()), rules("b"));
    }

    #[test]
    fn an_ignore_file_that_is_none_is_refused() {
        let context = tempfile::tempdir().unwrap();
        let path = context.path().join(".dockerignore");
        std::fs::create_dir(&path).unwrap();
        let error = Ignore::read(context.path(), "Dockerfile").unwrap_err();
        assert!(matches!(error, Error::BadIgnoreFile { .. }), "{error}");
        std::fs::remove_dir(&path).unwrap();
        std::fs::write(&path, "a\n".repeat(600_000)).unwrap();
        let error = Ignore::read(context.path(), "Dockerfile").unwrap_err();
        assert!(error.to_string().contains("larger than 1 MiB"), "{error}");
    }
}
