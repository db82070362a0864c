//! `https` addresses: whom klee trusts, as whom it appears, and what it says when that fails.

use std::fs;

use insta::assert_snapshot;
use tempfile::TempDir;

use crate::authority::{Authority, Credentials};
use crate::daemon::{Daemon, Ending, Rehearsal, close, klee, starting};

/// A daemon without images that runs anything at once.
fn rehearsal() -> Rehearsal {
    Daemon::rehearse()
        .answer_raw("GET /images/list", 200, "[]")
        .answer_raw("POST /exec/create", 201, r#"{"id":"eeeeeeeeeeee"}"#)
        .converse(
            "/exec/start",
            [
                starting(""),
                close(1000, "closing", "", "eeeeeeeeeeee has exited with exit-code 3"),
            ],
        )
}

/// Runs klee with these TLS options; a listing is REST, `exec` is REST and WebSocket.
fn run(daemon: &Daemon, options: &[&str], command: &[&str]) -> Ending {
    Ending::of(
        daemon
            .klee(&[options, command].concat())
            .stdin(std::process::Stdio::null())
            .output()
            .unwrap(),
    )
}

fn is_listed(ending: &Ending) -> bool {
    ending.code == Some(0) && ending.stdout.contains("CREATED")
}

const LISTING: &[&str] = &["lsi"];
const EXEC: &[&str] = &["exec", "web", "true"];

#[test]
fn requests_and_conversations_go_over_tls_at_unix_sockets_and_ports() {
    let authority = Authority::new("ours");
    let certificate = authority.certify(&["localhost", "127.0.0.1"]);
    let ca = authority.certificate();
    let options = ["--tlscacert", ca.to_str().unwrap()];
    for daemon in [
        rehearsal().start_with_tls(certificate.acceptor(None)),
        rehearsal().start_with_tls_on_tcp(certificate.acceptor(None)),
    ] {
        let ending = run(&daemon, &options, LISTING);
        assert!(is_listed(&ending), "{ending}");
        let ending = run(&daemon, &options, EXEC);
        assert_eq!(ending.code, Some(3), "{ending}");
    }
}

#[test]
fn without_options_any_certificate_will_do() {
    let authority = Authority::new("ours");
    let certificate = authority.certify_expired(&["elsewhere"]);
    let daemon = rehearsal().start_with_tls(certificate.acceptor(None));
    for options in [
        &[] as &[&str],
        &["--no-tlsverify"],
        &["--tlsverify", "--no-tlsverify"],
    ] {
        assert!(is_listed(&run(&daemon, options, LISTING)));
        assert_eq!(run(&daemon, options, EXEC).code, Some(3));
    }
}

#[test]
fn a_certificate_of_another_authority_is_refused() {
    let ours = Authority::new("ours");
    let daemon = rehearsal().start_with_tls(ours.certify(&["localhost"]).acceptor(None));
    let other = Authority::new("other");
    let ca = other.certificate();
    let ca = ca.to_str().unwrap();
    let ending = run(&daemon, &["--tlscacert", ca], LISTING);
    assert_snapshot!(daemon.anonymous(&ending).replace(ca, "<ca>"), @r"
    exit: 1
    ----- stdout -----
    ----- stderr -----
    unable to connect to kleened: [SSL: CERTIFICATE_VERIFY_FAILED] certificate verify failed: unable to get local issuer certificate
    The certificate of <daemon> is not signed by an authority in <ca>: is it the right daemon, and the right '--tlscacert'?
    ");
    // Conversations and an explicit wish for less make no difference.
    let build = run(&daemon, &["--tlscacert", ca], &["build", "/"]);
    assert_eq!(build.stderr, ending.stderr);
    let unverified = run(&daemon, &["--no-tlsverify", "--tlscacert", ca], LISTING);
    assert_eq!(unverified.stderr, ending.stderr);
}

#[test]
fn a_certificate_for_another_name_is_refused() {
    let authority = Authority::new("ours");
    let certificate = authority.certify(&["kleene.example.org", "10.1.1.1"]);
    let daemon = rehearsal().start_with_tls_on_tcp(certificate.acceptor(None));
    let ca = authority.certificate();
    let ending = run(&daemon, &["--tlscacert", ca.to_str().unwrap()], LISTING);
    assert_snapshot!(daemon.anonymous(ending), @r#"
    exit: 1
    ----- stdout -----
    ----- stderr -----
    unable to connect to kleened: [SSL: CERTIFICATE_VERIFY_FAILED] certificate verify failed: Hostname mismatch, certificate is not valid for '127.0.0.1'.
    The certificate of <daemon> is valid for: DnsName("kleene.example.org"), IpAddress(10.1.1.1). Use such a name in '--host'.
    "#);
}

#[test]
fn an_expired_certificate_is_refused() {
    let authority = Authority::new("ours");
    let daemon = rehearsal().start_with_tls(authority.certify_expired(&["localhost"]).acceptor(None));
    let ca = authority.certificate();
    let ending = run(&daemon, &["--tlscacert", ca.to_str().unwrap()], LISTING);
    assert_snapshot!(daemon.anonymous(ending), @r"
    exit: 1
    ----- stdout -----
    ----- stderr -----
    unable to connect to kleened: [SSL: CERTIFICATE_VERIFY_FAILED] certificate verify failed: certificate has expired
    Renew the certificate of <daemon>, unless it is the clock of one side that is wrong.
    ");
}

#[test]
fn the_authorities_of_the_system_count_where_verification_is_all_that_is_asked_for() {
    let authority = Authority::new("ours");
    let daemon = rehearsal().start_with_tls(authority.certify(&["localhost"]).acceptor(None));
    let other = Authority::new("other");
    let with_system = |ca: &std::path::Path| {
        let mut command = daemon.klee(&["--tlsverify", "lsi"]);
        Ending::of(command.env("SSL_CERT_FILE", ca).output().unwrap())
    };
    assert!(is_listed(&with_system(&authority.certificate())));

    let ending = with_system(&other.certificate());
    assert_snapshot!(daemon.anonymous(ending), @r"
    exit: 1
    ----- stdout -----
    ----- stderr -----
    unable to connect to kleened: [SSL: CERTIFICATE_VERIFY_FAILED] certificate verify failed: unable to get local issuer certificate
    The certificate of <daemon> is not signed by an authority that this system trusts: give its own with '--tlscacert'.
    ");

    let ending = with_system("/nonexistent/ca.pem".as_ref());
    assert_eq!(ending.code, Some(1));
    assert!(
        ending.stderr.starts_with(
            "unable to connect to kleened: this system has no certificates of authorities to trust"
        ),
        "{ending}"
    );
}

#[test]
fn a_certificate_that_signed_itself_is_trusted_by_itself() {
    let directory = TempDir::new().unwrap();
    let trusts_itself = |certificate: &Credentials| {
        let daemon = rehearsal().start_with_tls(certificate.acceptor(None));
        run(
            &daemon,
            &["--tlscacert", certificate.certificate.to_str().unwrap()],
            LISTING,
        )
    };
    let good = Credentials::self_signed(directory.path(), &["localhost"]);
    let ending = trusts_itself(&good);
    assert!(is_listed(&ending), "{ending}");

    let elsewhere = Credentials::self_signed(directory.path(), &["elsewhere"]);
    let ending = trusts_itself(&elsewhere);
    assert!(ending.stderr.contains("Hostname mismatch"), "{ending}");

    let expired = Credentials::self_signed_expired(directory.path(), &["localhost"]);
    let ending = trusts_itself(&expired);
    assert!(ending.stderr.contains("certificate has expired"), "{ending}");
}

#[test]
fn a_daemon_that_wants_a_client_certificate_gets_it() {
    let authority = Authority::new("ours");
    let acceptor = authority.certify(&["localhost"]).acceptor(Some(&authority));
    let daemon = rehearsal().start_with_tls(acceptor);
    let client = authority.certify(&["client"]);
    let options = [
        "--tlscert",
        client.certificate.to_str().unwrap(),
        "--tlskey",
        client.key.to_str().unwrap(),
    ];
    assert!(is_listed(&run(&daemon, &options, LISTING)));
    assert_eq!(run(&daemon, &options, EXEC).code, Some(3));
}

#[test]
fn a_missing_client_certificate_is_told() {
    let authority = Authority::new("ours");
    let acceptor = authority.certify(&["localhost"]).acceptor(Some(&authority));
    let daemon = rehearsal().start_with_tls(acceptor);
    let ending = run(&daemon, &[], LISTING);
    assert_snapshot!(daemon.anonymous(&ending), @r"
    exit: 1
    ----- stdout -----
    ----- stderr -----
    unable to connect to kleened: [SSL: TLSV13_ALERT_CERTIFICATE_REQUIRED] tlsv13 alert certificate required
    The daemon at <daemon> wants a client certificate: give one with '--tlscert' and '--tlskey'.
    ");
    assert_eq!(run(&daemon, &[], &["build", "/"]).stderr, ending.stderr);
}

#[test]
fn a_client_certificate_that_the_daemon_refuses_is_told() {
    let authority = Authority::new("ours");
    let acceptor = authority.certify(&["localhost"]).acceptor(Some(&authority));
    let daemon = rehearsal().start_with_tls(acceptor);
    let strangers = Authority::new("other");
    let stranger = strangers.certify(&["client"]);
    let certificate = stranger.certificate.to_str().unwrap();
    let options = [
        "--tlscert",
        certificate,
        "--tlskey",
        stranger.key.to_str().unwrap(),
    ];
    let ending = run(&daemon, &options, LISTING);
    assert_snapshot!(daemon.anonymous(&ending).replace(certificate, "<certificate>"), @r"
    exit: 1
    ----- stdout -----
    ----- stderr -----
    unable to connect to kleened: [SSL: TLSV1_ALERT_UNKNOWN_CA] tlsv1 alert unknown ca
    The daemon at <daemon> refuses the client certificate <certificate>: is it signed by the authority that the daemon trusts, and still valid?
    ");
}

#[test]
fn tls_where_there_is_none_and_none_where_there_is_are_told() {
    let plain = rehearsal().start();
    let url = plain.url().replace("http://", "https://");
    let ending = Ending::of(klee(&["--host", &url, "lsi"]).output().unwrap());
    assert_snapshot!(plain.anonymous(ending), @r"
    exit: 1
    ----- stdout -----
    ----- stderr -----
    unable to connect to kleened: [SSL: WRONG_VERSION_NUMBER] wrong version number
    What listens at <daemon> does not speak TLS: if it is kleened, its address begins with http://.
    ");

    let authority = Authority::new("ours");
    let secured = rehearsal().start_with_tls(authority.certify(&["localhost"]).acceptor(None));
    let url = secured.url().replace("https://", "http://");
    let without_tls = |command: &[&str]| {
        let arguments = [&["--host", &url], command].concat();
        secured.anonymous(Ending::of(klee(&arguments).output().unwrap()))
    };
    let listing = without_tls(LISTING);
    assert_snapshot!(listing, @r"
    exit: 1
    ----- stdout -----
    ----- stderr -----
    Error! Unexpected response received from Kleened.
    What listens at <daemon> does not speak HTTP without TLS: if it is kleened, its address begins with https://.
    ");
    assert_eq!(without_tls(&["build", "/"]), listing);
}

#[test]
fn files_that_cannot_be_used_are_told_by_name() {
    let directory = TempDir::new().unwrap();
    let path = |name: &str| directory.path().join(name).to_str().unwrap().to_owned();
    let authority = Authority::new("ours");
    let (one, other) = (
        Credentials::self_signed(directory.path(), &["localhost"]),
        authority.certify(&["localhost"]),
    );
    fs::write(path("empty.pem"), "").unwrap();
    let certificate = one.certificate.to_str().unwrap().to_owned();
    let key = one.key.to_str().unwrap().to_owned();
    let foreign_key = other.key.to_str().unwrap().to_owned();

    let complaint = |options: &[&str]| {
        let arguments = [&["--host", "https://127.0.0.1:1"], options, &["lsi"]].concat();
        let ending = Ending::of(klee(&arguments).output().unwrap());
        assert_eq!((ending.code, ending.stdout.as_str()), (Some(1), ""), "{ending}");
        let stderr = ending.stderr.replace(&foreign_key, "<foreign key>");
        stderr.replace(directory.path().to_str().unwrap(), "<directory>")
    };
    assert_snapshot!(complaint(&["--tlscacert", &path("none.pem")]), @"unable to connect to kleened: cannot read <directory>/none.pem (--tlscacert): [Errno 2] No such file or directory");
    assert_snapshot!(complaint(&["--tlscacert", &path("empty.pem")]), @"unable to connect to kleened: cannot read <directory>/empty.pem (--tlscacert): there is no certificate in PEM form in it");
    assert_snapshot!(complaint(&["--tlscert", &certificate, "--tlskey", &certificate]), @"unable to connect to kleened: cannot read <directory>/self.pem (--tlskey): there is no key in PEM form in it");
    assert_snapshot!(complaint(&["--tlscert", &key, "--tlskey", &key]), @"unable to connect to kleened: cannot read <directory>/self.key (--tlscert): there is no certificate in PEM form in it");
    assert_snapshot!(complaint(&["--tlscert", &certificate, "--tlskey", &foreign_key]), @"unable to connect to kleened: the key <foreign key> (--tlskey) cannot be used with the certificate <directory>/self.pem (--tlscert): keys may not be consistent: KeyMismatch");
    assert_snapshot!(complaint(&["--tlscert", &certificate]), @"When '--tlscert' is set you must also provide the '--tlskey'");
    assert_snapshot!(complaint(&["--tlskey", &key]), @"When '--tlskey' is set you must also provide the '--tlscert'");
}
