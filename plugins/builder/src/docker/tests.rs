//! What each instruction is read as, and what each mistake is answered with.

use kleene_sdk::build::{
    Argument, Base, Command, CopyFiles, Healthcheck, HereDocument, InstructionKind, Label, Other, Variable,
};

use super::dockerfile;

const STEPS: [&str; 1] = ["PKG"];

fn read(text: &str) -> Result<Vec<InstructionKind>, (u32, String, String)> {
    match dockerfile(text, &STEPS.map(str::to_owned)) {
        Ok(instructions) => Ok(instructions.into_iter().map(|step| step.kind).collect()),
        Err(error) => Err((error.line, error.words, error.hint.unwrap_or(error.message))),
    }
}

/// What one instruction in a stage says.
fn kind(text: &str) -> InstructionKind {
    let mut kinds = read(&format!("FROM base\n{text}\n")).unwrap_or_else(|error| panic!("{text}: {error:?}"));
    assert_eq!(kinds.len(), 2, "{text}: {kinds:?}");
    kinds.remove(1)
}

fn words(words: &[&str]) -> Vec<String> {
    words.iter().map(|word| (*word).to_owned()).collect()
}

fn env(pairs: &[(&str, &str)]) -> InstructionKind {
    let variable = |(name, value): &(&str, &str)| Variable {
        name: (*name).to_owned(),
        value: (*value).to_owned(),
    };
    InstructionKind::Env(pairs.iter().map(variable).collect())
}

fn label(pairs: &[(&str, &str)]) -> InstructionKind {
    let label = |(key, value): &(&str, &str)| Label {
        key: (*key).to_owned(),
        value: (*value).to_owned(),
    };
    InstructionKind::Label(pairs.iter().map(label).collect())
}

fn arg(pairs: &[(&str, Option<&str>)]) -> InstructionKind {
    let argument = |(name, default): &(&str, Option<&str>)| Argument {
        name: (*name).to_owned(),
        default: default.map(str::to_owned),
    };
    InstructionKind::Arg(pairs.iter().map(argument).collect())
}

fn shell(text: &str) -> Command {
    Command::Shell(text.to_owned())
}

fn exec(argv: &[&str]) -> Command {
    Command::Exec(words(argv))
}

fn files(sources: &[&str], destination: &str) -> CopyFiles {
    CopyFiles {
        sources: words(sources),
        documents: vec![],
        destination: destination.to_owned(),
        origin: None,
        owner: None,
        mode: None,
        checksum: None,
    }
}

fn document(name: &str, content: &str, expanded: bool) -> HereDocument {
    HereDocument {
        name: name.to_owned(),
        content: content.to_owned(),
        expanded,
    }
}

#[test]
fn stages_have_images_and_names() {
    let base = |text: &str| match kind(text) {
        InstructionKind::From(Base { image, stage }) => (image, stage),
        other => panic!("{other:?}"),
    };
    assert_eq!(base("FROM a:1"), ("a:1".to_owned(), None));
    assert_eq!(base("FROM a AS b"), ("a".to_owned(), Some("b".to_owned())));
    assert_eq!(
        base("FROM  a@sha as  b-1.c_d"),
        ("a@sha".to_owned(), Some("b-1.c_d".to_owned()))
    );
}

#[test]
fn variables_come_in_pairs_or_alone() {
    for (text, expected) in [
        ("ENV A=b", env(&[("A", "b")])),
        (
            "ENV  A=b  C=\"d e\" F=g\\ h",
            env(&[("A", "b"), ("C", "\"d e\""), ("F", "g\\ h")]),
        ),
        ("ENV A b=c d", env(&[("A", "b=c d")])),
        ("ENV A=", env(&[("A", "")])),
        ("ARG x", arg(&[("x", None)])),
        (
            "ARG x= y=1 z",
            arg(&[("x", Some("")), ("y", Some("1")), ("z", None)]),
        ),
        (
            "LABEL a.b=c \"d e\"=\"f g\"",
            label(&[("a.b", "c"), ("\"d e\"", "\"f g\"")]),
        ),
        ("LABEL a b c", label(&[("a", "b c")])),
        (
            "MAINTAINER Ann O'Hara <a@b>",
            label(&[("maintainer", "Ann O\\'Hara <a@b>")]),
        ),
    ] {
        assert_eq!(kind(text), expected, "{text}");
    }
}

