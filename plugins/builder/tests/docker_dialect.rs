//! Docker's dialect: what instructions do, one after the other.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod support;

use support::{build, last, print};

/// What the last instruction asks for, as a line. `FROM a AS b` makes the dialect Docker's.
#[track_caller]
fn does(dockerfile: &str) -> String {
    let text = format!("FROM base AS stage\n{dockerfile}");
    let action = last(&text, &[]).unwrap_or_else(|error| panic!("{dockerfile}: {error:?}"));
    action.as_ref().map(print).unwrap_or_default()
}

#[track_caller]
fn refused(dockerfile: &str) -> (String, String) {
    let error = last(&format!("FROM base AS stage\n{dockerfile}"), &[]).unwrap_err();
    (error.message, error.hint.unwrap_or_default())
}

#[test]
fn args_of_the_file_are_for_from_and_for_stages_that_ask() {
    let text = "ARG V=1\nARG W=$V.2\nFROM base:$W AS a\nENV SEEN=[$V]\nARG V\nENV ASKED=[$V]\nFROM other:$V\nENV AGAIN=[$V]\n";
    let lines: Vec<_> = build(text, &[]).unwrap().iter().map(print).collect();
    assert_eq!(
        lines,
        [
            "arg V=\"1\"",
            "arg W=\"1.2\"",
            "image base:1.2",
            "env SEEN=\"[]\"",
            "arg V=\"1\"",
            "env ASKED=\"[1]\"",
            "image other:1",
            "env AGAIN=\"[]\"",
        ]
    );
    let given = last("ARG V=1\nFROM a AS b\nARG V=2\nENV X=$V\n", &[("V", "3")]);
    assert_eq!(print(&given.unwrap().unwrap()), "env X=\"3\"");
    assert_eq!(
        does("ARG V=2\nARG V\nENV X=$V"),
        "env X=\"2\"",
        "nothing new is nothing lost"
    );
    assert_eq!(does("ARG V=\nENV X=${V-unset}${V:-empty}"), "env X=\"empty\"");
}

#[test]
fn env_wins_over_arg() {
    assert_eq!(does("ENV A=env\nARG A=arg\nUSER $A"), "user env");
    assert_eq!(
        does("ARG A=arg\nARG B=b\nENV A=env\nRUN x"),
        "run as root in / with [A=\"env\" B=\"b\"] [\"/bin/sh\", \"-c\", \"x\"]"
    );
}

#[test]
fn pairs_of_one_instruction_see_what_was_before_it() {
    assert_eq!(does("ENV a=hello\nENV a=bye b=$a"), "env b=\"hello\"");
    assert_eq!(does("ENV PATH=/x\nENV PATH=$PATH:/y"), "env PATH=\"/x:/y\"");
    assert_eq!(
        does("ENV PATH=/x:$PATH"),
        "env PATH=\"/x:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin\""
    );
    assert_eq!(does("ENV B=a C=\"$B d\"\nENV E=\"$B d\" F='$B'"), "env F=\"$B\"");
}

#[test]
fn commands_see_proxies_that_were_given() {
    let text = "FROM a AS b\nENV SEEN=[$http_proxy]\nRUN [\"x\"]\n";
    let given = [("http_proxy", "http://p"), ("OTHER", "o")];
    let lines: Vec<_> = build(text, &given).unwrap().iter().map(print).collect();
    assert_eq!(
        lines[1..],
        [
            "env SEEN=\"[]\"",
            "run as root in / with [SEEN=\"[]\" http_proxy=\"http://p\"] [\"x\"]"
        ]
    );
}

#[test]
fn variables_are_replaced_where_docker_replaces_them() {
    for (text, expected) in [
        ("LABEL \"x $V\"='$V'", "label x v=\"$V\""),
        (
            "MAINTAINER $V's \"friend\"",
            "label maintainer=\"$V's \\\"friend\\\"\"",
        ),
        ("WORKDIR /$V", "workdir /v"),
        ("USER $V", "user v"),
        ("EXPOSE $P 53/udp", "expose 80/tcp 443/tcp 53/udp"),
        ("VOLUME /$V", "volume /v"),
        ("STOPSIGNAL ${S:-SIGTERM}", "stop signal SIGTERM"),
        ("COPY $V/* /$V", "copy [\"v/*\"] to /v"),
        (
            "COPY --chown=$V --chmod=7$M a /b",
            "copy [\"a\"] to /b owner v mode 755",
        ),
        (
            "COPY <<$V <<'q' /d/\n$V \\$V\n$V\n$V\nq",
            "copy [] $V=\"v $V\\n\" q=\"$V\\n\" to /d/",
        ),
        ("CMD echo $V", "command [\"/bin/sh\", \"-c\", \"echo $V\"]"),
        ("ENTRYPOINT [\"$V\"]", "entrypoint [\"$V\"]"),
    ] {
        let declared = "ARG V=v\nARG M=55\nARG P=\"80 443\"\n";
        assert_eq!(does(&format!("{declared}{text}")), expected, "{text}");
    }
}

