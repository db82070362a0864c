//! Which dialect a Dockerfile is in.
//!
//! A Dockerfile that Kleene 0.1 understood means what it meant there; any other is read as Docker reads it. So nobody's
//! images change, and nobody has to rewrite what works elsewhere.

use kleene_sdk::build::{Dialect, ParseError, Parsed};

use crate::{classic, docker};

/// What a Dockerfile says. `steps` are the keywords of other plugins.
///
/// # Errors
/// Where it is wrong, by the reader that understood more of it.
pub fn dockerfile(text: &str, steps: &[String]) -> Result<Parsed, ParseError> {
    let stuck = match classic::parse::dockerfile(text) {
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
        Err(error) => Err(further(text, stuck, error)),
    }
}

/// The error that is further down. On the same line it is the classic text, unless only Docker's reader knows the
/// instruction or says the same with better advice.
fn further(text: &str, classic: ParseError, docker: ParseError) -> ParseError {
    // What concerns the file as a whole is only noticed at its end.
    let reach = |error: &ParseError| if error.line == 0 { u32::MAX } else { error.line };
    let same_line = reach(&classic) == reach(&docker);
    let line = |number: u32| text.lines().nth((number as usize).wrapping_sub(1));
    let is_classic = line(classic.line).is_some_and(|line| classic::parse::knows(line.trim_end()));
    let knows_more = classic.message == docker.message || !is_classic;
    if reach(&classic) > reach(&docker) || (same_line && !knows_more) {
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