#[test]
fn commands_are_text_or_words() {
    use InstructionKind::{Cmd, Entrypoint, Run, Shell};
    for (text, expected) in [
        ("RUN a && b", Run(shell("a && b"))),
        ("RUN [\"a\", \"b c\"]", Run(exec(&["a", "b c"]))),
        ("RUN [ -f x ] && y", Run(shell("[ -f x ] && y"))),
        ("RUN a \\\n  b", Run(shell("a   b"))),
        ("CMD [\"a\"]", Cmd(exec(&["a"]))),
        ("CMD []", Cmd(exec(&[]))),
        ("CMD a $b", Cmd(shell("a $b"))),
        ("ENTRYPOINT [\"/x\"]", Entrypoint(exec(&["/x"]))),
        ("ENTRYPOINT x y", Entrypoint(shell("x y"))),
        (
            "SHELL [\"/bin/bash\", \"-c\"]",
            Shell(words(&["/bin/bash", "-c"])),
        ),
    ] {
        assert_eq!(kind(text), expected, "{text}");
    }
}

#[test]
fn files_are_copied_with_options() {
    use InstructionKind::{Add, Copy};
    let with_options = CopyFiles {
        origin: Some("lib".to_owned()),
        owner: Some("www:$g".to_owned()),
        mode: Some("0755".to_owned()),
        ..files(&["a", "b*"], "/c/")
    };
    for (text, expected) in [
        ("COPY a b /c/", Copy(files(&["a", "b"], "/c/"))),
        ("COPY [\"a b\", \"c\"]", Copy(files(&["a b"], "c"))),
        ("COPY [ab].txt /", Copy(files(&["[ab].txt"], "/"))),
        (
            "COPY --from=lib --chown=www:$g --chmod=0755 a b* /c/",
            Copy(with_options),
        ),
        ("COPY --link a /b", Copy(files(&["a"], "/b"))),
        ("ADD a.tar.gz /", Add(files(&["a.tar.gz"], "/"))),
    ] {
        assert_eq!(kind(text), expected, "{text}");
    }
}

#[test]
fn settings_are_read() {
    use InstructionKind::{Expose, Other as Step, StopSignal, User, Volume, Workdir};
    for (text, expected) in [
        ("WORKDIR /a b", Workdir("/a b".to_owned())),
        ("USER  www ", User("www".to_owned())),
        ("EXPOSE 80 443/tcp", Expose(words(&["80", "443/tcp"]))),
        ("VOLUME /a /b", Volume(words(&["/a", "/b"]))),
        ("VOLUME [\"/a b\"]", Volume(words(&["/a b"]))),
        ("STOPSIGNAL SIGQUIT", StopSignal("SIGQUIT".to_owned())),
        (
            "PKG nginx  curl",
            Step(Other {
                keyword: "PKG".to_owned(),
                arguments: "nginx  curl".to_owned(),
            }),
        ),
    ] {
        assert_eq!(kind(text), expected, "{text}");
    }
}

