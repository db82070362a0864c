//! Every kind of socket, as `klee` reaches it: UNIX and TCP, each with and without TLS.

use kleene_tests::{Host, Outcome};

/// A host whose daemon listens at all four kinds of socket; at those with TLS it wants to see a client's certificate.
fn listening_everywhere() -> Host {
    let mut host = Host::with_minimal_image();
    certificates(&host, "tls");
    let directory = host.sandbox().directory().display().to_string();
    let tls = format!(
        "tlscert = \"{directory}/tls/server.pem\", tlskey = \"{directory}/tls/server-key.pem\", \
         tlscacert = \"{directory}/tls/ca.pem\", tlsverify = true"
    );
    let more = format!(
        "listen = [\n  \"http://127.0.0.1:8080\",\n  \
         {{ address = \"https://127.0.0.1:8443\", {tls} }},\n  \
         {{ address = \"https://{directory}/tls.sock\", {tls} }},\n  "
    );
    host.reconfigure(|text| text.replace("listen = [", &more))
        .unwrap();
    host
}

/// An authority of its own, with certificates for the daemon and a client, in a directory of this name.
fn certificates(host: &Host, directory: &str) {
    let path = host.directory(directory);
    let output = host.daemon_command().arg("tls-init").arg(path).output().unwrap();
    assert!(output.status.success(), "{output:?}");
}

/// The options by which a client trusts one authority, and shows the certificate of a perhaps different one.
fn options(host: &Host, trusted: &str, shown: Option<&str>) -> String {
    let directory = host.sandbox().directory().display();
    let shown = shown.map(|shown| {
        format!(" --tlscert {directory}/{shown}/client.pem --tlskey {directory}/{shown}/client-key.pem")
    });
    format!(
        "--tlscacert {directory}/{trusted}/ca.pem{}",
        shown.unwrap_or_default()
    )
}

#[test]
fn a_container_is_run_over_every_kind_of_socket() {
    let host = listening_everywhere();
    let directory = host.sandbox().directory().display().to_string();
    let tls = options(&host, "tls", Some("tls"));
    for address in [
        format!("--host http://{directory}/kleened.sock"),
        "--host http://127.0.0.1:8080".to_owned(),
        format!("--host https://127.0.0.1:8443 {tls}"),
        format!("--host https://localhost:8443 {tls}"),
        format!("--host https://{directory}/tls.sock {tls}"),
    ] {
        let outcome = host.klee_inside(&format!("{address} run minimal /bin/sh -c 'echo hello; exit 3'"));
        let status = host.ground().status_of_first(3);
        assert_eq!(outcome.code, Some(status.into()), "{address}: {outcome}");
        assert!(outcome.stdout.contains("hello\n"), "{address}: {outcome}");
    }
}

#[test]
fn a_client_without_the_right_certificate_is_not_let_in() {
    let host = listening_everywhere();
    certificates(&host, "foreign");
    for shown in [None, Some("foreign")] {
        let refused = |address: &str| -> Outcome {
            host.klee_inside(&format!("--host {address} {} lsc", options(&host, "tls", shown)))
        };
        let tls_socket = format!("https://{}/tls.sock", host.sandbox().directory().display());
        for outcome in [refused("https://127.0.0.1:8443"), refused(&tls_socket)] {
            assert_eq!(outcome.code, Some(1), "{outcome}");
            assert!(
                outcome.stderr.contains("unable to connect to kleened: [SSL:"),
                "{outcome}"
            );
        }
    }
}

#[test]
fn a_daemon_with_a_certificate_of_a_stranger_is_not_trusted() {
    let host = listening_everywhere();
    certificates(&host, "foreign");
    let outcome = host.klee_inside(&format!(
        "--host https://127.0.0.1:8443 {} lsc",
        options(&host, "foreign", Some("tls"))
    ));
    assert_eq!(outcome.code, Some(1), "{outcome}");
    assert!(outcome.stderr.contains("CERTIFICATE_VERIFY_FAILED"), "{outcome}");
}
