//! Which dialect a Dockerfile is in.
//!
//! A Dockerfile that Kleene 0.1 understood means what it meant there; any other is read as Docker reads it. So nobody's
//! images change, and nobody has to rewrite what works elsewhere.

use kleene_sdk::build::{Dialect, ParseError, Parsed};

use crate::problem::UNENDED;
use crate::{classic, docker};

/// What a Dockerfile says. `steps` are the keywords of other plugins.
///
/// # Errors
/// Where it is wrong, by the reader that understood more of it.
pub fn dockerfile(text: &str, steps: &[String]) -> Result<Parsed, ParseError> {
    let stuck = match classic::parse::dockerfile(text, steps) {
        Ok(instructions) => {
            return Ok(Parsed {
                dialect: Dialect::Classic,
                instructions,
            });
        }
        Err(stuck) => stuck,
    };
    match docker::dockerfile(text, steps) {
        Ok(instructions) => Ok(Parsed {
            dialect: Dialect::Docker,
            instructions,
        }),
        Err(error) => Err(further(text, steps, stuck, error)),
    }
}

/// The error that is further down, unless the classic reader got stuck at what only Docker's has. On the same line it is
/// the classic text, unless Docker's reader says the same with better advice.
fn further(text: &str, steps: &[String], classic: ParseError, docker: ParseError) -> ParseError {
    // What concerns the file as a whole is only noticed at its end.
    let reach = |error: &ParseError| if error.line == 0 { u32::MAX } else { error.line };
    let line = text.lines().nth((classic.line as usize).wrapping_sub(1));
    let keyword = line
        .and_then(|line| line.split_whitespace().next())
        .unwrap_or_default();
    let is_classic = classic::parse::KEYWORDS.contains(&keyword);
    let is_docker = !is_classic && docker::keywords(steps).any(|known| known == keyword);
    // All lines below an unended here-document are its own.
    let is_text = docker.reason == UNENDED && docker.line < classic.line;
    let is_same = reach(&classic) == reach(&docker);
    let knows_more = classic.message == docker.message || !is_classic;
    let is_further = reach(&classic) > reach(&docker) && !is_docker && !is_text;
    if is_further || (is_same && !knows_more) {
        classic
    } else {
        docker
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Parsed, ParseError> {
        dockerfile(text, &["PKG".to_owned()])
    }

    fn dialect(text: &str) -> Dialect {
        read(text)
            .unwrap_or_else(|error| panic!("{text}: {error:?}"))
            .dialect
    }

    #[test]
    fn what_0_1_understood_is_classic() {
        for text in [
            "FROM base\n",
            "ARG t\nFROM ${t}\nENV A=b c\nWORKDIR /x\nCOPY a b /c/\nCMD [\"x\"]\n",
            // Docker would read one instruction here.
            "FROM base\nRUN a && \\\n# comment\nRUN b\n",
            // Docker would read two variables.
            "FROM base\nENV A=b C=d\n",
        ] {
            assert_eq!(dialect(text), Dialect::Classic, "{text}");
        }
    }

    #[test]
    fn all_else_is_docker_s() {
        for text in [
            "FROM a AS b\n",
            "FROM a\nFROM b\n",
            "FROM a\nVOLUME /x\n",
            "FROM a\nENV A b\n",
            "FROM a\nCOPY --from=b c d\n",
            "FROM a\nRUN <<EOF\ntrue\nEOF\n",
            "FROM a\nRUN a && \\\n# comment\n    b\n",
            "FROM a\nPKG nginx\n",
        ] {
            assert_eq!(dialect(text), Dialect::Docker, "{text}");
        }
    }

    #[test]
    fn the_reader_that_got_further_says_what_is_wrong() {
        let error = |text: &str| {
            let error = read(text).unwrap_err();
            (error.line, error.message)
        };
        let invalid = |line: u32, text: &str| (line, format!("error in '{text}': invalid instruction"));
        assert_eq!(error("FROM a\nVOLUME /x\nMAKE it\n"), invalid(3, "MAKE it"));
        assert_eq!(error("FROM a\nUSER\n"), invalid(2, "USER"));
        assert_eq!(
            error("VOLUME /x\nFROM a\n"),
            (
                1,
                "'VOLUME /x' not permitted before a FROM instruction".to_owned()
            )
        );
        assert_eq!(
            error("FROM a\nENV 1A=x\n"),
            (2, "ENV/ARG variable name is invalid on line: ENV 1A=x".to_owned())
        );
        assert_eq!(
            error("VOLUME /x\n"),
            (
                1,
                "'VOLUME /x' not permitted before a FROM instruction".to_owned()
            )
        );
        assert_eq!(
            error("ARG x\n"),
            (0, "error in 'ARG x': there is no FROM instruction".to_owned())
        );
        assert_eq!(
            error(""),
            (0, "error in '': there is no FROM instruction".to_owned())
        );
    }

    #[test]
    fn what_only_docker_s_has_makes_the_file_docker_s_also_where_it_is_wrong() {
        let told = |text: &str| {
            let error = read(text).unwrap_err();
            (error.line, error.words, error.reason)
        };
        let unended = (2, "<<EOF".to_owned(), UNENDED.to_owned());
        assert_eq!(told("FROM a\nRUN <<EOF\necho a\n"), unended);
        assert_eq!(told("FROM a\nCOPY <<EOF /x\nRUN a\necho a\n"), unended);
        assert_eq!(told("FROM a\nENV A=1 B\nVOLUME /x\n").1, "B");
        assert_eq!(told("FROM a\nENV A=1 B\nPKG x\n").1, "B");
        // What 0.1 took for a command of the shell is one still.
        assert_eq!(dialect("FROM a\nRUN cat <<EOF\nCMD x\n"), Dialect::Classic);
    }

    #[test]
    fn a_user_with_a_group_is_refused_in_either_dialect() {
        for text in ["FROM a\nUSER 1000:1000\n", "FROM a AS b\nUSER 1000:1000\n"] {
            let error = read(text).unwrap_err();
            assert_eq!((error.line, error.words.as_str()), (2, "1000:1000"));
            assert!(error.hint.unwrap().ends_with("write USER 1000"));
        }
        assert_eq!(dialect("FROM a\nUSER ${u:-www}\n"), Dialect::Classic);
    }

    #[test]
    fn an_error_has_the_offending_words_and_advice() {
        let told = |text: &str| {
            let error = read(text).unwrap_err();
            (error.words, error.hint.unwrap())
        };
        assert_eq!(
            told("FROM a\nRUNN x\n"),
            ("RUNN".to_owned(), "did you mean RUN?".to_owned())
        );
        assert_eq!(told("FROM a\nENV 1A=x\n").0, "1A");
        let (words, hint) = told("FROM a\nMAKE it\n");
        assert_eq!(words, "MAKE");
        assert!(
            hint.starts_with("there are FROM, ARG, ") && hint.ends_with(" and PKG"),
            "{hint}"
        );
        // Further down than what is wrong for Docker's reader.
        assert_eq!(told("FROM a\nENV A=1 B\nMAKE it\n"), (words, hint));
        assert_eq!(
            told("FROM a\nrun x\n"),
            (
                "run".to_owned(),
                "instructions are written in upper case".to_owned()
            )
        );
        let (words, hint) = told("FROM a\nRUN --mount=type=cache,target=/x make\n");
        assert_eq!(words, "--mount=type=cache,target=/x");
        assert!(hint.contains("--mount"), "{hint}");
    }
}