#[test]
fn health_is_checked() {
    let check = |text: &str| match kind(text) {
        InstructionKind::Healthcheck(check) => check,
        other => panic!("{other:?}"),
    };
    let bare = |test: &[&str]| Healthcheck {
        test: words(test),
        interval: None,
        timeout: None,
        start_period: None,
        retries: None,
    };
    assert_eq!(check("HEALTHCHECK NONE"), bare(&["NONE"]));
    assert_eq!(
        check("HEALTHCHECK CMD a || exit 1"),
        bare(&["CMD-SHELL", "a || exit 1"])
    );
    assert_eq!(
        check(
            "HEALTHCHECK --interval=1m30s --timeout=500ms --start-period=0s --retries=3 CMD [\"a\", \"b\"]"
        ),
        Healthcheck {
            interval: Some(90_000_000_000),
            timeout: Some(500_000_000),
            retries: Some(3),
            ..bare(&["CMD", "a", "b"])
        }
    );
}

#[test]
fn here_documents_are_files_of_copy() {
    let expected = CopyFiles {
        documents: vec![
            document("one", "a $x\n", true),
            document("two.conf", "b\n", false),
        ],
        ..files(&["plain"], "/d/")
    };
    assert_eq!(
        kind("COPY <<one plain <<-'two.conf' /d/\na $x\none\n\tb\n\ttwo.conf"),
        InstructionKind::Copy(expected)
    );
}

#[test]
fn here_documents_are_scripts_of_run() {
    let run = |text: &str| match kind(text) {
        InstructionKind::Run(command) => command,
        other => panic!("{other:?}"),
    };
    assert_eq!(run("RUN <<EOF\na\n  b\nEOF"), shell("a\n  b\n"));
    assert_eq!(run("RUN <<-EOF\n\ta\n\tEOF"), shell("a\n"));
    assert_eq!(
        run("RUN cat <<EOF > /x && cat <<'two'\n$a\nEOF\nb\ntwo"),
        shell("cat <<EOF > /x && cat <<'two'\n$a\nEOF\nb\ntwo")
    );
    let Command::Exec(argv) = run("RUN <<EOF\n#!/usr/bin/env python3\nprint('x')\nEOF") else {
        panic!("a script with an interpreter is not for the shell");
    };
    assert_eq!(argv[..2], ["/bin/sh", "-c"]);
    assert!(
        argv[2].contains(
            "<<'SCRIPT'\n#!/usr/bin/env python3\nprint('x')\nSCRIPT\n'/usr/bin/env' 'python3' \"$script\""
        ),
        "{}",
        argv[2]
    );
}

#[test]
fn a_script_cannot_end_its_own_document() {
    let text = "RUN <<EOF\n#!/bin/sh -e\nSCRIPT\nSCRIPT_\nEOF";
    let InstructionKind::Run(Command::Exec(argv)) = kind(text) else {
        panic!("a script with an interpreter is not for the shell");
    };
    assert!(
        argv[2].contains("<<'SCRIPT__'\n#!/bin/sh -e\nSCRIPT\nSCRIPT_\nSCRIPT__\n"),
        "{}",
        argv[2]
    );
}

#[test]
fn the_escape_character_may_be_a_backtick() {
    let kinds = read("# escape=`\nFROM base\nENV A=C:\\b` c\nRUN a `\n  \\b\nWORKDIR C:\\x\n").unwrap();
    assert_eq!(kinds[1], env(&[("A", "C:\\\\b\\ c")]));
    assert_eq!(kinds[2], InstructionKind::Run(shell("a   \\b")));
    assert_eq!(kinds[3], InstructionKind::Workdir("C:\\\\x".to_owned()));
}