#[test]
fn a_workdir_is_the_directory_of_processes_and_of_relative_paths() {
    for (text, expected) in [
        ("WORKDIR b", "workdir /a/b"),
        ("WORKDIR ../c", "workdir /c"),
        ("RUN [\"x\"]", "run as root in /a with [] [\"x\"]"),
        ("CMD x", "command [\"/bin/sh\", \"-c\", \"x\"]"),
        ("COPY x .", "copy [\"x\"] to /a/"),
        ("COPY x y/", "copy [\"x\"] to /a/y/"),
        ("COPY x /y", "copy [\"x\"] to /y"),
    ] {
        assert_eq!(does(&format!("WORKDIR /a\n{text}")), expected, "{text}");
    }
}

#[test]
fn a_shell_is_for_text_alone() {
    let shell = "SHELL [\"/bin/bash\", \"-eo\", \"pipefail\", \"-c\"]\n";
    assert_eq!(
        does(&format!("{shell}CMD a | b")),
        "command [\"/bin/bash\", \"-eo\", \"pipefail\", \"-c\", \"a | b\"]"
    );
    assert_eq!(does(&format!("{shell}CMD [\"a\"]")), "command [\"a\"]");
}

#[test]
fn archives_are_unpacked_by_add_alone() {
    assert_eq!(does("ADD a.tar /x/"), "add [\"a.tar\"] to /x/");
    assert_eq!(
        does("COPY --from=build /a.tar /x/"),
        "copy from build [\"/a.tar\"] to /x/"
    );
}

#[test]
fn what_a_url_names_is_fetched_by_add_alone() {
    assert_eq!(
        does("ADD https://example.org/files/a.tar?x=/y /srv/"),
        "fetch https://example.org/files/a.tar?x=/y to /srv/a.tar"
    );
    assert_eq!(
        does("WORKDIR /w\nARG V=1\nADD --checksum=sha256:$V http://example.org/$V one"),
        "fetch http://example.org/1 (sha256:1) to /w/one"
    );
    assert_eq!(
        does("COPY https://example.org/a /b"),
        "copy [\"https://example.org/a\"] to /b"
    );
}

#[test]
fn what_makes_no_sense_once_replaced_is_refused_with_advice() {
    for (text, hint) in [
        (
            "FROM $NOTHING",
            "the name of the image is empty: '$NOTHING' has no value here",
        ),
        ("USER ${NOTHING}", "the user is empty"),
        ("USER ${V:-v}:www", "write USER v"),
        ("USER \"a b\"", "one name or number"),
        ("COPY $NOTHING /x", "the source is empty"),
        ("COPY --chmod=u+x a /b", "octal digits"),
        ("COPY --chmod=9 a /b", "octal digits"),
        ("COPY --chown=a:b:c a /b", "user:group"),
        ("COPY --from=$V a /b", "FROM $V AS name"),
        ("ADD git@example.org:x.git /", "does not fetch"),
        ("ADD ftp://example.org/a /", "does not fetch"),
        ("ADD https://example.org/a b /", "an ADD of its own"),
        ("ADD https://example.org/ /srv/", "write /srv/NAME as destination"),
        ("ADD --checksum=sha256:00 a /b", "no source is a URL"),
        ("EXPOSE 99999", "1 to 65535"),
        ("EXPOSE 80/icmp", "tcp, udp or sctp"),
        ("VOLUME data", "write /data"),
        ("STOPSIGNAL SIG;TERM", "a name such as SIGTERM"),
    ] {
        let (message, told) = refused(text);
        assert_eq!(message, format!("error in '{text}': invalid instruction"));
        assert!(told.contains(hint), "{text}: {told}");
    }
    let (message, told) = refused("ENV T=\"x");
    assert_eq!(message, "failed environment substition of: ENV T=\"x");
    assert!(told.contains("a \" is not closed"), "{told}");
}
