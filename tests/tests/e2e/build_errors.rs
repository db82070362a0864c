//! What klee shows of a Dockerfile that is wrong: the file, the line, the offending words and what to try.

use insta::assert_snapshot;
use kleene_tests::{Host, Outcome, write};

/// What is complained about. Nothing of the build is left.
#[track_caller]
fn complaint(host: &Host, dockerfile: &str) -> String {
    write(host.directory("context").join("Dockerfile"), dockerfile);
    let before = host.state();
    let Outcome {
        code, stdout, stderr, ..
    } = host.klee("build --rm context");
    assert_eq!(code, Some(1), "{stdout}{stderr}");
    assert_eq!(host.state(), before);
    // The id of an image that there will never be.
    let lines: Vec<_> = stderr.lines().collect();
    match lines.as_slice() {
        [told @ .., last] if last.starts_with("Failed to build image ") => told.join("\n"),
        lines => lines.join("\n"),
    }
}

#[test]
fn a_file_that_cannot_be_read_is_shown_where_it_is_wrong() {
    let host = Host::with_minimal_image();
    assert_snapshot!(complaint(&host, "FROM minimal\n\nRUNN apt-get update\n"), @r"
    Dockerfile:3: RUNN apt-get update
                  ^^^^ unknown instruction
    hint: did you mean RUN?
    ");
    assert_snapshot!(complaint(&host, "FROM minimal\nCOPY --parents a b\n"), @r"
    Dockerfile:2: COPY --parents a b
                       ^^^^^^^^^ invalid instruction
    hint: --parents is not supported: copy to the directory that is meant
    ");
    assert_snapshot!(complaint(&host, "FROM minimal\nRUN true && \\\n    false\nENV 1A=x\n"), @r"
    Dockerfile:4: ENV 1A=x
                      ^^ no name of a variable
    hint: a name has letters, digits and '_', and does not begin with a digit
    ");
    assert_snapshot!(complaint(&host, "FROM minimal AS one\nFROM minimal\nCOPY --from=9 /a /b\n"), @r"
    Dockerfile:3: COPY --from=9 /a /b
                              ^ no stage 9
    hint: the only stage before this one is 0 (one); an image of this name is written 9:latest
    ");
    assert_snapshot!(complaint(&host, "FROM minimal\nUSER 1000:1000\n"), @r"
    Dockerfile:2: USER 1000:1000
                       ^^^^^^^^^ invalid instruction
    hint: a user runs with the groups that /etc/group of the image gives: write USER 1000
    ");
    assert_snapshot!(complaint(&host, "FROM minimal\nRUN <<EOF\necho a\n"), @r"
    Dockerfile:2: RUN <<EOF
                      ^^^^^ the here-document does not end
    hint: a line with 'EOF' alone is missing
    ");
    assert_snapshot!(complaint(&host, "RUN true\nFROM minimal\n"), @r"
    Dockerfile:1: RUN true
                  ^^^ not permitted before FROM
    hint: only ARG may stand before FROM
    ");
    assert_snapshot!(complaint(&host, "# nothing\n"), @r"
    there is no FROM instruction
    hint: a Dockerfile begins with FROM and the image to build on ('klee image ls' shows which there are)
    ");
}

#[test]
fn an_instruction_that_cannot_be_done_is_shown_with_the_words_that_are_to_blame() {
    let host = Host::with_minimal_image();
    assert_snapshot!(complaint(&host, "FROM minimal AS tools\nFROM minimal\nCOPY --from=toosl /a /b\n"), @r"
    Dockerfile:3: COPY --from=toosl /a /b
                              ^^^^^ could not find image toosl
    hint: 'klee image ls' shows the images there are, a stage is named before it is used
    ");
    assert_snapshot!(complaint(&host, "FROM minimal@before\n"), @r"
    Dockerfile:1: FROM minimal@before
                              ^^^^^^^ the image minimal has no snapshot @before
    hint: it has none: write minimal alone
    ");
    assert_snapshot!(complaint(&host, "FROM minimal\nCOPY \\\n  missing.txt \\\n  /srv/\n"), @r"
    Dockerfile:3:   missing.txt \
                    ^^^^^^^^^^^ no such file
    hint: check the name, that it is below what is copied from, and that .dockerignore does not leave it out
    ");
    assert_snapshot!(complaint(&host, "FROM minimal\nCOPY --chown=nobody-here Dockerfile /a\n"), @r"
    Dockerfile:2: COPY --chown=nobody-here Dockerfile /a
                               ^^^^^^^^^^^ the image has no such user in /etc/passwd
    hint: create it before the files that are to be its own, or give a number
    ");
    assert_snapshot!(complaint(&host, "FROM minimal\nVOLUME /x\nUSER $NOBODY\n"), @r"
    Dockerfile:3: USER $NOBODY
                       ^^^^^^^ invalid instruction
    hint: the user is empty: '$NOBODY' has no value here; declare it with ARG and give it a default or --build-arg
    ");
    assert_snapshot!(complaint(&host, "FROM minimal\nLABEL a=${b\n"), @r"
    Dockerfile:2: LABEL a=${b
                          ^^ failed environment substition
    hint: '${' is not closed
    ");
    assert_snapshot!(complaint(&host, "FROM minimal\nPKG $PACKAGES\n"), @r"
    Dockerfile:2: PKG $PACKAGES
                      ^^^^^^^^^ invalid instruction
    hint: '$PACKAGES': PKG has no variables; write the names, or RUN with the package manager's own command
    ");
    assert_snapshot!(complaint(&host, "FROM minimal\nSTOPSIGNAL SIGFOO\n"), @r"
    Dockerfile:2: STOPSIGNAL SIGFOO
                             ^^^^^^
    'SIGFOO' is not a valid signal: it has a name, such as SIGQUIT, or a number from 1
    ");
    assert_snapshot!(complaint(&host, "FROM minimal\nRUN exit 3\n"), @r"
    Dockerfile:2: RUN exit 3
    The command '/bin/sh -c exit 3' returned a non-zero code: 3
    ");
}