#[test]
fn every_mistake_is_answered_with_line_words_and_advice() {
    for (text, words, hint) in [
        ("MAKE it", "MAKE", "there are FROM, ARG"),
        ("run x", "run", "upper case"),
        (" RUN x", " RUN x", "start of its line"),
        ("RUN\tx", "RUN\tx", "one space and its arguments"),
        ("RUN", "RUN", "one space and its arguments"),
        ("USER ", "USER ", "one space and its arguments"),
        ("FROM a b", "FROM a b", "AS with a name"),
        (
            "FROM --platform=linux/amd64 a",
            "--platform=linux/amd64",
            "leave it out",
        ),
        ("FROM a AS 1", "1", "begins with a letter"),
        ("FROM a AS b\nFROM c AS B", "B", "choose another name"),
        ("ENV X", "X", "NAME=value"),
        ("ENV A=b C", "C", "NAME=value"),
        ("ENV 1x=a", "1x", "letters, digits and '_'"),
        ("ARG a-b", "a-b", "letters, digits and '_'"),
        ("LABEL a=b c", "c", "key=value"),
        ("LABEL =b", "=b", "key=value"),
        ("SHELL /bin/sh -c", "SHELL /bin/sh -c", "JSON array"),
        ("RUN []", "RUN []", "at least one word"),
        (
            "RUN --mount=type=cache,target=/x make",
            "--mount=type=cache,target=/x",
            "klee build --mount",
        ),
        (
            "RUN --network=none make",
            "--network=none",
            "klee build --network",
        ),
        (
            "RUN --security=insecure make",
            "--security=insecure",
            "--jailparam",
        ),
        ("RUN --privileged make", "--privileged", "no options"),
        ("RUN <<EOF\nx", "<<EOF", "a line with 'EOF' alone is missing"),
        ("USER 1000:1000", "1000:1000", "write USER 1000"),
        ("COPY --from=0 a /b", "0", "no stage stands before this one"),
        (
            "COPY --from=9 a /b",
            "9",
            "an image of this name is written 9:latest",
        ),
        ("COPY a", "COPY a", "sources and a destination"),
        ("COPY <<EOF\nx\nEOF", "COPY <<EOF", "sources and a destination"),
        ("COPY --from a /b", "--from", "--from=value"),
        ("COPY --chown= a /b", "--chown=", "--chown=value"),
        ("COPY --from=a --from=b c /d", "--from=b", "given twice"),
        (
            "FROM a AS b\nCOPY --from=1 c /d",
            "1",
            "the only stage before this one is 0;",
        ),
        ("COPY --exclude=x a /b", "--exclude=x", ".dockerignore"),
        ("ADD --from=x a /b", "--from=x", "--chown, --chmod"),
        (
            "COPY --checksum=sha256:x a /b",
            "--checksum=sha256:x",
            "--from, --chown",
        ),
        ("CMD --x", "--x", "no options"),
        ("VOLUME []", "VOLUME []", "one or more directories"),
        ("HEALTHCHECK x", "HEALTHCHECK x", "CMD with a command"),
        ("HEALTHCHECK CMD", "HEALTHCHECK CMD", "CMD with a command"),
        ("HEALTHCHECK NONE x", "HEALTHCHECK NONE x", "CMD with a command"),
        ("HEALTHCHECK --interval=1 CMD x", "1", "1ms or more"),
        ("HEALTHCHECK --retries=x CMD y", "x", "a number"),
        (
            "HEALTHCHECK --start-interval=1s CMD y",
            "--start-interval=1s",
            "--interval",
        ),
        ("ONBUILD RUN x", "ONBUILD", "not supported"),
    ] {
        let error = read(&format!("FROM base\n{text}\n")).unwrap_err();
        let line = if text.starts_with("FROM a AS b\n") { 3 } else { 2 };
        assert_eq!((error.0, error.1.as_str()), (line, words), "{text}");
        assert!(error.2.contains(hint), "{text}: {}", error.2);
    }
}

#[test]
fn only_arg_stands_before_from() {
    assert!(read("ARG t\n# x\nFROM ${t}\n").is_ok());
    let error = dockerfile("ARG t\nLABEL a=b\nFROM base\n", &[]).unwrap_err();
    assert_eq!(
        (error.line, error.message.as_str()),
        (2, "'LABEL a=b' not permitted before a FROM instruction")
    );
    let error = dockerfile("ARG t\n", &[]).unwrap_err();
    assert_eq!(
        (error.line, error.message.as_str()),
        (0, "error in 'ARG t': there is no FROM instruction")
    );
}
