//! Build contexts: ignore files, and contexts that are sent to a daemon which does not see them.

use kleene_tests::{Host, Outcome, write};

/// A host that listens at 192.0.2.1 with TLS, for clients with a certificate.
fn listening_to_others() -> Host {
    let mut host = Host::with_minimal_image();
    let tls = host.directory("tls");
    let output = host
        .daemon_command()
        .arg("tls-init")
        .arg(&tls)
        .args(["--name", "192.0.2.1"])
        .output()
        .unwrap();
    assert!(output.status.success(), "{output:?}");
    let tls = tls.display();
    let listener = format!(
        "listen = [\n  {{ address = \"https://192.0.2.1:8443\", tlscert = \"{tls}/server.pem\", \
         tlskey = \"{tls}/server-key.pem\", tlscacert = \"{tls}/ca.pem\", tlsverify = true }},\n  "
    );
    host.reconfigure(|text| text.replace("listen = [", &listener))
        .unwrap();
    host
}

/// Runs a script on another machine, with `klee` for the daemon. What it makes below `/mnt` exists there alone.
fn elsewhere(host: &Host, script: &str) -> Outcome {
    let klee = host.klee_command("");
    let tls = host.directory("tls");
    let tls = tls.display();
    let script = format!(
        "set -e\nmount -t tmpfs tmpfs /mnt\ncd /mnt\n\
         klee() {{ {} --host https://192.0.2.1:8443 --tlscacert {tls}/ca.pem --tlscert {tls}/client.pem \
         --tlskey {tls}/client-key.pem \"$@\"; }}\n{script}",
        klee.get_program().display()
    );
    let mut command = host.sandbox().outside("sh");
    Outcome::of("sh", command.args(["-c", &script]))
}

#[test]
fn a_context_that_the_daemon_does_not_see_is_sent() {
    let host = listening_to_others();
    let outcome = elsewhere(
        &host,
        "mkdir -p context/src/deep context/node_modules/x
cat > context/Dockerfile <<'END'
FROM minimal
COPY . /app/
RUN /bin/busybox find /app -type f -o -type l | /bin/busybox sort
END
printf '%s\\n' '# what is not needed' node_modules '**/*.tmp' '!src/deep/kept.tmp' '*.md' '!README.md' > context/.dockerignore
echo hello > context/src/deep/file
ln -s deep/file context/src/link
touch context/src/a.tmp context/src/deep/kept.tmp context/README.md context/OTHER.md context/node_modules/x/y
klee build -t sent context",
    );
    let log = outcome.ok();
    let found: Vec<&str> = log.lines().filter(|line| line.starts_with("/app")).collect();
    assert_eq!(
        found,
        [
            "/app/.dockerignore",
            "/app/Dockerfile",
            "/app/README.md",
            "/app/src/deep/file",
            "/app/src/deep/kept.tmp",
            "/app/src/link",
        ],
        "{log}"
    );
    let shown = host.klee("run sent /bin/busybox cat /app/src/link").ok();
    assert!(shown.contains("hello"), "{shown}");
    assert!(!host.state_dir().join("uploads").read_dir().unwrap().any(|_| true));
}

#[test]
fn what_is_sent_is_told_in_one_line_and_only_once() {
    let host = listening_to_others();
    let outcome = elsewhere(
        &host,
        "mkdir context; echo FROM minimal > context/Dockerfile
/bin/dd if=/dev/zero of=context/data bs=1000 count=2500 2> /dev/null
klee build -t sent context",
    );
    assert_eq!(outcome.code, Some(0), "{outcome}");
    assert_eq!(
        outcome.stderr, "Sending build context: 2.5 MB, 2 files\n",
        "{outcome}"
    );
}

#[test]
fn dockerfiles_and_archives_come_from_standard_input() {
    let host = listening_to_others();
    let outcome = elsewhere(
        &host,
        "echo FROM minimal | klee build -q -t alone -
mkdir context; printf 'FROM minimal\\nCOPY data /\\n' > context/Df; echo hello > context/data
tar -C context -czf context.tar.gz .
klee build -q -t archived -f Df - < context.tar.gz
klee build -q -t file -f Df context.tar.gz",
    );
    outcome.ok();
    for image in ["archived", "file"] {
        let shown = host.klee(&format!("run {image} /bin/busybox cat /data")).ok();
        assert!(shown.contains("hello"), "{shown}");
    }
    host.klee("run alone /bin/busybox true").ok();
}

#[test]
fn a_larger_context_than_the_daemon_takes_is_refused_with_what_to_do() {
    let mut host = Host::with_minimal_image();
    host.reconfigure(|text| format!("upload_limit = 1_000_000\n{text}"))
        .unwrap();
    let context = host.directory("context");
    write(context.join("Dockerfile"), "FROM minimal\n");
    write(context.join("data"), vec![0; 5_000_000]);
    let before = host.state();
    let outcome = host.klee("build -t built --upload context");
    assert_eq!(outcome.code, Some(1), "{outcome}");
    assert!(outcome.stdout.contains("raise upload_limit"), "{outcome}");
    assert!(
        outcome.stderr.contains("failed to receive the build context"),
        "{outcome}"
    );
    assert_eq!(host.state(), before);
}
