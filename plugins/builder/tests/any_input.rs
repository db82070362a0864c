//! No text makes a reader or an expansion panic, and every error is told whole.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use builder::DockerfileBuilder;
use kleene_sdk::build::{BuildState, Builder, Dialect, Variable};
use proptest::prelude::*;

/// Pieces that mean something to one of the readers.
const PIECES: [&str; 62] = [
    "FROM",
    "ARG",
    "ENV",
    "LABEL",
    "MAINTAINER",
    "WORKDIR",
    "USER",
    "SHELL",
    "RUN",
    "COPY",
    "ADD",
    "CMD",
    "ENTRYPOINT",
    "EXPOSE",
    "VOLUME",
    "HEALTHCHECK",
    "STOPSIGNAL",
    "ONBUILD",
    "PKG",
    "AS",
    "NONE",
    " ",
    " ",
    " ",
    " ",
    "\t",
    "\n",
    "\n",
    "\n",
    "\r\n",
    "\r",
    "\\",
    "\\\n",
    "`",
    "`\n",
    "#",
    "# escape=`\n",
    "<<",
    "<<-",
    "EOF",
    "EOF\n",
    "'",
    "\"",
    "[",
    "]",
    ",",
    "=",
    "$",
    "${",
    "}",
    ":-",
    "%",
    "/",
    "--from=",
    "--chown=",
    "--mount=",
    "--interval=1m",
    "a",
    "x1",
    "80",
    "ß",
    "\u{0}",
];

fn dockerfiles() -> impl Strategy<Value = String> {
    let pieces = prop::collection::vec(prop::sample::select(&PIECES[..]), 0..60);
    prop_oneof![
        pieces.prop_map(|pieces| format!("FROM a\n{}", pieces.concat())),
        prop::collection::vec(prop::sample::select(&PIECES[..]), 0..30).prop_map(|pieces| pieces.concat()),
        "\\PC{0,80}",
    ]
}

fn state(dialect: Dialect) -> BuildState {
    let variable = |name: &str| Variable {
        name: name.to_owned(),
        value: "a b*$x".to_owned(),
    };
    BuildState {
        dialect,
        args: vec![variable("x1")],
        globals: vec![],
        env: vec![variable("a")],
        build_arguments: vec![],
        user: "root".to_owned(),
        workdir: Some("/a".to_owned()),
        shell: vec![],
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4000))]

    #[test]
    fn reads_or_says_why_not(text in dockerfiles()) {
        match DockerfileBuilder::parse(text.clone(), vec!["PKG".to_owned()]) {
            Ok(parsed) => {
                let lines = u32::try_from(text.lines().count()).unwrap();
                let mut before = 0;
                for instruction in parsed.instructions {
                    prop_assert!(before < instruction.line && instruction.line <= lines);
                    before = instruction.line;
                    if let Err(error) = DockerfileBuilder::expand(instruction.clone(), state(parsed.dialect)) {
                        prop_assert!(error.message.contains(&instruction.text) || error.message.contains("another plugin"));
                        prop_assert!(error.hint.is_some() || error.message.contains("another plugin"));
                    }
                }
            }
            Err(error) => {
                prop_assert!(!error.message.is_empty());
                prop_assert!(error.line == 0 || error.hint.is_some() || error.message.contains("only one FROM"));
            }
        }
    }
}
